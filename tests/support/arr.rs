//! Plays Radarr or Sonarr as a client of ours, request for request.
//!
//! Follows the sources of Sonarr 4.0.19 and Radarr 6 (`NewznabCapabilitiesProvider`,
//! `NewznabRequestGenerator`, `TorznabRssParser`, `TorrentClientBase`, `QBittorrentProxyV2`,
//! `HttpRequestBuilder`): `Connection: close` and a Basic header on every client call, the version
//! probe without a cookie, one re-login on 403, .NET booleans, a feed read as they read it and a
//! hash of their own over the raw `info`.

use std::net::SocketAddr;

use miniserde::json::Value;

use super::bencode;
use super::http::{self, Answer, escape};
use super::json::{self, Look};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Radarr,
    Sonarr,
}

/// An arr whose indexer and download client are both the jackdaw at `address`.
pub struct Arr {
    pub kind: Kind,
    pub address: SocketAddr,
    /// Path prefix of `internal_url`, `""` without one.
    pub base: String,
    /// Host and port that our URLs must name.
    pub authority: String,
    pub key: String,
    pub user: String,
    pub category: String,
    cookie: Option<String>,
}

/// What `caps` says, as the arrs read it.
#[derive(Debug)]
pub struct Caps {
    pub limit: u32,
    pub search: Vec<String>,
    pub tv_search: Vec<String>,
    pub movie_search: Vec<String>,
    pub categories: Vec<u32>,
}

/// A feed item, as the arrs read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub title: String,
    pub guid: String,
    pub url: String,
    pub size: u64,
    pub seeders: Option<u32>,
    pub infohash: Option<String>,
    pub imdb: Option<u64>,
    pub tmdb: Option<u64>,
    pub tvdb: Option<u64>,
}

/// What the arr makes of a polled state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Warning,
    Paused,
    Queued,
    Completed,
    Downloading,
}

/// One download in the queue.
#[derive(Clone, Debug)]
pub struct Download {
    /// 40 upper-case hex digits.
    pub id: String,
    pub title: String,
    pub size: u64,
    pub progress: f64,
    pub state: String,
    pub status: Status,
    pub category: String,
    /// Only for completed ones.
    pub output_path: Option<String>,
    /// Whether the arr may move the file and delete the entry.
    pub can_be_removed: bool,
}

const XML: &str = "application/rss+xml, text/rss+xml, application/xml, text/xml";
const TORZNAB: &str = "http://torznab.com/schemas/2015/feed";

impl Arr {
    pub fn new(kind: Kind, address: SocketAddr, user: &str, key: &str) -> Arr {
        Arr {
            kind,
            address,
            base: String::new(),
            authority: address.to_string(),
            key: key.into(),
            user: user.into(),
            category: match kind {
                Kind::Radarr => "radarr".into(),
                Kind::Sonarr => "tv-sonarr".into(),
            },
            cookie: None,
        }
    }

