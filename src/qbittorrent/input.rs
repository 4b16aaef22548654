//! Parameters of a call, read as the real server reads them.
//!
//! GET takes the query, POST takes the body and nothing else. An empty body is fine whatever its
//! Content-Type; a non-empty one that is not a form (JSON, say) is refused with a bare 400. Booleans are
//! `true` or `false` in any case (Sonarr sends `True`), everything else is "not given"; an unreadable
//! number is "not given" too.

use crate::downloads::Selection;
use crate::http::{Form, Method, Params, Request, Upload};
use crate::torrent::stub::Infohash;

/// What a call brought along.
#[derive(Debug, Default)]
pub struct Input {
    params: Params,
    /// Uploaded files, whatever their field name.
    pub files: Vec<Upload>,
}

impl Input {
    /// Reads a request; `None`: the body is not a form.
    pub fn read(request: &Request) -> Option<Input> {
        if request.method != Method::Post {
            return Some(Input {
                params: request.query.clone(),
                files: Vec::new(),
            });
        }
        let content_type = request.header("content-type").unwrap_or_default();
        match Form::parse(content_type, &request.body) {
            Ok(form) => Some(Input {
                params: form.fields,
                files: form.files,
            }),
            Err(error) => {
                log::debug!("a request of the qBittorrent face is refused: {error}");
                None
            }
        }
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    /// A parameter's value, `""` when it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// A boolean, if one is given.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        boolean(self.get(name)?)
    }

    /// An integer, if one is given.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.trim().parse().ok()
    }

    /// A finite number, if one is given.
    pub fn number(&self, name: &str) -> Option<f64> {
        let number: f64 = self.get(name)?.trim().parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// Bytes per second: unreadable, negative and zero mean none.
    pub fn rate(&self, name: &str) -> u64 {
        u64::try_from(self.integer(name).unwrap_or(0)).unwrap_or(0)
    }

    /// `hash`: one torrent.
    pub fn hash(&self) -> Option<Infohash> {
        Infohash::parse(self.text("hash"))
    }

    /// `hashes` of a command: joined with `|`, or `all`.
    pub fn selection(&self) -> Selection {
        selection(self.text("hashes"))
    }

    /// `tags`: separated by commas, trimmed, without empty ones and repetitions.
    pub fn tags(&self) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for tag in self.text("tags").split(',') {
            let tag = tag.trim();
            if is_label(tag) && !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_string());
            }
        }
        tags
    }
}

/// Longest category or tag, in bytes: they are stored with every grab.
pub const MAX_LABEL: usize = 255;

/// Whether a text can be a tag: not empty, of bounded length, without control characters.
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_LABEL && !text.chars().any(char::is_control)
}

/// Whether a text can name a category: as the real server has it, no backslash, and no slash at
/// the ends or doubled; besides, bounded and without control characters.
pub fn is_category(name: &str) -> bool {
    is_label(name)
        && !name.contains('\\')
        && !name.starts_with('/')
        && !name.ends_with('/')
        && !name.contains("//")
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn selection(text: &str) -> Selection {
    match text {
        "all" => Selection::All,
        list => Selection::Hashes(list.split('|').filter_map(Infohash::parse).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(params: &[(&str, &str)]) -> Input {
        let params = params
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        Input {
            params: Params(params),
            files: Vec::new(),
        }
    }

    #[test]
    fn booleans_are_words() {
        for (text, expected) in [
            ("true", Some(true)),
            ("True", Some(true)),
            ("FALSE", Some(false)),
            ("1", None),
            ("", None),
            ("yes", None),
        ] {
            assert_eq!(input(&[("x", text)]).boolean("x"), expected, "{text}");
        }
        assert_eq!(input(&[]).boolean("x"), None);
    }

    #[test]
    fn unreadable_numbers_are_not_given() {
        for (text, integer, rate) in [
            ("5", Some(5), 5),
            ("-5", Some(-5), 0),
            ("x", None, 0),
            ("", None, 0),
            ("1.5", None, 0),
            ("99999999999999999999", None, 0),
        ] {
            let input = input(&[("x", text)]);
            assert_eq!((input.integer("x"), input.rate("x")), (integer, rate));
        }
        for (text, expected) in [
            ("1.5", Some(1.5)),
            ("NaN", None),
            ("inf", None),
            ("-2", Some(-2.0)),
        ] {
            assert_eq!(input(&[("x", text)]).number("x"), expected);
        }
    }

    #[test]
    fn hashes_are_a_list_or_all() {
        assert_eq!(selection("all"), Selection::All);
        assert_eq!(selection("ALL"), Selection::Hashes(vec![]));
        assert_eq!(selection(""), Selection::Hashes(vec![]));
        let text = format!("{}|nope|{}", "aB".repeat(20), "01".repeat(20));
        let expected = vec![Infohash([0xab; 20]), Infohash([1; 20])];
        assert_eq!(selection(&text), Selection::Hashes(expected));
    }

    #[test]
    fn tags_are_trimmed_and_unique() {
        assert_eq!(
            input(&[("tags", " a ,b,,a, \u{1}x,é d")]).tags(),
            ["a", "b", "é d"]
        );
        let long = "x".repeat(MAX_LABEL + 1);
        assert!(input(&[("tags", long.as_str())]).tags().is_empty());
    }

    #[test]
    fn category_names_follow_the_real_server() {
        for (name, valid) in [
            ("tv-sonarr", true),
            ("a b.c \"d\" é", true),
            ("a/b", true),
            ("", false),
            ("a\\b", false),
            ("/a", false),
            ("a/", false),
            ("a//b", false),
            ("a\nb", false),
        ] {
            assert_eq!(is_category(name), valid, "{name}");
        }
        assert!(is_category(&"x".repeat(MAX_LABEL)));
        assert!(!is_category(&"x".repeat(MAX_LABEL + 1)));
    }
}
