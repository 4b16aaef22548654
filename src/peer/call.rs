//! One request to one endpoint of a friend: sending it, and saying in plain words why it failed.
//!
//! Every request carries the key and the extra headers; redirects and compressed answers are
//! refused. Messages begin with the friend's name and the endpoint; a friend's own words appear
//! cut and escaped, the key never.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use ureq::Body;
use ureq::http::{HeaderMap, Response, Version, header};

use super::client::PeerError;
use super::transport::{self, Load, Watch};
use crate::json;
use crate::secret::Secret;

/// How much of an error's body is looked at for the friend's own words.
const MAX_ERROR_BODY: usize = 1024;

/// How many characters of a friend's words appear in our messages.
pub(super) const MAX_QUOTE: usize = 120;

/// Longest `Retry-After` that is believed: a friend that is overloaded for more than a day is away.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What an HTML answer is most likely to be.
pub(super) const WEB_PAGE: &str =
    "answers with a web page: the sign-in of a proxy, or another program";

/// One request to one endpoint, and how its failures are told.
pub(super) struct Call {
    /// Friend and endpoint, for messages.
    pub(super) what: String,
    pub(super) url: String,
    pub(super) key: Secret,
    pub(super) headers: Vec<(String, Secret)>,
}

impl Call {
    /// Sends the request; 200, 206, 304 and 416 come back as answers.
    pub(super) fn get(
        &self,
        load: Load,
        cancel: &Arc<AtomicBool>,
        idle: Duration,
        headers: &[(header::HeaderName, String)],
    ) -> Result<Response<Body>, PeerError> {
        let watch = Arc::new(Watch::new(Arc::clone(cancel), idle));
        let mut request = transport::agent(Arc::clone(&watch), load)
            .get(&self.url)
            .header("X-Api-Key", self.key.expose())
            .header(header::CONNECTION, "close");
        for (name, value) in &self.headers {
            request = request.header(name, value.expose());
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.call().map_err(|error| match error {
            _ if watch.is_cancelled() => PeerError::Cancelled,
            ureq::Error::Io(error) => self.io_error(error),
            error => self.error(&error),
        })?;
        let status = answer.status().as_u16();
        match status {
            200 | 206 | 304 | 416 => {}
            300..400 => {
                let target = text_header(answer.headers(), header::LOCATION).unwrap_or_default();
                return Err(self.protocol(&format!(
                    "redirects to \"{}\" (HTTP status {status}), which is not followed: \
                     check the friend's url, and its extra headers if a proxy asks for them",
                    quote(&target)
                )));
            }
            _ => return Err(self.refusal(answer)),
        }
        if let Some(coding) = strange_coding(&answer) {
            return Err(self.protocol(&format!(
                "answers in the encoding \"{}\", which was not asked for",
                quote(&coding)
            )));
        }
        Ok(answer)
    }

    /// An HTTP error status, with the friend's own words if it has any.
    fn refusal(&self, mut answer: Response<Body>) -> PeerError {
        let status = answer.status().as_u16();
        let retry_after = text_header(answer.headers(), header::RETRY_AFTER)
            .and_then(|value| parse_retry_after(&value, SystemTime::now()));
        // One read only: whoever dribbles an error page is not worth waiting for.
        let mut body = [0; MAX_ERROR_BODY];
        let length = answer.body_mut().as_reader().read(&mut body).unwrap_or(0);
        let mut what = self.what.clone();
        let mut words = None;
        if let Ok(text) = std::str::from_utf8(&body[..length])
            && json::check(text).is_ok()
        {
            json::fields(text, |key, raw| {
                if key == "error" {
                    words = json::as_string(raw).map(|words| quote(&words));
                }
            });
        }
        if let Some(words) = words {
            what.push_str(&format!(": \"{words}\""));
        }
        if status == 401 || status == 403 {
            what.push_str(": our key or an extra header is refused");
        }
        PeerError::Status {
            status,
            retry_after,
            what,
        }
    }

    pub(super) fn protocol(&self, problem: &str) -> PeerError {
        PeerError::Protocol(format!("{}: {problem}", self.what))
    }

    pub(super) fn unsound(&self, problem: &str) -> PeerError {
        PeerError::Unsound(format!("{}: {problem}", self.what))
    }

    fn error(&self, error: &ureq::Error) -> PeerError {
        let problem = match error {
            ureq::Error::Timeout(ureq::Timeout::Resolve) => {
                "the host name was not resolved in time".to_owned()
            }
            ureq::Error::Timeout(ureq::Timeout::Connect) => "no connection in time".to_owned(),
            ureq::Error::Timeout(_) => "no answer in time".to_owned(),
            ureq::Error::HostNotFound => "the host name cannot be resolved".to_owned(),
            ureq::Error::Io(error) => explain_io(error),
            ureq::Error::Protocol(error) => return self.protocol(&quote(&error.to_string())),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                return self.protocol("the friend's url or an extra header is not valid");
            }
            error => explain_text(&error.to_string()),
        };
        PeerError::Unreachable(format!("{}: {problem}", self.what))
    }

