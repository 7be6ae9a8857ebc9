//! What would be written, and what that changes.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use snapshot_engine::{Document, Report, UnixMillis};
use snapshot_format::Lines;

use crate::edit::change::Changes;
use crate::edit::original::Original;
use crate::edit::{Edit, Edited};
use crate::failure::Failure;
use crate::show::shown_path;

/// A file before and after an edit.
pub(super) struct Plan {
    pub(super) original: Original,
    edited: Edited,
    pub(super) new_bytes: u64,
    pub(super) new_lines: u64,
}

impl Plan {
    /// Reads the file and edits what it says; nothing is written.
    pub(super) fn new<E: Edit>(edit: &E, path: &Path) -> Result<Self, Failure> {
        let takes_damage = |report: &Report| edit.takes_damage(report);
        let original = Original::read(path.as_os_str(), E::ASKS, takes_damage)?;
        let edited = edit
            .edit(&original)
            .map_err(|why| Failure::told(format!("{}: {why}", shown_path(path.as_os_str()))))?;
        let mut plan = Self { original, edited, new_bytes: 0, new_lines: 0 };
        let (mut bytes, mut lines) = (0, 0);
        // The time of the seals is a number of thirteen digits whenever it is.
        for batch in plan.document().batches(now()) {
            bytes += batch.len() as u64;
            lines += Lines::new(&batch).count() as u64;
        }
        (plan.new_bytes, plan.new_lines) = (bytes, lines);
        Ok(plan)
    }

    /// What is to be written.
    pub(super) fn document(&self) -> &Document {
        self.edited.document.as_ref().unwrap_or(&self.original.document)
    }

    pub(super) fn report(&self) -> &Report {
        &self.original.report
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.edited.notes
    }

    pub(super) fn changes(&self) -> Changes<'_> {
        if self.edited.document.is_none() && !self.original.is_damaged() {
            return Changes::default();
        }
        Changes::new(&self.original, self.document())
    }

    pub(super) fn torn_bytes(&self) -> u64 {
        self.report().torn.as_ref().map_or(0, |torn| torn.end - torn.start)
    }

    /// How many nodes are alive as Serf reads the old file and the new one, at the same address.
    pub(super) fn kept(&self, rejoins: bool) -> usize {
        let (before, after) = (self.original.serfs(rejoins), self.document().state(rejoins));
        before.alive().filter(|(name, addr)| after.addr_of(*name) == Some(*addr)).count()
    }
}

pub(super) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
