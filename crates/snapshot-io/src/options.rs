//! How a snapshot is opened.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use snapshot_engine::{Coordinate, Durability, Health, Identity, LamportTime, Policy};

use crate::os::OsStorage;
use crate::storage::Storage;
use crate::{OpenError, Recovery, Snapshotter, open, time};

/// How a snapshot is opened and kept; every setter takes and returns the options by value.
///
/// ```no_run
/// # use snapshot_io::{Durability, Options};
/// let (log, recovery) = Options::new().durability(Durability::Always).open("/var/lib/agent/serf.snapshot")?;
/// # Ok::<(), snapshot_io::OpenError>(())
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) policy: Policy,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) sources: Sources,
    pub(crate) on_health: Option<OnHealth>,
    pub(crate) file_mode: u32,
    pub(crate) on_foreign_cluster: OnForeignCluster,
}

pub(crate) type OnHealth = Arc<dyn Fn(Health) + Send + Sync>;

/// What the host can be asked.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    pub(crate) clock: Option<Arc<dyn Fn() -> LamportTime + Send + Sync>>,
    pub(crate) coordinate: Option<Arc<dyn Fn() -> Coordinate + Send + Sync>>,
}

/// What to do with a file that belongs to another cluster. Replaying it would bridge the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else to do with a file")]
pub enum OnForeignCluster {
    /// Keep it under another name and start afresh.
    #[default]
    SetAside,
    /// Refuse to open it.
    Refuse,
    /// Replay it: the cluster was renamed.
    Adopt,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults of [`Policy`], on the operating system's files.
    #[must_use]
    pub fn new() -> Self {
        Self {
            policy: Policy::default(),
            storage: Arc::new(OsStorage),
            sources: Sources::default(),
            on_health: None,
            // Serf's: everybody may read who is in the cluster.
            file_mode: 0o644,
            on_foreign_cluster: OnForeignCluster::default(),
        }
    }

    /// All settings of the policy at once.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// See [`Policy::durability`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.policy.durability = durability;
        self
    }

    /// See [`Policy::flush_interval`].
    #[must_use]
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.policy.flush_interval = interval;
        self
    }

    /// See [`Policy::min_compact_size`].
    #[must_use]
    pub fn min_compact_size(mut self, bytes: u64) -> Self {
        self.policy.min_compact_size = bytes;
        self
    }

    /// See [`Policy::max_pending`].
    #[must_use]
    pub fn max_pending(mut self, bytes: usize) -> Self {
        self.policy.max_pending = bytes;
        self
    }

    /// See [`Policy::rejoin_after_leave`].
    #[must_use]
    pub fn rejoin_after_leave(mut self, rejoin: bool) -> Self {
        self.policy.rejoin_after_leave = rejoin;
        self
    }

    /// See [`Policy::identity`].
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.policy.identity = identity;
        self
    }

    /// What to do with a file that belongs to another cluster. Default: set it aside.
    #[must_use]
    pub fn on_foreign_cluster(self, on_foreign_cluster: OnForeignCluster) -> Self {
        Self { on_foreign_cluster, ..self }
    }

    /// The mode of a file that is created where there was none, less the umask. Default: 0644.
    #[must_use]
    pub fn file_mode(self, file_mode: u32) -> Self {
        Self { file_mode, ..self }
    }

    /// Where the Lamport clock of membership is read, after each member event and every 500 ms. It is called without
    /// any lock held, on recording threads and on the writer's, and must not block.
    #[must_use]
    pub fn clock_source(
        mut self,
        source: impl Fn() -> LamportTime + Send + Sync + 'static,
    ) -> Self {
        self.sources.clock = Some(Arc::new(source));
        self
    }

    /// Where the coordinate is read, every 60 s, as [`clock_source`](Self::clock_source).
    #[must_use]
    pub fn coordinate_source(
        mut self,
        source: impl Fn() -> Coordinate + Send + Sync + 'static,
    ) -> Self {
        self.sources.coordinate = Some(Arc::new(source));
        self
    }

    /// Called by the writer thread after each change of health, without any lock held.
    #[must_use]
    pub fn on_health(mut self, call: impl Fn(Health) + Send + Sync + 'static) -> Self {
        self.on_health = Some(Arc::new(call));
        self
    }

    /// Another file system than the operating system's, for tests.
    #[must_use]
    pub fn storage(self, storage: impl Storage + 'static) -> Self {
        Self { storage: Arc::new(storage), ..self }
    }

    /// Locks, reads and opens the snapshot at `path`, creates it where there is none, and starts its writer thread.
    ///
    /// When it returns, a file that it created or adopted is durable with its name.
    /// A file that is not sealed to its last byte is rewritten by the writer thread, at once.
    /// Open after daemonising: a fork takes the lock's file but not the thread.
    ///
    /// # Errors
    /// [`OpenError`]. A read error is never taken for the end of the file.
    pub fn open(self, path: impl AsRef<Path>) -> Result<(Snapshotter, Recovery), OpenError> {
        let opened = open::open(&self, path.as_ref(), time::wall())?;
        Snapshotter::start(self, opened)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("policy", &self.policy)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}
