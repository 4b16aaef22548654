//! The newznab categories of a release: its main category, and what its quality shows.
//!
//! The arr's own words about the quality count first, the release name where they are missing.
//! Every release has exactly one sub-category by resolution, because a client that asks for
//! sub-categories only (Sonarr asks for 5030 and 5040 unless told otherwise) must be able to find
//! it: 2160 lines and more are UHD, 720 and more HD, everything else SD. A release about which
//! nothing is known is SD and Other. Friends' own categories (100000 and up) are the catalogue's.

use super::hints::{Medium, hints};
use super::{Category, Release};

/// Movies in a language that is not English.
pub const MOVIES_FOREIGN: u32 = 2010;
/// Movies of unknown quality.
pub const MOVIES_OTHER: u32 = 2020;
/// Movies below 720 lines.
pub const MOVIES_SD: u32 = 2030;
/// Movies with 720 lines or more.
pub const MOVIES_HD: u32 = 2040;
/// Movies with 2160 lines or more.
pub const MOVIES_UHD: u32 = 2045;
/// Movies from Blu-ray.
pub const MOVIES_BLURAY: u32 = 2050;
/// Stereoscopic movies.
pub const MOVIES_3D: u32 = 2060;
/// Movies from DVD.
pub const MOVIES_DVD: u32 = 2070;
/// Movies from a streaming service.
pub const MOVIES_WEB: u32 = 2080;
/// TV from a streaming service.
pub const TV_WEB: u32 = 5010;
/// TV below 720 lines.
pub const TV_SD: u32 = 5030;
/// TV with 720 lines or more.
pub const TV_HD: u32 = 5040;
/// TV with 2160 lines or more.
pub const TV_UHD: u32 = 5045;
/// TV of unknown quality.
pub const TV_OTHER: u32 = 5050;
/// Anime, as far as the name shows it.
pub const TV_ANIME: u32 = 5070;
/// Documentaries: part of the standard list, though no release says that it is one.
pub const TV_DOCUMENTARY: u32 = 5080;

/// False for what Radarr and Sonarr list among languages without its being one.
pub fn is_language(name: &str) -> bool {
    !matches!(name, "Unknown" | "Any" | "Original")
}

/// All standard numbers of a release, ascending: its main category first.
pub fn categories(release: &Release) -> Vec<u32> {
    let (resolution, medium) = quality(release);
    let is_unknown = resolution.is_none() && medium.is_none();
    let of_resolution = |sd, hd, uhd| match resolution {
        Some(2160..) => uhd,
        Some(720..) => hd,
        _ => sd,
    };
    let mut numbers = vec![release.category.number()];
    match release.category {
        Category::Movies => {
            numbers.push(of_resolution(MOVIES_SD, MOVIES_HD, MOVIES_UHD));
            numbers.extend(match medium {
                Some(Medium::Bluray) => Some(MOVIES_BLURAY),
                Some(Medium::Dvd) => Some(MOVIES_DVD),
                Some(Medium::Web) => Some(MOVIES_WEB),
                Some(Medium::Tv) | None => None,
            });
            numbers.extend(is_unknown.then_some(MOVIES_OTHER));
            numbers.extend(hints(&release.title).is_3d.then_some(MOVIES_3D));
            numbers.extend(is_foreign(&release.languages).then_some(MOVIES_FOREIGN));
        }
        Category::Tv => {
            numbers.push(of_resolution(TV_SD, TV_HD, TV_UHD));
            numbers.extend((medium == Some(Medium::Web)).then_some(TV_WEB));
            numbers.extend(is_unknown.then_some(TV_OTHER));
            // Fansub groups put their name first, nobody else does.
            numbers.extend(
                release
                    .title
                    .trim_start()
                    .starts_with('[')
                    .then_some(TV_ANIME),
            );
        }
    }
    numbers.sort_unstable();
    numbers
}

/// Resolution in lines and medium, from the best witness for each.
fn quality(release: &Release) -> (Option<u32>, Option<Medium>) {
    let said = release.quality.clone().unwrap_or_default();
    let named = hints(said.name.as_deref().unwrap_or(""));
    let title = hints(&release.title);
    let resolution = said
        .resolution
        .filter(|lines| *lines > 0)
        .or(named.resolution)
        .or(title.resolution);
    let medium = said
        .source
        .as_deref()
        .and_then(medium_of_source)
        .or(named.medium)
        .or(title.medium);
    (resolution, medium)
}

