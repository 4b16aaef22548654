//! Secrets in the configuration: written out, or `env:NAME`, or `file:/absolute/path`.
//!
//! Text and the world outside in, [`Secret`] or complaint out. One trailing line end is dropped
//! from what a file or variable holds; unset, unreadable or empty is an error. No complaint
//! quotes a secret, nor a value that could be one.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;

use super::problem::Complaint;
use crate::secret::Secret;

/// Bytes read from a secret file: as long as the longest value that could be written out.
pub const MAX_SECRET_BYTES: u64 = super::reader::MAX_LINE_BYTES as u64;

/// Longest key of ours in characters: Sonarr puts it into URLs.
pub const MAX_OWN_KEY_CHARS: usize = 256;

/// Shortest key of ours in characters: from 16 random letters up nobody guesses it.
pub const MIN_OWN_KEY_CHARS: usize = 16;

/// What secrets may refer to; tests put their own world here.
pub struct Outside<'a> {
    /// An environment variable.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// At most [`MAX_SECRET_BYTES`] + 1 bytes of a file.
    pub file: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

impl Outside<'static> {
    /// The process's own environment and the file system.
    pub fn real() -> Outside<'static> {
        Outside {
            env: &|name| std::env::var_os(name),
            file: &|path| {
                let mut bytes = Vec::new();
                std::fs::File::open(path)?
                    .take(MAX_SECRET_BYTES + 1)
                    .read_to_end(&mut bytes)?;
                Ok(bytes)
            },
        }
    }
}

/// The value that `text` stands for.
pub(super) fn resolve(text: &str, outside: &Outside<'_>) -> Result<Secret, Complaint> {
    if let Some(name) = text.strip_prefix("env:") {
        return from_env(name, outside);
    }
    if let Some(path) = text.strip_prefix("file:") {
        return from_file(path, outside);
    }
    Ok(Secret::new(text))
}

fn from_env(name: &str, outside: &Outside<'_>) -> Result<Secret, Complaint> {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(sound) {
        return Err(Complaint::new(
            "env: is not followed by the name of an environment variable",
            "write env:NAME with letters, digits and _",
        ));
    }
    let value = (outside.env)(name).ok_or_else(|| {
        Complaint::new(
            format!("the environment variable {name} is not set"),
            "set it where jackdaw is started",
        )
    })?;
    let what = format!("the environment variable {name}");
    let value = value
        .into_string()
        .map_err(|_| Complaint::new(format!("{what} is not valid UTF-8"), "set it anew"))?;
    usable(&value, &what)
}

fn from_file(path: &str, outside: &Outside<'_>) -> Result<Secret, Complaint> {
    if !path.starts_with('/') {
        return Err(Complaint::new(
            "file: is not followed by an absolute path",
            "write file:/absolute/path",
        ));
    }
    let what = format!("the secret file {path}");
    let bytes = (outside.file)(Path::new(path)).map_err(|error| {
        Complaint::new(
            format!("{what} cannot be read: {error}"),
            "check that it exists and that jackdaw's user may read it",
        )
    })?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(Complaint::new(
            format!("{what} is longer than {MAX_SECRET_BYTES} bytes"),
            "it should hold the secret and nothing else",
        ));
    }
    let value = String::from_utf8(bytes).map_err(|_| {
        Complaint::new(
            format!("{what} is not valid UTF-8"),
            "it should hold the secret as text",
        )
    })?;
    usable(&value, &what)
}

/// Drops one line end and refuses what no secret looks like.
fn usable(value: &str, what: &str) -> Result<Secret, Complaint> {
    let value = value.strip_suffix('\n').unwrap_or(value);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(Complaint::new(
            format!("{what} is empty"),
            "put the secret there",
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(Complaint::new(
            format!("{what} holds a line break or another control character"),
            "it should hold the secret on one line and nothing else",
        ));
    }
    Ok(Secret::new(value))
}

/// Our own key: Sonarr appends it to URLs as it stands, so it must need no escaping there.
pub(super) fn check_own_key(key: &str) -> Result<(), Complaint> {
    let hint = format!(
        "use {MIN_OWN_KEY_CHARS} to {MAX_OWN_KEY_CHARS} of A-Z a-z 0-9 . _ ~ -, \
         for instance the output of `openssl rand -hex 16`"
    );
    if !key.bytes().all(is_unreserved) {
        return Err(Complaint::new(
            "the key holds characters that cannot stand in a URL",
            hint,
        ));
    }
    if !(MIN_OWN_KEY_CHARS..=MAX_OWN_KEY_CHARS).contains(&key.len()) {
        return Err(Complaint::new(
            format!("the key has {} characters", key.len()),
            hint,
        ));
    }
    Ok(())
}

/// RFC 3986 §2.3: characters that never need escaping in a URL.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-')
}

/// Radarr's and Sonarr's keys: a GUID without hyphens.
pub(super) fn check_arr_key(key: &str) -> Result<(), Complaint> {
    if key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Complaint::new(
        "the key does not have 32 hex digits",
        "copy it from Settings, General of that Radarr or Sonarr",
    ))
}

