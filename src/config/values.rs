//! Values that only one or two keys have: paths, path maps, listen addresses, words, our name.
//!
//! Text in, value or [`Complaint`] out; pure: names are not resolved and the disk is not asked.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::problem::{Complaint, quoted};
use super::{AfterImport, ServerType, url};
use crate::release::Category;

/// Most listen addresses: each has a thread.
const MAX_LISTEN: usize = 16;

/// Longest name of ours in characters, as for section titles.
const MAX_NAME_CHARS: usize = super::reader::MAX_TITLE_CHARS;

/// A path of ours: absolute, since a service is rarely started where its owner thinks, and without
/// `..`, so that "lies inside" can be told from the names.
pub(super) fn own_path(text: &str) -> Result<PathBuf, Complaint> {
    if !text.starts_with('/') {
        return Err(Complaint::new(
            format!("{} is not an absolute path", quoted(text)),
            "begin it with /",
        ));
    }
    if text.split('/').any(|component| component == "..") {
        return Err(Complaint::new(
            format!("{} has .. in it", quoted(text)),
            "write where it leads",
        ));
    }
    // Components drop doubled and trailing slashes and `.`.
    Ok(PathBuf::from(text).components().collect())
}

/// An absolute path in the arr's view: `/x`, `C:\x` or `\\host\share`, no trailing separator.
pub(super) fn foreign_path(text: &str) -> Result<String, Complaint> {
    let bytes = text.as_bytes();
    let has_drive =
        matches!(bytes, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    if text.starts_with('/') {
        let bare = text.trim_end_matches('/');
        return Ok(if bare.is_empty() { "/" } else { bare }.to_owned());
    }
    if has_drive || text.starts_with("\\\\") {
        let bare = text.trim_end_matches(['\\', '/']);
        return Ok(if bare.len() <= 2 { text } else { bare }.to_owned());
    }
    Err(Complaint::new(
        format!("{} is not an absolute path", quoted(text)),
        "write it as Sonarr and Radarr see it, such as /data/completed or D:\\completed",
    ))
}

pub(super) fn path_map(text: &str) -> Result<(String, PathBuf), Complaint> {
    let (theirs, ours) = text.split_once("->").ok_or_else(|| {
        Complaint::new(
            format!("{} has no ->", quoted(text)),
            "write a path as it reports it -> where we find it, \
             such as /movies -> /mnt/disk/movies",
        )
    })?;
    Ok((foreign_path(theirs.trim())?, own_path(ours.trim())?))
}

pub(super) fn own_name(text: &str) -> Result<String, Complaint> {
    if text.chars().count() > MAX_NAME_CHARS {
        return Err(Complaint::new(
            format!("the name is longer than {MAX_NAME_CHARS} characters"),
            "shorten it",
        ));
    }
    // The reader lets no other control character through.
    if text.contains('\t') {
        return Err(Complaint::new("the name holds a tab", "remove it"));
    }
    Ok(text.to_owned())
}

pub(super) fn listen(text: &str) -> Result<Vec<SocketAddr>, Complaint> {
    const HINT: &str =
        "write addresses with ports, such as 127.0.0.1:5225, 0.0.0.0:5225 or [::]:5225";
    let mut all = Vec::new();
    for item in text.split(',').map(str::trim) {
        // Resolving other names would make the configuration depend on the network.
        let numeric = match item.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => item.to_owned(),
        };
        let address: SocketAddr = numeric.parse().map_err(|_| {
            Complaint::new(
                format!("{} is not an address with a port", quoted(item)),
                HINT,
            )
        })?;
        // Port 0 lets the system choose, each time anew.
        if address.port() != 0 && all.contains(&address) {
            return Err(Complaint::new(
                format!("{} is listed twice", quoted(item)),
                "remove one",
            ));
        }
        if all.len() == MAX_LISTEN {
            return Err(Complaint::new(
                format!("there are more than {MAX_LISTEN} addresses"),
                "0.0.0.0 and [::] stand for all of a machine's addresses",
            ));
        }
        all.push(address);
    }
    Ok(all)
}

/// One of a few words.
fn word<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Complaint> {
    choices
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            Complaint::new(
                format!("{} is not a known value", quoted(text)),
                format!("write one of: {}", words.join(", ")),
            )
        })
}

pub(super) fn log_level(text: &str) -> Result<log::LevelFilter, Complaint> {
    use log::LevelFilter::{Debug, Error, Info, Trace, Warn};
    let levels = [
        ("error", Error),
        ("warn", Warn),
        ("info", Info),
        ("debug", Debug),
        ("trace", Trace),
    ];
    word(text, &levels)
}

