//! Free text of a search as folded words.
//!
//! Pure. What becomes of the words is the catalogue's business; its index folds titles the same way.

use crate::release::spellings;

/// Words used of one text. A title with its episode's title has fewer; an arr that looks for a
/// longer one gets a few results too many and sorts them out itself, where an error would make it
/// avoid the indexer for hours.
pub const MAX_WORDS: usize = 32;

/// The words of a text: runs of letters and digits in lower case, without accents, each once.
///
/// Only accents that a decomposition knows are removed, as the index does it (SQLite's unicode61
/// with remove_diacritics, and [`spellings`]): `é` is `e`, but `ø` and `ß` are letters of their own
/// on both sides.
/// Words after the first [`MAX_WORDS`] are not looked at.
pub fn words(text: &str) -> Vec<String> {
    let folded: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .map(without_accent)
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .collect();
    let mut words: Vec<String> = Vec::new();
    for word in folded.split(|c: char| !c.is_alphanumeric()) {
        if !word.is_empty() && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
            if words.len() == MAX_WORDS {
                break;
            }
        }
    }
    words
}

/// Base letter of the accented lower-case letters of Latin-1 and Latin Extended-A that have a
/// canonical decomposition, and of Cyrillic and Greek ones, as titles are indexed. The index folds
/// all others itself.
fn without_accent(c: char) -> char {
    match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ĥ' => 'h',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' => 'i',
        'ĵ' => 'j',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ŏ' | 'ő' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' => 's',
        'ţ' | 'ť' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => 'u',
        'ŵ' => 'w',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        _ => spellings::without_accent(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(text), expected, "{text}");
        check("The Matrix (1999)", &["the", "matrix", "1999"]);
        check("the.THE_the-thE", &["the"]);
        check("Amélie AME\u{301}LIE Žižek", &["amelie", "zizek"]);
        check("Smørrebrød Straße İ", &["smørrebrød", "straße", "i"]);
        check("千と千尋 🐦 Ёлки", &["千と千尋", "елки"]);
        check("Οδυσσέας ΟΔΥΣΣΕΑΣ Мой мои\u{306}", &["οδυσσεασ", "мои"]);
        check("'!?&", &[]);
    }

    #[test]
    fn many_words_are_cut() {
        let many: Vec<String> = (0..MAX_WORDS + 5).map(|n| format!("w{n}")).collect();
        assert_eq!(words(&many.join(" ")), many[..MAX_WORDS]);
        // The same word again is no further word.
        assert_eq!(words(&"a ".repeat(10_000)), ["a"]);
    }
}
