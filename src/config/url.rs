//! Base addresses of servers: `http://host:port/prefix`, taken apart and put into one form.
//!
//! Text in, [`HttpUrl`] or complaint out. Scheme and host become lower case, a default port and
//! trailing slashes go, so that equal addresses are equal texts. Refused: other schemes, user and
//! password, queries, fragments, empty or dot segments. No complaint quotes the text: people put
//! passwords and keys into addresses. Rules: RFC 3986, as far as http needs it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::problem::Complaint;
use super::secrets::is_unreserved;

/// Longest address in bytes; names in DNS end at 253, and nobody's prefix needs the rest.
pub const MAX_URL_BYTES: usize = 1024;

/// A base address in its one form; `Display` has no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    /// `https`, else `http`.
    pub https: bool,
    /// Lower case; IPv6 addresses in brackets.
    pub host: String,
    /// Only if it is not the scheme's own.
    pub explicit_port: Option<u16>,
    /// `""` or `/x/y`.
    pub path: String,
}

impl HttpUrl {
    /// Reads a base address.
    pub fn parse(text: &str) -> Result<HttpUrl, Complaint> {
        if text.len() > MAX_URL_BYTES {
            return Err(Complaint::new(
                format!("the address is longer than {MAX_URL_BYTES} bytes"),
                "give the base address only",
            ));
        }
        let (https, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => {
                return Err(Complaint::new(
                    "the address does not begin with http:// or https://",
                    "begin it with one of them",
                ));
            }
        };
        if rest.contains(['?', '#']) {
            return Err(Complaint::new(
                "the address has a query or a fragment",
                "give the base address only",
            ));
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(Complaint::new(
                "the address holds a user name or password",
                "write header.Authorization = … for a proxy that wants them",
            ));
        }
        let (host, port) = host_and_port(authority)?;
        let default_port = if https { 443 } else { 80 };
        Ok(HttpUrl {
            https,
            host,
            explicit_port: port.filter(|port| *port != default_port),
            path: checked_path(path)?,
        })
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.explicit_port
            .unwrap_or(if self.https { 443 } else { 80 })
    }

    /// True if bytes to this host stay on this machine or in a private network: loopback, private
    /// and carrier-grade (VPN) addresses, names without a dot (containers) and local domains.
    pub fn is_private(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return match address {
                IpAddr::V4(address) => is_private_v4(address),
                IpAddr::V6(address) => match address.to_ipv4_mapped() {
                    Some(mapped) => is_private_v4(mapped),
                    None => {
                        address.is_loopback()
                            || address.is_unique_local()
                            || address.is_unicast_link_local()
                    }
                },
            };
        }
        const LOCAL_DOMAINS: [&str; 6] = [
            ".localhost",
            ".local",
            ".lan",
            ".internal",
            ".home.arpa",
            ".home",
        ];
        let name = self.host.trim_end_matches('.');
        !name.contains('.') || LOCAL_DOMAINS.iter().any(|domain| name.ends_with(domain))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.https { "https://" } else { "http://" })?;
        f.write_str(&self.host)?;
        if let Some(port) = self.explicit_port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    // 100.64.0.0/10 (RFC 6598) is what Tailscale and similar networks hand out.
    let [first, second, ..] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || (first == 100 && second & 0xc0 == 64)
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), Complaint> {
    let bad_host = || {
        Complaint::new(
            "the address has no valid host",
            "write a name of letters, digits, hyphens and dots, or an IP address",
        )
    };
    let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, after) = bracketed.split_once(']').ok_or_else(bad_host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| bad_host())?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(port),
            None if after.is_empty() => None,
            None => return Err(bad_host()),
        };
        (format!("[{address}]"), port)
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        (checked_name(host).ok_or_else(bad_host)?, port)
    };
    let port = match port {
        None => None,
        Some(text) => Some(
            text.parse::<u16>()
                .ok()
                .filter(|port| *port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| {
                    Complaint::new("the address has no valid port", "ports are 1 to 65535")
                })?,
        ),
    };
    Ok((host, port))
}

/// A host name (underscores are common among containers) or IPv4 address, in lower case.
fn checked_name(host: &str) -> Option<String> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if host.len() > 253 || !name.split('.').all(label) {
        return None;
    }
    // A last label of digits is meant as an IPv4 address; anything but four plain numbers
    // (`127.1`, `2130706433`) would be read differently by different programs.
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|byte| byte.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_err() {
        return None;
    }
    Some(host.to_ascii_lowercase())
}

/// The path without trailing slashes.
fn checked_path(path: &str) -> Result<String, Complaint> {
    let path = path.trim_end_matches('/');
    for segment in path.split('/').skip(1) {
        if segment.is_empty() || segment == "." || segment == ".." {
            return Err(Complaint::new(
                "the path of the address has empty or dot segments",
                "write it without // and ..",
            ));
        }
        let bytes = segment.as_bytes();
        let sound = bytes.iter().enumerate().all(|(index, &byte)| {
            is_unreserved(byte)
                || b"!$&'()*+,;=:@".contains(&byte)
                || (byte == b'%'
                    && bytes
                        .get(index + 1..index + 3)
                        .is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)))
        });
        if !sound {
            return Err(Complaint::new(
                "the path of the address holds characters that cannot stand there",
                "percent-encode them",
            ));
        }
    }
    Ok(path.to_owned())
}

