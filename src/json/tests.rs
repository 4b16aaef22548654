//! Tests of `json`.

use miniserde::json::Value;

use super::*;

/// Gives one byte a read: every state of the scanner meets the end of its buffer.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else {
            return Ok(0);
        };
        buffer[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

fn items(text: &[u8], place: Place<'_>) -> Result<(Vec<String>, Count), String> {
    let mut whole = Vec::new();
    let result = read_items(text, place, 1 << 24, |item| {
        whole.push(item.to_owned());
        Ok::<(), JsonError>(())
    });
    let mut dribbled = Vec::new();
    let again = read_items(Dribble(text), place, 1 << 24, |item| {
        dribbled.push(item.to_owned());
        Ok::<(), JsonError>(())
    });
    assert_eq!(whole, dribbled);
    assert_eq!(
        result.as_ref().map_err(|e| e.to_string()),
        again.as_ref().map_err(|e| e.to_string())
    );
    result
        .map(|count| (whole, count))
        .map_err(|e| e.to_string())
}

#[test]
fn items_are_found_wherever_the_list_is() {
    let check = |text: &str, place: Place<'_>, expected: &[&str]| {
        let (found, count) = items(text.as_bytes(), place).unwrap();
        assert_eq!(found, expected, "{text}");
        assert_eq!(count.given, expected.len() as u64);
        assert_eq!(count.skipped, 0);
    };
    let key = Place::Key("items");
    check("[]", Place::TopLevel, &[]);
    check(" [ ] \n", Place::TopLevel, &[]);
    check("[1]", Place::TopLevel, &["1"]);
    check(
        r#"[ {"a":[1,2]} , "x]," ,null,-1.5e+3,[],{} ]"#,
        Place::TopLevel,
        &[r#"{"a":[1,2]}"#, r#""x],""#, "null", "-1.5e+3", "[]", "{}"],
    );
    check(r#"{"items":[]}"#, key, &[]);
    check(r#"{"items":[{"items":[3]}]}"#, key, &[r#"{"items":[3]}"#]);
    check(
        r#"{"a":{"items":[9]},"b":[[["items"]]],"items" : [1,2], "c":null}"#,
        key,
        &["1", "2"],
    );
    check(r#"{"\u0069tems":[true]}"#, key, &["true"]);
    check(
        r#"["\\","\"","\u00e9","é😀"]"#,
        Place::TopLevel,
        &[r#""\\""#, r#""\"""#, r#""\u00e9""#, r#""é😀""#],
    );
}

#[test]
fn errors_say_where_and_what() {
    let check = |text: &str, place: Place<'_>, expected: &str| {
        let error = items(text.as_bytes(), place).unwrap_err();
        assert_eq!(error, expected, "{text}");
    };
    let early = |offset: u64, what: &str| {
        format!("JSON ends early at byte {offset}, where {what} was expected")
    };
    let wrong = |offset: u64, what: &str| {
        format!("not the JSON asked for: {what} was expected at byte {offset}")
    };
    let key = Place::Key("items");
    check("", Place::TopLevel, &early(0, "a list"));
    check("<html>", key, &wrong(0, "an object"));
    check("[", Place::TopLevel, &early(1, "a value"));
    check("[1,", Place::TopLevel, &early(3, "a value"));
    check("[1,]", Place::TopLevel, &wrong(3, "a value"));
    check(
        "[1 2]",
        Place::TopLevel,
        &wrong(3, "a comma or the end of the list"),
    );
    check(
        "[1]x",
        Place::TopLevel,
        &wrong(3, "the end of the document"),
    );
    check("[\"a", Place::TopLevel, &early(3, "the end of a string"));
    check("[\"\\x\"]", Place::TopLevel, &wrong(3, "an escape"));
    check("[\"\\u12g4\"]", Place::TopLevel, &wrong(6, "a hex digit"));
    check(
        "[\"a\nb\"]",
        Place::TopLevel,
        &wrong(3, "no bare control character in a string"),
    );
    check("[nul]", Place::TopLevel, &wrong(4, "true, false or null"));
    check(
        "[01]",
        Place::TopLevel,
        &wrong(2, "a comma or the end of the list"),
    );
    check("[-]", Place::TopLevel, &wrong(2, "a digit"));
    check("[1.]", Place::TopLevel, &wrong(3, "a digit"));
    check("[1e]", Place::TopLevel, &wrong(3, "a digit"));
    check("[{\"a\" 1}]", Place::TopLevel, &wrong(6, "a colon"));
    check("[{a:1}]", Place::TopLevel, &wrong(2, "a key in quotes"));
    check(
        "[{\"a\":1,}]",
        Place::TopLevel,
        &wrong(8, "a key in quotes"),
    );
    check(
        "[{\"a\":1]]",
        Place::TopLevel,
        &wrong(7, "a comma or a closing bracket"),
    );
    check("[[,1]]", Place::TopLevel, &wrong(2, "a value"));
    check("{}", key, &wrong(1, "the key of the list"));
    check("{\"a\":1}", key, &wrong(6, "the key of the list"));
    check("{\"items\":null}", key, &wrong(9, "a list"));
    check(
        "{\"items\":[],\"items\":[]}",
        key,
        &wrong(20, "the list only once"),
    );
    check(
        "{\"items\":[]",
        key,
        &early(11, "a comma or the end of the object"),
    );
    check(
        "{\"items\":[]}}",
        key,
        &wrong(12, "the end of the document"),
    );
}

#[test]
fn every_truncation_is_noticed() {
    let text =
        r#"{"x":[1,{"y":"\u00e9"}],"items":[{"a":-1.5e3,"b":"q\"","c":[true,null]},{}],"z":0}"#;
    assert_eq!(
        items(text.as_bytes(), Place::Key("items")).unwrap().1.given,
        2
    );
    for length in 0..text.len() {
        let error = items(&text.as_bytes()[..length], Place::Key("items"));
        assert!(error.is_err(), "{}", &text[..length]);
    }
}

#[test]
fn a_document_may_be_as_long_as_the_limit_and_no_longer() {
    let text = b"[1,2]  ";
    let run = |limit| {
        read_items(&text[..], Place::TopLevel, limit, |_| {
            Ok::<(), JsonError>(())
        })
        .map_err(|e| e.to_string())
    };
    assert_eq!(run(7).unwrap().given, 2);
    assert_eq!(run(6).unwrap_err(), "JSON is longer than 6 bytes");
    let text = b"[\"abcdefgh\"]";
    let result = read_items(&text[..], Place::TopLevel, 5, |_| Ok::<(), JsonError>(()));
    assert!(matches!(result, Err(JsonError::TooLong(5))));
}

#[test]
fn one_element_too_long_is_skipped_and_the_rest_is_read() {
    let exact = format!("\"{}\"", "x".repeat(MAX_ITEM - 2));
    let long = format!("\"{}\"", "x".repeat(MAX_ITEM - 1));
    let text = format!("[1,{long},{exact},2]");
    let mut lengths = Vec::new();
    let count = read_items(text.as_bytes(), Place::TopLevel, u64::MAX, |item| {
        lengths.push(item.len());
        Ok::<(), JsonError>(())
    });
    assert_eq!(lengths, [1, MAX_ITEM, 1]);
    let expected = Count {
        given: 3,
        skipped: 1,
    };
    assert_eq!(count.unwrap(), expected);
}

#[test]
fn an_element_that_is_not_utf8_is_skipped() {
    let (found, count) = items(b"[\"\xff\",2]", Place::TopLevel).unwrap();
    assert_eq!(found, ["2"]);
    assert_eq!(count.skipped, 1);
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    // The outermost bracket is the list itself.
    let deepest = MAX_DEPTH as usize + 1;
    assert!(items(nested(deepest).as_bytes(), Place::TopLevel).is_ok());
    assert_eq!(
        items(nested(deepest + 1).as_bytes(), Place::TopLevel).unwrap_err(),
        "JSON is nested deeper than 128 levels at byte 129"
    );
    assert!(parse(&nested(1 << 18)).is_none());
}

#[test]
fn a_callback_can_stop() {
    let mut seen = 0;
    let result = read_items(&b"[1,2,3]"[..], Place::TopLevel, 100, |_| {
        seen += 1;
        Err(JsonError::TooLong(0))
    });
    assert!(result.is_err());
    assert_eq!(seen, 1);
}

#[test]
fn fields_are_split_and_keys_decoded() {
    let check = |text: &str, expected: Option<&[(&str, &str)]>| {
        let mut found = Vec::new();
        let is_sound = fields(text, |key, raw| {
            found.push((key.to_owned(), raw.to_owned()))
        });
        assert_eq!(is_sound, expected.is_some(), "{text}");
        if let Some(expected) = expected {
            let found: Vec<_> = found
                .iter()
                .map(|(key, raw)| (key.as_str(), raw.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    };
    check("{}", Some(&[]));
    check(" { } ", Some(&[]));
    check(
        r#"{"a":1 , "b\n" : {"c":[1,"}"]},"d":"\"" }"#,
        Some(&[("a", "1"), ("b\n", r#"{"c":[1,"}"]}"#), ("d", r#""\"""#)]),
    );
    // An unpaired surrogate cannot be told in UTF-8: that field alone is passed over.
    check(r#"{"\ud800":1,"b":2}"#, Some(&[("b", "2")]));
    for broken in [
        "",
        "[]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1}x",
    ] {
        check(broken, None);
    }
}

#[test]
fn elements_are_split() {
    let mut found = Vec::new();
    assert!(elements(r#"[1, "a,b" ,[2,3]]"#, |raw| found.push(raw)));
    assert_eq!(found, ["1", "\"a,b\"", "[2,3]"]);
    assert!(elements("[]", |_| panic!("nothing is there")));
    for broken in ["", "{}", "[", "[1", "[,]", "[1]]"] {
        assert!(!elements(broken, |_| {}), "{broken}");
    }
}

#[test]
fn numbers_are_whole_or_nothing() {
    for (raw, expected) in [
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("5.0", Some(5)),
        ("5e3", Some(5000)),
        ("5.5", None),
        ("-1", None),
        ("1e300", None),
        ("9007199254740993.0", Some(1 << 53)),
        ("1e16", None),
        ("null", None),
        ("\"5\"", None),
        ("true", None),
    ] {
        assert_eq!(as_u64(raw), expected, "{raw}");
    }
}

#[test]
fn value_helpers_take_null_for_absent() {
    let value =
        parse(r#"{"s":"x","n":null,"i":7,"f":7.0,"g":7.5,"m":-7,"b":true,"a":[1]}"#).unwrap();
    assert_eq!(get_str(&value, "s"), Some("x"));
    assert_eq!(get_str(&value, "i"), None);
    assert!(get(&value, "n").is_none());
    assert_eq!(get_u64(&value, "i"), Some(7));
    assert_eq!(get_u64(&value, "f"), Some(7));
    assert_eq!(get_u64(&value, "g"), None);
    assert_eq!(get_u64(&value, "m"), None);
    assert_eq!(get_bool(&value, "b"), Some(true));
    assert_eq!(get_array(&value, "a").len(), 1);
    assert!(get_array(&value, "n").is_empty());
}

#[test]
fn strings_survive_writing_and_reading() {
    for text in ["", "a\"b\\c/d", "\u{0}\u{1f}\n\r\t\u{7f}", "é\u{2028}😀"] {
        let mut out = String::new();
        push_string(&mut out, text);
        check(&out).unwrap();
        assert_eq!(as_string(&out).unwrap(), text);
    }
    let mut out = String::new();
    push_string(&mut out, "a\u{1}\"\n");
    assert_eq!(out, r#""a\u0001\"\n""#);
}

#[test]
fn objects_are_written_in_order() {
    let mut out = String::new();
    Object::begin(&mut out)
        .string("a", "x")
        .maybe_string("b", None)
        .number("c", 5u32)
        .maybe_number("d", None::<u64>)
        .boolean("e", false)
        .strings("f", &["g", "h"])
        .raw("i", "{}")
        .end();
    assert_eq!(out, r#"{"a":"x","c":5,"e":false,"f":["g","h"],"i":{}}"#);
}

/// A small generator, so that a failure can be repeated (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn random_input_gives_an_error_or_what_miniserde_reads() {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\"items\"",
        "items",
        "1",
        "-",
        "0",
        ".",
        "e",
        "true",
        "null",
        "fal",
        "\\u00",
        "\u{e9}",
        " ",
        "\n",
        "\u{1}",
        "\"a\":",
        "[1]",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..30_000 {
        let mut text = String::new();
        for _ in 0..random.below(14) {
            text.push_str(PIECES[random.below(PIECES.len())]);
        }
        let sound = check(&text).is_ok();
        // miniserde is looser in nothing and stricter only about surrogates, which are not made
        // here, and numbers too large for a double.
        let theirs = miniserde::json::from_str::<Value>(&text).is_ok();
        assert_eq!(sound, theirs, "{text}");
        let _ = items(text.as_bytes(), Place::Key("items"));
        let listed = items(text.as_bytes(), Place::TopLevel);
        assert_eq!(
            listed.is_ok(),
            sound && text.trim().starts_with('['),
            "{text}"
        );
        let is_object = fields(&text, |_, _| {});
        if sound && text.trim().starts_with('{') {
            assert!(is_object, "{text}");
        }
        let _ = elements(&text, |_| {});
        let _ = as_string(&text);
        let _ = as_u64(&text);
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(42);
    for _ in 0..5_000 {
        let bytes: Vec<u8> = (0..random.below(40))
            .map(|_| random.below(256) as u8)
            .collect();
        let mut document = b"{\"items\":[".to_vec();
        document.extend(&bytes);
        let _ = items(&document, Place::Key("items"));
        let _ = items(&bytes, Place::TopLevel);
    }
}
