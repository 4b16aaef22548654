//! The answer that carries a file: status, headers and span from a request and an open file.
//!
//! Ranges, validators and conditional requests as [`super::ranges`] and [`super::conditional`]
//! say; `Content-Length` follows from the span when the answer is sent. The file is opened by the
//! caller, who has checked that it may be served; here it must only be a regular file.

use std::any::Any;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::SystemTime;

use super::conditional::Validators;
use super::percent;
use super::ranges::{self, Selection};
use super::response::{Body, FileBody, Pace, Response};
use super::{Method, Request};

/// Builds the answer to a GET or HEAD for `file`: 200, 206, 304, 412, 416, or 404 when it is not a
/// regular file. `filename` is the name offered to the client. `guard` is dropped when the last
/// byte has left or the connection has ended.
pub fn file_response(
    request: &Request,
    file: File,
    filename: &str,
    pace: Option<Arc<dyn Pace>>,
    guard: Option<Box<dyn Any + Send>>,
) -> Response {
    let metadata = match file.metadata() {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return not_found(),
        Err(error) => {
            log::warn!("cannot serve {filename}: {error}");
            return not_found();
        }
    };
    let length = metadata.len();
    let now = SystemTime::now();
    let validators = Validators::new(
        length,
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ino(),
    );
    let mut response = Response::status(200)
        .header("Accept-Ranges", "bytes")
        .header("ETag", validators.etag.clone());
    if let Some(modified) = validators.last_modified(now) {
        response = response.header("Last-Modified", modified);
    }
    if validators.is_unwanted(
        list(request, "If-Match").as_deref(),
        request.header("If-Unmodified-Since"),
    ) {
        response.status = 412;
        return response;
    }
    if validators.is_not_modified(
        list(request, "If-None-Match").as_deref(),
        request.header("If-Modified-Since"),
    ) {
        response.status = 304;
        return response;
    }
    let selection = if validators.allows_range(request.header("If-Range"), now) {
        requested(request, length)
    } else {
        Selection::Full
    };
    let (start, end) = match selection {
        Selection::Full => (0, length),
        Selection::Span { start, end } => {
            response.status = 206;
            let last = end.saturating_sub(1);
            response = response.header("Content-Range", format!("bytes {start}-{last}/{length}"));
            (start, end)
        }
        Selection::Unsatisfiable => {
            response.status = 416;
            return response.header("Content-Range", format!("bytes */{length}"));
        }
    };
    response = response
        .header("Content-Type", "application/octet-stream")
        .header("Content-Disposition", disposition(filename));
    response.body = Body::File(FileBody {
        file,
        offset: start,
        length: end.saturating_sub(start),
        pace,
        guard,
    });
    response
}

/// The refusal for a file that is not there.
fn not_found() -> Response {
    Response::json(404, "{\"error\":\"File not found\"}")
}

