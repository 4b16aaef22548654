//! Words of a search as an FTS5 expression.
//!
//! Only letters and digits get through, each word in quotes, so that nothing a client sends is
//! syntax to FTS5. Folding of case and accents is the tokenizer's (`unicode61 remove_diacritics 2`).

/// Words used of one search; a title has fewer. What comes after is ignored.
pub const MAX_WORDS: usize = 32;

/// Characters used of one word.
pub const MAX_WORD: usize = 64;

/// The expression that all words, and the year in the title, must match; `None` without any.
pub fn expression(words: &[String], year: Option<u32>) -> Option<String> {
    let year = year.map(|year| format!("title : \"{year}\""));
    let words = words
        .iter()
        .flat_map(|word| word.split(|c: char| !is_of_word(c)))
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(MAX_WORDS)
        .map(|word| {
            let word: String = word.chars().take(MAX_WORD).collect();
            format!("\"{word}\"")
        });
    let terms: Vec<String> = year.into_iter().chain(words).collect();
    (!terms.is_empty()).then(|| terms.join(" "))
}

/// Letters, digits, and the combining accents that the tokenizer drops from inside a word.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for (words, year, expected) in [
            (vec![], None, None),
            (vec!["the", "Matrix"], None, Some("\"the\" \"Matrix\"")),
            (vec![], Some(1999), Some("title : \"1999\"")),
            (vec!["a"], Some(1999), Some("title : \"1999\" \"a\"")),
            (
                vec!["AC/DC", "title:x*"],
                None,
                Some("\"AC\" \"DC\" \"title\" \"x\""),
            ),
            (
                vec!["\"", "\0", "--", "\u{301}", "(", "NEAR(a b)"],
                None,
                Some("\"NEAR\" \"a\" \"b\""),
            ),
            (vec!["cafe\u{301}"], None, Some("\"cafe\u{301}\"")),
        ] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert_eq!(expression(&words, year).as_deref(), expected, "{words:?}");
        }
    }

    #[test]
    fn many_and_long_words_are_cut() {
        let many = vec!["a".to_owned(); MAX_WORDS + 5];
        let expression_of_many = expression(&many, None).unwrap();
        assert_eq!(expression_of_many.matches("\"a\"").count(), MAX_WORDS);
        let long = expression(&["é".repeat(MAX_WORD * 3)], None).unwrap();
        assert_eq!(long.chars().count(), MAX_WORD + 2);
    }
}
