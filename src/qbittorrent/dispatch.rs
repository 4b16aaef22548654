//! The order in which a request is checked, and what every call is given and answers with.
//!
//! Order of the real server: forged origin (401), session (403), scope known (404), method (405), action
//! known (404), parameters (400), then the call itself. So without a session even an unknown call is a
//! 403, on which clients log in again. Reads take GET, HEAD and POST, commands POST only.
//!
//! `auth/login` may wait several seconds, `torrents/add` may ask a friend, `torrents/delete` and
//! `recheck` may wake a disk: their routes must run on threads of their own
//! ([`crate::http::Weight::Long`]); everything else is short, or is written as a stream.

use std::io::{self, Write};
use std::time::Instant;

use crate::clock::now_unix;
use crate::downloads::Downloads;
use crate::http::{Body, Method, Request, Response};
use crate::services::Services;
use crate::store::StoreError;

use super::input::Input;
use super::journal::Kind;
use super::login::login;
use super::sessions::Identity;
use super::table::{ACTIONS, Kinds};
use super::{Face, auth, lock};

/// A call that was let in.
pub(super) struct Context<'a> {
    pub services: &'a Services,
    pub face: &'a Face,
    pub input: Input,
    pub who: Identity,
    /// The session, if the caller has one (a key in a header needs none).
    pub sid: Option<&'a str>,
    /// Unix seconds.
    pub now: u64,
}

impl Context<'_> {
    /// The engine; `None` without `[downloads]`: then lists are empty and nothing can be added.
    pub fn downloads(&self) -> Option<&Downloads> {
        self.services.downloads.as_deref()
    }

    /// The login whose labels are seen; `None` = all.
    pub fn labels_of(&self) -> Option<&str> {
        match &self.who.scope {
            crate::grab::Scope::All => None,
            crate::grab::Scope::Arr(login) => Some(login),
        }
    }

    /// Adds a line to `log/main`.
    pub fn note(&self, kind: Kind, message: &str) {
        lock(&self.face.journal).add(&self.who.login, kind, message, self.now);
    }
}

/// Why a call was refused: status and body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub text: String,
}

impl Refusal {
    pub fn new(status: u16, text: impl Into<String>) -> Refusal {
        Refusal {
            status,
            text: text.into(),
        }
    }

    pub fn bad_request() -> Refusal {
        Refusal::new(400, "Bad Request")
    }

    pub fn not_found() -> Refusal {
        Refusal::new(404, "Not Found")
    }

    fn internal() -> Refusal {
        Refusal::new(500, "Internal Server Error")
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        log::error!("qBittorrent call failed: {error}");
        Refusal::internal()
    }
}

pub(super) type Answer = Result<Response, Refusal>;

/// 200 with nothing in it: what a command says.
pub(super) fn done() -> Answer {
    Ok(Response::text(200, ""))
}

/// 200 with JSON.
pub(super) fn json(body: impl Into<Vec<u8>>) -> Answer {
    Ok(Response::json(200, body))
}

/// 200 with JSON that `write` writes. A long one is written to the client as it is made, on a
/// thread that may wait for it; a short one is an answer like any other.
pub(super) fn written(
    is_long: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Answer {
    let mut response = Response::json(200, "");
    response.body = if is_long {
        Body::Writer(Box::new(write))
    } else {
        let mut body = Vec::new();
        write(&mut body).map_err(|error| {
            log::error!("qBittorrent call failed: {error}");
            Refusal::internal()
        })?;
        Body::Bytes(body)
    };
    Ok(response)
}

/// 200 with text.
pub(super) fn text(body: impl Into<Vec<u8>>) -> Answer {
    Ok(Response::text(200, body))
}

/// Answers any request below `/api/v2/`.
pub fn handle(services: &Services, request: &Request) -> Response {
    let answer = answer(&services.qbittorrent, services, request);
    let mut response = answer.unwrap_or_else(|refusal| {
        let mut response = Response::text(refusal.status, refusal.text);
        if refusal.status == 400 && matches!(&response.body, Body::Bytes(text) if text.is_empty()) {
            response.headers.clear();
        }
        response
    });
    // As the real server: an answer is never a page of its own.
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("X-XSS-Protection", "1; mode=block"),
        ("Referrer-Policy", "same-origin"),
        (
            "Content-Security-Policy",
            "default-src 'self'; frame-ancestors 'self'",
        ),
    ] {
        response = response.header(name, value);
    }
    response
}

fn answer(face: &Face, services: &Services, request: &Request) -> Answer {
    // The raw path: an encoded name must not reach a long call by the route of the short ones.
    let names = request.path.strip_prefix("/api/v2/").unwrap_or_default();
    let (scope, name) = match names.split_once('/') {
        Some((scope, name)) if is_name(scope) && is_name(name) => (scope, name),
        // The real server looks for a file of its WebUI, for which no session is needed.
        _ => return Err(Refusal::not_found()),
    };
    if auth::is_forged(request) {
        return Err(Refusal::new(401, "Unauthorized"));
    }
    let instant = Instant::now();
    let now = now_unix();
    let cookie = request.cookie("SID");
    let session = match cookie {
        Some(sid) => live_session(face, services, sid, instant)?,
        None => None,
    };
    if (scope, name) == ("auth", "login") {
        if request.method != Method::Post {
            return Err(Refusal::new(405, "Method Not Allowed"));
        }
        if session.is_some() {
            return text("Ok.");
        }
        return login(face, services, request, instant, now);
    }
    let sid = cookie.filter(|_| session.is_some());
    let who = session
        .or_else(|| auth::from_header(&services.config, &services.keys, request))
        .ok_or_else(|| Refusal::new(403, "Forbidden"))?;

    if !ACTIONS.iter().any(|action| action.scope == scope) {
        return Err(Refusal::not_found());
    }
    let action = ACTIONS
        .iter()
        .find(|action| action.scope == scope && action.name == name);
    let is_allowed = match request.method {
        Method::Post => true,
        Method::Get | Method::Head => action.is_none_or(|action| action.kind == Kinds::Read),
        _ => false,
    };
    if !is_allowed {
        return Err(Refusal::new(405, "Method Not Allowed"));
    }
    let action = action.ok_or_else(Refusal::not_found)?;
    let input = Input::read(request).ok_or_else(|| Refusal::new(400, ""))?;
    if action.required.iter().any(|name| input.get(name).is_none()) {
        return Err(Refusal::bad_request());
    }
    (action.handler)(&Context {
        services,
        face,
        input,
        who,
        sid,
        now,
    })
}

/// Who is behind a session, unless the key that opened it was revoked since: an arr asks every minute,
/// so its session would never end by itself.
fn live_session(
    face: &Face,
    services: &Services,
    sid: &str,
    now: Instant,
) -> Result<Option<Identity>, Refusal> {
    let Some((who, key)) = lock(&face.sessions).identify(sid, now) else {
        return Ok(None);
    };
    if services.store.key_is_revoked(&key)? {
        lock(&face.sessions).close(sid);
        return Ok(None);
    }
    Ok(Some(who))
}

/// `[A-Za-z_][A-Za-z_0-9]*`
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        for (text, expected) in [
            ("info", true),
            ("_a1", true),
            ("1a", false),
            ("", false),
            ("a-b", false),
            ("a/b", false),
            ("é", false),
        ] {
            assert_eq!(is_name(text), expected, "{text}");
        }
    }
}
