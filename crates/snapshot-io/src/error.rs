//! What can go wrong when a snapshot is opened or waited for.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a snapshot could not be opened. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another part of this one, has the snapshot open.
    #[error("{} is in use: another snapshotter holds its lock", .path.display())]
    Locked {
        /// The snapshot.
        path: PathBuf,
    },
    /// Nothing in the file is a record. It may be somebody's document and is not touched.
    #[error("{} is no snapshot: none of its lines is a record", .path.display())]
    NotASnapshot {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another cluster, and the host asked to refuse it.
    #[error("{} belongs to cluster {found:?}, not to {expected:?}", .path.display())]
    ForeignCluster {
        /// The file.
        path: PathBuf,
        /// Whose it says it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// A call to the operating system failed.
    ///
    /// A file that was to be kept aside, or an orphan that was to be adopted, may have its new name already.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Something is not durable, as far as is known: an attempt to make it so failed, or none ended in time.
///
/// The log goes on trying; a new wait may succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not durable: {source}")]
pub struct NotDurable {
    /// What the system said; [`io::ErrorKind::TimedOut`] where the wait ended first.
    pub source: Arc<io::Error>,
}

impl NotDurable {
    pub(crate) fn new(kind: io::ErrorKind, why: &'static str) -> Self {
        Self::because(io::Error::new(kind, why))
    }

    pub(crate) fn because(error: io::Error) -> Self {
        Self { source: Arc::new(error) }
    }

    /// Whether the wait ended before any attempt did: nothing has failed yet.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.source.kind() == io::ErrorKind::TimedOut
    }
}
