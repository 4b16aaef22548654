//! Who is calling: keys presented on any face are turned into a [`Caller`] here and nowhere else.

use std::sync::Arc;

use crate::secret::{Secret, digest};
use crate::store::{Store, StoreError};

/// Whose key it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// The owner's key: valid on every face.
    Owner,
    /// The key made for the arr of this title.
    Arr(String),
    /// A friend's key (or no more than a friend's rights).
    Friend(String),
}

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

    /// Keys with the generated owner's key. `Some(key)` is returned beside it the first time,
    /// when it was made: the caller prints it, for only its digest is kept.
    pub fn with_generated(store: Arc<Store>) -> Result<(Keys, Option<Secret>), StoreError> {
        const SETTING: &str = "owner_key_sha256";
        let (stored, fresh) = match store.setting(SETTING)? {
            Some(stored) => (stored, None),
            None => {
                let key = crate::secret::random_hex::<16>();
                let stored = crate::secret::hex(&digest(&key));
                store.set_setting(SETTING, &stored)?;
                (stored, Some(Secret::new(key)))
            }
        };
        let mut owner = [0u8; 32];
        for (index, byte) in owner.iter_mut().enumerate() {
            *byte = stored
                .get(index * 2..index * 2 + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or_else(|| {
                    StoreError::Corrupt(format!("setting {SETTING} is not a SHA-256"))
                })?;
        }
        let keys = Keys {
            owner: OwnerKey::Digest(owner),
            store,
        };
        Ok((keys, fresh))
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
