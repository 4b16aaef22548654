//! From names and `.nfo` files to the release that a video is offered as.
//!
//! Pure. In: the file's base name, the folders above it and what `.nfo` files say; out: title,
//! numbering, ids, quality. The title must parse in the friend's Radarr (a year after the title)
//! or Sonarr (numbering or a date after the series): the file's own name is taken as it is when it
//! does; else the release folder's; else one is built from series or movie title and numbering.
//! TMDb's and TheTVDB's numbers mean different things for movies and series, so a movie gets no
//! TVDB id and an episode no TMDb id: a search for the other kind must not find it.

use super::naming::{self, Numbering, Tags};
use super::nfo::Nfo;
use super::quality;
use crate::release::{Category, Quality};

/// Most characters taken from an `.nfo`'s or folder's title: with a file name of 255 bytes behind
/// it, the release title stays below what friends accept.
const MAX_TITLE: usize = 150;

/// What is known of one video.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What the folder was configured to hold.
    pub category: Category,
    /// Base name without extension.
    pub stem: &'a str,
    /// Names of the folders above, nearest first, without the root.
    pub folders: &'a [&'a str],
    /// The root's own name: good for ids only.
    pub root: &'a str,
    /// True if it is the only video in its folder, which then may speak for it.
    pub is_alone: bool,
    /// The `.nfo` of this video.
    pub nfo: Option<&'a Nfo>,
    /// The nearest `tvshow.nfo` above.
    pub show: Option<&'a Nfo>,
}

/// What a video is offered as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Release title.
    pub title: String,
    /// Season and episodes; none for movies, daily shows and what has no number.
    pub episodes: Vec<(u32, u32)>,
    /// `YYYY-MM-DD` of a daily show.
    pub air_date: Option<String>,
    /// Name of the series.
    pub series: Option<String>,
    /// Ids of the movie or the series.
    pub ids: Tags,
    /// Quality, where named.
    pub quality: Option<Quality>,
    /// Languages, where named.
    pub languages: Vec<String>,
    /// Release group.
    pub group: Option<String>,
    /// Edition of a movie.
    pub edition: Option<String>,
}

/// Describes a video.
pub fn describe(evidence: &Evidence<'_>) -> Description {
    let mut described = match evidence.category {
        Category::Movies => movie(evidence),
        Category::Tv => episode(evidence),
    };
    if described.title.chars().any(char::is_control) {
        // From a folder's name; a file with such a name is not offered at all.
        described.title = plain(&described.title);
    }
    described.ids = ids(evidence);
    let nearest = evidence.release_folder().unwrap_or_default();
    let names = [described.title.as_str(), evidence.stem, nearest];
    described.quality = names
        .iter()
        .find_map(|name| quality::quality(name, evidence.category));
    described.group = names.iter().find_map(|name| quality::group(name));
    described
}

impl<'a> Evidence<'a> {
    /// The folder that may speak for the video.
    fn release_folder(&self) -> Option<&'a str> {
        self.folders.first().copied().filter(|_| self.is_alone)
    }

    /// ` Bluray-1080p`, from the file's name, unless `title` says it already.
    fn quality_words(&self, title: &str) -> String {
        let of = |name| quality::quality(name, self.category);
        if of(title).is_some() {
            return String::new();
        }
        match of(self.stem) {
            Some(Quality {
                name: Some(name), ..
            }) => format!(" {name}"),
            Some(Quality {
                resolution: Some(lines),
                ..
            }) => format!(" {lines}p"),
            _ => String::new(),
        }
    }
}

fn ids(evidence: &Evidence<'_>) -> Tags {
    let mut ids = naming::tags(evidence.stem);
    for folder in evidence.folders.iter().chain([&evidence.root]) {
        ids = ids.or(&naming::tags(folder));
    }
    let nfo = match evidence.category {
        Category::Movies => evidence.nfo,
        Category::Tv => evidence.show,
    };
    if let Some(nfo) = nfo {
        ids = ids.or(&nfo.ids);
    }
    match evidence.category {
        Category::Movies => ids.tvdb = None,
        Category::Tv => ids.tmdb = None,
    }
    ids
}

fn movie(evidence: &Evidence<'_>) -> Description {
    let title = movie_title(evidence);
    let from = naming::year(&title).map_or(title.len(), |(_, at)| at);
    Description {
        languages: quality::languages(&title, from),
        edition: quality::edition(&title, from),
        title,
        ..Description::default()
    }
}

