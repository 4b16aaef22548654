//! The indexer over real sockets, asked as no arr asks: what each odd request is answered with.
//!
//! Statuses, types and error codes are those of the newznab API and of what Sonarr and Radarr read:
//! an error is a 200, but never one to caps that they would keep for seven days. Every answer
//! with a 200 is parsed as XML.

use std::collections::BTreeSet;

use crate::support::Home;
use crate::support::content::Content;
use crate::support::http::{Answer, escape, request};
use crate::support::peer::{FakePeer, Offer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{SOON, eventually};

const RSS: &str = "application/rss+xml; charset=utf-8";
const XML: &str = "application/xml; charset=utf-8";
const NEWZNAB: &str = "http://www.newznab.com/DTD/2010/feeds/attributes/";

const MATRIX: &str = "The.Matrix.1999.1080p.BluRay.x264-GROUP";
const WOLF: &str = "100% Wolf \"AND\" O'Hara (2020)";
const PILOT: &str = "Show.S01E01.720p.WEB-DL";
const SECOND: &str = "Show.S01E02.720p.WEB-DL";
const DAILY: &str = "Tonight.2024.05.17.Guest";

/// A friend with two films and a friend with a film and three episodes; what both have is one item.
struct World {
    jackdaw: Jackdaw,
    friends: Vec<FakePeer>,
    _home: Home,
}

impl World {
    fn start(name: &str) -> World {
        let home = Home::new(name);
        let movie = |title, tmdb, imdb, size| {
            Offer::movie(
                &format!("1:movie:{tmdb}"),
                title,
                tmdb,
                imdb,
                Content::new(tmdb, size),
            )
        };
        let episode = |title, tvdb, at: (u32, u32)| {
            let id = format!("1:episode:{tvdb}-{}", at.1);
            Offer::episode(
                &id,
                title,
                tvdb,
                at,
                Content::new(tvdb, 1000 + u64::from(at.1)),
            )
        };
        let daily = Offer {
            extra: ",\"airDate\":\"2024-05-17\"".into(),
            ..episode(DAILY, 300, (9, 99))
        };
        let friends = vec![
            FakePeer::start(vec![
                movie(MATRIX, 603, "tt0133093", 5000),
                movie(WOLF, 9, "tt0000042", 4000),
            ]),
            FakePeer::start(vec![
                movie(MATRIX, 603, "tt0133093", 5000),
                episode(PILOT, 81189, (1, 1)),
                episode(SECOND, 81189, (1, 2)),
                daily,
            ]),
        ];
        let jackdaw = Jackdaw::start(
            &Config::new(&home.join("consumer"))
                .downloads("")
                .peer("alice", &friends[0].url(), PEER_KEY)
                .peer("Bob & Söhne/x", &friends[1].url(), PEER_KEY),
        );
        let world = World {
            jackdaw,
            friends,
            _home: home,
        };
        eventually("both lists in the index", SOON, || {
            let answer = world.ask(&format!("/torznab/api?t=search&apikey={KEY}"));
            (feed(&answer).1 == 5).then_some(())
        });
        world
    }

    fn ask(&self, target: &str) -> Answer {
        request(self.jackdaw.address(), "GET", target, &[], None)
    }

    /// `parameters` of a request to the indexer of all friends, with the key.
    fn api(&self, parameters: &str) -> Answer {
        self.ask(&format!("/torznab/api?{parameters}&apikey={KEY}"))
    }

    /// Path and query of the stub of the one release that a word finds.
    fn stub(&self, word: &str) -> String {
        let text = self.api(&format!("t=search&q={word}")).text();
        let document = roxmltree::Document::parse(&text).unwrap();
        let mut nodes = document.descendants();
        let enclosure = nodes.find(|node| node.has_tag_name("enclosure")).unwrap();
        let url = enclosure.attribute("url").unwrap();
        url[url.find("/torznab/").unwrap()..].to_owned()
    }
}

/// Titles, the total and the offset of a feed.
fn feed(answer: &Answer) -> (BTreeSet<String>, u64, u64) {
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    assert_eq!(answer.header("Content-Type"), Some(RSS), "{text}");
    let document = roxmltree::Document::parse(&text).unwrap();
    let titles: Vec<String> = document
        .descendants()
        .filter(|node| node.has_tag_name("item"))
        .map(|item| {
            let title = item.children().find(|node| node.has_tag_name("title"));
            title.and_then(|title| title.text()).unwrap().to_owned()
        })
        .collect();
    let response = document
        .descendants()
        .find(|node| node.has_tag_name((NEWZNAB, "response")))
        .unwrap();
    let number = |name| response.attribute(name).unwrap().parse().unwrap();
    let count = titles.len();
    let titles: BTreeSet<String> = titles.into_iter().collect();
    assert_eq!(titles.len(), count, "an item twice: {text}");
    (titles, number("total"), number("offset"))
}

/// Code and description of an error.
fn error(answer: &Answer) -> (u16, String) {
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    assert_eq!(answer.header("Content-Type"), Some(XML), "{text}");
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "error", "{text}");
    let get = |name| root.attribute(name).unwrap();
    (get("code").parse().unwrap(), get("description").to_owned())
}

