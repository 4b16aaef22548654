//! The form in which a release is kept in a row of the database, and its digest.
//!
//! A version byte, then fields: a tag byte, then a number (LEB128) or a text (length in LEB128,
//! then UTF-8). Absent fields are absent. The id is a column of its own and not repeated here.
//! This is ours alone: nothing on any wire looks like it. It is read a hundred times for a page of
//! the feed, which is why it is not JSON. A record of another version or a damaged one is `None`;
//! its digest differs then as well, so that the next refresh writes the row anew.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::release::facts::Facts;
use crate::release::{Category, Quality, Release};

/// First byte of every record; changes with the meaning of the tags. A new one needs a migration
/// that clears `origin.etag`, for a friend that answers 304 would never have its rows rewritten. A
/// tag that is only added needs none if a record without it is still understood.
const VERSION: u8 = 1;

const TITLE: u8 = 1;
const FILENAME: u8 = 2;
const CATEGORY: u8 = 3;
const SIZE: u8 = 4;
const IMDB: u8 = 5;
const TMDB: u8 = 6;
const TVDB: u8 = 7;
const QUALITY: u8 = 8;
const QUALITY_NAME: u8 = 9;
const QUALITY_SOURCE: u8 = 10;
const QUALITY_RESOLUTION: u8 = 11;
const LANGUAGE: u8 = 12;
const GROUP: u8 = 13;
const EDITION: u8 = 14;
const MEDIA_INFO: u8 = 15;
const SERIES: u8 = 16;
const SEASON: u8 = 17;
const EPISODE: u8 = 18;
const PUBLISHED: u8 = 19;
const AIRED: u8 = 20;
const RESOLUTION: u8 = 21;
const VIDEO: u8 = 22;
const AUDIO: u8 = 23;
const SUBTITLES: u8 = 24;
const YEAR: u8 = 25;

/// The record of a friend's release, with its facts in place of its media info: all that is wanted
/// of it again, and a quarter of the size.
pub fn encode_offer(release: &Release, facts: &Facts) -> Vec<u8> {
    let mut out = encode_without_media_info(release);
    text(&mut out, RESOLUTION, facts.resolution.as_deref());
    text(&mut out, VIDEO, facts.video.as_deref());
    text(&mut out, AUDIO, facts.audio.as_deref());
    text(&mut out, SUBTITLES, facts.subtitles.as_deref());
    number(&mut out, YEAR, facts.year);
    out
}

/// The record of a release of ours: all that friends are told.
pub fn encode(release: &Release) -> Vec<u8> {
    let mut out = encode_without_media_info(release);
    text(&mut out, MEDIA_INFO, release.media_info.as_deref());
    out
}

fn encode_without_media_info(release: &Release) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.push(VERSION);
    text(&mut out, TITLE, Some(&release.title));
    text(&mut out, FILENAME, Some(&release.filename));
    number(&mut out, CATEGORY, Some(release.category.number()));
    number(&mut out, SIZE, Some(release.size));
    text(&mut out, IMDB, release.imdb_id.as_deref());
    number(&mut out, TMDB, release.tmdb_id);
    number(&mut out, TVDB, release.tvdb_id);
    if let Some(quality) = &release.quality {
        number(&mut out, QUALITY, Some(1u32));
        text(&mut out, QUALITY_NAME, quality.name.as_deref());
        text(&mut out, QUALITY_SOURCE, quality.source.as_deref());
        number(&mut out, QUALITY_RESOLUTION, quality.resolution);
    }
    for language in &release.languages {
        text(&mut out, LANGUAGE, Some(language));
    }
    text(&mut out, GROUP, release.release_group.as_deref());
    text(&mut out, EDITION, release.edition.as_deref());
    text(&mut out, SERIES, release.series_title.as_deref());
    number(&mut out, SEASON, release.season);
    number(&mut out, EPISODE, release.episode);
    text(&mut out, PUBLISHED, release.publish_date.as_deref());
    text(&mut out, AIRED, release.air_date.as_deref());
    out
}

/// The release of a record; `None` if the bytes are not one of this version.
pub fn decode(id: &str, record: &[u8]) -> Option<Release> {
    read(id, record).map(|(release, _)| release)
}

