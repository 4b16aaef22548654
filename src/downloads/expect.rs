//! Whether an answer to a file request may be believed, judged by its status and headers alone.
//!
//! Pure. In: what was asked ([`Asked`]) and how it was answered ([`Head`]); out: a [`Verdict`]. The
//! rule is that bytes of two versions of a file never meet: a 206 counts only if it begins where we
//! stopped, belongs to a file of the size we know, and names the version that we have; one that names
//! none counts after samples were compared, and whenever there is a doubt, the file is fetched from
//! its beginning. Pages of proxies are never a file. Follows RFC 9110 sections 8.8, 13.1.5 and 14, and
//! what jack does, made stricter.

use std::time::Duration;

/// How much older than its answer a `Last-Modified` must be to name a version: a file may have
/// changed twice in the second that it stands for, and the clocks of server and disk may differ
/// (RFC 9110 section 8.8.2.2; a minute is what its predecessor RFC 7232 names).
const STRONG_DATE_AGE: Duration = Duration::from_secs(60);

/// Longest validator that is kept: ETags of real servers have some 40 bytes.
const MAX_VALIDATOR: usize = 256;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// First byte; 0 = the whole file, without a `Range`.
    pub offset: u64,
    /// Bytes that the file has, as far as we know.
    pub size: u64,
    /// The version that our bytes are of, as [`validator`] gave it.
    pub validator: Option<&'a str>,
}

/// What came back, headers raw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// 200, 206 or 416.
    pub status: u16,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// `Content-Range`.
    pub content_range: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// `Last-Modified`.
    pub last_modified: Option<&'a str>,
    /// `Date`.
    pub date: Option<&'a str>,
}

/// What to do with the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on where the part file ends, up to the byte before this one.
    Append(u64),
    /// The same, but nothing says of which version of the file it is, although one was named
    /// before: samples have to be compared first.
    Unnamed(u64),
    /// It is the whole file from its beginning.
    Fresh,
    /// It cannot be used: ask for the whole file. The text says why.
    Restart(String),
    /// It is a whole file, but of this many bytes: ask the friend which is right.
    OtherSize(u64),
    /// It is no file at all, or an answer to something else: the attempt has failed.
    Refuse(String),
}

/// Judges an answer.
pub fn judge(asked: &Asked<'_>, head: &Head<'_>) -> Verdict {
    if head.status != 416
        && let Some(kind) = head.content_type.and_then(page_type)
    {
        return Verdict::Refuse(format!(
            "answered with {kind}, which is no media file: is there a login page in between?"
        ));
    }
    match head.status {
        200 => match head.content_length {
            Some(length) if length != asked.size => Verdict::OtherSize(length),
            _ => Verdict::Fresh,
        },
        206 if asked.offset == 0 => {
            Verdict::Refuse("sent a part although the whole file was asked for".into())
        }
        206 => judge_part(asked, head).unwrap_or_else(Verdict::Restart),
        416 if asked.offset > 0 => {
            Verdict::Restart(format!("has nothing from byte {} on", asked.offset))
        }
        status => Verdict::Refuse(format!("answered with the status {status}")),
    }
}

/// Whether a part goes on with ours; the error says why it does not.
fn judge_part(asked: &Asked<'_>, head: &Head<'_>) -> Result<Verdict, String> {
    let Some(range) = head.content_range.and_then(ContentRange::parse) else {
        return Err("sent a part without saying which".into());
    };
    if range.first != asked.offset {
        return Err(format!(
            "sent the part from byte {} on instead of {}",
            range.first, asked.offset
        ));
    }
    if range.total != Some(asked.size) {
        return Err(match range.total {
            Some(total) => format!(
                "sent a part of a file of {total} bytes instead of {}",
                asked.size
            ),
            None => "sent a part of a file of unknown size".into(),
        });
    }
    if head
        .content_length
        .is_some_and(|length| length != range.last - range.first + 1)
    {
        return Err("sent a part whose length and range disagree".into());
    }
    let end = range.last + 1;
    let Some(known) = asked.validator else {
        // Whoever asks without a validator has compared samples.
        return Ok(Verdict::Append(end));
    };
    // Only like is compared with like.
    let named = match is_etag(known) {
        true => head.etag.filter(|etag| is_etag(etag)),
        false => head.last_modified,
    };
    match named {
        Some(named) if named == known => Ok(Verdict::Append(end)),
        Some(_) => Err("has another version of the file now".into()),
        // A server that obeys If-Range repeats the ETag (RFC 9110 section 15.3.7). One that leaves
        // it out may know neither.
        None => Ok(Verdict::Unnamed(end)),
    }
}

