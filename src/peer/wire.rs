//! JSON form of a release (peer protocol 0.1.0, as spoken by jack's `lib/release.ts`).
//!
//! Writing: keys in the order of the protocol's table, absent values left out, never `null` (jack
//! rejects a whole answer for one null). `mediaInfo` is passed through as the raw text it came as.
//! Reading: unknown keys are ignored, null is absent, a wrong type in an optional key is absent
//! too; what is needed to offer and to download a release (id, title, file name, category, size)
//! must be sound, or this one release is refused with a reason. The absolute path of a file has no
//! place here.

use crate::json::{self, Object};
use crate::release::{Category, Quality, Release, imdb_number};

/// Longest id, title or file name in bytes. File systems stop at 255; the rest is room for
/// friends' own ways of making ids.
pub const MAX_NAME: usize = 1024;

/// Most languages kept of one release: a file has audio tracks, not a list of the world.
const MAX_LANGUAGES: usize = 32;

/// Appends the JSON object of `release`.
pub fn write(release: &Release, out: &mut String) {
    let mut object = Object::begin(out)
        .string("id", &release.id)
        .string("title", &release.title)
        .string("filename", &release.filename)
        .number("category", release.category.number())
        .number("size", release.size)
        .maybe_string("imdbId", release.imdb_id.as_deref())
        .maybe_number("tmdbId", release.tmdb_id)
        .maybe_number("tvdbId", release.tvdb_id);
    if let Some(quality) = release
        .quality
        .as_ref()
        .filter(|q| **q != Quality::default())
    {
        let mut text = String::new();
        Object::begin(&mut text)
            .maybe_string("name", quality.name.as_deref())
            .maybe_string("source", quality.source.as_deref())
            .maybe_number("resolution", quality.resolution)
            .end();
        object = object.raw("quality", &text);
    }
    if !release.languages.is_empty() {
        object = object.strings("languages", &release.languages);
    }
    object = object
        .maybe_string("releaseGroup", release.release_group.as_deref())
        .maybe_string("edition", release.edition.as_deref());
    if let Some(media_info) = &release.media_info {
        object = object.raw("mediaInfo", media_info);
    }
    object
        .maybe_string("seriesTitle", release.series_title.as_deref())
        .maybe_number("season", release.season)
        .maybe_number("episode", release.episode)
        .maybe_string("publishDate", release.publish_date.as_deref())
        .maybe_string("airDate", release.air_date.as_deref())
        .end();
}

/// Reads one release from the text of its JSON object, which must be sound JSON (as
/// [`json::read_items`] gives it, or after [`json::check`]). The error is the reason for refusal, without the
/// friend's name, as half a sentence: `has no title`.
pub fn read(text: &str) -> Result<Release, String> {
    let mut found = Found::default();
    if !json::fields(text, |key, raw| found.take(key, raw)) {
        return Err("is not an object".into());
    }
    found.release()
}

/// Why no friend could accept a file of this name; `None` if it is a plain base name.
pub fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name == "." || name == ".." {
        Some("is a folder's")
    } else if name.contains(['/', '\\']) {
        Some("has a path separator in it")
    } else if name.chars().any(char::is_control) {
        Some("has a control character in it")
    } else if name.len() > MAX_NAME {
        Some("is too long")
    } else {
        None
    }
}

/// The fields of a release as they come.
#[derive(Default)]
struct Found<'a> {
    id: Option<String>,
    title: Option<String>,
    filename: Option<String>,
    category: Option<u64>,
    size: Option<&'a str>,
    imdb_id: Option<String>,
    tmdb_id: Option<u64>,
    tvdb_id: Option<u64>,
    quality: Option<Quality>,
    languages: Vec<String>,
    release_group: Option<String>,
    edition: Option<String>,
    media_info: Option<&'a str>,
    series_title: Option<String>,
    season: Option<u32>,
    episode: Option<u32>,
    publish_date: Option<String>,
    air_date: Option<String>,
}

impl<'a> Found<'a> {
    fn take(&mut self, key: &str, raw: &'a str) {
        let slot = match key {
            "id" => &mut self.id,
            "title" => &mut self.title,
            "filename" => &mut self.filename,
            "imdbId" => &mut self.imdb_id,
            "releaseGroup" => &mut self.release_group,
            "edition" => &mut self.edition,
            "seriesTitle" => &mut self.series_title,
            "publishDate" => &mut self.publish_date,
            "airDate" => &mut self.air_date,
            _ => return self.take_other(key, raw),
        };
        *slot = string(raw);
    }

