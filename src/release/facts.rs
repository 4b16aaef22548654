//! What a feed can say of a file beyond its release: read once when a release is indexed, so that a
//! page of a hundred items reads no JSON and no title again.
//!
//! From the arr's media info, and where that says nothing from the title. Media info comes from
//! friends unchecked: what cannot be read is not known, and words are cut to [`MAX_FACT`].

use super::Release;
use super::hints::hints;

/// Longer media info (bytes) is not looked at: an arr's has about 1 KiB.
pub const MAX_MEDIA_INFO: usize = 64 * 1024;

/// Characters kept of one fact.
pub const MAX_FACT: usize = 200;

/// Facts of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `1920x1080`, or lines: `1080p`.
    pub resolution: Option<String>,
    /// Codec of the picture, as the arr calls it.
    pub video: Option<String>,
    /// Codec of the sound.
    pub audio: Option<String>,
    /// Languages of the subtitles, comma and space between.
    pub subtitles: Option<String>,
    /// Year in the title.
    pub year: Option<u32>,
}

/// The arr's media info, as far as a feed has words for it.
#[derive(Default, miniserde::Deserialize)]
struct MediaInfo {
    resolution: Option<String>,
    #[serde(rename = "videoCodec")]
    video_codec: Option<String>,
    #[serde(rename = "audioCodec")]
    audio_codec: Option<String>,
    /// `eng/fre`
    subtitles: Option<String>,
}

impl Facts {
    /// The facts of a release.
    pub fn of(release: &Release) -> Facts {
        let media: MediaInfo = release
            .media_info
            .as_deref()
            .filter(|json| json.len() <= MAX_MEDIA_INFO)
            .and_then(|json| miniserde::json::from_str(json).ok())
            .unwrap_or_default();
        let hints = hints(&release.title);
        let lines = release
            .quality
            .as_ref()
            .and_then(|quality| quality.resolution)
            .filter(|lines| *lines > 0)
            .or(hints.resolution)
            .map(|lines| format!("{lines}p"));
        Facts {
            resolution: words(media.resolution).or(lines),
            video: words(media.video_codec),
            audio: words(media.audio_codec),
            subtitles: words(media.subtitles.map(|list| list.replace('/', ", "))),
            year: hints.year,
        }
    }
}

/// The beginning of a text; `None` without any.
fn words(text: Option<String>) -> Option<String> {
    let mut text = text?;
    if let Some((end, _)) = text.char_indices().nth(MAX_FACT) {
        text.truncate(end);
    }
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Category, Quality};

    fn check(title: &str, lines: Option<u32>, media_info: Option<&str>, expected: &Facts) {
        let release = Release {
            id: "c:movie:1".into(),
            title: title.into(),
            filename: "p.avi".into(),
            category: Category::Movies,
            size: 1,
            imdb_id: None,
            tmdb_id: None,
            tvdb_id: None,
            quality: lines.map(|lines| Quality {
                resolution: Some(lines),
                ..Quality::default()
            }),
            languages: Vec::new(),
            release_group: None,
            edition: None,
            media_info: media_info.map(str::to_owned),
            series_title: None,
            season: None,
            episode: None,
            publish_date: None,
            air_date: None,
        };
        assert_eq!(Facts::of(&release), *expected, "{title} {media_info:?}");
    }

    #[test]
    fn media_info_goes_before_the_title() {
        let of_title = Facts {
            resolution: Some("720p".into()),
            year: Some(1999),
            ..Facts::default()
        };
        let title = "The.Matrix.1999.720p.WEB";
        check("Plain", None, None, &Facts::default());
        check(title, None, None, &of_title);
        check(
            title,
            Some(2160),
            None,
            &Facts {
                resolution: Some("2160p".into()),
                ..of_title.clone()
            },
        );
        check(
            title,
            Some(0),
            Some(
                r#"{"audioChannels":5.1,"audioCodec":"DTS","videoCodec":"x264",
                    "resolution":"1280x720","subtitles":"eng/fre","x":{"y":[null]}}"#,
            ),
            &Facts {
                resolution: Some("1280x720".into()),
                video: Some("x264".into()),
                audio: Some("DTS".into()),
                subtitles: Some("eng, fre".into()),
                year: Some(1999),
            },
        );
        for broken in [
            "",
            "{",
            "[]",
            r#"{"videoCodec":1,"audioCodec":"DTS"}"#,
            r#"{"videoCodec":null,"resolution":""}"#,
        ] {
            check(title, None, Some(broken), &of_title);
        }
    }

    #[test]
    fn what_friends_say_is_bounded() {
        let media = |codec: &str, pad: usize| {
            format!(
                "{{\"videoCodec\":\"{codec}\",\"pad\":\"{}\"}}",
                "p".repeat(pad)
            )
        };
        let video = |text: &str| Facts {
            video: Some(text.into()),
            ..Facts::default()
        };
        let most = "é".repeat(MAX_FACT);
        check("A", None, Some(&media(&most, 0)), &video(&most));
        let more = format!("{most}é");
        check("A", None, Some(&media(&more, 0)), &video(&most));
        let fits = MAX_MEDIA_INFO - media("x", 0).len();
        check("A", None, Some(&media("x", fits)), &video("x"));
        check("A", None, Some(&media("x", fits + 1)), &Facts::default());
    }
}
