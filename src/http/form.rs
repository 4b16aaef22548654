//! Request bodies that are forms: `application/x-www-form-urlencoded` and `multipart/form-data`.
//!
//! In: the Content-Type and the whole body (already bounded by the front door). Out: text fields
//! and uploaded files. A part with a file name is a file whatever its field name, as qBittorrent
//! has it; Radarr and Sonarr send raw UTF-8 file names and unquoted boundaries, Python clients
//! quote or use `filename*`. Number and sizes of parts are bounded; any bytes give a form or an
//! error, in time linear in the body. Not done: nested multipart, transfer encodings of parts
//! (RFC 7578 §4.7 deprecates them).

use std::fmt;

use super::percent::{self, Plus};
use super::request::{ParamError, Params};

/// Parts of one multipart body: Radarr and Sonarr send about ten, a bulk upload by hand a hundred.
pub const MAX_PARTS: usize = 256;
/// Header bytes of one part: two short lines, one of them with a file name of 255 bytes or so.
pub const MAX_PART_HEAD: usize = 4 * 1024;
/// Bytes of one text field: the longest is a list of URLs.
pub const MAX_FIELD_BYTES: usize = 256 * 1024;
/// Bytes of one uploaded file: a stub has 20 bytes per 16 MiB, so one of a 100 GiB file has 128 KiB;
/// foreign torrents, which are to be refused by name, can have a few MiB.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// RFC 2046 allows 70; .NET stays below 60, some libraries are less careful.
const MAX_BOUNDARY: usize = 200;

/// A decoded form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Text fields in order.
    pub fields: Params,
    /// Files in order.
    pub files: Vec<Upload>,
}

/// One uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Name of the form field.
    pub field: String,
    /// The client's name for the file: text to show, not a path to use.
    pub filename: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Why a body is not a form. All of them are the client's fault: 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormError {
    /// Neither of the two form types, with a body that is not empty.
    WrongType,
    /// A urlencoded parameter.
    Param(ParamError),
    /// The multipart structure; says what is wrong.
    Multipart(&'static str),
    /// A limit of this module; says which.
    TooLarge(&'static str),
    /// A text field that is not UTF-8.
    NotText(String),
}

impl fmt::Display for FormError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormError::WrongType => out.write_str("the body is not a form"),
            FormError::Param(error) => write!(out, "malformed form: {error}"),
            FormError::Multipart(what) => write!(out, "malformed multipart form: {what}"),
            FormError::TooLarge(what) => write!(out, "form too large: {what}"),
            FormError::NotText(field) => write!(out, "form field {field} is not UTF-8"),
        }
    }
}

impl Form {
    /// Reads `body` as its Content-Type says.
    pub fn parse(content_type: &str, body: &[u8]) -> Result<Form, FormError> {
        if body.is_empty() {
            return Ok(Form::default());
        }
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let text = std::str::from_utf8(body)
                .map_err(|_| FormError::NotText("(urlencoded body)".into()))?;
            // curl --data @file and shell scripts leave a line end behind the last pair.
            let text = text.trim_end_matches(['\r', '\n']);
            return Ok(Form {
                fields: Params::parse(text).map_err(FormError::Param)?,
                files: Vec::new(),
            });
        }
        if essence.eq_ignore_ascii_case("multipart/form-data") {
            let boundary = parameter(content_type, "boundary")
                .filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()))
                .ok_or(FormError::Multipart("no usable boundary"))?;
            return multipart(&boundary, body);
        }
        Err(FormError::WrongType)
    }
}

