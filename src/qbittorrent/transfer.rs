//! `transfer/*`: rates of all torrents together, and limits on them.
//!
//! The download limit that a client sets really limits, on top of the configured rate, until the next
//! start; so does the alternative one while the alternative mode is on. Nothing is uploaded through
//! this face, so upload limits are only remembered.

use crate::downloads::{Downloads, Totals};

use super::dispatch::{Answer, Context, Refusal, done, json, text};
use super::lock;
use super::value::{Value, object};

/// The real server counts limits in whole KiB.
const KIB: u64 = 1024;

/// What clients have set, bytes per second; 0 = none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub down: u64,
    pub up: u64,
    pub alt_down: u64,
    pub alt_up: u64,
    /// The alternative limits are in force.
    pub alt: bool,
}

impl Default for Limits {
    fn default() -> Self {
        // The real server's defaults.
        Limits {
            down: 0,
            up: 0,
            alt_down: 10 * KIB,
            alt_up: 10 * KIB,
            alt: false,
        }
    }
}

impl Limits {
    fn down_now(&self) -> u64 {
        if self.alt { self.alt_down } else { self.down }
    }

    pub fn up_now(&self) -> u64 {
        if self.alt { self.alt_up } else { self.up }
    }

    fn set_down(&mut self, limit: u64) {
        let slot = if self.alt {
            &mut self.alt_down
        } else {
            &mut self.down
        };
        *slot = whole_kib(limit);
    }

    fn set_up(&mut self, limit: u64) {
        let slot = if self.alt {
            &mut self.alt_up
        } else {
            &mut self.up
        };
        *slot = whole_kib(limit);
    }
}

/// Rounded down to whole KiB.
pub(super) fn whole_kib(limit: u64) -> u64 {
    limit / KIB * KIB
}

/// Changes the limits and puts them in force.
pub(super) fn change(context: &Context<'_>, change: impl FnOnce(&mut Limits)) {
    let mut limits = lock(&context.face.limits);
    change(&mut limits);
    if let Some(downloads) = context.downloads() {
        downloads.set_global_limit(limits.down_now());
    }
}

/// The limits now.
pub(super) fn limits(context: &Context<'_>) -> Limits {
    *lock(&context.face.limits)
}

/// The download limit in force: the client's or the configured one, whichever is lower.
pub(super) fn down_limit(context: &Context<'_>) -> u64 {
    match context.downloads() {
        Some(downloads) => downloads.global_limit(),
        None => limits(context).down_now(),
    }
}

pub(super) fn totals(context: &Context<'_>) -> Totals {
    context
        .downloads()
        .map(Downloads::totals)
        .unwrap_or_default()
}

/// `transfer/info`. Always `connected`: exporters count anything else as trouble.
pub(super) fn info(context: &Context<'_>) -> Answer {
    let totals = totals(context);
    json(object([
        ("connection_status", "connected".into()),
        ("dht_nodes", Value::Int(0)),
        ("dl_info_data", Value::Uint(totals.received)),
        ("dl_info_speed", Value::Uint(totals.speed)),
        ("dl_rate_limit", Value::Uint(down_limit(context))),
        ("up_info_data", Value::Int(0)),
        ("up_info_speed", Value::Int(0)),
        ("up_rate_limit", Value::Uint(limits(context).up_now())),
    ]))
}

/// `transfer/speedLimitsMode`.
pub(super) fn mode(context: &Context<'_>) -> Answer {
    text(if limits(context).alt { "1" } else { "0" })
}

/// `transfer/toggleSpeedLimitsMode`.
pub(super) fn toggle_mode(context: &Context<'_>) -> Answer {
    change(context, |limits| limits.alt = !limits.alt);
    done()
}

/// `transfer/setSpeedLimitsMode`.
pub(super) fn set_mode(context: &Context<'_>) -> Answer {
    let mode = context
        .input
        .integer("mode")
        .ok_or_else(|| Refusal::new(400, "'mode': invalid argument"))?;
    change(context, |limits| limits.alt = mode != 0);
    done()
}

/// `transfer/downloadLimit`.
pub(super) fn download_limit(context: &Context<'_>) -> Answer {
    text(down_limit(context).to_string())
}

/// `transfer/uploadLimit`.
pub(super) fn upload_limit(context: &Context<'_>) -> Answer {
    text(limits(context).up_now().to_string())
}

/// `transfer/setDownloadLimit`.
pub(super) fn set_download_limit(context: &Context<'_>) -> Answer {
    let limit = context.input.rate("limit");
    change(context, |limits| limits.set_down(limit));
    done()
}

/// `transfer/setUploadLimit`.
pub(super) fn set_upload_limit(context: &Context<'_>) -> Answer {
    let limit = context.input.rate("limit");
    change(context, |limits| limits.set_up(limit));
    done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_mode_in_whole_kib() {
        let mut limits = Limits::default();
        limits.set_down(5000);
        limits.set_up(1023);
        assert_eq!((limits.down_now(), limits.up_now()), (4096, 0));
        limits.alt = true;
        assert_eq!((limits.down_now(), limits.up_now()), (10_240, 10_240));
        limits.set_down(u64::MAX);
        assert_eq!(limits.down_now() % KIB, 0);
        limits.alt = false;
        assert_eq!(limits.down_now(), 4096);
    }
}
