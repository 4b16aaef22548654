//! INI text as sections and entries with line numbers; knows syntax, not names.
//!
//! Bytes of a file in, [`RawSection`]s out, problems into the collector. `[name]` or
//! `[name "Title"]`, `key = value`, comments on lines of their own that begin with `;` or `#`.
//! Values are taken as they stand, never cut at a `;`: keys, passwords and paths may hold one.
//! UTF-8 with or without a byte order mark, lines ending in LF or CR LF. A bad line is reported and
//! skipped; entries below a bad section head are skipped with it, since they would only confuse.

use super::problem::{Complaint, Problems, quoted};

/// Largest file: a thousand friends with long headers fit several times over.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Longest line: the longest legal thing is a header value, and servers refuse those above 8 KiB.
pub const MAX_LINE_BYTES: usize = 16 << 10;

/// Most sections: checks between sections compare them with each other.
pub const MAX_SECTIONS: usize = 1_000;

/// Longest section title in characters: it is shown in the arr's lists and sent as a user name.
pub const MAX_TITLE_CHARS: usize = 100;

/// What to do about a comment that does not stand alone.
pub(super) const COMMENT_HINT: &str = "comments stand on a line of their own";

/// One section as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawSection {
    pub name: String,
    pub title: Option<String>,
    pub line: usize,
    pub entries: Vec<RawEntry>,
}

/// One `key = value` as written, blanks around both removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawEntry {
    pub key: String,
    pub value: String,
    pub line: usize,
}

impl RawSection {
    /// The head as written: `[name]` or `[name "Title"]`.
    pub fn head(&self) -> String {
        match &self.title {
            Some(title) => format!("[{} \"{title}\"]", self.name),
            None => format!("[{}]", self.name),
        }
    }

    /// Line of the first entry with this key, else of the section head.
    pub fn line_of(&self, key: &str) -> usize {
        self.entry(key).map_or(self.line, |entry| entry.line)
    }

    /// The first entry with this key.
    pub fn entry(&self, key: &str) -> Option<&RawEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// Where entries go.
enum Place {
    Top,
    Section,
    Refused,
}

/// Reads a whole file.
pub(super) fn read(bytes: &[u8], problems: &mut Problems) -> Vec<RawSection> {
    let mut sections: Vec<RawSection> = Vec::new();
    if bytes.len() > MAX_FILE_BYTES {
        problems.add(
            0,
            "",
            Complaint::new(
                format!("is larger than {MAX_FILE_BYTES} bytes"),
                "this is hardly a configuration file",
            ),
        );
        return sections;
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        problems.add(
            0,
            "",
            Complaint::new("is encoded as UTF-16", "save it as UTF-8"),
        );
        return sections;
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut place = Place::Top;
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let text = match line_text(line) {
            Ok("") => continue,
            Ok(text) => text,
            Err(complaint) => {
                problems.add(number, "", complaint);
                continue;
            }
        };
        if text.starts_with('[') {
            match section_head(text) {
                Ok(_) if sections.len() == MAX_SECTIONS => {
                    problems.add(
                        number,
                        "",
                        Complaint::new(
                            format!("there are more than {MAX_SECTIONS} sections"),
                            "the rest is not read",
                        ),
                    );
                    return sections;
                }
                Ok((name, title)) => {
                    sections.push(RawSection {
                        name,
                        title,
                        line: number,
                        entries: Vec::new(),
                    });
                    place = Place::Section;
                }
                Err(complaint) => {
                    problems.add(number, "", complaint);
                    place = Place::Refused;
                }
            }
            continue;
        }
        let entry = match entry(text, number) {
            Ok(entry) => entry,
            Err(complaint) => {
                problems.add(number, "", complaint);
                continue;
            }
        };
        match (&place, sections.last_mut()) {
            (Place::Section, Some(section)) => section.entries.push(entry),
            (Place::Refused, _) => {}
            _ => problems.add(
                number,
                shown_key(&entry.key),
                Complaint::new("stands before any section", "begin with [jackdaw]"),
            ),
        }
    }
    sections
}

/// A key from the file as messages name it: without backquotes, but shortened.
pub(super) fn shown_key(key: &str) -> String {
    quoted(key).trim_matches('`').to_owned()
}

/// The text of a line, `""` for blank lines and comments.
fn line_text(line: &[u8]) -> Result<&str, Complaint> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_LINE_BYTES {
        return Err(Complaint::new(
            format!("the line is longer than {MAX_LINE_BYTES} bytes"),
            "put long secrets into a file and write file:/absolute/path",
        ));
    }
    let text = std::str::from_utf8(line)
        .map_err(|_| Complaint::new("the line is not valid UTF-8", "save the file as UTF-8"))?;
    let text = text.trim();
    if text.is_empty() || text.starts_with([';', '#']) {
        return Ok("");
    }
    if let Some(control) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(Complaint::new(
            format!(
                "the line holds the control character {}",
                control.escape_unicode()
            ),
            "remove it",
        ));
    }
    Ok(text)
}

