//! One raw section through the table of keys: values into a draft, everything wrong into the report.
//!
//! What every key has in common is done here: unknown and repeated keys, missing required ones,
//! defaults, empty values, and the hints for the two mistakes that people bring from other formats
//! (a comment behind a value, quotes around it).

use std::collections::HashMap;

use super::keys::{Field, IfAbsent, Key, Section};
use super::problem::{Complaint, Problems};
use super::reader::{COMMENT_HINT, RawEntry, RawSection, shown_key};
use super::secrets::{self, Outside};
use super::{headers, nearest, schedule, units, values};

/// What a header line begins with.
const HEADER_PREFIX: &str = "header.";

/// What to do about a value in quotes.
const QUOTES_HINT: &str = "values are written without quotes";

/// Applies a section to its draft. `raw` is `None` if the file does not have it: all defaults.
pub(super) fn fill<T>(
    section: &Section<T>,
    raw: Option<&RawSection>,
    mut draft: T,
    outside: &Outside<'_>,
    problems: &mut Problems,
) -> T {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for entry in raw.iter().flat_map(|raw| &raw.entries) {
        if let Some(name) = entry.key.strip_prefix(HEADER_PREFIX)
            && let Some(headers) = &section.headers
        {
            if let Err(complaint) = header((headers.slot)(&mut draft), name, entry, outside) {
                refuse(entry, complaint, problems);
            } else {
                warn_of_habits(entry, problems);
            }
            continue;
        }
        let Some(key) = section.keys.iter().find(|key| key.name == entry.key) else {
            let complaint = if problems.is_full() {
                Complaint::new("unknown key", "")
            } else {
                unknown_key(section, &entry.key)
            };
            problems.add(entry.line, shown_key(&entry.key), complaint);
            continue;
        };
        if let Some(first) = seen.get(key.name)
            && !matches!(key.field, Field::Repeated(_))
        {
            problems.add(
                entry.line,
                key.name,
                Complaint::new(
                    format!("is given twice (first in line {first})"),
                    "remove one of the two lines",
                ),
            );
            continue;
        }
        seen.insert(key.name, entry.line);
        match set(key, &mut draft, &entry.value, outside) {
            Ok(()) => warn_of_habits(entry, problems),
            Err(complaint) => refuse(entry, complaint, problems),
        }
    }
    for key in section
        .keys
        .iter()
        .filter(|key| !seen.contains_key(key.name))
    {
        match key.if_absent {
            IfAbsent::Unset(_) => {}
            IfAbsent::Value(text) => {
                // Defaults are sound (a test sets them all); a complaint here would be a bug of
                // ours, and is reported like any other.
                if let Err(complaint) = set(key, &mut draft, text, outside) {
                    problems.add(0, key.name, complaint);
                }
            }
            IfAbsent::Required => {
                if let Some(raw) = raw {
                    problems.add(
                        raw.line,
                        key.name,
                        Complaint::new(
                            format!("is missing in {}", raw.head()),
                            format!("add for instance {} = {}", key.name, key.sample),
                        ),
                    );
                }
            }
        }
    }
    draft
}

/// Parses a value by the kind of its key and puts it where it belongs.
fn set<T>(key: &Key<T>, draft: &mut T, text: &str, outside: &Outside<'_>) -> Result<(), Complaint> {
    if text.is_empty() {
        return Err(no_value());
    }
    match &key.field {
        Field::Path(slot) => *slot(draft) = values::own_path(text)?,
        Field::Url(put) => put(draft, values::base_url(text)?),
        Field::Secret(put, rule) => {
            let secret = secrets::resolve(text, outside)?;
            rule(secret.expose())?;
            put(draft, secret);
        }
        Field::Duration(slot, least) => *slot(draft) = units::duration(text, *least)?,
        Field::Size(slot) => *slot(draft) = units::size(text)?,
        Field::Rate(slot) => *slot(draft) = schedule::schedule(text)?,
        Field::Bool(slot) => *slot(draft) = units::boolean(text)?,
        Field::Number(slot, least, most) => *slot(draft) = units::number(text, *least, *most)?,
        Field::Count(slot, least, most) => {
            // The largest `most` in the table is far below what any `usize` holds.
            *slot(draft) = units::number(text, *least, *most)? as usize;
        }
        Field::Own(put) | Field::Repeated(put) => put(draft, text)?,
    }
    Ok(())
}

