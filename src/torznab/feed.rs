//! The feed: a page of items as RSS 2.0 with Torznab attributes.
//!
//! Only part of it is read by Sonarr and Radarr: `title`, `guid`, `pubDate` (a wrong weekday or a missing
//! date costs the item or the whole feed), `enclosure`, and of the attributes `size`, `seeders`,
//! `peers`, `infohash`, the volume factors, `language`, `imdb` (digits only), `tmdbid` and `tvdbid`, all in the
//! torznab namespace. The rest serves other clients. An attribute is there only where its value is
//! known. There is no `magneturl`: the arrs would use it instead of the stub.
//!
//! Enclosure URL and date of an item never change, or the arrs lose their place between two
//! polls. What no stub can stand for (size 0, or beyond [`stub::MAX_SIZE`]) is left out. Pure.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::catalogue::{Item, Page};
use crate::http::percent;
use crate::release::categories::is_language;
use crate::release::{Category, Release, imdb_number};
use crate::torrent::stub::{self, Infohash};
use crate::xml::{self, Content, Digits, Escaped, Piece};

/// Last second of the year 9999: RFC 1123 has four digits for the year.
const LAST_DATE: u64 = 253_402_300_799;

/// Bytes of most items, and of what stands around them: room that is made before they are written.
const USUAL_ITEM: usize = 1800;
const USUAL_HEAD: usize = 1024;

/// Characters of one descriptive attribute. They come from friends; titles are never cut.
const MAX_ATTRIBUTE: usize = 200;

/// Languages listed for one item.
const MAX_LANGUAGES: usize = 32;

/// What all items of a feed share.
#[derive(Clone, Debug)]
pub struct Channel<'a> {
    /// Name of the indexer.
    pub title: &'a str,
    /// Our own address as the caller reaches us, no trailing slash.
    pub base: &'a str,
    /// Path of this feed below `base`.
    pub path: &'a str,
    /// The key that the caller used: enclosure URLs carry it, for nothing else is sent with them.
    pub key: &'a str,
    /// Place of the page in all results.
    pub offset: u64,
}

/// The RSS document of a page. `generations[i]` is the generation of the stub that the caller would
/// get for item i (0 where there is none).
pub fn feed(channel: &Channel<'_>, page: &Page, generations: &[u32]) -> Vec<u8> {
    let namespaces = [
        ("version", "2.0"),
        ("xmlns:atom", "http://www.w3.org/2005/Atom"),
        (
            "xmlns:newznab",
            "http://www.newznab.com/DTD/2010/feeds/attributes/",
        ),
        ("xmlns:torznab", "http://torznab.com/schemas/2015/feed"),
    ];
    let expected = USUAL_HEAD + page.items.len() * USUAL_ITEM;
    xml::document("rss", &namespaces, expected, |rss| {
        rss.element("channel", &[], |content| {
            content.text("title", &[], channel.title);
            content.text("description", &[], "What friends share through jackdaw");
            content.text("link", &[], &format!("{}/", channel.base));
            let own = format!("{}{}", channel.base, channel.path);
            content.empty(
                "atom:link",
                &[
                    ("rel", "self"),
                    ("type", "application/rss+xml"),
                    ("href", &own),
                ],
            );
            content.empty(
                "newznab:response",
                &[
                    ("offset", &channel.offset.to_string()),
                    ("total", &page.total.to_string()),
                ],
            );
            let links = Links::new(channel.base, channel.key);
            for (index, item) in page.items.iter().enumerate() {
                if stub::is_offerable(item.release.size) {
                    let generation = generations.get(index).copied().unwrap_or(0);
                    content.element("item", &[], |content| {
                        write_item(content, &links, item, generation);
                    });
                }
            }
        });
    })
}

/// Where the stub of an item is fetched; the URL carries its own credential.
pub fn stub_url(base: &str, key: &str, guid: &Infohash) -> String {
    format!("{}{guid}{}", before_guid(base), after_guid(key))
}

fn before_guid(base: &str) -> String {
    format!("{base}/torznab/download/")
}

fn after_guid(key: &str) -> String {
    format!(".torrent?apikey={}", percent::encode(key))
}

/// Stub URLs of one feed, which differ in the guid only.
struct Links {
    before: Escaped,
    after: Escaped,
}

