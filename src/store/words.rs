//! Keeping the words of the catalogue quick to search.
//!
//! FTS5 writes each batch as a segment of its own and merges a few now and then; every search walks
//! all of them side by side, and words that were deleted stay until a merge. After many changes one
//! segment is made of all: searches by words take two thirds of the time, and the file is smaller.
//! Done a piece at a time, for the writer is wanted by downloads as well: whoever asks for it
//! meanwhile has it before the next piece. Each piece is a transaction; a kill between two leaves
//! an index that is searched and merged like any other.

use super::releases::unsigned;
use super::{Store, StoreError};

/// Pages of the words (4 KiB each) written in one transaction: a moment even on an SD card.
const PIECE: i64 = 128;

/// Pieces of one call at most. Half a GiB: more than the words of the largest catalogue take.
const MOST_PIECES: u32 = 1024;

impl Store {
    /// Makes one segment of all words. Nothing is written if there is only one and no word in it was
    /// deleted.
    pub fn merge_words(&self) -> Result<(), StoreError> {
        // A negative number begins with all segments there are, a positive one goes on with it.
        let mut pages = -PIECE;
        for _ in 0..MOST_PIECES {
            if !self.merge_piece(pages)? {
                break;
            }
            pages = PIECE;
        }
        Ok(())
    }

    /// One piece; false if nothing was left to do.
    fn merge_piece(&self, pages: i64) -> Result<bool, StoreError> {
        let writer = self.writer();
        let before = writer.total_changes();
        writer
            .prepare_cached("INSERT INTO words (words, rank) VALUES ('merge', ?1)")?
            .execute([pages])?;
        // FTS5's own rule: fewer than two changes mean that it did nothing.
        Ok(writer.total_changes() - before >= 2)
    }

    /// How many items somebody offers.
    pub fn item_count(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT coalesce(sum(items), 0) FROM tally WHERE friends <> 0")?
                .query_row([], |row| row.get(0).map(unsigned))?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::testing::{Home, segments};

    fn found(store: &Store, word: &str) -> Vec<i64> {
        store
            .read(|connection| {
                let mut statement = connection
                    .prepare("SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid")?;
                let rows = statement.query_map([word], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .unwrap()
    }

    #[test]
    fn many_batches_become_one_segment_that_says_the_same() {
        let home = Home::new();
        let store = &home.store;
        let write = |id: i64| {
            let text = format!("common a{} b{}", id % 7, id % 1000);
            store
                .writer()
                .execute(
                    "INSERT INTO words (rowid, title) VALUES (?1, ?2)",
                    (id, text),
                )
                .unwrap();
        };
        (1..=40).for_each(write);
        store
            .writer()
            .execute("DELETE FROM words WHERE rowid = 14", [])
            .unwrap();
        assert!(segments(store) > 1);
        let before = (found(store, "common"), found(store, "a0"));
        assert_eq!(before.1, [7, 21, 28, 35]);
        store.merge_words().unwrap();
        assert_eq!(segments(store), 1);
        assert_eq!((found(store, "common"), found(store, "a0")), before);
        // The second time there is nothing to do; later batches are found beside it.
        let changes = store.writer().total_changes();
        store.merge_words().unwrap();
        assert!(store.writer().total_changes() - changes < 2);
        write(42);
        assert_eq!(found(store, "a0"), [7, 21, 28, 35, 42]);
    }

    /// Eight batches of so many words that they are several pieces: every other one has `common`.
    fn fill(store: &Store) {
        for batch in 0..8i64 {
            let writer = store.writer();
            let transaction = writer.unchecked_transaction().unwrap();
            for row in 0..4000 {
                let id = batch * 4000 + row;
                // Words that share no beginning.
                let word =
                    |n: i64| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15u64 as i64));
                let common = if id % 2 == 0 { "common" } else { "" };
                let text = format!("{} {} {common}", word(id), word(-id));
                transaction
                    .execute(
                        "INSERT INTO words (rowid, title) VALUES (?1, ?2)",
                        (id, text),
                    )
                    .unwrap();
            }
            transaction.commit().unwrap();
        }
    }

    #[test]
    fn more_than_one_piece_is_merged_to_the_end() {
        let home = Home::new();
        fill(&home.store);
        home.store.merge_words().unwrap();
        assert_eq!(segments(&home.store), 1);
        let pages: i64 =
            home.store
                .read(|connection| {
                    Ok(connection
                        .query_row("SELECT count(*) FROM words_data", [], |row| row.get(0))?)
                })
                .unwrap();
        assert!(pages > 2 * PIECE, "{pages}");
    }

    #[test]
    fn after_a_kill_in_the_middle_all_is_found_and_merged_again() {
        let home = Home::new();
        fill(&home.store);
        let common = found(&home.store, "common");
        assert_eq!(common.len(), 16_000);
        assert!(home.store.merge_piece(-PIECE).unwrap());
        assert!(segments(&home.store) > 1);
        home.reopen(|store| {
            assert_eq!(found(&store, "common"), common);
            // A refresh comes first, which also removes.
            let delete = "DELETE FROM words WHERE rowid = 0";
            store.writer().execute(delete, []).unwrap();
            let insert = "INSERT INTO words (rowid, title) VALUES (40000, 'common')";
            store.writer().execute(insert, []).unwrap();
            store.merge_words().unwrap();
            assert_eq!(segments(&store), 1);
            let mut expected = common[1..].to_vec();
            expected.push(40_000);
            assert_eq!(found(&store, "common"), expected);
        });
    }

    #[test]
    fn others_write_between_two_pieces() {
        let home = Home::new();
        let store = &home.store;
        fill(store);
        let stand_in_line = |count: usize| {
            while store.writing.waiting() < count {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            let writer = store.writer();
            scope.spawn(|| store.merge_words().unwrap());
            stand_in_line(1);
            let other = scope.spawn(|| {
                let _writer = store.writer();
                segments(store)
            });
            stand_in_line(2);
            drop(writer);
            assert!(other.join().unwrap() > 1, "it came in before the end");
        });
        assert_eq!(segments(store), 1);
    }
}
