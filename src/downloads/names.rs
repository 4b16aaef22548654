//! Names on our disk: which of a friend's file names are taken, and what folder a title becomes.
//!
//! Pure. A friend's file name is taken as it is or refused, never mended: the arr reads it. A title
//! is mended instead, because nothing but people reads the folder's name: characters that Windows,
//! Samba or a shell trip over are replaced, and the result is one component that exists nowhere
//! else ([`numbered`]). Nothing that comes out of here starts with a dot, so nothing can be the
//! `.partial` folder.

use crate::peer::wire;

/// Longest name in bytes on every file system that we may meet (ext4, XFS, Btrfs, NTFS, exFAT).
pub const MAX_NAME: usize = 255;

/// Longest folder name made from a title: leaves room for ` (1000)` within [`MAX_NAME`].
const MAX_TITLE: usize = 240;

/// Why a file of this name is not fetched, or `None` if it is a plain base name that fits a disk.
pub fn filename_problem(name: &str) -> Option<&'static str> {
    let is_long = name.len() > MAX_NAME;
    wire::name_problem(name).or(is_long.then_some("is longer than 255 bytes"))
}

/// The folder name of a title.
pub fn folder_name(title: &str) -> String {
    let replaced: String = title
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '-',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    // Leading dots hide it, trailing dots and spaces are lost on Windows.
    let trimmed = replaced
        .trim_start_matches(|c: char| c == '.' || c.is_whitespace())
        .trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let mut name = cut(trimmed, MAX_TITLE)
        .trim_end_matches(|c: char| c == '.' || c.is_whitespace())
        .to_owned();
    if is_device(&name) {
        name.insert(0, '_');
    }
    if name.is_empty() {
        name.push_str("untitled");
    }
    name
}

/// The `n`th name to try for a folder, counted from 1: the name itself, then `name (2)`.
pub fn numbered(folder: &str, n: u32) -> String {
    if n <= 1 {
        folder.to_owned()
    } else {
        let suffix = format!(" ({n})");
        format!("{}{suffix}", cut(folder, MAX_NAME - suffix.len()))
    }
}

/// The longest beginning of `text` that has at most `limit` bytes and ends between characters.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// Names that Windows keeps for devices, with or without an extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_end().to_ascii_uppercase();
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4
            && (stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.ends_with(|c: char| c.is_ascii_digit() && c != '0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_base_names_only() {
        let check = |name: &str, good: bool| {
            assert_eq!(filename_problem(name).is_none(), good, "{name:?}");
        };
        for name in [
            "a.mkv",
            "...",
            ".hidden.mkv",
            "ä ö (2000) [x].mkv",
            "😀.mkv",
            "%2f",
        ] {
            check(name, true);
        }
        for name in [
            "", ".", "..", "a/b", "/a", "..\\a", "a\0", "a\nb", "a\u{7f}", "a\u{85}",
        ] {
            check(name, false);
        }
        check(&"x".repeat(255), true);
        check(&"x".repeat(256), false);
        // 128 characters, but 256 bytes.
        check(&"é".repeat(128), false);
    }

    #[test]
    fn titles_become_one_harmless_component() {
        let check = |title: &str, folder: &str| assert_eq!(folder_name(title), folder, "{title:?}");
        check("The.Matrix.1999.1080p-GRP", "The.Matrix.1999.1080p-GRP");
        check("../../etc/passwd", "-..-etc-passwd");
        check("a/b\\c:d*e?f\"g<h>i|j", "a-b-c-d-e-f-g-h-i-j");
        check("  ..hidden. . ", "hidden");
        check("...", "untitled");
        check("", "untitled");
        check("a\nb\0c", "a b c");
        check("nul", "_nul");
        check("Com1.mkv", "_Com1.mkv");
        check("COM0", "COM0");
        check("Console", "Console");
        check("Amélie 😀", "Amélie 😀");
    }

    #[test]
    fn long_titles_are_cut_between_characters() {
        for unit in ["x", "é", "語", "😀", ". "] {
            let name = folder_name(&format!("a{}", unit.repeat(400)));
            assert!(name.len() <= MAX_TITLE, "{unit}");
            assert!(!name.ends_with(['.', ' ']), "{unit}");
            assert!(numbered(&name, 1000).len() <= MAX_NAME);
        }
        assert!(numbered(&"é".repeat(127), 12).len() <= MAX_NAME);
        assert_eq!(numbered("a", 1), "a");
        assert_eq!(numbered("a", 2), "a (2)");
    }

    #[test]
    fn any_title_gives_a_name_that_a_friend_could_also_have_sent() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..2000 {
            let mut title = String::new();
            for _ in 0..(seed % 300) {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let limit = if seed.is_multiple_of(3) {
                    0x11_0000
                } else {
                    0x80
                };
                title.extend(char::from_u32((seed >> 20) as u32 % limit));
            }
            seed = seed.wrapping_add(0x1234_5678_9abc_def1);
            let name = folder_name(&title);
            assert_eq!(filename_problem(&name), None, "{title:?}");
            assert!(!name.starts_with('.'), "{title:?}");
        }
    }
}
