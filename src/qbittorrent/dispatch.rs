//! The table of calls, and the order in which a request is checked.
//!
//! Order of the real server: forged origin (401), session (403), scope known (404), method (405), action
//! known (404), parameters (400), then the call itself. So without a session even an unknown call is a
//! 403, on which clients log in again. Reads take GET, HEAD and POST, commands POST only.
//!
//! `auth/login` may wait several seconds and `torrents/add` may ask a friend: their routes must run on
//! threads of their own ([`crate::http::Weight::Long`]); everything else is short.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::app::Services;
use crate::downloads::Downloads;
use crate::http::{Body, Method, Request, Response};
use crate::store::StoreError;

use super::failures::{Admission, delay};
use super::input::Input;
use super::journal::Kind;
use super::sessions::Identity;
use super::{Face, add, auth, commands, labels, lists, lock, server, sync, transfer};

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
            crate::downloads::Scope::All => None,
            crate::downloads::Scope::Arr(login) => Some(login),
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
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        log::error!("qBittorrent call failed: {error}");
        Refusal::new(500, "Internal Server Error")
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

/// 200 with text.
pub(super) fn text(body: impl Into<Vec<u8>>) -> Answer {
    Ok(Response::text(200, body))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    /// GET, HEAD and POST.
    Read,
    /// POST.
    Command,
}

/// One call.
struct Action {
    scope: &'static str,
    name: &'static str,
    kind: Kinds,
    /// Parameters without which it is a 400.
    required: &'static [&'static str],
    handler: fn(&Context<'_>) -> Answer,
}

const fn read(
    scope: &'static str,
    name: &'static str,
    required: &'static [&'static str],
    handler: fn(&Context<'_>) -> Answer,
) -> Action {
    Action {
        scope,
        name,
        kind: Kinds::Read,
        required,
        handler,
    }
}

const fn command(
    scope: &'static str,
    name: &'static str,
    required: &'static [&'static str],
    handler: fn(&Context<'_>) -> Answer,
) -> Action {
    Action {
        scope,
        name,
        kind: Kinds::Command,
        required,
        handler,
    }
}

const HASH: &[&str] = &["hash"];
const HASHES: &[&str] = &["hashes"];

