//! What the words after a title say: quality, release group, languages, edition.
//!
//! Pure and total, as [`super::naming`]. Names of sources and qualities are those of Radarr and
//! Sonarr, which differ from each other. Only whole words count.

use super::naming::tokens;
use crate::release::{Category, Quality};

/// Quality in the arrs' words, from words such as `1080p`, `WEB-DL`, `BluRay`, `Remux`.
pub fn quality(text: &str, category: Category) -> Option<Quality> {
    let lower: Vec<String> = tokens(text)
        .map(|token| token.text.to_ascii_lowercase())
        .collect();
    let has = |word: &str| lower.iter().any(|token| token == word);
    let pair = |a: &str, b: &str| lower.windows(2).any(|pair| pair[0] == a && pair[1] == b);
    let resolution = [
        (2160, &["2160p", "4k", "uhd", "3840x2160"][..]),
        (1080, &["1080p", "1080i", "1920x1080"]),
        (720, &["720p", "1280x720"]),
        (576, &["576p", "576i"]),
        (480, &["480p", "480i", "640x480", "848x480"]),
    ]
    .iter()
    .find(|(_, words)| words.iter().any(|word| has(word)))
    .map(|(lines, _)| *lines);
    let is_remux = has("remux") || has("bdremux") || has("uhdremux");
    let is_bluray = ["bluray", "bdrip", "brrip", "bdremux", "bd", "uhdremux"]
        .iter()
        .any(|word| has(word))
        || pair("blu", "ray")
        || is_remux;
    let is_tv = category == Category::Tv;
    let source = if has("webrip") || pair("web", "rip") {
        Some(if is_tv { "webRip" } else { "webrip" })
    } else if has("webdl") || pair("web", "dl") || has("web") || has("amzn") {
        Some(if is_tv { "web" } else { "webdl" })
    } else if is_bluray {
        Some("bluray")
    } else if ["dvdrip", "dvd", "dvdr", "dvd5", "dvd9", "dvdscr"]
        .iter()
        .any(|w| has(w))
    {
        Some("dvd")
    } else if ["hdtv", "pdtv", "sdtv", "dsr", "tvrip", "satrip"]
        .iter()
        .any(|w| has(w))
    {
        Some(if is_tv { "television" } else { "tv" })
    } else {
        None
    };
    let name = match (source, resolution) {
        (Some("dvd"), _) => Some("DVD".to_owned()),
        (Some("bluray"), Some(lines)) if is_remux && is_tv => {
            Some(format!("Bluray-{lines}p Remux"))
        }
        (Some("bluray"), Some(lines)) if is_remux => Some(format!("Remux-{lines}p")),
        (Some("bluray"), Some(lines)) => Some(format!("Bluray-{lines}p")),
        (Some("web" | "webdl"), Some(lines)) => Some(format!("WEBDL-{lines}p")),
        (Some("webRip" | "webrip"), Some(lines)) => Some(format!("WEBRip-{lines}p")),
        (Some("television" | "tv"), Some(lines @ 720..)) => Some(format!("HDTV-{lines}p")),
        (Some("television" | "tv"), _) => Some("SDTV".to_owned()),
        _ => None,
    };
    let quality = Quality {
        name,
        source: source.map(str::to_owned),
        resolution,
    };
    (quality != Quality::default()).then_some(quality)
}

/// The release group: what follows the last hyphen of a name that has quality words before it, or
/// stands in brackets at its beginning.
pub fn group(stem: &str) -> Option<String> {
    let is_group = |text: &str| {
        (2..=24).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && quality(text, Category::Movies).is_none()
            && !["dl", "rip", "ray", "hd", "ma", "es"].contains(&text.to_ascii_lowercase().as_str())
    };
    let trimmed = stem.split(['[', '{']).next().unwrap_or_default().trim_end();
    if let Some((before, group)) = trimmed.rsplit_once('-')
        && is_group(group)
        && quality(before, Category::Movies).is_some()
    {
        return Some(group.to_owned());
    }
    let (group, _) = stem.strip_prefix('[')?.split_once(']')?;
    is_group(group).then(|| group.to_owned())
}

/// Languages named after `from` (the end of the title: `The.Italian.Job` is in English), in
/// English and in the arrs' spelling.
pub fn languages(text: &str, from: usize) -> Vec<String> {
    const NAMES: &[(&str, &str)] = &[
        ("english", "English"),
        ("german", "German"),
        ("deutsch", "German"),
        ("french", "French"),
        ("truefrench", "French"),
        ("vff", "French"),
        ("italian", "Italian"),
        ("ita", "Italian"),
        ("spanish", "Spanish"),
        ("castellano", "Spanish"),
        ("dutch", "Dutch"),
        ("flemish", "Flemish"),
        ("portuguese", "Portuguese"),
        ("danish", "Danish"),
        ("swedish", "Swedish"),
        ("norwegian", "Norwegian"),
        ("finnish", "Finnish"),
        ("polish", "Polish"),
        ("czech", "Czech"),
        ("hungarian", "Hungarian"),
        ("greek", "Greek"),
        ("turkish", "Turkish"),
        ("russian", "Russian"),
        ("ukrainian", "Ukrainian"),
        ("japanese", "Japanese"),
        ("korean", "Korean"),
        ("chinese", "Chinese"),
        ("hindi", "Hindi"),
        ("hebrew", "Hebrew"),
        ("arabic", "Arabic"),
    ];
    let mut found: Vec<String> = Vec::new();
    for token in tokens(text).filter(|token| token.start >= from) {
        let name = NAMES
            .iter()
            .find(|(word, _)| token.text.eq_ignore_ascii_case(word));
        if let Some((_, name)) = name
            && !found.iter().any(|known| known == name)
        {
            found.push((*name).to_owned());
        }
    }
    found
}

