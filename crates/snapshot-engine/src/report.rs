//! What a replay saw of the file besides its state.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use snapshot_format::UnixMillis;

use crate::Finding;

/// How many findings are kept; all are counted.
pub const MAX_FINDINGS: usize = 64;

/// What a replay saw of the file besides its state. Sizes and places are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The size of the file.
    pub bytes: u64,
    /// Whole lines.
    pub lines: u64,
    /// Lines that are a record of the state: membership, clocks, coordinates, `leave`.
    pub records: u64,
    /// Seals that hold.
    pub seals: u64,
    /// Where the bytes behind the last seal that holds begin.
    pub sealed_until: u64,
    /// The time of the first seal that holds.
    pub first_seal: Option<UnixMillis>,
    /// The time of the last seal that holds.
    pub last_seal: Option<UnixMillis>,
    /// The first findings, at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many findings there were.
    pub findings_total: u64,
    /// The bytes behind the last newline, where there are any.
    pub torn: Option<Range<u64>>,
    /// The number of the last `leave` line.
    pub left_at: Option<u64>,
    /// Whether no `alive` line follows the last `leave`: the owner left and has not come back.
    pub left: bool,
    /// How many failed nodes the file has beyond [`Policy::max_failed`](crate::Policy::max_failed); the oldest were
    /// dropped.
    pub failed_dropped: u64,
    /// Whose file it says it is; only what a seal vouches for counts.
    pub identity: FoundIdentity,
    pub(crate) has_format_line: bool,
    pub(crate) damaged_seals: u64,
    pub(crate) unrecognized: u64,
    pub(crate) recognized: u64,
}

/// Whose file it says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundIdentity {
    /// The number of its `#@format` line.
    pub format: Option<u64>,
    /// The text of its `#@cluster` line.
    pub cluster: Option<Box<[u8]>>,
    /// The text of its `#@node` line.
    pub node: Option<Box<[u8]>>,
}

/// The state of a file in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the contract of the command line has these three")]
pub enum Verdict {
    /// Nothing odd; where there are seals they cover the whole file.
    Clean,
    /// Only the end is unfinished, as in a live file or after a crash.
    Torn,
    /// Anything else.
    Damaged,
}

impl Verdict {
    /// The word for it in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Torn => "torn",
            Self::Damaged => "damaged",
        }
    }
}

impl Report {
    /// The state of the file in one word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let claims_seals = self.seals > 0 || self.has_format_line;
        if self.findings_total > 0 {
            Verdict::Damaged
        } else if self.torn.is_some() || (claims_seals && !self.is_wholly_sealed()) {
            Verdict::Torn
        } else {
            Verdict::Clean
        }
    }

    /// Whether seals that hold cover every byte, so that the file may be appended to. An empty file does count.
    #[must_use]
    pub fn is_wholly_sealed(&self) -> bool {
        let newer = self.identity.format.is_some_and(|format| format > snapshot_format::FORMAT);
        self.sealed_until == self.bytes && self.damaged_seals == 0 && !newer
    }

    /// Whether the file has at least one seal that holds.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.seals > 0
    }

    /// Whether this can be a snapshot at all: it is empty, or a record is in it, or nothing in it is anything else
    /// than a comment, zeros, or the beginning of a record.
    ///
    /// A file of other lines with a few comments among them is somebody's configuration, and must not be rewritten.
    #[must_use]
    pub const fn is_snapshot(&self) -> bool {
        self.recognized > 0 || self.unrecognized == 0
    }
}
