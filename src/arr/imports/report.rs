//! Tells an arr that grabs have finally failed, so that it blocklists them and searches again.
//!
//! No state of a download client means "failed" to Sonarr and Radarr; only their REST API can say
//! it. What is in the queue is deleted there with `blocklist`, and the arr then deletes it here,
//! while we wait for its answer; so nothing may be locked, and no thread that answers may wait.
//! What is only in the history is marked as failed there. What the arr has never heard of is
//! reported to nobody. A grab counts as told when the arr has said yes, not before.

use std::collections::HashMap;

use super::ask;
use super::record::Event;
use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::downloads::Downloads;
use crate::grab::Grab;

/// Failures told in one round: each is up to four requests, and other arrs wait meanwhile.
const MAX_REPORTS: usize = 50;

/// How long an arr may take to list what it has just grabbed: it writes its history after we have
/// accepted, and looks at its client every minute. Told through its queue, a failure is also
/// removed here; so the queue is waited for.
const LISTED_AFTER: u64 = 120;

/// Tells of all of these. An error leaves the rest for another time.
pub fn report(
    arr: &ArrClient,
    downloads: &Downloads,
    failed: &[Grab],
    now_unix: u64,
) -> Result<(), ArrError> {
    let failed = &failed[..failed.len().min(MAX_REPORTS)];
    let mut queued = HashMap::new();
    ask::queue(arr, &mut |item| {
        if let Some(id) = item.id
            && failed.iter().any(|grab| grab.infohash == item.infohash)
        {
            // A pack has an entry for each of its episodes; deleting one deletes the download.
            queued.entry(item.infohash).or_insert(id);
        }
    })?;
    let mut first_error = None;
    for grab in failed {
        let queued = queued.get(&grab.infohash).copied();
        if queued.is_none() && now_unix.saturating_sub(grab.added_at) < LISTED_AFTER {
            continue;
        }
        match tell(arr, grab, queued) {
            Ok(outcome) => {
                log::info!(
                    "{}: {outcome}: \"{}\" (grab {})",
                    arr.name(),
                    grab.title,
                    grab.id
                );
                if let Err(error) = downloads.set_failure_reported(grab.id) {
                    log::error!("cannot remember that a failure was reported: {error}");
                }
            }
            // About this one only: the others may fare better.
            Err(error @ (ArrError::Status { .. } | ArrError::Invalid { .. })) => {
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn tell(arr: &ArrClient, grab: &Grab, queued: Option<u64>) -> Result<&'static str, ArrError> {
    if let Some(id) = queued {
        match ask::fail_queued(arr, id) {
            Ok(()) => return Ok("told that a download failed; it is blocklisted"),
            // Gone since we looked.
            Err(ArrError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let mut grabbed = None;
    let mut is_told = false;
    ask::history_of(arr, &grab.infohash, &mut |record| match record.event {
        Event::Grabbed => grabbed = grabbed.or(record.id),
        // Newest first: a failure after the last grab.
        Event::Other(name) if name == "downloadFailed" && grabbed.is_none() => is_told = true,
        _ => {}
    })?;
    if is_told {
        return Ok("knows already that a download failed");
    }
    let unknown = "does not know the download that failed, so nothing is blocklisted";
    let Some(id) = grabbed else {
        return Ok(unknown);
    };
    match ask::fail_grabbed(arr, id) {
        Ok(()) => Ok("told that a grab failed; it is blocklisted"),
        Err(ArrError::NotFound(_)) => Ok(unknown),
        Err(error) => Err(error),
    }
}
