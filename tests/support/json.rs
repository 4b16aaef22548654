//! Looking into JSON answers.

use miniserde::json::{Number, Value};

/// Panics with the text when it is not JSON.
pub fn parse(text: &[u8]) -> Value {
    let text = std::str::from_utf8(text).expect("JSON must be UTF-8");
    miniserde::json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

/// Reading a [`Value`] without matching by hand.
pub trait Look {
    fn at(&self, key: &str) -> Option<&Value>;
    fn text(&self, key: &str) -> Option<String>;
    fn number(&self, key: &str) -> Option<f64>;
    fn list(&self) -> &[Value];
}

impl Look for Value {
    fn at(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(object) => object.get(key),
            _ => None,
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.at(key)? {
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        match self.at(key)? {
            Value::Number(Number::U64(number)) => Some(*number as f64),
            Value::Number(Number::I64(number)) => Some(*number as f64),
            Value::Number(Number::F64(number)) => Some(*number),
            _ => None,
        }
    }

    fn list(&self) -> &[Value] {
        match self {
            Value::Array(array) => array,
            other => panic!("not an array: {}", miniserde::json::to_string(other)),
        }
    }
}

/// A JSON string literal.
pub fn quote(text: &str) -> String {
    miniserde::json::to_string(text)
}
