//! Calls that go wrong, and the moment of a kill.

use std::collections::BTreeMap;
use std::io;

use super::disk::errno;
use super::journal::Call;

/// Which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The call with this number in the [`Journal`](super::Journal).
    Number(u64),
    /// The n-th call of this kind, from 1 and from the beginning of the journal.
    Nth(Call, u64),
}

/// How a call goes wrong.
///
/// Without more being said the call fails once, and nothing of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Fault {
    pub(super) error: Option<i32>,
    pub(super) bytes: usize,
    pub(super) done: bool,
    pub(super) sync: SyncFailure,
    lasting: bool,
}

impl Fault {
    /// The call fails with this number of an operating system error, such as `libc::EIO`.
    ///
    /// A failed sync leaves its pages [`Dropped`](SyncFailure::Dropped).
    pub const fn error(error: i32) -> Self {
        Self {
            error: Some(error),
            bytes: 0,
            done: false,
            sync: SyncFailure::Dropped,
            lasting: false,
        }
    }

    /// A read or a write moves at most so many bytes and succeeds; other calls do not mind.
    pub const fn short(bytes: usize) -> Self {
        Self { error: None, bytes, ..Self::error(0) }
    }

    /// A write that fails has left so many bytes in the file; other calls do not mind.
    pub const fn leaving(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// The call does all that it should, and reports the error nevertheless, as over a network.
    pub const fn although_done(self) -> Self {
        Self { done: true, ..self }
    }

    /// What the failed sync does to the pages; other calls do not mind.
    pub const fn pages(self, sync: SyncFailure) -> Self {
        Self { sync, ..self }
    }

    /// Every call from this one on, counted as [`At`] counts, until
    /// [`clear_faults`](super::SimStorage::clear_faults).
    pub const fn lasting(self) -> Self {
        Self { lasting: true, ..self }
    }

    /// For the calls that either happen or do not.
    pub(super) fn of<T>(fault: Option<Self>, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match fault {
            Some(Self { error: Some(error), done, .. }) => {
                if done {
                    act()?;
                }
                Err(errno(error))
            }
            _ => act(),
        }
    }
}

/// What a failed sync of a file does to the bytes that it should have made durable.
///
/// Each of these has been seen on a real system. A failed sync of a directory knows `Retained`,
/// and takes all others for `Dropped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncFailure {
    /// They stay dirty: a later sync would make them durable.
    Retained,
    /// They are marked clean: reading still shows them, a later sync succeeds without writing
    /// them, and whether the disk has them is a matter of luck.
    Dropped,
    /// As `Dropped`, and reading shows zeros at once.
    Zeroed,
    /// The file is at once as long, and as old, as the disk has it.
    Reverted,
    /// As `Dropped`, but this sync reports success, and the next write or sync of the file the
    /// error, whatever else goes wrong with it.
    Deferred,
}

/// The faults to come, and the count of the calls.
#[derive(Default)]
pub(super) struct Faults {
    plan: Vec<(At, Fault)>,
    last_call: Option<u64>,
    refused: bool,
    calls: u64,
    counts: BTreeMap<Call, u64>,
}

impl Faults {
    pub(super) fn plan(&mut self, at: At, fault: Fault) {
        self.plan.push((at, fault));
    }

    pub(super) fn clear(&mut self) {
        self.plan.clear();
    }

    pub(super) fn kill_after(&mut self, calls: u64) {
        self.last_call = Some(calls);
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn has_died(&self) -> bool {
        self.refused
    }

    /// Counts one call and tells what shall go wrong with it.
    pub(super) fn begin(&mut self, call: Call) -> io::Result<Option<Fault>> {
        if self.last_call.is_some_and(|last| self.calls >= last) {
            self.refused = true;
            return Err(io::Error::other(Killed));
        }
        self.calls += 1;
        let count = self.counts.entry(call).or_default();
        *count += 1;
        let (number, count) = (self.calls, *count);
        let due = |(at, fault): &&(At, Fault)| {
            let (now, due) = match *at {
                At::Number(due) => (number, due),
                At::Nth(kind, due) if kind == call => (count, due),
                At::Nth(..) => return false,
            };
            now == due || fault.lasting && now > due
        };
        Ok(self.plan.iter().find(due).map(|(_, fault)| *fault))
    }
}

/// The error of every call after the kill.
#[derive(Debug, thiserror::Error)]
#[error("the simulated process is dead")]
pub(super) struct Killed;
