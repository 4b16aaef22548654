//! "Did you mean": the known name that is nearest to an unknown one.
//!
//! Optimal string alignment distance (insert, delete, replace, swap neighbours) on bytes, letter
//! case and `-` for `_` ignored. Bounded: longer names than any known one are cut first.

/// Bytes of an unknown name that are compared; the longest known name has half as many.
const MAX_COMPARED_BYTES: usize = 64;

/// The nearest of `known` (the first of several), or `None` if there is nothing to choose from.
/// The flag says whether it is near enough to be what was meant.
pub(crate) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<(&'a str, bool)> {
    let (name, distance) = known
        .into_iter()
        .map(|name| (name, distance(&folded(unknown), &folded(name))))
        .min_by_key(|(_, distance)| *distance)?;
    Some((name, distance <= 1 + name.len() / 3))
}

/// The hint about an unknown name: `did you mean x`, or at least what is nearest.
pub(super) fn hint<'a>(
    unknown: &str,
    what: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    match nearest(unknown, known) {
        Some((name, true)) => format!("did you mean {name}?"),
        Some((name, false)) => format!("the nearest known {what} is {name}"),
        None => String::new(),
    }
}

fn folded(name: &str) -> Vec<u8> {
    name.bytes()
        .take(MAX_COMPARED_BYTES)
        .map(|byte| match byte {
            b'-' | b' ' => b'_',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut current = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (previous[j] + 1)
                .min(current[j - 1] + 1)
                .min(previous[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_previous[j - 2] + 1);
            }
            current.push(best);
        }
        before_previous = previous;
        previous = current;
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["listen", "name", "api_key", "internal_url", "external_url"];

    #[test]
    fn the_nearest_name_is_found() {
        let check = |unknown: &str, expected: &str| {
            assert_eq!(hint(unknown, "key", KNOWN), expected, "{unknown}");
        };
        check("lisen", "did you mean listen?");
        check("lsiten", "did you mean listen?");
        check("Listen", "did you mean listen?");
        check("api-key", "did you mean api_key?");
        check("apikey", "did you mean api_key?");
        check("hostname", "the nearest known key is name");
        check("", "the nearest known key is name");
        assert!(hint(&"x".repeat(100_000), "key", KNOWN).starts_with("the nearest"));
        assert_eq!(hint("x", "key", []), "");
    }

    #[test]
    fn distances() {
        let check = |a: &str, b: &str, expected: usize| {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
            assert_eq!(distance(b.as_bytes(), a.as_bytes()), expected, "{b} {a}");
        };
        check("", "", 0);
        check("", "abc", 3);
        check("abc", "abc", 0);
        check("abc", "acb", 1);
        check("kitten", "sitting", 3);
    }
}