pub(super) fn after_import(text: &str) -> Result<AfterImport, Complaint> {
    word(
        text,
        &[("move", AfterImport::Move), ("keep", AfterImport::Keep)],
    )
}

pub(super) fn server_type(text: &str) -> Result<ServerType, Complaint> {
    word(
        text,
        &[
            ("radarr", ServerType::Radarr),
            ("sonarr", ServerType::Sonarr),
        ],
    )
}

pub(super) fn folder_kind(text: &str) -> Result<Category, Complaint> {
    word(text, &[("movies", Category::Movies), ("tv", Category::Tv)])
}

/// A base address in its one form, as text.
pub(super) fn base_url(text: &str) -> Result<String, Complaint> {
    url::HttpUrl::parse(text).map(|url| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        let check = |text: &str, expected: &[&str]| {
            let read = listen(text).unwrap_or_else(|c| panic!("{text}: {c}"));
            let shown: Vec<String> = read.iter().map(ToString::to_string).collect();
            assert_eq!(shown, expected, "{text}");
        };
        check("127.0.0.1:5225", &["127.0.0.1:5225"]);
        check("0.0.0.0:5225,[::]:5225", &["0.0.0.0:5225", "[::]:5225"]);
        check("localhost:1 , [::1]:2", &["127.0.0.1:1", "[::1]:2"]);
        check("127.0.0.1:0, 127.0.0.1:0", &["127.0.0.1:0", "127.0.0.1:0"]);
        for wrong in [
            "",
            "5225",
            ":5225",
            "*:5225",
            "0.0.0.0",
            "0.0.0.0:65536",
            "jackdaw:5225",
            "0.0.0.0:1,",
            "0.0.0.0:1,0.0.0.0:1",
            "::1:5225",
            "http://0.0.0.0:5225",
            "0.0.0.0:5225 ; all",
        ] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
        let many: Vec<String> = (1..=MAX_LISTEN + 1)
            .map(|p| format!("127.0.0.1:{p}"))
            .collect();
        assert!(listen(&many[..MAX_LISTEN].join(",")).is_ok());
        assert!(listen(&many.join(",")).is_err());
    }

    #[test]
    fn paths() {
        let check = |text: &str, expected: Option<&str>| {
            let read = own_path(text).ok();
            let shown = read.as_deref().and_then(std::path::Path::to_str);
            assert_eq!(shown, expected, "{text}");
        };
        check("/data/completed", Some("/data/completed"));
        check("/data//completed/./", Some("/data/completed"));
        check("/", Some("/"));
        check("/a ;b #c", Some("/a ;b #c"));
        check("/a..b", Some("/a..b"));
        check("data", None);
        check("./data", None);
        check("~/data", None);
        check("/data/../x", None);
        check("\"/data\"", None);
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(foreign_path(text).ok().as_deref(), expected, "{text}");
        };
        check("/data/", Some("/data"));
        check("/", Some("/"));
        check("D:\\x\\", Some("D:\\x"));
        check("D:\\", Some("D:\\"));
        check("d:/x", Some("d:/x"));
        check("\\\\nas\\x", Some("\\\\nas\\x"));
        check("D:x", None);
        check("data", None);
    }

    #[test]
    fn path_maps() {
        assert_eq!(
            path_map("/movies -> /mnt/disk/movies"),
            Ok(("/movies".to_owned(), PathBuf::from("/mnt/disk/movies")))
        );
        assert_eq!(
            path_map("D:\\tv->/tv/"),
            Ok(("D:\\tv".to_owned(), PathBuf::from("/tv")))
        );
        for wrong in [
            "/movies /mnt",
            "/movies ->",
            "-> /mnt",
            "movies -> /mnt",
            "/a -> b",
        ] {
            assert!(path_map(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_and_names() {
        assert_eq!(log_level("debug"), Ok(log::LevelFilter::Debug));
        assert_eq!(
            log_level("verbose").unwrap_err().to_string(),
            "`verbose` is not a known value, write one of: error, warn, info, debug, trace"
        );
        assert_eq!(after_import("keep"), Ok(AfterImport::Keep));
        assert_eq!(server_type("sonarr"), Ok(ServerType::Sonarr));
        assert_eq!(folder_kind("tv"), Ok(Category::Tv));
        assert!(server_type("Sonarr").is_err() && folder_kind("").is_err());
        assert_eq!(
            own_name("Jürgens jackdaw"),
            Ok("Jürgens jackdaw".to_owned())
        );
        assert!(own_name("a\tb").is_err());
        assert!(own_name(&"ä".repeat(MAX_NAME_CHARS)).is_ok());
        assert!(own_name(&"ä".repeat(MAX_NAME_CHARS + 1)).is_err());
    }
}
