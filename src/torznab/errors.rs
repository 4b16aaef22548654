//! Torznab errors: `<error code= description=/>`, sent with HTTP 200.
//!
//! Sonarr and Radarr never read the body of a 4xx or 5xx, so an error with a text travels in a 200. They
//! show codes 100 to 199 as "Invalid API Key" and every other description as it is, so it
//! names the parameter and what is wanted. What the caller sent as its value is not repeated in it.
//! One exception is made by `routes`: an answer to caps is kept by the arrs for seven days unless it
//! is an HTTP error or has a code of 100 to 199.

use std::fmt;

use crate::http::ParamError;
use crate::xml;

/// An error with its newznab code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TorznabError {
    /// newznab error code.
    pub code: u16,
    /// One sentence for the person who reads the arr's log.
    pub description: String,
}

impl TorznabError {
    fn new(code: u16, description: impl Into<String>) -> TorznabError {
        TorznabError {
            code,
            description: description.into(),
        }
    }

    /// 100: the key is missing or nobody's.
    pub fn incorrect_key() -> TorznabError {
        TorznabError::new(100, "Incorrect API key")
    }

    /// 101: the key was revoked.
    pub fn suspended() -> TorznabError {
        TorznabError::new(101, "This API key was revoked")
    }

    /// 102: a friend's key. Friends use the peer routes.
    pub fn insufficient_privileges() -> TorznabError {
        TorznabError::new(102, "A friend's key is not valid for the indexer")
    }

    /// 200: a mandatory parameter is absent or empty.
    ///
    /// The description is more than the bare `Missing parameter`: that one the arrs take for a
    /// missing key.
    pub fn missing(parameter: &str) -> TorznabError {
        TorznabError::new(200, format!("Missing parameter: {parameter}"))
    }

    /// 201: a parameter that cannot be read; `wanted` says what would be right.
    pub fn incorrect(parameter: &str, wanted: &str) -> TorznabError {
        TorznabError::new(
            201,
            format!("Incorrect parameter: {parameter} must be {wanted}"),
        )
    }

    /// 201: the query itself cannot be read.
    pub fn malformed(problem: &ParamError) -> TorznabError {
        TorznabError::new(201, format!("Incorrect parameter: {problem}"))
    }

    /// 202: `t` names nothing that newznab knows.
    pub fn no_such_function() -> TorznabError {
        TorznabError::new(
            202,
            "No such function: t must be caps, search, tvsearch or movie",
        )
    }

    /// 203: `t` names a newznab function that this indexer does not have.
    pub fn not_available() -> TorznabError {
        TorznabError::new(
            203,
            "Function not available: t must be caps, search, tvsearch or movie",
        )
    }

    /// 300: there is no such thing (any more).
    pub fn no_such_item(what: &str) -> TorznabError {
        TorznabError::new(300, format!("No such item: {what}"))
    }

    /// 900: our own fault; the log has the reason.
    pub fn internal() -> TorznabError {
        TorznabError::new(900, "jackdaw could not answer, its log says why")
    }

    /// The document.
    pub fn to_xml(&self) -> Vec<u8> {
        xml::empty_document(
            "error",
            &[
                ("code", &self.code.to_string()),
                ("description", &self.description),
            ],
        )
    }
}

impl fmt::Display for TorznabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "torznab error {}: {}", self.code, self.description)
    }
}

impl std::error::Error for TorznabError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of the newznab API specification; both attributes are mandatory for the arrs.
    #[test]
    fn bytes_are_exact() {
        let check = |error: TorznabError, expected: &str| {
            let bytes = String::from_utf8(error.to_xml()).unwrap();
            let root = bytes
                .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
                .unwrap();
            assert_eq!(root, expected);
            roxmltree::Document::parse(&bytes).unwrap();
        };
        check(
            TorznabError::incorrect_key(),
            "<error code=\"100\" description=\"Incorrect API key\"/>\n",
        );
        check(
            TorznabError::missing("t"),
            "<error code=\"200\" description=\"Missing parameter: t\"/>\n",
        );
        check(
            TorznabError::incorrect("limit", "a number"),
            "<error code=\"201\" description=\"Incorrect parameter: limit must be a number\"/>\n",
        );
        check(
            TorznabError::malformed(&ParamError::Malformed("q<".into())),
            "<error code=\"201\" description=\"Incorrect parameter: \
             parameter q&lt; is not valid percent-encoded UTF-8\"/>\n",
        );
        check(
            TorznabError::no_such_item("<\u{0}>"),
            "<error code=\"300\" description=\"No such item: &lt;&gt;\"/>\n",
        );
    }

    #[test]
    fn codes_are_those_of_newznab() {
        let codes = [
            TorznabError::suspended(),
            TorznabError::insufficient_privileges(),
            TorznabError::no_such_function(),
            TorznabError::not_available(),
            TorznabError::internal(),
        ]
        .map(|error| error.code);
        assert_eq!(codes, [101, 102, 202, 203, 900]);
    }
}
