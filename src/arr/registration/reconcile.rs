//! One arr brought to the wanted state, shown what would be done, or freed of us.
//!
//! An edge: reads what is stored there, lets `wanted` decide, saves. Order: download client, then the
//! indexer that is bound to it, then the notification, whose failure fails nothing else. Rules of the
//! v3 API that shape it (Sonarr 4 and Radarr 6, `ProviderControllerBase`), tested in tests/registration.rs:
//! - a save makes the arr test us, with calls back; so a client is saved with its test, and when it
//!   has passed, address and key are known to be right;
//! - the test of an indexer fails while the catalogue is empty, and `forceSave` does not skip it in a
//!   POST: the indexer is then made switched off and switched on by a forced PUT;
//! - nobody can read a saved key back, so a repair of one entry whose key is in doubt gives both
//!   a new key, and the old one is revoked when both have the new one.

use super::memory::Memory;
use super::outcome::{Deed, Outcome, Trouble, deed};
use super::resource::Resource;
use super::save::is_about_login;
use super::wanted::{self, Identity, Part, Plan};
use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::keys::Caller;
use crate::secret::{Secret, digest};
use crate::store::Store;

/// Keys that were made in a round that failed half-way, so that the next round goes on with them.
/// Only in memory: their plain text is stored nowhere.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// For client and indexer.
    key: Option<Secret>,
    /// The client that has it already.
    client: Option<u64>,
    /// For the notification.
    hook: Option<Secret>,
}

/// One arr and who we are there.
pub(super) struct Ground<'a> {
    pub(super) arr: &'a ArrClient,
    pub(super) identity: &'a Identity,
    pub(super) now_unix: u64,
}

/// What is stored at the arr under our name or address.
struct Found {
    client: Option<Resource>,
    indexer: Option<Resource>,
    hook: Option<Resource>,
}

