//! What came of a round, in words that the log, `jackdaw register` and `jackdaw status` share.
//!
//! Pure. The arr's own messages are in it, in full.

use std::fmt;

use super::wanted::{Part, Plan};
use crate::arr::error::ArrError;
use crate::store::StoreError;

/// What happened, or would happen, to one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is as wanted.
    Nothing,
    /// It was missing.
    Made,
    /// An entry of our name was another program's, of this implementation.
    TookOver(String),
    /// These settings differed.
    Repaired(Vec<String>),
    /// It was ours and is gone.
    Removed,
    /// It could not be done; only for the notification.
    Failed(String),
}

/// What came of it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Every entry that was looked at.
    pub deeds: Vec<(Part, Deed)>,
    /// What the owner should know although it works.
    pub notes: Vec<String>,
}

impl Outcome {
    /// True if something was, or would be, done.
    pub fn is_change(&self) -> bool {
        self.deeds
            .iter()
            .any(|(_, deed)| !matches!(deed, Deed::Nothing | Deed::Failed(_)))
    }

    /// Reason of a notification that could not be saved.
    pub(super) fn hook_failure(&self) -> Option<&str> {
        self.deeds.iter().find_map(|(_, deed)| match deed {
            Deed::Failed(reason) => Some(reason.as_str()),
            _ => None,
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (part, deed) in &self.deeds {
            let label = part.label();
            f.write_str(separator)?;
            separator = ", ";
            match deed {
                Deed::Nothing => write!(f, "{label} as wanted")?,
                Deed::Made => write!(f, "{label} made")?,
                Deed::TookOver(was) => write!(f, "{label} taken over (was {was})")?,
                Deed::Repaired(names) => write!(f, "{label} repaired ({})", names.join(", "))?,
                Deed::Removed => write!(f, "{label} removed")?,
                Deed::Failed(reason) => write!(f, "{label} failed: {reason}")?,
            }
        }
        if self.deeds.is_empty() {
            f.write_str("nothing of ours there")?;
        }
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        Ok(())
    }
}

/// Why it did not work; already a message for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble(pub(super) String);

impl From<ArrError> for Trouble {
    fn from(error: ArrError) -> Trouble {
        Trouble(error.to_string())
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble(error.to_string())
    }
}

/// What saving this plan does.
pub(super) fn deed(plan: &Plan) -> Deed {
    match (&plan.adopts, plan.id) {
        (Some(was), _) => Deed::TookOver(was.clone()),
        (None, None) => Deed::Made,
        (None, Some(_)) if plan.changes.is_empty() => Deed::Nothing,
        (None, Some(_)) => Deed::Repaired(plan.changes.clone()),
    }
}