/// A friend's key or any other header value: it must fit into one header as it is.
pub(super) fn check_header_value(value: &str) -> Result<(), Complaint> {
    if value.is_empty() {
        return Err(Complaint::new("the value is empty", "remove the line"));
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Complaint::new(
            "the value holds characters that cannot stand in a header",
            "use printable ASCII",
        ));
    }
    if value.trim() != value {
        return Err(Complaint::new(
            "the value begins or ends with a blank",
            "remove it",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn outside() -> Outside<'static> {
        Outside {
            env: &|name| match name {
                "KEY" => Some("from-env".into()),
                "LINE" => Some("from-env\n".into()),
                "TWO" => Some("a\nb".into()),
                "EMPTY" => Some("".into()),
                "BYTES" => Some(OsString::from_vec(vec![0xff])),
                _ => None,
            },
            file: &|path| match path.to_str() {
                Some("/key") => Ok(b"from-file".to_vec()),
                Some("/line") => Ok(b"from-file\r\n".to_vec()),
                Some("/two") => Ok(b"from-file\n\n".to_vec()),
                Some("/empty") => Ok(b"\n".to_vec()),
                Some("/bytes") => Ok(b"\xff".to_vec()),
                Some("/long") => Ok(vec![b'x'; MAX_SECRET_BYTES as usize + 1]),
                Some("/longest") => Ok(vec![b'x'; MAX_SECRET_BYTES as usize]),
                _ => Err(io::Error::other("no such thing")),
            },
        }
    }

    #[test]
    fn every_form_is_resolved() {
        let check = |text: &str, expected: &str| {
            let secret = resolve(text, &outside()).unwrap_or_else(|c| panic!("{text}: {c}"));
            assert_eq!(secret.expose(), expected, "{text}");
        };
        check("plain", "plain");
        check("a;b#c", "a;b#c");
        check("environment", "environment");
        check("env:KEY", "from-env");
        check("env:LINE", "from-env");
        check("file:/key", "from-file");
        check("file:/line", "from-file");
        check("file:/longest", &"x".repeat(MAX_SECRET_BYTES as usize));
    }

    #[test]
    fn every_failure_says_what_to_do() {
        let check = |text: &str, problem: &str| {
            let complaint = resolve(text, &outside()).expect_err(text);
            assert_eq!(complaint.problem, problem, "{text}");
            assert!(!complaint.hint.is_empty(), "{text}");
        };
        check("env:NONE", "the environment variable NONE is not set");
        check("env:EMPTY", "the environment variable EMPTY is empty");
        check(
            "env:BYTES",
            "the environment variable BYTES is not valid UTF-8",
        );
        check(
            "env:TWO",
            "the environment variable TWO holds a line break or another control character",
        );
        let no_name = "env: is not followed by the name of an environment variable";
        check("env:", no_name);
        check("env:KEY ; comment", no_name);
        let no_path = "file: is not followed by an absolute path";
        check("file:", no_path);
        check("file:key", no_path);
        check("file:./key", no_path);
        check(
            "file:/none",
            "the secret file /none cannot be read: no such thing",
        );
        check("file:/empty", "the secret file /empty is empty");
        check("file:/bytes", "the secret file /bytes is not valid UTF-8");
        check(
            "file:/two",
            "the secret file /two holds a line break or another control character",
        );
        check(
            "file:/long",
            "the secret file /long is longer than 16384 bytes",
        );
    }

    #[test]
    fn the_real_world_is_read_with_a_bound() {
        let outside = Outside::real();
        let endless = resolve("file:/dev/zero", &outside).unwrap_err();
        assert!(endless.problem.contains("longer than"), "{endless}");
        let folder = resolve("file:/", &outside).unwrap_err();
        assert!(folder.problem.contains("cannot be read"), "{folder}");
    }

    #[test]
    fn key_rules() {
        let check =
            |rule: fn(&str) -> Result<(), Complaint>, key: &str, sound: bool| match rule(key) {
                Ok(()) => assert!(sound, "{key} was accepted"),
                Err(complaint) => {
                    assert!(!sound, "{key}: {complaint}");
                    assert!(key.is_empty() || !complaint.to_string().contains(key));
                }
            };
        check(check_own_key, "abcdefghijklmnop", true);
        check(check_own_key, "AZaz09._~-AZaz09", true);
        check(check_own_key, "abcdefghijklmno", false);
        check(check_own_key, "abcdefghijklmnop/", false);
        check(check_own_key, "abcdefghijklmno p", false);
        check(check_own_key, "abcdefghijklmnopä", false);
        check(check_own_key, &"k".repeat(MAX_OWN_KEY_CHARS), true);
        check(check_own_key, &"k".repeat(MAX_OWN_KEY_CHARS + 1), false);
        check(check_arr_key, "0123456789abcdefABCDEF0123456789", true);
        check(check_arr_key, "0123456789abcdefABCDEF012345678", false);
        check(check_arr_key, "0123456789abcdefABCDEF012345678g", false);
        check(check_arr_key, "", false);
        check(check_header_value, "any key; with = signs", true);
        check(check_header_value, "", false);
        check(check_header_value, "line\nbreak", false);
        check(check_header_value, "return\rhere", false);
        check(check_header_value, "ümlaut", false);
        check(check_header_value, " padded ", false);
    }
}