#[test]
fn searches_give_what_they_ask_for() {
    let world = World::start("torznab-searches");
    let everything = [MATRIX, WOLF, PILOT, SECOND, DAILY];
    let tv = [PILOT, SECOND, DAILY];
    for (parameters, expected) in [
        ("t=search", &everything[..]),
        ("T=SEARCH&o=json&extended=1&attrs=size", &everything),
        ("t=search&t=foo", &everything),
        ("t=&t=search", &everything),
        ("t=tvsearch", &tv),
        ("t=movie", &[MATRIX, WOLF]),
        // Free text is never syntax, neither to SQLite's full-text search nor to us.
        ("t=search&q=matrix", &[MATRIX]),
        ("t=search&Q=%22MATRIX%22", &[MATRIX]),
        ("t=search&q=^the*+matrix)", &[MATRIX]),
        ("t=search&q=100%25+wolf", &[WOLF]),
        ("t=search&q=AND", &[WOLF]),
        ("t=search&q=matrix+OR+wolf", &[]),
        ("t=search&q=matrix+NOT+wolf", &[]),
        ("t=search&q=NEAR(the+matrix)", &[]),
        ("t=search&q=title:matrix", &[]),
        ("t=search&q=o'hara'", &[WOLF]),
        ("t=search&q=%00matrix%00", &[MATRIX]),
        ("t=search&q=%00", &[]),
        ("t=search&q=*", &[]),
        ("t=search&q=%F0%9F%90%A6", &[]),
        ("t=search&q=&q=wolf&q=matrix", &[WOLF]),
        ("t=search&q=show+s01e02", &[SECOND]),
        ("t=search&q=Show.1x02", &[SECOND]),
        // Ids: any of them, with everything else.
        ("t=movie&imdbid=tt0133093", &[MATRIX]),
        ("t=movie&IMDBID=133093", &[MATRIX]),
        ("t=movie&imdbid=00133093&tmdbid=9", &[MATRIX, WOLF]),
        ("t=movie&tmdbid=603&year=1999", &[MATRIX]),
        ("t=movie&tmdbid=603&year=2000", &[]),
        ("t=movie&tmdbid=99999999999999999999", &[]),
        ("t=movie&tvdbid=81189", &[]),
        ("t=tvsearch&tmdbid=603", &[]),
        ("t=tvsearch&rid=1&tvdbid=81189&season=1&ep=2", &[SECOND]),
        ("t=tvsearch&rid=81189", &[]),
        ("t=tvsearch&tvrageid=81189", &[]),
        ("t=tvsearch&tvdbid=81189&season=2", &[]),
        ("t=tvsearch&tvdbid=81189&season=S01", &[PILOT, SECOND]),
        ("t=tvsearch&season=01&ep=e01", &[PILOT]),
        ("t=tvsearch&season=2024&ep=05/17", &[DAILY]),
        ("t=tvsearch&season=2024&ep=5%2F17", &[DAILY]),
        ("t=tvsearch&season=2024&ep=05/18", &[]),
        ("t=tvsearch&tvdbid=300&season=2024", &[DAILY]),
        // Categories: of the whole, of a part, of a friend, of nobody.
        ("t=search&cat=2000", &[MATRIX, WOLF]),
        ("t=search&cat=,5040,,2050,", &[MATRIX, PILOT, SECOND]),
        ("t=search&cat=100001", &[MATRIX, WOLF]),
        (
            "t=search&cat=100002,2030",
            &[MATRIX, WOLF, PILOT, SECOND, DAILY],
        ),
        ("t=search&cat=9999,1", &[]),
        ("t=search&cat=,", &everything),
        ("t=movie&cat=5000", &[]),
        // Sizes and age.
        ("t=search&minsize=4000&maxsize=4999", &[WOLF]),
        ("t=search&minsize=99999999999999999999", &[]),
        ("t=search&maxage=1", &[]),
        ("t=search&maxage=99999999999999999999", &everything),
    ] {
        let (titles, total, offset) = feed(&world.api(parameters));
        let expected: BTreeSet<String> = expected.iter().map(|title| (*title).into()).collect();
        assert_eq!(titles, expected, "{parameters}");
        assert_eq!((total, offset), (expected.len() as u64, 0), "{parameters}");
    }
}

