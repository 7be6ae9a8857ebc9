//! The settings of a snapshot, each with its reason.

use alloc::boxed::Box;
use core::time::Duration;

use snapshot_format::{InvalidText, LamportTime, Name, Text};

/// What power loss may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a host that offers the choice must name each")]
pub enum Durability {
    /// Every batch is written and synced at once; those who wait share syncs.
    Always,
    /// At most this much time, plus the calls then under way.
    Interval(Duration),
    /// No bound but at a rewrite, a leave and a close: when to sync is left to the operating system.
    Os,
}

/// How a snapshot is kept. Times are durations, sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Default: [`Durability::Interval`] of 5 s. A node list loses little in 5 s, and an idle disk stays idle.
    pub durability: Durability,
    /// How long a record may stay in memory before it is handed to the system. Default: 500 ms, as Serf's flush.
    pub flush_interval: Duration,
    /// A log below this size is never rewritten for its size. Default: 128 KiB, as Serf's threshold.
    pub min_compact_size: u64,
    /// How much may wait for the disk before the log is given up and rewritten from memory. Default: 8 MiB, about
    /// 150,000 events.
    pub max_pending: usize,
    /// Whether a node that has left finds its cluster again. Default: no, as in Serf.
    pub rejoin_after_leave: bool,
    /// The highest Lamport time that is believed. Default: 2^48, nine thousand years of a thousand events a second.
    pub max_clock: LamportTime,
    /// How long a failed node stays a last resort, while another node is seen alive. Default: 72 h, Consul's and
    /// Serf's `reconnect_timeout`.
    pub failed_retention: Duration,
    /// How many failed nodes are kept, the newest. Default: 10,000.
    pub max_failed: usize,
    /// How often an idle log's path is checked for another writer; zero leaves it to the check before each write.
    /// Default: 5 s.
    pub check_interval: Duration,
    /// Whose file it is. Default: nobody's, as Serf's files are.
    pub identity: Identity,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            durability: Durability::Interval(Duration::from_secs(5)),
            flush_interval: Duration::from_millis(500),
            min_compact_size: 128 * 1024,
            max_pending: 8 * 1024 * 1024,
            rejoin_after_leave: false,
            max_clock: LamportTime(1 << 48),
            failed_retention: Duration::from_secs(72 * 3600),
            max_failed: 10_000,
            check_interval: Duration::from_secs(5),
            identity: Identity::default(),
        }
    }
}

/// The cluster and the node a file belongs to, as far as the host says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    cluster: Option<Box<[u8]>>,
    node: Option<Box<[u8]>>,
}

impl Identity {
    /// The longest cluster name or node name that is written, in bytes: both and the format line fit one batch.
    pub const MAX_LEN: usize = snapshot_format::MAX_NAME;

    /// A cluster, a node, both or neither. Empty ones count as absent, ones beyond [`MAX_LEN`](Self::MAX_LEN) are cut.
    ///
    /// # Errors
    /// [`InvalidText`] where one holds a newline.
    pub fn new(cluster: Option<&[u8]>, node: Option<&[u8]>) -> Result<Self, InvalidText> {
        let kept = |text: &[u8]| Box::from(&text[..text.len().min(Self::MAX_LEN)]);
        let given = |text: Option<&[u8]>| {
            text.filter(|text| !text.is_empty())
                .map(|text| Text::new(text).map(|_| kept(text)))
                .transpose()
        };
        Ok(Self { cluster: given(cluster)?, node: given(node)? })
    }

    /// The cluster's identity.
    #[must_use]
    pub fn cluster(&self) -> Option<Text<'_>> {
        self.cluster.as_deref().and_then(|id| Text::new(id).ok())
    }

    /// The owner's name.
    #[must_use]
    pub fn node(&self) -> Option<Name<'_>> {
        self.node.as_deref().and_then(|name| Name::new(name).ok())
    }
}
