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
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(20_000 * DAY)
    }

    /// Parameters without any decoding: the HTTP layer has done that.
    fn params(text: &str) -> Params {
        Params(
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (name.to_owned(), value.to_owned())
                })
                .collect(),
        )
    }

    fn parse(text: &str) -> Result<Search, TorznabError> {
        let params = params(text);
        search(Function::of(&params)?, &params, None, now())
    }

    fn all() -> Search {
        Search {
            limit: PAGE_LIMIT,
            ..Search::default()
        }
    }

    fn tv() -> Search {
        Search {
            kind: Some(Category::Tv),
            ..all()
        }
    }

    fn movies() -> Search {
        Search {
            kind: Some(Category::Movies),
            ..all()
        }
    }

    fn words_of(words: &[&str], search: Search) -> Search {
        Search {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            ..search
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Search) {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }

    /// Everything that Sonarr and Radarr send, as their request generators build it.
    #[test]
    fn queries_of_the_arrs_are_understood() {
        let common = "cat=5030,5040&extended=1&apikey=k&offset=0&limit=100";
        let sonarr = Search {
            categories: vec![5030, 5040],
            ..tv()
        };
        let check = |text: &str, expected| check(&format!("{common}&{text}"), expected);
        check("t=tvsearch", sonarr.clone());
        check(
            "t=tvsearch&tvdbid=81189&imdbid=tt0903747&rid=18164&tvmazeid=169&tmdbid=1396&season=1&ep=2",
            Search {
                ids: Ids {
                    tvdb: Some(81189),
                    imdb: Some(903_747),
                    tmdb: Some(1396),
                },
                unknown_id: true,
                season: Some(1),
                episode: Some(EpisodeWish::Number(2)),
                ..sonarr.clone()
            },
        );
        check(
            "t=tvsearch&q=Breaking Bad&season=1&ep=2",
            Search {
                season: Some(1),
                episode: Some(EpisodeWish::Number(2)),
                ..words_of(&["breaking", "bad"], sonarr.clone())
            },
        );
        check(
            "t=tvsearch&tvdbid=71256&season=2016&ep=12/20",
            Search {
                ids: Ids {
                    tvdb: Some(71256),
                    ..Ids::default()
                },
                season: Some(2016),
                episode: Some(EpisodeWish::Day { month: 12, day: 20 }),
                ..sonarr.clone()
            },
        );
        check(
            "t=tvsearch&tvdbid=81189&season=00",
            Search {
                ids: Ids {
                    tvdb: Some(81189),
                    ..Ids::default()
                },
                season: Some(0),
                ..sonarr.clone()
            },
        );
        check(
            "t=search&q=Bleach 05",
            Search {
                kind: None,
                ..words_of(&["bleach", "05"], sonarr)
            },
        );
        check(
            "t=movie&tmdbid=603&imdbid=0133093",
            Search {
                ids: Ids {
                    tmdb: Some(603),
                    imdb: Some(133_093),
                    tvdb: None,
                },
                categories: vec![5030, 5040],
                ..movies()
            },
        );
    }

    #[test]
    fn names_and_repetition() {
        check("T=search&Q=matrix", words_of(&["matrix"], all()));
        check("t=search&q=&Q=one&q=two", words_of(&["one"], all()));
        check("t=TvSearch", tv());
        check(
            "t=movie&o=json&attrs=size,imdb&extended=1&unknown=1",
            movies(),
        );
        check(
            "t=search&q= &season=&ep=&cat=&limit=&offset=&imdbid=",
            all(),
        );
    }

    #[test]
    fn seasons_and_episodes() {
        let with = |season, episode| Search {
            season,
            episode,
            ..tv()
        };
        let number = |number| Some(EpisodeWish::Number(number));
        for text in ["season=1", "season=01", "season=S01", "season=s1"] {
            check(&format!("t=tvsearch&{text}"), with(Some(1), None));
        }
        check("t=tvsearch&ep=E07", with(None, number(7)));
        check("t=tvsearch&season=1&ep=02", with(Some(1), number(2)));
        check(
            "t=tvsearch&season=2016&ep=1/2",
            with(Some(2016), Some(EpisodeWish::Day { month: 1, day: 2 })),
        );
    }

    #[test]
    fn ids_match_only_where_they_are_announced() {
        let nothing = |search: Search| {
            let search = Search {
                unknown_id: true,
                ..search
            };
            assert!(matches_nothing(&search));
            search
        };
        for id in [
            "rid=1",
            "tvmazeid=1",
            "traktid=1",
            "TVRageId=1",
            "doubanid=x",
            "tvdbid=0",
            "imdbid=tt0",
        ] {
            check(&format!("t=tvsearch&{id}"), nothing(tv()));
        }
        check("t=tvsearch&rid=&tvmazeid= &extended=1", tv());
        check("t=movie&tvdbid=1", nothing(movies()));
        check("t=search&imdbid=tt0133093", nothing(all()));
        check("t=tvsearch&tvdbid=99999999999999999999", nothing(tv()));
        check("t=tvsearch&tmdbid=9223372036854775808", nothing(tv()));
        check("t=search&q=!!!", nothing(all()));
        let imdb = Search {
            ids: Ids {
                imdb: Some(133_093),
                ..Ids::default()
            },
            ..movies()
        };
        for id in ["tt0133093", "0133093", "133093", "TT133093", "tt00133093"] {
            check(&format!("t=movie&imdbid={id}"), imdb.clone());
        }
        assert!(!matches_nothing(&imdb));
    }

    #[test]
    fn episode_words_become_criteria() {
        let of = |words: &[&str], season, episode: Option<u32>| Search {
            season,
            episode: episode.map(EpisodeWish::Number),
            ..words_of(words, all())
        };
        check("t=search&q=Show S01E02", of(&["show"], Some(1), Some(2)));
        check("t=search&q=Show.1x02", of(&["show"], Some(1), Some(2)));
        check("t=search&q=s03 show", of(&["show"], Some(3), None));
        check("t=search&q=S01E02E03", of(&[], Some(1), Some(2)));
        check(
            "t=search&q=Show S01E02&season=1",
            of(&["show"], Some(1), Some(2)),
        );
        check(
            "t=search&q=Show S01&season=1&ep=4",
            of(&["show"], Some(1), Some(4)),
        );
        check(
            "t=search&q=Show S01E02&season=2",
            of(&["show", "s01e02"], Some(2), None),
        );
        check(
            "t=search&q=Show S01E02&season=1&ep=3",
            of(&["show", "s01e02"], Some(1), Some(3)),
        );
        check(
            "t=search&q=S1m0ne s1 x264",
            of(&["s1m0ne", "s1", "x264"], None, None),
        );
    }

    #[test]
    fn restrictions() {
        let check = |text: &str, expected| check(&format!("t=search&{text}"), expected);
        let cats = |numbers: &[u32]| Search {
            categories: numbers.to_vec(),
            ..all()
        };
        check("cat=2000,5000", cats(&[2000, 5000]));
        check("cat= 2000, ,2000,,5000,", cats(&[2000, 5000]));
        check("cat=100003,7,99999999999", cats(&[100_003, 7, u32::MAX]));
        check("cat=,", cats(&[]));
        let limit = |limit| Search { limit, ..all() };
        check("limit=1", limit(1));
        check("limit=0", limit(100));
        check("limit=100", limit(100));
        check("limit=101", limit(100));
        check("limit=99999999999999999999", limit(100));
        let offset = |offset| Search { offset, ..all() };
        check("offset=200", offset(200));
        check("offset=99999999999999999999", offset(i64::MAX as u64));
        let newer = |days: u64| Search {
            newer_than: Some(now() - Duration::from_secs(days * DAY)),
            ..all()
        };
        check("maxage=1", newer(1));
        check("maxage=0", all());
        check("maxage=20000", all());
        check("maxage=99999999999999999999", all());
        check(
            "minsize=5&maxsize=18446744073709551615",
            Search {
                min_size: Some(5),
                max_size: Some(i64::MAX as u64),
                ..all()
            },
        );
        check(
            "year=1999",
            Search {
                year: Some(1999),
                ..all()
            },
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let check = |text: &str, code: u16, parameter: &str| {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code, code, "{text}: {error}");
            assert!(error.description.contains(parameter), "{text}: {error}");
            // The bare words make an arr think that its key is missing.
            assert_ne!(error.description, "Missing parameter");
        };
        check("", 200, "t");
        check("t=", 200, "t");
        check("t=nonsense", 202, "t must be");
        check("t=tv-search", 202, "t must be");
        check("t=music", 203, "t must be");
        check("t=book", 203, "t must be");
        for (name, values) in [
            (
                "season",
                &["abc", "-1", "S", "1.5", "SS1", "99999999999", "1e3", "०"][..],
            ),
            ("ep", &["abc", "-1", "12/20", "/", "1/", "12/20/1", "E"]),
            ("offset", &["x", "-1", "+1", "1.0", "0x10"]),
            ("limit", &["-1", "ten"]),
            ("cat", &["abc", "2000;5000", "-2000", "2000,x"]),
            ("maxage", &["soon", "-1"]),
            ("minsize", &["1KB", "-1"]),
            ("maxsize", &["big"]),
            ("year", &["MCMXCIX", "-5"]),
            ("tvdbid", &["abc", "tt1", "-1"]),
            ("tmdbid", &["x"]),
            ("imdbid", &["tt", "abc", "t1", "ttt1", "tt12a", "é1"]),
        ] {
            for value in values {
                check(&format!("t=tvsearch&{name}={value}"), 201, name);
            }
        }
        check("t=tvsearch&season=2016&ep=13/20", 201, "ep");
        check("t=tvsearch&season=2016&ep=12/32", 201, "ep");
        check("t=tvsearch&season=2016&ep=0/1", 201, "ep");
        check("t=tvsearch&season=1&ep=12/20", 201, "ep");
    }

    #[test]
    fn long_lists_are_refused() {
        let list = |count: usize| {
            let numbers: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            parse(&format!("t=search&cat={}", numbers.join(",")))
        };
        assert_eq!(
            list(MAX_CATEGORIES).unwrap().categories.len(),
            MAX_CATEGORIES
        );
        assert_eq!(list(MAX_CATEGORIES + 1).unwrap_err().code, 201);
    }

    /// Any text in any parameter gives a search or an error that is well-formed XML.
    #[test]
    fn hostile_values_give_a_search_or_an_error() {
        let names = [
            "q", "season", "ep", "cat", "offset", "limit", "maxage", "minsize", "maxsize", "year",
            "tvdbid", "imdbid", "tmdbid", "rid", "t", "o",
        ];
        let pieces = [
            "S01E02",
            "s01",
            "1x02",
            "12/20",
            "tt",
            "0",
            "1",
            "99999999999999999999",
            "-",
            "+",
            ",",
            "/",
            "é",
            "e\u{301}",
            "🐦",
            "\u{0}",
            "\u{ffff}",
            "<",
            "&",
            "\"",
            "%",
            " ",
            "İ",
            "ﬀ",
            "٣",
        ];
        let mut seed = 0x2545_F491_4F6C_DD1Du64;
        let mut next = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let (mut good, mut bad) = (0, 0);
        for _ in 0..20_000 {
            let mut params = params(["t=search", "t=tvsearch", "t=movie"][next(3)]);
            for _ in 0..next(4) {
                let value: String = (0..next(5)).map(|_| pieces[next(pieces.len())]).collect();
                params.0.push((names[next(names.len())].into(), value));
            }
            match Function::of(&params).and_then(|function| search(function, &params, None, now()))
            {
                Ok(search) => {
                    good += 1;
                    assert!((1..=PAGE_LIMIT).contains(&search.limit));
                    assert!(search.offset <= MAX_NUMBER);
                    assert!(search.words.iter().all(|word| !word.is_empty()));
                }
                Err(error) => {
                    bad += 1;
                    let xml = String::from_utf8(error.to_xml()).unwrap();
                    roxmltree::Document::parse(&xml).unwrap();
                }
            }
        }
        assert!(good > 1000 && bad > 1000, "{good} {bad}");
    }
}
