//! The route table: which handler answers which method and path, who may ask, and whether it may
//! take long.
//!
//! Paths are split at `/` first and decoded segment by segment afterwards, so an encoded slash
//! stays inside its segment (item ids hold `:` and may hold anything). The first matching row
//! wins; a path that only other methods answer is a 405 with `Allow`. Pure.

use super::percent::{self, Plus};
use super::{Method, Params, Request, Response};

/// Who may use a route, and what a refusal looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// A friend's, an arr's or the owner's key (`X-Api-Key` or `apikey`); else 401 JSON.
    Peer,
    /// The handler checks by itself: Torznab (error 100 in XML).
    Torznab,
    /// The handler checks by itself: qBittorrent (session cookie, Basic, Bearer; 403).
    Qbittorrent,
    /// The handler checks by itself: the key of the arr in the path, as a Basic login too (401).
    Hook,
    /// The owner's key only; else 401 JSON.
    Owner,
}

impl Access {
    /// True if the handler refuses a malformed query by itself, in the words of its face.
    pub fn answers_bad_queries(self) -> bool {
        self == Access::Torznab
    }
}

/// Where a handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Milliseconds: on one of the `http_workers`.
    Short,
    /// May wait for friends or walk long lists: on a thread of its own, bounded in number.
    Long,
}

/// One row of the route table. `S` is the state handlers work on.
pub struct Route<S> {
    /// Methods that the row answers; GET implies HEAD. Empty = all.
    pub methods: &'static [Method],
    /// `/peer/items/{id}/file`; `{name}` is one segment, percent-decoded into `path_params`;
    /// `{*name}` at the end is the rest.
    pub pattern: &'static str,
    /// Who may ask.
    pub access: Access,
    /// Where it runs.
    pub weight: Weight,
    /// The handler.
    pub handler: fn(&S, &Request) -> Response,
}

impl<S> Route<S> {
    fn answers(&self, method: Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(&method)
            || (method == Method::Head && self.methods.contains(&Method::Get))
    }
}