/// Every call but `auth/login`, which alone needs no session.
const ACTIONS: &[Action] = &[
    command("auth", "logout", &[], server::logout),
    read("app", "version", &[], server::version),
    read("app", "webapiVersion", &[], server::api_version),
    read("app", "buildInfo", &[], server::build_info),
    read("app", "defaultSavePath", &[], server::default_save_path),
    read("app", "preferences", &[], server::preferences),
    command("app", "setPreferences", &["json"], server::set_preferences),
    // Stopping jackdaw is its owner's business, not a download client's.
    command("app", "shutdown", &[], server::ignored),
    read("app", "networkInterfaceList", &[], server::empty_array),
    read(
        "app",
        "networkInterfaceAddressList",
        &["iface"],
        server::empty_array,
    ),
    read("torrents", "info", &[], lists::info),
    read("torrents", "count", &[], lists::count),
    read("torrents", "properties", HASH, lists::properties),
    read("torrents", "files", HASH, lists::files),
    read("torrents", "trackers", HASH, lists::trackers),
    read("torrents", "webseeds", HASH, lists::webseeds),
    read("torrents", "pieceStates", HASH, lists::piece_states),
    read("torrents", "pieceHashes", HASH, lists::piece_hashes),
    read("torrents", "export", HASH, lists::export),
    read("torrents", "downloadLimit", HASHES, lists::download_limit),
    read("torrents", "uploadLimit", HASHES, lists::upload_limit),
    read("torrents", "categories", &[], labels::categories),
    read("torrents", "tags", &[], labels::tags),
    command(
        "torrents",
        "createCategory",
        &["category"],
        labels::create_category,
    ),
    command(
        "torrents",
        "editCategory",
        &["category", "savePath"],
        labels::edit_category,
    ),
    command(
        "torrents",
        "removeCategories",
        &["categories"],
        labels::remove_categories,
    ),
    command(
        "torrents",
        "setCategory",
        &["hashes", "category"],
        labels::set_category,
    ),
    command("torrents", "createTags", &["tags"], labels::create_tags),
    command("torrents", "deleteTags", &["tags"], labels::delete_tags),
    command("torrents", "addTags", &["hashes", "tags"], labels::add_tags),
    command("torrents", "removeTags", HASHES, labels::remove_tags),
    command("torrents", "add", &[], add::add),
    command("torrents", "pause", HASHES, commands::pause),
    command("torrents", "stop", HASHES, commands::pause),
    command("torrents", "resume", HASHES, commands::resume),
    command("torrents", "start", HASHES, commands::resume),
    command("torrents", "delete", HASHES, commands::delete),
    command("torrents", "recheck", HASHES, commands::recheck),
    command("torrents", "reannounce", HASHES, server::ignored),
    command("torrents", "topPrio", HASHES, commands::top),
    command("torrents", "bottomPrio", HASHES, commands::bottom),
    command("torrents", "increasePrio", HASHES, commands::up),
    command("torrents", "decreasePrio", HASHES, commands::down),
    command(
        "torrents",
        "setForceStart",
        &["hashes", "value"],
        commands::force_start,
    ),
    command("torrents", "setShareLimits", HASHES, commands::share_limits),
    command(
        "torrents",
        "setDownloadLimit",
        &["hashes", "limit"],
        commands::download_limit,
    ),
    command(
        "torrents",
        "setUploadLimit",
        &["hashes", "limit"],
        commands::upload_limit,
    ),
    command(
        "torrents",
        "setAutoManagement",
        &["hashes", "enable"],
        server::ignored,
    ),
    command(
        "torrents",
        "setSuperSeeding",
        &["hashes", "value"],
        server::ignored,
    ),
    command(
        "torrents",
        "toggleSequentialDownload",
        HASHES,
        server::ignored,
    ),
    command(
        "torrents",
        "toggleFirstLastPiecePrio",
        HASHES,
        server::ignored,
    ),
    command(
        "torrents",
        "setLocation",
        &["hashes", "location"],
        commands::set_location,
    ),
    command(
        "torrents",
        "setSavePath",
        &["id", "path"],
        commands::set_save_path,
    ),
    command(
        "torrents",
        "setDownloadPath",
        &["id", "path"],
        commands::set_download_path,
    ),
    command("torrents", "rename", &["hash", "name"], commands::rename),
    command(
        "torrents",
        "renameFile",
        &["hash", "oldPath", "newPath"],
        commands::rename_file,
    ),
    command(
        "torrents",
        "renameFolder",
        &["hash", "oldPath", "newPath"],
        commands::rename_folder,
    ),
    command(
        "torrents",
        "filePrio",
        &["hash", "id", "priority"],
        commands::file_priority,
    ),
    command(
        "torrents",
        "addTrackers",
        &["hash", "urls"],
        commands::ignored_for_hash,
    ),
    command(
        "torrents",
        "removeTrackers",
        &["hash", "urls"],
        commands::ignored_for_hash,
    ),
    command(
        "torrents",
        "editTracker",
        &["hash", "origUrl", "newUrl"],
        commands::ignored_for_hash,
    ),
    command(
        "torrents",
        "addPeers",
        &["hashes", "peers"],
        commands::add_peers,
    ),
    read("sync", "maindata", &[], sync::maindata),
    read("sync", "torrentPeers", &[], lists::torrent_peers),
    read("transfer", "info", &[], transfer::info),
    read("transfer", "speedLimitsMode", &[], transfer::mode),
    command(
        "transfer",
        "toggleSpeedLimitsMode",
        &[],
        transfer::toggle_mode,
    ),
    command(
        "transfer",
        "setSpeedLimitsMode",
        &["mode"],
        transfer::set_mode,
    ),
    read("transfer", "downloadLimit", &[], transfer::download_limit),
    read("transfer", "uploadLimit", &[], transfer::upload_limit),
    command(
        "transfer",
        "setDownloadLimit",
        &["limit"],
        transfer::set_download_limit,
    ),
    command(
        "transfer",
        "setUploadLimit",
        &["limit"],
        transfer::set_upload_limit,
    ),
    command("transfer", "banPeers", &["peers"], server::ignored),
    read("log", "main", &[], server::log_main),
    read("log", "peers", &[], server::empty_array),
    read("rss", "items", &[], server::empty_object),
    read("rss", "rules", &[], server::empty_object),
    read(
        "rss",
        "matchingArticles",
        &["ruleName"],
        server::empty_object,
    ),
    command("rss", "addFolder", &["path"], server::no_rss),
    command("rss", "addFeed", &["url"], server::no_rss),
    command("rss", "removeItem", &["path"], server::no_rss),
    command("rss", "moveItem", &["itemPath", "destPath"], server::no_rss),
    command("rss", "setRule", &["ruleName", "ruleDef"], server::ignored),
    command(
        "rss",
        "renameRule",
        &["ruleName", "newRuleName"],
        server::ignored,
    ),
    command("rss", "removeRule", &["ruleName"], server::ignored),
    command("rss", "markAsRead", &["itemPath"], server::ignored),
    command("rss", "refreshItem", &["itemPath"], server::ignored),
    read("search", "plugins", &[], server::empty_array),
    read("search", "status", &[], server::search_status),
    read("search", "results", &["id"], server::no_search),
    command("search", "stop", &["id"], server::no_search),
    command("search", "delete", &["id"], server::no_search),
    command(
        "search",
        "start",
        &["pattern", "category", "plugins"],
        server::search_start,
    ),
    command("search", "installPlugin", &["sources"], server::ignored),
    command("search", "uninstallPlugin", &["names"], server::ignored),
    command(
        "search",
        "enablePlugin",
        &["names", "enable"],
        server::ignored,
    ),
    command("search", "updatePlugins", &[], server::ignored),
];

