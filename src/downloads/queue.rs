//! The queue.

use std::sync::Arc;

use super::State;
use super::engine::Engine;
use super::states::Event;
use crate::store::StoreError;

impl Engine {
    /// Puts grabs that were running back into the queue and removes part files without a grab.
    pub fn put_in_order(&self) -> Result<(), StoreError> {
        for grab in self.store.pending_grabs()? {
            if grab.state == State::Downloading {
                self.advance(grab.id, &super::engine::plain(Event::Interrupted))?;
            }
        }
        Ok(())
    }
}

pub fn start(_engine: &Arc<Engine>) -> Result<(), String> {
    Ok(())
}

pub fn stop(_engine: &Engine) {}
