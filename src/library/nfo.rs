//! Kodi's `.nfo` files: ids, title, year and numbering beside a video.
//!
//! A tiny scan, not an XML parser: it walks over tags in a bounded text, keeps the depth, and
//! looks only at direct children of `<movie>`, `<tvshow>` and `<episodedetails>` (an actor can
//! have a `<tmdbid>` too). What is malformed gives less, never an error. A file without XML, or
//! with text after it, may hold links to the databases' pages instead (Kodi calls both forms
//! valid, kodi.wiki/view/NFO_files); scene `.nfo` art is such a file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::naming::{self, Tags};

/// How much of a file is looked at. Kodi writes ids before the actors; even a show with hundreds
/// of actors stays below this.
const MAX_BYTES: u64 = 512 * 1024;

/// Most episodes in one file (Kodi writes one after the other for a multi-episode video).
const MAX_EPISODES: usize = 30;

/// Longest entity with its signs, such as `&#x0010FFFF;`. Looking further for the end of each of
/// half a million `&` would take a minute.
const MAX_ENTITY: usize = 12;

/// What an `.nfo` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nfo {
    /// `<movie>` or `<tvshow>` ids, or those of links. An episode's own ids are not kept: ours
    /// are those of the series.
    pub ids: Tags,
    /// Title of the movie or show.
    pub title: Option<String>,
    /// Year of the movie.
    pub year: Option<u32>,
    /// Season and episode of each `<episodedetails>`.
    pub episodes: Vec<(u32, u32)>,
    /// `<aired>` of the first.
    pub aired: Option<String>,
}

/// Reads a file; one that is missing, or is no plain file, is `None`.
pub fn read(path: &Path) -> io::Result<Option<Nfo>> {
    let mut bytes = Vec::new();
    // Without blocking: opening a named pipe would wait for a writer, for ever.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    match File::options().read(true).custom_flags(flags).open(path) {
        Ok(file) if file.metadata()?.is_file() => file.take(MAX_BYTES).read_to_end(&mut bytes)?,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Scene art is often in an old code page; ids and links are ASCII in any of them.
    Ok(Some(parse(&String::from_utf8_lossy(&bytes))))
}

/// Reads a text.
pub fn parse(text: &str) -> Nfo {
    let mut nfo = Nfo::default();
    let mut scan = Scan { rest: text };
    let mut path: Vec<String> = Vec::new();
    let mut episode = Episode::default();
    let mut id_type = None;
    let mut value = String::new();
    while let Some(piece) = scan.next() {
        match piece {
            Piece::Text(text) if path.len() == 2 => value.push_str(&unescape(text)),
            Piece::Text(_) => {}
            Piece::Raw(text) if path.len() == 2 => value.push_str(text),
            Piece::Raw(_) => {}
            Piece::Open { name, attributes } => {
                if path.len() == 1 {
                    value.clear();
                    id_type = attribute(attributes, "type");
                }
                path.push(name.to_ascii_lowercase());
            }
            Piece::Close => {
                if let [root, field] = path.as_slice() {
                    nfo.take(root, field, id_type.as_deref(), value.trim(), &mut episode);
                } else if let [root] = path.as_slice()
                    && root == "episodedetails"
                {
                    nfo.episode(std::mem::take(&mut episode));
                }
                path.pop();
            }
        }
    }
    let links = links(text);
    let found = std::mem::take(&mut nfo.ids);
    nfo.ids = found.or(&links);
    nfo
}

#[derive(Default)]
struct Episode {
    season: Option<u32>,
    number: Option<u32>,
}

