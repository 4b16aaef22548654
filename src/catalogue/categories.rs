//! Categories as bits: what `item.cats` and `offer.cats` hold, and what a search asks for.
//!
//! A release's numbers come from `release::categories`; here they only change their form. The place
//! of a number in [`NUMBERS`] is stored in databases: append, never reorder.

use crate::release::{self, Release};

/// A friend's own category is this plus its number (custom newznab categories start at 100000).
pub const FRIEND_BASE: u32 = 100_000;

/// Bit i of the mask stands for number i of this list.
const NUMBERS: &[u32] = &[
    2000, 2010, 2020, 2030, 2040, 2045, 2050, 2060, 2070, 2080, 5000, 5010, 5030, 5040, 5045, 5050,
    5070, 5080,
];

/// The mask of a release: its main category and what its quality shows.
pub fn of_release(release: &Release) -> i64 {
    release::categories(release)
        .into_iter()
        .map(bit)
        .fold(bit(release.category.number()), |mask, bit| mask | bit)
}

/// The bit of a number; 0 for one that no release can have.
pub fn bit(number: u32) -> i64 {
    NUMBERS
        .iter()
        .position(|known| *known == number)
        .map_or(0, |place| 1 << place)
}

/// The numbers of a mask, ascending.
pub fn numbers(mask: i64) -> impl Iterator<Item = u32> {
    NUMBERS
        .iter()
        .enumerate()
        .filter(move |(place, _)| mask >> place & 1 == 1)
        .map(|(_, number)| *number)
}

/// What a list of requested numbers means: a mask of categories, and a mask of friends.
/// Either one matching is enough; a number that nobody has adds nothing to either.
pub fn requested(numbers: &[u32]) -> (i64, i64) {
    numbers.iter().fold((0, 0), |(cats, friends), number| {
        let friend = match number.checked_sub(FRIEND_BASE) {
            Some(n @ 1..=62) => 1i64 << n,
            _ => 0,
        };
        (cats | bit(*number), friends | friend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::testing::movie;

    #[test]
    fn masks_and_numbers_are_the_same_thing() {
        let mask = bit(2000) | bit(2040) | bit(5045);
        assert_eq!(numbers(mask).collect::<Vec<_>>(), [2000, 2040, 5045]);
        for number in NUMBERS {
            assert_eq!(numbers(bit(*number)).collect::<Vec<_>>(), [*number]);
        }
        assert_eq!(bit(7000), 0);
    }

    #[test]
    fn unknown_numbers_ask_for_nothing() {
        assert_eq!(requested(&[2000, 100_003]), (bit(2000), 1 << 3));
        assert_eq!(requested(&[1, 7000, 100_000, 100_063, u32::MAX]), (0, 0));
    }

    #[test]
    fn a_release_always_has_its_main_category() {
        assert_ne!(of_release(&movie("a", "M", 1)) & bit(2000), 0);
    }
}
