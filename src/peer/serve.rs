//! The routes that serve friends: `/ping`, `/handshake`, `/peer/search`, `/peer/items/{id}` and
//! its `/file` (peer protocol 0.1.0; a friend cannot tell us from a jack).
//!
//! In: a routed request whose key has been checked; out: a response value. Lists are streamed item
//! by item from the index; a file is handed over open, with its upload slot, and sent by the front
//! door. The file of a release is resolved at the moment it is asked for, and must then be a
//! regular file under its source's root. Paths never leave this machine: neither in answers nor in
//! error bodies.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::uploads::{self, RETRY_AFTER};
use super::wire;
use crate::catalogue::Catalogue;
use crate::http::{Body, Method, Params, Request, Response, file_response, not_found};
use crate::json;
use crate::logging::Limit;
use crate::release::{Ids, imdb_number};
use crate::secret;
use crate::services::Services;
use crate::store::StoreError;
use crate::sys::lock;

/// The peer protocol that we speak: jack's, unchanged.
const VERSION: &str = "0.1.0";

/// What we can do beyond jack: lists with an ETag that can be asked for on condition, and
/// `airDate` in releases.
const CAPABILITIES: &[&str] = &["etag", "air-date"];

/// `GET /ping`.
pub fn ping(_services: &Services, _request: &Request) -> Response {
    Response::json(200, "{\"status\":\"OK\"}")
}

/// `GET /handshake`.
pub fn handshake(services: &Services, _request: &Request) -> Response {
    let mut body = String::new();
    json::Object::begin(&mut body)
        .string("name", &services.config.name)
        .string("version", VERSION)
        .strings("capabilities", CAPABILITIES)
        .end();
    Response::json(200, body)
}

/// `GET /peer/search`: our releases, filtered, as one streamed list.
pub fn search(services: &Services, request: &Request) -> Response {
    let query = match Query::read(&request.query) {
        Ok(query) => query,
        Err(problem) => return error(400, &problem),
    };
    // The mark is read before the list: if something changes in between, the list is newer than
    // its ETag says, and the friend asks again for nothing.
    let mark = match services.catalogue.shared_mark() {
        Ok(mark) => mark,
        Err(problem) => return internal(&problem),
    };
    let etag = query.etag(&mark);
    if request
        .header("If-None-Match")
        .is_some_and(|known| lists(known, &etag))
    {
        return Response::status(304).header("ETag", etag);
    }
    let catalogue = Arc::clone(&services.catalogue);
    let mut response = Response::json(200, Vec::new()).header("ETag", etag);
    response.body = Body::Writer(Box::new(move |out| write_list(&catalogue, &query, out)));
    response
}

/// `GET /peer/items/{id}`.
pub fn item(services: &Services, request: &Request) -> Response {
    let id = request.path_params.get("id").unwrap_or_default();
    match services.catalogue.shared_item(id) {
        Ok(Some(offer)) => {
            let mut body = String::new();
            wire::write(&offer.release, &mut body);
            Response::json(200, body)
        }
        Ok(None) => not_found(),
        Err(problem) => internal(&problem),
    }
}

/// `GET` and `HEAD /peer/items/{id}/file`: ranges, validators and conditions as
/// [`file_response`] does them.
pub fn file(services: &Services, request: &Request) -> Response {
    let id = request.path_params.get("id").unwrap_or_default();
    let shared = match services.catalogue.shared_path(id) {
        Ok(Some(shared)) => shared,
        Ok(None) => return error(404, "File not found"),
        Err(problem) => return internal(&problem),
    };
    let file = match open_shared(&shared.path, shared.root.as_deref()) {
        Ok(file) => file,
        Err(problem) => {
            unreadable(&shared.path, &problem);
            return not_opened(&problem);
        }
    };
    let name = shared.path.file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    if request.method == Method::Head {
        return file_response(request, file, &name, None, None);
    }
    let who = uploads::friend_key(request.caller.as_ref(), request.remote);
    let Ok(slot) = services.uploads.begin(&who, &name) else {
        return error(503, "All upload slots are taken")
            .header("Retry-After", RETRY_AFTER.as_secs().to_string());
    };
    let slot = Arc::new(slot);
    let guard = Box::new(Arc::clone(&slot));
    let response = file_response(request, file, &name, Some(slot.pace()), Some(guard));
    if let Body::File(body) = &response.body {
        slot.set_total(body.length);
    }
    response
}

