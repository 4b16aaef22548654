//! The part of Radarr: Torznab client and qBittorrent client, request for request.
//!
//! What is sent, in which order and form, is what Radarr 6 sends (`NewznabRequestGenerator`,
//! `TorrentClientBase`, `QBittorrentProxyV2`): a Basic header on every call, the version probe
//! without a cookie, `Connection: close`, .NET booleans, no `savepath`. Answers are bounded. The
//! feed is read with a scanner that knows just the elements that Radarr reads; what a full XML
//! reader makes of the feed is checked by `tests/support/arr.rs`.

use std::time::Duration;

use miniserde::Deserialize;

/// Longest wait for one answer; Radarr waits 100 s.
const TIMEOUT: Duration = Duration::from_secs(100);
/// A page of 100 items and a stub of the largest file are both far smaller.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;
const CATEGORY: &str = "radarr";
const USER: &str = "radarr";

/// A feed item, as far as Radarr reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Release title.
    pub title: String,
    /// Where the stub is.
    pub url: String,
    /// Bytes.
    pub size: u64,
    /// As announced.
    pub infohash: Option<String>,
}

/// What a poll says of one download.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// 40 lower-case hex digits.
    pub hash: String,
    /// qBittorrent's state.
    pub state: String,
    /// Bytes.
    pub size: u64,
    /// Bytes on disk.
    pub completed: u64,
    /// Bytes per second.
    pub dlspeed: u64,
    /// Seconds.
    pub eta: i64,
    /// Folder of all downloads.
    pub save_path: String,
    /// The finished file.
    pub content_path: String,
}

/// Not logged in: the indexer side.
pub struct Radarr {
    agent: ureq::Agent,
    base: String,
    key: String,
}

/// Logged in: the download client side.
pub struct Session {
    radarr: Radarr,
    cookie: String,
}

impl Radarr {
    /// A Radarr whose indexer and download client are the jackdaw at `base`.
    pub fn new(base: &str, key: &str) -> Radarr {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            // A proxy of the environment has no business on loopback.
            .proxy(None)
            .user_agent("Radarr/6.0.3.10276 (debian 13)")
            .build()
            .new_agent();
        Radarr {
            agent,
            base: base.to_string(),
            key: key.to_string(),
        }
    }

    /// Caps must offer a movie search by TMDb id, as Radarr prefers it.
    pub fn read_caps(&self) -> Result<(), String> {
        let url = format!("{}/torznab/api?t=caps&apikey={}", self.base, self.key);
        let caps = text(self.get_xml(&url, "the caps")?, "the caps")?;
        let search = tag(&caps, "movie-search").ok_or("the caps have no movie-search")?;
        let params = attribute(search, "supportedParams").unwrap_or_default();
        if attribute(search, "available").as_deref() != Some("yes")
            || !params.split(',').any(|param| param == "tmdbid")
        {
            return Err("the caps offer no movie search by tmdbid".into());
        }
        Ok(())
    }

    /// Tier 1 of a movie search: all known ids in one request.
    pub fn search_ids(&self, imdb_digits: &str, tmdb: u64) -> Result<Vec<Item>, String> {
        self.search(&format!("&tmdbid={tmdb}&imdbid={imdb_digits}"))
    }

    /// The newest releases.
    pub fn rss(&self) -> Result<Vec<Item>, String> {
        self.search("")
    }

    fn search(&self, parameters: &str) -> Result<Vec<Item>, String> {
        let url = format!(
            "{}/torznab/api?t=movie&cat=2000,2010,2020,2030,2040,2045,2050,2060,2070,2080\
             &extended=1&apikey={}&offset=0&limit=100{parameters}",
            self.base, self.key
        );
        let feed = text(self.get_xml(&url, "the search")?, "the search")?;
        if let Some(error) = tag(&feed, "error") {
            return Err(format!(
                "the search answers an error: {}",
                attribute(error, "description").unwrap_or_default()
            ));
        }
        Ok(items(&feed))
    }

    fn get_xml(&self, url: &str, what: &str) -> Result<Vec<u8>, String> {
        let request = self.agent.get(url).header(
            "Accept",
            "application/rss+xml, text/rss+xml, application/xml, text/xml",
        );
        expect_success(read(request.call(), what)?, what)
    }

