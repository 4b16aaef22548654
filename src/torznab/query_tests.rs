//! Tests of `query`: what the arrs send, what nobody should, and what is said to it.

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
        match Function::of(&params).and_then(|function| search(function, &params, None, now())) {
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
