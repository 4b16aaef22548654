//! Release titles of library files: names that parse back to what the library calls them.
//!
//! Pure. Radarr finds a movie by the words before a four-digit year, Sonarr a series by the words
//! before a numbering or date; a release whose title does not lead back there is grabbed by id at
//! best, and then blocked at import ("matched by ID. Manual Import required"). So: the stored
//! scene name, if the other side can read it at all (a movie's needs a year, an episode's must say
//! which episode: not the name of a season pack or of an obfuscated post); else the file name,
//! when it begins with one of the library's titles and has the year or the numbering behind it;
//! else a title built from what the library knows.

use crate::library::naming;

/// What a title is built from.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// The library's title and its alternatives, the main one first.
    pub titles: Vec<&'a str>,
    /// Of the movie, or of the series' start.
    pub year: Option<u32>,
    /// Episode number counted from the first episode, of an anime: scene names of those have
    /// no other.
    pub absolute: Option<u32>,
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
pub fn movie(scene: Option<&str>, stem: &str, facts: &Facts<'_>) -> String {
    // Without a year Radarr reads no title at all.
    if let Some(scene) = usable(scene).filter(|scene| naming::year(scene).is_some()) {
        return scene.to_owned();
    }
    let leads_back = match (facts.year, naming::year(stem)) {
        (Some(year), Some((found, at))) => year == found && is_title(&stem[..at], facts),
        _ => false,
    };
    if leads_back {
        return stem.to_owned();
    }
    let year = facts.year.map(|year| year.to_string());
    build(facts, year.as_deref())
}

/// The release title of an episode file.
pub fn episode(scene: Option<&str>, stem: &str, part: &Part<'_>, facts: &Facts<'_>) -> String {
    if let Some(scene) = usable(scene).filter(|scene| names_episode(scene, facts)) {
        return scene.to_owned();
    }
    let leads_back = match part {
        Part::Episodes(season, episodes) => naming::numbering(stem).is_some_and(|found| {
            found.season == *season
                && found.episodes == *episodes
                && is_series(&stem[..found.start], facts)
        }),
        Part::Day(day) => naming::air_date(stem)
            .is_some_and(|(found, at)| found == *day && is_series(&stem[..at], facts)),
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

/// Whether a scene name says which episode it is. Which number it says does not matter: scene
/// numbering differs from the library's, and the arrs know how.
fn names_episode(scene: &str, facts: &Facts<'_>) -> bool {
    naming::numbering(scene).is_some()
        || naming::air_date(scene).is_some()
        || facts.absolute.is_some_and(|number| {
            scene
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| word.parse() == Ok(number))
        })
}

/// Whether the words before a year are one of the titles.
fn is_title(before: &str, facts: &Facts<'_>) -> bool {
    let before = clean(before);
    !before.is_empty() && facts.titles.iter().any(|title| clean(title) == before)
}

/// As [`is_title`]; the series' own year may follow (`Castle 2009 S01E01`).
fn is_series(before: &str, facts: &Facts<'_>) -> bool {
    let without_year = || {
        naming::year(before).is_some_and(|(year, at)| {
            let is_last = clean(&before[at..]) == year.to_string();
            is_last && facts.year == Some(year) && is_title(&before[..at], facts)
        })
    };
    is_title(before, facts) || without_year()
}

/// A title as the arrs compare it: lower case, letters and digits only, without articles and
/// `and`, id tags left out.
fn clean(title: &str) -> String {
    let title = naming::without_tags(title).replace(['\'', '’', '`'], "");
    let words: Vec<String> = title
        .split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .collect();
    let is_small = |word: &str| matches!(word, "a" | "an" | "the" | "and" | "or" | "of");
    let large: String = words
        .iter()
        .filter(|word| !is_small(word))
        .map(String::as_str)
        .collect();
    match large.is_empty() {
        true => words.concat(),
        false => large,
    }
}

fn build(facts: &Facts<'_>, behind: Option<&str>) -> String {
    let mut out = dotted(facts.titles.first().unwrap_or(&""));
    if out.is_empty() {
        out.push_str("Unknown");
    }
    let quality = facts.quality.map(quality_words).unwrap_or_default();
    for part in [behind.unwrap_or_default(), &quality] {
        let part = dotted(part);
        if !part.is_empty() {
            out.push('.');
            out.push_str(&part);
        }
    }
    if let Some(group) = facts.group.map(dotted).filter(|group| !group.is_empty()) {
        out.push('-');
        out.push_str(&group);
    }
    out
}

/// A quality's name in words that both apps read as that quality.
fn quality_words(name: &str) -> String {
    match name.split_once('-') {
        // Radarr's `Remux-1080p`; the word alone names no source to Sonarr.
        Some(("Remux", lines)) => format!("Bluray-{lines}.Remux"),
        _ if name == "Unknown" => String::new(),
        _ => name.to_owned(),
    }
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
            c if c.is_alphanumeric() || c == '-' || is_mark(c) => out.push(c),
            _ if out.ends_with('.') || out.is_empty() => {}
            _ => out.push('.'),
        }
    }
    while out.ends_with('.') || out.ends_with('-') {
        out.pop();
    }
    out
}

