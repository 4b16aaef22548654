//! Is jackdaw registered in an arr, at the right address, and does the arr's own Test pass?
//!
//! The stored entries are sent back to the arr's Test as they are: it puts the stored secrets in
//! the place of `********` where the id is given. The Test calls us, so our server must run.
//! What jackdaw registers itself is compared by the code that registers (`arr::registration`);
//! entries that the owner made by hand are judged here, only by what would stop a download.

use miniserde::json::Value;

use super::address::Running;
use super::finding::Finding;
use super::words;
use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::arr::registration::{Errand, once};
use crate::config::url::HttpUrl;
use crate::config::{AfterImport, Config};
use crate::json::{self, get, get_array, get_bool, get_str, get_u64};
use crate::store::{FILE_NAME, Store};

/// The kinds of entry that make up a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Client,
    Indexer,
}

impl Part {
    fn resource(self) -> &'static str {
        match self {
            Part::Client => "/downloadclient",
            Part::Indexer => "/indexer",
        }
    }

    fn implementation(self) -> &'static str {
        match self {
            Part::Client => "QBittorrent",
            Part::Indexer => "Torznab",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Part::Client => "download client",
            Part::Indexer => "indexer",
        }
    }
}

/// What an arr knows of us.
#[derive(Debug, Default)]
pub struct Entries {
    client: Option<Value>,
    indexer: Option<Value>,
}

impl Entries {
    /// The host under which the arr knows us, if it does.
    pub fn host(&self) -> Option<&str> {
        field(self.client.as_ref()?, "host").and_then(as_text)
    }
}

/// Finds our entries: by name, else by address.
pub fn entries(client: &ArrClient, config: &Config) -> Result<Entries, ArrError> {
    let url = own_url(config);
    let find = |part: Part| -> Result<Option<Value>, ArrError> {
        let (mut named, mut addressed) = (None, None);
        client.each(part.resource(), &mut |raw| {
            let Some(value) = json::parse(raw) else {
                return;
            };
            if get_str(&value, "implementation") != Some(part.implementation()) {
                return;
            }
            // As the arrs compare names, and the registration with them.
            let is_named = get_str(&value, "name")
                .is_some_and(|name| name.to_lowercase() == config.name.to_lowercase());
            if is_named {
                named = Some(value);
            } else if url
                .as_ref()
                .is_some_and(|url| address_problem(part, &value, url).is_none())
            {
                addressed = Some(value);
            }
        })?;
        Ok(named.or(addressed))
    };
    Ok(Entries {
        client: find(Part::Client)?,
        indexer: find(Part::Indexer)?,
    })
}

/// Our address as the arrs should know it.
fn own_url(config: &Config) -> Option<HttpUrl> {
    HttpUrl::parse(config.internal_url.as_deref()?).ok()
}

/// Registers us anew where that is ours to do; nothing if all was as wanted.
pub fn repair(client: &ArrClient, config: &Config, running: Running) -> Vec<Finding> {
    let subject = subject(client);
    if !client.server().autoregister {
        return Vec::new();
    }
    // The arr tries us before it saves, and the key must reach the database that the server uses.
    let has_store = config.data_dir.join(FILE_NAME).is_file();
    if running == Running::No || !has_store {
        let what = "not repaired, since jackdaw does not run";
        return vec![Finding::warn(&subject, what, "start jackdaw first")];
    }
    let outcome =
        open(config).and_then(|store| once(config, Some(&store), client, Errand::Register));
    match outcome {
        Ok(outcome) if outcome.is_change() => {
            vec![Finding::ok(&subject, format!("fixed: {outcome}"))]
        }
        Ok(_) => Vec::new(),
        Err(error) => vec![Finding::fail(&subject, words(client, error), SEE_WORDS)],
    }
}

/// Of a failed registration: its message says what failed, in the arr's words.
const SEE_WORDS: &str = "mend that, or look at the arr's log and at jackdaw's";

