//! What the tracker has to show about one arr: which downloads it refuses and why, and why it
//! cannot be asked.
//!
//! In memory only, bounded, and never locked across the network; after a restart the next look at
//! the arr fills it again. Setting something says whether it is news: what is logged is logged once.

use std::collections::HashMap;

use crate::torrent::stub::Infohash;

/// Downloads with messages that are remembered of one arr. With more of them waiting, the first
/// ones tell what is wrong. Each has at most 20 KiB of messages, usually 200 bytes.
pub const MAX_NOTES: usize = 100;

/// What an arr says of one download.
#[derive(Debug)]
struct Note {
    title: String,
    messages: Vec<String>,
}

/// One arr's board.
#[derive(Debug, Default)]
pub struct Board {
    notes: HashMap<Infohash, Note>,
    trouble: Option<String>,
}

impl Board {
    /// Remembers what the arr says of a download; nothing takes a note away. True if it is news.
    pub fn note(&mut self, infohash: Infohash, title: &str, messages: Vec<String>) -> bool {
        if messages.is_empty() {
            return self.notes.remove(&infohash).is_some();
        }
        let known = self.notes.get(&infohash);
        if known.is_some_and(|note| note.messages == messages)
            || (self.notes.len() >= MAX_NOTES && !self.notes.contains_key(&infohash))
        {
            return false;
        }
        let title = title.to_owned();
        self.notes.insert(infohash, Note { title, messages });
        true
    }

    /// Forgets downloads that are not waited for any more.
    pub fn keep(&mut self, is_open: impl Fn(&Infohash) -> bool) {
        self.notes.retain(|infohash, _| is_open(infohash));
    }

    /// What the arr says of a download.
    pub fn messages(&self, infohash: &Infohash) -> Option<Vec<String>> {
        self.notes.get(infohash).map(|note| note.messages.clone())
    }

    /// Titles and messages of all, by title.
    pub fn refused(&self) -> Vec<(String, Vec<String>)> {
        let all = self.notes.values();
        let mut all: Vec<_> = all
            .map(|note| (note.title.clone(), note.messages.clone()))
            .collect();
        all.sort();
        all
    }

    /// Remembers why the arr cannot be asked; `None`: it can. True if that is news.
    pub fn set_trouble(&mut self, trouble: Option<String>) -> bool {
        let is_news = self.trouble != trouble;
        self.trouble = trouble;
        is_news
    }

    /// Why the arr cannot be asked.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: usize) -> Infohash {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&(n as u64).to_le_bytes());
        Infohash(bytes)
    }

    fn said(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[test]
    fn only_news_are_news() {
        let mut board = Board::default();
        assert!(!board.note(hash(1), "t", Vec::new()));
        assert!(board.note(hash(1), "t", said("a")));
        assert!(!board.note(hash(1), "t", said("a")));
        assert!(board.note(hash(1), "t", said("b")));
        assert_eq!(board.messages(&hash(1)), Some(said("b")));
        assert!(board.note(hash(2), "a", said("c")));
        let all = [("a".to_owned(), said("c")), ("t".to_owned(), said("b"))];
        assert_eq!(board.refused(), all);
        assert!(board.note(hash(1), "t", Vec::new()));
        assert_eq!(board.messages(&hash(1)), None);
        assert!(board.set_trouble(Some("down".into())));
        assert!(!board.set_trouble(Some("down".into())));
        assert!(board.set_trouble(None));
        assert_eq!(board.trouble(), None);
    }

    #[test]
    fn notes_are_bounded_and_forgotten() {
        let mut board = Board::default();
        for n in 0..MAX_NOTES {
            assert!(board.note(hash(n), "t", said("x")));
        }
        assert!(!board.note(hash(MAX_NOTES), "t", said("x")));
        assert!(
            board.note(hash(0), "t", said("y")),
            "known ones can still change"
        );
        board.keep(|infohash| *infohash == hash(3));
        assert_eq!(board.messages(&hash(4)), None);
        assert_eq!(board.messages(&hash(3)), Some(said("x")));
        assert!(board.note(hash(MAX_NOTES), "t", said("x")));
    }
}