fn multipart(boundary: &str, body: &[u8]) -> Result<Form, FormError> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // The first delimiter may stand at the very beginning, without its line break.
    let mut rest = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => rest,
        None => {
            let (_preamble, rest) = split_at(body, &delimiter)
                .ok_or(FormError::Multipart("the boundary does not occur"))?;
            rest
        }
    };
    let mut form = Form::default();
    let mut parts = 0;
    loop {
        if rest.starts_with(b"--") {
            return Ok(form);
        }
        let (padding, after) =
            split_at(rest, b"\r\n").ok_or(FormError::Multipart("cut off after a boundary"))?;
        if !padding.iter().all(|byte| *byte == b' ' || *byte == b'\t') {
            return Err(FormError::Multipart("text behind a boundary"));
        }
        parts += 1;
        if parts > MAX_PARTS {
            return Err(FormError::TooLarge("too many parts"));
        }
        let (part, after) =
            split_at(after, &delimiter).ok_or(FormError::Multipart("the last part is cut off"))?;
        add_part(&mut form, part)?;
        rest = after;
    }
}

/// Adds one part: header lines, an empty line, content.
fn add_part(form: &mut Form, part: &[u8]) -> Result<(), FormError> {
    let searched = &part[..part.len().min(MAX_PART_HEAD)];
    let (head, content) = match part.strip_prefix(b"\r\n") {
        Some(content) => (&b""[..], content),
        None => {
            let (head, _) = split_at(searched, b"\r\n\r\n").ok_or({
                if part.len() > MAX_PART_HEAD {
                    FormError::TooLarge("the head of a part")
                } else {
                    FormError::Multipart("a part without an empty line")
                }
            })?;
            (head, &part[head.len() + 4..])
        }
    };
    let head = std::str::from_utf8(head)
        .map_err(|_| FormError::Multipart("the head of a part is not UTF-8"))?;
    let disposition = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("Content-Disposition"))
        .map(|(_, value)| value.trim())
        .ok_or(FormError::Multipart("a part without Content-Disposition"))?;
    let field =
        parameter(disposition, "name").ok_or(FormError::Multipart("a part without a name"))?;
    let filename = parameter(disposition, "filename*")
        .and_then(|value| extended_value(&value))
        .or_else(|| parameter(disposition, "filename"));
    if let Some(filename) = filename {
        if content.len() > MAX_FILE_BYTES {
            return Err(FormError::TooLarge("a file"));
        }
        form.files.push(Upload {
            field,
            filename,
            bytes: content.to_vec(),
        });
        return Ok(());
    }
    if content.len() > MAX_FIELD_BYTES {
        return Err(FormError::TooLarge("a field"));
    }
    match std::str::from_utf8(content) {
        Ok(text) => form.fields.0.push((field, text.to_owned())),
        Err(_) => return Err(FormError::NotText(field.escape_default().to_string())),
    }
    Ok(())
}

/// What stands before and behind the first `needle`. Linear, because every needle here begins
/// with a CR and holds no second one next to it: a failed comparison never overlaps the next.
fn split_at<'a>(haystack: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    while let Some(found) = haystack[from..].iter().position(|byte| *byte == needle[0]) {
        let at = from + found;
        if haystack[at..].starts_with(needle) {
            return Some((&haystack[..at], &haystack[at + needle.len()..]));
        }
        from = at + 1;
    }
    None
}

/// The value of a header parameter `; name=value`, quoted or not. In quotes, `\"` stands for a
/// quote and every other backslash for itself: browsers and .NET do not escape, RFC 9110 clients
/// do. `None` when it is absent or its quotes do not close.
fn parameter(header: &str, name: &str) -> Option<String> {
    let (_, mut rest) = header.split_once(';')?;
    loop {
        let (key, after) = rest.split_once('=')?;
        // A parameter without a value ("; x; name=…") is part of what stands before the `=`.
        let key = key.rsplit(';').next().unwrap_or(key).trim();
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (value, after) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), after)
            }
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                // A quote that ends the header is the closing one (`filename="C:\"`).
                if quoted[at + 2..].trim_start().is_empty() {
                    value.push('\\');
                } else {
                    value.push('"');
                    chars.next();
                }
            }
            other => value.push(other),
        }
    }
    None
}