/// `{"error":"…"}`, as jack words its refusals.
fn error(status: u16, message: &str) -> Response {
    let mut body = String::new();
    json::Object::begin(&mut body)
        .string("error", message)
        .end();
    Response::json(status, body)
}

/// The refusal for a file that could not be opened. A friend takes a 404 as final and gives the
/// download up, so whatever may pass (no descriptors left, a disk that fails or hangs) is a 503.
fn not_opened(problem: &io::Error) -> Response {
    let is_final = match Errno::from_io_error(problem) {
        // Our own words: it leads out of its folder, or is no regular file.
        None => true,
        Some(errno) => matches!(
            errno,
            Errno::NOENT
                | Errno::NOTDIR
                | Errno::ISDIR
                | Errno::ACCESS
                | Errno::PERM
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::NXIO
        ),
    };
    if is_final {
        return error(404, "File not found");
    }
    error(503, "The file cannot be read at the moment")
        .header("Retry-After", RETRY_AFTER.as_secs().to_string())
}

/// Logs a file that cannot be sent. With the library's disk away, each file that friends try is
/// another message, so the log's own gate against repeats would let all of them pass.
fn unreadable(path: &Path, problem: &io::Error) {
    static LIMIT: Mutex<Limit> = Mutex::new(Limit::new());
    let Some(left_out) = lock(&LIMIT).admit(Instant::now()) else {
        return;
    };
    log::warn!("cannot share {}: {problem}", path.display());
    if left_out > 0 {
        log::warn!("{left_out} more files before it could not be shared");
    }
}

fn internal(problem: &StoreError) -> Response {
    log::error!("cannot answer a friend: {problem}");
    error(500, "Internal server error")
}

/// A checked query of `/peer/search`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Query {
    ids: Ids,
    season: Option<u32>,
    episode: Option<u32>,
    /// The numbers are sound but no release can have them (a negative season, say).
    is_impossible: bool,
}

impl Query {
    /// At most one id counts: tmdbId, else imdbId, else tvdbId. Season and episode go with tvdbId,
    /// but must be integers wherever they stand. The error names the parameter.
    fn read(params: &Params) -> Result<Query, String> {
        let mut query = Query::default();
        let season = integer(params, "season")?;
        let episode = integer(params, "episode")?;
        let (tmdb, tvdb) = (integer(params, "tmdbId")?, integer(params, "tvdbId")?);
        if let Some(id) = tmdb {
            query.ids.tmdb = query.possible(id);
        } else if let Some(id) = params.get("imdbId") {
            let number = imdb_number(id).ok_or("imdbId is not an IMDb id such as tt0133093")?;
            query.ids.imdb = Some(number);
        } else if let Some(id) = tvdb {
            query.ids.tvdb = query.possible(id);
            query.season = season.and_then(|number| query.possible(number));
            query.episode = episode.and_then(|number| query.possible(number));
        }
        Ok(query)
    }

    fn possible<T: TryFrom<i64>>(&mut self, number: i64) -> Option<T> {
        let number = T::try_from(number).ok();
        self.is_impossible |= number.is_none();
        number
    }

    /// A strong ETag of the list that this query has while the catalogue bears this mark.
    fn etag(&self, mark: &str) -> String {
        let digest = secret::digest(&format!("{VERSION} {mark} {self:?}"));
        format!("\"{}\"", secret::hex(&digest[..12]))
    }
}

