//! The one table of keys: name, kind of value, default, sample, help, and where the value goes.
//!
//! It drives the parser (`fill`), "did you mean", the example file and `jackdaw help config`
//! (`example`). A key that is not here does not exist. The kind of a key is its parser, so
//! documentation and parsing cannot disagree. Rules that need more than one value are in `validate`.

use std::path::PathBuf;
use std::time::Duration;

use super::problem::{Complaint, quoted};
use super::{
    AfterImport, Config, Downloads, Folder, Peer, RateSchedule, Server, ServerType, Sharing,
    secrets, units, values,
};
use crate::release::Category;
use crate::secret::Secret;

/// A kind of section.
pub(super) struct Section<T: 'static> {
    /// Between the brackets.
    pub name: &'static str,
    /// A sample title; `None` = the section takes no title and occurs once.
    pub sample_title: Option<&'static str>,
    /// For the example file.
    pub help: &'static str,
    /// Its keys, in the order of the example file.
    pub keys: &'static [Key<T>],
    /// Where `header.NAME` lines go, if they are allowed.
    pub headers: Option<Headers<T>>,
}

/// Where extra headers go, and a sample line.
pub(super) struct Headers<T> {
    pub slot: fn(&mut T) -> &mut Vec<(String, Secret)>,
    pub sample: &'static str,
}

/// A key.
pub(super) struct Key<T: 'static> {
    pub name: &'static str,
    pub field: Field<T>,
    pub if_absent: IfAbsent,
    /// Shown in the example file; empty = the default.
    pub sample: &'static str,
    /// What it is for, in lines short enough for the example file.
    pub help: &'static str,
}

