//! A friend that misbehaves: a jack peer (protocol 0.1.0) over real sockets, with faults that are
//! switched on one by one.
//!
//! Without a fault it answers as jack does: handshake, search by one id, item, file with single
//! ranges. Unlike jack it can send an ETag and honour `If-Range`, since a jackdaw does.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use super::content::Content;
use super::http::escape;
use super::json::quote;

/// The key that this peer wants.
pub const PEER_KEY: &str = "feedfacefeedfacefeedfacefeedface";
const BLOCK: usize = 16 * 1024;

/// One file on offer.
#[derive(Clone, Debug)]
pub struct Offer {
    pub id: String,
    pub title: String,
    pub filename: String,
    pub category: u32,
    pub imdb: Option<String>,
    pub tmdb: Option<u64>,
    pub tvdb: Option<u64>,
    pub season: Option<u32>,
    pub episode: Option<u32>,
    /// The bytes that are served.
    pub content: Content,
    /// What the JSON says; `None` = the truth.
    pub announced_size: Option<u64>,
    /// `None` as jack: no ETag at all.
    pub etag: Option<String>,
    /// Added to the JSON object as it is: `,"edition":null`.
    pub extra: String,
}

impl Offer {
    /// A movie named like a real release.
    pub fn movie(id: &str, title: &str, tmdb: u64, imdb: &str, content: Content) -> Offer {
        Offer {
            id: id.into(),
            title: title.into(),
            filename: format!("{title}.mkv"),
            category: 2000,
            imdb: Some(imdb.into()),
            tmdb: Some(tmdb),
            tvdb: None,
            season: None,
            episode: None,
            content,
            announced_size: None,
            etag: Some(format!("\"{:x}-{:x}\"", content.seed, content.size)),
            extra: String::new(),
        }
    }

    /// An episode.
    pub fn episode(id: &str, title: &str, tvdb: u64, at: (u32, u32), content: Content) -> Offer {
        Offer {
            category: 5000,
            imdb: None,
            tmdb: None,
            tvdb: Some(tvdb),
            season: Some(at.0),
            episode: Some(at.1),
            ..Offer::movie(id, title, 0, "", content)
        }
    }

    fn json(&self) -> String {
        let mut out = format!(
            "{{\"id\":{},\"title\":{},\"filename\":{},\"category\":{},\"size\":{}",
            quote(&self.id),
            quote(&self.title),
            quote(&self.filename),
            self.category,
            self.announced_size.unwrap_or(self.content.size)
        );
        for (key, value) in [
            ("imdbId", self.imdb.as_deref().map(quote)),
            ("tmdbId", self.tmdb.map(|n| n.to_string())),
            ("tvdbId", self.tvdb.map(|n| n.to_string())),
            ("season", self.season.map(|n| n.to_string())),
            ("episode", self.episode.map(|n| n.to_string())),
            ("publishDate", Some(quote("2024-05-06T07:08:09Z"))),
        ] {
            if let Some(value) = value {
                out.push_str(&format!(",\"{key}\":{value}"));
            }
        }
        out.push_str(&self.extra);
        out.push('}');
        out
    }
}