/// Answers any request below `/api/v2/`; the part after it is the path parameter `rest`.
pub fn handle(services: &Services, request: &Request) -> Response {
    let answer = answer(&services.qbittorrent, services, request);
    let mut response = answer.unwrap_or_else(|refusal| {
        let mut response = Response::text(refusal.status, refusal.text);
        if refusal.status == 400 && matches!(&response.body, Body::Bytes(text) if text.is_empty()) {
            response.headers.clear();
        }
        response
    });
    if request.method == Method::Head && matches!(response.body, Body::Writer(_)) {
        response.body = Body::Empty;
    }
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
    let rest = request.path_params.get("rest").unwrap_or_default();
    let (scope, name) = match rest.split_once('/') {
        Some((scope, name)) if is_name(scope) && is_name(name) => (scope, name),
        // The real server looks for a file of its WebUI, for which no session is needed.
        _ => return Err(Refusal::not_found()),
    };
    if auth::is_forged(request) {
        return Err(Refusal::new(401, "Unauthorized"));
    }
    let instant = Instant::now();
    let now = unix_now();
    let cookie = request.cookie("SID");
    let session = cookie.and_then(|sid| lock(&face.sessions).identify(sid, instant));
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

/// `auth/login`. A wrong password costs its own thread some time, never another's.
fn login(
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
        let sid = lock(&face.sessions).open(who, instant);
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
    (face.wait)(delay(failures));
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

/// `[A-Za-z_][A-Za-z_0-9]*`
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_listed_twice() {
        for (index, action) in ACTIONS.iter().enumerate() {
            assert!(is_name(action.scope) && is_name(action.name));
            let again = ACTIONS[index + 1..]
                .iter()
                .any(|other| (other.scope, other.name) == (action.scope, action.name));
            assert!(!again, "{}/{}", action.scope, action.name);
        }
    }

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