/// Accents and vowel signs that are characters of their own, tone marks of Thai, viramas: the arrs'
/// `\w` has them, and a dot in their place would make another word. All of these scripts lie in this
/// range; the few punctuation marks there are dropped by whoever compares.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{1fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(titles: &[&'a str]) -> Facts<'a> {
        Facts {
            titles: titles.to_vec(),
            year: Some(1999),
            absolute: None,
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
            // A scene name without a year is nothing that Radarr can read.
            (Some("matrix-1080p-x"), "The Matrix (1999)", "The Matrix (1999)"),
            (Some("a8d6c1f0e2"), "movie", "The.Matrix.1999.WEBDL-1080p-GRP"),
            // Names no title, no year, another year, another title.
            (None, "movie", "The.Matrix.1999.WEBDL-1080p-GRP"),
            (None, "The Matrix", "The.Matrix.1999.WEBDL-1080p-GRP"),
            (None, "The Matrix (2003)", "The.Matrix.1999.WEBDL-1080p-GRP"),
            (None, "01 - disc 1999", "The.Matrix.1999.WEBDL-1080p-GRP"),
        ];
        for (scene, stem, expected) in table {
            let title = movie(*scene, stem, &facts(&["The Matrix"]));
            assert_eq!(title, *expected, "{stem}");
        }
    }

    #[test]
    fn punctuation_and_articles_do_not_matter_but_years_in_titles_do() {
        #[rustfmt::skip]
        let table: &[(&str, u32, &str, bool)] = &[
            ("Spider-Man: No Way Home", 2021, "Spider-Man - No Way Home (2021) Bluray-1080p", true),
            ("Marvel's The Avengers", 2012, "Marvels.Avengers.2012.1080p", true),
            ("Fast & Furious", 2009, "Fast and Furious (2009)", true),
            ("Blade Runner 2049", 2017, "Blade Runner 2049 (2017)", true),
            ("Blade Runner 2049", 2017, "Blade Runner (2017)", false),
            ("2012", 2009, "2012.2009.720p", true),
            ("The Matrix", 1999, "The Matrix (1999) {imdb-tt0133093}", true),
            ("The The", 2000, "The.The.2000", true),
        ];
        for (title, year, stem, leads_back) in table {
            let facts = Facts {
                year: Some(*year),
                ..facts(&[title])
            };
            let found = movie(None, stem, &facts);
            assert_eq!(found == *stem, *leads_back, "{stem}: {found}");
        }
    }

    #[test]
    fn a_foreign_title_is_a_title_too() {
        let titles = Facts {
            year: Some(2001),
            ..facts(&["Spirited Away", "Sen to Chihiro no Kamikakushi"])
        };
        let stem = "Sen.to.Chihiro.no.Kamikakushi.2001.1080p";
        assert_eq!(movie(None, stem, &titles), stem);
    }

    #[test]
    fn episode_titles() {
        let one = Part::Episodes(1, vec![2]);
        #[rustfmt::skip]
        let table: &[(Option<&str>, &str, &Part<'_>, &str)] = &[
            (Some("Firefly.S01E02.720p-X"), "S01E02", &one, "Firefly.S01E02.720p-X"),
            (None, "Firefly - S01E02 - The Train Job WEBDL-1080p", &one, "Firefly - S01E02 - The Train Job WEBDL-1080p"),
            (None, "firefly.1x02.the.train.job", &one, "firefly.1x02.the.train.job"),
            // Scene numbering may differ from the library's; a season pack or noise names no episode.
            (Some("Firefly.S02E05.720p-X"), "S01E02", &one, "Firefly.S02E05.720p-X"),
            (Some("Firefly.S01.720p-X"), "S01E02", &one, "Firefly.S01E02.WEBDL-1080p-GRP"),
            (Some("b4b2ad3c"), "Firefly S01E02", &one, "Firefly S01E02"),
            // The series' own year may stand behind its title, no other.
            (None, "Firefly (1999) S01E02", &one, "Firefly (1999) S01E02"),
            (None, "Firefly 2002 S01E02", &one, "Firefly.S01E02.WEBDL-1080p-GRP"),
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
    fn anime_scene_names_count_from_the_first_episode() {
        let anime = Facts {
            absolute: Some(28),
            ..facts(&["Frieren"])
        };
        let part = Part::Episodes(2, vec![1]);
        let check = |scene: &str, expected: &str| {
            assert_eq!(episode(Some(scene), "x", &part, &anime), expected);
        };
        check("[Grp] Frieren - 28 (1080p)", "[Grp] Frieren - 28 (1080p)");
        check("[Grp] Frieren (1080p)", "Frieren.S02E01.WEBDL-1080p-GRP");
    }

    #[test]
    fn qualities_are_written_so_that_both_apps_read_them() {
        let check = |quality: &str, expected: &str| {
            let facts = Facts {
                quality: Some(quality),
                ..facts(&["Up"])
            };
            assert_eq!(movie(None, "x", &facts), expected);
        };
        check("Remux-2160p", "Up.1999.Bluray-2160p.Remux-GRP");
        check("Bluray-1080p Remux", "Up.1999.Bluray-1080p.Remux-GRP");
        check("Unknown", "Up.1999-GRP");
        check("BR-DISK", "Up.1999.BR-DISK-GRP");
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
        assert_eq!(movie(None, "x", &Facts::default()), "Unknown");
        let check = |title: &str, expected: &str| {
            let facts = Facts {
                titles: vec![title],
                ..Facts::default()
            };
            assert_eq!(movie(None, "x", &facts), expected);
        };
        check("{Proof} [of] {{Life}}", "Proof.of.Life");
        check("Ame\u{301}lie", "Ame\u{301}lie");
        check("เพื่อน", "เพื่อน");
        check("क्या कहना", "क्या.कहना");
        check("君の名は。", "君の名は");
        check("\u{202e}Up\u{7}\n\u{1f600}!", "Up");
        check(&"長".repeat(300), &"長".repeat(300));
    }
}