/// What holds when a key is absent.
#[derive(Clone, Copy)]
pub(super) enum IfAbsent {
    /// As if this had been written.
    Value(&'static str),
    /// It must be written.
    Required,
    /// The blank value of the section stays; the text says what that means.
    Unset(&'static str),
}

/// A kind of value, with the place it goes to.
pub(super) enum Field<T: 'static> {
    /// An absolute path of ours.
    Path(fn(&mut T) -> &mut PathBuf),
    /// A base address.
    Url(fn(&mut T, String)),
    /// A secret under a rule.
    Secret(fn(&mut T, Secret), fn(&str) -> Result<(), Complaint>),
    /// A duration of at least this.
    Duration(fn(&mut T) -> &mut Duration, Duration),
    /// Bytes.
    Size(fn(&mut T) -> &mut u64),
    /// A rate, perhaps with hours.
    Rate(fn(&mut T) -> &mut RateSchedule),
    /// Yes or no.
    Bool(fn(&mut T) -> &mut bool),
    /// A whole number within limits.
    Number(fn(&mut T) -> &mut u32, u32, u32),
    /// A whole number within limits, of things in memory.
    Count(fn(&mut T) -> &mut usize, u32, u32),
    /// Something that only this key has.
    Own(fn(&mut T, &str) -> Result<(), Complaint>),
    /// Like `Own`, and the key may be repeated.
    Repeated(fn(&mut T, &str) -> Result<(), Complaint>),
}

/// Shortest wait between two rounds of something periodic: nothing polls faster than once a second.
const ONE_SECOND: Duration = Duration::from_secs(1);

/// Shortest wait inside one transfer.
const ONE_MILLISECOND: Duration = Duration::from_millis(1);

/// Where the database goes by default: beside wherever jackdaw is started.
const DEFAULT_DATA_DIR: &str = "./jackdaw-data";

pub(super) static JACKDAW: Section<Config> = Section {
    name: "jackdaw",
    sample_title: None,
    help: "jackdaw itself.",
    headers: None,
    keys: &[
        Key {
            name: "name",
            field: Field::Own(|config, text| {
                config.name = values::own_name(text)?;
                Ok(())
            }),
            if_absent: IfAbsent::Value("jackdaw"),
            sample: "",
            help: "Shown to friends and in Sonarr and Radarr.",
        },
        Key {
            name: "listen",
            field: Field::Own(|config, text| {
                config.listen = values::listen(text)?;
                Ok(())
            }),
            if_absent: IfAbsent::Value("127.0.0.1:5225"),
            sample: "0.0.0.0:5225",
            help: "Addresses to accept connections on, with ports, comma separated; [::]:5225 for IPv6.\n\
                   Only this machine can reach 127.0.0.1; containers and friends need 0.0.0.0 or [::].",
        },
        Key {
            name: "internal_url",
            field: Field::Url(|config, url| config.internal_url = Some(url)),
            if_absent: IfAbsent::Unset("none; needed for autoregister"),
            sample: "http://jackdaw:5225",
            help: "Where Sonarr and Radarr reach us. May end in a path prefix, which is then served too.",
        },
        Key {
            name: "external_url",
            field: Field::Url(|config, url| config.external_url = Some(url)),
            if_absent: IfAbsent::Unset("none"),
            sample: "https://me.example",
            help: "Where friends reach us; for invitations, which this version does not write yet.",
        },
        Key {
            name: "api_key",
            field: Field::Secret(
                |config, key| config.api_key = Some(key),
                secrets::check_own_key,
            ),
            if_absent: IfAbsent::Unset("made at the first start and printed once"),
            sample: "env:JACKDAW_API_KEY",
            help: "The owner's key, valid everywhere: at least 16 of A-Z a-z 0-9 . _ ~ -",
        },
        Key {
            name: "data_dir",
            field: Field::Path(|config| &mut config.data_dir),
            if_absent: IfAbsent::Unset(DEFAULT_DATA_DIR),
            sample: "/var/lib/jackdaw",
            help: "Folder of the database. The default lies in the folder jackdaw is started in.",
        },
        Key {
            name: "log",
            field: Field::Own(|config, text| {
                config.log = values::log_level(text)?;
                Ok(())
            }),
            if_absent: IfAbsent::Value("info"),
            sample: "",
            help: "error, warn, info, debug or trace; no level shows keys.",
        },
        Key {
            name: "http_workers",
            field: Field::Count(|config| &mut config.http_workers, 1, 64),
            if_absent: IfAbsent::Value("4"),
            sample: "",
            help: "Threads that answer short requests.",
        },
        Key {
            name: "max_connections",
            field: Field::Count(|config| &mut config.max_connections, 1, 16_384),
            if_absent: IfAbsent::Value("256"),
            sample: "",
            help: "Connections at once; above that the one idle for longest is closed.",
        },
    ],
};

pub(super) static DOWNLOADS: Section<Downloads> = Section {
    name: "downloads",
    sample_title: None,
    help: "Fetching from friends. Without this section nothing is downloaded, and no download client\n\
           is registered.",
    headers: None,
    keys: &[
        Key {
            name: "completed_path",
            field: Field::Path(|downloads| &mut downloads.completed_path),
            if_absent: IfAbsent::Required,
            sample: "/data/completed",
            help: "Where finished files go. Best on the file system of the libraries, so that imports are\n\
                   renames.",
        },
        Key {
            name: "arr_path",
            field: Field::Own(|downloads, text| {
                downloads.arr_path = values::foreign_path(text)?;
                Ok(())
            }),
            if_absent: IfAbsent::Unset("completed_path"),
            sample: "/data/completed",
            help: "The same folder as Sonarr and Radarr see it.",
        },
        Key {
            name: "max_concurrent",
            field: Field::Count(|downloads| &mut downloads.max_concurrent, 1, 64),
            if_absent: IfAbsent::Value("3"),
            sample: "",
            help: "Downloads at once.",
        },
        Key {
            name: "max_attempts",
            field: Field::Number(|downloads| &mut downloads.max_attempts, 1, 100_000),
            if_absent: IfAbsent::Value("13"),
            sample: "",
            help: "Attempts before a grab fails.",
        },
        Key {
            name: "retry_base_delay",
            field: Field::Duration(|downloads| &mut downloads.retry_base_delay, ONE_MILLISECOND),
            if_absent: IfAbsent::Value("1s"),
            sample: "",
            help: "Wait after the first failed attempt; it doubles with every further one.",
        },
        Key {
            name: "retry_max_delay",
            field: Field::Duration(|downloads| &mut downloads.retry_max_delay, ONE_MILLISECOND),
            if_absent: IfAbsent::Value("30m"),
            sample: "",
            help: "Longest wait between two attempts.",
        },
        Key {
            name: "idle_timeout",
            field: Field::Duration(|downloads| &mut downloads.idle_timeout, ONE_MILLISECOND),
            if_absent: IfAbsent::Value("60s"),
            sample: "",
            help: "Longest wait for a friend's next byte.",
        },
        Key {
            name: "max_file_size",
            field: Field::Size(|downloads| &mut downloads.max_file_size),
            if_absent: IfAbsent::Value("100GiB"),
            sample: "",
            help: "Larger files are refused; 0 = no limit.",
        },
        Key {
            name: "min_free_space",
            field: Field::Size(|downloads| &mut downloads.min_free_space),
            if_absent: IfAbsent::Value("1GiB"),
            sample: "",
            help: "Space that downloads leave free; they wait until there is more.",
        },
        Key {
            name: "rate",
            field: Field::Rate(|downloads| &mut downloads.rate),
            if_absent: IfAbsent::Value("0"),
            sample: "2MiB/s, 23:00-07:00 unlimited, sat-sun 5MiB/s",
            help: "Rate of all downloads together; 0 = unlimited. Perhaps with days and hours (local time),\n\
                   of which the last match wins.",
        },
        Key {
            name: "after_import",
            field: Field::Own(|downloads, text| {
                downloads.after_import = values::after_import(text)?;
                Ok(())
            }),
            if_absent: IfAbsent::Value("move"),
            sample: "",
            help: "move: Sonarr or Radarr moves the file into its library. keep: it links or copies it.",
        },
        Key {
            name: "unlink_imported",
            field: Field::Bool(|downloads| &mut downloads.unlink_imported),
            if_absent: IfAbsent::Value("false"),
            sample: "",
            help: "With keep: remove our link once the import is done.",
        },
        Key {
            name: "import_poll_interval",
            field: Field::Duration(|downloads| &mut downloads.import_poll_interval, ONE_SECOND),
            if_absent: IfAbsent::Value("30s"),
            sample: "",
            help: "How often to look for finished imports.",
        },
        Key {
            name: "report_failures",
            field: Field::Bool(|downloads| &mut downloads.report_failures),
            if_absent: IfAbsent::Value("true"),
            sample: "",
            help: "Tell Sonarr or Radarr when a grab has finally failed, so that it looks for another.",
        },
        Key {
            name: "umask",
            field: Field::Own(|downloads, text| {
                downloads.umask = units::umask(text)?;
                Ok(())
            }),
            if_absent: IfAbsent::Value("002"),
            sample: "",
            help: "File mode mask of what we create, octal. 002 lets the group write, 022 does not.",
        },
    ],
};

pub(super) static SHARING: Section<Sharing> = Section {
    name: "sharing",
    sample_title: None,
    help: "Serving friends.",
    headers: None,
    keys: &[
        Key {
            name: "max_uploads",
            field: Field::Count(|sharing| &mut sharing.max_uploads, 1, 1024),
            if_absent: IfAbsent::Value("8"),
            sample: "",
            help: "Files sent at once; further requests are asked to come back later.",
        },
        Key {
            name: "rate",
            field: Field::Rate(|sharing| &mut sharing.rate),
            if_absent: IfAbsent::Value("0"),
            sample: "",
            help: "Rate of all friends together; hours as in [downloads].",
        },
        Key {
            name: "rate_per_peer",
            field: Field::Rate(|sharing| &mut sharing.rate_per_peer),
            if_absent: IfAbsent::Value("0"),
            sample: "",
            help: "Rate of each friend.",
        },
        Key {
            name: "catalogue_refresh",
            field: Field::Duration(|sharing| &mut sharing.catalogue_refresh, ONE_SECOND),
            if_absent: IfAbsent::Value("15m"),
            sample: "",
            help: "How often our libraries and the lists of friends are read again.",
        },
        Key {
            name: "peer_hide_after",
            field: Field::Duration(|sharing| &mut sharing.peer_hide_after, ONE_SECOND),
            if_absent: IfAbsent::Value("24h"),
            sample: "",
            help: "How long the releases of a friend who is away can still be found.",
        },
    ],
};

pub(super) static SERVER: Section<Server> = Section {
    name: "server",
    sample_title: Some("Main Radarr"),
    help: "A Radarr or Sonarr; one section each. The title is also its qBittorrent user name.",
    headers: Some(Headers {
        slot: |server| &mut server.headers,
        sample: "header.X-Forwarded-User = jackdaw",
    }),
    keys: &[
        Key {
            name: "type",
            field: Field::Own(|server, text| {
                server.kind = values::server_type(text)?;
                Ok(())
            }),
            if_absent: IfAbsent::Required,
            sample: "radarr",
            help: "radarr or sonarr.",
        },
        Key {
            name: "url",
            field: Field::Url(|server, url| server.url = url),
            if_absent: IfAbsent::Required,
            sample: "http://radarr:7878",
            help: "Its address, with its URL base if it has one.",
        },
        Key {
            name: "api_key",
            field: Field::Secret(|server, key| server.api_key = key, secrets::check_arr_key),
            if_absent: IfAbsent::Required,
            sample: "env:RADARR_API_KEY",
            help: "32 hex digits, from its Settings, General.",
        },
        Key {
            name: "source",
            field: Field::Bool(|server| &mut server.source),
            if_absent: IfAbsent::Value("true"),
            sample: "",
            help: "Share its library with friends.",
        },
        Key {
            name: "destination",
            field: Field::Bool(|server| &mut server.destination),
            if_absent: IfAbsent::Value("true"),
            sample: "",
            help: "It searches and grabs through us.",
        },
        Key {
            name: "autoregister",
            field: Field::Bool(|server| &mut server.autoregister),
            if_absent: IfAbsent::Value("true"),
            sample: "",
            help: "Add ourselves there as indexer and download client; needs internal_url.",
        },
        Key {
            name: "priority",
            field: Field::Number(|server| &mut server.priority, 1, 50),
            if_absent: IfAbsent::Value("25"),
            sample: "",
            help: "Priority of the indexer, 1 to 50; the download client always gets 50.",
        },
        Key {
            name: "path_map",
            field: Field::Repeated(|server, text| {
                let (theirs, ours) = values::path_map(text)?;
                if server.path_map.iter().any(|(known, _)| *known == theirs) {
                    return Err(Complaint::new(
                        format!("{} is mapped twice", quoted(&theirs)),
                        "remove one of the two lines",
                    ));
                }
                server.path_map.push((theirs, ours));
                Ok(())
            }),
            if_absent: IfAbsent::Unset("its paths are ours"),
            sample: "/movies -> /mnt/disk/movies",
            help: "A path as it reports it -> where we find it. May be repeated.",
        },
    ],
};

pub(super) static FOLDER: Section<Folder> = Section {
    name: "folder",
    sample_title: Some("Concert films"),
    help: "A directory to share without any Radarr or Sonarr; one section each.",
    headers: None,
    keys: &[
        Key {
            name: "path",
            field: Field::Path(|folder| &mut folder.path),
            if_absent: IfAbsent::Required,
            sample: "/srv/concerts",
            help: "The directory.",
        },
        Key {
            name: "kind",
            field: Field::Own(|folder, text| {
                folder.kind = values::folder_kind(text)?;
                Ok(())
            }),
            if_absent: IfAbsent::Required,
            sample: "movies",
            help: "movies or tv.",
        },
    ],
};

pub(super) static PEER: Section<Peer> = Section {
    name: "peer",
    sample_title: Some("alice"),
    help: "A friend whose jackdaw or jack we ask; one section each.",
    headers: Some(Headers {
        slot: |peer| &mut peer.headers,
        sample: "header.CF-Access-Client-Id = env:ALICE_CF_ID",
    }),
    keys: &[
        Key {
            name: "url",
            field: Field::Url(|peer, url| peer.url = url),
            if_absent: IfAbsent::Required,
            sample: "https://alice.example",
            help: "The friend's address.",
        },
        Key {
            name: "api_key",
            field: Field::Secret(|peer, key| peer.api_key = key, secrets::check_header_value),
            if_absent: IfAbsent::Required,
            sample: "file:/run/secrets/alice",
            help: "The key that the friend gave us.",
        },
    ],
};

/// Drafts that `fill` starts from. Required keys overwrite what stands here, or there is a problem
/// and the draft is thrown away.
pub(super) mod blank {
    use super::*;

