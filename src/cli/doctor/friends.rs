//! Checks of friends: reachable, protocol version, our key, certificate, clock.

use std::time::{Duration, SystemTime};

use super::finding::Finding;
use crate::config::Peer;
use crate::peer::client::{Handshake, PeerClient, PeerError};

/// For one handshake; a friend may sit behind a slow line.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Clocks that differ by less are fine: nothing we do needs more.
const SKEW: Duration = Duration::from_secs(120);

/// One friend.
pub fn friend(peer: &Peer) -> Vec<Finding> {
    let subject = format!("friend \"{}\"", peer.name);
    let client = PeerClient::new(peer.clone());
    let asked = SystemTime::now();
    let answer = client.handshake_and_date(TIMEOUT);
    let answered = SystemTime::now();
    match answer {
        Ok((handshake, date)) => judge(&subject, peer, &handshake, date, asked, answered),
        Err(error) => vec![trouble(&subject, &error)],
    }
}

fn judge(
    subject: &str,
    peer: &Peer,
    handshake: &Handshake,
    date: Option<SystemTime>,
    asked: SystemTime,
    answered: SystemTime,
) -> Vec<Finding> {
    let (major, minor, patch) = handshake.version;
    let certificate = match peer.url.starts_with("https:") {
        true => ", its certificate is good",
        false => "",
    };
    let mut found = vec![Finding::ok(
        subject,
        format!(
            "answers as \"{}\", protocol {major}.{minor}.{patch}, takes our key{certificate}",
            handshake.name
        ),
    )];
    if let Some((skew, side)) = date.and_then(|date| skew(date, asked, answered)) {
        found.push(Finding::warn(
            subject,
            format!(
                "its clock is {} s {side} ours; certificates and dates of releases depend on \
                 clocks",
                skew.as_secs()
            ),
            "set the clock of whichever is wrong (NTP)",
        ));
    }
    found
}

/// How far and to which side the friend's clock is off, if it is. Its date lies between asking and
/// answering, and is cut to whole seconds.
fn skew(
    date: SystemTime,
    asked: SystemTime,
    answered: SystemTime,
) -> Option<(Duration, &'static str)> {
    let (off, side) = match (date.duration_since(answered), asked.duration_since(date)) {
        (Ok(ahead), _) => (ahead, "ahead of"),
        (_, Ok(behind)) => (behind, "behind"),
        _ => return None,
    };
    (off >= SKEW).then_some((off, side))
}

fn trouble(subject: &str, error: &PeerError) -> Finding {
    let fix = match error {
        PeerError::Unreachable(_) => {
            "check its url here; ask whether it is running and reachable from outside"
        }
        PeerError::Status {
            status: 401 | 403, ..
        } => "ask for a new key, and check the extra headers if a proxy stands before it",
        PeerError::Status { .. } => "ask the friend to look at its log",
        PeerError::Protocol(_) => "check its url here: it must be the address of a jackdaw or jack",
        PeerError::Version(_) => "check its url here, and ask for an update",
        PeerError::Unsound(_) => "ask the friend to look at its server",
        PeerError::Cancelled => "",
    };
    // The subject names the friend already.
    let what = error.to_string();
    let what = what
        .split_once(": ")
        .map_or(what.as_str(), |(_, rest)| rest);
    Finding::fail(subject, what, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        let base = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let answered = base + Duration::from_secs(5);
        let seconds = Duration::from_secs;
        let check = |date: SystemTime, expected: Option<(u64, &str)>| {
            let found = skew(date, base, answered).map(|(off, side)| (off.as_secs(), side));
            assert_eq!(found, expected);
        };
        check(base, None);
        check(base + seconds(3), None);
        check(base - seconds(119), None);
        check(base - seconds(120), Some((120, "behind")));
        check(answered + seconds(119), None);
        check(answered + seconds(3600), Some((3600, "ahead of")));
    }
}
