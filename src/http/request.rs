//! A request as a value: decoded path, query, headers, bounded body.
//!
//! Built from what tiny_http hands over, which the front door has vetted and bounded (16 KiB of
//! head, a body below its route's limit). Query strings are decoded strictly: a malformed
//! parameter is a 400 that names it, or what a face says in its own words instead
//! ([`Request::query_problem`]). Nothing here touches a socket.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use super::base64;
use super::form::{Form, FormError};
use super::percent::{self, Plus};
use crate::keys::Caller;

/// Parameters in one query string or urlencoded form. Our own faces use two dozen at most, and a
/// `setPreferences` of every known key stays below 300; more is noise that would only cost memory.
pub const MAX_PARAMS: usize = 1000;

/// Request methods that some route knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Each is the method of that name in upper case.
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Other,
}

impl Method {
    /// The method of this name (case matters, RFC 9110 §9.1).
    pub fn parse(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            "PATCH" => Method::Patch,
            _ => Method::Other,
        }
    }

    /// Its name; `OTHER` for what no route knows.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Patch => "PATCH",
            Method::Other => "OTHER",
        }
    }
}

/// Why a query string or a form was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamError {
    /// The parameter of this (raw) name is not valid percent-encoded UTF-8.
    Malformed(String),
    /// More than [`MAX_PARAMS`].
    TooMany,
}

impl fmt::Display for ParamError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParamError::Malformed(name) => {
                write!(out, "parameter {name} is not valid percent-encoded UTF-8")
            }
            ParamError::TooMany => write!(out, "more than {MAX_PARAMS} parameters"),
        }
    }
}

/// Decoded name/value pairs of a query string or a form, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub Vec<(String, String)>);

impl Params {
    /// The first value of exactly this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads `a=1&b=2` with `+` as a space. A pair without `=` has an empty value, an empty pair
    /// is skipped.
    pub fn parse(text: &str) -> Result<Params, ParamError> {
        match Params::parse_sound(text) {
            (params, None) => Ok(params),
            (_, Some(problem)) => Err(problem),
        }
    }

    /// The same without what is malformed and what is too many; and the first such problem.
    fn parse_sound(text: &str) -> (Params, Option<ParamError>) {
        let mut params = Vec::new();
        let mut problem = None;
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if params.len() == MAX_PARAMS {
                problem.get_or_insert(ParamError::TooMany);
                break;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = percent::decode(name, Plus::Space)
                .zip(percent::decode(value, Plus::Space))
                .map(|(name, value)| (name.into_owned(), value.into_owned()));
            match decoded {
                Some(pair) => params.push(pair),
                None => {
                    problem.get_or_insert_with(|| ParamError::Malformed(shown(name)));
                }
            }
        }
        (Params(params), problem)
    }
}

/// A name short and tame enough for an error message.
fn shown(name: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    name.chars()
        .take(SHOWN_CHARS)
        .flat_map(char::escape_default)
        .collect()
}

/// A complete request. The path has the configured prefix removed.
#[derive(Debug)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Raw path as received (percent-encoded), prefix removed, without the query.
    pub path: String,
    /// Decoded query parameters: the sound ones.
    pub query: Params,
    /// What is wrong with the query, if anything. Handlers see it only where
    /// [`super::Access::answers_bad_queries`]; elsewhere such a request is refused before.
    pub query_problem: Option<ParamError>,
    /// Header names as received (compare ignoring case) and values.
    pub headers: Vec<(String, String)>,
    /// The whole body (the front door bounds it).
    pub body: Vec<u8>,
    /// The client's address as the front door saw it.
    pub remote: IpAddr,
    /// Decoded `{name}` parts of the route pattern.
    pub path_params: Params,
    /// Who asks, when the route's access rule has established it.
    pub caller: Option<Caller>,
}

