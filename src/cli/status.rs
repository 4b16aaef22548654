//! `jackdaw status`: what the running server does now, as tables or as its own JSON.
//!
//! Asks `GET /status` at the configured listen address with the owner's key. A generated key is
//! kept only as a digest, so it must be given by whoever asks. Texts from friends and arrs are
//! escaped. [`tables`] is pure.

use std::net::SocketAddr;
use std::time::Duration;

use miniserde::json::Value;

use super::demo::bytes;
use super::table::Table;
use crate::config::Config;
use crate::json::{self, get, get_array, get_bool, get_str, get_u64};
use crate::secret::Secret;

/// Where the key is looked for if neither the command line nor the configuration has one.
pub const KEY_VARIABLE: &str = "JACKDAW_API_KEY";

/// The server is on this machine and asks nobody.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest answer: 500 grabs and everything else are well below.
const MAX_ANSWER: u64 = json::MAX_ITEM as u64;

/// What the command line chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusOptions {
    /// The answer as it is.
    pub json: bool,
    /// The owner's key.
    pub key: Option<Secret>,
    /// Where the server answers, if not at its listen address.
    pub url: Option<String>,
}

/// What is to be printed. The error is one line.
pub fn status(
    config: &Config,
    options: StatusOptions,
    variable: Option<String>,
) -> Result<String, String> {
    let key = options
        .key
        .or_else(|| config.api_key.clone())
        .or_else(|| variable.map(Secret::new))
        .ok_or_else(|| {
            format!(
                "the owner's key is needed, and the generated one is kept only as a digest: put the \
                 key that was shown at the first start into {KEY_VARIABLE}, or set api_key in \
                 [jackdaw]"
            )
        })?;
    let base = match options.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => listen_url(&config.listen)?,
    };
    let text = ask(&base, &key)?;
    if options.json {
        return Ok(format!("{text}\n"));
    }
    let value = json::parse(&text)
        .ok_or_else(|| format!("{base}/status does not answer with JSON: is that a jackdaw?"))?;
    Ok(tables(&value))
}

/// The first address at which a server that listens so can be reached from here.
pub fn listen_url(listen: &[SocketAddr]) -> Result<String, String> {
    let mut address = *listen
        .first()
        .ok_or("the configuration has no listen address")?;
    if address.port() == 0 {
        return Err(
            "listen has port 0, so the port is only in the log: give the address with --url".into(),
        );
    }
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(format!("http://{address}"))
}

fn ask(base: &str, key: &Secret) -> Result<String, String> {
    let agent = super::own_agent(TIMEOUT);
    let mut answer = agent
        .get(format!("{base}/status"))
        .header("X-Api-Key", key.expose())
        .call()
        .map_err(|error| {
            format!(
                "no jackdaw answers at {base}: {error}; is it running? Its address can be given \
                 with --url"
            )
        })?;
    match answer.status().as_u16() {
        200 => {}
        401 => {
            return Err(format!(
                "{base}: the key is not the owner's; give the right one in {KEY_VARIABLE} or with \
                 --key"
            ));
        }
        404 => {
            return Err(format!(
                "{base}: no /status there: an older jackdaw, or another program"
            ));
        }
        status => return Err(format!("{base}/status: HTTP status {status}: see its log")),
    }
    answer
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_string()
        .map_err(|error| format!("{base}/status: {error}"))
}

/// The answer as tables.
pub fn tables(value: &Value) -> String {
    let now = number(value, "now");
    let mut out = format!(
        "{} {}, up {}\n",
        super::table::shown(text(value, "name")),
        super::table::shown(text(value, "version")),
        span(number(value, "uptime"))
    );
    if let Some(downloads) = get(value, "downloads") {
        let grabs = get_array(downloads, "grabs");
        section(
            &mut out,
            &format!(
                "Downloads: {}/s, {} free",
                bytes(number(downloads, "speed")),
                bytes(number(downloads, "free_space"))
            ),
            grabs_table(grabs, now),
        );
        let left_out = number(downloads, "left_out");
        if left_out > 0 {
            out.push_str(&format!("  and {left_out} older ones\n"));
        }
    }
    section(&mut out, "Uploads", uploads_table(value));
    section(&mut out, "Friends", origins_table(value, "friends", now));
    section(&mut out, "Shared", origins_table(value, "sources", now));
    section(&mut out, "Radarr and Sonarr", arrs_table(value));
    out
}