    /// The stub of an item.
    pub fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let request = self
            .agent
            .get(url)
            .header("Accept", "application/x-bittorrent");
        expect_success(read(request.call(), "the stub")?, "the stub")
    }

    fn call(
        &self,
        path: &str,
        cookie: Option<&str>,
        form: Option<(&str, &[u8])>,
    ) -> Result<Answer, String> {
        let url = format!("{}/api/v2/{path}", self.base);
        let what = path.split('?').next().unwrap_or(path);
        let basic = format!(
            "Basic {}",
            base64(format!("{USER}:{}", self.key).as_bytes())
        );
        let answer = match form {
            None => {
                let mut request = self.agent.get(&url).header("Authorization", &basic);
                if let Some(cookie) = cookie {
                    request = request.header("Cookie", cookie);
                }
                request.header("Connection", "close").call()
            }
            Some((content_type, body)) => {
                let mut request = self.agent.post(&url).header("Authorization", &basic);
                if let Some(cookie) = cookie {
                    request = request.header("Cookie", cookie);
                }
                request
                    .header("Content-Type", content_type)
                    .header("Connection", "close")
                    .send(body)
            }
        };
        read(answer, what)
    }

    /// The version probe without a cookie, then the login.
    pub fn log_in(self) -> Result<Session, String> {
        let probe = self.call("app/webapiVersion", None, None)?;
        if probe.status != 403 && probe.status != 200 {
            return Err(format!(
                "app/webapiVersion without a login answers {}; Radarr knows 200 and 403",
                probe.status
            ));
        }
        let form = format!("username={USER}&password={}", self.key);
        let answer = self.call(
            "auth/login",
            None,
            Some(("application/x-www-form-urlencoded", form.as_bytes())),
        )?;
        if answer.status != 200 || answer.body != b"Ok." {
            return Err(format!(
                "the login is refused: {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            ));
        }
        let cookie = answer.cookie.ok_or("the login sets no cookie")?;
        Ok(Session {
            radarr: self,
            cookie,
        })
    }
}

impl Session {
    fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        expect_success(self.radarr.call(path, Some(&self.cookie), None)?, path)
    }

    fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        let form = Some((content_type, body));
        expect_success(self.radarr.call(path, Some(&self.cookie), form)?, path)
    }

    /// What the Test button does: version, preferences, category, list.
    pub fn test(&self) -> Result<(), String> {
        let version = text(self.get("app/webapiVersion")?, "app/webapiVersion")?;
        let numbers = version
            .split('.')
            .filter(|part| part.parse::<u32>().is_ok())
            .count();
        if numbers < 3 || numbers != version.split('.').count() {
            return Err(format!("app/webapiVersion {version} is no version"));
        }
        self.get("app/preferences")?;
        let known = format!("\"{CATEGORY}\"");
        if !text(self.get("torrents/categories")?, "torrents/categories")?.contains(&known) {
            let form = format!("category={CATEGORY}");
            self.post(
                "torrents/createCategory",
                "application/x-www-form-urlencoded",
                form.as_bytes(),
            )?;
            if !text(self.get("torrents/categories")?, "torrents/categories")?.contains(&known) {
                return Err("the category cannot be created".into());
            }
        }
        self.poll().map(|_| ())
    }

    /// Adds a stub, in Radarr's multipart form.
    pub fn add(&self, title: &str, torrent: &[u8]) -> Result<(), String> {
        let boundary = format!(
            "-----------------------------{}",
            crate::secret::random_hex::<7>()
        );
        let mut body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"torrents\"; \
             filename=\"{title}.torrent\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(torrent);
        body.extend_from_slice(b"\r\n");
        for (name, value) in [("category", CATEGORY), ("paused", "False")] {
            body.extend_from_slice(
                format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n\
                     {value}\r\n"
                )
                .as_bytes(),
            );
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let answer = self.post("torrents/add", &content_type, &body)?;
        if answer == b"Fails." {
            return Err("torrents/add answers Fails.".into());
        }
        Ok(())
    }

    /// The downloads of our category.
    pub fn poll(&self) -> Result<Vec<Row>, String> {
        let path = format!("torrents/info?category={CATEGORY}");
        let body = text(self.get(&path)?, "torrents/info")?;
        miniserde::json::from_str(&body)
            .map_err(|_| "torrents/info is not the list that Radarr expects".to_string())
    }

    /// What Radarr does once it has imported the file.
    pub fn delete(&self, infohash: &str) -> Result<(), String> {
        let form = format!("hashes={infohash}&deleteFiles=true");
        self.post(
            "torrents/delete",
            "application/x-www-form-urlencoded",
            form.as_bytes(),
        )
        .map(|_| ())
    }
}

struct Answer {
    status: u16,
    cookie: Option<String>,
    body: Vec<u8>,
}

fn read(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    what: &str,
) -> Result<Answer, String> {
    let mut answer = answer.map_err(|error| format!("{what}: {error}"))?;
    let cookie = answer
        .headers()
        .get("set-cookie")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::to_string);
    let body = answer
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_vec()
        .map_err(|error| format!("{what}: {error}"))?;
    Ok(Answer {
        status: answer.status().as_u16(),
        cookie,
        body,
    })
}

