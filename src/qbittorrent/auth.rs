//! Who is asking: credentials turned into an [`Identity`], and the check against forged requests.
//!
//! A login is a user name and a key as password. An arr's own key opens that arr's grabs and wants the
//! arr's title as user name; the owner's key opens an arr's grabs under that arr's title, and all
//! grabs under any other name. Friends' keys open nothing here, nor does anything empty. The same
//! pairs are accepted as `Authorization: Basic`, and a key alone as `Bearer` (newer Sonarr). Radarr sends
//! `Basic Og==` (an empty pair) with every call: it counts as no header at all.
//!
//! This does not protect against a page of the same host and port; the session cookie is `SameSite`.

use crate::config::Config;
use crate::grab::Scope;
use crate::http::Request;
use crate::keys::{Caller, Keys};

use super::sessions::Identity;

/// Login name of the owner's key when it comes without a user name (`Bearer`).
pub const OWNER_LOGIN: &str = "owner";

/// Longest user name: it is stored with every grab. Titles of arrs are far shorter.
const MAX_LOGIN: usize = 255;

/// What a user name and password open.
pub fn login(config: &Config, keys: &Keys, username: &str, password: &str) -> Option<Identity> {
    let is_name = !username.trim().is_empty()
        && username.len() <= MAX_LOGIN
        && !username.chars().any(char::is_control);
    if !is_name || password.is_empty() {
        return None;
    }
    let is_arr = has_server(config, username);
    let scope = match keys.identify(password)? {
        Caller::Arr(title) if title == username && is_arr => Scope::Arr(title),
        Caller::Owner if is_arr => Scope::Arr(username.to_string()),
        Caller::Owner => Scope::All,
        Caller::Arr(_) | Caller::Friend(_) => return None,
    };
    Some(Identity {
        scope,
        login: username.to_string(),
    })
}

/// What a key opens without a user name.
fn bearer(config: &Config, keys: &Keys, key: &str) -> Option<Identity> {
    match keys.identify(key)? {
        Caller::Owner => Some(Identity {
            scope: Scope::All,
            login: OWNER_LOGIN.to_string(),
        }),
        Caller::Arr(title) if has_server(config, &title) => Some(Identity {
            scope: Scope::Arr(title.clone()),
            login: title,
        }),
        Caller::Arr(_) | Caller::Friend(_) => None,
    }
}

fn has_server(config: &Config, title: &str) -> bool {
    config.servers.iter().any(|server| server.title == title)
}

/// What the `Authorization` header opens. Only asked when there is no live session, so a wrong header
/// beside a good cookie does no harm.
pub fn from_header(config: &Config, keys: &Keys, request: &Request) -> Option<Identity> {
    if let Some((username, password)) = request.basic_login() {
        return login(config, keys, &username, &password);
    }
    let (scheme, key) = request.header("authorization")?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    bearer(config, keys, key.trim())
}

/// Whether a browser was made to send this by another site: `Origin`, else `Referer`, names
/// another host or port than the one that was asked for. Neither header: not a browser, fine.
pub fn is_forged(request: &Request) -> bool {
    let Some(source) = request
        .header("origin")
        .or_else(|| request.header("referer"))
    else {
        return false;
    };
    // Behind a proxy the host that the browser asked for is in X-Forwarded-Host; a page of
    // another site cannot set that header.
    let target = request
        .header("x-forwarded-host")
        .and_then(|list| list.split(',').next())
        .or_else(|| request.header("host"))
        .unwrap_or_default();
    !is_same_host(source, target)
}

/// Compares the host and port of a URL with those of a `Host` header. A port that is left out is the
/// default of the URL's scheme on both sides; otherwise the scheme does not count.
fn is_same_host(url: &str, host: &str) -> bool {
    let Some((scheme, rest)) = url.trim().split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let default = if scheme.eq_ignore_ascii_case("https") {
        443
    } else {
        80
    };
    let source = host_and_port(authority, default);
    source.is_some() && source == host_and_port(host.trim(), default)
}

fn host_and_port(authority: &str, default: u16) -> Option<(String, u16)> {
    // The colons of an IPv6 address are inside brackets.
    let after_bracket = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[after_bracket..].find(':') {
        Some(colon) => {
            let colon = after_bracket + colon;
            (&authority[..colon], authority[colon + 1..].parse().ok()?)
        }
        None => (authority, default),
    };
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_compared() {
        let mut seed = 88172645463325252u64;
        for _ in 0..2_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let text: String = seed.to_le_bytes().iter().map(|b| char::from(*b)).collect();
            is_same_host(&text, &text);
            is_same_host(&format!("http://{text}"), &text);
        }
    }

    #[test]
    fn origin_and_host_are_compared_as_the_browser_means_them() {
        for (source, host, same) in [
            ("http://nas:5225", "nas:5225", true),
            ("http://NAS:5225/x?y#z", "nas:5225", true),
            ("https://jackdaw.example", "jackdaw.example", true),
            ("https://jackdaw.example", "jackdaw.example:443", true),
            ("http://jackdaw.example:80/", "jackdaw.example", true),
            ("http://[::1]:5225", "[::1]:5225", true),
            ("http://[::1]", "[::1]", true),
            ("http://user:pw@nas:5225", "nas:5225", true),
            ("http://other.example", "nas:5225", false),
            ("http://nas", "nas:5225", false),
            ("http://nas:5226", "nas:5225", false),
            ("http://nas:5225@evil.example", "nas:5225", false),
            ("null", "nas:5225", false),
            ("", "", false),
            ("http://", "", false),
            ("http://nas:x", "nas:x", false),
            ("nas:5225", "nas:5225", false),
        ] {
            assert_eq!(is_same_host(source, host), same, "{source} {host}");
        }
    }
}
