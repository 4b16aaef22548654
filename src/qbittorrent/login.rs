//! `auth/login`: the one call that needs no session.
//!
//! A right pair gives a session and the cookie that names it, in the first and only `Set-Cookie` (Sonarr
//! reads no other). A wrong one is a 200 with `Fails.`, after a delay that grows with each failure of
//! the address: this runs on a thread of its own, so nobody else waits.

use std::time::Instant;

use crate::http::{Request, Response};
use crate::secret::digest;
use crate::services::Services;

use super::dispatch::{Answer, Refusal, text};
use super::failures::{Admission, delay};
use super::input::Input;
use super::journal::Kind;
use super::{Face, auth, lock};

/// `auth/login`. A wrong password costs its own thread some time, never another's.
pub(super) fn login(
    face: &Face,
    services: &Services,
    request: &Request,
    instant: Instant,
    now: u64,
) -> Answer {
    let input = Input::read(request).ok_or_else(|| Refusal::new(400, ""))?;
    let admission = lock(&face.failures).admit(request.remote, instant);
    let _place = match admission {
        Admission::Free => None,
        Admission::Slow => Some(SlowPlace { face, request }),
        Admission::Refused => {
            return Err(Refusal::new(
                403,
                "Too many failed logins from this address are being answered, try again in some seconds",
            ));
        }
    };
    let username = input.text("username");
    let password = input.text("password");
    if let Some(who) = auth::login(&services.config, &services.keys, username, password) {
        lock(&face.failures).forget(request.remote);
        lock(&face.journal).add(
            &who.login,
            Kind::Normal,
            &format!("WebAPI login success. IP: {}", request.remote),
            now,
        );
        let sid = lock(&face.sessions).open(who, digest(password), instant);
        return Ok(Response::text(200, "Ok.").header(
            "Set-Cookie",
            format!("SID={sid}; HttpOnly; path=/; SameSite=Strict"),
        ));
    }
    let failures = lock(&face.failures).record(request.remote, instant);
    // Of no login: only the owner sees it.
    lock(&face.journal).add(
        "",
        Kind::Warning,
        &format!("WebAPI login failure. IP: {}", request.remote),
        now,
    );
    // One line for the first failure and for each doubling: a client with a wrong password tries for ever.
    if failures.is_power_of_two() {
        let shown: String = username.chars().take(40).collect();
        log::warn!(
            "failed login number {failures} in a row from {} as {shown:?} at the qBittorrent face: \
             the user name is the title of a [server] section, the password the key made for it",
            request.remote
        );
    }
    (face.wait)(delay(admission, failures));
    text("Fails.")
}

/// A place among the slow logins; given back whatever happens.
struct SlowPlace<'a> {
    face: &'a Face,
    request: &'a Request,
}

impl Drop for SlowPlace<'_> {
    fn drop(&mut self) {
        lock(&self.face.failures).leave(self.request.remote);
    }
}
