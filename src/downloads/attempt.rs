//! One attempt: ask the friend for the rest of a file, judge the answer, move the bytes.
//!
//! In: a [`Job`]; out: the part file is complete, or a [`Failure`]. The item is read before the
//! first byte is asked for, because it names the file: an unsafe name is refused before anything is
//! written. Size rules: release and headers must agree, whatever the stub once said; where an answer
//! announces another size, the item is read again, and only if it says the same does the new size
//! count (the friend has replaced the file). A size that no stub can stand for, or beyond
//! `max_file_size`, never does. The part file is not given up before the answer that replaces it has
//! begun.

use std::sync::Arc;
use std::time::Duration;

use super::Grab;
use super::engine::Engine;
use super::expect::{self, Asked, Head, Verdict};
use super::failover::Comparison;
use super::live::{Live, Run};
use super::names;
use super::retry::{Class, Failure};
use super::slow::Crawl;
use super::space::Bytes;
use super::transfer::{self, Meters, Part, Stop};
use crate::peer::client::{FileAnswer, FileRequest, PeerClient};
use crate::release::Release;
use crate::store::StoreError;
use crate::torrent::stub;

/// Longest wait for the description of an item: it is small, and a friend that takes longer is not
/// fit to send a file either.
pub const ITEM_TIMEOUT: Duration = Duration::from_secs(15);

/// A grab at work.
pub struct Job<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// How it is stopped.
    pub run: &'a Run,
    /// Its figures.
    pub live: Arc<Live>,
    /// The row; kept in step with the database.
    pub grab: Grab,
    /// Its part file.
    pub part: Part,
    /// Notices a slow friend.
    pub crawl: Crawl,
    /// Friend and item that were left in this run because they were slow.
    pub left: Vec<(String, String)>,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        // Waits like for a disk: the database lies on one, and it is not the friend's fault.
        Failure::new(Class::Disk, error.to_string())
    }
}

