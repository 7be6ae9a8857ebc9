//! System calls as values.

use alloc::vec::Vec;

/// One system call to carry out; how it ended goes back through [`Engine::handle_outcome`](crate::Engine::handle_outcome).
///
/// It is neither `Clone` nor `Copy`: what was handed out once is carried out once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an effect that is dropped is a call that never ends"]
#[expect(clippy::exhaustive_enums, reason = "whoever drives the engine must carry out each")]
pub enum Effect {
    /// Compare the path with the log that is open: is it still this file, as long as we left it?
    Check,
    /// Create the new file beside the log, empty, in place of any leftover.
    Create,
    /// Append bytes to a file.
    Write(LogFile, Vec<u8>),
    /// Make what was written to a file durable.
    Sync(LogFile),
    /// Rename the new file over the log; from then on it is the log.
    Replace,
    /// Make the rename durable; then the old log may be let go.
    SyncDir,
    /// Close and unlink the new file.
    Discard,
}

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are never more than two files")]
pub enum LogFile {
    /// The log at the snapshot's path.
    Log,
    /// The new file that is to replace it.
    Next,
}

/// How an effect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever drives the engine must tell these apart")]
pub enum Outcome {
    /// As asked. A write that took only a part of the bytes is not done.
    Done,
    /// It failed, and nothing is known of what it left behind.
    Failed,
    /// It failed for want of space (ENOSPC, EDQUOT).
    NoSpace,
    /// The path cannot be replaced (EBUSY, EXDEV): it is a mount point of its own.
    Busy,
    /// [`Effect::Check`] found another file, another length or nothing at the path.
    Gone,
}
