//! A provider (download client, indexer, notification) as the v3 API shows and takes it.
//!
//! Pure. On input an arr looks at the top-level properties and at `name` and `value` of each field; a
//! field or property that is left out falls back to a class default, not to what is stored. So a
//! change always starts from the whole stored object, and only what must differ is replaced.
//! Secrets are shown as [`MASK`], and [`MASK`] in a PUT keeps what is stored.

use miniserde::json::{Array, Number, Object, Value};

use crate::json::{get, get_str, get_u64};

/// What a stored secret looks like.
pub(super) const MASK: &str = "********";

/// Properties of templates that only a user interface needs; some are longer than all the rest.
const NOT_SENT: &[&str] = &["presets", "message", "infoLink"];

/// One provider.
#[derive(Clone, Debug)]
pub(super) struct Resource(Object);

impl Resource {
    /// From an element of a list; `None` if it is no object.
    pub(super) fn new(value: &Value) -> Option<Resource> {
        match value {
            Value::Object(object) => Some(Resource(object.clone())),
            _ => None,
        }
    }

    pub(super) fn id(&self) -> Option<u64> {
        match self.0.get("id") {
            Some(Value::Number(Number::U64(id))) if *id > 0 => Some(*id),
            _ => None,
        }
    }

    /// A top-level property; null counts as absent, since the arrs leave nulls out.
    pub(super) fn top(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !is_blank(value))
    }

    pub(super) fn top_text(&self, name: &str) -> &str {
        match self.top(name) {
            Some(Value::String(text)) => text,
            _ => "",
        }
    }

    pub(super) fn set_top(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// A field's value; null and empty text count as absent, as the arrs treat them alike.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.fields()
            .iter()
            .find(|field| get_str(field, "name") == Some(name))
            .and_then(|field| get(field, "value"))
            .filter(|value| !is_blank(value))
    }

    pub(super) fn field_text(&self, name: &str) -> &str {
        match self.field(name) {
            Some(Value::String(text)) => text,
            _ => "",
        }
    }

    /// True if this version of the app has such a field, with or without a value.
    pub(super) fn has_field(&self, name: &str) -> bool {
        self.fields()
            .iter()
            .any(|field| get_str(field, "name") == Some(name))
    }

    /// Sets a field, adding it if the version does not show it (unknown ones are passed over there).
    pub(super) fn set_field(&mut self, name: &str, value: Value) {
        let mut fields = match self.0.remove("fields") {
            Some(Value::Array(fields)) => fields,
            _ => Array::new(),
        };
        let slot = fields.iter_mut().find_map(|field| match field {
            Value::Object(object) if matches!(object.get("name"), Some(Value::String(found)) if found == name) => {
                Some(object)
            }
            _ => None,
        });
        match slot {
            Some(object) => {
                object.insert("value".to_owned(), value);
            }
            None => {
                let mut object = Object::new();
                object.insert("name".to_owned(), text(name));
                object.insert("value".to_owned(), value);
                fields.push(Value::Object(object));
            }
        }
        self.0.insert("fields".to_owned(), Value::Array(fields));
    }

    /// What is sent: everything that counts on input, nothing that does not.
    pub(super) fn into_body(mut self) -> Value {
        for name in NOT_SENT {
            self.0.remove(*name);
        }
        let fields: Array = self
            .fields()
            .iter()
            .map(|field| {
                let mut slim = Object::new();
                slim.insert(
                    "name".to_owned(),
                    text(get_str(field, "name").unwrap_or_default()),
                );
                if let Some(value) = get(field, "value") {
                    slim.insert("value".to_owned(), value.clone());
                }
                Value::Object(slim)
            })
            .collect();
        self.0.insert("fields".to_owned(), Value::Array(fields));
        Value::Object(self.0)
    }

    fn fields(&self) -> &[Value] {
        match self.0.get("fields") {
            Some(Value::Array(fields)) => fields,
            _ => &[],
        }
    }
}

/// The id in the answer to a POST or PUT.
pub(super) fn id_of(answer: &Value) -> Option<u64> {
    get_u64(answer, "id").filter(|id| *id > 0)
}

/// True when an arr would treat both alike: absent, null and empty text are one, and so are `25` and
/// `25.0`.
pub(super) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    let blank = Value::Null;
    let (a, b) = (a.unwrap_or(&blank), b.unwrap_or(&blank));
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => float(a) == float(b),
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(Some(a), Some(b)))
        }
        (Value::Object(_), Value::Object(_)) => false,
        (a, b) => is_blank(a) && is_blank(b),
    }
}

/// The whole numbers of a list, whatever else is in it.
pub(super) fn numbers(value: Option<&Value>) -> Vec<u64> {
    let Some(Value::Array(list)) = value else {
        return Vec::new();
    };
    list.iter()
        .filter_map(|item| match item {
            Value::Number(Number::U64(number)) => Some(*number),
            _ => None,
        })
        .collect()
}

pub(super) fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

pub(super) fn number(value: u64) -> Value {
    Value::Number(Number::U64(value))
}

fn float(number: &Number) -> f64 {
    match number {
        Number::U64(number) => *number as f64,
        Number::I64(number) => *number as f64,
        Number::F64(number) => *number,
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn likeness_is_the_arrs() {
        let check = |a: &str, b: &str, expected: bool| {
            let (x, y) = (parse(a), parse(b));
            assert_eq!(same(x.as_ref(), y.as_ref()), expected, "{a} {b}");
            assert_eq!(same(y.as_ref(), x.as_ref()), expected, "{b} {a}");
        };
        check("null", "\"\"", true);
        check("1", "1.0", true);
        check("[1,2]", "[1,2]", true);
        check("[1,2]", "[2,1]", false);
        check("[]", "null", false);
        check("\"a\"", "\"A\"", false);
        check("false", "null", false);
        check("true", "true", true);
        check("0", "\"\"", false);
        assert!(same(None, Some(&Value::Null)));
    }

    #[test]
    fn only_what_is_set_changes() {
        let raw = r#"{"id":3,"name":"x","tags":[4],"presets":[{"id":0}],"infoLink":"http://i","fields":[
            {"order":0,"name":"baseUrl","label":"URL","value":"http://a"},
            {"order":1,"name":"empty","label":"Empty"},null]}"#;
        let mut resource = Resource::new(&parse(raw).unwrap()).unwrap();
        assert_eq!(resource.id(), Some(3));
        assert!(resource.has_field("empty") && !resource.has_field("other"));
        assert_eq!(resource.field_text("baseUrl"), "http://a");
        resource.set_field("empty", number(1));
        resource.set_field("other", text("o"));
        resource.set_top("name", text("y"));
        assert_eq!(
            miniserde::json::to_string(&resource.into_body()),
            r#"{"fields":[{"name":"baseUrl","value":"http://a"},{"name":"empty","value":1},{"name":""},{"name":"other","value":"o"}],"id":3,"name":"y","tags":[4]}"#
        );
        assert!(Resource::new(&Value::Null).is_none());
    }

    #[test]
    fn odd_shapes_are_not_believed() {
        for raw in [
            "{}",
            r#"{"id":null,"fields":null,"name":null}"#,
            r#"{"id":"3","fields":[1,"x",null,{"name":7},{"value":1}],"name":7}"#,
            r#"{"id":0,"fields":{"a":1},"name":[]}"#,
        ] {
            let resource = Resource::new(&parse(raw).unwrap()).unwrap();
            assert_eq!(resource.id(), None, "{raw}");
            assert_eq!(resource.top_text("name"), "", "{raw}");
            assert!(resource.field("a").is_none(), "{raw}");
        }
    }
}
