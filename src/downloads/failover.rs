//! Another friend for the same release, without losing what has come from the first.
//!
//! The same release means the same title and size, which does not make the same bytes: two people
//! may have remuxed one film to one length. So before bytes of a new friend are appended, a few
//! sampled blocks of the part file are compared with its own ([`spans`]); and likewise before going
//! on with a friend that names no version of its file, as jack does. If they differ, nothing is
//! spliced: the old friend stays, or, where it will never come back, the file begins anew with the
//! new one. The change is stored only after the comparison, in one step, so that a crash at
//! any point leaves part file, origin and validator of one version.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt::{Job, head};
use super::expect::{self, ContentRange};
use super::names;
use super::retry::{Class, Failure};
use crate::catalogue::Origin;
use crate::peer::client::{FileRequest, PeerClient};

/// Bytes of a sampled block.
const BLOCK: u64 = 64 * 1024;

/// A part shorter than this is not worth comparing: it is fetched again.
const WORTH_KEEPING: u64 = 4 * BLOCK;

/// Friends that are asked before giving up for now.
const MAX_CANDIDATES: usize = 8;

/// Friends that are asked whether they are faster: the present one waits meanwhile, and the best
/// ones come first.
const MAX_FASTER: usize = 2;

/// What looking for another friend came to.
pub enum Outcome {
    /// The job's origin is another one now.
    Switched,
    /// Nobody else has it.
    Nobody,
    /// Somebody may have it, but cannot be asked now.
    Away,
    /// Stopped from outside.
    Cancelled,
}

/// How the samples compare.
pub enum Comparison {
    /// Equal, and this is how the friend names the version.
    Same(Option<String>),
    /// Not equal, or the friend sends no parts that could be compared.
    Different,
}