/// A friend's release without its media info, and its facts; `None` if the bytes are not one of
/// this version. A record that has media info and no facts is read as well: an earlier build wrote
/// such, and a friend whose list has not changed does not have them written anew.
pub fn decode_offer(id: &str, record: &[u8]) -> Option<(Release, Facts)> {
    let (mut release, mut facts) = read(id, record)?;
    if facts == Facts::default() {
        // Where there are no facts to find, that is nothing once more.
        facts = Facts::of(&release);
        release.media_info = None;
    }
    Some((release, facts))
}

fn read(id: &str, record: &[u8]) -> Option<(Release, Facts)> {
    let (&version, mut rest) = record.split_first()?;
    if version != VERSION {
        return None;
    }
    let mut release = Release {
        id: id.to_owned(),
        title: String::new(),
        filename: String::new(),
        category: Category::Movies,
        size: 0,
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
    };
    let mut facts = Facts::default();
    while let Some((&tag, after)) = rest.split_first() {
        rest = after;
        let input = &mut rest;
        match tag {
            TITLE => release.title = take_text(input)?,
            FILENAME => release.filename = take_text(input)?,
            CATEGORY => release.category = Category::from_number(take_number(input)?)?,
            SIZE => release.size = take_number(input)?,
            IMDB => release.imdb_id = Some(take_text(input)?),
            TMDB => release.tmdb_id = Some(take_number(input)?),
            TVDB => release.tvdb_id = Some(take_number(input)?),
            QUALITY => {
                take_number(input)?;
                release.quality = Some(Quality::default());
            }
            QUALITY_NAME => release.quality.as_mut()?.name = Some(take_text(input)?),
            QUALITY_SOURCE => release.quality.as_mut()?.source = Some(take_text(input)?),
            QUALITY_RESOLUTION => release.quality.as_mut()?.resolution = Some(take_u32(input)?),
            LANGUAGE => release.languages.push(take_text(input)?),
            GROUP => release.release_group = Some(take_text(input)?),
            EDITION => release.edition = Some(take_text(input)?),
            MEDIA_INFO => release.media_info = Some(take_text(input)?),
            SERIES => release.series_title = Some(take_text(input)?),
            SEASON => release.season = Some(take_u32(input)?),
            EPISODE => release.episode = Some(take_u32(input)?),
            PUBLISHED => release.publish_date = Some(take_text(input)?),
            AIRED => release.air_date = Some(take_text(input)?),
            RESOLUTION => facts.resolution = Some(take_text(input)?),
            VIDEO => facts.video = Some(take_text(input)?),
            AUDIO => facts.audio = Some(take_text(input)?),
            SUBTITLES => facts.subtitles = Some(take_text(input)?),
            YEAR => facts.year = Some(take_u32(input)?),
            _ => return None,
        }
    }
    Some((release, facts))
}