/// All lines of a header that is a list, as one (RFC 9110 §5.3).
fn list(request: &Request, name: &str) -> Option<String> {
    let lines: Vec<&str> = request.headers_named(name).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// What the `Range` header asks for. A second `Range` line means several ranges: ignored.
fn requested(request: &Request, length: u64) -> Selection {
    let mut ranges = request.headers_named("Range");
    match (ranges.next(), ranges.next(), request.method) {
        (Some(range), None, Method::Get | Method::Head) => ranges::select(range, length),
        _ => Selection::Full,
    }
}

/// `attachment; filename="…"`. A name that is not plain ASCII text, or would need escaping, gets a
/// safe stand-in there and its true form in `filename*` (RFC 6266 §4.3).
fn disposition(filename: &str) -> String {
    let is_plain =
        |char: char| matches!(char, ' '..='~') && char != '"' && char != '\\' && char != '%';
    let mut value = String::from("attachment; filename=\"");
    value.extend(
        filename
            .chars()
            .map(|char| if is_plain(char) { char } else { '_' }),
    );
    value.push('"');
    if !filename.chars().all(is_plain) {
        value.push_str("; filename*=UTF-8''");
        value.push_str(&percent::encode(filename));
    }
    value
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::Ipv4Addr;

    use super::*;

    fn request(method: Method, headers: &[(&str, &str)]) -> Request {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let remote = Ipv4Addr::LOCALHOST.into();
        Request::new(method, "/f", "", headers, Vec::new(), remote)
    }

    fn ten_bytes() -> File {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("jackdaw-file-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut file = File::create_new(&path).unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response
            .headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn check(headers: &[(&str, &str)], status: u16, range: Option<&str>, span: Option<(u64, u64)>) {
        let response = file_response(&request(Method::Get, headers), ten_bytes(), "a", None, None);
        assert_eq!(response.status, status, "{headers:?}");
        assert_eq!(header(&response, "Content-Range"), range, "{headers:?}");
        let sent = match &response.body {
            Body::File(body) => Some((body.offset, body.length)),
            _ => None,
        };
        assert_eq!(sent, span, "{headers:?}");
    }

    #[test]
    fn status_range_and_span() {
        check(&[], 200, None, Some((0, 10)));
        check(
            &[("Range", "bytes=2-4")],
            206,
            Some("bytes 2-4/10"),
            Some((2, 3)),
        );
        check(
            &[("range", "bytes=-1")],
            206,
            Some("bytes 9-9/10"),
            Some((9, 1)),
        );
        check(&[("Range", "bytes=10-")], 416, Some("bytes */10"), None);
        check(&[("Range", "bytes=0-1,3-4")], 200, None, Some((0, 10)));
        check(
            &[("Range", "bytes=0-1"), ("Range", "bytes=3-4")],
            200,
            None,
            Some((0, 10)),
        );
        check(
            &[("Range", "bytes=2-4"), ("If-Range", "\"x\"")],
            200,
            None,
            Some((0, 10)),
        );
        check(
            &[("If-None-Match", "*"), ("Range", "bytes=99-")],
            304,
            None,
            None,
        );
        check(
            &[("If-None-Match", "\"x\""), ("If-None-Match", "*")],
            304,
            None,
            None,
        );
        // In the order of RFC 9110 §13.2.2.
        check(
            &[("If-Match", "\"x\""), ("If-None-Match", "*")],
            412,
            None,
            None,
        );
        let past = "Sun, 06 Nov 1994 08:49:37 GMT";
        check(&[("If-Unmodified-Since", past)], 412, None, None);
        check(
            &[("If-Match", "*"), ("If-Unmodified-Since", past)],
            200,
            None,
            Some((0, 10)),
        );
    }

    #[test]
    fn an_etag_it_gave_out_is_recognised() {
        let file = ten_bytes();
        let copy = file.try_clone().unwrap();
        let first = file_response(&request(Method::Get, &[]), file, "a", None, None);
        let etag = header(&first, "ETag").unwrap().to_owned();
        assert!(header(&first, "Last-Modified").is_some());
        assert_eq!(header(&first, "Accept-Ranges"), Some("bytes"));
        let again = request(Method::Get, &[("If-Range", &etag), ("Range", "bytes=1-1")]);
        assert_eq!(file_response(&again, copy, "a", None, None).status, 206);
    }

    #[test]
    fn a_directory_is_not_served() {
        let directory = File::open(std::env::temp_dir()).unwrap();
        let response = file_response(&request(Method::Get, &[]), directory, "a", None, None);
        assert_eq!(response.status, 404);
    }

    #[test]
    fn dispositions_are_safe_header_values() {
        let check = |name: &str, expected: &str| assert_eq!(disposition(name), expected);
        check(
            "A Film (2001).mkv",
            "attachment; filename=\"A Film (2001).mkv\"",
        );
        check(
            "Amélie.mkv",
            "attachment; filename=\"Am_lie.mkv\"; filename*=UTF-8''Am%C3%A9lie.mkv",
        );
        check(
            "a\"b.mkv",
            "attachment; filename=\"a_b.mkv\"; filename*=UTF-8''a%22b.mkv",
        );
        check(
            "a\r\nX: y",
            "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y",
        );
        check(
            "100%.mkv",
            "attachment; filename=\"100_.mkv\"; filename*=UTF-8''100%25.mkv",
        );
    }
}
