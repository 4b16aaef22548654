//! The words of a title as Radarr and Sonarr spell them when they search by text.
//!
//! They do not send a title as it is: `&` becomes `and`, apostrophes and the dots of abbreviations
//! vanish (`Schindlers List`, `SWAT`), letters lose what stands above them (`елки` for `Ёлки`). A
//! search wants every word to occur, so a title is found by these spellings beside its own words.
//! What the index folds by itself (letter case, accents of Latin letters) is not repeated here.
//! Pure; the output is at most about twice as long as the text. Accents of other scripts than
//! Cyrillic and Greek are left as they are.

/// Words that a text is to be found by beside those that stand in it, separated by spaces; `None`
/// if there are none.
pub fn spellings(text: &str) -> Option<String> {
    let mut found = String::new();
    let mut add = |word: &str| {
        if !found.is_empty() {
            found.push(' ');
        }
        found.push_str(word);
    };
    if text.contains('&') {
        add("and");
    }
    let is_of_word = |c: char| c.is_alphanumeric() || is_apostrophe(c);
    for piece in text.split(|c: char| !is_of_word(c)) {
        let piece = piece.trim_matches(is_apostrophe);
        let joined: String = piece.chars().filter(|c| !is_apostrophe(*c)).collect();
        let plain: String = joined.chars().map(without_accent).collect();
        if joined != piece || plain != joined {
            add(&plain);
        }
    }
    // S.W.A.T: single letters with a dot between each. The last one is followed by anything.
    let mut letters = String::new();
    for piece in text.split(|c: char| c != '.' && !c.is_alphanumeric()) {
        for part in piece.split('.') {
            let mut chars = part.chars();
            match (chars.next(), chars.next()) {
                (Some(letter), None) if letter.is_alphabetic() => letters.push(letter),
                _ => end_letters(&mut letters, &mut add),
            }
        }
        end_letters(&mut letters, &mut add);
    }
    (!found.is_empty()).then_some(found)
}

fn end_letters(letters: &mut String, add: &mut impl FnMut(&str)) {
    if letters.chars().nth(1).is_some() {
        add(letters);
    }
    letters.clear();
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '`' | '´' | '‘' | '’')
}

/// Base letter of Cyrillic and Greek letters that have a canonical decomposition; and one form of
/// sigma, for an upper-case one does not tell which of the two it is. Others are left as they are.
pub fn without_accent(c: char) -> char {
    match c {
        'й' | 'ѝ' => 'и',
        'Й' | 'Ѝ' => 'И',
        'ё' | 'ѐ' => 'е',
        'Ё' | 'Ѐ' => 'Е',
        'ї' => 'і',
        'Ї' => 'І',
        'ў' => 'у',
        'Ў' => 'У',
        'ѓ' => 'г',
        'Ѓ' => 'Г',
        'ќ' => 'к',
        'Ќ' => 'К',
        'ά' => 'α',
        'Ά' => 'Α',
        'έ' => 'ε',
        'Έ' => 'Ε',
        'ή' => 'η',
        'Ή' => 'Η',
        'ί' | 'ϊ' | 'ΐ' => 'ι',
        'Ί' | 'Ϊ' => 'Ι',
        'ό' => 'ο',
        'Ό' => 'Ο',
        'ύ' | 'ϋ' | 'ΰ' => 'υ',
        'Ύ' | 'Ϋ' => 'Υ',
        'ώ' => 'ω',
        'Ώ' => 'Ω',
        'ς' => 'σ',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_found_as_the_arrs_spell_them() {
        for (text, expected) in [
            ("The.Matrix.1999.1080p.BluRay.x264-GROUP", None),
            ("Amélie (2001)", None),
            ("Mr. Robot, Vol. 2 - DDP5.1 H.264 7.1", None),
            ("I, Robot. A Film", None),
            ("", None),
            ("'", None),
            ("'Quoted' words", None),
            ("Schindler's List", Some("Schindlers")),
            ("Rock 'n' Roll of O’Hara`s", Some("OHaras")),
            ("Tom & Jerry & Co", Some("and")),
            ("S.W.A.T.S01E01", Some("SWAT")),
            ("S.W.A.T. (2017) of E.T", Some("SWAT ET")),
            ("Marvel's S.H.I.E.L.D. - Pilot", Some("Marvels SHIELD")),
            ("Ёлки (2010)", Some("Елки")),
            ("Мой двойник", Some("Мои двоиник")),
            ("Οδυσσέας", Some("Οδυσσεασ")),
        ] {
            assert_eq!(spellings(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn spellings_are_bounded_by_the_text() {
        let mut seed = 0x1234_5678_9ABC_DEF1u64;
        let mut next = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let pieces = [
            "'", ".", "a", "Ё", "ς", "&", " ", "xy", "’", "1", "\u{301}", "🐦",
        ];
        for _ in 0..20_000 {
            let text: String = (0..next(20)).map(|_| pieces[next(pieces.len())]).collect();
            let found = spellings(&text).unwrap_or_default();
            // Each word of more than one letter may come once joined and once as an abbreviation.
            assert!(
                found.len() <= 2 * text.len() + "and ".len(),
                "{text:?} {found:?}"
            );
            assert!(!found.contains("  "), "{text:?} {found:?}");
        }
    }
}