/// What goes wrong with one file request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFault {
    None,
    /// So many bytes of body, then silence on an open connection.
    StallAt(u64),
    /// So many bytes of body, then an orderly end.
    CutAt(u64),
    /// So many bytes of body, then a reset.
    ResetAt(u64),
    /// No answer at all: the connection ends after the request.
    Hangup,
    /// 416 whatever was asked.
    Refuse416,
    /// 200 with the whole file, although a range was asked.
    IgnoreRange,
    /// 206 whose `Content-Range` and bytes start one later than asked.
    WrongRangeStart,
    /// 206 with another total.
    WrongRangeTotal,
    /// 206 without a range in the request.
    Unasked206,
    /// 206 that ignores `If-Range`.
    IgnoreIfRange,
    /// So many bytes more than the file has, announced and sent.
    TooMany(u64),
    /// So many bytes fewer than the file has, announced and sent.
    TooFew(u64),
    /// A `Content-Length` larger than what is then sent.
    LongHeader(u64),
    /// A login page with status 200.
    LoginPage,
    /// JSON with status 200.
    JsonPage,
    Status(u16),
    /// 429 with so many seconds.
    BusySeconds(u64),
    /// 429 with a date so many seconds ahead.
    BusyDate(u64),
    /// 302 to the same path.
    Redirect,
    /// The right bytes without a length.
    Chunked,
    /// The right bytes, no length, ended by closing the connection.
    NoLength,
    /// Not more than so many bytes a second.
    Drip(u64),
    /// An answer head that never ends.
    EndlessHead,
    /// Something that is not HTTP.
    NotHttp,
}

/// What goes wrong with a list or an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListFault {
    None,
    LoginPage,
    /// The JSON ends in the middle.
    Truncated,
    /// Every optional key is there, with null.
    Nulls,
    /// One item of so many bytes among the others.
    HugeItem(usize),
    /// Items are not filtered.
    Unfiltered,
    Status(u16),
    /// No answer until the peer is dropped.
    Silent,
    /// `{"items":[` and then items without end.
    Endless,
}

/// What `/handshake` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    Version(String),
    NoVersion,
    NotFound,
}

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn is_file(&self) -> bool {
        self.target.split('?').next().unwrap().ends_with("/file")
    }
}

/// Everything that a test may change while the peer runs.
pub struct Behaviour {
    pub offers: Vec<Offer>,
    pub handshake: Handshake,
    pub list: ListFault,
    /// Faults of the next file requests, one each; then `file`.
    pub next_files: VecDeque<FileFault>,
    pub file: FileFault,
    /// Everything asked so far.
    pub asked: Vec<Asked>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    is_over: AtomicBool,
}

/// The running peer; its connections end when it is dropped.
pub struct FakePeer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl FakePeer {
    pub fn start(offers: Vec<Offer>) -> FakePeer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Behaviour {
                offers,
                handshake: Handshake::Version("0.1.0".into()),
                list: ListFault::None,
                next_files: VecDeque::new(),
                file: FileFault::None,
                asked: Vec::new(),
            }),
            is_over: AtomicBool::new(false),
        });
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ours.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&ours);
                // A connection that the other side drops ends with an error: nothing to do.
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        FakePeer { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at or changes the behaviour.
    pub fn set(&self) -> MutexGuard<'_, Behaviour> {
        self.shared.behaviour.lock().unwrap()
    }

    /// How many requests for a file came so far.
    pub fn file_requests(&self) -> Vec<Asked> {
        let behaviour = self.set();
        behaviour
            .asked
            .iter()
            .filter(|asked| asked.is_file())
            .cloned()
            .collect()
    }
}

impl Drop for FakePeer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the accept loop.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    // Only a polling period, so that an idle connection notices the peer's end.
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    stream.set_nodelay(true)?;
    let mut ahead = Vec::new();
    while let Some(asked) = read_request(&mut stream, &mut ahead, shared)? {
        shared.behaviour.lock().unwrap().asked.push(asked.clone());
        if !answer(&mut stream, &asked, shared)? {
            break;
        }
    }
    Ok(())
}

/// `None` at the end of the connection or of the peer.
fn read_request(
    stream: &mut TcpStream,
    ahead: &mut Vec<u8>,
    shared: &Shared,
) -> io::Result<Option<Asked>> {
    let end = loop {
        if let Some(at) = ahead.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if shared.is_over.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(0) => return Ok(None),
            Ok(count) => ahead.extend_from_slice(&block[..count]),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    };
    let head = String::from_utf8_lossy(&ahead[..end]).into_owned();
    ahead.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    Ok(Some(Asked {
        method: words.next().unwrap_or_default().into(),
        target: words.next().unwrap_or_default().into(),
        headers: lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.into(), value.trim().into()))
            .collect(),
    }))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Answers one request; `false` = the connection ends.