/// The `source` of Radarr's and Sonarr's qualities (`webdl` and `web`, `tv` and `television`, …).
fn medium_of_source(source: &str) -> Option<Medium> {
    let source = source.to_ascii_lowercase();
    match source.as_str() {
        "bluray" | "blurayraw" => Some(Medium::Bluray),
        "dvd" => Some(Medium::Dvd),
        "web" | "webdl" | "webrip" => Some(Medium::Web),
        "tv" | "television" | "televisionraw" => Some(Medium::Tv),
        _ => None,
    }
}

/// True when languages are known and English is not among them.
fn is_foreign(languages: &[String]) -> bool {
    let mut known = languages
        .iter()
        .map(String::as_str)
        .filter(|name| is_language(name))
        .peekable();
    known.peek().is_some() && known.all(|name| !name.eq_ignore_ascii_case("English"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Quality;

    fn release(category: Category, title: &str) -> Release {
        Release {
            id: "c:movie:1".into(),
            title: title.into(),
            filename: "a.mkv".into(),
            category,
            size: 1,
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
        }
    }

    #[test]
    fn quality_decides() {
        let check = |category, name: &str, source: &str, resolution, expected: &[u32]| {
            let mut release = release(category, "A name that says nothing");
            release.quality = Some(Quality {
                name: (!name.is_empty()).then(|| name.into()),
                source: (!source.is_empty()).then(|| source.into()),
                resolution,
            });
            assert_eq!(categories(&release), expected, "{name} {source}");
        };
        use Category::{Movies, Tv};
        check(
            Movies,
            "Bluray-1080p",
            "bluray",
            Some(1080),
            &[2000, 2040, 2050],
        );
        check(
            Movies,
            "WEBDL-2160p",
            "webdl",
            Some(2160),
            &[2000, 2045, 2080],
        );
        check(
            Movies,
            "WEBRip-720p",
            "webrip",
            Some(720),
            &[2000, 2040, 2080],
        );
        check(Movies, "DVD", "dvd", Some(480), &[2000, 2030, 2070]);
        check(Movies, "DVD-R", "", Some(0), &[2000, 2020, 2030]);
        check(Movies, "CAM", "cam", Some(0), &[2000, 2020, 2030]);
        check(Movies, "", "tv", Some(719), &[2000, 2030]);
        check(Movies, "", "", Some(4320), &[2000, 2045]);
        check(Movies, "Bluray-2160p", "", None, &[2000, 2045, 2050]);
        check(Tv, "WEBDL-1080p", "web", Some(1080), &[5000, 5010, 5040]);
        check(
            Tv,
            "WEBRip-2160p",
            "webRip",
            Some(2160),
            &[5000, 5010, 5045],
        );
        check(Tv, "HDTV-720p", "television", Some(720), &[5000, 5040]);
        check(Tv, "SDTV", "television", Some(480), &[5000, 5030]);
        check(Tv, "Bluray-1080p", "blurayRaw", Some(1080), &[5000, 5040]);
        check(Tv, "Unknown", "unknown", Some(0), &[5000, 5030, 5050]);
    }

    #[test]
    fn the_title_speaks_where_the_quality_is_unknown() {
        let check = |category, title: &str, expected: &[u32]| {
            assert_eq!(categories(&release(category, title)), expected, "{title}");
        };
        use Category::{Movies, Tv};
        check(Movies, "A.2001.2160p.WEB-DL.x265-G", &[2000, 2045, 2080]);
        check(
            Movies,
            "A.2001.3D.1080p.BluRay.x264-G",
            &[2000, 2040, 2050, 2060],
        );
        check(Movies, "A.2001.DVDRip", &[2000, 2030, 2070]);
        check(Movies, "A", &[2000, 2020, 2030]);
        check(Tv, "A.S01E01.720p.HDTV", &[5000, 5040]);
        check(Tv, "[Group] A - 01 [1080p]", &[5000, 5040, 5070]);
        check(Tv, "A.S01E01", &[5000, 5030, 5050]);
    }

    #[test]
    fn foreign_means_known_and_not_english() {
        let check = |languages: &[&str], expected: bool| {
            let mut release = release(Category::Movies, "A.2001.720p");
            release.languages = languages.iter().map(|name| (*name).into()).collect();
            let found = categories(&release).contains(&MOVIES_FOREIGN);
            assert_eq!(found, expected, "{languages:?}");
        };
        check(&[], false);
        check(&["English"], false);
        check(&["French", "English"], false);
        check(&["Unknown"], false);
        check(&["French"], true);
        check(&["Unknown", "German"], true);
    }
}