fn no_value() -> Complaint {
    Complaint::new("has no value", "write one, or remove the line")
}

/// One `header.NAME` line.
fn header(
    all: &mut Vec<(String, crate::secret::Secret)>,
    name: &str,
    entry: &RawEntry,
    outside: &Outside<'_>,
) -> Result<(), Complaint> {
    headers::check_name(name)?;
    if all
        .iter()
        .any(|(known, _)| known.eq_ignore_ascii_case(name))
    {
        return Err(Complaint::new(
            "this header is given twice",
            "remove one of the two lines (letter case does not count)",
        ));
    }
    if all.len() == headers::MAX_HEADERS {
        return Err(Complaint::new(
            format!("there are more than {} extra headers", headers::MAX_HEADERS),
            "remove some",
        ));
    }
    if entry.value.is_empty() {
        return Err(no_value());
    }
    let value = secrets::resolve(&entry.value, outside)?;
    headers::check_value(value.expose())?;
    all.push((name.to_owned(), value));
    Ok(())
}

/// The problem of a value that was refused, with a better hint for two common mistakes.
fn refuse(entry: &RawEntry, mut complaint: Complaint, problems: &mut Problems) {
    if has_comment(&entry.value) {
        complaint.hint = COMMENT_HINT.to_owned();
    } else if is_quoted(&entry.value) {
        complaint.hint = QUOTES_HINT.to_owned();
    }
    problems.add(entry.line, shown_key(&entry.key), complaint);
}

/// Text, paths and keys may hold ` ;` or stand in quotes, but hardly on purpose.
fn warn_of_habits(entry: &RawEntry, problems: &mut Problems) {
    let (what, hint) = if has_comment(&entry.value) {
        (
            "what looks like a comment is taken as part of the value",
            COMMENT_HINT,
        )
    } else if is_quoted(&entry.value) {
        ("the quotes are taken as part of the value", QUOTES_HINT)
    } else {
        return;
    };
    problems.warn(
        entry.line,
        shown_key(&entry.key),
        Complaint::new(what, hint),
    );
}

fn is_quoted(value: &str) -> bool {
    ['"', '\'']
        .iter()
        .any(|&mark| value.len() > 1 && value.starts_with(mark) && value.ends_with(mark))
}

fn has_comment(value: &str) -> bool {
    [" ;", "\t;", " #", "\t#"]
        .iter()
        .any(|mark| value.contains(mark))
}

