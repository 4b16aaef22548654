//! Writing XML: small documents that are well-formed whatever text is put into them.
//!
//! [`document`] takes the root element and a closure that fills it; elements close themselves and
//! attributes are given with the element, so that no call order makes a broken document. Names
//! are `&'static str`: they come from our source, never from data. An element holds either text or
//! elements, each on a line of its own. The exception is [`Content::pieces`], which writes markup of
//! our source as it stands: its caller answers for whole elements, and a golden test should hold
//! each of them. What is data is escaped there too.
//!
//! Text is escaped. Characters that XML 1.0 forbids (§2.2: most control characters, U+FFFE,
//! U+FFFF) are dropped: there is no way to write them, and a numeric reference to one makes
//! Sonarr and Radarr refuse the whole feed. Everything else is kept, emoji included (the arrs strip
//! those themselves). There is no reader here.

use std::ops::Deref;

/// Attributes of one element, in order. A name must not occur twice.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

/// Inside an element.
pub struct Content<'a> {
    out: &'a mut String,
}

/// A part of what [`Content::pieces`] writes.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// Markup of our source, as it stands. All of one call together are whole elements.
    Markup(&'static str),
    /// A value, to be escaped. It stands in an element or in double quotes.
    Value(&'a str),
    /// A value that stands in many places.
    Ready(&'a Escaped),
}

/// Text that has been escaped once for all, for elements and attributes.
#[derive(Clone, Debug)]
pub struct Escaped(String);

impl Escaped {
    /// Escapes `text`.
    pub fn of(text: &str) -> Escaped {
        let mut out = String::with_capacity(text.len());
        escape(&mut out, text, Place::Attribute);
        Escaped(out)
    }
}

/// A whole document in UTF-8: declaration, and one root element with what `fill` puts into it. Room
/// is made for `expected` bytes at once; there may be more or fewer.
pub fn document(
    root: &'static str,
    attributes: Attributes<'_>,
    expected: usize,
    fill: impl FnOnce(&mut Content<'_>),
) -> Vec<u8> {
    let mut out = String::with_capacity(expected);
    out.push_str(DECLARATION);
    Content { out: &mut out }.element(root, attributes, fill);
    out.into_bytes()
}

/// A whole document whose root holds nothing.
pub fn empty_document(root: &'static str, attributes: Attributes<'_>) -> Vec<u8> {
    let mut out = String::from(DECLARATION);
    Content { out: &mut out }.empty(root, attributes);
    out.into_bytes()
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

impl Content<'_> {
    /// An element that holds elements.
    pub fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        fill: impl FnOnce(&mut Content<'_>),
    ) {
        self.start(name, attributes);
        self.out.push_str(">\n");
        fill(&mut Content { out: self.out });
        self.end(name);
    }

    /// An element that holds text.
    pub fn text(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.start(name, attributes);
        self.out.push('>');
        escape(self.out, text, Place::Text);
        self.end(name);
    }

    /// An element that holds nothing.
    pub fn empty(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.out.push_str("/>\n");
    }

    /// Elements spelled out: for what a document repeats by the hundred, at a third of the cost.
    pub fn pieces(&mut self, pieces: &[Piece<'_>]) {
        for piece in pieces {
            match piece {
                Piece::Markup(markup) => self.out.push_str(markup),
                Piece::Value(value) => escape(self.out, value, Place::Attribute),
                Piece::Ready(Escaped(text)) => self.out.push_str(text),
            }
        }
    }

    fn start(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.out.push('<');
        self.out.push_str(name);
        for (attribute, value) in attributes {
            self.out.push(' ');
            self.out.push_str(attribute);
            self.out.push_str("=\"");
            escape(self.out, value, Place::Attribute);
            self.out.push('"');
        }
    }

    fn end(&mut self, name: &'static str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push_str(">\n");
    }
}

/// True for characters that an XML 1.0 document may contain (§2.2).
pub fn is_allowed(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Attribute,
}

fn escape(out: &mut String, text: &str, place: Place) {
    // Nearly all text needs nothing: it is copied a stretch at a time.
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| SUSPECT[usize::from(byte)]) {
        out.push_str(&rest[..at]);
        let mut characters = rest[at..].chars();
        match characters.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            // Needed in text only after `]]`, harmless elsewhere.
            Some('>') => out.push_str("&gt;"),
            Some('"') if place == Place::Attribute => out.push_str("&quot;"),
            // A reader turns a bare CR into LF, and white space in attributes into spaces.
            Some('\r') => out.push_str("&#13;"),
            Some('\n') if place == Place::Attribute => out.push_str("&#10;"),
            Some('\t') if place == Place::Attribute => out.push_str("&#9;"),
            Some(character) if is_allowed(character) => out.push(character),
            _ => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

/// True for the first bytes of all characters that may have to be changed: markup, controls, and
/// what begins U+FFFE and U+FFFF. None of them occurs inside another character.
static SUSPECT: [bool; 256] = {
    let mut suspect = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        suspect[byte] = matches!(byte as u8, b'&' | b'<' | b'>' | b'"' | 0..=0x1f | 0xef);
        byte += 1;
    }
    suspect
};

/// A number in decimal, without the cost of formatting machinery: a feed has thousands.
pub struct Digits {
    /// Right-aligned.
    bytes: [u8; Digits::MOST],
    start: usize,
}

impl Digits {
    /// Digits of `u64::MAX`.
    const MOST: usize = 20;

    /// The digits of a number.
    pub fn of(number: u64) -> Digits {
        let mut digits = Digits {
            bytes: [b'0'; Digits::MOST],
            start: Digits::MOST,
        };
        let mut rest = number;
        while rest > 0 || digits.start == Digits::MOST {
            digits.start -= 1;
            digits.bytes[digits.start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        digits
    }
}

impl Deref for Digits {
    type Target = str;

    fn deref(&self) -> &str {
        // Digits are UTF-8.
        std::str::from_utf8(&self.bytes[self.start..]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let bytes = document("a", &[("b", text)], 0, |content| {
            content.text("c", &[], text);
            content.empty("d", &[("e", "1"), ("f", text)]);
            let ready = Escaped::of(text);
            content.pieces(&[
                Piece::Markup("<g h=\""),
                Piece::Value(text),
                Piece::Markup("\" i=\""),
                Piece::Ready(&ready),
                Piece::Markup("\">"),
                Piece::Value(text),
                Piece::Ready(&ready),
                Piece::Markup("</g>\n"),
            ]);
        });
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn bytes_are_exact() {
        assert_eq!(
            of("<&>\"'\r\n\t\u{0}é🐦"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <a b=\"&lt;&amp;&gt;&quot;'&#13;&#10;&#9;é🐦\">\n\
             <c>&lt;&amp;&gt;\"'&#13;\n\té🐦</c>\n\
             <d e=\"1\" f=\"&lt;&amp;&gt;&quot;'&#13;&#10;&#9;é🐦\"/>\n\
             <g h=\"&lt;&amp;&gt;&quot;'&#13;&#10;&#9;é🐦\" i=\"&lt;&amp;&gt;&quot;'&#13;&#10;&#9;é🐦\">\
             &lt;&amp;&gt;&quot;'&#13;&#10;&#9;é🐦&lt;&amp;&gt;&quot;'&#13;&#10;&#9;é🐦</g>\n\
             </a>\n"
        );
    }

    /// Every character there is, read back by a parser that is not ours.
    #[test]
    fn every_character_is_kept_or_dropped_as_the_standard_says() {
        for start in (0..=0x10_ffffu32).step_by(0x1000) {
            let text: String = (start..start + 0x1000).filter_map(char::from_u32).collect();
            let expected: String = text
                .chars()
                .filter(|character| {
                    // XML 1.0 §2.2: the production Char.
                    matches!(u32::from(*character),
                        0x9 | 0xa | 0xd | 0x20..=0xd7ff | 0xe000..=0xfffd | 0x1_0000..=0x10_ffff)
                })
                .collect();
            let document = of(&text);
            let parsed = roxmltree::Document::parse(&document).unwrap();
            let root = parsed.root_element();
            assert_eq!(root.attribute("b"), Some(&*expected), "{start:x}");
            let child = |name| {
                root.children()
                    .find(|node| node.has_tag_name(name))
                    .unwrap()
            };
            assert_eq!(child("c").text().unwrap_or(""), expected, "{start:x}");
            assert_eq!(child("d").attribute("f"), Some(&*expected), "{start:x}");
            assert_eq!(child("g").attribute("h"), Some(&*expected), "{start:x}");
            assert_eq!(child("g").attribute("i"), Some(&*expected), "{start:x}");
            let twice = expected.repeat(2);
            assert_eq!(child("g").text().unwrap_or(""), twice, "{start:x}");
        }
    }

    #[test]
    fn digits_are_the_number() {
        for number in [
            0,
            1,
            9,
            10,
            99,
            100,
            u64::from(u32::MAX),
            u64::MAX - 1,
            u64::MAX,
        ] {
            assert_eq!(&*Digits::of(number), number.to_string());
        }
    }

    #[test]
    fn markup_in_text_stays_text() {
        let hostile = "]]><!--</c><![CDATA[<?x?>&#0;&lt;";
        let document = of(hostile);
        let parsed = roxmltree::Document::parse(&document).unwrap();
        let text = parsed
            .root_element()
            .children()
            .find(|node| node.has_tag_name("c"));
        assert_eq!(text.unwrap().text(), Some(hostile));
    }
}
