//! What a file or folder name says: numbering, air date, year, and the ids in
//! `{imdb-tt0133093}`, `[tmdbid-603]`, `{tvdb-81189}`. Its quality words: [`super::quality`].
//!
//! Pure and total: text in, facts out; a name that says nothing gives nothing. No regular
//! expressions: the shapes are few and fixed. Case does not matter, separators are any
//! non-alphanumeric characters. The aim is not to name every release right but to keep what Radarr and Sonarr
//! will parse (they need a year after a movie's title, a numbering or a date after a series'), so
//! scene-like names are left as they are.

use crate::release::imdb_number;

/// Most episodes that one file is taken to hold: `S01E01-E99` is a mistake, not a file.
const MAX_EPISODES: u32 = 30;

/// Season, episodes and where they stand in a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// Season; 0 is specials.
    pub season: u32,
    /// Episodes in order, at least one.
    pub episodes: Vec<u32>,
    /// Byte index of the first character of the numbering.
    pub start: usize,
    /// Byte index after its last character.
    pub end: usize,
}

/// Ids found in tags. IMDb as `tt…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// With the `tt` prefix and seven digits at least.
    pub imdb: Option<String>,
    /// TMDb.
    pub tmdb: Option<u64>,
    /// TheTVDB.
    pub tvdb: Option<u64>,
}

impl Tags {
    /// Fills what is missing from `other`.
    pub fn or(self, other: &Tags) -> Tags {
        Tags {
            imdb: self.imdb.or_else(|| other.imdb.clone()),
            tmdb: self.tmdb.or(other.tmdb),
            tvdb: self.tvdb.or(other.tvdb),
        }
    }
}

/// A run of ASCII letters and digits, or of other letters, in a name.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// The run itself.
    pub text: &'a str,
    /// Byte index of its first character.
    pub start: usize,
}

/// The words of a name.
pub fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|token| !token.is_empty())
        .map(move |token| Token {
            text: token,
            // `split` gives slices of `text`, so the difference of addresses is the index.
            start: token.as_ptr() as usize - text.as_ptr() as usize,
        })
}

/// Reads up to `most` digits at `at`; `None` if there is none or more follow.
fn digits(bytes: &[u8], at: usize, most: usize) -> Option<(u32, usize)> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > most {
        return None;
    }
    // At most nine digits are ever asked for, which fit.
    let number = rest[..length]
        .iter()
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Some((number, at + length))
}

fn is_letter(bytes: &[u8], at: usize, letter: u8) -> bool {
    bytes
        .get(at)
        .is_some_and(|b| b.eq_ignore_ascii_case(&letter))
}

fn is_word_byte(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
}

fn skip_separators(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'.' | b'_' | b'-'))
        .count()
}

/// `S01E02`, `S01E02E03`, `S01E02-E04`, `S01E02-04`, `1x02`, `1x02-1x03`, `Season 1 Episode 2`.
pub fn numbering(text: &str) -> Option<Numbering> {
    let bytes = text.as_bytes();
    (0..bytes.len())
        .filter(|at| *at == 0 || !is_word_byte(bytes, at - 1))
        .find_map(|at| {
            season_episode(bytes, at)
                .or_else(|| cross(bytes, at))
                .or_else(|| in_words(bytes, at))
        })
}

fn season_episode(bytes: &[u8], start: usize) -> Option<Numbering> {
    if !is_letter(bytes, start, b's') {
        return None;
    }
    // Four digits: seasons named by their year.
    let (season, at) = digits(bytes, start + 1, 4)?;
    let at = skip_separators(bytes, at);
    if !is_letter(bytes, at, b'e') {
        return None;
    }
    let skip = if is_letter(bytes, at + 1, b'p') { 2 } else { 1 };
    let (first, end) = digits(bytes, at + skip, 4)?;
    let mut found = Numbering {
        season,
        episodes: vec![first],
        start,
        end,
    };
    // A lone letter may follow (`S01E02a`), but a longer word makes it something else.
    if is_word_byte(bytes, end) && is_word_byte(bytes, end + 1) && !is_letter(bytes, end, b'e') {
        return None;
    }
    loop {
        let at = found.end;
        let next = skip_separators(bytes, at);
        let is_range = bytes[at..next].contains(&b'-');
        // `E03` after any separator, with the season repeated or not.
        let own = if is_letter(bytes, next, b's') {
            digits(bytes, next + 1, 4)
                .filter(|(again, _)| *again == season)
                .map_or(next, |(_, after)| after)
        } else {
            next
        };
        let number = if is_letter(bytes, own, b'e') {
            digits(bytes, own + 1, 4)
        } else if &bytes[at..next] == b"-" {
            // `-04`, but not `-720p` and not the year of a date.
            digits(bytes, next, 3)
        } else {
            None
        };
        match number {
            Some((last, after)) if !is_word_byte(bytes, after) || is_letter(bytes, after, b'e') => {
                if !found.extend(last, is_range) {
                    return Some(found);
                }
                found.end = after;
            }
            _ => return Some(found),
        }
    }
}