fn section(out: &mut String, title: &str, table: Table) {
    out.push_str(&format!("\n{title}\n"));
    match table.is_empty() {
        true => out.push_str("  none\n"),
        false => out.push_str(&table.text()),
    }
}

fn grabs_table(grabs: &[Value], now: u64) -> Table {
    let mut table = Table::new(&[
        "STATE", "DONE", "SIZE", "SPEED", "LEFT", "FROM", "FOR", "TITLE",
    ]);
    for grab in grabs {
        let speed = number(grab, "speed");
        table.row(&[
            text(grab, "state"),
            &percent(number(grab, "have"), number(grab, "size")),
            &bytes(number(grab, "size")),
            &rate(speed),
            &get_u64(grab, "eta").map_or("-".into(), span),
            text(grab, "friend"),
            text(grab, "arr"),
            text(grab, "title"),
        ]);
        if let Some(reason) = get_str(grab, "reason") {
            let retry = get_u64(grab, "retry_at")
                .filter(|at| *at > now)
                .map(|at| format!("; next attempt in {}", span(at - now)));
            table.below(&format!("{reason}{}", retry.unwrap_or_default()));
        }
    }
    table
}

fn uploads_table(value: &Value) -> Table {
    let mut table = Table::new(&["TO", "DONE", "SIZE", "SPEED", "LEFT", "FILE"]);
    for upload in get_array(value, "uploads") {
        table.row(&[
            text(upload, "to"),
            &percent(number(upload, "sent"), number(upload, "size")),
            &bytes(number(upload, "size")),
            &rate(number(upload, "speed")),
            &get_u64(upload, "eta").map_or("-".into(), span),
            text(upload, "file"),
        ]);
    }
    table
}

fn origins_table(value: &Value, key: &str, now: u64) -> Table {
    let mut table = Table::new(&["STATE", "SEEN", "RELEASES", "NAME"]);
    for origin in get_array(value, key) {
        let state = match (get_bool(origin, "up"), get_bool(origin, "visible")) {
            (Some(true), _) => "up",
            (Some(false), Some(false)) => "away, hidden",
            (Some(false), _) => "away",
            (None, _) => "not asked yet",
        };
        let seen = match get_u64(origin, "seen_at") {
            Some(at) => format!("{} ago", span(now.saturating_sub(at))),
            None => "never".into(),
        };
        table.row(&[
            state,
            &seen,
            &number(origin, "releases").to_string(),
            text(origin, "name"),
        ]);
        if let Some(error) = get_str(origin, "error") {
            table.below(error);
        }
    }
    table
}