fn answer(stream: &mut TcpStream, asked: &Asked, shared: &Shared) -> io::Result<bool> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    if path == "/ping" {
        return json(stream, 200, "{\"status\":\"OK\"}");
    }
    if asked.header("X-Api-Key") != Some(PEER_KEY) {
        return json(stream, 401, "{\"error\":\"Unauthorized\"}");
    }
    if path == "/handshake" {
        let handshake = shared.behaviour.lock().unwrap().handshake.clone();
        return match handshake {
            Handshake::Version(version) => json(
                stream,
                200,
                &format!("{{\"name\":\"jack\",\"version\":{}}}", quote(&version)),
            ),
            Handshake::NoVersion => json(stream, 200, "{\"name\":\"jack\"}"),
            Handshake::NotFound => json(stream, 404, "{\"error\":\"Not found\"}"),
        };
    }
    if path == "/peer/search" {
        return search(stream, query, shared);
    }
    let Some(rest) = path.strip_prefix("/peer/items/") else {
        return json(stream, 404, "{\"error\":\"Not found\"}");
    };
    let (id, is_file) = match rest.strip_suffix("/file") {
        Some(id) => (id, true),
        None => (rest, false),
    };
    let (offer, fault) = {
        let mut behaviour = shared.behaviour.lock().unwrap();
        let offer = behaviour
            .offers
            .iter()
            .find(|offer| offer.id == id || escape(&offer.id) == id)
            .cloned();
        let fault = match is_file {
            true => behaviour
                .next_files
                .pop_front()
                .unwrap_or_else(|| behaviour.file.clone()),
            false => FileFault::None,
        };
        (offer, fault)
    };
    match offer {
        None => json(stream, 404, "{\"error\":\"Not found\"}"),
        Some(offer) if is_file => file(stream, asked, &offer, &fault, shared),
        Some(offer) => json(stream, 200, &offer.json()),
    }
}

fn search(stream: &mut TcpStream, query: &str, shared: &Shared) -> io::Result<bool> {
    let (fault, offers) = {
        let behaviour = shared.behaviour.lock().unwrap();
        (behaviour.list.clone(), behaviour.offers.clone())
    };
    let parameter = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_string())
    };
    let matches = |offer: &&Offer| {
        if fault == ListFault::Unfiltered {
            return true;
        }
        if let Some(id) = parameter("tmdbId") {
            return offer.tmdb.is_some_and(|tmdb| tmdb.to_string() == id);
        }
        if let Some(id) = parameter("imdbId") {
            let digits = |text: &str| {
                text.trim_start_matches("tt")
                    .trim_start_matches('0')
                    .to_string()
            };
            return offer
                .imdb
                .as_ref()
                .is_some_and(|imdb| digits(imdb) == digits(&id));
        }
        if let Some(id) = parameter("tvdbId") {
            let is = |wanted: Option<String>, have: Option<u32>| {
                wanted.is_none() || wanted == have.map(|n| n.to_string())
            };
            return offer.tvdb.is_some_and(|tvdb| tvdb.to_string() == id)
                && is(parameter("season"), offer.season)
                && is(parameter("episode"), offer.episode);
        }
        true
    };
    let mut items: Vec<String> = offers.iter().filter(matches).map(Offer::json).collect();
    match fault {
        ListFault::LoginPage => return login_page(stream),
        ListFault::Status(status) => return json(stream, status, "{\"error\":\"on purpose\"}"),
        ListFault::Silent => return hold(stream, shared),
        ListFault::Nulls => {
            for (item, offer) in items.iter_mut().zip(offers.iter().filter(matches)) {
                item.pop();
                for (key, is_there) in [
                    ("imdbId", offer.imdb.is_some()),
                    ("tmdbId", offer.tmdb.is_some()),
                    ("tvdbId", offer.tvdb.is_some()),
                    ("season", offer.season.is_some()),
                    ("episode", offer.episode.is_some()),
                    ("quality", false),
                    ("languages", false),
                    ("releaseGroup", false),
                    ("edition", false),
                    ("mediaInfo", false),
                    ("seriesTitle", false),
                ] {
                    if !is_there {
                        item.push_str(&format!(",\"{key}\":null"));
                    }
                }
                item.push('}');
            }
        }
        ListFault::HugeItem(size) => {
            let mut huge = offers[0].clone();
            huge.id = "x:movie:huge".into();
            huge.extra = format!(",\"mediaInfo\":{{\"a\":\"{}\"}}", "x".repeat(size));
            items.insert(0, huge.json());
        }
        ListFault::Endless => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                  Connection: close\r\n\r\n{\"items\":[",
            )?;
            let item = format!("{},", offers[0].json());
            while !shared.is_over.load(Ordering::Relaxed) {
                stream.write_all(item.as_bytes())?;
            }
            return Ok(false);
        }
        ListFault::None | ListFault::Unfiltered | ListFault::Truncated => {}
    }
    let body = format!("{{\"items\":[{}]}}", items.join(","));
    match fault {
        ListFault::Truncated => json(stream, 200, &body[..body.len() - body.len() / 3]),
        _ => json(stream, 200, &body),
    }
}