fn cross(bytes: &[u8], start: usize) -> Option<Numbering> {
    let (season, at) = digits(bytes, start, 2)?;
    if !is_letter(bytes, at, b'x') {
        return None;
    }
    let (first, end) = digits(bytes, at + 1, 3)?;
    // `2x4` is arithmetic, `10x264` a codec.
    if end - at < 3 || (is_word_byte(bytes, end) && !is_letter(bytes, end, b'x')) {
        return None;
    }
    let mut found = Numbering {
        season,
        episodes: vec![first],
        start,
        end,
    };
    loop {
        let at = found.end;
        let is_range = bytes.get(at) == Some(&b'-');
        let next = if is_range || is_letter(bytes, at, b'x') {
            at + 1
        } else {
            return Some(found);
        };
        let again = digits(bytes, next, 2)
            .filter(|(again, after)| *again == season && is_letter(bytes, *after, b'x'))
            .map_or(next, |(_, after)| after + 1);
        match digits(bytes, again, 3) {
            Some((last, after)) if after - again >= 2 && !is_word_byte(bytes, after) => {
                if !found.extend(last, is_range) {
                    return Some(found);
                }
                found.end = after;
            }
            _ => return Some(found),
        }
    }
}

fn in_words(bytes: &[u8], start: usize) -> Option<Numbering> {
    let word = |at: usize, word: &[u8]| {
        let end = at + word.len();
        bytes
            .get(at..end)
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
            .then(|| skip_separators(bytes, end))
    };
    let (season, at) = digits(bytes, word(start, b"season")?, 4)?;
    let (episode, end) = digits(bytes, word(skip_separators(bytes, at), b"episode")?, 4)?;
    Some(Numbering {
        season,
        episodes: vec![episode],
        start,
        end,
    })
}

impl Numbering {
    /// Adds episode `last`, or all up to it. False, changing nothing, if that makes no sense.
    fn extend(&mut self, last: u32, is_range: bool) -> bool {
        let Some(previous) = self.episodes.last().copied() else {
            return false;
        };
        if last <= previous || last - self.episodes[0] >= MAX_EPISODES {
            return false;
        }
        let first = if is_range { previous + 1 } else { last };
        self.episodes.extend(first..=last);
        true
    }
}

/// The season that a folder is: `Season 1`, `Staffel 02`, `S03`, `Specials`.
pub fn season_folder(name: &str) -> Option<u32> {
    let name = name.trim();
    if name.eq_ignore_ascii_case("specials") {
        return Some(0);
    }
    let lower = name.to_ascii_lowercase();
    ["season", "staffel", "saison", "series", "s"]
        .iter()
        .find_map(|word| {
            let rest = lower.strip_prefix(word)?;
            let rest = rest.trim_start_matches([' ', '.', '_', '-']);
            let (season, end) = digits(rest.as_bytes(), 0, 4)?;
            (end == rest.len()).then_some(season)
        })
}

/// The episode number of a bare name inside a season folder: `02`, `E02`, `Ep 2`,
/// `Episode 2 - Title`, `02 - Title`.
pub fn bare_episode(stem: &str) -> Option<u32> {
    let lower = stem.to_ascii_lowercase();
    let rest = ["episode", "ep", "e", ""]
        .iter()
        .find_map(|word| lower.strip_prefix(word).filter(|rest| !rest.is_empty()))?;
    let rest = rest.trim_start_matches([' ', '.', '_', '-']);
    let (episode, end) = digits(rest.as_bytes(), 0, 3)?;
    (!is_word_byte(rest.as_bytes(), end)).then_some(episode)
}