impl Nfo {
    fn take(
        &mut self,
        root: &str,
        field: &str,
        id_type: Option<&str>,
        value: &str,
        episode: &mut Episode,
    ) {
        let small = || value.parse::<u32>().ok();
        if root == "episodedetails" {
            match field {
                "season" => episode.season = small(),
                "episode" => episode.number = small(),
                "aired" if self.aired.is_none() => {
                    self.aired = naming::air_date(value).map(|(date, _)| date);
                }
                _ => {}
            }
            return;
        }
        if root != "movie" && root != "tvshow" {
            return;
        }
        match (field, id_type) {
            ("uniqueid", Some("imdb")) | ("imdbid" | "imdb_id", _) => self.imdb(value),
            ("uniqueid", Some("tmdb")) | ("tmdbid", _) => {
                self.ids.tmdb = self.ids.tmdb.or_else(|| naming::number(value));
            }
            ("uniqueid", Some("tvdb")) | ("tvdbid", _) => self.tvdb(value),
            // Kodi's old `<id>`: IMDb of a movie, TheTVDB of a show.
            ("id", _) if value.starts_with("tt") => self.imdb(value),
            ("id", _) if root == "tvshow" => self.tvdb(value),
            ("title", _) if self.title.is_none() && !value.is_empty() => {
                self.title = Some(value.to_owned());
            }
            ("year", _) => self.year = self.year.or_else(|| small().filter(is_year)),
            ("premiered", _) => {
                let year = value.get(..4).and_then(|year| year.parse().ok());
                self.year = self.year.or(year.filter(is_year));
            }
            _ => {}
        }
    }

    fn imdb(&mut self, value: &str) {
        if value.starts_with("tt") && self.ids.imdb.is_none() {
            self.ids.imdb = naming::imdb(value);
        }
    }

    fn tvdb(&mut self, value: &str) {
        self.ids.tvdb = self.ids.tvdb.or_else(|| naming::number(value));
    }

    fn episode(&mut self, episode: Episode) {
        if let (Some(season), Some(number)) = (episode.season, episode.number)
            && self.episodes.len() < MAX_EPISODES
        {
            self.episodes.push((season, number));
        }
    }
}

fn is_year(year: &u32) -> bool {
    (1900..2100).contains(year)
}

/// Ids in links such as `https://www.imdb.com/title/tt0133093/`.
fn links(text: &str) -> Tags {
    let after = |mark: &str| {
        text.match_indices(mark)
            .map(|(at, _)| &text[at + mark.len()..])
            .find_map(|rest| {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric())
                    .unwrap_or(rest.len());
                (end > 0).then(|| &rest[..end])
            })
    };
    let number = |mark: &str| {
        let digits = after(mark)?;
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        naming::number(&digits[..end])
    };
    Tags {
        imdb: after("imdb.com/title/")
            .filter(|id| id.starts_with("tt"))
            .and_then(naming::imdb),
        tmdb: number("themoviedb.org/movie/").or_else(|| number("themoviedb.org/tv/")),
        tvdb: text
            .contains("thetvdb.com/")
            .then(|| number("series&id=").or_else(|| number("?id=")))
            .flatten(),
    }
}

/// A piece of XML-like text.
enum Piece<'a> {
    Open {
        name: &'a str,
        attributes: &'a str,
    },
    Close,
    Text(&'a str),
    /// CDATA: as it stands.
    Raw(&'a str),
}

struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    /// The next piece; an element that closes itself is passed over. Ends at the first flaw.
    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(tagged) = self.rest.strip_prefix('<') else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                return Some(Piece::Text(self.cut(end)));
            };
            if let Some(body) = tagged.strip_prefix("!--") {
                self.rest = after(body, "-->")?;
            } else if let Some(body) = tagged.strip_prefix("![CDATA[") {
                self.rest = after(body, "]]>")?;
                return Some(Piece::Raw(&body[..body.find("]]>")?]));
            } else if tagged.starts_with(['!', '?']) {
                self.rest = after(tagged, ">")?;
            } else {
                let end = tag_end(tagged)?;
                let tag = &tagged[..end];
                self.rest = &tagged[end + 1..];
                if tag.starts_with('/') {
                    return Some(Piece::Close);
                }
                if tag.ends_with('/') {
                    continue;
                }
                let name_end = tag.find(char::is_whitespace).unwrap_or(tag.len());
                let (name, attributes) = tag.split_at(name_end);
                return Some(Piece::Open { name, attributes });
            }
        }
    }

    fn cut(&mut self, end: usize) -> &'a str {
        let (head, tail) = self.rest.split_at(end);
        self.rest = tail;
        head
    }
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.find(mark).map(|at| &text[at + mark.len()..])
}

