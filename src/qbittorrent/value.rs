//! JSON values of the qBittorrent face, and writing them.
//!
//! A [`Value`] is what one field of an answer holds. Clients in Go, C# and Java decode strictly, so a
//! field that is an integer on the wire is an integer here: fractions are kept as millionths and
//! written from integers, and only limits that a client itself gave as a fraction are floating
//! point. Values can be written, compared (for `sort=`) and digested (to notice a change).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::json::push_string;

/// One million: the unit of [`Value::Millionths`].
pub const MILLION: u64 = 1_000_000;

/// The value of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A fraction in millionths, for example a progress.
    Millionths(u64),
    /// A finite number that a client gave us.
    Real(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A string.
    Text(Cow<'a, str>),
}

impl Value<'_> {
    /// Appends the JSON form.
    pub fn write(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Value::Int(number) => write!(out, "{number}"),
            Value::Uint(number) => write!(out, "{number}"),
            Value::Millionths(number) => {
                let _ = write!(out, "{}", number / MILLION);
                let fraction = number % MILLION;
                if fraction != 0 {
                    let digits = format!("{fraction:06}");
                    let _ = write!(out, ".{}", digits.trim_end_matches('0'));
                }
                Ok(())
            }
            Value::Real(number) if number.is_finite() => write!(out, "{number}"),
            Value::Real(_) => write!(out, "0"),
            Value::Bool(flag) => write!(out, "{flag}"),
            Value::Text(text) => {
                push_string(out, text);
                Ok(())
            }
        };
    }

    /// The same value, borrowing nothing.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Int(number) => Value::Int(number),
            Value::Uint(number) => Value::Uint(number),
            Value::Millionths(number) => Value::Millionths(number),
            Value::Real(number) => Value::Real(number),
            Value::Bool(flag) => Value::Bool(flag),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// Order for `sort=`: numbers by size, text by code points; kinds are never mixed in a field.
    pub fn order(&self, other: &Value<'_>) -> Ordering {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Uint(a), Value::Uint(b)) => a.cmp(b),
            (Value::Int(a), Value::Uint(b)) => i128::from(*a).cmp(&i128::from(*b)),
            (Value::Uint(a), Value::Int(b)) => i128::from(*a).cmp(&i128::from(*b)),
            (Value::Millionths(a), Value::Millionths(b)) => a.cmp(b),
            (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }

    /// 32 bits that differ when the value differs, but for one case in 2^32: then a change is
    /// reported with the next change of the same field. Only compared within this process.
    pub fn digest(&self) -> u32 {
        let mut hasher = DefaultHasher::new();
        match self {
            Value::Int(number) => number.hash(&mut hasher),
            Value::Uint(number) | Value::Millionths(number) => number.hash(&mut hasher),
            Value::Real(number) => number.to_bits().hash(&mut hasher),
            Value::Bool(flag) => flag.hash(&mut hasher),
            Value::Text(text) => text.hash(&mut hasher),
        }
        let wide = hasher.finish();
        (wide ^ (wide >> 32)) as u32
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(Cow::Owned(text))
    }
}

/// Appends `"name":` with the comma that separates it from a field before it.
pub fn push_key(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    push_string(out, name);
    out.push(':');
}

/// A compact object of the given fields, in the given order.
pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> String {
    let mut out = String::from("{");
    for (name, value) in fields {
        push_key(&mut out, name);
        value.write(&mut out);
    }
    out.push('}');
    out
}

/// A compact array of strings.
pub fn string_array<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let mut out = String::from("[");
    for item in items {
        if out.len() > 1 {
            out.push(',');
        }
        push_string(&mut out, item.as_ref());
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value<'_>, expected: &str) {
        let mut out = String::new();
        value.write(&mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn values_are_written_as_strict_clients_read_them() {
        check(Value::Int(-1), "-1");
        check(Value::Uint(u64::MAX), "18446744073709551615");
        check(Value::Millionths(0), "0");
        check(Value::Millionths(MILLION), "1");
        check(Value::Millionths(103_765), "0.103765");
        check(Value::Millionths(500_000), "0.5");
        check(Value::Millionths(1), "0.000001");
        check(Value::Real(-2.0), "-2");
        check(Value::Real(1.5), "1.5");
        check(Value::Real(f64::NAN), "0");
        check(Value::Real(f64::INFINITY), "0");
        check(Value::Bool(true), "true");
        check("é \"\\\n\u{1}😀/".into(), "\"é \\\"\\\\\\n\\u0001😀/\"");
    }

    #[test]
    fn order_and_digest_follow_the_value() {
        assert_eq!(Value::Int(-1).order(&Value::Int(2)), Ordering::Less);
        assert_eq!(Value::Uint(7).order(&Value::Int(-7)), Ordering::Greater);
        assert_eq!(Value::from("a").order(&Value::from("B")), Ordering::Greater);
        assert_eq!(Value::Uint(5).digest(), Value::Uint(5).digest());
        assert_ne!(Value::Uint(5).digest(), Value::Uint(6).digest());
        assert_ne!(Value::from("a").digest(), Value::from("b").digest());
    }

    #[test]
    fn objects_and_arrays_are_compact() {
        assert_eq!(object([]), "{}");
        assert_eq!(
            object([("a", Value::Int(1)), ("b", "x".into())]),
            r#"{"a":1,"b":"x"}"#
        );
        assert_eq!(string_array::<&str>([]), "[]");
        assert_eq!(string_array(["a", "b"]), r#"["a","b"]"#);
    }
}