fn arrs_table(value: &Value) -> Table {
    let mut table = Table::new(&["TYPE", "USE", "REGISTERED", "NAME"]);
    for arr in get_array(value, "arrs") {
        let is = |key| get_bool(arr, key) == Some(true);
        let purpose = match (is("source"), is("destination")) {
            (true, true) => "shares, grabs",
            (true, false) => "shares",
            (false, true) => "grabs",
            (false, false) => "nothing",
        };
        let registered = match get_bool(arr, "registered") {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        table.row(&[text(arr, "type"), purpose, registered, text(arr, "title")]);
        for note in get_array(arr, "notes") {
            if let Value::String(note) = note {
                table.below(note);
            }
        }
        for import in get_array(arr, "imports") {
            table.below(&format!("not imported: {}", text(import, "title")));
            for message in get_array(import, "messages") {
                if let Value::String(message) = message {
                    table.below(&format!("  {message}"));
                }
            }
        }
    }
    table
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    get_str(value, key).unwrap_or("-")
}

fn number(value: &Value, key: &str) -> u64 {
    get_u64(value, key).unwrap_or(0)
}

fn percent(have: u64, size: u64) -> String {
    match size {
        0 => "-".into(),
        // At most 100, so it fits.
        size => format!("{} %", u128::from(have.min(size)) * 100 / u128::from(size)),
    }
}

fn rate(speed: u64) -> String {
    match speed {
        0 => "-".into(),
        speed => format!("{}/s", bytes(speed)),
    }
}

/// Seconds for people, in two units at most.
fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_show_everything_and_escape_it() {
        let value = json::parse(
            r#"{"name":"j","version":"0.1.0","uptime":90061,"now":1000,
            "downloads":{"speed":2097152,"free_space":1073741824,"left_out":7,"grabs":[
              {"title":"Up.2009","state":"downloading","arr":"Main","friend":"alice","size":4194304,"have":1048576,"speed":2097152,"eta":62},
              {"title":"Bad\u001b[2J","state":"waiting","reason":"alice is away","arr":"Main","friend":"alice","size":0,"have":0,"speed":0,"retry_at":1030}]},
            "uploads":[{"to":"bob","file":"a.mkv","size":100,"sent":10,"speed":0,"age":3}],
            "friends":[{"name":"alice","up":true,"seen_at":940,"releases":12,"visible":true},
              {"name":"carol","up":false,"releases":0,"visible":false,"error":"connection refused"},
              {"name":"dave","releases":3,"visible":true}],
            "sources":[],
            "arrs":[{"title":"Main","type":"Radarr","source":true,"destination":true,"registered":false,
              "notes":["Unable to connect"],"imports":[{"title":"Up.2009","messages":["Sample"]}]}]}"#,
        )
        .unwrap();
        let expected = "\
j 0.1.0, up 1d 1h

Downloads: 2.0 MiB/s, 1.0 GiB free
  STATE        DONE  SIZE     SPEED      LEFT   FROM   FOR   TITLE
  downloading  25 %  4.0 MiB  2.0 MiB/s  1m 2s  alice  Main  Up.2009
  waiting      -     0 B      -          -      alice  Main  Bad\\u{1b}[2J
    alice is away; next attempt in 30s
  and 7 older ones

Uploads
  TO   DONE  SIZE   SPEED  LEFT  FILE
  bob  10 %  100 B  -      -     a.mkv

Friends
  STATE          SEEN       RELEASES  NAME
  up             1m 0s ago  12        alice
  away, hidden   never      0         carol
    connection refused
  not asked yet  never      3         dave

Shared
  none

Radarr and Sonarr
  TYPE    USE            REGISTERED  NAME
  Radarr  shares, grabs  no          Main
    Unable to connect
    not imported: Up.2009
      Sample
";
        assert_eq!(tables(&value), expected);
    }

    #[test]
    fn an_answer_of_another_shape_is_shown_empty() {
        for text in ["null", "[]", "{}", r#"{"friends":5,"downloads":[1]}"#] {
            let value = json::parse(text).unwrap();
            assert!(tables(&value).starts_with("- -, up 0s\n"), "{text}");
        }
    }

    #[test]
    fn the_listen_address_is_where_it_is_asked() {
        let check = |listen: &str, expected: Result<&str, &str>| {
            let found = listen_url(&[listen.parse().unwrap()]);
            match (&found, expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected),
                (Err(error), Err(start)) => assert!(error.starts_with(start), "{error}"),
                _ => panic!("{found:?}"),
            }
        };
        check("0.0.0.0:5225", Ok("http://127.0.0.1:5225"));
        check("[::]:5225", Ok("http://[::1]:5225"));
        check("192.168.1.5:80", Ok("http://192.168.1.5:80"));
        check("127.0.0.1:0", Err("listen has port 0"));
    }

    #[test]
    fn a_key_is_needed_and_asked_for() {
        let config = Config::from_text("f", "[jackdaw]\nname = x\n").unwrap();
        let error = status(&config, StatusOptions::default(), None).unwrap_err();
        assert!(error.contains(KEY_VARIABLE), "{error}");
    }
}