    pub(super) fn io_error(&self, error: io::Error) -> PeerError {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(inner) => self.error(inner),
            None => PeerError::Unreachable(format!("{}: {}", self.what, explain_io(&error))),
        }
    }

    /// Reads a whole small answer, which must be sound JSON.
    pub(super) fn small_json(&self, body: &mut Body, limit: u64) -> Result<String, PeerError> {
        let mut bytes = Vec::new();
        let is_page = body.mime_type().is_some_and(|mime| mime.contains("html"));
        // One byte more than allowed, to see that there is more.
        body.as_reader()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.io_error(error))?;
        if bytes.len() as u64 > limit {
            return Err(self.protocol(&format!("the answer is longer than {limit} bytes")));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| self.protocol("the answer is not UTF-8"))?;
        match json::check(&text) {
            Ok(()) => Ok(text),
            Err(error) if is_page => Err(self.protocol(&format!("{WEB_PAGE} ({error})"))),
            Err(error) => Err(self.protocol(&error.to_string())),
        }
    }
}

/// The body of a file answer: errors of a kind that `downloads` can tell apart, with words.
pub(super) struct FileReader {
    pub(super) body: ureq::BodyReader<'static>,
    pub(super) watch: Watch,
    pub(super) call: Call,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer).map_err(|error| {
            if self.watch.is_cancelled() {
                return io::Error::other("cancelled");
            }
            let is_timeout = error.kind() == io::ErrorKind::TimedOut
                || matches!(
                    error.get_ref().and_then(|inner| inner.downcast_ref()),
                    Some(ureq::Error::Timeout(_))
                );
            if is_timeout {
                let text = format!("{}: no byte for {:?}", self.call.what, self.watch.idle());
                return io::Error::new(io::ErrorKind::TimedOut, text);
            }
            let kind = error.kind();
            io::Error::new(kind, self.call.io_error(error).to_string())
        })
    }
}

/// A coding of the body that was not asked for and would be taken for the file itself: any content
/// coding, and any transfer coding but `chunked` alone, for of a list ureq undoes only that one. In
/// HTTP/1.0 it undoes none.
fn strange_coding<T>(answer: &Response<T>) -> Option<String> {
    let headers = answer.headers();
    let listed = |name: header::HeaderName| {
        let values = headers.get_all(name).into_iter();
        let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        texts.collect::<Vec<_>>().join(", ")
    };
    let content = listed(header::CONTENT_ENCODING);
    let is_plain = |coding: &str| matches!(coding.trim(), "" | "identity");
    if !content.to_ascii_lowercase().split(',').all(is_plain) {
        return Some(content);
    }
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let transfer = listed(header::TRANSFER_ENCODING);
    let is_chunked = transfer.trim().eq_ignore_ascii_case("chunked");
    (!is_chunked || answer.version() != Version::HTTP_11).then_some(transfer)
}

pub(super) fn text_header(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

pub(super) fn is_web_page(headers: &HeaderMap) -> bool {
    text_header(headers, header::CONTENT_TYPE).is_some_and(|mime| mime.contains("html"))
}

/// A friend's words for our messages: bounded, control characters escaped.
pub(super) fn quote(text: &str) -> String {
    text.chars()
        .take(MAX_QUOTE)
        .flat_map(|c| {
            // Direction marks could make a log line read backwards.
            let is_hidden = c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let escaped = is_hidden.then(|| c.escape_unicode());
            let plain = (!is_hidden).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

fn explain_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nothing listens there".into(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the connection was reset".into()
        }
        io::ErrorKind::UnexpectedEof => "the connection ended early".into(),
        io::ErrorKind::TimedOut if error.get_ref().is_none() => "no answer in time".into(),
        _ => explain_text(&error.to_string()),
    }
}

/// Says in plain words what rustls says of a certificate; everything else as it is.
pub(super) fn explain_text(text: &str) -> String {
    let advice = [
        (
            "Expired",
            "its certificate has expired (or our clock is wrong)",
        ),
        (
            "NotValidYet",
            "its certificate is not valid yet (or our clock is wrong)",
        ),
        (
            "UnknownIssuer",
            "its certificate is from an issuer we do not know (self-signed, or its chain is not complete)",
        ),
        // What a self-signed certificate made with openssl's defaults is.
        ("CaUsedAsEndEntity", "its certificate is self-signed"),
        (
            "NotValidForName",
            "its certificate is for another host name",
        ),
        (
            "not valid for name",
            "its certificate is for another host name",
        ),
        ("Revoked", "its certificate was revoked"),
        ("invalid peer certificate", "its certificate is not valid"),
        (
            "InvalidContentType",
            "it does not speak TLS at that port: is the url http, not https?",
        ),
    ];
    match advice.iter().find(|(mark, _)| text.contains(mark)) {
        Some((_, advice)) => format!("no secure connection: {advice}"),
        None => quote(text),
    }
}

/// `Retry-After` in seconds or as an HTTP date, as a wait from `now`; at most a day.
pub(super) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are simply very long.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        date.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(MAX_RETRY_AFTER))
}
