//! How a grab is accepted: the stub is vetted, a folder chosen, the row written.
//!
//! Refused is a stub that is not ours, is larger than `max_file_size`, or names a friend who is not
//! configured. No two grabs get one folder, and none gets a folder that lies there already. All of it
//! is decided before [`Downloads::add`] returns, and none of it asks the friend.

use super::{AddError, Downloads, NewGrab, names};
use crate::clock::now_unix;
use crate::grab::{Grab, State};
use crate::store::{Added, NewRow, StoreError};
use crate::sys::lock;
use crate::torrent::stub::{Infohash, Stub};

/// Folder names tried before an add is refused.
const MAX_FOLDER_NAMES: u32 = 1000;

impl Downloads {
    /// Says whether [`Downloads::add`] would accept this torrent, without adding it.
    pub fn check(&self, torrent: &[u8]) -> Result<(), AddError> {
        self.vet(torrent).map(|_| ())
    }

    /// Accepts a grab; it is in the list when this returns. A stub that the same login added and
    /// that has not ended: accepted, and nothing changes.
    pub fn add(&self, new: NewGrab) -> Result<Infohash, AddError> {
        let (stub, infohash) = self.vet(&new.torrent)?;
        let unavailable = |error: StoreError| AddError::Unavailable(error.to_string());
        let _held = lock(&self.engine.adding);
        let folder = self.choose_folder(&stub.title)?;
        let row = NewRow {
            grab: Grab {
                category: new.category,
                tags: new.tags,
                state: if new.paused {
                    State::Paused
                } else {
                    State::Queued
                },
                force_start: new.force_start,
                download_limit: new.download_limit,
                ratio_limit: new.ratio_limit,
                seeding_time_limit: new.seeding_time_limit,
                inactive_seeding_time_limit: new.inactive_seeding_time_limit,
                ..Grab::of_stub(&new.arr, infohash, stub, folder, now_unix())
            },
            stub: &new.torrent,
        };
        let added = self.engine.store.insert_grab(&row).map_err(unavailable)?;
        match added {
            Added::Alive => log::info!("{}: \"{}\" is here already", row.grab.arr, row.grab.title),
            Added::Fresh { id, replaced } => {
                if let Some(old) = replaced {
                    self.engine.forget(old);
                    self.engine.layout.remove_part(old, &infohash);
                }
                log::info!(
                    "{}: accepted \"{}\" (grab {id})",
                    row.grab.arr,
                    row.grab.title
                );
                self.engine.touch([id]);
                self.engine.ring();
            }
        }
        Ok(infohash)
    }

    fn vet(&self, torrent: &[u8]) -> Result<(Stub, Infohash), AddError> {
        let (stub, infohash) = Stub::parse(torrent).map_err(AddError::Stub)?;
        let limit = self.engine.settings.max_file_size;
        if limit > 0 && stub.size > limit {
            return Err(AddError::TooLarge {
                size: stub.size,
                limit,
            });
        }
        if self.engine.peers.get(&stub.peer_id).is_none() {
            return Err(AddError::UnknownPeer(stub.peer_id));
        }
        Ok((stub, infohash))
    }

    /// A folder name that neither a grab nor anything on the disk has. The caller holds `adding`.
    fn choose_folder(&self, title: &str) -> Result<String, AddError> {
        let base = names::folder_name(title);
        for n in 1..=MAX_FOLDER_NAMES {
            let folder = names::numbered(&base, n);
            let is_taken = self
                .engine
                .store
                .grab_folder_is_taken(&folder)
                .map_err(|error| AddError::Unavailable(error.to_string()))?;
            if is_taken {
                continue;
            }
            match self.engine.layout.is_free(&folder) {
                Ok(true) => return Ok(folder),
                Ok(false) => {}
                Err(error) => {
                    return Err(AddError::Unavailable(format!(
                        "cannot look into {}: {error}",
                        self.engine.layout.completed().display()
                    )));
                }
            }
        }
        Err(AddError::Unavailable(format!(
            "there are {MAX_FOLDER_NAMES} folders named like \"{base}\" in {}",
            self.engine.layout.completed().display()
        )))
    }
}