/// Name and title of a line that begins with `[`.
fn section_head(text: &str) -> Result<(String, Option<String>), Complaint> {
    const FORM: &str = "write [name] or [name \"Title\"]";
    let inner = text.strip_prefix('[').unwrap_or(text);
    let name_end = inner
        .find(|c: char| c == ']' || c == '"' || c.is_whitespace())
        .ok_or_else(|| Complaint::new("the section head has no closing bracket", FORM))?;
    let (name, rest) = inner.split_at(name_end);
    if name.is_empty() {
        return Err(Complaint::new("the section has no name", FORM));
    }
    let rest = rest.trim_start();
    let (title, after) = if let Some(quoted_part) = rest.strip_prefix('"') {
        let (title, after) = quoted_part
            .split_once('"')
            .ok_or_else(|| Complaint::new("the section title has no closing quote", FORM))?;
        check_title(title)?;
        (Some(title.to_owned()), after.trim_start())
    } else {
        (None, rest)
    };
    let Some(after) = after.strip_prefix(']') else {
        let hint = if title.is_none() {
            let words = rest.split(']').next().unwrap_or(rest).trim();
            format!("put the title in quotes: [{name} \"{words}\"]")
        } else {
            FORM.to_owned()
        };
        return Err(Complaint::new("the section head is malformed", hint));
    };
    let after = after.trim();
    if !after.is_empty() {
        let hint = if after.starts_with([';', '#']) {
            COMMENT_HINT
        } else {
            "put it on the next line"
        };
        return Err(Complaint::new("there is text after the section head", hint));
    }
    Ok((name.to_owned(), title))
}

fn check_title(title: &str) -> Result<(), Complaint> {
    if title.trim().is_empty() {
        return Err(Complaint::new("the section title is empty", "name it"));
    }
    if title.trim() != title {
        return Err(Complaint::new(
            "the section title begins or ends with a blank",
            "remove it",
        ));
    }
    if title.chars().count() > MAX_TITLE_CHARS {
        return Err(Complaint::new(
            format!("the section title is longer than {MAX_TITLE_CHARS} characters"),
            "shorten it",
        ));
    }
    Ok(())
}

