//! One JSON text in memory: its fields or elements as raw text, and values out of raw text or out
//! of miniserde's tree.
//!
//! [`fields`] and [`elements`] look at balance only; the grammar has been checked by
//! [`super::read_items`] or [`super::check`]. Wrong types, null and absence are all `None`: friends and arrs of
//! many versions write the same thing differently. Nothing here recurses.

use std::borrow::Cow;

use miniserde::json::{Number, Value};

use super::{MAX_ITEM, check};

/// Gives every field of one object to `each`: the decoded key and the raw text of the value.
/// Returns false if `text` is not one sound object; fields before the flaw have then been given.
/// A key with an unpaired surrogate cannot be decoded: its field is passed over.
pub fn fields<'a>(text: &'a str, mut each: impl FnMut(&str, &'a str)) -> bool {
    // The grammar is checked by the scanner; this walk relies on nothing but balance.
    let bytes = text.as_bytes();
    let mut at = skip_space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return false;
    }
    at = skip_space(bytes, at + 1);
    if bytes.get(at) == Some(&b'}') {
        return skip_space(bytes, at + 1) == bytes.len();
    }
    loop {
        at = skip_space(bytes, at);
        let Some(key_end) = string_end(bytes, at) else {
            return false;
        };
        let key = &text[at..key_end];
        at = skip_space(bytes, key_end);
        if bytes.get(at) != Some(&b':') {
            return false;
        }
        at = skip_space(bytes, at + 1);
        let Some(value_end) = value_end(bytes, at) else {
            return false;
        };
        if let Some(key) = as_string(key) {
            each(&key, text[at..value_end].trim_end());
        }
        match bytes.get(value_end) {
            Some(b',') => at = value_end + 1,
            Some(b'}') => return skip_space(bytes, value_end + 1) == bytes.len(),
            _ => return false,
        }
    }
}

/// Gives the raw text of every element of one array to `each`; false if `text` is not one.
pub fn elements<'a>(text: &'a str, mut each: impl FnMut(&'a str)) -> bool {
    let bytes = text.as_bytes();
    let mut at = skip_space(bytes, 0);
    if bytes.get(at) != Some(&b'[') {
        return false;
    }
    at = skip_space(bytes, at + 1);
    if bytes.get(at) == Some(&b']') {
        return skip_space(bytes, at + 1) == bytes.len();
    }
    loop {
        at = skip_space(bytes, at);
        let Some(end) = value_end(bytes, at) else {
            return false;
        };
        each(text[at..end].trim_end());
        match bytes.get(end) {
            Some(b',') => at = end + 1,
            Some(b']') => return skip_space(bytes, end + 1) == bytes.len(),
            _ => return false,
        }
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(at) {
        at += 1;
    }
    at
}

/// End (exclusive) of the string that starts at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Index of the comma or closing bracket after the value that starts at `at`.
fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0u32;
    let mut end = at;
    loop {
        match bytes.get(end)? {
            b'"' => {
                end = string_end(bytes, end)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => break,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => break,
            _ => {}
        }
        end += 1;
    }
    (end > at).then_some(end)
}

/// The string that a raw value is; `None` for anything else, `null` included.
pub fn as_string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner
        .bytes()
        .any(|byte| matches!(byte, b'\\' | b'"' | 0..0x20))
    {
        return Some(Cow::Borrowed(inner));
    }
    miniserde::json::from_str::<String>(raw)
        .ok()
        .map(Cow::Owned)
}

/// The non-negative whole number that a raw value is (`5`, `5.0`, `5e3`); `None` for anything
/// else. Numbers with a point or exponent are believed up to 2^53, where doubles stay exact.
pub fn as_u64(raw: &str) -> Option<u64> {
    if raw.bytes().all(|byte| byte.is_ascii_digit()) {
        return raw.parse().ok();
    }
    if !raw.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    whole(raw.parse().ok()?)
}

/// The whole number a float stands for, if it is one that can be told.
fn whole(float: f64) -> Option<u64> {
    // 2^53: above it, neighbouring whole numbers share one double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    ((0.0..=EXACT).contains(&float) && float.fract() == 0.0).then_some(float as u64)
}

/// Parses a whole small document into a tree. `None` if it is not JSON, deeper than
/// [`super::MAX_DEPTH`], or longer than [`MAX_ITEM`] (a tree can take fifteen times its text).
pub fn parse(text: &str) -> Option<Value> {
    if text.len() > MAX_ITEM || check(text).is_err() {
        return None;
    }
    miniserde::json::from_str(text).ok()
}

/// A field of an object that is there and not null.
pub fn get<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(object) => match object.get(key) {
            None | Some(Value::Null) => None,
            found => found,
        },
        _ => None,
    }
}

/// A string field; null, absent and other types are `None`.
pub fn get_str<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    match get(value, key)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A non-negative whole number field, written as an integer or as a float such as `5.0`.
pub fn get_u64(value: &Value, key: &str) -> Option<u64> {
    match get(value, key)? {
        Value::Number(Number::U64(number)) => Some(*number),
        Value::Number(Number::I64(number)) => u64::try_from(*number).ok(),
        Value::Number(Number::F64(number)) => whole(*number),
        _ => None,
    }
}

/// A boolean field.
pub fn get_bool(value: &Value, key: &str) -> Option<bool> {
    match get(value, key)? {
        Value::Bool(is_true) => Some(*is_true),
        _ => None,
    }
}

/// An array field; absent and null are empty.
pub fn get_array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    match get(value, key) {
        Some(Value::Array(array)) => array,
        _ => &[],
    }
}
