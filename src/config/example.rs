//! The example file, which is also what `jackdaw help config` prints: made from the table of keys.
//!
//! Everything optional is commented out, so that the file is valid as it stands and means the
//! defaults. Text lines begin with `# `, lines to be used with `#` and no blank.

use super::keys::{DOWNLOADS, FOLDER, IfAbsent, JACKDAW, Key, PEER, SERVER, SHARING, Section};

const INTRODUCTION: &str = "\
# Configuration of jackdaw. This text is also printed by: jackdaw help config
#
# It is read from --config FILE, else $JACKDAW_CONFIG, else ./jackdaw.ini, else
# /etc/jackdaw/jackdaw.ini. `jackdaw check` says what is wrong with it and what would run.
#
# Remove the # in front of a line to use it. Where no other default is named, the line shows it.
# Comments stand on a line of their own, values are written without quotes, paths are absolute.
# Durations: 500ms 60s 30m 24h 7d. Sizes: bytes, or KiB MiB GiB TiB (1024), KB MB GB TB (1000).
# Rates: a size and /s, 0 = unlimited. Yes or no: true false yes no on off.
# Secrets and header values: written out, or env:NAME, or file:/absolute/path.
";

/// The whole example file.
pub fn example() -> String {
    let mut out = INTRODUCTION.to_owned();
    section(&mut out, &JACKDAW);
    section(&mut out, &DOWNLOADS);
    section(&mut out, &SHARING);
    section(&mut out, &SERVER);
    section(&mut out, &FOLDER);
    section(&mut out, &PEER);
    out
}

/// Names of all sections.
pub(super) const SECTION_NAMES: [&str; 6] = [
    "jackdaw",
    "downloads",
    "sharing",
    "server",
    "folder",
    "peer",
];

/// Sections that have a key of this name, as `[name]`.
pub(super) fn sections_with(key: &str) -> Vec<String> {
    fn has<T>(section: &Section<T>, key: &str) -> Option<String> {
        let has = section.keys.iter().any(|known| known.name == key);
        has.then(|| format!("[{}]", section.name))
    }
    [
        has(&JACKDAW, key),
        has(&DOWNLOADS, key),
        has(&SHARING, key),
        has(&SERVER, key),
        has(&FOLDER, key),
        has(&PEER, key),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn section<T>(out: &mut String, section: &Section<T>) {
    out.push('\n');
    text(out, section.help);
    out.push_str(&match section.sample_title {
        Some(title) => format!("#[{} \"{title}\"]\n", section.name),
        None => format!("#[{}]\n", section.name),
    });
    for key in section.keys {
        out.push('\n');
        entry(out, key);
    }
    if let Some(headers) = &section.headers {
        out.push('\n');
        text(out, "A header to send with every request; may be repeated.");
        out.push_str(&format!("#{}\n", headers.sample));
    }
}

fn entry<T>(out: &mut String, key: &Key<T>) {
    text(out, key.help);
    let sample = match key.if_absent {
        IfAbsent::Value(default) if key.sample.is_empty() => default,
        IfAbsent::Value(default) => {
            text(out, &format!("Default: {default}"));
            key.sample
        }
        IfAbsent::Required => {
            text(out, "Must be given.");
            key.sample
        }
        IfAbsent::Unset(meaning) => {
            text(out, &format!("Default: {meaning}"));
            key.sample
        }
    };
    out.push_str(&format!("#{} = {sample}\n", key.name));
}

fn text(out: &mut String, text: &str) {
    for line in text.lines() {
        out.push_str("# ");
        out.push_str(line);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Outside;
    use std::path::Path;

    fn outside() -> Outside<'static> {
        Outside {
            env: &|name| match name {
                "RADARR_API_KEY" => Some("0123456789abcdef0123456789abcdef".into()),
                "JACKDAW_API_KEY" | "ALICE_CF_ID" => Some("a-key-of-enough-letters".into()),
                _ => None,
            },
            file: &|_| Ok(b"alices-key\n".to_vec()),
        }
    }

    /// To write the file anew: `cargo run -q -- help config > config.example.ini`.
    #[test]
    fn the_example_file_is_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.ini");
        let file = std::fs::read_to_string(path).unwrap();
        assert!(
            file == example(),
            "run: cargo run -q -- help config > config.example.ini"
        );
    }

    #[test]
    fn the_example_as_it_stands_means_the_defaults() {
        let config =
            crate::config::parse(Path::new("f"), example().as_bytes(), &outside()).unwrap();
        assert_eq!(config.warnings, [""; 0]);
        assert_eq!(
            format!("{config:?}").replace("file: Some(\"f\")", "file: None"),
            format!("{:?}", crate::config::Config::built_in())
        );
    }

    /// Every line of the example that could be used is used: all samples are sound together.
    #[test]
    fn the_example_with_everything_in_use_is_sound() {
        let mut text = String::new();
        for line in example().lines() {
            let used = line.strip_prefix('#').filter(|rest| !rest.is_empty());
            text.push_str(match used {
                Some(rest) if !rest.starts_with(' ') => rest,
                _ => line,
            });
            text.push('\n');
        }
        let config = crate::config::parse(Path::new("f"), text.as_bytes(), &outside()).unwrap();
        assert_eq!(config.warnings, [""; 0]);
        assert_eq!(config.servers.len(), 1);
        assert_eq!(config.servers[0].headers.len(), 1);
        assert_eq!(config.servers[0].path_map.len(), 1);
        assert_eq!(config.folders.len(), 1);
        assert_eq!(config.peers[0].api_key.expose(), "alices-key");
        assert_eq!(config.downloads.unwrap().rate.windows.len(), 2);
    }

    #[test]
    fn lines_fit_a_screen_and_every_key_has_help() {
        for line in example().lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert!(!example().contains("# \n"));
    }

    #[test]
    fn section_names_are_those_of_the_table() {
        let names = [
            JACKDAW.name,
            DOWNLOADS.name,
            SHARING.name,
            SERVER.name,
            FOLDER.name,
            PEER.name,
        ];
        assert_eq!(names, SECTION_NAMES);
        assert_eq!(sections_with("rate"), ["[downloads]", "[sharing]"]);
    }
}