impl Job<'_> {
    /// Looks for another friend. `is_gone` says that the present one will never deliver.
    /// `tried` holds origins that are out of the question; a new one is added to it.
    pub fn switch(
        &mut self,
        is_gone: bool,
        tried: &mut Vec<(String, String)>,
    ) -> Result<Outcome, Failure> {
        tried.push((self.grab.peer_id.clone(), self.grab.item_id.clone()));
        let origins = (self.engine.origins)(&self.grab.base_hash)?;
        let mut is_away = false;
        let mut fresh_start = None;
        let candidates = origins
            .into_iter()
            .filter(|origin| !tried.contains(&(origin.peer_id.clone(), origin.item_id.clone())))
            .take(MAX_CANDIDATES)
            .collect::<Vec<_>>();
        for origin in candidates {
            let Some(peer) = self.engine.peers.get(&origin.peer_id).map(Arc::clone) else {
                continue;
            };
            if self.run.is_cancelled() {
                return Ok(Outcome::Cancelled);
            }
            match self.examine(&peer, &origin) {
                Ok(Comparison::Same(validator)) => {
                    self.take_origin(&peer, origin, validator)?;
                    return Ok(Outcome::Switched);
                }
                Ok(Comparison::Different) => {
                    log::info!(
                        "\"{}\": the file of {} differs from what has come so far",
                        self.grab.title,
                        peer.name()
                    );
                    fresh_start.get_or_insert((peer, origin));
                }
                Err(failure) => match failure.class {
                    Class::Cancelled => return Ok(Outcome::Cancelled),
                    Class::Elsewhere | Class::Never => {}
                    Class::Later | Class::NotBefore(_) => is_away = true,
                    Class::NoRoom | Class::Disk => return Err(failure),
                },
            }
        }
        match fresh_start {
            Some((peer, origin)) if is_gone => {
                self.clear()?;
                self.take_origin(&peer, origin, None)?;
                Ok(Outcome::Switched)
            }
            _ if is_away => Ok(Outcome::Away),
            _ => Ok(Outcome::Nobody),
        }
    }

    /// Goes over to a friend that is clearly faster than `rate` bytes a second, if there is one. It
    /// must have the same bytes, whatever the length of the part: there is no need to change. True:
    /// the answer that was being read belongs to the past.
    pub fn switch_to_faster(&mut self, present: &PeerClient, rate: u64) -> Result<bool, Failure> {
        let slow = (self.grab.peer_id.clone(), self.grab.item_id.clone());
        let origins = match (self.engine.origins)(&self.grab.base_hash) {
            Ok(origins) => origins,
            Err(error) => {
                log::debug!("cannot look for a faster friend: {error}");
                return Ok(false);
            }
        };
        let candidates = origins.into_iter().filter(|origin| {
            let candidate = (origin.peer_id.clone(), origin.item_id.clone());
            candidate != slow && !self.left.contains(&candidate)
        });
        for origin in candidates.take(MAX_FASTER).collect::<Vec<_>>() {
            let Some(peer) = self.engine.peers.get(&origin.peer_id).map(Arc::clone) else {
                continue;
            };
            if self.run.is_cancelled() {
                return Ok(false);
            }
            let (validator, sampled, took) = match self.time(&peer, &origin) {
                Ok(Some(timed)) => timed,
                Ok(None) => continue,
                // The present friend still sends: other people's trouble changes nothing.
                Err(failure) => {
                    log::debug!("\"{}\": {}", self.grab.title, failure.reason);
                    continue;
                }
            };
            if self.engine.patience.is_worth_it(rate, sampled, took) {
                log::info!(
                    "\"{}\": {} sends only {rate} bytes a second",
                    self.grab.title,
                    present.name()
                );
                self.take_origin(&peer, origin, validator)?;
                self.left.push(slow);
                self.crawl.start_over();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Compares, and says how many bytes came in which time; `None` if it is not the same file.
    fn time(
        &self,
        peer: &PeerClient,
        origin: &Origin,
    ) -> Result<Option<(Option<String>, u64, Duration)>, Failure> {
        self.is_offered(peer, origin)?;
        let sampled = spans(self.part.length(), [0, 0])
            .iter()
            .map(|(first, last)| last - first + 1)
            .sum();
        let began = Instant::now();
        Ok(match self.compare(peer, &origin.item_id)? {
            Comparison::Same(validator) => Some((validator, sampled, began.elapsed())),
            Comparison::Different => None,
        })
    }

    fn take_origin(
        &mut self,
        peer: &PeerClient,
        origin: Origin,
        validator: Option<String>,
    ) -> Result<(), Failure> {
        self.engine.store.set_grab_origin(
            self.grab.id,
            &origin.peer_id,
            &origin.item_id,
            validator.as_deref(),
        )?;
        log::info!(
            "\"{}\": going on with {} from byte {}",
            self.grab.title,
            peer.name(),
            self.part.length()
        );
        self.grab.peer_id = origin.peer_id;
        self.grab.item_id = origin.item_id;
        self.engine.touch([self.grab.id]);
        Ok(())
    }

    /// Whether a candidate offers the release, and the bytes that we have.
    fn examine(&mut self, peer: &PeerClient, origin: &Origin) -> Result<Comparison, Failure> {
        self.is_offered(peer, origin)?;
        if self.part.length() < WORTH_KEEPING {
            self.clear()?;
            return Ok(Comparison::Same(None));
        }
        self.compare(peer, &origin.item_id)
    }

    /// Fails if a candidate does not offer this very release.
    fn is_offered(&self, peer: &PeerClient, origin: &Origin) -> Result<(), Failure> {
        let release = self.ask(peer, &origin.item_id)?;
        let is_same = release.size == self.grab.size
            && release.title == self.grab.title
            && names::filename_problem(&release.filename).is_none();
        match is_same {
            true => Ok(()),
            false => Err(Failure::new(Class::Elsewhere, "offers another release")),
        }
    }

    /// Compares samples of what we have with what a friend sends for the same bytes.
    pub fn compare(&self, peer: &PeerClient, item_id: &str) -> Result<Comparison, Failure> {
        let mut validators = Vec::new();
        for (first, last) in spans(self.part.length(), random()) {
            match self.sample(peer, item_id, first, last)? {
                Comparison::Same(validator) => validators.push(validator),
                Comparison::Different => return Ok(Comparison::Different),
            }
        }
        // One version throughout, or the samples say nothing about any.
        let validator = validators.first().cloned().flatten();
        if validators.iter().any(|other| *other != validator) {
            return Ok(Comparison::Different);
        }
        Ok(Comparison::Same(validator))
    }

    fn sample(
        &self,
        peer: &PeerClient,
        item_id: &str,
        first: u64,
        last: u64,
    ) -> Result<Comparison, Failure> {
        let request = FileRequest {
            offset: first,
            last: Some(last),
            if_range: None,
            idle_timeout: self.engine.settings.idle_timeout,
        };
        let answer = peer.file(item_id, &request, Arc::clone(&self.run.cancel))?;
        let wanted = ContentRange {
            first,
            last,
            total: Some(self.grab.size),
        };
        let got = answer
            .content_range
            .as_deref()
            .and_then(ContentRange::parse);
        if answer.status != 206 || got != Some(wanted) {
            // It cannot be compared, so it must not be appended.
            return Ok(Comparison::Different);
        }
        let validator = expect::validator(&head(&answer)).map(str::to_owned);
        let mut theirs = Vec::new();
        answer
            .body
            .take(BLOCK)
            .read_to_end(&mut theirs)
            .map_err(|error| match self.run.is_cancelled() {
                true => Failure::cancelled(),
                false => Failure::new(Class::Later, error.to_string()),
            })?;
        let mut ours = vec![0; theirs.len()];
        if theirs.len() as u64 != last - first + 1 {
            return Ok(Comparison::Different);
        }
        self.part
            .read_block(first, &mut ours)
            .map_err(|error| Failure::disk("read", self.part.path(), &error))?;
        Ok(match ours == theirs {
            true => Comparison::Same(validator),
            false => Comparison::Different,
        })
    }
}

/// The blocks that are compared, as first and last byte: the first one (container and codec
/// headers), the last one (where a splice would be), and one at random in each half of what lies
/// between: nobody who has once offered a file can know which.
fn spans(length: u64, random: [u64; 2]) -> Vec<(u64, u64)> {
    let block = BLOCK.min(length);
    if block == 0 {
        return Vec::new();
    }
    let last = length - block;
    let half = last / 2;
    let mut starts = vec![
        0,
        random[0] % (half + 1),
        half + random[1] % (last - half + 1),
        last,
    ];
    starts.dedup();
    starts
        .into_iter()
        .map(|start| (start, start + block - 1))
        .collect()
}

fn random() -> [u64; 2] {
    // Without a random source any two blocks will do.
    let number = || getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15);
    [number(), number()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_lie_in_the_part_and_cover_both_ends() {
        for length in [1, BLOCK - 1, BLOCK, BLOCK + 1, WORTH_KEEPING, 1 << 40] {
            for random in [[0, 0], [u64::MAX, u64::MAX], [12_345, 678_910], random()] {
                let spans = spans(length, random);
                assert!(spans.len() <= 4);
                assert_eq!(spans.first().unwrap().0, 0);
                assert_eq!(spans.last().unwrap().1, length - 1);
                for (first, last) in spans {
                    assert!(first <= last && last < length && last - first < BLOCK);
                }
            }
        }
        assert!(spans(0, [1, 2]).is_empty());
    }

    #[test]
    fn a_part_worth_keeping_is_sampled_in_four_places() {
        assert_eq!(
            spans(WORTH_KEEPING, [1, 1]),
            [
                (0, BLOCK - 1),
                (1, BLOCK),
                (BLOCK * 3 / 2 + 1, BLOCK * 5 / 2),
                (BLOCK * 3, BLOCK * 4 - 1)
            ]
        );
    }
}
