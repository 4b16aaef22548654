//! Saving one entry, and what of the arr's objections is overruled.
//!
//! An edge; the rules are `ProviderControllerBase`'s of Sonarr 4 and Radarr 6: POST and PUT of an enabled
//! entry test it, warnings block unless `forceSave`, and `forceSave` skips the test itself only in a PUT.
//! Tested in tests/registration.rs.

use miniserde::json::Value;

use super::memory::Memory;
use super::outcome::{Outcome, Trouble};
use super::reconcile::Ground;
use super::resource::{Resource, id_of, number};
use super::wanted::{self, Part, Plan};
use crate::arr::error::{ArrError, Validation};
use crate::store::Store;

impl Ground<'_> {
    /// Saves client or notification with the arr's test. Only warnings are overruled.
    pub(super) fn save(
        &self,
        part: Part,
        plan: &Plan,
        outcome: &mut Outcome,
    ) -> Result<u64, Trouble> {
        let body = plan.body.clone().into_body();
        let Some(id) = plan.id else {
            // In a POST, forceSave overrules warnings but no errors.
            let answer = self
                .arr
                .post(&format!("{}?forceSave=true", part.path()), &body)?;
            return self.made(part, &answer);
        };
        if plan.changes.is_empty() {
            return Ok(id);
        }
        let path = format!("{}/{id}", part.path());
        match self.arr.put(&path, &body) {
            Ok(_) => Ok(id),
            Err(error) if only_warnings(&error) => {
                outcome.notes.push(overruled(&error));
                self.arr.put(&format!("{path}?forceSave=true"), &body)?;
                Ok(id)
            }
            Err(error) if plan.adopts.is_some() && is_refusal(&error) => {
                log::info!("{error}; deleting it and making ours instead");
                self.replace(part, id, &plan.body)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Saves the indexer. Its client has just been accepted, so address and key are right; what its
    /// test still finds (no releases, usually) is told and overruled.
    pub(super) fn save_indexer(
        &self,
        store: &Store,
        plan: &Plan,
        memory: &Memory,
        outcome: &mut Outcome,
    ) -> Result<u64, Trouble> {
        let part = Part::Indexer;
        let body = plan.body.clone().into_body();
        let Some(id) = plan.id else {
            let path = format!("{}?forceSave=true", part.path());
            let error = match self.arr.post(&path, &body) {
                Ok(answer) => return self.made(part, &answer),
                Err(error) => error,
            };
            if !may_be_overruled(&error) {
                return Err(error.into());
            }
            // If this is cut short, the next round must know who switched it off.
            let enabling = Memory {
                enabling: true,
                ..memory.clone()
            };
            store.note_arr(&self.identity.title, &enabling.line())?;
            let off = wanted::switched_off(part, &plan.body).into_body();
            let answer = self.arr.post(part.path(), &off)?;
            let id = self.made(part, &answer)?;
            let mut on = plan.body.clone();
            on.set_top("id", number(id));
            self.force(id, on)?;
            outcome.notes.push(overruled(&error));
            return Ok(id);
        };
        if plan.changes.is_empty() {
            return Ok(id);
        }
        match self.arr.put(&format!("{}/{id}", part.path()), &body) {
            Ok(_) => Ok(id),
            Err(error) if may_be_overruled(&error) => {
                self.force(id, plan.body.clone())?;
                outcome.notes.push(overruled(&error));
                Ok(id)
            }
            Err(error) if plan.adopts.is_some() && is_refusal(&error) => {
                log::info!("{error}; deleting it and making ours instead");
                self.arr.delete(&format!("{}/{id}", part.path()))?;
                let mut fresh = plan.clone();
                fresh.body.set_top("id", number(0));
                fresh.id = None;
                self.save_indexer(store, &fresh, memory, outcome)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn force(&self, id: u64, body: Resource) -> Result<(), Trouble> {
        let path = format!("{}/{id}?forceSave=true", Part::Indexer.path());
        self.arr.put(&path, &body.into_body())?;
        Ok(())
    }

    fn replace(&self, part: Part, id: u64, body: &Resource) -> Result<u64, Trouble> {
        self.arr.delete(&format!("{}/{id}", part.path()))?;
        let mut body = body.clone();
        // An entry that is made must have no id.
        body.set_top("id", number(0));
        let path = format!("{}?forceSave=true", part.path());
        let answer = self.arr.post(&path, &body.into_body())?;
        self.made(part, &answer)
    }

    fn made(&self, part: Part, answer: &Value) -> Result<u64, Trouble> {
        id_of(answer).ok_or_else(|| {
            Trouble(format!(
                "{}: it did not tell the id of the {} that it made",
                self.arr.name(),
                part.label()
            ))
        })
    }
}

fn only_warnings(error: &ArrError) -> bool {
    matches!(error, ArrError::Invalid { items, .. } if items.iter().all(|item| item.is_warning))
}

/// What the test of an indexer says may be passed over, except that the key is wrong.
fn may_be_overruled(error: &ArrError) -> bool {
    matches!(error, ArrError::Invalid { items, .. } if !items.iter().any(is_about_login))
}

/// The arr could not log in at us with the key that it has.
pub(super) fn is_about_login(item: &Validation) -> bool {
    !item.is_warning
        && ["username", "password", "apikey"]
            .iter()
            .any(|name| item.property.eq_ignore_ascii_case(name))
}

/// The arr cannot turn one kind of program into another, and nothing says that it may later.
fn is_refusal(error: &ArrError) -> bool {
    matches!(error, ArrError::Status { status, .. } if !matches!(status, 429 | 502 | 503 | 504))
}

fn overruled(error: &ArrError) -> String {
    format!("saved although its test complains: {error}")
}
