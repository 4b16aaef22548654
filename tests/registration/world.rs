//! Our faces in this process, an arr beside them, and the registrar between them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jackdaw::app;
use jackdaw::arr::client::ArrClient;
use jackdaw::arr::registration::{Registrar, State};
use jackdaw::config::Config;
use jackdaw::http::{Access, Method, Request, Response, Route, Server, Settings, Weight};
use jackdaw::keys::Caller;
use jackdaw::routes::ROUTES;
use jackdaw::secret::digest;
use jackdaw::services::Services;
use jackdaw::store::Store;
use miniserde::json::{self, Value};

use crate::support::Home;
use crate::support::fake_arr::{App, FakeArr, Provider};
use crate::support::process::{Ended, run};

pub const TITLE: &str = "Main arr";

/// A path in our address, so that nobody forgets it.
pub const PREFIX: &str = "/behind/nginx";

/// Credentials that the hook route was called with. Tests tell theirs apart by the key in it.
pub static HOOKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Stands where webhooks arrive.
pub fn hook(_: &Services, request: &Request) -> Response {
    let authorization = request.header("Authorization").unwrap_or_default();
    HOOKED.lock().unwrap().push(authorization.to_owned());
    Response::text(200, "")
}

/// As [`hook`], out of order.
pub fn broken_hook(_: &Services, _: &Request) -> Response {
    Response::text(500, "on purpose")
}

/// Our faces in this process, an arr beside them, and the registrar between them.
pub struct World {
    pub home: Home,
    pub arr: FakeArr,
    app: Option<app::App>,
    _server: Server,
    pub url: String,
    config: Config,
    pub registrar: Registrar,
}

impl World {
    pub fn new(name: &str, app: App) -> World {
        World::with(name, FakeArr::start(app), "", hook)
    }

    /// `more` is configuration.
    pub fn with(
        name: &str,
        arr: FakeArr,
        more: &str,
        hook: fn(&Services, &Request) -> Response,
    ) -> World {
        let home = Home::new(name);
        let text = format!(
            "[jackdaw]\nlisten = 127.0.0.1:0\napi_key = 0123456789abcdef\ndata_dir = {}\n\
             [downloads]\ncompleted_path = {}\n{more}\n",
            home.dir("data").display(),
            home.dir("completed").display()
        );
        let ours = arr.section(TITLE, "source = false");
        let config = Config::from_text("test.ini", &format!("{text}{ours}")).unwrap();
        let app = app::App::start(config).unwrap();
        let hooks = [Route {
            methods: &[Method::Post],
            pattern: "/hook/{server}",
            access: Access::Open,
            weight: Weight::Short,
            handler: hook,
        }];
        let routes: Vec<Route<Services>> = hooks
            .into_iter()
            .chain(ROUTES.iter().map(|route| Route { ..*route }))
            .collect();
        let settings = Settings {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            path_prefix: PREFIX.to_owned(),
            run_in: Some(home.dir("run")),
            ..Settings::default()
        };
        let services = Arc::clone(app.services());
        let server = Server::start(settings, routes.leak(), services, |services, request| {
            services.keys.identify(request.presented_key()?)
        })
        .unwrap();
        let url = format!("http://{}{PREFIX}", server.addresses()[0]);
        let text = text.replace("[jackdaw]\n", &format!("[jackdaw]\ninternal_url = {url}\n"));
        let file = home.join("jackdaw.ini");
        std::fs::write(&file, format!("{text}{ours}")).unwrap();
        let config = jackdaw::config::load(Some(&file)).unwrap();
        let registrar = registrar(&config, app.services().store.clone());
        World {
            home,
            arr,
            app: Some(app),
            _server: server,
            url,
            config,
            registrar,
        }
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.app.as_ref().unwrap().services().store
    }

    /// As after a restart: nothing is known but what is stored.
    pub fn restart(&mut self) {
        self.registrar = registrar(&self.config, self.store().clone());
    }

    /// One round at this time.
    #[track_caller]
    pub fn round(&self, now: Instant) -> Instant {
        let next = self.registrar.run_due(now);
        assert!(next > now);
        next
    }

    /// A round that must end in success, with notes having all these words.
    #[track_caller]
    pub fn registers(&self, words: &[&str]) {
        self.round(far());
        match self.state() {
            State::Registered(notes) => {
                assert_eq!(notes.is_empty(), words.is_empty(), "{notes:?}");
                let notes = notes.join("\n");
                for word in words {
                    assert!(notes.contains(word), "{word} is not in {notes}");
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// A round that must fail, with a reason that has all these words.
    #[track_caller]
    pub fn waits(&self, words: &[&str]) -> String {
        self.round(far());
        match self.state() {
            State::Waiting(reason) => {
                for word in words {
                    assert!(reason.contains(word), "{word} is not in {reason}");
                }
                assert!(!reason.contains(&self.arr.key), "{reason}");
                reason
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn state(&self) -> State {
        let mut all = self.registrar.states();
        assert_eq!(all.len(), 1);
        all.remove(0).state
    }

    /// The only client, indexer or notification.
    #[track_caller]
    pub fn only(&self, resource: &'static str) -> Provider {
        let mut all = self.arr.providers(resource);
        assert_eq!(all.len(), 1, "{resource}: {all:?}");
        all.remove(0)
    }

    pub fn change(&self, resource: &'static str, id: u64, change: impl FnOnce(&mut Provider)) {
        let mut state = self.arr.state();
        let all = state.providers.get_mut(resource).unwrap();
        change(all.iter_mut().find(|p| p.id == id).unwrap());
    }

    /// Whose key that is.
    pub fn owner(&self, key: &str) -> Option<Caller> {
        self.store().key_owner(&digest(key)).unwrap()
    }

    /// POST, PUT and DELETE that it got, tests aside.
    pub fn writes(&self) -> usize {
        let is_write = |call: &&crate::support::fake_arr::Call| {
            call.method != "GET" && !call.target.ends_with("/test")
        };
        self.arr.state().calls.iter().filter(is_write).count()
    }

    pub fn jackdaw(&self, arguments: &[&str]) -> Ended {
        let file = self.home.join("jackdaw.ini");
        let mut all = vec!["register", "--config", file.to_str().unwrap()];
        all.extend(arguments);
        run(&all, self.home.path())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(app) = self.app.take() {
            app.stop();
        }
    }
}

pub fn registrar(config: &Config, store: Arc<Store>) -> Registrar {
    let clients: Vec<Arc<ArrClient>> = config
        .servers
        .iter()
        .map(|server| Arc::new(ArrClient::new(server.clone())))
        .collect();
    Registrar::new(config, store, &clients)
}

/// A time at which everything is due; later with each call.
pub fn far() -> Instant {
    static CALLS: Mutex<u32> = Mutex::new(0);
    let mut calls = CALLS.lock().unwrap();
    *calls += 1;
    Instant::now() + *calls * Duration::from_secs(24 * 3600)
}

#[track_caller]
pub fn top(provider: &Provider, name: &str, expected: &str) {
    let found = provider.top.get(name).unwrap_or(&Value::Null);
    assert_eq!(json::to_string(found), expected, "{name}");
}

#[track_caller]
pub fn field(provider: &Provider, name: &str, expected: &str) {
    let found = provider.fields.get(name).unwrap_or(&Value::Null);
    assert_eq!(json::to_string(found), expected, "{name}");
}

pub fn secret(provider: &Provider, name: &str) -> String {
    match provider.fields.get(name) {
        Some(Value::String(text)) => text.clone(),
        other => panic!("{name}: {other:?}"),
    }
}
