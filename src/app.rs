//! Builds the parts from the configuration, starts and stops them: the one place that knows all.
//!
//! Order of the start: data folder and its lock, database, keys, friends and sources, catalogue,
//! downloads, periodic jobs, and last the listener, so that whoever gets an answer gets a true one.
//! The stop goes the other way round and takes less than five seconds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, flock};

use crate::arr::client::ArrClient;
use crate::arr::imports::ImportTracker;
use crate::arr::library::ArrSource;
use crate::arr::registration::Registrar;
use crate::catalogue::Catalogue;
use crate::clock::{Zone, now_unix};
use crate::config::Config;
use crate::downloads::Downloads;
use crate::http;
use crate::keys::{Caller, Keys};
use crate::library::Source;
use crate::library::folder::FolderSource;
use crate::peer::Peers;
use crate::peer::client::PeerClient;
use crate::peer::uploads::Uploads;
use crate::routes::ROUTES;
use crate::scheduler::{Job, Lane, Scheduler};
use crate::services::Services;
use crate::status::ArrReports;
use crate::store::{Store, StoreError};

/// Held while a jackdaw uses the data folder: two of them on one database would each resume the
/// same downloads.
const LOCK_FILE: &str = "jackdaw.lock";

/// What the owner can do about a damaged database.
const DAMAGED_HINT: &str =
    ": move jackdaw.db away and start again (grabs and keys are made anew), or put back a copy";

/// Timetables are in whole minutes.
const MINUTE: u64 = 60;

/// A running jackdaw.
pub struct App {
    server: http::Server,
    scheduler: Scheduler,
    services: Arc<Services>,
    // Released last.
    _lock: File,
}

impl App {
    /// Starts everything. The error is one line that names what cannot be used and what to do.
    pub fn start(config: Config) -> Result<App, String> {
        let config = Arc::new(config);
        apply_umask(&config);
        let lock = lock_data_dir(&config.data_dir)?;
        let store = Store::open(&config.data_dir).map_err(|error| {
            let hint = match error {
                StoreError::Corrupt(_) => DAMAGED_HINT,
                _ => "",
            };
            format!(
                "cannot open the database in {}: {error}{hint}",
                config.data_dir.display()
            )
        })?;
        let store = Arc::new(store);
        let keys = keys(&config, &store)?;
        let arrs: Vec<Arc<ArrClient>> = config
            .servers
            .iter()
            .map(|server| Arc::new(ArrClient::new(server.clone())))
            .collect();
        let peers: Vec<Arc<PeerClient>> = config
            .peers
            .iter()
            .map(|peer| Arc::new(PeerClient::new(peer.clone())))
            .collect();
        let peers = Arc::new(Peers::new(peers));
        let catalogue = Catalogue::open(
            Arc::clone(&store),
            sources(&config, &arrs),
            Arc::clone(&peers),
            &config.sharing,
        )
        .map_err(|error| error.to_string())?;
        let catalogue = Arc::new(catalogue);
        let downloads = match &config.downloads {
            Some(settings) => Some(Downloads::start(
                settings.clone(),
                Arc::clone(&store),
                Arc::clone(&peers),
                Arc::clone(&catalogue),
            )?),
            None => None,
        };
        let uploads = Arc::new(Uploads::new(
            config.sharing.max_uploads,
            config.sharing.rate.base,
            config.sharing.rate_per_peer.base,
        ));
        let imports = downloads.as_ref().map(|downloads| {
            let settings = downloads.settings();
            Arc::new(ImportTracker::new(settings, &arrs, Arc::clone(downloads)))
        });
        let registrar = Arc::new(Registrar::new(&config, Arc::clone(&store), &arrs));
        let mut arr_reports = vec![Arc::clone(&registrar) as Arc<dyn ArrReports>];
        arr_reports.extend(
            imports
                .clone()
                .map(|imports| imports as Arc<dyn ArrReports>),
        );
        let services = Arc::new(Services {
            config: Arc::clone(&config),
            store,
            keys,
            peers,
            uploads,
            catalogue,
            downloads,
            imports,
            qbittorrent: crate::qbittorrent::Face::new(),
            arr_reports,
            started: Instant::now(),
        });
        let scheduler = Scheduler::start(jobs(&services, registrar))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        if let Some(imports) = &services.imports {
            imports.set_waker(scheduler.waker());
        }
        let settings = http::Settings {
            listen: config.listen.clone(),
            path_prefix: config.path_prefix.clone(),
            http_workers: config.http_workers,
            max_connections: config.max_connections,
            run_in: Some(config.data_dir.clone()),
            ..http::Settings::default()
        };
        let server = http::Server::start(settings, ROUTES, Arc::clone(&services), identify);
        let server = match server {
            Ok(server) => server,
            Err(error) => {
                scheduler.stop();
                if let Some(downloads) = &services.downloads {
                    downloads.stop();
                }
                return Err(error);
            }
        };
        for address in server.addresses() {
            log::info!("listening on http://{address}{}", config.path_prefix);
        }
        Ok(App {
            server,
            scheduler,
            services,
            _lock: lock,
        })
    }

