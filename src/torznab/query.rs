//! What a Torznab request asks for: parameters in, a search or an error out.
//!
//! Names are compared without case, an empty value counts as absent, of repeated parameters the
//! first one with a value wins. A value that cannot be read is error 201 and names the parameter;
//! parameters that we do not know are ignored, but one whose name ends in `id` is an id that
//! nothing has. Numbers that no release can have (an id
//! beyond 63 bits, id 0) are fine and match nothing.
//!
//! A criterion that is understood is honoured with every function, but an id only with those
//! whose supportedParams announce it ([`Function::ids`]): elsewhere it matches nothing, so that
//! nobody who asks for one title gets the whole feed. Pure: no clock, no catalogue.

use std::time::{Duration, SystemTime};

use crate::catalogue::{EpisodeWish, Search};
use crate::http::Params;
use crate::release::hints::season_episode;
use crate::release::{Category, Ids};

use super::TorznabError;
use super::words::words;

/// Items a page at most, and when nothing is said: Sonarr and Radarr never use larger pages.
pub const PAGE_LIMIT: u32 = 100;

/// Numbers in `cat`. The arrs list at most a few dozen.
pub const MAX_CATEGORIES: usize = 256;

/// Largest number that goes to the database.
const MAX_NUMBER: u64 = i64::MAX as u64;

/// What `t` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `caps`
    Caps,
    /// `search`
    Search,
    /// `tvsearch`
    Tv,
    /// `movie`
    Movie,
}

/// newznab functions that exist elsewhere: error 203 instead of 202.
const NOT_HERE: &[&str] = &[
    "music",
    "audio",
    "book",
    "details",
    "getnfo",
    "get",
    "register",
    "user",
    "cartadd",
    "cartdel",
    "comments",
    "commentadd",
    "nzbadd",
];

/// Ids that our releases carry.
const KNOWN_IDS: &[&str] = &["tvdbid", "imdbid", "tmdbid"];

impl Function {
    /// The function that `t` names, without case.
    pub fn of(params: &Params) -> Result<Function, TorznabError> {
        let name = value(params, "t").ok_or_else(|| TorznabError::missing("t"))?;
        match name.to_ascii_lowercase().as_str() {
            "caps" => Ok(Function::Caps),
            "search" => Ok(Function::Search),
            "tvsearch" => Ok(Function::Tv),
            "movie" => Ok(Function::Movie),
            other if NOT_HERE.contains(&other) => Err(TorznabError::not_available()),
            _ => Err(TorznabError::no_such_function()),
        }
    }

    /// The ids in its supportedParams.
    pub fn ids(self) -> &'static [&'static str] {
        match self {
            Function::Caps | Function::Search => &[],
            Function::Tv => &["tvdbid", "imdbid", "tmdbid"],
            Function::Movie => &["imdbid", "tmdbid"],
        }
    }

    /// All of its supportedParams, as caps announce them: no spaces, for the arrs do not trim.
    pub fn supported_params(self) -> &'static str {
        match self {
            Function::Caps => "",
            Function::Search => "q",
            Function::Tv => "q,season,ep,tvdbid,imdbid,tmdbid",
            Function::Movie => "q,imdbid,tmdbid,year",
        }
    }
}

/// The search that the parameters of `function` describe. `peer_id` restricts it to one friend.
pub fn search(
    function: Function,
    params: &Params,
    peer_id: Option<&str>,
    now: SystemTime,
) -> Result<Search, TorznabError> {
    let mut search = Search {
        kind: match function {
            Function::Tv => Some(Category::Tv),
            Function::Movie => Some(Category::Movies),
            Function::Search | Function::Caps => None,
        },
        peer_id: peer_id.map(str::to_owned),
        offset: number(params, "offset")?.unwrap_or(0).min(MAX_NUMBER),
        limit: limit(params)?,
        categories: categories(params)?,
        season: season(params)?,
        year: number(params, "year")?.map(|year| u32::try_from(year).unwrap_or(u32::MAX)),
        newer_than: newer_than(params, now)?,
        min_size: number(params, "minsize")?.map(|size| size.min(MAX_NUMBER)),
        max_size: number(params, "maxsize")?.map(|size| size.min(MAX_NUMBER)),
        ..Search::default()
    };
    search.episode = episode(params, search.season)?;
    read_ids(function, params, &mut search)?;
    if let Some(q) = value(params, "q") {
        search.words = words(q);
        if search.words.is_empty() {
            // Somebody asks for "!!!": we have nothing of that name, and the whole feed is no answer.
            search.ids = Ids::default();
            search.unknown_id = true;
        }
        take_episode_word(&mut search);
    }
    Ok(search)
}

/// True for a search that no release can match: it need not be asked.
pub fn matches_nothing(search: &Search) -> bool {
    search.unknown_id && search.ids.is_empty()
}

/// The first value of this name that is not empty.
pub fn value<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params
        .0
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .find(|value| !value.is_empty())
}

/// Digits only; what is beyond 64 bits is as good as the largest number.
fn parse_number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn number(params: &Params, name: &str) -> Result<Option<u64>, TorznabError> {
    value(params, name)
        .map(|text| parse_number(text).ok_or_else(|| TorznabError::incorrect(name, "a number")))
        .transpose()
}