impl Links {
    fn new(base: &str, key: &str) -> Links {
        Links {
            before: Escaped::of(&before_guid(base)),
            after: Escaped::of(&after_guid(key)),
        }
    }
}

/// The beginning of an attribute, up to its value.
macro_rules! attr {
    ($name:literal) => {
        concat!("<torznab:attr name=\"", $name, "\" value=\"")
    };
}

/// The end of an attribute, and of any element that ends with a value in quotes.
const END: &str = "\"/>\n";

/// What every item says: one file, and nothing to be had or given as torrents go.
const FIRST_FIXED: &str = concat!(attr!("files"), "1\"/>\n");
const NO_LEECHERS: &str = concat!(attr!("leechers"), "0\"/>\n");
const LAST_FIXED: &str = concat!(
    attr!("downloadvolumefactor"),
    "0\"/>\n",
    attr!("uploadvolumefactor"),
    "1\"/>\n",
    attr!("minimumratio"),
    "0\"/>\n",
    attr!("minimumseedtime"),
    "0\"/>\n",
);

fn write_item(content: &mut Content<'_>, links: &Links, item: &Item, generation: u32) {
    use Piece::{Markup, Ready, Value};
    let release = &item.release;
    let guid = item.guid.to_string();
    let size = Digits::of(release.size);
    content.text("title", &[], &release.title);
    content.pieces(&[
        Markup("<guid isPermaLink=\"false\">"),
        Value(&guid),
        Markup("</guid>\n<pubDate>"),
        Value(&date(item.published)),
        Markup("</pubDate>\n<size>"),
        Value(&size),
        Markup("</size>\n<link>"),
        Ready(&links.before),
        Value(&guid),
        Ready(&links.after),
        Markup("</link>\n<enclosure url=\""),
        Ready(&links.before),
        Value(&guid),
        Ready(&links.after),
        Markup("\" length=\""),
        Value(&size),
        Markup("\" type=\"application/x-bittorrent\"/>\n"),
    ]);
    for number in &item.categories {
        content.pieces(&[
            Markup("<category>"),
            Value(&Digits::of((*number).into())),
            Markup("</category>\n"),
        ]);
    }
    content.text("description", &[], &description(item));

    let mut attribute = |beginning: &'static str, value: &str| {
        content.pieces(&[Markup(beginning), Value(value), Markup(END)]);
    };
    for number in &item.categories {
        attribute(attr!("category"), &Digits::of((*number).into()));
    }
    attribute(attr!("size"), &size);
    let seeders = Digits::of(item.seeders.into());
    let hash = match generation {
        0 => guid,
        _ => stub::infohash(&release.title, release.size, generation).to_string(),
    };
    // Every friend that offers it has it all: peers are seeders.
    content.pieces(&[
        Markup(FIRST_FIXED),
        Markup(attr!("seeders")),
        Value(&seeders),
        Markup(END),
        Markup(NO_LEECHERS),
        Markup(attr!("peers")),
        Value(&seeders),
        Markup(END),
        Markup(attr!("infohash")),
        Value(&hash),
        Markup(END),
        Markup(LAST_FIXED),
    ]);
    let mut attribute = |beginning: &'static str, value: &str| {
        content.pieces(&[Markup(beginning), Value(value), Markup(END)]);
    };
    ids(release, &mut attribute);
    details(item, &mut |beginning, value| {
        let value = clean(value);
        if !value.is_empty() {
            attribute(beginning, &value);
        }
    });
}

/// A friend's words as an attribute can hold them. Nothing may be left: a control character may be
/// all that they consist of.
fn clean(words: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if words.len() <= MAX_ATTRIBUTE && words.bytes().all(is_plain) {
        return Cow::Borrowed(words.trim());
    }
    let cut: String = words
        .chars()
        .filter(|c| xml::is_allowed(*c))
        .take(MAX_ATTRIBUTE)
        .collect();
    Cow::Owned(cut.trim().to_owned())
}

/// RFC 1123 in GMT.
fn date(seconds: u64) -> String {
    let since = Duration::from_secs(seconds.min(LAST_DATE));
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since)
}

fn description(item: &Item) -> String {
    let friends = match item.seeders {
        1 => "1 friend".to_owned(),
        count => format!("{count} friends"),
    };
    format!("{}, offered by {friends}", item.release.filename)
}