impl Request {
    /// A request from its parts: `target` as in the request line, `prefix` as in
    /// [`crate::config::Config::path_prefix`].
    pub fn new(
        method: Method,
        target: &str,
        prefix: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        remote: IpAddr,
    ) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (query, query_problem) = Params::parse_sound(query);
        Request {
            method,
            path: strip_prefix(path, prefix).to_owned(),
            query,
            query_problem,
            headers,
            body,
            remote,
            path_params: Params::default(),
            caller: None,
        }
    }

    /// The first header of this name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// All headers of this name, ignoring case.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The value of a cookie: exact name, surrounding double quotes removed (some clients quote
    /// values that hold `/` or `+`). Everything that is not `name=value` is passed over.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers_named("Cookie")
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| {
                value
                    .strip_prefix('"')
                    .and_then(|inner| inner.strip_suffix('"'))
                    .unwrap_or(value)
            })
    }

    /// User name and password of `Authorization: Basic`; `None` if there is none, or not as RFC
    /// 7617 has it. Text that is not UTF-8 is taken for Latin-1, in which Sonarr and Radarr send
    /// names. Present does not mean right.
    pub fn basic_login(&self) -> Option<(String, String)> {
        let (scheme, credentials) = self.header("Authorization")?.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(base64::decode(credentials.trim())?).unwrap_or_else(|e| {
            let latin1 = e.as_bytes().iter().copied();
            latin1.map(char::from).collect()
        });
        let (username, password) = decoded.split_once(':')?;
        Some((username.to_owned(), password.to_owned()))
    }

    /// The key that the caller presents: header `X-Api-Key`, else query parameter `apikey`, else
    /// `Authorization: Bearer`; an empty one counts as absent, for some clients send the header
    /// whether they have a key or not. Present does not mean right: compare it with [`crate::keys`].
    pub fn presented_key(&self) -> Option<&str> {
        let is_given = |key: &&str| !key.is_empty();
        self.header("X-Api-Key")
            .filter(is_given)
            .or_else(|| self.query.get("apikey").filter(is_given))
            .or_else(|| {
                let (scheme, key) = self.header("Authorization")?.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
            })
    }

    /// Whether `Content-Type` is this type, parameters and case aside.
    pub fn has_content_type(&self, expected: &str) -> bool {
        self.header("Content-Type").is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case(expected)
        })
    }

    /// The body as a form, urlencoded or multipart. An empty body is an empty form whatever its
    /// type; any other type is an error.
    pub fn form(&self) -> Result<Form, FormError> {
        Form::parse(self.header("Content-Type").unwrap_or_default(), &self.body)
    }

    /// The raw path with control and other unprintable characters escaped, for the log.
    pub fn shown_path(&self) -> Cow<'_, str> {
        if self.path.bytes().all(|byte| byte.is_ascii_graphic()) {
            Cow::Borrowed(&self.path)
        } else {
            Cow::Owned(self.path.escape_default().to_string())
        }
    }
}