/// More than the maximum is the maximum; 0 is no wish, as in newznab.
fn limit(params: &Params) -> Result<u32, TorznabError> {
    Ok(match number(params, "limit")? {
        None | Some(0) => PAGE_LIMIT,
        Some(limit) => u32::try_from(limit).unwrap_or(u32::MAX).min(PAGE_LIMIT),
    })
}

fn categories(params: &Params) -> Result<Vec<u32>, TorznabError> {
    let Some(list) = value(params, "cat") else {
        return Ok(Vec::new());
    };
    let mut numbers = Vec::new();
    for part in list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let number = parse_number(part)
            .ok_or_else(|| TorznabError::incorrect("cat", "numbers, separated by commas"))?;
        // No category has the number that stands for all that are too large.
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        if !numbers.contains(&number) {
            numbers.push(number);
        }
        if numbers.len() > MAX_CATEGORIES {
            return Err(TorznabError::incorrect("cat", "a shorter list"));
        }
    }
    Ok(numbers)
}

fn season(params: &Params) -> Result<Option<u32>, TorznabError> {
    value(params, "season")
        .map(|text| {
            prefixed_number(text, ['s', 'S']).ok_or_else(|| {
                TorznabError::incorrect("season", "a number or a year, as 1, 01, S01 or 2016")
            })
        })
        .transpose()
}

fn episode(params: &Params, season: Option<u32>) -> Result<Option<EpisodeWish>, TorznabError> {
    let Some(text) = value(params, "ep") else {
        return Ok(None);
    };
    let wrong = || TorznabError::incorrect("ep", "a number, or month/day beside a year as season");
    let Some((month, day)) = text.split_once('/') else {
        let number = prefixed_number(text, ['e', 'E']).ok_or_else(wrong)?;
        return Ok(Some(EpisodeWish::Number(number)));
    };
    let part = |text, range: std::ops::RangeInclusive<u64>| {
        parse_number(text)
            .filter(|number| range.contains(number))
            .and_then(|number| u8::try_from(number).ok())
            .ok_or_else(wrong)
    };
    let (month, day) = (part(month, 1..=12)?, part(day, 1..=31)?);
    // A day of no year is no episode.
    if season.is_none_or(|year| year < 1000) {
        return Err(wrong());
    }
    Ok(Some(EpisodeWish::Day { month, day }))
}

/// `1`, `01`, `S01`.
fn prefixed_number(text: &str, prefix: [char; 2]) -> Option<u32> {
    let digits = text.strip_prefix(prefix).unwrap_or(text);
    u32::try_from(parse_number(digits)?).ok()
}

fn newer_than(params: &Params, now: SystemTime) -> Result<Option<SystemTime>, TorznabError> {
    const DAY: u64 = 24 * 60 * 60;
    // 0 days would match nothing; it is how some clients say that they do not mind. An age
    // before the beginning of time is no restriction either.
    Ok(number(params, "maxage")?
        .filter(|days| *days > 0)
        .and_then(|days| days.checked_mul(DAY))
        .and_then(|seconds| now.checked_sub(Duration::from_secs(seconds)))
        .filter(|limit| *limit > SystemTime::UNIX_EPOCH))
}

fn read_ids(function: Function, params: &Params, search: &mut Search) -> Result<(), TorznabError> {
    for name in KNOWN_IDS.iter().copied() {
        let Some(text) = value(params, name) else {
            continue;
        };
        let has_prefix = name == "imdbid"
            && text
                .get(..2)
                .is_some_and(|prefix| prefix.eq_ignore_ascii_case("tt"));
        let id = parse_number(if has_prefix { &text[2..] } else { text });
        let wanted = match name {
            "imdbid" => "a number, with or without tt",
            _ => "a number",
        };
        let id = id.ok_or_else(|| TorznabError::incorrect(name, wanted))?;
        if !function.ids().contains(&name) || id == 0 || id > MAX_NUMBER {
            search.unknown_id = true;
            continue;
        }
        match name {
            "tvdbid" => search.ids.tvdb = Some(id),
            "imdbid" => search.ids.imdb = Some(id),
            _ => search.ids.tmdb = Some(id),
        }
    }
    search.unknown_id |= params
        .0
        .iter()
        .any(|(name, value)| is_foreign_id(name) && !value.trim().is_empty());
    Ok(())
}

/// True for the name of an id that none of our releases carries: `rid`, `tvmazeid`, `traktid` and
/// whatever else indexers have thought of, for all their names end alike.
fn is_foreign_id(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("id") && !KNOWN_IDS.contains(&name.as_str())
}

/// Turns the first word of the form `S01E02` or `S01` into season and episode, so that it finds
/// `1x02` and `S01E02E03` too. What contradicts the parameters stays a word, and so finds nothing.
fn take_episode_word(search: &mut Search) {
    let found = search
        .words
        .iter()
        .enumerate()
        .find_map(|(index, word)| Some((index, season_episode(word)?)));
    let Some((index, (season, number))) = found else {
        return;
    };
    let episode = number.map(EpisodeWish::Number);
    let agrees = search.season.is_none_or(|asked| asked == season)
        && (episode.is_none() || search.episode.is_none() || search.episode == episode);
    if agrees {
        search.season = Some(season);
        search.episode = search.episode.or(episode);
        search.words.remove(index);
    }
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