/// Attributes that identify the film or episode, each as `attr!` begins it. A number 0 is an arr's
/// way to say that it knows none.
fn ids(release: &Release, attribute: &mut dyn FnMut(&'static str, &str)) {
    attribute(
        attr!("type"),
        match release.category {
            Category::Movies => "movie",
            Category::Tv => "series",
        },
    );
    let known = |id: Option<u64>| id.filter(|id| *id > 0);
    if let Some(imdb) = known(release.imdb_id.as_deref().and_then(imdb_number)) {
        // IMDb writes at least seven digits. The arrs ignore an `imdb` with "tt".
        let id = format!("tt{imdb:07}");
        attribute(attr!("imdb"), &id[2..]);
        attribute(attr!("imdbid"), &id);
    }
    for (beginning, number) in [
        (attr!("tmdbid"), known(release.tmdb_id)),
        (attr!("tvdbid"), known(release.tvdb_id)),
        (attr!("season"), release.season.map(u64::from)),
        (attr!("episode"), release.episode.map(u64::from)),
    ] {
        if let Some(number) = number {
            attribute(beginning, &Digits::of(number));
        }
    }
}

/// Attributes that describe the file, each as `attr!` begins it. Values are a friend's words.
fn details(item: &Item, attribute: &mut dyn FnMut(&'static str, &str)) {
    let (release, facts) = (&item.release, &item.facts);
    for (beginning, words) in [
        (attr!("resolution"), &facts.resolution),
        (attr!("video"), &facts.video),
        (attr!("audio"), &facts.audio),
    ] {
        if let Some(words) = words {
            attribute(beginning, words);
        }
    }
    for language in release.languages.iter().take(MAX_LANGUAGES) {
        // The arrs let these replace what they read in the title, so a non-answer must not count.
        if is_language(language) {
            attribute(attr!("language"), language);
        }
    }
    if let Some(subtitles) = &facts.subtitles {
        attribute(attr!("subs"), subtitles);
    }
    if let Some(group) = &release.release_group {
        attribute(attr!("team"), group);
    }
    if let Some(year) = facts.year {
        attribute(attr!("year"), &Digits::of(year.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Quality;
    use crate::release::facts::Facts;
    use crate::torrent::stub::base_hash;

    const TORZNAB: &str = "http://torznab.com/schemas/2015/feed";

    fn item(title: &str, size: u64, category: Category, categories: &[u32]) -> Item {
        Item {
            guid: base_hash(title, size),
            release: Release {
                id: "c:movie:1".into(),
                title: title.into(),
                filename: "p.avi".into(),
                category,
                size,
                imdb_id: None,
                tmdb_id: None,
                tvdb_id: None,
                quality: None,
                languages: Vec::new(),
                release_group: None,
                edition: None,
                media_info: None,
                series_title: None,
                season: None,
                episode: None,
                publish_date: None,
                air_date: None,
            },
            facts: Facts::default(),
            published: 0,
            categories: categories.to_vec(),
            seeders: 1,
        }
    }

    fn channel() -> Channel<'static> {
        Channel {
            title: "jackdaw",
            base: "http://jackdaw:5225/x",
            path: "/torznab/api",
            key: "k+y",
            offset: 200,
        }
    }

    fn page() -> Page {
        let title = "The.Matrix.1999.1080p.BluRay.x264-GROUP";
        let cats = [2000, 2040, 2050, 100_001, 100_002];
        let mut movie = item(title, 8 << 30, Category::Movies, &cats);
        movie.published = 1_750_000_000;
        movie.seeders = 2;
        movie.release.filename = "the matrix.mkv".into();
        movie.release.imdb_id = Some("tt0133093".into());
        movie.release.tmdb_id = Some(603);
        movie.release.tvdb_id = Some(0);
        movie.release.languages = vec!["English".into(), "French".into()];
        movie.release.release_group = Some("GROUP".into());
        movie.release.quality = Some(Quality {
            name: Some("Bluray-1080p".into()),
            source: Some("bluray".into()),
            resolution: Some(1080),
        });
        movie.release.media_info = Some(
            r#"{"audioBitrate":0,"audioChannels":5.1,"audioCodec":"DTS","videoCodec":"x264",
                "resolution":"1920x1080","subtitles":"eng/fre","x":{"y":[null]}}"#
                .into(),
        );
        movie.facts = Facts::of(&movie.release);

        let title = "Show & Tell - 2016-12-20 - Söme <\"Day\"> HDTV-720p";
        let mut episode = item(title, 1_500_000_000, Category::Tv, &[5000, 5040, 100_001]);
        episode.published = 1_482_192_000;
        episode.release.filename = "show.mkv".into();
        episode.release.imdb_id = Some("tt0115147".into());
        episode.release.tvdb_id = Some(71256);
        episode.release.season = Some(22);
        episode.release.episode = Some(42);
        episode.release.languages = vec!["Unknown".into(), "Original".into()];
        episode.facts = Facts::of(&episode.release);

        Page {
            items: vec![
                movie,
                episode,
                item("Nothing", 0, Category::Movies, &[2000]),
                item("Plain", 1, Category::Movies, &[2000, 2020, 2030]),
            ],
            total: 204,
        }
    }

    #[test]
    fn bytes_are_golden() {
        let expected = include_str!("../../tests/golden/torznab/feed.xml");
        let found = String::from_utf8(feed(&channel(), &page(), &[0, 2, 0, 0])).unwrap();
        assert_eq!(found, expected);
    }

    /// One item, as `TorznabRssParser` and its bases in Sonarr and Radarr see it.
    struct Seen {
        title: String,
        guid: String,
        published: SystemTime,
        url: String,
        attributes: Vec<(String, String)>,
    }

    impl Seen {
        /// The first one counts, names without case.
        fn attribute(&self, name: &str) -> Option<&str> {
            self.attributes
                .iter()
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        }
    }

    fn read_as_the_arrs_do(feed: &[u8]) -> Vec<Seen> {
        let text = std::str::from_utf8(feed).unwrap();
        let document = roxmltree::Document::parse(text).unwrap();
        let root = document.root_element();
        assert!(!root.descendants().any(|node| node.has_tag_name("error")));
        let channel = root
            .children()
            .find(|node| node.has_tag_name("channel"))
            .unwrap();
        channel
            .children()
            .filter(|node| node.has_tag_name("item"))
            .map(|item| {
                let one = |name: &str| {
                    let mut found = item.children().filter(|node| node.has_tag_name(name));
                    let node = found.next().unwrap_or_else(|| panic!("no {name}"));
                    assert!(found.next().is_none(), "{name}");
                    node
                };
                let enclosure = one("enclosure");
                assert_eq!(
                    enclosure.attribute("type"),
                    Some("application/x-bittorrent")
                );
                // Checks the weekday too.
                let date = one("pubDate").text().unwrap();
                assert!(date.ends_with(" GMT"));
                let attributes: Vec<_> = item
                    .children()
                    .filter(|node| node.has_tag_name((TORZNAB, "attr")))
                    .map(|node| {
                        let get = |name| node.attribute(name).unwrap().to_owned();
                        (get("name"), get("value"))
                    })
                    .collect();
                let seen = Seen {
                    title: one("title").text().unwrap_or("").to_owned(),
                    guid: one("guid").text().unwrap().to_owned(),
                    published: httpdate::parse_http_date(date).unwrap(),
                    url: enclosure.attribute("url").unwrap().to_owned(),
                    attributes,
                };
                for name in ["size", "seeders", "peers"] {
                    seen.attribute(name).unwrap().parse::<i64>().unwrap();
                }
                assert_eq!(seen.attribute("size"), enclosure.attribute("length"));
                assert_eq!(seen.attribute("magneturl"), None);
                assert_eq!(seen.attribute("infohash").unwrap().len(), 40);
                seen
            })
            .collect()
    }

    #[test]
    fn the_arrs_read_what_was_meant() {
        let page = page();
        let items = read_as_the_arrs_do(&feed(&channel(), &page, &[0, 2]));
        let titles: Vec<&str> = items.iter().map(|item| item.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "The.Matrix.1999.1080p.BluRay.x264-GROUP",
                "Show & Tell - 2016-12-20 - Söme <\"Day\"> HDTV-720p",
                "Plain"
            ]
        );
        let movie = &items[0];
        assert_eq!(movie.guid, page.items[0].guid.to_string());
        assert_eq!(
            movie.published,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000)
        );
        assert_eq!(
            movie.url,
            format!(
                "http://jackdaw:5225/x/torznab/download/{}.torrent?apikey=k%2By",
                movie.guid
            )
        );
        for (name, value) in [
            ("imdb", Some("0133093")),
            ("tmdbid", Some("603")),
            ("tvdbid", None),
            ("language", Some("English")),
            ("downloadvolumefactor", Some("0")),
            ("uploadvolumefactor", Some("1")),
        ] {
            assert_eq!(movie.attribute(name), value, "{name}");
        }
        assert_eq!(items[1].attribute("language"), None);
        // A later generation changes the hash of the stub, never guid and URL.
        assert_eq!(items[1].guid, page.items[1].guid.to_string());
        assert_ne!(items[1].attribute("infohash"), Some(&*items[1].guid));
    }

    #[test]
    fn an_empty_page_is_a_feed() {
        let bytes = feed(&channel(), &Page::default(), &[]);
        assert!(read_as_the_arrs_do(&bytes).is_empty());
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("<newznab:response offset=\"200\" total=\"0\"/>"));
    }

    #[test]
    fn dates_stay_within_four_digits_of_year() {
        let check = |seconds, expected: &str| assert_eq!(date(seconds), expected);
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"); // the example of RFC 9110 §5.6.7
        check(LAST_DATE, "Fri, 31 Dec 9999 23:59:59 GMT");
        check(u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn long_and_broken_words_of_friends_are_bounded() {
        let mut long = item("Long", 1, Category::Movies, &[2000]);
        long.release.release_group = Some("g".repeat(MAX_ATTRIBUTE + 1));
        long.release.languages = vec!["L".into(); MAX_LANGUAGES + 1];
        long.facts.video = Some("é".repeat(MAX_ATTRIBUTE + 1));
        let page = |item| Page {
            items: vec![item],
            total: 1,
        };
        let seen = &read_as_the_arrs_do(&feed(&channel(), &page(long.clone()), &[]))[0];
        assert_eq!(seen.attribute("team").unwrap().len(), MAX_ATTRIBUTE);
        let video = seen.attribute("video").unwrap();
        assert_eq!(video.chars().count(), MAX_ATTRIBUTE);
        let languages = seen
            .attributes
            .iter()
            .filter(|(name, _)| name == "language");
        assert_eq!(languages.count(), MAX_LANGUAGES);

        for empty in ["", " ", " \u{1}", "\u{fffe}\t"] {
            let mut item = item("Empty", 1, Category::Movies, &[2000]);
            item.facts.video = Some(empty.into());
            item.release.release_group = Some(empty.into());
            item.release.imdb_id = Some("tt0".into());
            let seen = &read_as_the_arrs_do(&feed(&channel(), &page(item), &[]))[0];
            for name in ["video", "team", "imdb", "imdbid"] {
                assert_eq!(seen.attribute(name), None, "{empty:?} {name}");
            }
        }
    }

    /// Whatever friends call their releases, the feed is well-formed and says it.
    #[test]
    fn any_text_gives_a_well_formed_feed() {
        let mut seed = 0x0DDB_1A5E_5BAD_5EEDu64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let pieces = [
            "]]>", "<!--", "&amp;", "&#0;", "\"", "'", "<", "\u{0}", "\u{fffe}", "🐦", "\r\n",
        ];
        let mut text = move || -> String {
            (0..next() % 12)
                .map(|_| match next() % 3 {
                    0 => pieces[(next() % pieces.len() as u64) as usize].to_owned(),
                    1 => String::from(char::from_u32(next() as u32 % 0x11_0000).unwrap_or('x')),
                    _ => String::from((next() % 0x80) as u8 as char),
                })
                .collect()
        };
        for _ in 0..2_000 {
            let mut hostile = item(&text(), 1 << 20, Category::Tv, &[5000]);
            hostile.release.filename = text();
            hostile.release.imdb_id = Some(text());
            hostile.release.release_group = Some(text());
            hostile.release.languages = vec![text(), text()];
            hostile.facts.video = Some(text());
            let title = hostile.release.title.clone();
            let (name, key) = (text(), text());
            let channel = Channel {
                title: &name,
                key: &key,
                ..channel()
            };
            let page = Page {
                items: vec![hostile],
                total: 1,
            };
            let seen = &read_as_the_arrs_do(&feed(&channel, &page, &[]))[0];
            let kept: String = title.chars().filter(|c| xml::is_allowed(*c)).collect();
            assert_eq!(seen.title, kept);
            assert!(seen.url.is_ascii());
        }
    }
}
