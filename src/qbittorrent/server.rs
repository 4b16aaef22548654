//! Calls about the server itself, and those that jackdaw has nothing to say to.
//!
//! Preferences are the whole object of qBittorrent 4.6 (recorded from a 4.5.2, with the keys that 4.6
//! added), so that strict clients find every key; what a client may draw conclusions from is the truth.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::http::Response;
use crate::json;

use super::dispatch::{Answer, Context, Refusal, done, json as answer_json, text};
use super::journal::Kind;
use super::sync::root;
use super::transfer::{change, limits, whole_kib};
use super::value::{Value, object, push_key};
use super::{API_VERSION, VERSION, lock};

/// Values that never change, one object.
const PREFERENCES: &str = include_str!("preferences.json");

/// `auth/logout`. Other sessions live on; a caller with a key in a header has none to end.
pub(super) fn logout(context: &Context<'_>) -> Answer {
    if let Some(sid) = context.sid {
        lock(&context.face.sessions).close(sid);
    }
    const DAY: Duration = Duration::from_secs(86_400);
    let yesterday = SystemTime::now()
        .checked_sub(DAY)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Response::text(200, "").header(
        "Set-Cookie",
        format!(
            "SID=; expires={}; path=/",
            httpdate::fmt_http_date(yesterday)
        ),
    ))
}

/// `app/version`.
pub(super) fn version(_: &Context<'_>) -> Answer {
    text(VERSION)
}

/// `app/webapiVersion`.
pub(super) fn api_version(_: &Context<'_>) -> Answer {
    text(API_VERSION)
}

/// `app/buildInfo`: of a common build of 4.6.0; clients compare `libtorrent` as text.
pub(super) fn build_info(_: &Context<'_>) -> Answer {
    answer_json(object([
        ("bitness", Value::Int(i64::from(usize::BITS))),
        ("boost", "1.83.0".into()),
        ("libtorrent", "2.0.9.0".into()),
        ("openssl", "3.1.4".into()),
        ("qt", "6.5.3".into()),
        ("zlib", "1.3".into()),
    ]))
}

/// `app/defaultSavePath`.
pub(super) fn default_save_path(context: &Context<'_>) -> Answer {
    text(root(context))
}

/// `app/preferences`.
pub(super) fn preferences(context: &Context<'_>) -> Answer {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    json::fields(PREFERENCES, |key, raw| {
        all.insert(key.to_string(), raw.to_string());
    });
    let root = root(context);
    let limits = limits(context);
    let slots = context
        .downloads()
        .map_or(0, |downloads| downloads.settings().max_concurrent);
    // u64 holds any usize.
    let slots = u64::try_from(slots).unwrap_or(u64::MAX);
    for (key, value) in [
        ("save_path", root.clone().into()),
        ("temp_path", format!("{root}/.partial").into()),
        ("dl_limit", Value::Uint(limits.down)),
        ("up_limit", Value::Uint(limits.up)),
        ("alt_dl_limit", Value::Uint(limits.alt_down)),
        ("alt_up_limit", Value::Uint(limits.alt_up)),
        ("max_active_downloads", Value::Uint(slots)),
        ("max_active_torrents", Value::Uint(slots.saturating_add(2))),
        ("web_ui_username", context.who.login.as_str().into()),
    ] {
        let mut raw = String::new();
        value.write(&mut raw);
        all.insert(key.to_string(), raw);
    }
    let mut out = String::from("{");
    for (key, raw) in &all {
        push_key(&mut out, key);
        out.push_str(raw);
    }
    out.push('}');
    answer_json(out)
}

/// `app/setPreferences`: the speed limits are honoured, everything else is accepted and ignored, as
/// the real server does with what it does not understand.
pub(super) fn set_preferences(context: &Context<'_>) -> Answer {
    let mut wanted: Vec<(String, u64)> = Vec::new();
    let is_object = json::fields(context.input.text("json"), |key, raw| {
        if let ("dl_limit" | "up_limit" | "alt_dl_limit" | "alt_up_limit", Some(limit)) =
            (key, json::as_u64(raw))
        {
            wanted.push((key.to_string(), whole_kib(limit)));
        }
    });
    if is_object && !wanted.is_empty() {
        change(context, |limits| {
            for (key, limit) in wanted {
                match key.as_str() {
                    "dl_limit" => limits.down = limit,
                    "up_limit" => limits.up = limit,
                    "alt_dl_limit" => limits.alt_down = limit,
                    _ => limits.alt_up = limit,
                }
            }
        });
    }
    done()
}

/// A command that has nothing to change here.
pub(super) fn ignored(_: &Context<'_>) -> Answer {
    done()
}

pub(super) fn empty_array(_: &Context<'_>) -> Answer {
    answer_json("[]")
}

pub(super) fn empty_object(_: &Context<'_>) -> Answer {
    answer_json("{}")
}

/// `log/main`. All kinds are shown unless one is switched off.
pub(super) fn log_main(context: &Context<'_>) -> Answer {
    let input = &context.input;
    let shows = |name| input.boolean(name).unwrap_or(true);
    let (normal, warning) = (shows("normal"), shows("warning"));
    let last_known = input.integer("last_known_id").unwrap_or(-1);
    answer_json(lock(&context.face.journal).show(
        &context.who.scope,
        |kind| match kind {
            Kind::Normal => normal,
            Kind::Warning => warning,
        },
        last_known,
    ))
}

/// There is no feed reader: 409, as for a folder that cannot be made.
pub(super) fn no_rss(_: &Context<'_>) -> Answer {
    Err(Refusal::new(409, "jackdaw reads no feeds"))
}

/// `search/status`: no search ever runs.
pub(super) fn search_status(context: &Context<'_>) -> Answer {
    match context.input.get("id") {
        Some(_) => Err(Refusal::not_found()),
        None => answer_json("[]"),
    }
}

/// A search that does not exist.
pub(super) fn no_search(_: &Context<'_>) -> Answer {
    Err(Refusal::not_found())
}

/// `search/start`: 409, as when too many searches run.
pub(super) fn search_start(_: &Context<'_>) -> Answer {
    Err(Refusal::new(409, "jackdaw has no search plugins"))
}