#[test]
fn pages_are_what_offset_and_limit_say() {
    let world = World::start("torznab-pages");
    for (parameters, items, offset) in [
        ("limit=0", 5, 0),
        ("limit=101", 5, 0),
        ("limit=99999999999999999999", 5, 0),
        ("limit=2", 2, 0),
        ("LIMIT=2&limit=5", 2, 0),
        ("limit=&limit=3", 3, 0),
        ("limit=2&offset=2", 2, 2),
        ("limit=2&offset=4", 1, 4),
        ("offset=5", 0, 5),
        ("offset=100", 0, 100),
        // Beyond 63 bits is as good as the end of them.
        ("offset=99999999999999999999", 0, i64::MAX as u64),
    ] {
        let (titles, total, told) = feed(&world.api(&format!("t=search&{parameters}")));
        assert_eq!((titles.len(), told), (items, offset), "{parameters}");
        assert_eq!(total, 5, "{parameters}");
    }
}

#[test]
fn errors_say_which_parameter_is_wrong() {
    let world = World::start("torznab-errors");
    for (parameters, code, part) in [
        ("", 200, "t"),
        ("t=", 200, "t"),
        ("t=foo", 202, "t must be"),
        ("t=tv-search", 202, "t must be"),
        ("t=music", 203, "t must be"),
        ("t=search&limit=-1", 201, "limit"),
        ("t=search&limit=x", 201, "limit"),
        ("t=search&offset=x", 201, "offset"),
        ("t=search&cat=abc", 201, "cat"),
        ("t=search&cat=2000,,abc", 201, "cat"),
        ("t=search&maxage=x", 201, "maxage"),
        ("t=movie&year=x", 201, "year"),
        ("t=movie&imdbid=tt", 201, "imdbid"),
        ("t=tvsearch&season=abc", 201, "season"),
        ("t=tvsearch&season=2024&ep=13/40", 201, "ep"),
        ("t=tvsearch&season=1&ep=05/17", 201, "ep"),
        // What is no text at all.
        ("t=search&q=%ff", 201, "q"),
        ("t=search&q=100%", 201, "q"),
        ("t=search&%zz=1", 201, "%zz"),
        ("t=%ff", 201, "t"),
        ("t=movie&imdbid=%C3", 201, "imdbid"),
    ] {
        let (found, description) = error(&world.api(parameters));
        assert_eq!(found, code, "{parameters}: {description}");
        assert!(description.contains(part), "{parameters}: {description}");
    }
    // The key must be among those that are read.
    let many = format!("/torznab/api?apikey={KEY}&t=search{}", "&a".repeat(1000));
    assert_eq!(error(&world.ask(&many)).0, 201);
    // The arrs keep what a 200 to caps says for seven days.
    for target in [
        format!("/torznab/api?t=caps&x=%ff&apikey={KEY}"),
        format!("/torznab/nobody/api?t=caps&apikey={KEY}"),
    ] {
        let status = world.ask(&target).status;
        assert!((400..500).contains(&status), "{target}: {status}");
    }
}