    fn agent(&self) -> &'static str {
        match self.kind {
            Kind::Radarr => "Radarr/6.0.3.10276 (debian 13)",
            Kind::Sonarr => "Sonarr/4.0.19.2979 (debian 13)",
        }
    }

    fn categories(&self) -> &'static str {
        match self.kind {
            Kind::Radarr => "2000,2010,2020,2030,2040,2045,2050,2060",
            Kind::Sonarr => "5030,5040",
        }
    }

    fn function(&self) -> &'static str {
        match self.kind {
            Kind::Radarr => "movie",
            Kind::Sonarr => "tvsearch",
        }
    }

    // --- indexer

    fn indexer(&self, target: &str, accept: &str) -> Answer {
        http::request(
            self.address,
            "GET",
            target,
            &[
                ("User-Agent", self.agent()),
                ("Accept", accept),
                ("Accept-Encoding", "gzip, br"),
            ],
            None,
        )
    }

    pub fn caps(&self) -> Caps {
        let target = format!("{}/torznab/api?t=caps&apikey={}", self.base, self.key);
        let body = self.indexer(&target, XML).expect(200);
        let text = String::from_utf8(body).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "caps", "{text}");
        let child = |name: &str| root.children().find(|node| node.has_tag_name(name));
        let limits = child("limits").unwrap();
        let number = |name| limits.attribute(name).unwrap().parse::<u32>().unwrap();
        let searching = child("searching").unwrap();
        let params = |name: &str| {
            let node = searching.children().find(|node| node.has_tag_name(name));
            match node {
                // `available` is mandatory where the element stands; only `yes` counts.
                Some(node) if node.attribute("available").unwrap() == "yes" => node
                    .attribute("supportedParams")
                    .unwrap()
                    .split(',')
                    .map(str::to_string)
                    .collect(),
                _ => Vec::new(),
            }
        };
        Caps {
            limit: number("default").max(number("max")).min(100),
            search: params("search"),
            tv_search: params("tv-search"),
            movie_search: params("movie-search"),
            categories: child("categories")
                .unwrap()
                .descendants()
                .filter(|node| node.has_tag_name("category") || node.has_tag_name("subcat"))
                .map(|node| node.attribute("id").unwrap().parse().unwrap())
                .collect(),
        }
    }

    /// `parameters` begins with `&`.
    pub fn search(&self, function: &str, parameters: &str) -> Vec<Item> {
        let target = format!(
            "{}/torznab/api?t={function}&cat={}&extended=1&apikey={}&offset=0&limit=100{parameters}",
            self.base,
            self.categories(),
            self.key
        );
        let answer = self.indexer(&target, XML);
        let body = answer.expect(200);
        feed(&String::from_utf8(body).unwrap())
    }

    /// The connection test and the poll every 15 minutes.
    pub fn rss(&self) -> Vec<Item> {
        self.search(self.function(), "")
    }

    /// Tier 1 of a movie search: all ids in one request, IMDb without `tt`.
    pub fn movie(&self, tmdb: u64, imdb: &str) -> Vec<Item> {
        let imdb = imdb.trim_start_matches("tt");
        self.search("movie", &format!("&tmdbid={tmdb}&imdbid={imdb}"))
    }

    /// Tier 1 of an episode search.
    pub fn episode(&self, tvdb: u64, season: u32, episode: u32) -> Vec<Item> {
        self.search(
            "tvsearch",
            &format!("&tvdbid={tvdb}&season={season}&ep={episode}"),
        )
    }

    /// Tier 2 of a movie search.
    pub fn text(&self, words: &str) -> Vec<Item> {
        self.search("search", &format!("&q={}", escape(words)))
    }

    /// The stub of an item, as they fetch it: its URL as it stands, no key added.
    pub fn fetch(&self, item: &Item) -> Vec<u8> {
        let target = item
            .url
            .strip_prefix(&format!("http://{}", self.authority))
            .unwrap_or_else(|| panic!("{} is not on {}", item.url, self.authority));
        self.indexer(target, "application/x-bittorrent").expect(200)
    }

    // --- download client

    fn client_call(&self, path: &str, form: Option<(&str, &[u8])>, cookie: Option<&str>) -> Answer {
        let basic = format!(
            "Basic {}",
            base64(format!("{}:{}", self.user, self.key).as_bytes())
        );
        let mut headers = vec![
            ("User-Agent", self.agent()),
            ("Authorization", basic.as_str()),
            ("Accept-Encoding", "gzip, br"),
            ("Connection", "close"),
        ];
        if let Some(cookie) = cookie {
            headers.push(("Cookie", cookie));
        }
        if let Some((content_type, _)) = form {
            headers.push(("Content-Type", content_type));
        }
        let method = if form.is_some() { "POST" } else { "GET" };
        http::request(
            self.address,
            method,
            &format!("{}/api/v2/{path}", self.base),
            &headers,
            form.map(|(_, body)| body),
        )
    }

    /// Logs in; the cookie is what stands before the first `;` of the first `Set-Cookie`.
    pub fn log_in(&mut self) -> Result<(), String> {
        let form = form(&[("username", &self.user), ("password", &self.key)]);
        let answer = self.client_call("auth/login", Some((URLENCODED, form.as_bytes())), None);
        // Radarr up to 6.0.3 needs exactly this.
        if answer.status != 200 || answer.body != b"Ok." {
            return Err(format!("{} {}", answer.status, answer.text()));
        }
        self.cookie = answer
            .header("Set-Cookie")
            .map(|value| value.split(';').next().unwrap().to_string());
        Ok(())
    }

    /// A session that the server has forgotten.
    pub fn spoil_cookie(&mut self) {
        self.cookie = Some("SID=00000000000000000000000000000000".into());
    }

    fn call(&mut self, path: &str, form: Option<(&str, &[u8])>) -> Answer {
        if self.cookie.is_none() {
            self.log_in().unwrap();
        }
        let answer = self.client_call(path, form, self.cookie.as_deref());
        if answer.status != 403 {
            return answer;
        }
        self.log_in().unwrap();
        self.client_call(path, form, self.cookie.as_deref())
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.call(path, None)
    }

    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = form(fields);
        self.call(path, Some((URLENCODED, form.as_bytes())))
    }

    /// The Test button.
    pub fn test_client(&mut self) {
        let probe = self.client_call("app/webapiVersion", None, None);
        assert!(
            probe.status == 403 || probe.status == 200,
            "probe: {}",
            probe.status
        );
        self.log_in().unwrap();
        let version = String::from_utf8(self.get("app/webapiVersion").expect(200)).unwrap();
        let numbers: Vec<u32> = version.split('.').map(|n| n.parse().unwrap()).collect();
        assert!(numbers.len() >= 3 && numbers >= vec![2, 8, 1], "{version}");
        let preferences = json::parse(&self.get("app/preferences").expect(200));
        let is_on = |key| matches!(preferences.at(key), Some(Value::Bool(true)));
        let removes = (is_on("max_ratio_enabled") || is_on("max_seeding_time_enabled"))
            && matches!(preferences.number("max_ratio_act"), Some(1.0 | 3.0));
        assert!(!removes, "the arr refuses a client that removes by itself");
        let category = self.category.clone();
        let has = |answer: Answer| json::parse(&answer.expect(200)).at(&category).is_some();
        if !has(self.get("torrents/categories")) {
            self.post("torrents/createCategory", &[("category", &category)])
                .expect(200);
            assert!(
                has(self.get("torrents/categories")),
                "no category {category}"
            );
        }
        self.poll();
    }

    /// Adds a stub; gives the download id that this arr computed by itself.
    pub fn add(&mut self, title: &str, torrent: &[u8]) -> Result<String, String> {
        let read = bencode::torrent(torrent)?;
        self.get("app/webapiVersion").expect(200);
        let boundary = "-----------------------------8dc0d5c3a4b5c61";
        let file = format!("{}.torrent", clean_file_name(title));
        let mut body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"torrents\"; filename=\"{file}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(torrent);
        body.extend_from_slice(b"\r\n");
        for (name, value) in [("category", self.category.as_str()), ("paused", "False")] {
            body.extend_from_slice(
                format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                )
                .as_bytes(),
            );
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let answer = self.call("torrents/add", Some((&content_type, &body)));
        if answer.status >= 400 || answer.body == b"Fails." {
            return Err(format!("{} {}", answer.status, answer.text()));
        }
        Ok(read.infohash)
    }

    /// Fetches and adds an item, with the checks that an arr would make.
    pub fn grab(&mut self, item: &Item) -> String {
        let torrent = self.fetch(item);
        let read = bencode::torrent(&torrent).unwrap();
        assert_eq!(
            (read.name.as_str(), read.length),
            (item.title.as_str(), item.size)
        );
        if let Some(announced) = &item.infohash {
            assert!(announced.eq_ignore_ascii_case(&read.infohash));
        }
        self.add(&item.title, &torrent).unwrap()
    }

    /// One poll of the queue.
    pub fn poll(&mut self) -> Vec<Download> {
        self.get("app/webapiVersion").expect(200);
        let preferences = json::parse(&self.get("app/preferences").expect(200));
        let path = format!("torrents/info?category={}", escape(&self.category));
        let list = json::parse(&self.get(&path).expect(200));
        list.list()
            .iter()
            .map(|row| download(row, &preferences))
            .collect()
    }

    /// One download by id.
    pub fn find(&mut self, id: &str) -> Option<Download> {
        self.poll().into_iter().find(|download| download.id == id)
    }

    /// The removal after import.
    pub fn delete(&mut self, id: &str) {
        self.post(
            "torrents/delete",
            &[("hashes", &id.to_lowercase()), ("deleteFiles", "true")],
        )
        .expect(200);
    }
}

