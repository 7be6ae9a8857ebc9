//! The bytes of a new file: header, clocks, then the nodes slice by slice while the state goes on changing.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use snapshot_format::{FORMAT, MAX_SEAL_LINE, Record, UnixMillis};

use crate::pending::{PIECE, seal};
use crate::{Identity, State};

/// How many bytes of lines a slice holds at most.
const SLICE: usize = PIECE - MAX_SEAL_LINE;

/// Who wrote the file, and for which cluster: the first batch of every file.
pub(crate) fn header(identity: &Identity, wall: UnixMillis) -> Vec<u8> {
    let mut lines = Vec::new();
    Record::Format(FORMAT).encode(&mut lines);
    for record in
        identity.cluster().map(Record::Cluster).into_iter().chain(identity.node().map(Record::Node))
    {
        record.encode(&mut lines);
    }
    seal(lines, wall)
}

/// The clocks and the coordinate: one batch, or none where there is neither.
pub(crate) fn clocks(state: &State, wall: UnixMillis) -> Option<Vec<u8>> {
    let mut lines = Vec::new();
    for record in state.clock_records().chain(state.coordinate().map(Record::Coordinate)) {
        record.encode(&mut lines);
    }
    (!lines.is_empty()).then(|| seal(lines, wall))
}

/// `leave` and the clock after it: what a node that has left ends its file with.
pub(crate) fn leave(state: &State, wall: UnixMillis) -> Vec<u8> {
    let mut lines = Vec::new();
    Record::Leave.encode(&mut lines);
    let clock = state.clocks().clock;
    if clock.0 > 0 {
        Record::Clock(clock).encode(&mut lines);
    }
    seal(lines, wall)
}

/// Records cut into batches of at most 64 KiB.
pub(crate) fn batches<'a>(
    records: impl Iterator<Item = Record<'a>>,
    wall: UnixMillis,
) -> impl Iterator<Item = Vec<u8>> {
    let mut records = records.peekable();
    let mut next = Vec::new();
    core::iter::from_fn(move || {
        let mut lines = core::mem::take(&mut next);
        while let Some(record) = records.next_if(|_| next.is_empty()) {
            add(&mut lines, &mut next, &record);
        }
        (!lines.is_empty()).then(|| seal(lines, wall))
    })
}

/// Appends a record, or keeps it for the next batch where it does not fit.
fn add(lines: &mut Vec<u8>, next: &mut Vec<u8>, record: &Record<'_>) {
    let start = lines.len();
    record.encode(lines);
    if start > 0 && lines.len() > SLICE {
        *next = lines.split_off(start);
    }
}

/// How far a scan of the nodes has come. It stays valid whatever happens to the nodes between two slices: slots never
/// move, and the failed nodes are taken by name.
///
/// What comes and goes between slices reaches the file as events. So the scan ends where the nodes ended when it began:
/// if it followed those that come, it might never end.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    failed: Option<FailedCursor>,
    /// Of the alive nodes.
    slots: Range<usize>,
}

#[derive(Clone, Debug)]
struct FailedCursor {
    /// The last one that was taken.
    behind: Option<Arc<[u8]>>,
    last: Arc<[u8]>,
}

impl Cursor {
    /// Before the first of the present nodes.
    pub(crate) fn new(state: &State) -> Self {
        let failed = state.failed.last().map(|last| FailedCursor { behind: None, last });
        Self { failed, slots: 0..state.alive.slots() }
    }

    /// The next slice, or `None` at the end.
    pub(crate) fn slice(&mut self, state: &State, wall: UnixMillis) -> Option<Vec<u8>> {
        let mut lines = Vec::new();
        if let Some(cursor) = &mut self.failed {
            let mut last = None;
            for node in state.failed.between(cursor.behind.as_deref(), &cursor.last) {
                if lines.len() >= SLICE / 2 {
                    break;
                }
                Record::Failed { name: node.name, addr: node.addr, at: node.at }.encode(&mut lines);
                last = Some(node.name);
            }
            if let Some(last) = last {
                cursor.behind = Some(last.as_bytes().into());
                return Some(seal(lines, wall));
            }
            self.failed = None;
        }
        while lines.len() < SLICE / 2
            && let Some(slot) = self.slots.next()
        {
            if let Some((name, addr)) = state.alive.at(slot) {
                Record::Alive { name, addr }.encode(&mut lines);
            }
        }
        (!lines.is_empty()).then(|| seal(lines, wall))
    }
}
