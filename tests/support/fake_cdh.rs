//! What the fake Radarr or Sonarr does towards us: the tests that it runs when a provider is
//! saved, its poll of the download client, and the import of finished downloads (completed
//! download handling). Order, parameters and refusals follow Sonarr's QBittorrent client,
//! Torznab test and CompletedDownloadService.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use jackdaw::json::{get, get_bool, get_str, get_u64};
use miniserde::json::{Number, Object, Value};

use super::fake_arr::{App, FakeArr, Provider, number, value};

/// An item as the app tracks it after a poll.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Upper-case, as the app keeps it.
    pub download_id: String,
    pub title: String,
    pub state: String,
    pub content_path: String,
    pub save_path: String,
    /// State is pausedUP and the limit is reached: moved at import, and then deleted.
    pub can_be_removed: bool,
}

/// A logged-in qBittorrent session, made from a provider's settings.
struct Client {
    base: String,
    agent: ureq::Agent,
    cookie: String,
    category: String,
    category_field: &'static str,
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(100)))
        .build()
        .into()
}

fn text(provider: &Provider, name: &str) -> String {
    match provider.fields.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn problem(property: &str, message: &str) -> Vec<Value> {
    vec![value(&format!(
        r#"{{"propertyName":"{property}","errorMessage":{},"severity":"error","isWarning":false}}"#,
        miniserde::json::to_string(message)
    ))]
}

impl Client {
    /// Probe, login: errors as the app's validation shows them.
    fn open(app: App, provider: &Provider) -> Result<Client, Vec<Value>> {
        let url_base = text(provider, "urlBase");
        let url_base = match url_base.trim_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        };
        let category_field = match app {
            App::Radarr => "movieCategory",
            App::Sonarr => "tvCategory",
        };
        let mut client = Client {
            base: format!(
                "http://{}:{}{url_base}/api/v2",
                text(provider, "host"),
                text(provider, "port")
            ),
            agent: agent(),
            cookie: String::new(),
            category: text(provider, category_field),
            category_field,
        };
        let (status, body) = client.get("/app/webapiVersion").map_err(|error| {
            problem(
                "Host",
                &format!("Unable to connect to qBittorrent: {error}"),
            )
        })?;
        match status {
            403 | 200 => {}
            404 => return Err(problem("Host", "not v2")),
            _ => return Err(problem("Host", &format!("probe: {status} {body}"))),
        }
        let (user, password) = (text(provider, "username"), text(provider, "password"));
        if !user.is_empty() && !password.is_empty() {
            let form = format!("username={}&password={}", escape(&user), escape(&password));
            let mut response = client
                .agent
                .post(format!("{}/auth/login", client.base))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .send(form)
                .map_err(|error| problem("Host", &error.to_string()))?;
            let cookie = response
                .headers()
                .get("set-cookie")
                .and_then(|cookie| cookie.to_str().ok())
                .map(|cookie| cookie.split(';').next().unwrap_or("").to_owned());
            let body = response.body_mut().read_to_string().unwrap_or_default();
            if response.status() != 200 || body != "Ok." {
                return Err(problem("Username", "Authentication failure"));
            }
            client.cookie = cookie.unwrap_or_default();
        }
        Ok(client)
    }

    fn get(&self, path: &str) -> Result<(u16, String), ureq::Error> {
        let mut response = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("Cookie", &self.cookie)
            .call()?;
        Ok((
            response.status().as_u16(),
            response.body_mut().read_to_string()?,
        ))
    }

    fn post(&self, path: &str, form: &str) -> Result<(u16, String), ureq::Error> {
        let mut response = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Cookie", &self.cookie)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .send(form)?;
        Ok((
            response.status().as_u16(),
            response.body_mut().read_to_string()?,
        ))
    }

    fn json(&self, path: &str) -> Result<Value, Vec<Value>> {
        match self.get(path) {
            Ok((200, body)) => miniserde::json::from_str(&body)
                .map_err(|_| problem("", &format!("{path}: not JSON: {body}"))),
            Ok((status, body)) => Err(problem("", &format!("{path}: {status} {body}"))),
            Err(error) => Err(problem("", &format!("{path}: {error}"))),
        }
    }
}

