//! What must be remembered about a registration, because an arr shows secrets only as asterisks:
//! which key was saved with which entry.
//!
//! Pure: a line of `name=value` words in, values out. What cannot be read counts as not known, and
//! then the entries get a fresh key. No key in plain text is ever in it.

use crate::secret::hex;

/// SHA-256 of a key.
pub(super) type Digest = [u8; 32];

/// What was saved at one arr.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Digest of the key in both download client and indexer.
    pub(super) key: Option<Digest>,
    /// Id of the download client there.
    pub(super) client: Option<u64>,
    /// Id of the indexer there.
    pub(super) indexer: Option<u64>,
    /// Digest of the notification's key.
    pub(super) hook_key: Option<Digest>,
    /// Id of the notification there.
    pub(super) hook: Option<u64>,
    /// The indexer is being made: until it is switched on, its being off is our doing.
    pub(super) enabling: bool,
}

impl Memory {
    /// Reads the line.
    pub(super) fn parse(line: &str) -> Memory {
        let mut memory = Memory::default();
        for word in line.split(' ') {
            match word.split_once('=') {
                Some(("key", value)) => memory.key = digest(value),
                Some(("client", value)) => memory.client = value.parse().ok(),
                Some(("indexer", value)) => memory.indexer = value.parse().ok(),
                Some(("hook_key", value)) => memory.hook_key = digest(value),
                Some(("hook", value)) => memory.hook = value.parse().ok(),
                Some(("enabling", value)) => memory.enabling = value == "1",
                _ => {}
            }
        }
        memory
    }

    /// Writes the line.
    pub(super) fn line(&self) -> String {
        let words = [
            self.key.map(|digest| format!("key={}", hex(&digest))),
            self.client.map(|id| format!("client={id}")),
            self.indexer.map(|id| format!("indexer={id}")),
            self.hook_key
                .map(|digest| format!("hook_key={}", hex(&digest))),
            self.hook.map(|id| format!("hook={id}")),
            self.enabling.then(|| "enabling=1".to_owned()),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Digests of the keys in use.
    pub(super) fn keys(&self) -> Vec<Digest> {
        self.key.into_iter().chain(self.hook_key).collect()
    }
}

fn digest(hex: &str) -> Option<Digest> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; 32];
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::digest as sha256;

    #[test]
    fn lines_are_read_back() {
        let full = Memory {
            key: Some(sha256("a")),
            client: Some(3),
            indexer: Some(5),
            hook_key: Some(sha256("b")),
            hook: Some(7),
            enabling: true,
        };
        for memory in [full, Memory::default()] {
            assert_eq!(Memory::parse(&memory.line()), memory);
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        for line in [
            "",
            "key",
            "key=",
            "key=zz client=-1 indexer=x hook= enabling=2 new=1",
            &format!("key={}", "é".repeat(32)),
            &format!("key={}", "+".repeat(64)),
        ] {
            assert_eq!(Memory::parse(line), Memory::default(), "{line}");
        }
    }
}
