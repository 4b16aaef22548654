//! Release titles of library files: names that parse back to what the library calls them.
//!
//! Pure. Radarr finds a movie by the words before a four-digit year, Sonarr a series by the words
//! before a numbering or date; a release whose title does not lead back there is grabbed by id at
//! best, and then blocked at import ("matched by ID. Manual Import required"). So: the stored
//! scene name; else the file name, when it begins with one of the library's titles and has the
//! year or the numbering behind it; else a title built from what the library knows.

use crate::library::naming;

/// What a title is built from.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// The library's title and its alternatives, the main one first.
    pub titles: Vec<&'a str>,
    /// Quality name, for example `WEBDL-1080p`.
    pub quality: Option<&'a str>,
    /// Release group.
    pub group: Option<&'a str>,
}

/// Which part of a series a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Season and all episodes in the file, ascending.
    Episodes(u32, Vec<u32>),
    /// A daily show's date, `YYYY-MM-DD`.
    Day(&'a str),
}

/// The release title of a movie file. `stem` is its name without extension.
pub fn movie(scene: Option<&str>, stem: &str, year: Option<u32>, facts: &Facts<'_>) -> String {
    if let Some(scene) = usable(scene) {
        return scene.to_owned();
    }
    let leads_back = match (year, naming::year(stem)) {
        (Some(year), Some((found, at))) => year == found && names_title(&stem[..at], facts),
        _ => false,
    };
    if leads_back {
        return stem.to_owned();
    }
    let year = year.map(|year| year.to_string());
    build(facts, year.as_deref())
}

/// The release title of an episode file.
pub fn episode(scene: Option<&str>, stem: &str, part: &Part<'_>, facts: &Facts<'_>) -> String {
    if let Some(scene) = usable(scene) {
        return scene.to_owned();
    }
    let leads_back = match part {
        Part::Episodes(season, episodes) => naming::numbering(stem).is_some_and(|found| {
            found.season == *season
                && found.episodes == *episodes
                && names_title(&stem[..found.start], facts)
        }),
        Part::Day(day) => naming::air_date(stem)
            .is_some_and(|(found, at)| found == *day && names_title(&stem[..at], facts)),
    };
    if leads_back {
        return stem.to_owned();
    }
    let numbering = match part {
        Part::Episodes(season, episodes) => {
            let mut text = format!("S{season:02}");
            for episode in episodes {
                text.push_str(&format!("E{episode:02}"));
            }
            text
        }
        Part::Day(day) => day.replace('-', "."),
    };
    build(facts, Some(&numbering))
}

/// A scene name that can be a release title: not blank, no path.
fn usable(scene: Option<&str>) -> Option<&str> {
    let scene = scene?.trim();
    let is_name = !scene.is_empty()
        && !scene
            .chars()
            .any(|c| c == '/' || c == '\\' || c.is_control());
    is_name.then_some(scene)
}

/// Whether the words before the year or numbering are one of the titles.
fn names_title(before: &str, facts: &Facts<'_>) -> bool {
    let before = clean(before);
    !before.is_empty() && facts.titles.iter().any(|title| clean(title) == before)
}

/// A title as the arrs compare it: lower case, letters and digits only, without articles and
/// `and`, and without a year in brackets behind it (`Castle (2009)`).
fn clean(title: &str) -> String {
    let mut words: Vec<String> = naming::words(title)
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    if words.len() > 1
        && words
            .last()
            .is_some_and(|word| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()))
    {
        words.pop();
    }
    let all = words.concat();
    words.retain(|word| !matches!(word.as_str(), "a" | "an" | "the" | "and" | "or" | "of"));
    if words.is_empty() {
        all
    } else {
        words.concat()
    }
}

fn build(facts: &Facts<'_>, behind: Option<&str>) -> String {
    let mut out = dotted(facts.titles.first().unwrap_or(&""));
    if out.is_empty() {
        out.push_str("Unknown");
    }
    for part in [behind, facts.quality].into_iter().flatten() {
        out.push('.');
        out.push_str(&dotted(part));
    }
    if let Some(group) = facts.group.map(dotted).filter(|group| !group.is_empty()) {
        out.push('-');
        out.push_str(&group);
    }
    out
}