/// The test that the app runs when this provider is saved; an empty list is success.
pub fn test_provider(app: App, provider: &Provider) -> Vec<Value> {
    let implementation = match &provider.top["implementation"] {
        Value::String(text) => text.as_str(),
        _ => "",
    };
    let result = match implementation {
        "QBittorrent" => test_client(app, provider),
        "Torznab" => test_indexer(app, provider),
        "Webhook" => test_webhook(provider),
        _ => Ok(()),
    };
    result.err().unwrap_or_default()
}

fn test_client(app: App, provider: &Provider) -> Result<(), Vec<Value>> {
    let client = Client::open(app, provider)?;
    let (_, version) = client
        .get("/app/webapiVersion")
        .map_err(|error| problem("Host", &error.to_string()))?;
    if version.split('.').count() < 2 || version.split('.').any(|n| n.parse::<u32>().is_err()) {
        return Err(problem("Host", &format!("Unable to connect: {version}")));
    }
    let preferences = client.json("/app/preferences")?;
    let act = get_u64(&preferences, "max_ratio_act").unwrap_or(0);
    if get_bool(&preferences, "max_ratio_enabled") == Some(true) && (act == 1 || act == 3) {
        return Err(problem(
            "",
            "qBittorrent removes torrents at their ratio limit",
        ));
    }
    if client.category.is_empty() {
        return Err(vec![value(
            r#"{"propertyName":"","errorMessage":"Category is recommended","isWarning":true}"#,
        )]);
    }
    let has = |all: &Value| get(all, &client.category).is_some();
    if !has(&client.json("/torrents/categories")?) {
        let form = format!("category={}", escape(&client.category));
        let created = client.post("/torrents/createCategory", &form);
        if !created.is_ok_and(|(status, _)| status == 200)
            || !has(&client.json("/torrents/categories")?)
        {
            return Err(problem(
                client.category_field,
                "Configuration of category failed",
            ));
        }
    }
    match client.json(&format!(
        "/torrents/info?category={}",
        escape(&client.category)
    ))? {
        Value::Array(_) => Ok(()),
        _ => Err(problem("", "torrents/info is no list")),
    }
}