impl Ground<'_> {
    /// Brings the arr to the wanted state. With `probe`, entries that look right are tried out as well:
    /// the arr logs in at us with the key that it has.
    pub(super) fn apply(
        &self,
        store: &Store,
        pending: &mut Pending,
        probe: bool,
    ) -> Result<Outcome, Trouble> {
        self.arr.status()?;
        let mut memory = self.memory(Some(store))?;
        self.drop_dead(store, pending)?;
        let found = self.find(&memory)?;
        let mut outcome = Outcome::default();

        let mut fits = self.key_fits(Some(store), &memory, &found)?;
        if fits && probe {
            fits = self.probe(&found, &memory, &mut outcome)?;
        }
        let key = match (&pending.key, fits) {
            (_, true) => None,
            (Some(key), false) => Some(key.clone()),
            (None, false) => {
                // Should we end half-way, nobody knows which entry has which key.
                if memory.key.take().is_some() {
                    store.note_arr(&self.identity.title, &memory.line())?;
                }
                let key = store.make_arr_key(&self.identity.title, self.now_unix)?;
                pending.key = Some(key.clone());
                pending.client = None;
                Some(key)
            }
        };

        // A client that got the new key in a failed round keeps it: no second test for nothing.
        let stored = found.client.as_ref();
        let has_new = stored.is_some()
            && pending.client.is_some()
            && wanted::holds_key(self.identity, Part::Client, stored, pending.client);
        let client_key = key.as_ref().filter(|_| !has_new);
        let plan = self.plan(Part::Client, stored, None, client_key, false)?;
        let client = self.save(Part::Client, &plan, &mut outcome)?;
        if key.is_some() {
            pending.client = Some(client);
        }
        outcome.deeds.push((Part::Client, deed(&plan)));

        let stored = found.indexer.as_ref();
        let plan = self.plan(
            Part::Indexer,
            stored,
            Some(client),
            key.as_ref(),
            memory.enabling,
        )?;
        let indexer = self.save_indexer(store, &plan, &memory, &mut outcome)?;
        outcome.deeds.push((Part::Indexer, deed(&plan)));

        if let Some(key) = &key {
            memory.key = Some(digest(key.expose()));
        }
        memory.client = Some(client);
        memory.indexer = Some(indexer);
        let was_enabling = std::mem::take(&mut memory.enabling);
        self.remember(store, &memory, pending)?;
        pending.key = None;
        pending.client = None;

        match self.hook(store, &mut memory, pending, found.hook.as_ref()) {
            Ok(deed) => {
                outcome.deeds.push((Part::Hook, deed));
                pending.hook = None;
                self.remember(store, &memory, pending)?;
            }
            Err(Trouble(reason)) => outcome.deeds.push((Part::Hook, Deed::Failed(reason))),
        }
        for (part, stored) in [
            (Part::Client, &found.client),
            (Part::Indexer, &found.indexer),
        ] {
            let was_off = stored.as_ref().is_some_and(|stored| {
                !wanted::needs_template(part, Some(stored)) && wanted::is_off(part, stored)
            });
            if was_off && !(part == Part::Indexer && was_enabling) {
                let label = part.label();
                outcome
                    .notes
                    .push(format!("the {label} is switched off there, and left so"));
            }
        }
        Ok(outcome)
    }

    /// What [`Ground::apply`] would do. Changes nothing, here or there. Without a store nothing is
    /// remembered.
    pub(super) fn preview(&self, store: Option<&Store>) -> Result<Outcome, Trouble> {
        self.arr.status()?;
        let memory = self.memory(store)?;
        let found = self.find(&memory)?;
        let fits = self.key_fits(store, &memory, &found)?;
        // Stands for the key that would be made.
        let new = Secret::new("new");
        let key = (!fits).then_some(&new);
        let mut outcome = Outcome::default();
        let client = found.client.as_ref();
        let plan = self.plan(Part::Client, client, None, key, false)?;
        outcome.deeds.push((Part::Client, deed(&plan)));
        let indexer = found.indexer.as_ref();
        // A client that is not there yet gets an id that no entry has.
        let link = client.and_then(Resource::id).unwrap_or(u64::from(u32::MAX));
        let plan = self.plan(Part::Indexer, indexer, Some(link), key, memory.enabling)?;
        outcome.deeds.push((Part::Indexer, deed(&plan)));
        let hook = found.hook.as_ref();
        let key = (!self.hook_fits(store, &memory, hook)?).then_some(&new);
        let plan = self.plan(Part::Hook, hook, None, key, false)?;
        outcome.deeds.push((Part::Hook, deed(&plan)));
        Ok(outcome)
    }

    /// Deletes what is ours by name, kind and address, and what we remember to have made; revokes the
    /// keys. What only has our name, or only leads to us, is told and left.
    pub(super) fn remove(&self, store: Option<&Store>) -> Result<Outcome, Trouble> {
        self.arr.status()?;
        let memory = self.memory(store)?;
        let mut outcome = Outcome::default();
        // The indexer first: it is bound to the client.
        for (part, remembered) in [
            (Part::Indexer, memory.indexer),
            (Part::Hook, memory.hook),
            (Part::Client, memory.client),
        ] {
            for entry in self.list(part, remembered)? {
                let (is_named, is_ours) = (
                    self.identity.is_named(&entry),
                    self.identity.is_ours(part, &entry),
                );
                if !(is_named && is_ours || self.identity.was_ours(part, &entry, remembered)) {
                    let why = match is_ours {
                        true => "has another name",
                        false => "does not lead to us",
                    };
                    outcome.notes.push(format!(
                        "left: the {} \"{}\", which {why}",
                        part.label(),
                        entry.top_text("name")
                    ));
                    continue;
                }
                let Some(id) = entry.id() else { continue };
                match self.arr.delete(&format!("{}/{id}", part.path())) {
                    Ok(()) => outcome.deeds.push((part, Deed::Removed)),
                    // Somebody was faster.
                    Err(ArrError::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if let Some(store) = store {
            match store.forget_arr(&self.identity.title, self.now_unix)? {
                0 => {}
                1 => outcome.notes.push("1 key revoked".to_owned()),
                count => outcome.notes.push(format!("{count} keys revoked")),
            }
        }
        Ok(outcome)
    }

    fn memory(&self, store: Option<&Store>) -> Result<Memory, Trouble> {
        let line = match store {
            Some(store) => store.remembered_arr(&self.identity.title)?,
            None => None,
        };
        Ok(Memory::parse(line.as_deref().unwrap_or_default()))
    }

    /// Keeps the keys that are in use or about to be; all others of this arr are revoked.
    fn remember(&self, store: &Store, memory: &Memory, pending: &Pending) -> Result<(), Trouble> {
        let mut keep = memory.keys();
        keep.extend(pending.hook.iter().map(|key| digest(key.expose())));
        let line = memory.line();
        let title = &self.identity.title;
        let revoked = store.remember_arr(title, &line, &keep, self.now_unix)?;
        if revoked > 0 {
            log::debug!("{}: revoked {revoked} older keys", self.arr.name());
        }
        Ok(())
    }

    /// Pending keys that another process (`jackdaw register`) has revoked are of no use.
    fn drop_dead(&self, store: &Store, pending: &mut Pending) -> Result<(), Trouble> {
        for key in [&mut pending.key, &mut pending.hook] {
            if let Some(secret) = key
                && !self.is_live(store, &digest(secret.expose()))?
            {
                *key = None;
            }
        }
        if pending.key.is_none() {
            pending.client = None;
        }
        Ok(())
    }

    fn is_live(&self, store: &Store, digest: &[u8; 32]) -> Result<bool, Trouble> {
        let owner = store.key_owner(digest)?;
        Ok(owner == Some(Caller::Arr(self.identity.title.clone())))
    }

    /// True if client and indexer have a key of ours that is still valid, as far as can be told.
    fn key_fits(
        &self,
        store: Option<&Store>,
        memory: &Memory,
        found: &Found,
    ) -> Result<bool, Trouble> {
        let (Some(store), Some(key)) = (store, &memory.key) else {
            return Ok(false);
        };
        let holds = |part, stored: &Option<Resource>, remembered| {
            wanted::holds_key(self.identity, part, stored.as_ref(), remembered)
        };
        Ok(holds(Part::Client, &found.client, memory.client)
            && holds(Part::Indexer, &found.indexer, memory.indexer)
            && self.is_live(store, key)?)
    }

    fn hook_fits(
        &self,
        store: Option<&Store>,
        memory: &Memory,
        stored: Option<&Resource>,
    ) -> Result<bool, Trouble> {
        let (Some(store), Some(key)) = (store, &memory.hook_key) else {
            return Ok(false);
        };
        Ok(
            wanted::holds_key(self.identity, Part::Hook, stored, memory.hook)
                && self.is_live(store, key)?,
        )
    }

    /// Lets the arr try the client with the key that it has stored: a restored backup may hold an old
    /// one. False: the key is refused. (The indexer is not tried: with an empty catalogue its test
    /// fails, and the arr would pause it for that.)
    fn probe(
        &self,
        found: &Found,
        memory: &Memory,
        outcome: &mut Outcome,
    ) -> Result<bool, Trouble> {
        let Some(stored) = &found.client else {
            return Ok(false);
        };
        let plan = self.plan(Part::Client, Some(stored), None, None, false)?;
        let is_tried = wanted::is_masked(Part::Client, stored)
            && plan.changes.is_empty()
            && memory.client == stored.id();
        if !is_tried || wanted::is_off(Part::Client, stored) {
            return Ok(true);
        }
        let body = stored.clone().into_body();
        match self.arr.post("/downloadclient/test", &body) {
            Ok(_) => Ok(true),
            Err(ArrError::Invalid { items, .. }) if items.iter().any(is_about_login) => Ok(false),
            Err(error @ ArrError::Invalid { .. }) => {
                outcome
                    .notes
                    .push(format!("its test of our download client fails: {error}"));
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn find(&self, memory: &Memory) -> Result<Found, Trouble> {
        Ok(Found {
            client: self.find_part(Part::Client, memory.client)?,
            indexer: self.find_part(Part::Indexer, memory.indexer)?,
            hook: self.find_part(Part::Hook, memory.hook)?,
        })
    }

    /// The entry of our name, else one that leads to us under another name, else the one that we made
    /// when both our name and our address were others.
    fn find_part(&self, part: Part, remembered: Option<u64>) -> Result<Option<Resource>, Trouble> {
        let identity = self.identity;
        let mut all = self.list(part, remembered)?;
        let at = all
            .iter()
            .position(|entry| identity.is_named(entry))
            .or_else(|| all.iter().position(|entry| identity.is_ours(part, entry)))
            .or_else(|| {
                all.iter()
                    .position(|entry| identity.was_ours(part, entry, remembered))
            });
        Ok(at.map(|at| all.swap_remove(at)))
    }

    /// Entries that have our name, lead to us, or were made by us. A list that breaks off is an error:
    /// what was not seen could be ours.
    fn list(&self, part: Part, remembered: Option<u64>) -> Result<Vec<Resource>, Trouble> {
        let identity = self.identity;
        let mut found = Vec::new();
        self.arr.each(part.path(), &mut |item| {
            let entry = crate::json::parse(item).as_ref().and_then(Resource::new);
            found.extend(entry.filter(|entry| {
                identity.is_named(entry)
                    || identity.is_ours(part, entry)
                    || identity.was_ours(part, entry, remembered)
            }));
        })?;
        Ok(found)
    }

    fn plan(
        &self,
        part: Part,
        stored: Option<&Resource>,
        link: Option<u64>,
        key: Option<&Secret>,
        switch_on: bool,
    ) -> Result<Plan, Trouble> {
        let template = match wanted::needs_template(part, stored) {
            true => Some(self.template(part)?),
            false => None,
        };
        wanted::plan(
            self.identity,
            part,
            template.as_ref(),
            stored,
            link,
            key,
            switch_on,
        )
        .ok_or_else(|| Trouble(format!("{}: no template", self.arr.name())))
    }

    fn template(&self, part: Part) -> Result<Resource, Trouble> {
        let path = format!("{}/schema", part.path());
        let mut found = None;
        self.arr.each(&path, &mut |item| {
            if let Some(entry) = crate::json::parse(item).as_ref().and_then(Resource::new)
                && entry.top_text("implementation") == part.implementation()
            {
                found = Some(entry);
            }
        })?;
        found.ok_or_else(|| {
            Trouble(format!(
                "{}: GET {path}: there is no {} among its templates; is this version too old?",
                self.arr.name(),
                part.implementation()
            ))
        })
    }

    fn hook(
        &self,
        store: &Store,
        memory: &mut Memory,
        pending: &mut Pending,
        stored: Option<&Resource>,
    ) -> Result<Deed, Trouble> {
        let key = match (&pending.hook, self.hook_fits(Some(store), memory, stored)?) {
            (_, true) => None,
            (Some(key), false) => Some(key.clone()),
            (None, false) => {
                if memory.hook_key.take().is_some() {
                    store.note_arr(&self.identity.title, &memory.line())?;
                }
                let key = store.make_arr_key(&self.identity.title, self.now_unix)?;
                pending.hook = Some(key.clone());
                Some(key)
            }
        };
        let plan = self.plan(Part::Hook, stored, None, key.as_ref(), false)?;
        // What it warns of is told with a failure only: nothing depends on the notification.
        let id = self.save(Part::Hook, &plan, &mut Outcome::default())?;
        memory.hook = Some(id);
        if let Some(key) = key {
            memory.hook_key = Some(digest(key.expose()));
        }
        Ok(deed(&plan))
    }
}