/// A `key = value` line. The line itself is never quoted in a complaint: it may hold a secret.
fn entry(text: &str, line: usize) -> Result<RawEntry, Complaint> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Complaint::new(
            "the line is neither a section, nor a comment, nor key = value",
            "comments begin with ; or #",
        ));
    };
    let key = key.trim_end();
    if key.is_empty() {
        return Err(Complaint::new(
            "there is no key before the =",
            "write key = value",
        ));
    }
    Ok(RawEntry {
        key: key.to_owned(),
        value: value.trim_start().to_owned(),
        line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read_all(bytes: &[u8]) -> (Vec<RawSection>, String) {
        let mut problems = Problems::default();
        let sections = read(bytes, &mut problems);
        let report = match problems.finish(Path::new("f")) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        (sections, report)
    }

    /// Sections as text, one per line, entries as `line:key=value`.
    fn outline(sections: &[RawSection]) -> String {
        let mut out = String::new();
        for section in sections {
            out.push_str(&format!("{}:{}", section.line, section.head()));
            for entry in &section.entries {
                out.push_str(&format!(" {}:{}={}", entry.line, entry.key, entry.value));
            }
            out.push('\n');
        }
        out
    }

    #[test]
    fn sound_files_are_read_with_line_numbers() {
        let check = |bytes: &[u8], expected: &str| {
            let (sections, report) = read_all(bytes);
            assert_eq!(report, "");
            assert_eq!(outline(&sections), expected);
        };
        check(b"", "");
        check(b"\n; c\n# c\n   \n", "");
        check(b"[a]\nk = v\n", "1:[a] 2:k=v\n");
        check(b"\xef\xbb\xbf[a]\r\nk = v\r\n", "1:[a] 2:k=v\n");
        check(b"  [a]  \n\tk\t=\tv  \n", "1:[a] 2:k=v\n");
        check(b"[a]\nk=v", "1:[a] 2:k=v\n");
        check(b"[s \"T\"]\n", "1:[s \"T\"]\n");
        check("[s   \"Füße ] ; x\" ]".as_bytes(), "1:[s \"Füße ] ; x\"]\n");
        // Values are not cut, whatever they hold.
        check(
            b"[a]\nk = a ; b # c = [d]\nl =\nm==\n",
            "1:[a] 2:k=a ; b # c = [d] 3:l= 4:m==\n",
        );
        // Comments may hold anything that is UTF-8 text.
        check(b"[a]\n; \x01 bell\nk=v", "1:[a] 3:k=v\n");
    }

    #[test]
    fn bad_lines_are_reported_and_skipped() {
        let check = |bytes: &[u8], expected_outline: &str, expected_report: &str| {
            let (sections, report) = read_all(bytes);
            assert_eq!(report, expected_report);
            assert_eq!(outline(&sections), expected_outline);
        };
        check(
            b"k = v\n[a]\n",
            "2:[a]\n",
            "f:1: k: stands before any section, begin with [jackdaw]",
        );
        check(
            b"[a]\nnonsense\n= v\nk = v\n",
            "1:[a] 4:k=v\n",
            "f:2: the line is neither a section, nor a comment, nor key = value, \
             comments begin with ; or #\n\
             f:3: there is no key before the =, write key = value",
        );
        check(
            b"[a]\nk = \xff\nl = a\x00b\n",
            "1:[a]\n",
            "f:2: the line is not valid UTF-8, save the file as UTF-8\n\
             f:3: the line holds the control character \\u{0}, remove it",
        );
        check(
            b"[a\nk = v\n[b]\n",
            "3:[b]\n",
            "f:1: the section head has no closing bracket, write [name] or [name \"Title\"]",
        );
        check(
            b"[]\n[server Main Radarr]\n[s \"x]\n[s \"x\"\n[s \"\"]\n[s \" x\"]\n",
            "",
            "f:1: the section has no name, write [name] or [name \"Title\"]\n\
             f:2: the section head is malformed, put the title in quotes: [server \"Main Radarr\"]\n\
             f:3: the section title has no closing quote, write [name] or [name \"Title\"]\n\
             f:4: the section head is malformed, write [name] or [name \"Title\"]\n\
             f:5: the section title is empty, name it\n\
             f:6: the section title begins or ends with a blank, remove it",
        );
        check(
            b"[a] ; comment\n[b] k = v\n",
            "",
            "f:1: there is text after the section head, comments stand on a line of their own\n\
             f:2: there is text after the section head, put it on the next line",
        );
        check(
            b"\xff\xfe[\0a\0]\0",
            "",
            "f: is encoded as UTF-16, save it as UTF-8",
        );
    }

    #[test]
    fn a_line_that_is_no_entry_is_never_quoted() {
        let (_, report) = read_all(b"[peer \"a\"]\napi_key: hunter2hunter2\n");
        assert!(report.contains("f:2:") && !report.contains("hunter2"));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let line = |length: usize| {
            let mut text = b"[a]\nk=".to_vec();
            text.extend(std::iter::repeat_n(b'v', length - 2));
            text
        };
        assert_eq!(read_all(&line(MAX_LINE_BYTES)).1, "");
        assert!(
            read_all(&line(MAX_LINE_BYTES + 1))
                .1
                .starts_with("f:2: the line is longer than 16384 bytes")
        );
        assert_eq!(read_all(&vec![b'\n'; MAX_FILE_BYTES]).1, "");
        assert!(
            read_all(&vec![b'\n'; MAX_FILE_BYTES + 1])
                .1
                .starts_with("f: is larger than 1048576 bytes")
        );
        let (sections, report) = read_all("[a]\n".repeat(MAX_SECTIONS).as_bytes());
        assert_eq!((sections.len(), report.as_str()), (MAX_SECTIONS, ""));
        let (_, report) = read_all("[a]\n".repeat(MAX_SECTIONS + 1).as_bytes());
        assert!(report.starts_with("f:1001: there are more than 1000 sections"));
        let title = |length| format!("[a \"{}\"]", "ä".repeat(length));
        assert_eq!(read_all(title(MAX_TITLE_CHARS).as_bytes()).1, "");
        assert_ne!(read_all(title(MAX_TITLE_CHARS + 1).as_bytes()).1, "");
    }
}