    fn take_other(&mut self, key: &str, raw: &'a str) {
        match key {
            "category" => self.category = json::as_u64(raw),
            "size" => self.size = Some(raw),
            // 0 is how an arr writes an id that it does not know.
            "tmdbId" => self.tmdb_id = json::as_u64(raw).filter(|id| *id != 0),
            "tvdbId" => self.tvdb_id = json::as_u64(raw).filter(|id| *id != 0),
            "season" => self.season = small(raw),
            "episode" => self.episode = small(raw),
            "mediaInfo" => self.media_info = Some(raw).filter(|raw| raw.starts_with('{')),
            "quality" => self.quality = quality(raw),
            "languages" => {
                self.languages.clear();
                json::elements(raw, |raw| {
                    if self.languages.len() < MAX_LANGUAGES {
                        self.languages.extend(string(raw));
                    }
                });
            }
            _ => {}
        }
    }

    fn release(self) -> Result<Release, String> {
        let id = self.id.ok_or("has no id")?;
        if id.len() > MAX_NAME {
            return Err("has an id that is too long".into());
        }
        let name = |what| format!("{id:?} {what}");
        let title = self.title.ok_or_else(|| name("has no title"))?;
        if title.len() > MAX_NAME || title.chars().any(char::is_control) {
            return Err(name(
                "has a title that is too long or has a control character in it",
            ));
        }
        let filename = self.filename.ok_or_else(|| name("has no file name"))?;
        if let Some(problem) = name_problem(&filename) {
            return Err(name(&format!("has a file name that {problem}")));
        }
        let category = self
            .category
            .and_then(Category::from_number)
            .ok_or_else(|| name("has a category that is neither 2000 nor 5000"))?;
        // Radarr and Sonarr keep sizes as signed 64-bit numbers.
        let size = self
            .size
            .and_then(json::as_u64)
            .filter(|size| i64::try_from(*size).is_ok())
            .ok_or_else(|| name("has no size in whole bytes"))?;
        Ok(Release {
            title,
            filename,
            category,
            size,
            imdb_id: self.imdb_id.filter(|id| imdb_number(id).is_some()),
            tmdb_id: self.tmdb_id,
            tvdb_id: self.tvdb_id,
            quality: self.quality,
            languages: self.languages,
            release_group: self.release_group,
            edition: self.edition,
            media_info: self.media_info.map(str::to_owned),
            series_title: self.series_title,
            season: self.season,
            episode: self.episode,
            publish_date: self.publish_date,
            air_date: self.air_date,
            id,
        })
    }
}

/// A string that is not blank.
fn string(raw: &str) -> Option<String> {
    json::as_string(raw)
        .filter(|text| !text.trim().is_empty())
        .map(|text| text.into_owned())
}

fn small(raw: &str) -> Option<u32> {
    json::as_u64(raw).and_then(|number| u32::try_from(number).ok())
}

