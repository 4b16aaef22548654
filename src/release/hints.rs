//! What a release name shows by itself: resolution, medium, year, season and episode.
//!
//! A friend's server may know nothing about a file but its name; this fills the gaps for categories
//! and feed attributes. It is a reader of words, not a full release parser: it looks for a few
//! unmistakable words anywhere, and for words that also occur in film titles ("web", "3d") only
//! behind a year, a season or a resolution. What it does not recognise stays unknown.

/// Where a release was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Blu-ray, encoded or as it is.
    Bluray,
    /// DVD.
    Dvd,
    /// A streaming service: WEB-DL or WEBRip.
    Web,
    /// A broadcast.
    Tv,
}

/// What was recognised in a release name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Lines: 480, 576, 720, 1080, 2160.
    pub resolution: Option<u32>,
    /// Where it was taken from.
    pub medium: Option<Medium>,
    /// Year behind the title.
    pub year: Option<u32>,
    /// Stereoscopic.
    pub is_3d: bool,
}

/// Reads a release name, or a quality name such as `WEBDL-1080p`.
pub fn hints(name: &str) -> Hints {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut found = Hints::default();
    let mut is_behind_title = false;
    let mut is_technical = false;
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).copied().unwrap_or("");
        if let Some(resolution) = resolution(word) {
            found.resolution = found.resolution.or(Some(resolution));
            is_technical = true;
        }
        let medium = medium(word, next, is_behind_title || is_technical);
        if medium.is_some() {
            found.medium = found.medium.or(medium);
            is_technical = true;
        }
        // The first word is always title ("2012", "1917"); of several years the last one is the
        // year ("Blade Runner 2049 2017"), unless it comes after the quality.
        if index > 0 && !is_technical {
            if let Some(year) = year(word) {
                found.year = Some(year);
                is_behind_title = true;
            }
            if season_episode(word).is_some() {
                is_behind_title = true;
            }
        }
        if is_behind_title || is_technical {
            found.is_3d |= *word == "3d";
            if matches!(*word, "4k" | "uhd") {
                found.resolution = found.resolution.or(Some(2160));
            }
        }
    }
    found
}

/// A word of the form `S01E02` (also `S01E02E03`, of which the first counts), `S01` or `1x02`:
/// season, and episode if there is one. `S1` alone is too often part of a title.
pub fn season_episode(word: &str) -> Option<(u32, Option<u32>)> {
    let word = word.to_ascii_lowercase();
    let (season, episode) = match word.strip_prefix('s') {
        Some(rest) => match rest.split_once('e') {
            Some((season, episodes)) => (season, Some(episodes.split('e').next()?)),
            None => (rest, None),
        },
        None => {
            let (season, episode) = word.split_once('x')?;
            // Two digits and more: not every "2x4" is an episode. Not "1920x1080" either.
            if season.len() > 2 || !(2..=3).contains(&episode.len()) {
                return None;
            }
            (season, Some(episode))
        }
    };
    let least = if episode.is_some() { 1 } else { 2 };
    let season = number(season, least)?;
    match episode {
        None => Some((season, None)),
        Some(episode) => Some((season, Some(number(episode, 1)?))),
    }
}

