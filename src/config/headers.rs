//! Rules for extra headers (`header.NAME = value`, and the headers of an invitation).
//!
//! A friend or arr may sit behind a proxy that wants headers of its own. Names are tokens of
//! RFC 9110 §5.6.2. Refused are the names that the peer protocol reserves, and those that our
//! client sets itself: a second `Range` would splice files, a second length would break framing.

use super::problem::{Complaint, quoted};

/// Reserved by the peer protocol (the first five), or set by our own client.
pub const RESERVED: [&str; 14] = [
    "X-Api-Key",
    "Host",
    "Content-Length",
    "Connection",
    "Transfer-Encoding",
    "Accept-Encoding",
    "Expect",
    "If-None-Match",
    "If-Range",
    "Keep-Alive",
    "Range",
    "TE",
    "Trailer",
    "Upgrade",
];

/// Headers for one friend or arr: a handful is usual, and each is sent with every request.
pub const MAX_HEADERS: usize = 32;

/// Says whether an extra header may have this name.
pub fn check_name(name: &str) -> Result<(), Complaint> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Complaint::new(
            format!("{} is not the name of a header", quoted(name)),
            "write header.NAME = value, for instance header.X-Forwarded-User = jackdaw",
        ));
    }
    if RESERVED
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
    {
        return Err(Complaint::new(
            format!("the header {name} is reserved"),
            "jackdaw sets it itself",
        ));
    }
    Ok(())
}

/// Says whether an extra header may have this value. The value is not quoted in the complaint.
pub fn check_value(value: &str) -> Result<(), Complaint> {
    super::secrets::check_header_value(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for sound in [
            "X-Forwarded-User",
            "cf-access-client-id",
            "Authorization",
            "a!#$%&'*+.^_`|~9",
        ] {
            assert_eq!(check_name(sound), Ok(()), "{sound}");
        }
        for wrong in ["", "a b", "a:b", "ä", "a\r\nb", "a\"", "(a)", "a/b", "a@b"] {
            assert!(check_name(wrong).is_err(), "{wrong:?}");
        }
        for reserved in [
            "x-api-key",
            "HOST",
            "Content-length",
            "connection",
            "transfer-encoding",
        ] {
            let complaint = check_name(reserved).unwrap_err();
            assert!(complaint.problem.ends_with("is reserved"), "{complaint}");
        }
        for name in RESERVED {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn values() {
        assert_eq!(check_value("Basic dXNlcjpwYXNz"), Ok(()));
        for wrong in ["", "a\r\nX: y", "a\0b"] {
            assert!(check_value(wrong).is_err(), "{wrong:?}");
        }
    }
}