/// Index of the `>` that ends a tag; one in a quoted attribute does not.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    tag.bytes().position(|byte| match (quote, byte) {
        (None, b'>') => true,
        (None, b'"' | b'\'') => {
            quote = Some(byte);
            false
        }
        (Some(open), byte) if open == byte => {
            quote = None;
            false
        }
        _ => false,
    })
}

/// An attribute's value in lower case.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        let at = rest.find(name)?;
        let is_whole = rest[..at].ends_with(char::is_whitespace);
        rest = &rest[at + name.len()..];
        let Some(value) = rest.trim_start().strip_prefix('=').filter(|_| is_whole) else {
            continue;
        };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, _) = value[1..].split_once(quote)?;
        return Some(value.trim().to_ascii_lowercase());
    }
}

/// XML's five named entities and numeric ones; anything else stays as it is.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(MAX_ENTITY).position(|byte| byte == b';');
        let entity = end.map(|end| &rest[1..end]);
        let char = entity.and_then(|entity| match entity {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => {
                let number = entity.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)
            }
        });
        match (char, entity) {
            (Some(char), Some(entity)) => {
                out.push(char);
                rest = &rest[entity.len() + 2..];
            }
            _ => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(imdb: Option<&str>, tmdb: Option<u64>, tvdb: Option<u64>) -> Tags {
        Tags {
            imdb: imdb.map(str::to_owned),
            tmdb,
            tvdb,
        }
    }

    /// The layout of Kodi 20's exports (kodi.wiki/view/NFO_files/Movies).
    const MOVIE: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>
<!-- <id>tt0000001</id> -->
<movie>
    <title>Fast &amp; Loose &#x2014; <![CDATA[<Uncut>]]></title>
    <originaltitle>Other</originaltitle>
    <ratings><rating name="imdb" max="10" default="true"><value>8.2</value></rating></ratings>
    <uniqueid default="true" type="tmdb">603</uniqueid>
    <uniqueid type='IMDB'>tt0133093</uniqueid>
    <thumb aspect="poster" preview="a>b"/>
    <premiered>1999-03-31</premiered>
    <actor><name>A</name><tmdbid>6384</tmdbid><imdbid>tt9999999</imdbid><title>x</title></actor>
</movie>"#;

    #[test]
    fn entities_are_short() {
        assert_eq!(unescape("&#x0010FFFF;&amp;&"), "\u{10ffff}&&");
        assert_eq!(unescape("&#00000000065;"), "&#00000000065;");
        let many = "&".repeat(MAX_BYTES as usize);
        assert_eq!(unescape(&many), many);
    }

    #[test]
    fn a_movie() {
        let nfo = parse(MOVIE);
        assert_eq!(nfo.ids, ids(Some("tt0133093"), Some(603), None));
        assert_eq!(nfo.title.as_deref(), Some("Fast & Loose \u{2014} <Uncut>"));
        assert_eq!(nfo.year, Some(1999));
    }

    #[test]
    fn ids_in_every_form() {
        let check = |text: &str, expected: Tags| assert_eq!(parse(text).ids, expected, "{text}");
        let matrix = Some("tt0133093");
        check("<movie><id>tt0133093</id></movie>", ids(matrix, None, None));
        check("<movie><id>603</id></movie>", Tags::default());
        check(
            "<movie><imdbid>tt0133093</imdbid><tmdbid>603</tmdbid></movie>",
            ids(matrix, Some(603), None),
        );
        check(
            "<tvshow><id>81189</id></tvshow>",
            ids(None, None, Some(81_189)),
        );
        check(
            "<tvshow><tvdbid>81189</tvdbid><id>tt0903747</id></tvshow>",
            ids(Some("tt0903747"), None, Some(81_189)),
        );
        check("<movie><uniqueid>603</uniqueid></movie>", Tags::default());
        check(
            "<movie><uniqueid mytype=\"tmdb\">603</uniqueid></movie>",
            Tags::default(),
        );
        check(
            "<movie><uniqueid type=\"imdb\">603</uniqueid></movie>",
            Tags::default(),
        );
        check(
            "https://www.imdb.com/title/tt0133093/",
            ids(matrix, None, None),
        );
        check(
            "░▒ art ▒░ http://imdb.com/title/tt0133093?x ▒",
            ids(matrix, None, None),
        );
        check(
            "https://www.themoviedb.org/movie/603-the-matrix",
            ids(None, Some(603), None),
        );
        check(
            "https://thetvdb.com/?tab=series&id=81189",
            ids(None, None, Some(81_189)),
        );
        check(
            "<movie><title>x</title></movie>\nhttps://www.imdb.com/title/tt0133093",
            ids(matrix, None, None),
        );
        check(
            "imdb.com/title/nm0000206 themoviedb.org/movie/ ?id=5",
            Tags::default(),
        );
    }

    #[test]
    fn episodes_have_numbers_but_no_ids() {
        let text = "<episodedetails><title>A</title><season>1</season><episode>2</episode>\
                    <uniqueid type=\"tvdb\">4</uniqueid><id>5</id><aired>2008-01-27</aired>\
                    </episodedetails><episodedetails><season>1</season><episode>3</episode>\
                    </episodedetails><episodedetails><season>1</season></episodedetails>";
        let nfo = parse(text);
        assert_eq!(nfo.episodes, [(1, 2), (1, 3)]);
        assert_eq!(nfo.aired.as_deref(), Some("2008-01-27"));
        assert_eq!(nfo.ids, Tags::default());
        assert_eq!(nfo.title, None);
        let many = "<episodedetails><season>1</season><episode>1</episode></episodedetails>";
        let nfo = parse(&many.repeat(MAX_EPISODES + 1));
        assert_eq!(nfo.episodes.len(), MAX_EPISODES);
    }

    #[test]
    fn truncated_and_random_text_never_panics() {
        for length in 0..MOVIE.len() {
            if MOVIE.is_char_boundary(length) {
                let _ = parse(&MOVIE[..length]);
            }
        }
        const PIECES: &[&str] = &[
            "<",
            ">",
            "/",
            "</",
            "<movie>",
            "</movie>",
            "<id>",
            "</id>",
            "tt1",
            "&",
            ";",
            "&#",
            "x",
            "&amp;",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<?",
            "?>",
            "\"",
            "'",
            "type=",
            " ",
            "é",
            "imdb.com/title/",
            "series&id=",
            "thetvdb.com/",
            "<episodedetails>",
            "99999999999",
        ];
        let mut state = 0xfeed_beefu64;
        let mut below = |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % bound as u64) as usize
        };
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..below(16) {
                text.push_str(PIECES[below(PIECES.len())]);
            }
            let _ = parse(&text);
        }
    }

    #[test]
    fn only_the_beginning_of_a_file_is_read() {
        let name = format!("jackdaw-nfo-{}", crate::secret::random_hex::<8>());
        let path = std::env::temp_dir().join(name);
        let mut text = "x".repeat(MAX_BYTES as usize);
        std::fs::write(&path, &text).unwrap();
        text.push_str("https://www.imdb.com/title/tt0133093/");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(read(&path).unwrap(), Some(Nfo::default()));
        std::fs::write(&path, MOVIE).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().year, Some(1999));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }

    #[test]
    fn what_is_no_plain_file_is_not_waited_for() {
        let name = format!("jackdaw-nfo-{}", crate::secret::random_hex::<8>());
        let path = std::env::temp_dir().join(name);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        std::fs::remove_dir(&path).unwrap();
    }
}