const URLENCODED: &str = "application/x-www-form-urlencoded";

fn form(fields: &[(&str, &str)]) -> String {
    Vec::from_iter(
        fields
            .iter()
            .map(|(name, value)| format!("{name}={}", escape(value))),
    )
    .join("&")
}

fn clean_file_name(title: &str) -> String {
    title
        .replace(": ", " - ")
        .replace(':', "-")
        .replace(['\\', '/'], "+")
        .replace(['<', '>', '|', '"'], "")
        .replace('?', "!")
        .replace('*', "-")
        .trim_start_matches([' ', '.'])
        .trim_end()
        .to_string()
}

/// A feed as `TorznabRssParser` reads it.
pub fn feed(text: &str) -> Vec<Item> {
    let document = roxmltree::Document::parse(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    if let Some(error) = document
        .descendants()
        .find(|node| node.has_tag_name("error"))
    {
        panic!("an error instead of a feed: {error:?}");
    }
    document
        .descendants()
        .filter(|node| node.has_tag_name("item"))
        .filter_map(|node| {
            let text = |name: &str| {
                let child = node.children().find(|child| child.has_tag_name(name))?;
                Some(child.text().unwrap_or_default().to_string())
            };
            let attribute = |name: &str| {
                node.children()
                    .filter(|child| child.has_tag_name((TORZNAB, "attr")))
                    .find(|child| child.attribute("name").unwrap().eq_ignore_ascii_case(name))
                    .map(|child| child.attribute("value").unwrap().to_string())
            };
            let number = |name: &str| attribute(name).and_then(|value| value.parse::<u64>().ok());
            // A missing or unreadable pubDate throws the whole feed away.
            let date = text("pubDate").expect("pubDate is mandatory");
            httpdate::parse_http_date(&date).unwrap_or_else(|_| panic!("pubDate {date}"));
            let enclosure = node
                .children()
                .find(|child| child.attribute("type") == Some("application/x-bittorrent"))?;
            assert!(
                attribute("magneturl").is_none(),
                "it would be used instead of the stub"
            );
            Some(Item {
                title: text("title").filter(|title| !title.trim().is_empty())?,
                guid: text("guid").expect("a feed without guids breaks dedupe"),
                url: enclosure.attribute("url").unwrap().to_string(),
                size: number("size")
                    .or_else(|| enclosure.attribute("length")?.parse().ok())
                    .unwrap_or(0),
                seeders: number("seeders").and_then(|n| u32::try_from(n).ok()),
                infohash: attribute("infohash"),
                imdb: number("imdb"),
                tmdb: number("tmdbid"),
                tvdb: number("tvdbid"),
            })
        })
        .collect()
}

fn status(state: &str) -> Status {
    match state {
        "error" | "stalledDL" | "missingFiles" => Status::Warning,
        "stoppedDL" | "pausedDL" => Status::Paused,
        "queuedDL" | "checkingDL" | "checkingUP" | "checkingResumeData" => Status::Queued,
        "pausedUP" | "stoppedUP" | "uploading" | "stalledUP" | "queuedUP" | "forcedUP" => {
            Status::Completed
        }
        "forcedDL" | "moving" | "downloading" => Status::Downloading,
        other => panic!("state {other} is logged as unknown"),
    }
}

fn download(row: &Value, preferences: &Value) -> Download {
    let hash = row
        .text("hash")
        .expect("a missing hash fails the whole poll");
    let state = row.text("state").unwrap();
    let status = status(&state);
    let number = |key: &str| row.number(key).unwrap_or(0.0);
    let (save_path, content_path) = (row.text("save_path"), row.text("content_path"));
    if status == Status::Completed {
        assert_ne!(content_path, save_path, "the arr refuses to import that");
    }
    let is_on = |key| matches!(preferences.at(key), Some(Value::Bool(true)));
    let ratio_limit = row.number("ratio_limit").unwrap_or(-2.0);
    let ratio = number("ratio");
    let reached = (ratio_limit >= 0.0 && ratio_limit - ratio <= 0.001)
        || (ratio_limit == -2.0
            && is_on("max_ratio_enabled")
            && preferences.number("max_ratio").unwrap() - ratio <= 0.001);
    Download {
        id: hash.to_uppercase(),
        title: row.text("name").unwrap(),
        size: number("size") as u64,
        progress: number("progress"),
        status,
        category: row.text("category").unwrap_or_default(),
        output_path: (status == Status::Completed).then(|| content_path.unwrap()),
        can_be_removed: reached && matches!(state.as_str(), "pausedUP" | "stoppedUP"),
        state,
    }
}

/// Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0u8; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            out.push(match place <= chunk.len() {
                true => char::from(ALPHABET[(group >> (18 - 6 * place)) as usize & 63]),
                false => '=',
            });
        }
    }
    out
}