#[test]
fn the_first_key_that_is_given_counts() {
    let world = World::start("torznab-keys");
    let header = [("X-Api-Key", KEY)];
    let wrong = [("X-Api-Key", "wrong")];
    for (parameters, headers, is_admitted) in [
        (format!("apikey={KEY}"), &[][..], true),
        (format!("APIKEY={KEY}"), &[], true),
        (format!("apikey={KEY}&apikey=wrong"), &[], true),
        (format!("apikey=&ApiKey={KEY}"), &[], true),
        (String::new(), &header, true),
        ("apikey=".into(), &header, true),
        (format!("apikey={KEY}"), &wrong, true),
        (String::new(), &[], false),
        ("apikey=".into(), &[], false),
        ("apikey=wrong".into(), &[], false),
        ("apikey=%ff".into(), &[], false),
        (format!("apikey=wrong&apikey={KEY}"), &[], false),
        ("apikey=wrong".into(), &header, false),
        (String::new(), &wrong, false),
        ("r=wrong".into(), &[], false),
    ] {
        for function in ["search", "caps", "foo", ""] {
            let target = format!("/torznab/api?t={function}&{parameters}");
            let answer = request(world.jackdaw.address(), "GET", &target, headers, None);
            let text = answer.text();
            assert_eq!(answer.status, 200, "{target}: {text}");
            let is_refused = text.contains("<error code=\"100\"");
            assert_eq!(!is_refused, is_admitted, "{target} {headers:?}: {text}");
            roxmltree::Document::parse(&text).unwrap();
        }
    }
}

#[test]
fn every_friend_is_an_indexer_of_its_own() {
    let world = World::start("torznab-friends");
    let bob = format!("/torznab/{}/api", escape("Bob & Söhne/x"));
    for (path, items, category) in [
        ("/api", 5, "100001 100002"),
        ("/torznab/api", 5, "100001 100002"),
        ("/torznab/alice/api", 2, "100001"),
        ("/torznab/ALICE/api", 2, "100001"),
        (&*bob, 4, "100002"),
    ] {
        let ask = |parameters: &str| world.ask(&format!("{path}?{parameters}&apikey={KEY}"));
        let (titles, total, _) = feed(&ask("t=search"));
        assert_eq!((titles.len(), total), (items, items as u64), "{path}");
        let text = ask("t=search").text();
        let document = roxmltree::Document::parse(&text).unwrap();
        // One release of both is one item that counts both; the categories are this indexer's.
        let values = |item: roxmltree::Node<'_, '_>, name: &str| -> Vec<String> {
            item.children()
                .filter(|node| node.attribute("name") == Some(name))
                .map(|node| node.attribute("value").unwrap().to_owned())
                .collect()
        };
        let matrix = document
            .descendants()
            .filter(|node| node.has_tag_name("item"))
            .find(|item| item.descendants().any(|node| node.text() == Some(MATRIX)))
            .unwrap();
        assert_eq!(values(matrix, "seeders"), ["2"], "{path}");
        let custom: Vec<String> = values(matrix, "category")
            .into_iter()
            .filter(|number| number.len() == 6)
            .collect();
        assert_eq!(custom.join(" "), category, "{path}");

        let caps = ask("t=caps");
        assert_eq!(caps.header("Content-Type"), Some(XML));
        let text = String::from_utf8(caps.expect(200)).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let announced: Vec<&str> = document
            .descendants()
            .filter_map(|node| node.attribute("id"))
            .filter(|number| number.len() == 6)
            .collect();
        assert_eq!(announced.join(" "), category, "{path}");
    }
    let unknown = world.ask(&format!("/torznab/nobody/api?t=search&apikey={KEY}"));
    assert_eq!(error(&unknown).0, 300);
    // Who has no key does not learn who our friends are.
    assert_eq!(error(&world.ask("/torznab/nobody/api?t=caps")).0, 100);
    assert_eq!(error(&world.ask("/torznab/alice/api?t=caps")).0, 100);
}