    pub fn config() -> Config {
        Config {
            file: None,
            name: String::new(),
            listen: Vec::new(),
            internal_url: None,
            external_url: None,
            path_prefix: String::new(),
            api_key: None,
            data_dir: PathBuf::from(DEFAULT_DATA_DIR),
            log: log::LevelFilter::Info,
            http_workers: 0,
            max_connections: 0,
            downloads: None,
            sharing: sharing(),
            servers: Vec::new(),
            folders: Vec::new(),
            peers: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub fn downloads() -> Downloads {
        Downloads {
            completed_path: PathBuf::new(),
            arr_path: String::new(),
            max_concurrent: 0,
            max_attempts: 0,
            retry_base_delay: Duration::ZERO,
            retry_max_delay: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            max_file_size: 0,
            min_free_space: 0,
            rate: RateSchedule::default(),
            after_import: AfterImport::Move,
            unlink_imported: false,
            import_poll_interval: Duration::ZERO,
            report_failures: false,
            umask: 0,
        }
    }

    pub fn sharing() -> Sharing {
        Sharing {
            max_uploads: 0,
            rate: RateSchedule::default(),
            rate_per_peer: RateSchedule::default(),
            catalogue_refresh: Duration::ZERO,
            peer_hide_after: Duration::ZERO,
        }
    }

    pub fn server(title: &str) -> Server {
        Server {
            title: title.to_owned(),
            kind: ServerType::Radarr,
            url: String::new(),
            api_key: Secret::new(""),
            source: false,
            destination: false,
            autoregister: false,
            priority: 0,
            path_map: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub fn folder(title: &str) -> Folder {
        Folder {
            title: title.to_owned(),
            path: PathBuf::new(),
            kind: Category::Movies,
        }
    }

    pub fn peer(name: &str) -> Peer {
        Peer {
            name: name.to_owned(),
            url: String::new(),
            api_key: Secret::new(""),
            headers: Vec::new(),
        }
    }
}