fn json(stream: &mut TcpStream, status: u16, body: &str) -> io::Result<bool> {
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(true)
}

fn login_page(stream: &mut TcpStream) -> io::Result<bool> {
    let body = "<!DOCTYPE html><html><body><form>Please log in</form></body></html>";
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(true)
}

/// Keeps the connection open without a byte until either side ends.
fn hold(stream: &mut TcpStream, shared: &Shared) -> io::Result<bool> {
    let mut block = [0; 512];
    while !shared.is_over.load(Ordering::Relaxed) {
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// One single range of the three forms; anything else is ignored, as the protocol says.
fn range(header: Option<&str>, size: u64) -> Option<Result<(u64, u64), ()>> {
    let spec = header?.strip_prefix("bytes=")?;
    let (first, last) = spec.split_once('-')?;
    let span = match (first, last) {
        ("", suffix) => {
            let count: u64 = suffix.parse().ok()?;
            (size.saturating_sub(count), size)
        }
        (first, "") => (first.parse().ok()?, size),
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(match span.0 < span.1 && span.0 < size {
        true => Ok(span),
        false => Err(()),
    })
}

fn file(
    stream: &mut TcpStream,
    asked: &Asked,
    offer: &Offer,
    fault: &FileFault,
    shared: &Shared,
) -> io::Result<bool> {
    let size = offer.content.size;
    match fault {
        FileFault::Hangup => return Ok(false),
        FileFault::LoginPage => return login_page(stream),
        FileFault::JsonPage => return json(stream, 200, "{\"error\":\"please log in\"}"),
        FileFault::Status(status) => return json(stream, *status, "{\"error\":\"on purpose\"}"),
        FileFault::BusySeconds(seconds) => {
            return busy(stream, &seconds.to_string());
        }
        FileFault::BusyDate(seconds) => {
            let when = SystemTime::now() + Duration::from_secs(*seconds);
            return busy(stream, &httpdate::fmt_http_date(when));
        }
        FileFault::Redirect => {
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
                asked.target
            )?;
            return Ok(true);
        }
        FileFault::NotHttp => {
            stream.write_all(b"220 ftp.example ready\r\n")?;
            return Ok(false);
        }
        FileFault::EndlessHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            while !shared.is_over.load(Ordering::Relaxed) {
                stream
                    .write_all(b"X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")?;
            }
            return Ok(false);
        }
        _ => {}
    }

    let refusal = |stream: &mut TcpStream| {
        write!(
            stream,
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{size}\r\n\
             Content-Length: 0\r\n\r\n"
        )?;
        Ok(true)
    };
    if *fault == FileFault::Refuse416 {
        return refusal(stream);
    }
    let is_changed = *fault != FileFault::IgnoreIfRange
        && asked
            .header("If-Range")
            .is_some_and(|sent| Some(sent) != offer.etag.as_deref());
    let range = match range(asked.header("Range"), size) {
        _ if is_changed || *fault == FileFault::IgnoreRange => None,
        Some(Err(())) => return refusal(stream),
        Some(Ok(span)) => Some(span),
        None => (*fault == FileFault::Unasked206).then_some((0, size)),
    };
    let is_partial = range.is_some();
    let (mut start, mut end) = range.unwrap_or((0, size));
    let mut total = size;
    match fault {
        FileFault::WrongRangeStart if is_partial => start = (start + 1).min(end - 1),
        FileFault::WrongRangeTotal => total += 1,
        FileFault::TooMany(more) => end += more,
        FileFault::TooFew(fewer) => end = end.saturating_sub(*fewer).max(start),
        _ => {}
    }
    let mut head = match is_partial {
        true => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}\r\n",
            end.saturating_sub(1)
        ),
        false => "HTTP/1.1 200 OK\r\n".to_string(),
    };
    match fault {
        FileFault::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
        FileFault::NoLength => head.push_str("Connection: close\r\n"),
        FileFault::LongHeader(more) => {
            head.push_str(&format!("Content-Length: {}\r\n", end - start + more));
        }
        _ => head.push_str(&format!("Content-Length: {}\r\n", end - start)),
    }
    if let Some(etag) = &offer.etag {
        head.push_str(&format!("ETag: {etag}\r\n"));
    }
    head.push_str(&format!(
        "Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n\
         Content-Disposition: attachment; filename=\"{}\"\r\n\r\n",
        offer.filename.replace(['"', '\\', '\0', '\r', '\n'], "_")
    ));
    stream.write_all(head.as_bytes())?;
    if asked.method == "HEAD" {
        return Ok(true);
    }
    let limit = match fault {
        FileFault::StallAt(n) | FileFault::CutAt(n) | FileFault::ResetAt(n) => {
            end.min(start.saturating_add(*n))
        }
        _ => end,
    };
    send(stream, offer, (start, limit), fault, shared)?;
    match fault {
        FileFault::StallAt(_) => hold(stream, shared),
        FileFault::ResetAt(_) => {
            socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
            Ok(false)
        }
        FileFault::CutAt(_) | FileFault::LongHeader(_) | FileFault::NoLength => Ok(false),
        FileFault::Chunked => stream.write_all(b"0\r\n\r\n").map(|()| true),
        _ => Ok(true),
    }
}

fn busy(stream: &mut TcpStream, retry_after: &str) -> io::Result<bool> {
    write!(
        stream,
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: {retry_after}\r\nContent-Length: 0\r\n\r\n"
    )?;
    Ok(true)
}

fn send(
    stream: &mut TcpStream,
    offer: &Offer,
    (start, end): (u64, u64),
    fault: &FileFault,
    shared: &Shared,
) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    let mut at = start;
    while at < end && !shared.is_over.load(Ordering::Relaxed) {
        let mut span = (end - at).min(BLOCK as u64);
        if let FileFault::Drip(rate) = fault {
            // Twenty pieces a second.
            span = span.min((rate / 20).max(1));
            std::thread::sleep(Duration::from_millis(50));
        }
        let piece = &mut block[..span as usize];
        offer.content.fill(at, piece);
        if *fault == FileFault::Chunked {
            write!(stream, "{span:x}\r\n")?;
        }
        stream.write_all(piece)?;
        if *fault == FileFault::Chunked {
            stream.write_all(b"\r\n")?;
        }
        at += span;
    }
    Ok(())
}