fn quality(raw: &str) -> Option<Quality> {
    let mut quality = Quality::default();
    json::fields(raw, |key, raw| match key {
        "name" => quality.name = string(raw),
        "source" => quality.source = string(raw),
        "resolution" => quality.resolution = small(raw).filter(|lines| *lines != 0),
        _ => {}
    });
    (quality != Quality::default()).then_some(quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key, as jack's `lib/release.ts` declares them, in its order; `airDate` is ours.
    const FULL: &str = concat!(
        r#"{"id":"radarr-1:movie:7:x","title":"The.Matrix.1999.1080p.BluRay.x264-GRP","#,
        r#""filename":"The.Matrix.1999.1080p.BluRay.x264-GRP.mkv","category":2000,"#,
        r#""size":5368709121,"imdbId":"tt0133093","tmdbId":603,"tvdbId":81189,"#,
        r#""quality":{"name":"Bluray-1080p","source":"bluray","resolution":1080},"#,
        r#""languages":["English","French"],"releaseGroup":"GRP","edition":"Director's Cut","#,
        r#""mediaInfo":{"audioChannels":5.1, "x":[null,"\u00e9"]},"seriesTitle":"Say \"it\"","#,
        r#""season":0,"episode":3,"publishDate":"2024-05-01T10:00:00Z","airDate":"2024-05-01"}"#
    );

    fn with(change: &str) -> Result<Release, String> {
        // A later field of the same name wins, so the change is appended.
        let base =
            r#"{"id":"c:movie:1","title":"T.2000","filename":"T.mkv","category":2000,"size":5"#;
        let text = format!("{base},{change}}}");
        json::check(&text).unwrap();
        read(&text)
    }

    #[test]
    fn everything_survives_byte_for_byte() {
        let release = read(FULL).unwrap();
        let mut out = String::new();
        write(&release, &mut out);
        assert_eq!(out, FULL);
        assert_eq!(release.size, 5_368_709_121);
        assert_eq!(release.season, Some(0));
    }

    #[test]
    fn absent_keys_are_absent() {
        let release = with(r#""quality":{},"languages":[]"#).unwrap();
        let mut out = String::new();
        write(&release, &mut out);
        assert_eq!(
            out,
            r#"{"id":"c:movie:1","title":"T.2000","filename":"T.mkv","category":2000,"size":5}"#
        );
    }

    #[test]
    fn null_and_wrong_types_in_optional_keys_are_absent() {
        let bare = with(r#""unknown":{"id":7}"#).unwrap();
        for key in [
            "imdbId",
            "tmdbId",
            "tvdbId",
            "quality",
            "languages",
            "releaseGroup",
            "edition",
            "mediaInfo",
            "seriesTitle",
            "season",
            "episode",
            "publishDate",
            "airDate",
        ] {
            for value in ["null", "true", "-1", "\"\"", "[null]", "1.5"] {
                let change = format!("\"{key}\":{value}");
                assert_eq!(with(&change).unwrap(), bare, "{change}");
            }
        }
        assert_eq!(with(r#""tvdbId":0"#).unwrap(), bare);
        assert_eq!(with(r#""tmdbId":603.0"#).unwrap().tmdb_id, Some(603));
    }

    #[test]
    fn unsound_releases_are_refused_with_a_reason() {
        for (change, reason) in [
            (r#""id":null"#, "has no id"),
            (r#""id":7"#, "has no id"),
            (r#""title":null"#, "\"c:movie:1\" has no title"),
            (r#""title":"  ""#, "\"c:movie:1\" has no title"),
            (
                r#""title":"a\nb""#,
                "\"c:movie:1\" has a title that is too long or has a control character in it",
            ),
            (r#""filename":null"#, "\"c:movie:1\" has no file name"),
            (
                r#""filename":"../x.mkv""#,
                "\"c:movie:1\" has a file name that has a path separator in it",
            ),
            (
                r#""filename":"a\\b.mkv""#,
                "\"c:movie:1\" has a file name that has a path separator in it",
            ),
            (
                r#""filename":"..""#,
                "\"c:movie:1\" has a file name that is a folder's",
            ),
            (
                r#""filename":"a\u0000.mkv""#,
                "\"c:movie:1\" has a file name that has a control character in it",
            ),
            (
                r#""category":2040"#,
                "\"c:movie:1\" has a category that is neither 2000 nor 5000",
            ),
            (r#""size":null"#, "\"c:movie:1\" has no size in whole bytes"),
            (r#""size":-5"#, "\"c:movie:1\" has no size in whole bytes"),
            (r#""size":5.5"#, "\"c:movie:1\" has no size in whole bytes"),
            (r#""size":"5""#, "\"c:movie:1\" has no size in whole bytes"),
            (r#""size":1e30"#, "\"c:movie:1\" has no size in whole bytes"),
            (
                r#""size":9223372036854775808"#,
                "\"c:movie:1\" has no size in whole bytes",
            ),
        ] {
            assert_eq!(with(change).unwrap_err(), reason, "{change}");
        }
        assert_eq!(read("[]").unwrap_err(), "is not an object");
        let long = format!("\"filename\":\"{}\"", "x".repeat(MAX_NAME + 1));
        assert!(with(&long).unwrap_err().ends_with("is too long"));
        let fits = format!("\"filename\":\"{}\"", "x".repeat(MAX_NAME));
        assert!(with(&fits).is_ok());
    }

    #[test]
    fn languages_are_bounded() {
        let many = vec!["\"English\""; MAX_LANGUAGES + 1].join(",");
        let release = with(&format!("\"languages\":[{many}]")).unwrap();
        assert_eq!(release.languages.len(), MAX_LANGUAGES);
    }
}