/// An integer parameter; an absent one is none.
fn integer(params: &Params, name: &str) -> Result<Option<i64>, String> {
    match params.get(name) {
        None => Ok(None),
        Some(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("{name} is not an integer"));
            }
            // Digits that do not fit are an integer that nothing has.
            Ok(Some(text.parse().unwrap_or(-1)))
        }
    }
}

/// True if an `If-None-Match` value names this ETag (weak comparison, RFC 9110 §13.1.2).
fn lists(known: &str, etag: &str) -> bool {
    known.trim() == "*"
        || known
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag)
}

/// Not flushed: the writer collects small items by itself, and gives a list that fits one piece its
/// length.
fn write_list(catalogue: &Catalogue, query: &Query, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{\"items\":[")?;
    if !query.is_impossible {
        let mut item = String::new();
        let mut is_first = true;
        catalogue.shared(&query.ids, query.season, query.episode, &mut |release| {
            // One name that a friend must refuse would only make noise there.
            if wire::name_problem(&release.filename).is_some() {
                return Ok(());
            }
            item.clear();
            if !std::mem::replace(&mut is_first, false) {
                item.push(',');
            }
            wire::write(release, &mut item);
            out.write_all(item.as_bytes())
        })?;
    }
    out.write_all(b"]}")
}

