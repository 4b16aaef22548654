//! The parts of a `movieFile` or `episodeFile` object that a release needs.
//!
//! Read from raw JSON text field by field: `mediaInfo` passes through untouched, and no tree is
//! built of what is not wanted (images, custom formats, alternative titles).

use std::path::Path;

use crate::json;
use crate::release::{Category, Quality, Release};

/// A file of the library as the arr describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileRecord {
    /// The arr's number of the file.
    pub id: u64,
    /// Absolute, in the arr's view.
    pub path: String,
    /// Bytes, as the arr knows it.
    pub size: u64,
    /// ISO 8601.
    pub date_added: Option<String>,
    /// Scene name, if the release had one.
    pub scene_name: Option<String>,
    /// Release group.
    pub group: Option<String>,
    /// Edition; empty becomes `None`.
    pub edition: Option<String>,
    /// Language names.
    pub languages: Vec<String>,
    /// Quality.
    pub quality: Option<Quality>,
    /// `mediaInfo` as it stands.
    pub media_info: Option<String>,
}

impl FileRecord {
    /// Reads an object; `None` if it has no id, path or size.
    pub fn read(raw: &str) -> Option<FileRecord> {
        let mut record = FileRecord::default();
        let text = |raw: &str| json::as_string(raw).map(|text| text.into_owned());
        let filled = |raw: &str| text(raw).filter(|text| !text.trim().is_empty());
        json::fields(raw, |key, raw| match key {
            "id" => record.id = json::as_u64(raw).unwrap_or(0),
            "path" => record.path = text(raw).unwrap_or_default(),
            "size" => record.size = json::as_u64(raw).unwrap_or(0),
            "dateAdded" => record.date_added = filled(raw),
            "sceneName" => record.scene_name = filled(raw),
            "releaseGroup" => record.group = filled(raw),
            "edition" => record.edition = filled(raw),
            "languages" => {
                json::elements(raw, |language| {
                    json::fields(language, |key, raw| {
                        if key == "name"
                            && let Some(name) = filled(raw)
                            && name != "Unknown"
                        {
                            record.languages.push(name);
                        }
                    });
                });
            }
            "quality" => {
                json::fields(raw, |key, raw| {
                    if key == "quality" {
                        record.quality = quality(raw);
                    }
                });
            }
            "mediaInfo" if raw.starts_with('{') => record.media_info = Some(raw.to_owned()),
            _ => {}
        });
        (record.id > 0 && !record.path.is_empty() && record.size > 0).then_some(record)
    }

    /// Base name with extension.
    pub fn filename(&self) -> &str {
        filename(&self.path)
    }

    /// Base name without extension.
    pub fn stem(&self) -> &str {
        Path::new(self.filename())
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("")
    }

    /// A release of this file, without ids.
    pub fn release(&self, id: String, title: String, category: Category, size: u64) -> Release {
        Release {
            id,
            title,
            filename: self.filename().to_owned(),
            category,
            size,
            imdb_id: None,
            tmdb_id: None,
            tvdb_id: None,
            quality: self.quality.clone(),
            languages: self.languages.clone(),
            release_group: self.group.clone(),
            edition: self.edition.clone(),
            media_info: self.media_info.clone(),
            series_title: None,
            season: None,
            episode: None,
            publish_date: self.date_added.clone(),
            air_date: None,
        }
    }
}

/// Base name of a path of the arr's, which may have separators of either kind.
pub fn filename(path: &str) -> &str {
    let separators: &[char] = match path.starts_with('/') {
        true => &['/'],
        false => &['/', '\\'],
    };
    path.rsplit(separators).next().unwrap_or("")
}

fn quality(raw: &str) -> Option<Quality> {
    let mut quality = Quality::default();
    let is_object = json::fields(raw, |key, raw| match key {
        "name" => quality.name = json::as_string(raw).map(|text| text.into_owned()),
        "source" => quality.source = json::as_string(raw).map(|text| text.into_owned()),
        "resolution" => {
            quality.resolution = json::as_u64(raw)
                .and_then(|lines| u32::try_from(lines).ok())
                .filter(|lines| *lines > 0);
        }
        _ => {}
    });
    (is_object && quality != Quality::default()).then_some(quality)
}

/// A positive number; the arr writes 0 for an id that it does not know.
pub fn positive(raw: &str) -> Option<u64> {
    json::as_u64(raw).filter(|number| *number > 0)
}

/// The `title` of each object in an array (`alternateTitles`).
pub fn titles(raw: &str, into: &mut Vec<String>) {
    json::elements(raw, |entry| {
        json::fields(entry, |key, raw| {
            if key == "title"
                && let Some(title) = json::as_string(raw)
            {
                into.push(title.into_owned());
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_what_a_release_needs() {
        // Shape: Radarr 6 MovieFileResource, quality and languages as its v3 API nests them.
        let raw = r#"{"id":7,"movieId":1,"relativePath":"a.mkv","path":"/movies/A (1999)/a.mkv","size":5000000000,
            "dateAdded":"2026-01-02T03:04:05Z","sceneName":null,"releaseGroup":"GRP","edition":"",
            "languages":[{"id":1,"name":"English"},{"id":0,"name":"Unknown"}],
            "quality":{"quality":{"id":7,"name":"Bluray-1080p","source":"bluray","resolution":1080,"modifier":"none"},"revision":{"version":1}},
            "mediaInfo":{"audioChannels":5.1,"videoCodec":"x264"},"customFormats":[]}"#;
        let record = FileRecord::read(raw).unwrap();
        assert_eq!((record.filename(), record.stem()), ("a.mkv", "a"));
        assert_eq!(record.size, 5_000_000_000);
        assert_eq!(record.edition, None);
        assert_eq!(record.languages, ["English"]);
        assert_eq!(record.quality.as_ref().unwrap().resolution, Some(1080));
        assert_eq!(
            record.media_info.as_deref(),
            Some(r#"{"audioChannels":5.1,"videoCodec":"x264"}"#)
        );
    }

    #[test]
    fn what_is_no_file_is_none() {
        for raw in [
            "null",
            "{}",
            "[]",
            r#"{"id":1,"path":"","size":1}"#,
            r#"{"id":1,"path":"/a","size":null}"#,
            r#"{"id":0,"path":"/a","size":1}"#,
        ] {
            assert_eq!(FileRecord::read(raw), None, "{raw}");
        }
    }
}