/// What names the version of the file in this answer: a strong ETag, else a `Last-Modified` that is
/// old enough to be one. Told apart by the quote that an ETag begins with. It is sent back as
/// `If-Range`.
pub fn validator<'a>(head: &Head<'a>) -> Option<&'a str> {
    head.etag
        .filter(|etag| is_etag(etag))
        .or_else(|| {
            head.last_modified
                .filter(|modified| is_strong_date(modified, head.date))
        })
        .filter(|text| text.len() <= MAX_VALIDATOR)
}

/// True for a strong ETag; weak ones say nothing about bytes (RFC 9110 section 8.8.3).
fn is_etag(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with('"')
        && text.ends_with('"')
        && !text[1..text.len() - 1].contains('"')
        && text.bytes().all(|byte| (0x21..0x7f).contains(&byte))
}

/// True for a `Last-Modified` that was well in the past when the answer was given.
fn is_strong_date(modified: &str, date: Option<&str>) -> bool {
    let read = |text| httpdate::parse_http_date(text).ok();
    match (read(modified), date.and_then(read)) {
        (Some(modified), Some(date)) => date
            .duration_since(modified)
            .is_ok_and(|age| age >= STRONG_DATE_AGE),
        _ => false,
    }
}

/// The media type of a page, if this `Content-Type` is one that a media file never has.
fn page_type(content_type: &str) -> Option<String> {
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let (main, sub) = kind.split_once('/')?;
    let is_page = main == "text"
        || (main == "multipart" && sub == "byteranges")
        || matches!(sub, "json" | "xml" | "html" | "xhtml")
        || sub.ends_with("+json")
        || sub.ends_with("+xml")
        || sub.ends_with("problem");
    // Quoted in a message: only a short and plain one is a media type at all.
    let is_plain = kind.len() <= 80 && kind.bytes().all(|byte| byte.is_ascii_graphic());
    let shown = if is_plain { kind.as_str() } else { "a page" };
    is_page.then(|| shown.to_owned())
}

/// A `Content-Range` of a 206.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// First byte.
    pub first: u64,
    /// Last byte, inclusive.
    pub last: u64,
    /// Bytes of the whole file, if the server knows.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes FIRST-LAST/TOTAL` or `bytes FIRST-LAST/*`; anything else, or one that
    /// contradicts itself, is `None`.
    pub fn parse(text: &str) -> Option<ContentRange> {
        let (unit, rest) = text.trim().split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (span, total) = rest.trim_start().split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let range = ContentRange {
            first: number(first)?,
            last: number(last)?,
            total: match total {
                "*" => None,
                total => Some(number(total)?),
            },
        };
        let is_sound = range.first <= range.last
            // So that its length can be counted.
            && range.last < u64::MAX
            && range.total.is_none_or(|total| range.last < total);
        is_sound.then_some(range)
    }
}