/// A date `2024.05.01` or `2024-05-01` and the byte index where it starts.
pub fn air_date(text: &str) -> Option<(String, usize)> {
    let bytes = text.as_bytes();
    (0..bytes.len())
        .filter(|at| *at == 0 || !is_word_byte(bytes, at - 1))
        .find_map(|start| {
            let (year, at) = digits(bytes, start, 4)?;
            let is_separator = |at: usize| matches!(bytes.get(at), Some(b'.' | b'-' | b'_' | b' '));
            if !(1900..2100).contains(&year) || !is_separator(at) {
                return None;
            }
            let (month, middle) = digits(bytes, at + 1, 2)?;
            if middle != at + 3 || bytes.get(middle) != bytes.get(at) {
                return None;
            }
            let (day, end) = digits(bytes, middle + 1, 2)?;
            let is_date = end == middle + 3
                && (1..=12).contains(&month)
                && (1..=31).contains(&day)
                && !is_word_byte(bytes, end);
            is_date.then(|| (format!("{year:04}-{month:02}-{day:02}"), start))
        })
}

/// The last number from 1900 to 2099 that follows other text, and the byte index of it.
pub fn year(text: &str) -> Option<(u32, usize)> {
    tokens(text)
        .filter(|token| token.start > 0 && token.text.len() == 4)
        // A bracket alone is no title.
        .filter(|token| text[..token.start].chars().any(char::is_alphanumeric))
        .filter_map(|token| Some((token.text.parse().ok()?, token.start)))
        .filter(|(year, _)| (1900..2100).contains(year))
        .last()
}

/// Ids in braces or brackets: `{imdb-tt0133093}`, `[imdbid-tt0133093]`, `{tmdb-603}`,
/// `[tvdbid=81189]`. The first of each kind counts.
pub fn tags(text: &str) -> Tags {
    let mut tags = Tags::default();
    for part in text.split(['{', '[']).skip(1) {
        let Some(end) = part.find(['}', ']']) else {
            continue;
        };
        let inner = part[..end].trim();
        let Some(at) = inner.find(['-', '=', ':']) else {
            continue;
        };
        let key = inner[..at].trim().to_ascii_lowercase();
        let value = inner[at + 1..].trim();
        match key.strip_suffix("id").unwrap_or(&key) {
            "imdb" => tags.imdb = tags.imdb.or_else(|| imdb(value)),
            "tmdb" => tags.tmdb = tags.tmdb.or_else(|| number(value)),
            "tvdb" => tags.tvdb = tags.tvdb.or_else(|| number(value)),
            _ => {}
        }
    }
    tags
}

/// An IMDb id in the form the arrs store: `tt` and seven digits at least.
pub fn imdb(text: &str) -> Option<String> {
    imdb_number(text)
        .filter(|number| *number > 0)
        .map(|number| format!("tt{number:07}"))
}

/// A positive whole number.
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number| *number > 0)
}

/// The name without id tags, outer separators and doubled spaces.
pub fn without_tags(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '[']) {
        let (before, tagged) = rest.split_at(at);
        out.push_str(before);
        let end = tagged.find(['}', ']']).map_or(tagged.len(), |end| end + 1);
        let (tag, after) = tagged.split_at(end);
        if tags(tag) == Tags::default() {
            out.push_str(tag);
        }
        rest = after;
    }
    out.push_str(rest);
    let words: Vec<&str> = out.split_whitespace().collect();
    words
        .join(" ")
        .trim_matches([' ', '.', '_', '-'])
        .to_owned()
}

/// A title in words: separators of scene names become spaces.
pub fn words(text: &str) -> String {
    let text = without_tags(text);
    let spaced = if text.contains(' ') {
        text
    } else {
        text.replace(['.', '_'], " ")
    };
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words
        .join(" ")
        .trim_matches([' ', '.', '_', '-', '(', '['])
        .to_owned()
}

/// True if the name has `sample` as a word.
pub fn says_sample(stem: &str) -> bool {
    tokens(stem).any(|token| token.text.eq_ignore_ascii_case("sample"))
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