fn test_indexer(app: App, provider: &Provider) -> Result<(), Vec<Value>> {
    let agent = agent();
    let base = format!(
        "{}{}",
        text(provider, "baseUrl").trim_end_matches('/'),
        text(provider, "apiPath").trim_end_matches('/')
    );
    let key = text(provider, "apiKey");
    let fetch = |query: &str| -> Result<String, Vec<Value>> {
        let mut response = agent
            .get(format!("{base}?{query}&apikey={key}"))
            .call()
            .map_err(|error| problem("BaseUrl", &format!("Unable to connect: {error}")))?;
        if response.status() != 200 {
            return Err(problem("BaseUrl", &format!("{}", response.status())));
        }
        response
            .body_mut()
            .read_to_string()
            .map_err(|error| problem("BaseUrl", &error.to_string()))
    };
    let caps = fetch("t=caps")?;
    let caps = roxmltree::Document::parse(&caps)
        .map_err(|error| problem("BaseUrl", &format!("caps: {error}")))?;
    if let Some(error) = caps.descendants().find(|node| node.has_tag_name("error")) {
        let code: u32 = error.attribute("code").unwrap_or("0").parse().unwrap_or(0);
        if (100..200).contains(&code) {
            return Err(problem("ApiKey", "Invalid API Key"));
        }
        return Err(problem("", "caps failed"));
    }
    let categories: Vec<String> = match provider.fields.get("categories") {
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|number| match number {
                Value::Number(Number::U64(n)) => Some(n.to_string()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let function = match app {
        App::Radarr => "movie",
        App::Sonarr => "tvsearch",
    };
    let feed = fetch(&format!(
        "t={function}&cat={}&extended=1&offset=0&limit=100",
        categories.join(",")
    ))?;
    let feed = roxmltree::Document::parse(&feed)
        .map_err(|error| problem("BaseUrl", &format!("feed: {error}")))?;
    if feed.descendants().any(|node| node.has_tag_name("error")) {
        return Err(problem("", "Torznab error detected"));
    }
    if !feed.descendants().any(|node| node.has_tag_name("item")) {
        return Err(problem(
            "",
            "Query successful, but no results in the configured categories were returned from your indexer.",
        ));
    }
    Ok(())
}

fn test_webhook(provider: &Provider) -> Result<(), Vec<Value>> {
    match send_webhook(provider, r#"{"eventType":"Test","instanceName":"x"}"#) {
        Ok(status) if status < 400 => Ok(()),
        Ok(status) => Err(problem("Url", &format!("webhook: {status}"))),
        Err(error) => Err(problem("Url", &error)),
    }
}

fn send_webhook(provider: &Provider, body: &str) -> Result<u16, String> {
    let mut request = agent()
        .post(text(provider, "url"))
        .header("Content-Type", "application/json");
    let (user, password) = (text(provider, "username"), text(provider, "password"));
    if !user.is_empty() || !password.is_empty() {
        request = request.header("Authorization", basic(&user, &password));
    }
    if let Some(Value::Array(headers)) = provider.fields.get("headers") {
        for header in headers {
            if let (Some(key), Some(text)) = (get_str(header, "key"), get_str(header, "value")) {
                request = request.header(key, text);
            }
        }
    }
    request
        .send(body)
        .map(|response| response.status().as_u16())
        .map_err(|error| error.to_string())
}

/// `torrents/delete` with data, as the app sends it.
pub fn delete(provider: &Provider, hash: &str) {
    let app = match provider.fields.contains_key("movieCategory") {
        true => App::Radarr,
        false => App::Sonarr,
    };
    if let Ok(client) = Client::open(app, provider) {
        let _ = client.post(
            "/torrents/delete",
            &format!("hashes={hash}&deleteFiles=true"),
        );
    }
}

impl FakeArr {
    /// Puts a qBittorrent client there, as registered: `title` and `key` are its login.
    pub fn plant_client(&self, address: SocketAddr, title: &str, key: &str, category: &str) {
        let field = match self.app {
            App::Radarr => "movieCategory",
            App::Sonarr => "tvCategory",
        };
        self.plant(
            "downloadclient",
            &format!(
                r#"{{"name":"jackdaw","enable":true,"priority":50,"removeCompletedDownloads":true,
                    "implementation":"QBittorrent","configContract":"QBittorrentSettings","tags":[],
                    "fields":[{{"name":"host","value":"{}"}},{{"name":"port","value":{}}},
                    {{"name":"username","value":"{title}"}},{{"name":"password","value":"{key}"}},
                    {{"name":"{field}","value":"{category}"}}]}}"#,
                address.ip(),
                address.port()
            ),
        );
    }

    /// Puts our notification there, as registered.
    pub fn plant_hook(&self, url: &str, title: &str, key: &str) {
        self.plant(
            "notification",
            &format!(
                r#"{{"name":"jackdaw","onDownload":true,"onUpgrade":true,
                    "onManualInteractionRequired":true,"implementation":"Webhook",
                    "configContract":"WebhookSettings","tags":[],
                    "fields":[{{"name":"url","value":"{url}"}},{{"name":"method","value":1}},
                    {{"name":"username","value":"{title}"}},{{"name":"password","value":"{key}"}}]}}"#
            ),
        );
    }

    /// The enabled qBittorrent client that is registered here.
    pub fn client(&self) -> Provider {
        self.providers("downloadclient")
            .into_iter()
            .find(|p| matches!(&p.top["implementation"], Value::String(t) if t == "QBittorrent"))
            .expect("a qBittorrent client is registered")
    }

    /// One poll: what the app would track, and the queue it would show.
    pub fn poll(&self) -> Vec<Tracked> {
        let client = Client::open(self.app, &self.client()).expect("the client answers");
        let list = client
            .json(&format!(
                "/torrents/info?category={}",
                escape(&client.category)
            ))
            .expect("torrents/info answers");
        let Value::Array(list) = list else {
            panic!("torrents/info is no list")
        };
        let tracked: Vec<Tracked> = list
            .iter()
            .map(|item| {
                let state = get_str(item, "state").unwrap_or_default().to_owned();
                let float = |name: &str| match get(item, name) {
                    Some(Value::Number(Number::F64(n))) => *n,
                    Some(Value::Number(Number::U64(n))) => *n as f64,
                    Some(Value::Number(Number::I64(n))) => *n as f64,
                    _ => -2.0,
                };
                let limit = float("ratio_limit");
                Tracked {
                    download_id: get_str(item, "hash")
                        .expect("every item has a hash")
                        .to_uppercase(),
                    title: get_str(item, "name").unwrap_or_default().to_owned(),
                    content_path: get_str(item, "content_path").unwrap_or_default().to_owned(),
                    save_path: get_str(item, "save_path").unwrap_or_default().to_owned(),
                    can_be_removed: state == "pausedUP"
                        && limit >= 0.0
                        && limit - float("ratio") <= 0.001,
                    state,
                }
            })
            .collect();
        let mut state = self.state();
        for item in &tracked {
            let known = |record: &&Value| get_str(record, "downloadId") == Some(&item.download_id);
            // What is imported or failed is tracked, but not listed.
            let ended = ["downloadFolderImported", "downloadFailed"];
            let has_ended = state.history.iter().rfind(known).is_some_and(|last| {
                get_str(last, "eventType").is_some_and(|event| ended.contains(&event))
            });
            if has_ended || state.queue.iter().any(|record| known(&record)) {
                continue;
            }
            let mut record = Object::new();
            let taken = state
                .queue
                .iter()
                .filter_map(|record| get_u64(record, "id"));
            let id = taken.max().unwrap_or(1000) + 1;
            record.insert("id".into(), number(id));
            record.insert("title".into(), Value::String(item.title.clone()));
            record.insert("downloadId".into(), Value::String(item.download_id.clone()));
            record.insert(
                "trackedDownloadState".into(),
                Value::String("downloading".into()),
            );
            state.queue.push(Value::Object(record));
        }
        tracked
    }

    /// Imports a finished download into `library`: moves the file if the app may, else links it;
    /// history, webhook, and the delete when it may. Returns the path in the library.
    pub fn import(&self, item: &Tracked, library: &Path) -> String {
        assert_eq!(
            item.state, "pausedUP",
            "only completed downloads are imported"
        );
        assert_ne!(item.content_path, item.save_path);
        let source = Path::new(&item.content_path);
        let name = source.file_name().expect("a file");
        let destination = library.join(name);
        if item.can_be_removed {
            fs::rename(source, &destination).expect("the app may move the file");
        } else {
            fs::hard_link(source, &destination).expect("the app may link the file");
        }
        let imported = destination.to_str().expect("UTF-8").to_owned();
        self.add_history(
            "downloadFolderImported",
            &item.download_id,
            &[
                ("droppedPath", item.content_path.as_str()),
                ("importedPath", &imported),
            ],
        );
        self.state()
            .queue
            .retain(|record| get_str(record, "downloadId") != Some(&item.download_id));
        for hook in self.providers("notification") {
            if matches!(hook.top["onDownload"], Value::Bool(true)) {
                let body = format!(
                    r#"{{"eventType":"Download","downloadId":"{}","downloadClient":"x","isUpgrade":false}}"#,
                    item.download_id
                );
                // A failing webhook does not fail the import.
                let _ = send_webhook(&hook, &body);
            }
        }
        if item.can_be_removed {
            delete(&self.client(), &item.download_id.to_lowercase());
        }
        imported
    }
}

fn escape(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        super::arr::base64(format!("{user}:{password}").as_bytes())
    )
}
