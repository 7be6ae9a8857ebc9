//! How the log is, for the host and its operator.

use core::fmt;

/// How the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Health {
    /// Why the log on disk is behind the state and gets no more bytes until it has been rewritten; `None` when it is
    /// good.
    pub stale: Option<Cause>,
    warnings: u8,
}

/// Why a log is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// There is no log yet.
    Missing,
    /// The file was not sealed to its last byte when it was opened: another agent wrote it, or a crash cut it off.
    NotSealed,
    /// More was recorded than the disk took.
    Overflow,
    /// A write failed or was cut short.
    WriteFailed,
    /// A sync failed: what was written since the last one may be lost.
    SyncFailed,
    /// The directory could not be synced after the new log was renamed into place.
    DirSyncFailed,
    /// The file at the path is gone, or was replaced, shortened or written to by somebody else.
    ForeignWriter,
    /// A rename over the log failed, and whether it happened cannot be told.
    InDoubt,
    /// The host runs without a disk.
    Disabled,
}

/// What an operator should know besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Warning {
    /// Locking is impossible there: a second agent on the same path would not be noticed.
    Unlocked = 1,
    /// The path is a mount point and cannot be replaced: mount its directory instead of the file.
    MountTheDirectory = 2,
    /// The file keeps changing under us or its numbers do: it is no longer checked for other writers.
    CheckOff = 4,
    /// There was no space for a new log.
    NoSpace = 8,
    /// The last rewrite failed; it is tried again.
    RewriteFailed = 16,
}

impl Health {
    /// The warnings that stand.
    pub fn warnings(self) -> impl Iterator<Item = Warning> {
        use Warning::{CheckOff, MountTheDirectory, NoSpace, RewriteFailed, Unlocked};
        [Unlocked, MountTheDirectory, CheckOff, NoSpace, RewriteFailed]
            .into_iter()
            .filter(move |warning| self.warnings & *warning as u8 != 0)
    }

    /// Whether all is well: not stale, no warnings.
    #[must_use]
    pub const fn is_good(self) -> bool {
        self.stale.is_none() && self.warnings == 0
    }

    /// The same with one more warning.
    #[must_use]
    pub const fn with(mut self, warning: Warning) -> Self {
        self.warnings |= warning as u8;
        self
    }

    pub(crate) const fn stale(cause: Option<Cause>) -> Self {
        Self { stale: cause, warnings: 0 }
    }

    pub(crate) const fn set(&mut self, warning: Warning, on: bool) {
        if on {
            self.warnings |= warning as u8;
        } else {
            self.warnings &= !(warning as u8);
        }
    }

    pub(crate) const fn has(self, warning: Warning) -> bool {
        self.warnings & warning as u8 != 0
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stale {
            None => f.write_str("good")?,
            Some(cause) => write!(f, "stale: {cause}")?,
        }
        self.warnings().try_for_each(|warning| write!(f, "; {warning}"))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no log yet",
            Self::NotSealed => "the file was not sealed to its last byte",
            Self::Overflow => "more was recorded than the disk took",
            Self::WriteFailed => "a write failed",
            Self::SyncFailed => "a sync failed",
            Self::DirSyncFailed => "the directory could not be synced",
            Self::ForeignWriter => "somebody else removed, replaced or wrote the file",
            Self::InDoubt => "a rename failed, and whether it happened cannot be told",
            Self::Disabled => "the snapshot is kept in memory only",
        })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unlocked => "the path cannot be locked",
            Self::MountTheDirectory => {
                "the file is a mount point and cannot be replaced: mount its directory"
            }
            Self::CheckOff => "the file is no longer checked for other writers",
            Self::NoSpace => "no space for a new log",
            Self::RewriteFailed => "the last rewrite failed",
        })
    }
}