/// The row that answers `method` and raw `path`, with its decoded path parameters; or the answer
/// when none does (400, 404, 405).
pub fn find<'a, S>(
    routes: &'a [Route<S>],
    method: Method,
    path: &str,
) -> Result<(&'a Route<S>, Params), Response> {
    let mut allowed: Vec<Method> = Vec::new();
    for route in routes {
        let params = match matches(route.pattern, path) {
            Match::No => continue,
            Match::Malformed => {
                return Err(Response::json(
                    400,
                    "{\"error\":\"malformed percent-encoding in the path\"}",
                ));
            }
            Match::Yes(params) => params,
        };
        if route.answers(method) {
            return Ok((route, params));
        }
        allowed.extend(route.methods);
        if route.methods.contains(&Method::Get) {
            allowed.push(Method::Head);
        }
    }
    if allowed.is_empty() {
        return Err(not_found());
    }
    let mut names: Vec<&str> = Vec::new();
    for name in allowed.into_iter().map(Method::name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Err(Response::json(405, "{\"error\":\"Method not allowed\"}").header("Allow", names.join(", ")))
}

/// The refusal for a path that no row knows, and for items that are not there.
pub fn not_found() -> Response {
    Response::json(404, "{\"error\":\"Not found\"}")
}

/// The refusal of a wrong or missing key; friends compare the body.
pub fn unauthorized() -> Response {
    Response::json(401, "{\"error\":\"Unauthorized\"}")
}

enum Match {
    No,
    Malformed,
    Yes(Params),
}

fn matches(pattern: &str, path: &str) -> Match {
    let mut params = Params::default();
    let mut given = Some(path);
    for expected in pattern.split('/') {
        let Some(rest) = given else {
            return Match::No;
        };
        if let Some(name) = placeholder(expected).and_then(|name| name.strip_prefix('*')) {
            return match percent::decode(rest, Plus::Literal) {
                Some(value) => {
                    params.0.push((name.to_owned(), value.into_owned()));
                    Match::Yes(params)
                }
                None => Match::Malformed,
            };
        }
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        given = after;
        match (
            placeholder(expected),
            percent::decode(segment, Plus::Literal),
        ) {
            (None, Some(segment)) if segment == expected => {}
            (Some(_), Some(segment)) if segment.is_empty() => return Match::No,
            (Some(name), Some(segment)) => {
                params.0.push((name.to_owned(), segment.into_owned()));
            }
            (Some(_), None) => return Match::Malformed,
            (None, _) => return Match::No,
        }
    }
    match given {
        None => Match::Yes(params),
        Some(_) => Match::No,
    }
}

/// The name in `{name}`.
fn placeholder(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(_: &(), _: &Request) -> Response {
        Response::status(200)
    }

    const fn route(methods: &'static [Method], pattern: &'static str) -> Route<()> {
        Route {
            methods,
            pattern,
            access: Access::Open,
            weight: Weight::Short,
            handler: answer,
        }
    }

    const ROUTES: &[Route<()>] = &[
        route(&[Method::Get], "/"),
        route(&[Method::Get], "/ping"),
        route(&[Method::Get], "/peer/items/{id}"),
        route(&[Method::Get], "/peer/items/{id}/file"),
        route(&[Method::Post], "/peer/items/{id}"),
        route(&[], "/api/v2/{scope}/{action}"),
        route(&[Method::Get], "/web/{*rest}"),
    ];

    fn check(method: Method, path: &str, expected: Result<(&str, &[&str]), u16>) {
        let found = find(ROUTES, method, path);
        match (&found, expected) {
            (Ok((route, params)), Ok((pattern, values))) => {
                assert_eq!(route.pattern, pattern, "{path}");
                let given: Vec<_> = params.0.iter().map(|(_, value)| value.as_str()).collect();
                assert_eq!(given, values, "{path}");
            }
            (Err(response), Err(status)) => assert_eq!(response.status, status, "{path}"),
            (Ok((route, _)), Err(status)) => panic!("{path}: {} not {status}", route.pattern),
            (Err(response), Ok(_)) => panic!("{path}: {}", response.status),
        }
    }

    #[test]
    fn table_of_paths() {
        use Method::*;
        let item = "/peer/items/{id}";
        let file = "/peer/items/{id}/file";
        check(Get, "/", Ok(("/", &[])));
        check(Get, "/ping", Ok(("/ping", &[])));
        check(Head, "/ping", Ok(("/ping", &[])));
        check(Get, "/%70ing", Ok(("/ping", &[])));
        check(
            Get,
            item.replace("{id}", "a:b:3").as_str(),
            Ok((item, &["a:b:3"])),
        );
        check(Get, "/peer/items/a%3Ab%3A3/file", Ok((file, &["a:b:3"])));
        check(Get, "/peer/items/a%2Ffile", Ok((item, &["a/file"])));
        check(Get, "/peer/items/a%2F..%2Fb/file", Ok((file, &["a/../b"])));
        check(Get, "/peer/items/a+b", Ok((item, &["a+b"])));
        check(
            Put,
            "/api/v2/torrents/info",
            Ok(("/api/v2/{scope}/{action}", &["torrents", "info"])),
        );
        check(
            Other,
            "/api/v2/a/b",
            Ok(("/api/v2/{scope}/{action}", &["a", "b"])),
        );
        check(Get, "/web/a/b%20c//d", Ok(("/web/{*rest}", &["a/b c//d"])));
        check(Get, "/web/", Ok(("/web/{*rest}", &[""])));
        for missing in [
            "",
            "ping",
            "/Ping",
            "/ping/",
            "//ping",
            "/peer/items/",
            "/web",
            "*",
            "/%2Fping",
            "/api/v2/a/b/c",
        ] {
            check(Get, missing, Err(404));
        }
        check(Get, "/peer/items/%zz", Err(400));
        check(Get, "/peer/items/%ff/file", Err(400));
        check(Get, "/web/%", Err(400));
        check(Get, "/%zz", Err(404));
        check(Post, "/ping", Err(405));
        check(Delete, item, Err(405));
    }

    #[test]
    fn allow_lists_every_method_once() {
        let response = find(ROUTES, Method::Delete, "/peer/items/x").err().unwrap();
        let allow = response.headers.iter().find(|(name, _)| name == "Allow");
        assert_eq!(allow.unwrap().1, "GET, HEAD, POST");
    }

    #[test]
    fn any_path_is_answered() {
        let mut seed = 11_u64;
        let alphabet: Vec<char> = "/%2Faé{}*:. ".chars().collect();
        for _ in 0..20_000 {
            let mut path = String::new();
            for _ in 0..(seed >> 40) % 12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                path.push(alphabet[usize::try_from((seed >> 33) % 12).unwrap()]);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(5);
            let _ = find(ROUTES, Method::Get, &path);
        }
    }
}