/// The edition named after `from`.
pub fn edition(text: &str, from: usize) -> Option<String> {
    const NAMES: &[(&[&str], &str)] = &[
        (&["directors", "cut"], "Director's Cut"),
        (&["director", "s", "cut"], "Director's Cut"),
        (&["final", "cut"], "Final Cut"),
        (&["extended"], "Extended"),
        (&["unrated"], "Unrated"),
        (&["uncut"], "Uncut"),
        (&["theatrical"], "Theatrical"),
        (&["remastered"], "Remastered"),
        (&["imax"], "IMAX"),
        (&["criterion"], "Criterion"),
        (&["special", "edition"], "Special Edition"),
    ];
    let lower: Vec<String> = tokens(text)
        .filter(|token| token.start >= from)
        .map(|token| token.text.to_lowercase())
        .collect();
    NAMES
        .iter()
        .find(|(words, _)| {
            lower
                .windows(words.len())
                .any(|window| window.iter().zip(*words).all(|(a, b)| a == b))
        })
        .map(|(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::naming::year;

    #[test]
    fn qualities() {
        let check = |name: &str, category, expected: (Option<&str>, Option<&str>, Option<u32>)| {
            let found = quality(name, category).unwrap_or_default();
            let found = (
                found.name.as_deref(),
                found.source.as_deref(),
                found.resolution,
            );
            assert_eq!(found, expected, "{name}");
        };
        let (movies, tv) = (Category::Movies, Category::Tv);
        let bluray = Some("bluray");
        check(
            "M.1999.1080p.BluRay.x264-G",
            movies,
            (Some("Bluray-1080p"), bluray, Some(1080)),
        );
        check(
            "M (1999) [Bluray-720p]",
            movies,
            (Some("Bluray-720p"), bluray, Some(720)),
        );
        check(
            "M.2160p.UHD.Blu-Ray.REMUX",
            movies,
            (Some("Remux-2160p"), bluray, Some(2160)),
        );
        check(
            "S.S01E01.1080p.Remux",
            tv,
            (Some("Bluray-1080p Remux"), bluray, Some(1080)),
        );
        check(
            "M.1080p.WEB-DL",
            movies,
            (Some("WEBDL-1080p"), Some("webdl"), Some(1080)),
        );
        check(
            "S.720p.AMZN.WEB-DL",
            tv,
            (Some("WEBDL-720p"), Some("web"), Some(720)),
        );
        check(
            "S.1080p.WEBRip",
            tv,
            (Some("WEBRip-1080p"), Some("webRip"), Some(1080)),
        );
        check(
            "S.1080p.WEB.h264",
            tv,
            (Some("WEBDL-1080p"), Some("web"), Some(1080)),
        );
        check(
            "S.720p.HDTV",
            tv,
            (Some("HDTV-720p"), Some("television"), Some(720)),
        );
        check("S.HDTV.XviD", tv, (Some("SDTV"), Some("television"), None));
        check("M.DVDRip.XviD", movies, (Some("DVD"), Some("dvd"), None));
        check("M.1080p", movies, (None, None, Some(1080)));
        check("M.4K", movies, (None, None, Some(2160)));
        check("M.1999", movies, (None, None, None));
        // Parts of words do not count.
        check("Spider.Webster.1999", movies, (None, None, None));
    }

    #[test]
    fn groups() {
        for (name, expected) in [
            ("M.1999.1080p.BluRay.x264-GRP", Some("GRP")),
            ("M.1999.1080p.BluRay.x264-GRP[rarbg]", Some("GRP")),
            ("M (1999) [Bluray-1080p]", None),
            ("M.1999.1080p.WEB-DL", None),
            ("M-Squad", None),
            (
                "[SubsPlease] Show - 05 (1080p) [ABCD1234]",
                Some("SubsPlease"),
            ),
            ("M.1999.1080p-", None),
        ] {
            assert_eq!(group(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn languages_and_editions_count_after_the_title_only() {
        let name = "The.Italian.Job.2003.German.DL.1080p.Extended-G";
        let (_, at) = year(name).unwrap();
        assert_eq!(languages(name, at), ["German"]);
        assert_eq!(edition(name, at).as_deref(), Some("Extended"));
        assert!(languages("The.French.Dispatch.2021", 20).is_empty());
        assert_eq!(languages("M.1999.FRENCH.TRUEFRENCH", 0), ["French"]);
        for (name, expected) in [
            ("M 1982 Director's Cut", Some("Director's Cut")),
            ("M.1982.Directors.Cut.720p", Some("Director's Cut")),
            ("M.1982.The.Final.Cut", Some("Final Cut")),
            ("M.1982.Cut", None),
        ] {
            assert_eq!(edition(name, 2).as_deref(), expected, "{name}");
        }
    }
}
