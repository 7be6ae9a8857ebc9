//! The two files the engine knows: the log at the path, and the one that is to replace it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use crate::pending::Piece;
use crate::rewrite::Cursor;
use crate::{Instant, Position};

/// The log at the path.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) bytes: u64,
    /// When what was accepted must be synced, though nobody has asked.
    pub(crate) sync_at: Option<Instant>,
    /// When the path is to be compared with the file; also before each write.
    pub(crate) check_at: Option<Instant>,
    /// Whether the path was compared since the last write.
    pub(crate) checked: bool,
    /// Whether the next comparison is the first after our own rename.
    pub(crate) just_replaced: bool,
    /// Whether a rename over the log failed and may have happened all the same.
    pub(crate) in_doubt: bool,
    /// The last times when somebody else had changed the file.
    pub(crate) foreign: VecDeque<Instant>,
}

/// The new file that is to replace the log.
#[derive(Debug, Default)]
pub(crate) struct Rewrite {
    pub(crate) phase: Phase,
    /// Begin without waiting: somebody asked.
    pub(crate) requested: bool,
    /// Whether a file is left to be discarded.
    pub(crate) discard: bool,
    pub(crate) bytes: u64,
    pub(crate) unsynced: u64,
    /// What goes to the new file before the next slice.
    pub(crate) queue: VecDeque<Vec<u8>>,
    /// The pieces of the last swap that are not written, and those that are: should the rewrite fail, a good log gets
    /// them after all.
    pub(crate) last: VecDeque<Piece>,
    pub(crate) written_last: VecDeque<Piece>,
    /// What a node that has left ends its file with.
    pub(crate) tail: Option<Vec<u8>>,
    /// The position of the last swap: what the new file holds.
    pub(crate) cut: Position,
    /// More was recorded since the last swap than may wait: the new file will be stale when it is in place.
    pub(crate) overflowed: bool,
    pub(crate) wait: Option<Duration>,
    pub(crate) retry_at: Option<Instant>,
    /// A good log is left alone until it has this size, or until this time.
    pub(crate) retry_size: u64,
    pub(crate) retry_size_until: Option<Instant>,
}

#[derive(Debug, Default)]
pub(crate) enum Phase {
    #[default]
    Idle,
    Creating,
    Scanning {
        cursor: Cursor,
        /// Whether it is the log's turn, or that of the next slice.
        logs_turn: bool,
    },
    /// The last swap has been made: nothing more is written to the old log, and nothing read from the live state
    /// after it goes to the new file.
    Ending,
    /// It was synced, and is once more: some file systems tell of a failure only with the next call.
    Confirming,
    Replacing,
    SyncingDir,
}

/// The effect that is under way.
#[derive(Debug)]
pub(crate) struct Flight {
    /// The position it reaches, for a piece or a sync.
    pub(crate) end: Option<Position>,
    pub(crate) bytes: usize,
}

impl Log {
    pub(crate) const fn new(bytes: u64) -> Self {
        Self {
            bytes,
            sync_at: None,
            check_at: None,
            checked: false,
            just_replaced: false,
            in_doubt: false,
            foreign: VecDeque::new(),
        }
    }
}

impl Rewrite {
    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Whether the last one failed, so that another is to come.
    pub(crate) const fn has_failed(&self) -> bool {
        self.retry_at.is_some() || self.retry_size > 0
    }

    /// Whether what is recorded now must reach the new file, or the log that it will be.
    pub(crate) const fn takes_records(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Creating) && !self.overflowed
    }
}