    /// Where it listens: the ports really taken.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.server.addresses().to_vec()
    }

    /// What the handlers work on.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Stops accepting, lets short requests finish, syncs part files.
    pub fn stop(self) {
        let App {
            mut server,
            scheduler,
            services,
            _lock,
        } = self;
        // Side by side: each has a few seconds, and all together have five.
        std::thread::scope(|scope| {
            scope.spawn(|| server.stop());
            scope.spawn(|| scheduler.stop());
            if let Some(downloads) = &services.downloads {
                downloads.stop();
            }
        });
    }
}

/// Whose key a request presents, on routes for friends and for the owner.
fn identify(services: &Services, request: &http::Request) -> Option<Caller> {
    services.keys.identify(request.presented_key()?)
}

fn apply_umask(config: &Config) {
    let umask = config.downloads.as_ref().map_or(0o022, |d| d.umask);
    rustix::process::umask(Mode::from_raw_mode(umask));
}

fn lock_data_dir(data_dir: &Path) -> Result<File, String> {
    let here = data_dir.display();
    fs::create_dir_all(data_dir).map_err(|error| {
        format!("cannot create data_dir {here}: {error}; create it, or name another folder")
    })?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data_dir.join(LOCK_FILE))
        .map_err(|error| {
            format!("cannot write in data_dir {here}: {error}; give it to the user jackdaw runs as")
        })?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(format!(
                "another jackdaw is running with data_dir {here}: stop it, or give this one its own"
            ));
        }
        // Some network file systems have no locks; that is no reason not to run.
        Err(error) => log::warn!("cannot lock {here}: {error}"),
    }
    Ok(lock)
}

fn keys(config: &Config, store: &Arc<Store>) -> Result<Keys, String> {
    if let Some(key) = &config.api_key {
        return Ok(Keys::with_owner(key.clone(), Arc::clone(store)));
    }
    Keys::with_generated(Arc::clone(store), |key| {
        // The only time that a key is shown: nobody else could tell it to the owner. Not
        // `println!`: that panics where standard output is closed.
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "No api_key is configured, so one was made. It is shown this once: {}",
            key.expose()
        )?;
        out.flush()
    })
}

fn sources(config: &Config, arrs: &[Arc<ArrClient>]) -> Vec<Arc<dyn Source>> {
    let folders = config
        .folders
        .iter()
        .map(|folder| Arc::new(FolderSource::new(folder)) as Arc<dyn Source>);
    let libraries = arrs
        .iter()
        .filter(|arr| arr.server().source)
        .map(|arr| Arc::new(ArrSource::new(Arc::clone(arr))) as Arc<dyn Source>);
    folders.chain(libraries).collect()
}

fn jobs(services: &Arc<Services>, registrar: Arc<Registrar>) -> Vec<Job> {
    let mut jobs = Vec::new();
    jobs.push(Job {
        name: "registration",
        lane: Lane::Arrs,
        run: Box::new(move |now| registrar.run_due(now)),
    });
    let catalogue = Arc::clone(&services.catalogue);
    jobs.push(Job {
        name: "catalogue refresh",
        lane: Lane::Slow,
        run: Box::new(move |_| catalogue.refresh_due()),
    });
    jobs.extend(rates_job(services));
    if let Some(imports) = services.imports.clone() {
        jobs.push(Job {
            name: "import tracking",
            lane: Lane::Arrs,
            run: Box::new(move |now| imports.run_due(now)),
        });
    }
    jobs
}

/// Applies upload timetables at every full minute; `None` when no rate depends on the hour.
fn rates_job(services: &Arc<Services>) -> Option<Job> {
    let sharing = services.config.sharing.clone();
    if sharing.rate.windows.is_empty() && sharing.rate_per_peer.windows.is_empty() {
        return None;
    }
    let uploads = Arc::clone(&services.uploads);
    let zone = Zone::local();
    Some(Job {
        name: "rate timetable",
        lane: Lane::Quick,
        run: Box::new(move |now| {
            let unix = now_unix();
            let (day, minute) = zone.weekday_and_minute(unix);
            uploads.follow(&sharing, day, minute, now);
            now + Duration::from_secs(MINUTE - unix % MINUTE)
        }),
    })
}