fn movie_title(evidence: &Evidence<'_>) -> String {
    let stem = evidence.stem;
    if naming::year(stem).is_some() {
        return stem.to_owned();
    }
    if let Some(folder) = evidence.release_folder() {
        let title = naming::without_tags(folder);
        if naming::year(&title).is_some() {
            let words = evidence.quality_words(&title);
            return title + &words;
        }
    }
    if let Some(nfo) = evidence.nfo
        && let (Some(title), Some(year)) = (&nfo.title, nfo.year)
    {
        let title = format!("{} ({year})", plain(title));
        let words = evidence.quality_words(&title);
        return title + &words;
    }
    stem.to_owned()
}

/// Where the numbering or date of an episode was found.
enum Source {
    /// In the file's name, from this byte on.
    Stem(usize),
    /// In the release folder's name.
    Folder,
    /// Elsewhere: `.nfo`, or season folder and bare number.
    Elsewhere,
    Nowhere,
}

fn episode(evidence: &Evidence<'_>) -> Description {
    let (source, episodes, air_date) = numbers(evidence);
    let folder = series_folder(evidence);
    let title_before = |name: &str, at: usize| {
        let words = naming::words(&name[..at]);
        words.chars().any(char::is_alphanumeric).then_some(words)
    };
    let own = match source {
        Source::Stem(at) => title_before(evidence.stem, at),
        Source::Folder => evidence.release_folder().and_then(|name| {
            let at = naming::numbering(name)
                .map(|found| found.start)
                .or_else(|| naming::air_date(name).map(|(_, at)| at))?;
            title_before(name, at)
        }),
        _ => None,
    };
    let series = evidence
        .show
        .and_then(|show| show.title.as_deref().map(plain))
        .filter(|title| !title.is_empty())
        .or(own.clone())
        .or(folder);
    let title = match (&source, &series) {
        (Source::Stem(_), Some(series)) if own.is_none() => format!("{series} - {}", evidence.stem),
        (Source::Folder, _) => naming::without_tags(evidence.release_folder().unwrap_or_default()),
        (Source::Elsewhere, Some(series)) => {
            let mut title = format!("{series} -");
            for (index, (season, episode)) in episodes.iter().enumerate() {
                if index == 0 {
                    title.push_str(&format!(" S{season:02}"));
                }
                title.push_str(&format!("E{episode:02}"));
            }
            if episodes.is_empty() {
                title.extend(air_date.iter().map(|date| format!(" {date}")));
            }
            let words = evidence.quality_words(&title);
            title + &words
        }
        _ => evidence.stem.to_owned(),
    };
    let from = naming::numbering(&title)
        .map(|found| found.end)
        .or_else(|| naming::air_date(&title).map(|(_, at)| at))
        .unwrap_or(title.len());
    Description {
        languages: quality::languages(&title, from),
        title,
        episodes,
        air_date,
        series,
        ..Description::default()
    }
}

type Numbers = (Source, Vec<(u32, u32)>, Option<String>);

fn numbers(evidence: &Evidence<'_>) -> Numbers {
    let pairs = |found: &Numbering| -> Vec<(u32, u32)> {
        let season = found.season;
        found
            .episodes
            .iter()
            .map(|number| (season, *number))
            .collect()
    };
    let aired = evidence.nfo.and_then(|nfo| nfo.aired.clone());
    let date = naming::air_date(evidence.stem);
    if let Some(found) = naming::numbering(evidence.stem) {
        let date = date.map(|(date, _)| date).or(aired);
        return (Source::Stem(found.start), pairs(&found), date);
    }
    let from_nfo = evidence.nfo.map(|nfo| nfo.episodes.clone());
    let from_nfo = from_nfo.unwrap_or_default();
    if let Some((date, at)) = date {
        return (Source::Stem(at), from_nfo, Some(date));
    }
    if let Some(folder) = evidence.release_folder() {
        if let Some(found) = naming::numbering(folder) {
            return (Source::Folder, pairs(&found), aired);
        }
        if let Some((date, _)) = naming::air_date(folder) {
            return (Source::Folder, from_nfo, Some(date));
        }
    }
    if !from_nfo.is_empty() {
        // One season a title: the rare file across two seasons counts for its first.
        let season = from_nfo[0].0;
        let mut episodes = from_nfo;
        episodes.retain(|(other, _)| *other == season);
        episodes.dedup();
        return (Source::Elsewhere, episodes, aired);
    }
    let season = evidence
        .folders
        .first()
        .and_then(|name| naming::season_folder(name));
    match (season, naming::bare_episode(evidence.stem)) {
        (Some(season), Some(number)) => (Source::Elsewhere, vec![(season, number)], aired),
        _ if aired.is_some() => (Source::Elsewhere, Vec::new(), aired),
        _ => (Source::Nowhere, Vec::new(), None),
    }
}