/// Words joined with dots; hyphens inside a word (`WEBDL-1080p`) stay.
fn dotted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Dropped, as release names do: `Schindler's` is `Schindlers`.
            '\'' | '’' | '`' => {}
            '&' => out.push_str(if out.ends_with('.') || out.is_empty() {
                "and"
            } else {
                ".and"
            }),
            c if c.is_alphanumeric() || c == '-' => out.push(c),
            _ if out.ends_with('.') || out.is_empty() => {}
            _ => out.push('.'),
        }
    }
    while out.ends_with('.') || out.ends_with('-') {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(titles: &[&'a str]) -> Facts<'a> {
        Facts {
            titles: titles.to_vec(),
            quality: Some("WEBDL-1080p"),
            group: Some("GRP"),
        }
    }

    #[test]
    fn movie_titles() {
        #[rustfmt::skip]
        let table: &[(Option<&str>, &str, &str)] = &[
            // The scene name wins, also over a good file name.
            (Some("The.Matrix.1999.1080p.BluRay.x264-GRP"), "The Matrix (1999)", "The.Matrix.1999.1080p.BluRay.x264-GRP"),
            // A blank or impossible one does not.
            (Some(" "), "The Matrix (1999) Bluray-1080p", "The Matrix (1999) Bluray-1080p"),
            (Some("a/b"), "The.Matrix.1999.720p", "The.Matrix.1999.720p"),
            (None, "Matrix 1999", "Matrix 1999"),
            // Names no title, no year, another year, another title.
            (None, "movie", "The.Matrix.1999.WEBDL-1080p-GRP"),
            (None, "The Matrix", "The.Matrix.1999.WEBDL-1080p-GRP"),
            (None, "The Matrix (2003)", "The.Matrix.1999.WEBDL-1080p-GRP"),
            (None, "01 - disc 1999", "The.Matrix.1999.WEBDL-1080p-GRP"),
        ];
        for (scene, stem, expected) in table {
            let title = movie(*scene, stem, Some(1999), &facts(&["The Matrix"]));
            assert_eq!(title, *expected, "{stem}");
        }
    }

    #[test]
    fn a_foreign_title_is_a_title_too() {
        let titles = facts(&["Spirited Away", "Sen to Chihiro no Kamikakushi"]);
        let stem = "Sen.to.Chihiro.no.Kamikakushi.2001.1080p";
        assert_eq!(movie(None, stem, Some(2001), &titles), stem);
    }

    #[test]
    fn episode_titles() {
        let one = Part::Episodes(1, vec![2]);
        #[rustfmt::skip]
        let table: &[(Option<&str>, &str, &Part<'_>, &str)] = &[
            (Some("Firefly.S01E02.720p-X"), "S01E02", &one, "Firefly.S01E02.720p-X"),
            (None, "Firefly - S01E02 - The Train Job WEBDL-1080p", &one, "Firefly - S01E02 - The Train Job WEBDL-1080p"),
            (None, "firefly.1x02.the.train.job", &one, "firefly.1x02.the.train.job"),
            // The case that started it: a name that names no title.
            (None, "S01E02", &one, "Firefly.S01E02.WEBDL-1080p-GRP"),
            (None, "Firefly S01E03", &one, "Firefly.S01E02.WEBDL-1080p-GRP"),
            (None, "The Train Job", &one, "Firefly.S01E02.WEBDL-1080p-GRP"),
            // Several episodes: the name must say all of them.
            (None, "Firefly S01E02", &Part::Episodes(1, vec![2, 3]), "Firefly.S01E02E03.WEBDL-1080p-GRP"),
            (None, "Firefly S01E02E03", &Part::Episodes(1, vec![2, 3]), "Firefly S01E02E03"),
            (None, "Firefly 2026-01-15", &Part::Day("2026-01-15"), "Firefly 2026-01-15"),
            (None, "thursday", &Part::Day("2026-01-15"), "Firefly.2026.01.15.WEBDL-1080p-GRP"),
        ];
        for (scene, stem, part, expected) in table {
            let title = episode(*scene, stem, part, &facts(&["Firefly"]));
            assert_eq!(title, *expected, "{stem}");
        }
    }

    #[test]
    fn built_titles_parse_back() {
        let awkward = Facts {
            titles: vec!["Marvel's Agents of S.H.I.E.L.D. & Friends: Live!"],
            ..Facts::default()
        };
        assert_eq!(
            episode(None, "x", &Part::Episodes(0, vec![1]), &awkward),
            "Marvels.Agents.of.S.H.I.E.L.D.and.Friends.Live.S00E01"
        );
        assert_eq!(movie(None, "x", None, &Facts::default()), "Unknown");
    }
}