/// A number of at least `least` and at most 4 digits.
fn number(digits: &str, least: usize) -> Option<u32> {
    let is_number =
        (least..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

fn year(word: &str) -> Option<u32> {
    number(word, 4).filter(|year| (1900..2100).contains(year))
}

fn resolution(word: &str) -> Option<u32> {
    match word {
        "2160p" | "2160i" => Some(2160),
        "1080p" | "1080i" => Some(1080),
        "720p" | "720i" => Some(720),
        "576p" | "576i" => Some(576),
        "480p" | "480i" => Some(480),
        _ => None,
    }
}

fn medium(word: &str, next: &str, is_behind_title: bool) -> Option<Medium> {
    match (word, next) {
        ("bluray" | "bdrip" | "brrip" | "bdremux" | "bdmv" | "uhdbd", _) | ("blu", "ray") => {
            Some(Medium::Bluray)
        }
        ("remux" | "br" | "bd", _) if is_behind_title => Some(Medium::Bluray),
        ("webdl" | "webrip" | "webhd", _) | ("web", "dl" | "rip") => Some(Medium::Web),
        ("web", _) if is_behind_title => Some(Medium::Web),
        ("dvdrip" | "dvd5" | "dvd9" | "dvdr" | "dvdscr", _) => Some(Medium::Dvd),
        ("dvd", _) if is_behind_title => Some(Medium::Dvd),
        ("hdtv" | "pdtv" | "sdtv" | "dsr" | "tvrip" | "dvb", _) => Some(Medium::Tv),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_what_they_are() {
        use Medium::*;
        let check = |name: &str, resolution, medium, year, is_3d| {
            let expected = Hints {
                resolution,
                medium,
                year,
                is_3d,
            };
            assert_eq!(hints(name), expected, "{name}");
        };
        check(
            "The.Matrix.1999.1080p.BluRay.x264-GROUP",
            Some(1080),
            Some(Bluray),
            Some(1999),
            false,
        );
        check(
            "Dune (2021) [2160p] [4K] [WEB] [5.1]",
            Some(2160),
            Some(Web),
            Some(2021),
            false,
        );
        check(
            "Blade Runner 2049 2017 UHD BluRay",
            Some(2160),
            Some(Bluray),
            Some(2017),
            false,
        );
        check(
            "2012.2009.720p.BRRip",
            Some(720),
            Some(Bluray),
            Some(2009),
            false,
        );
        check("1917.1080p.WEB-DL", Some(1080), Some(Web), None, false);
        check(
            "Charlottes.Web.2006.DVDRip.XviD",
            None,
            Some(Dvd),
            Some(2006),
            false,
        );
        check("Charlotte's Web", None, None, None, false);
        check("Saw.3D", None, None, None, false);
        check("Saw.3D.2010.1080p", Some(1080), None, Some(2010), false);
        check(
            "Saw.2010.3D.HSBS.1080p.BluRay",
            Some(1080),
            Some(Bluray),
            Some(2010),
            true,
        );
        check(
            "Show.S01E02.Web.of.Lies.480p.HDTV.x264-LOL",
            Some(480),
            Some(Web),
            None,
            false,
        );
        check(
            "Show.2016.12.20.HDTV.x264",
            None,
            Some(Tv),
            Some(2016),
            false,
        );
        check(
            "Show - 1x02 - Pilot (576p DVD)",
            Some(576),
            Some(Dvd),
            None,
            false,
        );
        check(
            "Film.1080p.BluRay.2015.Remaster",
            Some(1080),
            Some(Bluray),
            None,
            false,
        );
        check("Blu-ray", None, Some(Bluray), None, false);
        check("WEBDL-1080p", Some(1080), Some(Web), None, false);
        check("Remux-2160p", Some(2160), None, None, false);
        check("HDTV-720p", Some(720), Some(Tv), None, false);
        check("", None, None, None, false);
        check("🐦….é", None, None, None, false);
    }

    #[test]
    fn episode_words() {
        let check = |word: &str, expected| assert_eq!(season_episode(word), expected, "{word}");
        check("S01E02", Some((1, Some(2))));
        check("s1e2", Some((1, Some(2))));
        check("S00E100", Some((0, Some(100))));
        check("s01e02e03", Some((1, Some(2))));
        check("S2016E1220", Some((2016, Some(1220))));
        check("S01", Some((1, None)));
        check("s00", Some((0, None)));
        check("1x02", Some((1, Some(2))));
        check("12x123", Some((12, Some(123))));
        for other in [
            "",
            "s",
            "s1",
            "e02",
            "S01E",
            "Se01",
            "sx01",
            "s01x02",
            "S01E0x",
            "1x2",
            "1x",
            "x02",
            "1920x1080",
            "1280x720",
            "S99999",
            "S01E99999",
            "seven",
            "S01é",
            "s1m0ne",
            "x264",
        ] {
            check(other, None);
        }
    }
}