#[test]
fn head_is_get_without_a_body_and_nothing_is_written_through_the_indexer() {
    let world = World::start("torznab-methods");
    let stub = world.stub("matrix");
    for target in [
        format!("/torznab/api?t=search&apikey={KEY}"),
        format!("/torznab/api?t=caps&apikey={KEY}"),
        format!("/torznab/api?t=foo&apikey={KEY}"),
        "/torznab/api?t=search".to_owned(),
        stub,
    ] {
        let ask = |method: &str| request(world.jackdaw.address(), method, &target, &[], None);
        let (get, head) = (ask("GET"), ask("HEAD"));
        assert_eq!(get.status, 200, "{target}");
        assert_eq!(head.status, get.status, "{target}");
        for name in ["Content-Type", "Content-Length", "Content-Disposition"] {
            assert_eq!(head.header(name), get.header(name), "{target} {name}");
        }
        assert!(head.body.is_empty());
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let answer = ask(method);
            assert_eq!(answer.status, 405, "{method} {target}");
            assert_eq!(answer.header("Allow"), Some("GET, HEAD"));
        }
    }
}

/// 404 makes an arr take the next release and blame nobody; anything else of 400 and more would be
/// held against the indexer.
#[test]
fn a_stub_is_there_until_all_friends_say_that_the_release_is_gone() {
    let mut world = World::start("torznab-stubs");
    let (matrix, wolf) = (world.stub("matrix"), world.stub("wolf"));
    let status = |world: &World, target: &str| {
        let answer = world.ask(target);
        (answer.status, answer.header("Location").is_some())
    };
    assert_eq!(status(&world, &matrix), (200, false));
    world.friends[0]
        .set()
        .offers
        .retain(|offer| offer.title != MATRIX);
    assert_eq!(status(&world, &matrix), (200, false));
    world.friends[1]
        .set()
        .offers
        .retain(|offer| offer.title != MATRIX);
    assert_eq!(status(&world, &matrix), (404, false));
    assert_eq!(feed(&world.api("t=search&q=matrix")).1, 0);
    // Who is away has not said so.
    drop(world.friends.remove(0));
    assert_eq!(status(&world, &wolf), (200, false));
    for (target, expected) in [
        (wolf.replace(".torrent", ""), 404),
        (wolf.replace(".torrent", ".torrent/"), 404),
        (wolf.replace(KEY, "wrong"), 401),
        (wolf.replace(KEY, "%ff"), 401),
        (wolf.replace("apikey", "APIKEY") + "&x=%ff", 200),
        (
            format!("/torznab/download/{}.torrent?apikey={KEY}", "0".repeat(40)),
            404,
        ),
        (format!("/torznab/download/x.torrent?apikey={KEY}"), 404),
    ] {
        assert_eq!(status(&world, &target), (expected, false), "{target}");
    }
}

/// Any bytes in any parameter: a 200 with XML that can be parsed, and the program lives on.
#[test]
fn any_bytes_give_a_well_formed_answer() {
    let mut world = World::start("torznab-bytes");
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let names = [
        "q", "season", "ep", "cat", "offset", "limit", "maxage", "minsize", "maxsize", "year",
        "tvdbid", "imdbid", "tmdbid", "rid", "o", "t", "extended", "", "%00", "%ff", "Q",
    ];
    for _ in 0..400 {
        let mut parameters = format!("t={}", ["search", "tvsearch", "movie"][next(3)]);
        for _ in 0..next(4) {
            parameters.push_str(&format!("&{}=", names[next(names.len())]));
            for _ in 0..next(9) {
                match next(4) {
                    0 => {
                        parameters.push_str(["matrix", "S01E02", "05/17", "tt", "%2", "%"][next(6)])
                    }
                    1 => parameters.push_str(&next(3000).to_string()),
                    _ => parameters.push_str(&format!("%{:02x}", next(256))),
                }
            }
        }
        let answer = world.api(&parameters);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, 200, "{parameters}: {text}");
        let document = roxmltree::Document::parse(&text).unwrap_or_else(|problem| {
            panic!("{parameters}: {problem}: {text}");
        });
        let expected = match document.root_element().tag_name().name() {
            "rss" => RSS,
            _ => XML,
        };
        assert_eq!(
            answer.header("Content-Type"),
            Some(expected),
            "{parameters}"
        );
    }
    world.jackdaw.assert_alive();
}