fn unknown_key<T>(section: &Section<T>, key: &str) -> Complaint {
    if key.starts_with(HEADER_PREFIX) {
        return Complaint::new(
            format!("[{}] takes no extra headers", section.name),
            "they belong into [server] and [peer] sections",
        );
    }
    let known = section.keys.iter().map(|key| key.name);
    let elsewhere = super::example::sections_with(key);
    let hint = match nearest::nearest(key, known.clone()) {
        Some((_, false)) | None if !elsewhere.is_empty() => {
            format!("it belongs into {}", elsewhere.join(" or "))
        }
        _ => nearest::hint(key, "key", known),
    };
    Complaint::new(format!("unknown key in [{}]", section.name), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Problems that a text gives, with the world's secrets absent.
    fn check(text: &str, expected: &str) {
        let outside = Outside {
            env: &|_| None,
            file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        };
        let report = match super::super::parse(Path::new("f"), text.as_bytes(), &outside) {
            Ok(config) => config.warnings.join("\n"),
            Err(error) => error.to_string(),
        };
        assert_eq!(report, expected, "{text}");
    }

    #[test]
    fn what_all_keys_have_in_common() {
        check("[jackdaw]\nname = x\n", "");
        check(
            "[jackdaw]\nname =\n",
            "f:2: name: has no value, write one, or remove the line",
        );
        check(
            "[jackdaw]\nname = x\nname = y\n",
            "f:3: name: is given twice (first in line 2), remove one of the two lines",
        );
        check(
            "[jackdaw]\nlisen = x\n",
            "f:2: lisen: unknown key in [jackdaw], did you mean listen?",
        );
        check(
            "[jackdaw]\ncompleted_path = /x\n",
            "f:2: completed_path: unknown key in [jackdaw], it belongs into [downloads]",
        );
        check(
            "[jackdaw]\nqqqqqqqqqqqqqqqqqqqqqqqqqq = /x\n",
            "f:2: qqqqqqqqqqqqqqqqqqqqqqqqqq: unknown key in [jackdaw], \
             the nearest known key is name",
        );
        check(
            "[downloads]\n",
            "f:1: completed_path: is missing in [downloads], \
             add for instance completed_path = /data/completed",
        );
    }

    #[test]
    fn comments_behind_values_and_quotes_get_their_own_hint() {
        check(
            "[jackdaw]\nhttp_workers = 4 ; threads\n",
            "f:2: http_workers: `4 ; threads` is not a whole number, \
             comments stand on a line of their own",
        );
        check(
            "[jackdaw]\ndata_dir = \"/x\"\n",
            "f:2: data_dir: `\"/x\"` is not an absolute path, values are written without quotes",
        );
        check(
            "[jackdaw]\ndata_dir = /x ; here\n",
            "f:2: data_dir: what looks like a comment is taken as part of the value, \
             comments stand on a line of their own",
        );
        check("[jackdaw]\nname = a;b#c\n", "");
        check(
            "[jackdaw]\nname = 'casa'\n",
            "f:2: name: the quotes are taken as part of the value, \
             values are written without quotes",
        );
        check("[jackdaw]\nname = O'Hara's\n", "");
    }

    #[test]
    fn extra_headers() {
        let peer =
            |lines: &str| format!("[peer \"a\"]\nurl = https://a.example\napi_key = k\n{lines}\n");
        check(&peer("header.X-One = 1\nheader.X-Two = env"), "");
        check(
            &peer("header.x-api-key = 1"),
            "f:4: header.x-api-key: the header x-api-key is reserved, jackdaw sets it itself",
        );
        check(
            &peer("header.X = 1\nheader.x = 2"),
            "f:5: header.x: this header is given twice, \
             remove one of the two lines (letter case does not count)",
        );
        check(
            &peer("header.X ="),
            "f:4: header.X: has no value, write one, or remove the line",
        );
        check(
            &peer("header.X = ü"),
            "f:4: header.X: the value holds characters that cannot stand in a header, \
             use printable ASCII",
        );
        check(
            &peer("header.X = env:NONE"),
            "f:4: header.X: the environment variable NONE is not set, \
             set it where jackdaw is started",
        );
        check(
            &peer("header. = 1"),
            "f:4: header.: `` is not the name of a header, write header.NAME = value, \
             for instance header.X-Forwarded-User = jackdaw",
        );
        check(
            "[jackdaw]\nheader.X = 1\n",
            "f:2: header.X: [jackdaw] takes no extra headers, \
             they belong into [server] and [peer] sections",
        );
        let lines = |count: usize| {
            let all: Vec<String> = (0..count).map(|n| format!("header.X{n} = 1")).collect();
            peer(&all.join("\n"))
        };
        check(&lines(headers::MAX_HEADERS), "");
        check(
            &lines(headers::MAX_HEADERS + 1),
            "f:36: header.X32: there are more than 32 extra headers, remove some",
        );
    }

    #[test]
    fn secrets_are_never_quoted() {
        for text in [
            "[jackdaw]\napi_key = hunter2/hunter2/hunter2\n",
            "[jackdaw]\napi_key = hunter2\n",
            "[jackdaw]\napi_kee = hunter2hunter2hunter2\n",
            "[jackdaw]\nexternal_url = http://u:hunter2@h\n",
            "[server \"r\"]\ntype = radarr\nurl = http://r?apikey=hunter2\napi_key = hunter2 ; x\n",
            "[peer \"a\"]\nurl = https://a\napi_key = hunter2 ; x\nheader.X = hunter2\u{e4}\n",
        ] {
            let outside = Outside {
                env: &|_| None,
                file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            };
            let error =
                super::super::parse(Path::new("f"), text.as_bytes(), &outside).expect_err(text);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
