//! Writing JSON: strings with their escapes, and one object at a time, field by field.
//!
//! Keys come out in the order of the calls; a field without a value is left out, never `null`.

/// Appends `text` as a JSON string, in quotes.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
        plain = at + 1;
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// Writes one JSON object into a string: begins with `{`, ends with `}` at [`Object::end`].
pub struct Object<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object at the end of `out`.
    pub fn begin(out: &'a mut String) -> Object<'a> {
        out.push('{');
        Object {
            out,
            is_empty: true,
        }
    }

    fn key(&mut self, key: &str) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(',');
        }
        push_string(self.out, key);
        self.out.push(':');
    }

    /// A string field.
    pub fn string(mut self, key: &str, value: &str) -> Object<'a> {
        self.key(key);
        push_string(self.out, value);
        self
    }

    /// A string field, left out when there is no value.
    pub fn maybe_string(self, key: &str, value: Option<&str>) -> Object<'a> {
        match value {
            Some(value) => self.string(key, value),
            None => self,
        }
    }

    /// A number field.
    pub fn number(self, key: &str, value: impl Into<u64>) -> Object<'a> {
        let text = value.into().to_string();
        self.raw(key, &text)
    }

    /// A number field, left out when there is no value.
    pub fn maybe_number(self, key: &str, value: Option<impl Into<u64>>) -> Object<'a> {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// A boolean field.
    pub fn boolean(self, key: &str, value: bool) -> Object<'a> {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// A field whose value is JSON text already.
    pub fn raw(mut self, key: &str, value: &str) -> Object<'a> {
        self.key(key);
        self.out.push_str(value);
        self
    }

    /// A list of strings.
    pub fn strings<T: AsRef<str>>(mut self, key: &str, values: &[T]) -> Object<'a> {
        self.key(key);
        self.out.push('[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            push_string(self.out, value.as_ref());
        }
        self.out.push(']');
        self
    }

    /// Closes the object.
    pub fn end(self) {
        self.out.push('}');
    }
}