/// `UTF-8''%41…` (RFC 8187).
fn extended_value(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent::decode(text, Plus::Literal).map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As .NET writes it for Radarr and Sonarr: dashes, hex, unquoted, raw UTF-8 file name.
    const DOTNET: &str = "-----------------------------8ddc0ffee12345";

    fn part(boundary: &str, disposition: &str, content: &str) -> String {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n"
        )
    }

    fn parsed(boundary: &str, body: &str) -> Result<Form, FormError> {
        let content_type = format!("multipart/form-data; boundary={boundary}");
        Form::parse(&content_type, body.as_bytes())
    }

    #[test]
    fn radarr_upload() {
        let body = format!(
            "{}--{DOTNET}\r\nContent-Disposition: form-data; name=\"torrents\"; \
             filename=\"Amélie (2001).torrent\"\r\nContent-Type: application/octet-stream\r\n\r\n\
             d4:infode\r\n--x\r\n--{DOTNET}--\r\n",
            part(DOTNET, "name=\"category\"", "radarr"),
        );
        let form = parsed(DOTNET, &body).unwrap();
        assert_eq!(form.fields.get("category"), Some("radarr"));
        assert_eq!(form.files.len(), 1);
        assert_eq!(form.files[0].field, "torrents");
        assert_eq!(form.files[0].filename, "Amélie (2001).torrent");
        assert_eq!(form.files[0].bytes, b"d4:infode\r\n--x");
    }

    #[test]
    fn dispositions_as_clients_write_them() {
        let check = |disposition: &str, field: &str, filename: Option<&str>| {
            let body = format!("{}--B--", part("B", disposition, "x"));
            let form = parsed("\"B\"", &body).unwrap();
            match filename {
                Some(filename) => {
                    assert_eq!(form.files[0].field, field);
                    assert_eq!(form.files[0].filename, filename);
                }
                None => assert_eq!(form.fields.get(field), Some("x"), "{disposition}"),
            }
        };
        check("name=a", "a", None);
        check("name=\"a b\"", "a b", None);
        check("NAME=\"a\"", "a", None);
        check("name=\"\"", "", None);
        check("name=\"f\"; filename=\"\"", "f", Some(""));
        check(
            "filename=\"x;y=z.torrent\"; name=\"f\"",
            "f",
            Some("x;y=z.torrent"),
        );
        check("name=f; filename=plain.torrent", "f", Some("plain.torrent"));
        check("name=f; filename=\"a\\\"b\"; size=1", "f", Some("a\"b"));
        check("name=f; filename=\"C:\\dir\\a\"", "f", Some("C:\\dir\\a"));
        check("name=f; filename=\"C:\\\"", "f", Some("C:\\"));
        check(
            "name=f; filename=x; filename*=UTF-8''%C3%A9",
            "f",
            Some("é"),
        );
        check("name=f; filename=x; filename*=latin1''%E9", "f", Some("x"));
    }

    #[test]
    fn urlencoded_and_types() {
        let check = |content_type: &str, body: &str, expected: Result<usize, FormError>| {
            let form = Form::parse(content_type, body.as_bytes());
            assert_eq!(
                form.map(|form| form.fields.0.len()),
                expected,
                "{content_type}"
            );
        };
        check("application/x-www-form-urlencoded", "a=1&b=+%20\n", Ok(2));
        check(
            "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
            "a=1",
            Ok(1),
        );
        check("application/json", "{}", Err(FormError::WrongType));
        check("", "a=1", Err(FormError::WrongType));
        check("application/octet-stream", "", Ok(0));
        check(
            "application/x-www-form-urlencoded",
            "hash=%z",
            Err(FormError::Param(ParamError::Malformed("hash".into()))),
        );
        check(
            "multipart/form-data",
            "x",
            Err(FormError::Multipart("no usable boundary")),
        );
    }

    #[test]
    fn structure_errors_are_named() {
        let check = |body: &str, expected: FormError| {
            assert_eq!(parsed("B", body), Err(expected), "{body:?}");
        };
        check("x", FormError::Multipart("the boundary does not occur"));
        check("--B", FormError::Multipart("cut off after a boundary"));
        check("--Bx\r\n", FormError::Multipart("text behind a boundary"));
        check(
            "--B\r\n\r\nx",
            FormError::Multipart("the last part is cut off"),
        );
        check(
            "--B\r\nA: b\r\n--B--",
            FormError::Multipart("a part without an empty line"),
        );
        check(
            "--B\r\nA: b\r\n\r\nx\r\n--B--",
            FormError::Multipart("a part without Content-Disposition"),
        );
        check(
            "--B\r\n\r\nx\r\n--B--",
            FormError::Multipart("a part without Content-Disposition"),
        );
        check(
            &format!("{}--B--", part("B", "filename=x", "y")),
            FormError::Multipart("a part without a name"),
        );
        assert!(parsed("B", "preamble\r\n--B--epilogue").is_ok());
        assert!(
            parsed(
                "B",
                "--B  \t\r\nContent-Disposition: x; name=a\r\n\r\n\r\n--B--"
            )
            .is_ok()
        );
        let binary = b"--B\r\nContent-Disposition: x; name=a\r\n\r\n\xff\r\n--B--";
        assert_eq!(
            Form::parse("multipart/form-data; boundary=B", binary),
            Err(FormError::NotText("a".into()))
        );
    }

    #[test]
    fn limits_hold() {
        let many = |count: usize| part("B", "name=a", "x").repeat(count) + "--B--";
        assert_eq!(
            parsed("B", &many(MAX_PARTS)).unwrap().fields.0.len(),
            MAX_PARTS
        );
        assert_eq!(
            parsed("B", &many(MAX_PARTS + 1)),
            Err(FormError::TooLarge("too many parts"))
        );
        let sized = |disposition: &str, bytes: usize| {
            parsed("B", &(part("B", disposition, &"x".repeat(bytes)) + "--B--")).map(|_| ())
        };
        assert_eq!(sized("name=a", MAX_FIELD_BYTES), Ok(()));
        assert_eq!(
            sized("name=a", MAX_FIELD_BYTES + 1),
            Err(FormError::TooLarge("a field"))
        );
        assert_eq!(sized("name=a; filename=b", MAX_FILE_BYTES), Ok(()));
        assert_eq!(
            sized("name=a; filename=b", MAX_FILE_BYTES + 1),
            Err(FormError::TooLarge("a file"))
        );
        let long_head = format!("name=a; x={}", "y".repeat(MAX_PART_HEAD));
        assert_eq!(
            sized(&long_head, 1),
            Err(FormError::TooLarge("the head of a part"))
        );
        let long_boundary = "b".repeat(MAX_BOUNDARY + 1);
        assert!(parsed(&long_boundary, &format!("--{long_boundary}--")).is_err());
    }

    #[test]
    fn any_bytes_give_a_form_or_an_error() {
        let whole = part("B", "name=\"a\"; filename=\"b\\\"c\"", "data") + "--B--";
        for end in 0..whole.len() {
            // Nothing that is cut off before the closing delimiter may pass for a whole form.
            assert!(parsed("B", &whole[..end]).is_err() || end == 0, "{end}");
        }
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let pieces: [&[u8]; 12] = [
            b"--B",
            b"\r\n",
            b"--",
            b"\r",
            b"\n",
            b";",
            b"=",
            b"\"",
            b"\\",
            b"name",
            b"Content-Disposition:",
            b"\xff\0",
        ];
        for _ in 0..20_000 {
            let mut body = Vec::new();
            for _ in 0..random() % 24 {
                let index = usize::try_from(random() % 12).unwrap();
                body.extend_from_slice(pieces[index]);
            }
            let _ = Form::parse("multipart/form-data; boundary=B", &body);
            let _ = Form::parse("application/x-www-form-urlencoded", &body);
            let text = String::from_utf8_lossy(&body);
            let _ = Form::parse(&format!("multipart/form-data;{text}"), &body);
        }
    }
}
