//! `log/main`: the last things that happened on this face, for WebUIs that show a log.
//!
//! In memory, bounded in number and length. Each entry belongs to a login; an arr sees its own, the
//! owner sees all. This is not the program's log, and no secret is ever put here.

use std::collections::VecDeque;

use crate::grab::Scope;

use super::value::{Value, object};

/// Entries kept: a few screens of a WebUI, at most some 100 KiB.
pub const MAX_ENTRIES: usize = 200;

/// Longest message in characters: a title and a sentence.
const MAX_MESSAGE: usize = 400;

/// qBittorrent's kinds of message; the number is the one on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1
    Normal = 1,
    /// 4
    Warning = 4,
}

struct Entry {
    id: u64,
    login: String,
    message: String,
    timestamp: u64,
    kind: Kind,
}

/// The entries.
#[derive(Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    last_id: u64,
}

impl Journal {
    /// Adds an entry; the oldest makes room.
    pub fn add(&mut self, login: &str, kind: Kind, message: &str, timestamp: u64) {
        self.last_id += 1;
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            id: self.last_id,
            login: login.to_string(),
            message: message.chars().take(MAX_MESSAGE).collect(),
            timestamp,
            kind,
        });
    }

    /// The entries that `scope` may see, of the wanted kinds, newer than `last_known`.
    pub fn show(&self, scope: &Scope, wants: impl Fn(Kind) -> bool, last_known: i64) -> String {
        let shown: Vec<String> = self
            .entries
            .iter()
            .filter(|entry| match scope {
                Scope::All => true,
                Scope::Arr(login) => *login == entry.login,
            })
            .filter(|entry| wants(entry.kind) && i128::from(entry.id) > i128::from(last_known))
            .map(|entry| {
                object([
                    ("id", Value::Uint(entry.id)),
                    ("message", entry.message.as_str().into()),
                    ("timestamp", Value::Uint(entry.timestamp)),
                    ("type", Value::Int(entry.kind as i64)),
                ])
            })
            .collect();
        format!("[{}]", shown.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_scoped_filtered_and_numbered() {
        let mut journal = Journal::default();
        journal.add("a", Kind::Normal, "one", 10);
        journal.add("b", Kind::Warning, "two", 11);
        let a = Scope::Arr("a".into());
        assert_eq!(
            journal.show(&a, |_| true, -1),
            r#"[{"id":1,"message":"one","timestamp":10,"type":1}]"#
        );
        assert_eq!(
            journal.show(&Scope::All, |kind| kind == Kind::Warning, -1),
            r#"[{"id":2,"message":"two","timestamp":11,"type":4}]"#
        );
        assert_eq!(journal.show(&Scope::All, |_| true, 2), "[]");
    }

    #[test]
    fn the_journal_is_bounded() {
        let mut journal = Journal::default();
        for n in 0..MAX_ENTRIES as u64 + 5 {
            journal.add("a", Kind::Normal, &"é".repeat(MAX_MESSAGE + 1), n);
        }
        assert_eq!(journal.entries.len(), MAX_ENTRIES);
        assert_eq!(journal.entries[0].id, 6);
        assert_eq!(journal.entries[0].message.chars().count(), MAX_MESSAGE);
    }
}