/// Refuses prefixes of `internal_url` that a router could read in two ways.
pub(super) fn check_prefix(path: &str) -> Result<(), Complaint> {
    if path.bytes().all(|byte| byte == b'/' || is_unreserved(byte)) {
        return Ok(());
    }
    Err(Complaint::new(
        "the path prefix holds special characters",
        "use letters, digits and . _ ~ - in it",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_addresses_get_one_form() {
        let check = |text: &str, shown: &str, port: u16, path: &str| {
            let url = HttpUrl::parse(text).unwrap_or_else(|c| panic!("{text}: {c}"));
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(url.port(), port, "{text}");
            assert_eq!(url.path, path, "{text}");
            assert_eq!(HttpUrl::parse(shown).as_ref(), Ok(&url), "{text}");
        };
        check("http://radarr:7878", "http://radarr:7878", 7878, "");
        check("http://radarr:7878/", "http://radarr:7878", 7878, "");
        check(
            "HTTPS://Alice.Example:443/",
            "https://alice.example",
            443,
            "",
        );
        check("http://alice.example:80", "http://alice.example", 80, "");
        check(
            "https://alice.example:80",
            "https://alice.example:80",
            80,
            "",
        );
        check("http://h/a/b//", "http://h/a/b", 80, "/a/b");
        check("http://h/a%20b/~c", "http://h/a%20b/~c", 80, "/a%20b/~c");
        check("http://[::1]:5225/x", "http://[::1]:5225/x", 5225, "/x");
        check("http://[2001:DB8:0::1]", "http://[2001:db8::1]", 80, "");
        check("http://my_box-1.lan", "http://my_box-1.lan", 80, "");
        check("http://10.0.0.7:1", "http://10.0.0.7:1", 1, "");
        check("http://a.example.", "http://a.example.", 80, "");
    }

    #[test]
    fn wrong_addresses_are_refused_and_never_quoted() {
        let check = |text: &str, problem: &str| {
            let complaint = HttpUrl::parse(text).expect_err(text);
            assert_eq!(complaint.problem, problem, "{text}");
            assert!(!complaint.hint.is_empty(), "{text}");
        };
        let scheme = "the address does not begin with http:// or https://";
        for text in ["", "radarr:7878", "ftp://h", "//h", "http:/h", "httpx://h"] {
            check(text, scheme);
        }
        let query = "the address has a query or a fragment";
        check("http://h?apikey=hunter2", query);
        check("http://h/#x", query);
        let user = "the address holds a user name or password";
        check("http://user:hunter2@h/", user);
        check("http://user@h", user);
        let host = "the address has no valid host";
        for text in [
            "http://",
            "http:///x",
            "http://:80",
            "http://a b",
            "http://ä.example",
            "http://a..b",
            "http://-a",
            "http://[::1",
            "http://[::1]x",
            "http://[fe80::1%25eth0]",
            "http://127.1",
            "http://2130706433",
            "http://1.2.3.4.5",
            "http://h ; comment",
        ] {
            check(text, host);
        }
        check(&format!("http://{}", "a".repeat(64)), host);
        let port = "the address has no valid port";
        for text in [
            "http://h:",
            "http://h:0",
            "http://h:65536",
            "http://h:+1",
            "http://h:x",
        ] {
            check(text, port);
        }
        let dots = "the path of the address has empty or dot segments";
        for text in ["http://h//a", "http://h/a/../b", "http://h/./a"] {
            check(text, dots);
        }
        let path = "the path of the address holds characters that cannot stand there";
        for text in [
            "http://h/a b",
            "http://h/ä",
            "http://h/%zz",
            "http://h/%2",
            "http://h/a\\b",
        ] {
            check(text, path);
        }
        check(
            &format!("http://h/{}", "a".repeat(MAX_URL_BYTES)),
            "the address is longer than 1024 bytes",
        );
    }

    #[test]
    fn private_hosts() {
        let check = |host: &str, private: bool| {
            let url = HttpUrl::parse(&format!("http://{host}")).unwrap();
            assert_eq!(url.is_private(), private, "{host}");
        };
        for host in [
            "localhost",
            "x.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "[::1]",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:192.168.0.1]",
            "jack",
            "nas.local",
            "nas.lan.",
            "nas.home.arpa",
        ] {
            check(host, true);
        }
        for host in [
            "alice.example",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "100.63.0.1",
            "[2001:db8::1]",
            "[::ffff:8.8.8.8]",
            "local.example",
            "notlocalhost.example",
        ] {
            check(host, false);
        }
    }

    #[test]
    fn prefixes() {
        for sound in ["", "/jackdaw", "/a/b-c_d.e~f"] {
            assert_eq!(check_prefix(sound), Ok(()), "{sound}");
        }
        for wrong in ["/a%20b", "/a;b", "/a+b", "/a:b"] {
            assert!(check_prefix(wrong).is_err(), "{wrong}");
        }
    }
}
