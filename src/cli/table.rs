//! Text for a terminal: aligned columns, and foreign words made harmless.

/// Foreign text on one line: control characters and direction marks are escaped, so that a title
/// can neither move the cursor nor read backwards.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        match is_hidden {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

/// Rows under a head. The last column is as long as it likes.
pub struct Table {
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
    /// Lines below a row, by its number.
    below: Vec<(usize, String)>,
}

impl Table {
    /// An empty table.
    pub fn new(head: &'static [&'static str]) -> Table {
        Table {
            head,
            rows: Vec::new(),
            below: Vec::new(),
        }
    }

    /// A row; cells are escaped here.
    pub fn row(&mut self, cells: &[&str]) {
        self.rows
            .push(cells.iter().map(|cell| shown(cell)).collect());
    }

    /// A line below the last row.
    pub fn below(&mut self, text: &str) {
        let row = self.rows.len().saturating_sub(1);
        self.below.push((row, shown(text)));
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, each line indented by two.
    pub fn text(&self) -> String {
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .chain([self.head[column].len()])
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut out = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for (cell, width) in cells.zip(&widths) {
                text.push_str("  ");
                text.push_str(cell);
                let padding = width.saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', padding));
            }
            out.push_str(text.trim_end());
            out.push('\n');
        };
        line(&mut self.head.iter().copied());
        for (number, row) in self.rows.iter().enumerate() {
            line(&mut row.iter().map(String::as_str));
            for (_, text) in self.below.iter().filter(|(row, _)| *row == number) {
                line(&mut [format!("  {text}").as_str()].into_iter());
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_may_hang_below() {
        let mut table = Table::new(&["STATE", "TITLE"]);
        assert!(table.is_empty());
        table.row(&["é", "Up"]);
        table.row(&["downloading", "The Matrix"]);
        table.below("why");
        assert_eq!(
            table.text(),
            "  STATE        TITLE\n  é            Up\n  downloading  The Matrix\n    why\n"
        );
    }

    #[test]
    fn foreign_words_cannot_steer_the_terminal() {
        assert_eq!(
            shown("a\x1b[2Jb\nc\u{202e}d"),
            "a\\u{1b}[2Jb\\u{a}c\\u{202e}d"
        );
        let mut table = Table::new(&["A"]);
        table.row(&["\r\x07x"]);
        assert_eq!(table.text(), "  A\n  \\u{d}\\u{7}x\n");
    }
}