impl Job<'_> {
    /// Makes one attempt with the present origin.
    pub fn attempt(&mut self) -> Result<(), Failure> {
        let peer = self.peer()?;
        if self.grab.filename.is_none() {
            let release = self.ask(&peer, &self.grab.item_id)?;
            self.accept(&peer, &release)?;
        }
        if self.part.length() > self.grab.size {
            log::warn!(
                "\"{}\": the part file has more bytes than the file: starting over",
                self.grab.title
            );
            self.clear()?;
        }
        // Once, unless a slow friend is left for a faster one on the way.
        while self.part.length() < self.grab.size {
            let peer = self.peer()?;
            let result = self.reserve().and_then(|()| self.fetch(&peer));
            if let Err(error) = self.part.rest() {
                return Err(Failure::disk("sync", self.part.path(), &error));
            }
            result?;
        }
        Ok(())
    }

    /// The friend it comes from.
    fn peer(&self) -> Result<Arc<PeerClient>, Failure> {
        let peer = self.engine.peers.get(&self.grab.peer_id).map(Arc::clone);
        peer.ok_or_else(|| {
            Failure::new(
                Class::Elsewhere,
                "the friend it comes from is not configured any more",
            )
        })
    }

    /// Throws away what we have.
    pub fn clear(&mut self) -> Result<(), Failure> {
        self.part
            .clear()
            .map_err(|error| Failure::disk("empty", self.part.path(), &error))?;
        self.live.set_have(0);
        Ok(())
    }

    /// Before the friend is asked: a full disk is no reason to bother anybody.
    fn reserve(&self) -> Result<(), Failure> {
        self.part
            .reserve(self.grab.size)
            .map_err(|error| Failure::disk("reserve room for", self.part.path(), &error))
    }

    /// Asks a friend for the item.
    pub fn ask(&self, peer: &PeerClient, item_id: &str) -> Result<Release, Failure> {
        let release = peer.item_unless(item_id, ITEM_TIMEOUT, &self.run.cancel)?;
        release.ok_or_else(|| {
            Failure::new(
                Class::Elsewhere,
                format!("{} does not offer it any more", peer.name()),
            )
        })
    }

    fn fetch(&mut self, peer: &PeerClient) -> Result<(), Failure> {
        let mut offset = self.part.length();
        // Whether an answer did not say of which version it is, and whether samples were equal.
        let (mut is_doubted, mut is_compared) = (false, false);
        loop {
            let mut validator = self.engine.store.grab_validator(self.grab.id)?;
            if offset > 0 && !is_compared && (validator.is_none() || is_doubted) {
                // No header would tell if the file had been replaced by one of the same size.
                match self.compare(peer, &self.grab.item_id)? {
                    Comparison::Same(named)
                        if validator.is_none() || named.is_none() || named == validator =>
                    {
                        is_compared = true;
                        validator = validator.or(named);
                    }
                    Comparison::Same(_) | Comparison::Different => {
                        log::info!(
                            "\"{}\": the file of {} differs from what has come so far, or comes \
                             only as a whole: starting over",
                            self.grab.title,
                            peer.name()
                        );
                        offset = 0;
                    }
                }
            }
            let request = FileRequest {
                offset,
                last: None,
                if_range: validator.clone(),
                idle_timeout: self.engine.settings.idle_timeout,
            };
            let cancel = Arc::clone(&self.run.cancel);
            let answer = peer.file(&self.grab.item_id, &request, cancel)?;
            let asked = Asked {
                offset,
                size: self.grab.size,
                validator: validator.as_deref(),
            };
            let end = match expect::judge(&asked, &head(&answer)) {
                Verdict::Append(end) => end,
                Verdict::Unnamed(end) if is_compared => end,
                Verdict::Unnamed(_) => {
                    is_doubted = true;
                    continue;
                }
                Verdict::Fresh => {
                    self.begin(&answer)?;
                    self.grab.size
                }
                Verdict::OtherSize(size) => {
                    self.agree_on_size(peer, size)?;
                    self.begin(&answer)?;
                    self.grab.size
                }
                Verdict::Restart(why) => {
                    log::info!(
                        "\"{}\": {} {why}: starting over",
                        self.grab.title,
                        peer.name()
                    );
                    // A Restart is never said to a request for the whole file: no endless loop.
                    offset = 0;
                    continue;
                }
                Verdict::Refuse(why) => {
                    return Err(Failure::new(Class::Later, format!("{} {why}", peer.name())));
                }
            };
            return self.receive(peer, answer, end);
        }
    }

    /// The body begins a new copy of the file: from here on, the part file is of its version.
    fn begin(&mut self, answer: &FileAnswer) -> Result<(), Failure> {
        // Emptied first: a version must never be stored for bytes of another one.
        if self.part.length() > 0 {
            self.clear()?;
        }
        let head = head(answer);
        self.engine
            .store
            .set_grab_validator(self.grab.id, expect::validator(&head))?;
        Ok(())
    }

    /// Takes the body, which ends before the byte `end` of the file.
    fn receive(
        &mut self,
        peer: &PeerClient,
        mut answer: FileAnswer,
        end: u64,
    ) -> Result<(), Failure> {
        let size = self.grab.size;
        let is_framed = answer.content_length.is_some();
        let result = loop {
            let meters = Meters {
                pace: &self.engine.pace,
                live: &self.live,
                run: self.run,
                received: &self.engine.received,
            };
            let (body, crawl) = (&mut answer.body, &mut self.crawl);
            match transfer::pump(body, &mut self.part, end, is_framed, &meters, crawl) {
                // A part that was less than the rest.
                Ok(()) if end < size => break Err(Stop::Incomplete),
                Err(Stop::Slow(rate)) => {
                    // If nobody is better, this answer goes on where it was.
                    if self.switch_to_faster(peer, rate)? {
                        return Ok(());
                    }
                }
                result => break result,
            }
        };
        let name = peer.name();
        result.map_err(|stop| match stop {
            Stop::Slow(_) => Failure::new(Class::Later, format!("{name} is slow")),
            Stop::Cancelled => Failure::cancelled(),
            Stop::Network(error) => Failure::new(Class::Later, error.to_string()),
            Stop::Incomplete => Failure::new(
                Class::Later,
                format!(
                    "{name} ended the file early, after {} of {}",
                    Bytes(self.part.length()),
                    Bytes(size)
                ),
            ),
            Stop::TooLong => {
                // All of it may be something else; what cannot be trusted must not be finished.
                match self.clear() {
                    Err(failure) => failure,
                    Ok(()) => Failure::new(
                        Class::Later,
                        format!("{name} sent more than the {size} bytes of the file"),
                    ),
                }
            }
            Stop::Disk(error) => Failure::disk("write", self.part.path(), &error),
        })
    }

    /// Takes over what a friend says about the item: its file name and, where it differs from what
    /// the stub said, its size.
    fn accept(&mut self, peer: &PeerClient, release: &Release) -> Result<(), Failure> {
        if let Some(problem) = names::filename_problem(&release.filename) {
            return Err(Failure::new(
                Class::Elsewhere,
                format!(
                    "{} names a file that cannot be stored: the name {problem}",
                    peer.name()
                ),
            ));
        }
        if release.size != self.grab.size {
            self.adopt_size(peer, release)?;
        }
        // The name that is stored already stays: an arr may have seen it.
        let filename = self.grab.filename.get_or_insert(release.filename.clone());
        self.engine
            .store
            .set_grab_file(self.grab.id, filename, self.grab.size)?;
        self.engine.touch([self.grab.id]);
        Ok(())
    }

    fn adopt_size(&mut self, peer: &PeerClient, release: &Release) -> Result<(), Failure> {
        let name = peer.name();
        if release.title != self.grab.title {
            return Err(Failure::new(
                Class::Elsewhere,
                format!(
                    "{name} has replaced the release: it is \"{}\" now",
                    release.title
                ),
            ));
        }
        if !stub::is_offerable(release.size) {
            return Err(Failure::new(
                Class::Elsewhere,
                format!(
                    "{name} has replaced the file: it has {} now, which is no size of a release",
                    Bytes(release.size)
                ),
            ));
        }
        let limit = self.engine.settings.max_file_size;
        if limit > 0 && release.size > limit {
            return Err(Failure::new(
                Class::Never,
                format!(
                    "{name} has replaced the file: it has {} now, more than max_file_size",
                    Bytes(release.size)
                ),
            ));
        }
        log::warn!(
            "\"{}\": {name} has replaced the file: {} bytes instead of {}",
            self.grab.title,
            release.size,
            self.grab.size
        );
        self.grab.size = release.size;
        Ok(())
    }

    /// An answer announces `size` bytes, which is not what we know: asks again.
    fn agree_on_size(&mut self, peer: &PeerClient, size: u64) -> Result<(), Failure> {
        let release = self.ask(peer, &self.grab.item_id)?;
        if release.size != size {
            return Err(Failure::new(
                Class::Later,
                format!(
                    "{} announces a file of {size} bytes for a release of {}",
                    peer.name(),
                    release.size
                ),
            ));
        }
        self.accept(peer, &release)
    }
}

/// The headers of an answer as they are judged.
pub fn head(answer: &FileAnswer) -> Head<'_> {
    Head {
        status: answer.status,
        content_length: answer.content_length,
        content_range: answer.content_range.as_deref(),
        content_type: answer.content_type.as_deref(),
        etag: answer.etag.as_deref(),
        last_modified: answer.last_modified.as_deref(),
        date: answer.date.as_deref(),
    }
}