fn expect_success(answer: Answer, what: &str) -> Result<Vec<u8>, String> {
    match answer.status {
        200..=299 => Ok(answer.body),
        status => Err(format!(
            "{what} answers {status}: {}",
            String::from_utf8_lossy(&answer.body)
                .chars()
                .take(200)
                .collect::<String>()
        )),
    }
}

fn text(body: Vec<u8>, what: &str) -> Result<String, String> {
    String::from_utf8(body).map_err(|_| format!("{what} is not UTF-8"))
}

/// The items of a feed that have a title, a size and a torrent.
fn items(feed: &str) -> Vec<Item> {
    feed.split("<item>")
        .skip(1)
        .filter_map(|rest| {
            let item = rest.split("</item>").next()?;
            let title = item.split("<title>").nth(1)?.split("</title>").next()?;
            let enclosure = tag(item, "enclosure")?;
            let attr = |name: &str| {
                item.split("<torznab:attr")
                    .skip(1)
                    .filter_map(|rest| rest.split('>').next())
                    .find(|attr| attribute(attr, "name").as_deref() == Some(name))
                    .and_then(|attr| attribute(attr, "value"))
            };
            Some(Item {
                title: unescape(title),
                url: attribute(enclosure, "url")?,
                size: attr("size")?.parse().ok()?,
                infohash: attr("infohash"),
            })
        })
        .collect()
}

/// The inside of the first tag of this name.
fn tag<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    xml.split('<').find_map(|rest| {
        let inside = rest.strip_prefix(name)?;
        let inside = inside.split('>').next()?;
        inside
            .starts_with(|c: char| c.is_ascii_whitespace() || c == '/')
            .then_some(inside)
    })
}

/// An attribute's value inside a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let (before, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| *c == '"' || *c == '\'')?;
        let (value, next) = after[1..].split_once(quote)?;
        if before.trim() == name {
            return Some(unescape(value));
        }
        rest = next;
    }
}

/// Resolves the five predefined entities and numeric references; others stay as they are.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let resolved = after.split_once(';').and_then(|(name, next)| {
            let character = match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix('x') {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => number.parse().ok()?,
                    };
                    char::from_u32(code)?
                }
            };
            Some((character, next))
        });
        rest = match resolved {
            Some((character, next)) => {
                out.push(character);
                next
            }
            None => {
                out.push('&');
                after
            }
        };
    }
    out.push_str(rest);
    out
}

/// Base64 with padding, for the Basic header.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let group = chunk
                .iter()
                .chain(&[0, 0])
                .take(3)
                .fold(0u32, |group, byte| group << 8 | u32::from(*byte));
            (0..4).map(move |place| match place <= chunk.len() {
                true => char::from(ALPHABET[(group >> (18 - 6 * place)) as usize & 63]),
                false => '=',
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648() {
        // RFC 4648, section 10.
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn entities_are_resolved() {
        for (escaped, plain) in [
            ("a&amp;b", "a&b"),
            ("&lt;&#38;&#x41;&quot;&apos;", "<&A\"'"),
            ("a & b &unknown; &", "a & b &unknown; &"),
            ("&#xD800;&#99999999999;", "&#xD800;&#99999999999;"),
        ] {
            assert_eq!(unescape(escaped), plain);
        }
    }

    #[test]
    fn attributes_are_found_by_their_whole_name() {
        for (tag, name, expected) in [
            (r#" url="a=b&amp;c" length='5'"#, "url", Some("a=b&c")),
            (r#" url="a=b&amp;c" length='5'"#, "length", Some("5")),
            (r#" xurl="1" url="2""#, "url", Some("2")),
            (r#" url="never closed"#, "url", None),
            ("", "url", None),
        ] {
            assert_eq!(attribute(tag, name).as_deref(), expected, "{tag}");
        }
    }

    #[test]
    fn a_feed_gives_its_complete_items() {
        let feed = r#"<rss><channel><title>jackdaw</title>
            <item><title>A &amp; B</title><enclosure url="http://x/1?a=1&amp;b=2" length="7"/>
            <torznab:attr name="size" value="7"/><torznab:attr name="infohash" value="ff"/></item>
            <item><title>no enclosure</title></item></channel></rss>"#;
        assert_eq!(
            items(feed),
            [Item {
                title: "A & B".into(),
                url: "http://x/1?a=1&b=2".into(),
                size: 7,
                infohash: Some("ff".into()),
            }]
        );
        assert_eq!(tag(feed, "error"), None);
        assert_eq!(
            tag("<errors a=''/><error code=\"1\"/>", "error"),
            Some(" code=\"1\"/")
        );
    }
}