/// Removes the path prefix where it is there, whole segments only: bare paths are served too.
fn strip_prefix<'a>(path: &'a str, prefix: &str) -> &'a str {
    match path.strip_prefix(prefix) {
        Some("") if !prefix.is_empty() => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn request(target: &str, prefix: &str, headers: &[(&str, &str)]) -> Request {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let remote = Ipv4Addr::LOCALHOST.into();
        Request::new(Method::Get, target, prefix, headers, Vec::new(), remote)
    }

    #[test]
    fn prefix_is_stripped_at_segment_borders_only() {
        let check = |target: &str, prefix: &str, expected: &str| {
            assert_eq!(
                request(target, prefix, &[]).path,
                expected,
                "{target} {prefix}"
            );
        };
        check("/ping", "", "/ping");
        check("/jd/ping?x=1", "/jd", "/ping");
        check("/ping", "/jd", "/ping");
        check("/jd", "/jd", "/");
        check("/jd/", "/jd", "/");
        check("/jdx/ping", "/jd", "/jdx/ping");
        check("/a/b/ping", "/a/b", "/ping");
        check("/jd/jd/ping", "/jd", "/jd/ping");
        check("", "", "");
    }

    #[test]
    fn query_is_decoded_in_order() {
        let query = request("/?q=a+b%26&empty=&flag&q=2&&%C3%A9=%7C", "", &[]).query;
        let pairs: Vec<_> = query
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let expected = [
            ("q", "a b&"),
            ("empty", ""),
            ("flag", ""),
            ("q", "2"),
            ("é", "|"),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(query.get("q"), Some("a b&"));
    }

    #[test]
    fn sound_parameters_survive_the_others() {
        let found = request("/?a=1&b=%ff&%zz&c=2", "", &[]);
        let pairs: Vec<_> = found.query.0.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(pairs, [("a", "1"), ("c", "2")]);
        let problem = Some(ParamError::Malformed("b".into()));
        assert_eq!(found.query_problem, problem);
        let found = request(&format!("/?{}", "a&".repeat(MAX_PARAMS + 5)), "", &[]);
        assert_eq!(found.query.0.len(), MAX_PARAMS);
        assert_eq!(found.query_problem, Some(ParamError::TooMany));
        assert_eq!(request("/?a=%41&", "", &[]).query_problem, None);
    }

    #[test]
    fn malformed_parameter_is_named() {
        let check = |query: &str, expected: &str| {
            let error = Params::parse(query).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check(
            "a=1&bad=%zz",
            "parameter bad is not valid percent-encoded UTF-8",
        );
        check("b%=1", "parameter b% is not valid percent-encoded UTF-8");
        check("x=%ff", "parameter x is not valid percent-encoded UTF-8");
        check(&"a&".repeat(MAX_PARAMS + 1), "more than 1000 parameters");
        assert_eq!(
            Params::parse(&"a&".repeat(MAX_PARAMS)).unwrap().0.len(),
            MAX_PARAMS
        );
    }

    #[test]
    fn cookies_as_real_clients_send_them() {
        let check = |line: &str, expected: Option<&str>| {
            let request = request("/", "", &[("cookie", line)]);
            assert_eq!(request.cookie("SID"), expected, "{line}");
        };
        check("SID=abc", Some("abc"));
        check("a=b; SID=abc; c=d", Some("abc"));
        check("SID=\"a/b+c\"", Some("a/b+c"));
        check("SID=abc; HttpOnly; path=/; SameSite=Strict", Some("abc"));
        check("sid=abc", None);
        check("XSID=abc;;=;SID", None);
        check("SID=", Some(""));
        check("SID=\"", Some("\""));
    }

    #[test]
    fn presented_key_order() {
        let check = |target: &str, headers: &[(&str, &str)], expected: Option<&str>| {
            assert_eq!(request(target, "", headers).presented_key(), expected);
        };
        check("/", &[], None);
        check(
            "/?apikey=q",
            &[("x-api-key", "h"), ("Authorization", "Bearer b")],
            Some("h"),
        );
        check("/?apikey=q", &[("Authorization", "Bearer b")], Some("q"));
        check("/", &[("authorization", "bearer b")], Some("b"));
        check("/?apikey=q", &[("X-Api-Key", "")], Some("q"));
        check(
            "/?apikey=",
            &[("X-Api-Key", ""), ("Authorization", "Bearer b")],
            Some("b"),
        );
        check("/", &[("Authorization", "Basic YTpi")], None);
    }

    #[test]
    fn basic_logins_are_read_to_the_first_colon() {
        let check = |header: &str, expected: Option<(&str, &str)>| {
            let given = request("/", "", &[("authorization", header)]).basic_login();
            let given = given.as_ref().map(|(name, key)| (&name[..], &key[..]));
            assert_eq!(given, expected, "{header}");
        };
        check("Basic QTpi", Some(("A", "b")));
        check("basic  QTpiOmM=", Some(("A", "b:c")));
        check("Basic Og==", Some(("", "")));
        check("Basic QQ==", None);
        check("Basic /w==", None);
        // é:b in Latin-1, and in UTF-8.
        check("Basic 6Tpi", Some(("é", "b")));
        check("Basic w6k6Yg==", Some(("é", "b")));
        check("Basic !", None);
        check("Basic", None);
        check("Bearer QTpi", None);
    }

    #[test]
    fn content_type_ignores_parameters_and_case() {
        let typed = request(
            "/",
            "",
            &[("Content-Type", "Multipart/Form-Data; boundary=x")],
        );
        assert!(typed.has_content_type("multipart/form-data"));
        assert!(!typed.has_content_type("multipart/form"));
        assert!(!request("/", "", &[]).has_content_type("multipart/form-data"));
    }

    #[test]
    fn logged_path_cannot_break_the_line() {
        let shown = request("/a\u{1b}[2J\r\nx", "", &[]);
        assert_eq!(shown.shown_path(), "/a\\u{1b}[2J\\r\\nx");
    }
}