/// Opens a shared file for reading. Symbolic links are resolved first; the result must lie under
/// `root` (itself resolved) and be a regular file. What is opened is the resolved path without
/// following any further link, so a link that is swapped in between leads nowhere. The caller is
/// not protected from hard links to files outside the root: who can make those can read them.
fn open_shared(path: &Path, root: Option<&Path>) -> io::Result<File> {
    let real = path.canonicalize()?;
    if let Some(root) = root
        && !real.starts_with(root.canonicalize()?)
    {
        return Err(io::Error::other("it leads out of its folder"));
    }
    // Non-blocking, so that opening a named pipe does not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = rustix::fs::openat2(CWD, &real, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    let file = match opened {
        Ok(descriptor) => File::from(descriptor),
        // Kernels before 5.6, and containers whose filter does not know the call: then only the
        // last component is safe from being swapped.
        Err(Errno::NOSYS | Errno::PERM) => File::options()
            .read(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(&real)?,
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    fn params(text: &str) -> Params {
        Params(
            text.split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    #[test]
    fn queries_follow_the_order_of_precedence() {
        let check = |text: &str, expected: Query| {
            assert_eq!(Query::read(&params(text)).unwrap(), expected, "{text}");
        };
        let tmdb = Ids {
            tmdb: Some(603),
            ..Ids::default()
        };
        let imdb = Ids {
            imdb: Some(133_093),
            ..Ids::default()
        };
        let tvdb = Ids {
            tvdb: Some(81_189),
            ..Ids::default()
        };
        let by = |ids: &Ids| Query {
            ids: ids.clone(),
            ..Query::default()
        };
        check("", Query::default());
        check("unknown=1&q=x", Query::default());
        check("tmdbId=603", by(&tmdb));
        check("imdbId=tt0133093", by(&imdb));
        check("imdbId=0133093", by(&imdb));
        check("tvdbId=81189", by(&tvdb));
        check(
            "tvdbId=81189&imdbId=tt0133093&tmdbId=603&season=1",
            by(&tmdb),
        );
        check("tvdbId=81189&imdbId=tt0133093&episode=1", by(&imdb));
        check(
            "tvdbId=81189&season=0&episode=2",
            Query {
                season: Some(0),
                episode: Some(2),
                ..by(&tvdb)
            },
        );
        // Season alone is not a filter: it goes with tvdbId.
        check("season=1", Query::default());
        for nothing in [
            "tvdbId=1&season=-1",
            "tmdbId=-5",
            "tvdbId=99999999999999999999",
        ] {
            assert!(Query::read(&params(nothing)).unwrap().is_impossible);
        }
    }

    #[test]
    fn malformed_numbers_are_named() {
        for (text, expected) in [
            ("tvdbId=1&season=x", "season is not an integer"),
            ("tvdbId=1&season=", "season is not an integer"),
            ("tvdbId=1&episode=1.5", "episode is not an integer"),
            ("tmdbId=1&episode=--1", "episode is not an integer"),
            ("tmdbId=a", "tmdbId is not an integer"),
            ("tvdbId=+1", "tvdbId is not an integer"),
            ("imdbId=nm1", "imdbId is not an IMDb id such as tt0133093"),
        ] {
            assert_eq!(Query::read(&params(text)).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn etags_depend_on_catalogue_and_query() {
        let everything = Query::default();
        let etag = everything.etag("1");
        assert!(etag.starts_with('"') && etag.ends_with('"'));
        assert_eq!(etag, Query::default().etag("1"));
        assert_ne!(etag, everything.etag("2"));
        assert_ne!(etag, Query::read(&params("tmdbId=1")).unwrap().etag("1"));
        assert!(lists(&etag, &etag));
        assert!(lists(&format!("\"x\", W/{etag}"), &etag));
        assert!(lists("*", &etag));
        assert!(!lists("\"x\"", &etag));
        assert!(!lists("", &etag));
    }

    #[test]
    fn refusals_are_worded_as_jack_does() {
        let response = error(404, "File not found");
        assert_eq!(response.status, 404);
        match response.body {
            Body::Bytes(body) => assert_eq!(body, b"{\"error\":\"File not found\"}"),
            _ => panic!("bytes expected"),
        }
    }

    #[test]
    fn trouble_that_may_pass_does_not_end_a_friends_download() {
        let check = |problem: io::Error, expected: u16| {
            assert_eq!(not_opened(&problem).status, expected, "{problem}");
        };
        for errno in [Errno::NOENT, Errno::NOTDIR, Errno::ACCESS, Errno::LOOP] {
            check(errno.into(), 404);
        }
        check(io::Error::other("it leads out of its folder"), 404);
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::IO,
            Errno::STALE,
            Errno::TIMEDOUT,
        ] {
            check(errno.into(), 503);
        }
    }

    #[test]
    fn only_regular_files_under_the_root_are_opened() {
        let base =
            std::env::temp_dir().join(format!("jackdaw-serve-{}", secret::random_hex::<8>()));
        let root = base.join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("a.mkv"), b"inside").unwrap();
        std::fs::write(base.join("secret"), b"outside").unwrap();
        symlink(root.join("a.mkv"), root.join("link.mkv")).unwrap();
        symlink(base.join("secret"), root.join("leak.mkv")).unwrap();
        symlink(&base, root.join("sub/up")).unwrap();
        symlink(&root, base.join("alias")).unwrap();
        rustix::fs::mknodat(
            CWD,
            root.join("pipe.mkv"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        // A sibling whose name begins like the root's.
        std::fs::create_dir_all(base.join("root2")).unwrap();
        std::fs::write(base.join("root2/b.mkv"), b"outside").unwrap();
        let check = |path: &str, root: Option<&str>, expected: Option<&str>| {
            let root = root.map(|root| base.join(root));
            let opened = open_shared(&base.join(path), root.as_deref());
            let content = opened.ok().map(|mut file| {
                let mut content = String::new();
                file.read_to_string(&mut content).unwrap();
                content
            });
            assert_eq!(content.as_deref(), expected, "{path}");
        };
        check("root/a.mkv", Some("root"), Some("inside"));
        check("root/link.mkv", Some("root"), Some("inside"));
        check("alias/a.mkv", Some("alias"), Some("inside"));
        check("alias/a.mkv", Some("root"), Some("inside"));
        check("root/a.mkv", None, Some("inside"));
        check("root/leak.mkv", Some("root"), None);
        check("root/sub/up/secret", Some("root"), None);
        check("root/../secret", Some("root"), None);
        check("root2/b.mkv", Some("root"), None);
        check("root/sub", Some("root"), None);
        check("root/pipe.mkv", Some("root"), None);
        check("root/gone.mkv", Some("root"), None);
        std::fs::remove_dir_all(base).unwrap();
    }
}
