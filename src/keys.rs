//! Who is calling: keys presented on any face are turned into a [`Caller`] here and nowhere else.

use std::io;
use std::sync::Arc;

use crate::secret::{Secret, digest};
pub use crate::store::Caller;
use crate::store::{Store, StoreError};

/// The owner's key as it is known to us: written in the configuration, or only its digest.
enum OwnerKey {
    Plain(Secret),
    Digest([u8; 32]),
}

/// Looks keys up: the owner's, and the generated ones in the store.
pub struct Keys {
    owner: OwnerKey,
    store: Arc<Store>,
}

impl Keys {
    /// Keys with the owner's key from the configuration.
    pub fn with_owner(owner: Secret, store: Arc<Store>) -> Keys {
        Keys {
            owner: OwnerKey::Plain(owner),
            store,
        }
    }

    /// Keys with the generated owner's key. The first time it is made, and shown by `show`: only
    /// its digest is kept, and only once it has been shown. The error is one line.
    pub fn with_generated(
        store: Arc<Store>,
        show: impl FnOnce(&Secret) -> io::Result<()>,
    ) -> Result<Keys, String> {
        const SETTING: &str = "owner_key_sha256";
        let in_store = |error: StoreError| error.to_string();
        let stored = match store.setting(SETTING).map_err(in_store)? {
            Some(stored) => stored,
            None => {
                let key = Secret::new(crate::secret::random_hex::<16>());
                show(&key).map_err(|error| {
                    format!(
                        "cannot show the key that was made, for no api_key is configured: \
                         standard output: {error}"
                    )
                })?;
                let stored = crate::secret::hex(&digest(key.expose()));
                store.set_setting(SETTING, &stored).map_err(in_store)?;
                stored
            }
        };
        let mut owner = [0u8; 32];
        for (index, byte) in owner.iter_mut().enumerate() {
            *byte = stored
                .get(index * 2..index * 2 + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or_else(|| {
                    in_store(StoreError::Corrupt(format!(
                        "setting {SETTING} is not a SHA-256"
                    )))
                })?;
        }
        Ok(Keys {
            owner: OwnerKey::Digest(owner),
            store,
        })
    }

    /// Whose key `presented` is; `None` = nobody's.
    pub fn identify(&self, presented: &str) -> Option<Caller> {
        use subtle::ConstantTimeEq;
        if presented.is_empty() {
            return None;
        }
        let presented_digest = digest(presented);
        let is_owner = match &self.owner {
            OwnerKey::Plain(secret) => secret.matches(presented),
            OwnerKey::Digest(owner) => owner.ct_eq(&presented_digest).into(),
        };
        if is_owner {
            return Some(Caller::Owner);
        }
        match self.store.key_owner(&presented_digest) {
            Ok(found) => found,
            Err(error) => {
                log::error!("cannot look up a key: {error}");
                None
            }
        }
    }

    /// True for a key that was somebody's until it was revoked; so that a refusal can say why.
    pub fn is_revoked(&self, presented: &str) -> bool {
        match self.store.key_is_revoked(&digest(presented)) {
            Ok(is_revoked) => is_revoked,
            Err(error) => {
                log::error!("cannot look up a key: {error}");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::random_hex;

    #[test]
    fn a_generated_key_counts_once_it_was_shown() {
        let dir = std::env::temp_dir().join(format!("jackdaw-keys-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Arc::new(Store::open(&dir).unwrap());
        let make = |show: &mut dyn FnMut(&Secret) -> io::Result<()>| {
            Keys::with_generated(Arc::clone(&store), show)
        };
        // Standard output may be closed, or a full disk.
        let refused = make(&mut |_| Err(io::Error::other("closed")));
        assert!(refused.is_err_and(|error| error.ends_with("standard output: closed")));
        let mut shown = Vec::new();
        make(&mut |key| {
            shown.push(key.expose().to_owned());
            Ok(())
        })
        .ok()
        .unwrap();
        let keys = make(&mut |_| panic!("shown once only")).ok().unwrap();
        assert_eq!(keys.identify(&shown[0]), Some(Caller::Owner));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn revoked_keys_are_nobodys_and_known_as_revoked() {
        let dir = std::env::temp_dir().join(format!("jackdaw-keys-{}", random_hex::<8>()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Arc::new(Store::open(&dir).unwrap());
        for (key, revoked_at) in [("good", None), ("bad", Some(1))] {
            store
                .writer()
                .execute(
                    "INSERT INTO key (role, name, sha256, created_at, revoked_at)
                     VALUES ('arr', 'Radarr', ?1, 1, ?2)",
                    rusqlite::params![digest(key), revoked_at],
                )
                .unwrap();
        }
        let keys = Keys::with_owner(Secret::new("owner"), store);
        let check = |key: &str, caller: Option<Caller>, is_revoked| {
            assert_eq!(keys.identify(key), caller, "{key}");
            assert_eq!(keys.is_revoked(key), is_revoked, "{key}");
        };
        check("good", Some(Caller::Arr("Radarr".into())), false);
        check("bad", None, true);
        check("owner", Some(Caller::Owner), false);
        check("other", None, false);
        check("", None, false);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