/// 64 bits of SHA-1 over all that was said of a release: equal = nothing to write.
pub fn digest(id: &str, record: &[u8], path: Option<&Path>) -> i64 {
    let mut sha1 = sha1_smol::Sha1::new();
    sha1.update(&(id.len() as u64).to_le_bytes());
    sha1.update(id.as_bytes());
    sha1.update(record);
    if let Some(path) = path {
        // Between record and path stands a byte that is no tag.
        sha1.update(&[0xff]);
        sha1.update(path.as_os_str().as_bytes());
    }
    let digest = sha1.digest().bytes();
    let mut first = [0u8; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_le_bytes(first)
}

fn number(out: &mut Vec<u8>, tag: u8, value: Option<impl Into<u64>>) {
    if let Some(value) = value {
        out.push(tag);
        leb128(out, value.into());
    }
}

fn text(out: &mut Vec<u8>, tag: u8, value: Option<&str>) {
    if let Some(value) = value {
        out.push(tag);
        leb128(out, value.len() as u64);
        out.extend_from_slice(value.as_bytes());
    }
}

fn leb128(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_number(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take_u32(input: &mut &[u8]) -> Option<u32> {
    take_number(input)?.try_into().ok()
}

fn take_text(input: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(take_number(input)?).ok()?;
    if length > input.len() {
        return None;
    }
    let (bytes, rest) = input.split_at(length);
    *input = rest;
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::testing::{Random, episode, movie};

    fn full() -> Release {
        Release {
            imdb_id: Some("tt0133093".into()),
            tmdb_id: Some(u64::MAX),
            quality: Some(Quality {
                name: Some("WEBDL-1080p".into()),
                source: Some("webdl".into()),
                resolution: Some(1080),
            }),
            languages: vec!["English".into(), "Français".into()],
            release_group: Some("GRP".into()),
            edition: Some(String::new()),
            media_info: Some(r#"{"a":[1,{"b":null}]}"#.into()),
            publish_date: Some("2024-01-02T03:04:05Z".into()),
            air_date: Some("2016-12-20".into()),
            ..episode("a:episode:1", "Show.S00E02 \u{1f600}\n", 81189, 0, 2)
        }
    }

    #[test]
    fn every_field_survives() {
        let mut bare_quality = movie("a:movie:2", "M", 603);
        bare_quality.quality = Some(Quality::default());
        for release in [full(), movie("a:movie:1", "M", 603), bare_quality] {
            let record = encode(&release);
            assert_eq!(decode(&release.id, &record), Some(release));
        }
    }

    #[test]
    fn facts_take_the_place_of_media_info() {
        let facts = Facts {
            resolution: Some("1920x1080".into()),
            video: Some("x264".into()),
            audio: Some(String::new()),
            subtitles: Some("eng, fre".into()),
            year: Some(u32::MAX),
        };
        let release = Release {
            media_info: None,
            ..full()
        };
        let record = encode_offer(&full(), &facts);
        let found = decode_offer(&release.id, &record);
        assert_eq!(found, Some((release, facts)));
        let bare = Release {
            title: "Plain".into(),
            quality: None,
            ..full()
        };
        let record = encode_offer(&bare, &Facts::default());
        let (_, found) = decode_offer(&bare.id, &record).unwrap();
        assert_eq!(found, Facts::default());
    }

    #[test]
    fn facts_are_found_in_a_record_of_before_there_were_any() {
        let old = Release {
            media_info: Some(r#"{"videoCodec":"x265"}"#.into()),
            ..full()
        };
        let (release, facts) = decode_offer(&old.id, &encode(&old)).unwrap();
        assert_eq!(facts, Facts::of(&old));
        assert_eq!(facts.video.as_deref(), Some("x265"));
        assert_eq!(facts.resolution.as_deref(), Some("1080p"));
        let expected = Release {
            media_info: None,
            ..full()
        };
        assert_eq!(release, expected);
    }

    #[test]
    fn damaged_and_random_records_are_refused_without_panic() {
        let facts = Facts {
            resolution: Some("1920x1080".into()),
            year: Some(1999),
            ..Facts::default()
        };
        // With every kind of tag.
        let whole = [encode(&full()), encode_offer(&full(), &facts)[1..].to_vec()].concat();
        for end in 0..whole.len() {
            let _ = decode_offer("x", &whole[..end]);
        }
        assert_eq!(decode("x", &[]), None);
        assert_eq!(decode("x", &[VERSION + 1]), None);
        assert_eq!(decode("x", &[VERSION, 200]), None);
        // A length of 2^64 - 1, and a number of eleven bytes.
        let mut long = vec![VERSION, TITLE];
        leb128(&mut long, u64::MAX);
        assert_eq!(decode("x", &long), None);
        assert_eq!(
            decode("x", &[[VERSION, SIZE].as_slice(), &[0x80; 11]].concat()),
            None
        );
        let mut random = Random::new(1);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.below(256) as u8;
            }
            let _ = decode_offer("x", &bytes);
        }
    }

    #[test]
    fn digest_tells_id_record_and_path_apart() {
        let record = encode(&full());
        let base = digest("a", &record, None);
        assert_eq!(base, digest("a", &record.clone(), None));
        assert_ne!(base, digest("b", &record, None));
        assert_ne!(base, digest("a", &encode(&movie("a", "M", 1)), None));
        assert_ne!(base, digest("a", &record, Some(Path::new("/x"))));
    }
}