/// Digits only: `u64::from_str` would take a plus sign.
fn number(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"v1\"";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    /// A minute later.
    const LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";

    fn ok(length: Option<u64>) -> Head<'static> {
        Head {
            status: 200,
            content_length: length,
            ..Head::default()
        }
    }

    fn part(range: &str) -> Head<'_> {
        Head {
            status: 206,
            content_range: Some(range),
            ..Head::default()
        }
    }

    #[derive(Debug, PartialEq)]
    enum Short {
        Append,
        Unnamed,
        Fresh,
        Restart,
        OtherSize(u64),
        Refuse,
    }

    fn check(offset: u64, validator: Option<&str>, head: &Head<'_>, expected: Short) {
        let asked = Asked {
            offset,
            size: 1000,
            validator,
        };
        let short = match judge(&asked, head) {
            Verdict::Append(_) => Short::Append,
            Verdict::Unnamed(_) => Short::Unnamed,
            Verdict::Fresh => Short::Fresh,
            Verdict::Restart(_) => Short::Restart,
            Verdict::OtherSize(size) => Short::OtherSize(size),
            Verdict::Refuse(_) => Short::Refuse,
        };
        assert_eq!(short, expected, "{asked:?} {head:?}");
    }

    #[test]
    fn a_whole_file_must_have_the_size() {
        for offset in [0, 400] {
            check(offset, None, &ok(Some(1000)), Short::Fresh);
            check(offset, None, &ok(None), Short::Fresh);
            check(offset, None, &ok(Some(999)), Short::OtherSize(999));
            check(offset, None, &ok(Some(0)), Short::OtherSize(0));
        }
    }

    #[test]
    fn a_part_must_be_the_one_asked_for() {
        check(400, None, &part("bytes 400-999/1000"), Short::Append);
        // Less than asked for is fine: the rest is asked for next time.
        check(400, None, &part("bytes 400-499/1000"), Short::Append);
        for range in [
            "bytes 399-999/1000",
            "bytes 0-999/1000",
            "bytes 400-1000/1001",
            "bytes 400-999/*",
            "bytes */1000",
            "400-999/1000",
            "",
        ] {
            check(400, None, &part(range), Short::Restart);
        }
        let without = Head {
            status: 206,
            ..Head::default()
        };
        check(400, None, &without, Short::Restart);
        check(0, None, &part("bytes 0-999/1000"), Short::Refuse);
        for (length, expected) in [(600, Short::Append), (599, Short::Restart)] {
            let head = Head {
                content_length: Some(length),
                ..part("bytes 400-999/1000")
            };
            check(400, None, &head, expected);
        }
    }

    #[test]
    fn a_part_of_another_version_is_not_appended() {
        let with = |etag, last_modified| Head {
            etag,
            last_modified,
            ..part("bytes 400-999/1000")
        };
        let etag = Some(ETAG);
        check(400, etag, &with(Some(ETAG), None), Short::Append);
        check(400, etag, &with(Some("\"v2\""), None), Short::Restart);
        check(400, etag, &with(None, None), Short::Unnamed);
        check(400, etag, &with(None, Some(DATE)), Short::Unnamed);
        check(400, etag, &with(Some("W/\"v2\""), None), Short::Unnamed);
        check(400, None, &with(Some("\"v2\""), None), Short::Append);
        let date = Some(DATE);
        check(400, date, &with(Some("\"v2\""), date), Short::Append);
        let other = Some("Sun, 06 Nov 1994 08:49:38 GMT");
        check(400, date, &with(None, other), Short::Restart);
        check(400, date, &with(Some(ETAG), None), Short::Unnamed);
    }

    #[test]
    fn a_part_counts_up_to_the_end_it_announces() {
        let asked = |validator| Asked {
            offset: 400,
            size: 1000,
            validator,
        };
        let head = part("bytes 400-499/1000");
        assert_eq!(judge(&asked(None), &head), Verdict::Append(500));
        assert_eq!(judge(&asked(Some(ETAG)), &head), Verdict::Unnamed(500));
    }

    #[test]
    fn a_416_means_starting_over_once() {
        let head = Head {
            status: 416,
            content_type: Some("text/html"),
            ..Head::default()
        };
        check(400, None, &head, Short::Restart);
        check(0, None, &head, Short::Refuse);
    }

    #[test]
    fn pages_are_refused_whatever_their_length() {
        for kind in [
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "text/plain",
            "application/json",
            "application/problem+json",
            "application/xml",
            "application/xhtml+xml",
            "multipart/byteranges; boundary=x",
        ] {
            for head in [ok(Some(1000)), part("bytes 400-999/1000")] {
                let head = Head {
                    content_type: Some(kind),
                    ..head
                };
                check(400, None, &head, Short::Refuse);
            }
        }
        for kind in [
            "application/octet-stream",
            "video/x-matroska",
            "video/mp4",
            "x",
            "",
        ] {
            let head = Head {
                content_type: Some(kind),
                ..ok(Some(1000))
            };
            check(0, None, &head, Short::Fresh);
        }
    }

    #[test]
    fn versions_are_named_by_strong_etags_or_dates() {
        let check = |etag, last_modified, expected| {
            let head = Head {
                etag,
                last_modified,
                date: Some(LATER),
                ..Head::default()
            };
            assert_eq!(validator(&head), expected, "{head:?}");
        };
        check(Some(ETAG), Some(DATE), Some(ETAG));
        check(Some("W/\"v1\""), Some(DATE), Some(DATE));
        check(Some("v1"), None, None);
        check(Some("\""), None, None);
        check(Some("\"a\"b\""), None, None);
        check(Some("\"a b\""), None, None);
        check(None, Some("yesterday"), None);
        check(None, None, None);
        let fits = format!("\"{}\"", "x".repeat(MAX_VALIDATOR - 2));
        check(Some(&fits), None, Some(&fits));
        let long = format!("\"{}\"", "x".repeat(MAX_VALIDATOR - 1));
        check(Some(&long), None, None);
    }

    #[test]
    fn a_date_names_a_version_only_when_it_is_old() {
        for (date, is_named) in [
            (Some(LATER), true),
            (Some("Mon, 06 Nov 1995 08:49:37 GMT"), true),
            (Some("Sun, 06 Nov 1994 08:50:36 GMT"), false),
            (Some(DATE), false),
            (Some("Sun, 06 Nov 1994 08:49:36 GMT"), false),
            (Some("now"), false),
            (None, false),
        ] {
            let head = Head {
                last_modified: Some(DATE),
                date,
                ..Head::default()
            };
            assert_eq!(validator(&head), is_named.then_some(DATE), "{date:?}");
        }
    }

    #[test]
    fn content_ranges_are_read_strictly() {
        let check = |text: &str, expected: Option<(u64, u64, Option<u64>)>| {
            let found = ContentRange::parse(text).map(|r| (r.first, r.last, r.total));
            assert_eq!(found, expected, "{text:?}");
        };
        check("bytes 0-0/1", Some((0, 0, Some(1))));
        check("Bytes 5-9/*", Some((5, 9, None)));
        check("bytes  5-9/10", Some((5, 9, Some(10))));
        check(
            "bytes 6000000000-6999999999/7000000000",
            Some((6_000_000_000, 6_999_999_999, Some(7_000_000_000))),
        );
        for text in [
            "bytes 5-4/10",
            "bytes 5-10/10",
            "bytes +5-9/10",
            "bytes 5-9/+10",
            "bytes -9/10",
            "bytes 5-/10",
            "bytes 5-9",
            "items 5-9/10",
            "bytes=5-9/10",
            "bytes 0-18446744073709551615/*",
            "bytes 0-18446744073709551616/*",
            "bytes */10",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn random_headers_never_panic_and_never_append_beyond_the_file() {
        let alphabet = b"bytes 0123456789-/*+ \"W\xc3\xa9";
        let mut seed = 0x2545_f491_4f6c_dd1du64;
        for _ in 0..20_000 {
            let mut text = Vec::from(&b"bytes "[..(seed % 7) as usize]);
            for _ in 0..(seed >> 8) % 24 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                text.push(alphabet[(seed % alphabet.len() as u64) as usize]);
            }
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let text = String::from_utf8_lossy(&text);
            if let Some(range) = ContentRange::parse(&text) {
                assert!(range.first <= range.last, "{text}");
                assert!(range.total.is_none_or(|total| range.last < total), "{text}");
            }
            let head = Head {
                etag: Some(&text),
                last_modified: Some(&text),
                date: Some(&text),
                content_type: Some(&text),
                ..part(&text)
            };
            validator(&head);
            judge(
                &Asked {
                    offset: 4,
                    size: 10,
                    validator: Some(ETAG),
                },
                &head,
            );
        }
    }
}
