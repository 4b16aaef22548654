//! `/hook/{server}`: the notification (Connect, Webhook) of a Radarr or Sonarr.
//!
//! In: JSON that the arr sends from inside an import and waits for; out: an answer at once, before
//! anything is done about it. `{server}` is the short name of a `[server]` section, and the key
//! must be that arr's or the owner's: as password of a Basic login, where registration puts it, or as in
//! every other address (`X-Api-Key`, `apikey`). A hook changes nothing by itself: it makes
//! [`super::imports`] look sooner. Event names are those of Sonarr 4 and Radarr 6, compared without case;
//! unknown ones are fine. The front door bounds the body.

use crate::http::{Request, Response, not_found, unauthorized};
use crate::json::{self, as_string};
use crate::keys::Caller;
use crate::services::Services;
use crate::torrent::stub::Infohash;

use super::imports::{infohash_of, status_messages};
use super::registration::slugs;

/// The fields of a notification that we use.
#[derive(Debug, Default, PartialEq, Eq)]
struct Notice {
    event: String,
    infohash: Option<Infohash>,
    messages: Vec<String>,
}

impl Notice {
    /// Reads a body; `None` if it is not a JSON object with an event.
    fn read(body: &[u8]) -> Option<Notice> {
        let text = std::str::from_utf8(body).ok()?;
        json::check(text).ok()?;
        let mut notice = Notice::default();
        let mut title = None;
        let mut messages = "[]";
        let is_object = json::fields(text, |key, value| match key {
            "eventType" => {
                notice.event = as_string(value).unwrap_or_default().to_ascii_lowercase();
            }
            "downloadId" => notice.infohash = infohash_of(value),
            "downloadStatusMessages" => messages = value,
            "downloadInfo" | "release" => {
                json::fields(value, |key, value| {
                    if matches!(key, "title" | "releaseTitle") {
                        title = as_string(value);
                    }
                });
            }
            _ => {}
        });
        notice.messages = status_messages(messages, title.as_deref());
        (is_object && !notice.event.is_empty()).then_some(notice)
    }
}

/// `POST` or `PUT /hook/{server}`.
pub fn receive(services: &Services, request: &Request) -> Response {
    let presented = match request.basic_login() {
        Some((_, key)) => Some(key),
        None => request.presented_key().map(str::to_owned),
    };
    let Some(caller) = presented.and_then(|key| services.keys.identify(&key)) else {
        return unauthorized();
    };
    let servers = &services.config.servers;
    let wanted = request.path_params.get("server").unwrap_or_default();
    let found = slugs(servers).iter().position(|slug| slug == wanted);
    let Some(server) = found.and_then(|index| servers.get(index)) else {
        return not_found();
    };
    match caller {
        Caller::Owner => {}
        Caller::Arr(title) if title == server.title => {}
        Caller::Arr(_) | Caller::Friend(_) => return unauthorized(),
    }
    let Some(notice) = Notice::read(&request.body) else {
        return Response::json(
            400,
            "{\"error\":\"not a notification of Radarr or Sonarr\"}",
        );
    };
    log::debug!("{}: notification {}", server.title, notice.event);
    if let (Some(imports), Some(infohash)) = (&services.imports, &notice.infohash) {
        match notice.event.as_str() {
            "download" => imports.landed(&server.title),
            "manualinteractionrequired" => {
                imports.needs_attention(&server.title, infohash, notice.messages);
            }
            _ => {}
        }
    }
    Response::json(200, "{}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

    #[test]
    fn notifications_as_they_come() {
        // Shapes: Sonarr WebhookPayload and its children; nulls are left out.
        let check = |body: &str, event: &str, has_hash: bool, messages: &[&str]| {
            let notice = Notice::read(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
            assert_eq!(notice.event, event);
            assert_eq!(notice.infohash.is_some(), has_hash, "{body}");
            assert_eq!(notice.messages, messages, "{body}");
        };
        check(
            r#"{"series":{"id":1},"episodes":[],"eventType":"Test","instanceName":"Sonarr"}"#,
            "test",
            false,
            &[],
        );
        check(
            &format!(
                r#"{{"movie":{{"id":1}},"movieFile":{{"path":"/m/x.mkv"}},"isUpgrade":false,
                    "downloadClient":"jackdaw","downloadId":"{HASH}","eventType":"Download"}}"#
            ),
            "download",
            true,
            &[],
        );
        check(
            r#"{"eventType":"Download","downloadId":"SABnzbd_nzo_x"}"#,
            "download",
            false,
            &[],
        );
        check(
            &format!(
                r#"{{"downloadInfo":{{"title":"A.B"}},"downloadId":"{HASH}","downloadStatus":"Warning",
                    "downloadStatusMessages":[{{"title":"A.B","messages":["Manual Import required."]}},
                    {{"title":"a.mkv","messages":["Sample"]}}],"eventType":"ManualInteractionRequired"}}"#
            ),
            "manualinteractionrequired",
            true,
            &["Manual Import required.", "a.mkv: Sample"],
        );
    }

    #[test]
    fn what_is_no_notification_is_refused() {
        let sound = format!(r#"{{"eventType":"Download","downloadId":"{HASH}"}}"#);
        for at in 0..sound.len() {
            assert_eq!(Notice::read(&sound.as_bytes()[..at]), None);
        }
        for body in [
            "null",
            "[]",
            "{}",
            "7",
            r#"{"eventType":null}"#,
            "{\"eventType\":\"\u{0}\"}",
        ] {
            assert_eq!(Notice::read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(Notice::read(b"{\"eventType\":\"\xff\"}"), None);
        let deep = format!("{{\"eventType\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(Notice::read(deep.as_bytes()), None);
    }
}