/// The database, as it is: opening would migrate it under a server of an older version.
fn open(config: &Config) -> Result<Store, String> {
    match Store::inspect(&config.data_dir) {
        Ok(schema) if schema.found < schema.known => {
            Err("the jackdaw that runs is older than this one: restart it first".to_owned())
        }
        Ok(_) => Store::open(&config.data_dir).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn subject(client: &ArrClient) -> String {
    format!("{} registration", client.name())
}

/// Judges the entries and runs the arr's Tests.
pub fn check(
    client: &ArrClient,
    config: &Config,
    entries: &Entries,
    running: Running,
) -> Vec<Finding> {
    let subject = subject(client);
    let is_ours_to_do = client.server().autoregister;
    let mut found = Vec::new();
    let url = own_url(config);
    let after = config.downloads.as_ref().map(|d| d.after_import);
    for (part, entry) in [
        (Part::Client, &entries.client),
        (Part::Indexer, &entries.indexer),
    ] {
        let label = part.label();
        let Some(entry) = entry else {
            // Without downloads there is nothing to be a client of.
            if part == Part::Indexer || after.is_some() {
                found.push(missing(&subject, label, is_ours_to_do));
            }
            continue;
        };
        if is_off(part, entry) {
            found.push(Finding::warn(
                &subject,
                format!("{label}: it is disabled"),
                "switch it on there, unless that is meant",
            ));
        }
        let mut problems: Vec<String> = Vec::new();
        if !is_ours_to_do {
            if let Some(url) = &url {
                problems.extend(address_problem(part, entry, url));
            }
            problems.extend(settings_problems(part, entry, after));
            if let (Part::Indexer, Some(ours)) = (part, &entries.client) {
                problems.extend(binding_problem(entry, ours));
            }
        }
        for problem in problems {
            let what = format!("{label}: {problem}");
            found.push(Finding::warn(&subject, what, "correct it there"));
        }
        found.push(match running {
            Running::No => Finding::warn(
                &subject,
                format!("{label}: there, but not tested, since jackdaw does not run"),
                "start jackdaw and run this again",
            ),
            Running::Yes => test(client, &subject, part, entry),
        });
    }
    if is_ours_to_do && entries.client.is_some() && entries.indexer.is_some() {
        found.extend(drift(client, config, &subject));
    }
    found
}

/// How what jackdaw registered differs from what it wants.
fn drift(client: &ArrClient, config: &Config, subject: &str) -> Option<Finding> {
    // Which keys are in use, only the database knows. One that is not there knows none; one that
    // cannot be opened is a finding of its own.
    let store = match config.data_dir.join(FILE_NAME).is_file() {
        true => Some(open(config).ok()?),
        false => None,
    };
    match once(config, store.as_ref(), client, Errand::Preview) {
        Ok(outcome) if outcome.is_change() => Some(Finding::warn(
            subject,
            format!("not as jackdaw wants it: {outcome}"),
            "start jackdaw, which sees to it, or let jackdaw doctor --fix do it",
        )),
        Ok(_) => None,
        Err(error) => Some(Finding::fail(subject, words(client, error), SEE_WORDS)),
    }
}

fn missing(subject: &str, label: &str, autoregister: bool) -> Finding {
    let what = format!("it has no {label} of ours");
    match autoregister {
        true => Finding::fail(
            subject,
            what,
            "start jackdaw, which registers itself, or let jackdaw doctor --fix do it; see its \
             log if that does not help",
        ),
        false => Finding::warn(
            subject,
            what,
            "add it there by hand, or set autoregister = true",
        ),
    }
}

/// The arr's own Test of a stored entry.
fn test(client: &ArrClient, subject: &str, part: Part, entry: &Value) -> Finding {
    let label = part.label();
    match client.post(&format!("{}/test", part.resource()), entry) {
        Ok(_) => Finding::ok(subject, format!("its test of our {label} passes")),
        Err(ArrError::Invalid { items, .. }) => {
            let all_warnings = items.iter().all(|item| item.is_warning);
            let words: Vec<String> = items
                .iter()
                .map(|item| match item.property.as_str() {
                    "" => item.message.clone(),
                    property => format!("{property}: {}", item.message),
                })
                .collect();
            let what = format!("its test of our {label} says: {}", words.join("; "));
            // Sonarr's and Radarr's words for a feed without items.
            let is_empty = what.contains("no results in the configured categories");
            match all_warnings || is_empty {
                true if is_empty => Finding::warn(
                    subject,
                    what,
                    "none needed: no friend offers anything of that kind yet",
                ),
                true => Finding::warn(subject, what, ""),
                false => Finding::fail(
                    subject,
                    what,
                    "see that it reaches us at internal_url, with the key that it has",
                ),
            }
        }
        Err(error) => Finding::fail(
            subject,
            format!(
                "its test of our {label} could not be run: {}",
                words(client, error)
            ),
            "look at its log (System, Logs)",
        ),
    }
}

/// A field of a provider.
fn field<'a>(entry: &'a Value, name: &str) -> Option<&'a Value> {
    get_array(entry, "fields")
        .iter()
        .find(|field| get_str(field, "name") == Some(name))
        .and_then(|field| get(field, "value"))
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// What is wrong with the address in an entry.
fn address_problem(part: Part, entry: &Value, url: &HttpUrl) -> Option<String> {
    let text = |name: &str| field(entry, name).and_then(as_text).unwrap_or_default();
    match part {
        Part::Indexer => {
            let base = text("baseUrl").trim_end_matches('/');
            let wanted = url.to_string();
            let is_ours = base
                .strip_prefix(&wanted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            (!is_ours).then(|| format!("its URL {base} is not at internal_url {wanted}"))
        }
        Part::Client => {
            let port = field(entry, "port").map(miniserde::json::to_string);
            let port = port.unwrap_or_default();
            let port = port.trim_matches('"');
            let is_tls = matches!(field(entry, "useSsl"), Some(Value::Bool(true)));
            let scheme = if is_tls { "https" } else { "http" };
            let path = match text("urlBase").trim_matches('/') {
                "" => String::new(),
                path => format!("/{path}"),
            };
            let host = text("host");
            let bare = |host: &str| host.trim_matches(['[', ']']).to_ascii_lowercase();
            let is_ours = bare(host) == bare(&url.host)
                && port == url.port().to_string()
                && is_tls == url.https
                && path == url.path;
            (!is_ours).then(|| {
                format!("its address {scheme}://{host}:{port}{path} is not internal_url {url}")
            })
        }
    }
}

/// What is wrong with the other settings: what would keep a download from coming or going.
fn settings_problems(part: Part, entry: &Value, after: Option<AfterImport>) -> Vec<String> {
    let is_on = |name: &str| get_bool(entry, name) == Some(true);
    let mut problems = Vec::new();
    match part {
        Part::Client => {
            if !get_array(entry, "tags").is_empty() {
                problems.push(
                    "it has tags, so it is not used for series or movies without them".to_owned(),
                );
            }
            if after == Some(AfterImport::Move) && !is_on("removeCompletedDownloads") {
                problems.push(
                    "Remove Completed is off, so that files are copied and stay here for ever"
                        .to_owned(),
                );
            }
        }
        Part::Indexer => {}
    }
    problems
}

/// The owner has switched it off: whoever registers leaves that so.
fn is_off(part: Part, entry: &Value) -> bool {
    let switches: &[&str] = match part {
        Part::Client => &["enable"],
        Part::Indexer => &[
            "enableRss",
            "enableAutomaticSearch",
            "enableInteractiveSearch",
        ],
    };
    !switches
        .iter()
        .any(|name| get_bool(entry, name) == Some(true))
}

fn binding_problem(indexer: &Value, client: &Value) -> Option<String> {
    let (bound, id) = (get_u64(indexer, "downloadClientId"), get_u64(client, "id"));
    (bound != id).then(|| {
        "it is not bound to our download client, so that its downloads may go to another one"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        json::parse(text).unwrap()
    }

    #[test]
    fn addresses() {
        let client = |host: &str, port: &str, tls: bool, base: &str| {
            value(&format!(
                r#"{{"fields":[{{"name":"host","value":"{host}"}},{{"name":"port","value":{port}}},
                {{"name":"useSsl","value":{tls}}},{{"name":"urlBase","value":"{base}"}}]}}"#
            ))
        };
        let check = |url: &str, entry: Value, is_right: bool| {
            let url = HttpUrl::parse(url).ok().unwrap();
            let found = address_problem(Part::Client, &entry, &url);
            assert_eq!(found.is_none(), is_right, "{found:?}");
        };
        let plain = "http://jackdaw:5225";
        check(plain, client("jackdaw", "5225", false, ""), true);
        check(plain, client("Jackdaw", "\"5225\"", false, "/"), true);
        check(plain, client("localhost", "5225", false, ""), false);
        check(plain, client("jackdaw", "5226", false, ""), false);
        check(plain, client("jackdaw", "5225", true, ""), false);
        check(
            "https://a.example/j",
            client("a.example", "443", true, "j"),
            true,
        );
        check("http://[::1]:1", client("::1", "1", false, ""), true);
        check(plain, value("{}"), false);

        let indexer = |base: &str| {
            value(&format!(
                r#"{{"fields":[{{"name":"baseUrl","value":"{base}"}}]}}"#
            ))
        };
        let url = HttpUrl::parse(plain).ok().unwrap();
        let is_right = |base: &str| address_problem(Part::Indexer, &indexer(base), &url).is_none();
        assert!(is_right("http://jackdaw:5225/torznab") && is_right("http://jackdaw:5225/"));
        assert!(!is_right("http://jackdaw:52255/torznab") && !is_right(""));
    }

    #[test]
    fn settings() {
        let check = |part: Part, entry: &str, expected: usize| {
            let found = settings_problems(part, &value(entry), Some(AfterImport::Move));
            assert_eq!(found.len(), expected, "{found:?}");
        };
        let good = r#"{"enable":true,"removeCompletedDownloads":true,"tags":[]}"#;
        check(Part::Client, good, 0);
        check(Part::Client, r#"{"enable":false,"tags":[3]}"#, 2);
        check(Part::Indexer, r#"{"enableRss":false}"#, 0);
        let off = |part, entry: &str| is_off(part, &value(entry));
        assert!(!off(Part::Client, good) && off(Part::Client, r#"{"enable":false}"#));
        assert!(!off(
            Part::Indexer,
            r#"{"enableRss":false,"enableInteractiveSearch":true}"#
        ));
        assert!(off(Part::Indexer, r#"{"enable":true,"enableRss":null}"#));
        let bound = value(r#"{"downloadClientId":7}"#);
        assert_eq!(binding_problem(&bound, &value(r#"{"id":7}"#)), None);
        assert!(binding_problem(&bound, &value(r#"{"id":8}"#)).is_some());
    }
}