/// The nearest folder that is neither a season nor a release, in words.
fn series_folder(evidence: &Evidence<'_>) -> Option<String> {
    evidence
        .folders
        .iter()
        .filter(|name| naming::season_folder(name).is_none())
        .find(|name| naming::numbering(name).is_none() && naming::air_date(name).is_none())
        .map(|name| naming::words(name))
        .filter(|words| !words.is_empty())
}

/// A title fit for a release name: no control characters, no slashes, no runs of
/// spaces.
fn plain(title: &str) -> String {
    let spaced: String = title
        .chars()
        .map(|c| match c {
            c if c.is_control() => ' ',
            '/' | '\\' => ' ',
            c => c,
        })
        .take(MAX_TITLE)
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence<'a>(category: Category, stem: &'a str, folders: &'a [&'a str]) -> Evidence<'a> {
        Evidence {
            category,
            stem,
            folders,
            root: "media",
            is_alone: true,
            nfo: None,
            show: None,
        }
    }

    #[test]
    fn movie_titles() {
        let check = |stem: &str, folders: &[&str], expected: &str| {
            let found = describe(&evidence(Category::Movies, stem, folders));
            assert_eq!(found.title, expected, "{stem} in {folders:?}");
            assert!(found.episodes.is_empty());
        };
        let scene = "The.Matrix.1999.1080p.BluRay.x264-GRP";
        check(scene, &[], scene);
        check(scene, &["Other Movie (2005)"], scene);
        check("movie", &[scene], scene);
        check("grp-matrix1080", &[scene], scene);
        check("The Matrix", &["The Matrix (1999)"], "The Matrix (1999)");
        check(
            "The Matrix 1080p BluRay",
            &["The Matrix (1999) {imdb-tt0133093}"],
            "The Matrix (1999) Bluray-1080p",
        );
        check(
            "The Matrix-2160p",
            &["The Matrix (1999)"],
            "The Matrix (1999) 2160p",
        );
        check("The Matrix", &["Movies", "Old ones (1999)"], "The Matrix");
        check(
            "The Matrix (1999) {imdb-tt0133093} [Bluray-1080p]",
            &[],
            "The Matrix (1999) {imdb-tt0133093} [Bluray-1080p]",
        );
    }

    #[test]
    fn titles_are_fit_for_friends() {
        let folders = ["The\u{1}Matrix\n(1999)"];
        let found = describe(&evidence(Category::Movies, "m", &folders));
        assert_eq!(found.title, "The Matrix (1999)");
        let show = Nfo {
            title: Some("\u{1f600}".repeat(1000)),
            ..Nfo::default()
        };
        let stem = format!("S01E02 {}", "x".repeat(244));
        let long = Evidence {
            show: Some(&show),
            ..evidence(Category::Tv, &stem, &[])
        };
        assert!(describe(&long).title.len() <= crate::peer::wire::MAX_NAME);
        let blank = Nfo {
            title: Some("//".into()),
            ..Nfo::default()
        };
        let blank = Evidence {
            show: Some(&blank),
            ..evidence(Category::Tv, "S01E02", &["Show"])
        };
        assert_eq!(describe(&blank).title, "Show - S01E02");
    }

    #[test]
    fn a_folder_speaks_only_for_a_lone_video() {
        let folders = ["The Matrix (1999)"];
        let several = Evidence {
            is_alone: false,
            ..evidence(Category::Movies, "part one", &folders)
        };
        assert_eq!(describe(&several).title, "part one");
    }

    #[test]
    fn an_nfo_names_what_no_name_does() {
        let nfo = Nfo {
            title: Some("The/Matrix\n".into()),
            year: Some(1999),
            ids: Tags {
                imdb: Some("tt0133093".into()),
                tmdb: Some(603),
                tvdb: Some(7),
            },
            ..Nfo::default()
        };
        let told = Evidence {
            nfo: Some(&nfo),
            ..evidence(Category::Movies, "mtrx.720p.HDTV", &[])
        };
        let found = describe(&told);
        assert_eq!(found.title, "The Matrix (1999) HDTV-720p");
        assert_eq!(found.ids.imdb.as_deref(), Some("tt0133093"));
        assert_eq!(found.ids.tmdb, Some(603));
        assert_eq!(found.ids.tvdb, None, "a movie has no series");
    }

    #[test]
    fn episode_titles() {
        let check = |stem: &str,
                     folders: &[&str],
                     title: &str,
                     series: Option<&str>,
                     episodes: &[(u32, u32)]| {
            let found = describe(&evidence(Category::Tv, stem, folders));
            assert_eq!(found.title, title, "{stem} in {folders:?}");
            assert_eq!(found.series.as_deref(), series, "{stem} in {folders:?}");
            assert_eq!(found.episodes, episodes, "{stem} in {folders:?}");
        };
        let show = Some("Show Name");
        let scene = "Show.Name.S01E02.1080p.WEB-DL-GRP";
        check(scene, &[], scene, show, &[(1, 2)]);
        check(scene, &["Season 1", "Show (2008)"], scene, show, &[(1, 2)]);
        check("abc123", &[scene, "Show"], scene, show, &[(1, 2)]);
        check(
            "Show Name - 1x02 - Title",
            &[],
            "Show Name - 1x02 - Title",
            show,
            &[(1, 2)],
        );
        check(
            "S01E02 - Pilot",
            &["Season 1", "Show Name {tvdb-81189}"],
            "Show Name - S01E02 - Pilot",
            show,
            &[(1, 2)],
        );
        check("S01E02", &[], "S01E02", None, &[(1, 2)]);
        check(
            "02 - Pilot 720p HDTV",
            &["Season 1", "Show Name"],
            "Show Name - S01E02 HDTV-720p",
            show,
            &[(1, 2)],
        );
        check(
            "03",
            &["Specials", "Show Name"],
            "Show Name - S00E03",
            show,
            &[(0, 3)],
        );
        check(
            "Show.Name.S01E02E03.720p",
            &[],
            "Show.Name.S01E02E03.720p",
            show,
            &[(1, 2), (1, 3)],
        );
        check(
            "[Grp] Show - 05 [1080p]",
            &["Show"],
            "[Grp] Show - 05 [1080p]",
            Some("Show"),
            &[],
        );
    }

    #[test]
    fn daily_shows_have_a_date() {
        let stem = "Late.Show.2024.05.01.720p.WEB-GRP";
        let found = describe(&evidence(Category::Tv, stem, &[]));
        assert_eq!(found.air_date.as_deref(), Some("2024-05-01"));
        assert_eq!(found.series.as_deref(), Some("Late Show"));
        assert!(found.episodes.is_empty());
        assert_eq!(found.title, stem);
        let bare = evidence(Category::Tv, "2024-05-01", &["Late Show"]);
        assert_eq!(describe(&bare).title, "Late Show - 2024-05-01");
    }

    #[test]
    fn episode_nfo_gives_numbers_and_show_nfo_gives_title_and_ids() {
        let nfo = Nfo {
            episodes: vec![(1, 2), (1, 3)],
            aired: Some("2008-01-27".into()),
            ids: Tags {
                tvdb: Some(999),
                ..Tags::default()
            },
            ..Nfo::default()
        };
        let show = Nfo {
            title: Some("Show Name".into()),
            ids: Tags {
                imdb: Some("tt0903747".into()),
                tmdb: Some(1396),
                tvdb: Some(81_189),
            },
            ..Nfo::default()
        };
        let told = Evidence {
            nfo: Some(&nfo),
            show: Some(&show),
            ..evidence(Category::Tv, "pilot", &["x"])
        };
        let found = describe(&told);
        assert_eq!(found.title, "Show Name - S01E02E03");
        assert_eq!(found.episodes, [(1, 2), (1, 3)]);
        assert_eq!(found.air_date.as_deref(), Some("2008-01-27"));
        assert_eq!(found.ids.tvdb, Some(81_189));
        assert_eq!(found.ids.imdb.as_deref(), Some("tt0903747"));
        assert_eq!(found.ids.tmdb, None, "TMDb counts series apart from movies");
    }

    #[test]
    fn ids_come_from_the_nearest_name() {
        let folders = ["Season 1 {tvdb-1}", "Show {tvdb-2} {imdb-tt0000002}"];
        let near = Evidence {
            root: "Root {imdb-tt0000003}",
            ..evidence(Category::Tv, "Show.S01E01", &folders)
        };
        let found = describe(&near).ids;
        assert_eq!(found.tvdb, Some(1));
        assert_eq!(found.imdb.as_deref(), Some("tt0000002"));
    }

    #[test]
    fn quality_group_and_edition_are_found() {
        let folders = ["Blade.Runner.1982.Final.Cut.German.1080p.BluRay.x264-GRP"];
        let found = describe(&evidence(Category::Movies, "br", &folders));
        assert_eq!(found.group.as_deref(), Some("GRP"));
        assert_eq!(found.edition.as_deref(), Some("Final Cut"));
        assert_eq!(found.languages, ["German"]);
        assert_eq!(
            found.quality.and_then(|q| q.name).as_deref(),
            Some("Bluray-1080p")
        );
    }
}
