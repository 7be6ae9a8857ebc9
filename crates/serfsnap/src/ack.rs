//! `{"acked":N}`: the first N lines of input are durable.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use snapshot_engine::Position;
use snapshot_io::Snapshotter;

use crate::json;
use crate::out::Out;

/// Between two looks at whether the recorder has ended.
const PATIENCE: Duration = Duration::from_millis(100);

/// A thread that waits for the disk and acknowledges. It is told of the last line only, so that nothing piles up while
/// the disk is slow.
pub(crate) struct Acks {
    shared: Arc<Shared>,
    thread: JoinHandle<io::Result<()>>,
}

#[derive(Default)]
struct Shared {
    latest: Mutex<Latest>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Latest {
    /// So many lines were taken in.
    lines: u64,
    /// It stands behind what they said.
    position: Position,
    /// The log is closed: what is not durable now never will be.
    closed: bool,
}

#[derive(Serialize)]
struct Acked {
    acked: u64,
}

impl Acks {
    pub(crate) fn start(log: Snapshotter) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        Self { shared, thread: thread::spawn(move || acknowledge(&log, &theirs)) }
    }

    /// Takes note that `lines` lines were taken in, and where the log stands.
    pub(crate) fn taken_in(&self, lines: u64, position: Position) {
        let mut latest = self.shared.lock();
        latest.lines = lines;
        latest.position = position;
        self.shared.changed.notify_one();
    }

    /// Acknowledges what is durable now that the log is closed.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
        // It does not panic.
        self.thread.join().unwrap_or(Ok(()))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Latest> {
        // Three numbers are whole whatever happened to whoever held them.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been taken in, once that is more than this or nothing more will come.
    fn more_than(&self, lines: u64) -> Latest {
        let wait = |latest: &mut Latest| latest.lines == lines && !latest.closed;
        *self.changed.wait_while(self.lock(), wait).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits a moment, and on while it is ill, but not beyond the close.
    fn rest_while(&self, is_ill: impl Fn() -> bool) {
        loop {
            let waited =
                self.changed.wait_timeout_while(self.lock(), PATIENCE, |latest| !latest.closed);
            let closed = waited.unwrap_or_else(PoisonError::into_inner).0.closed;
            if closed || !is_ill() {
                return;
            }
        }
    }
}

fn acknowledge(log: &Snapshotter, shared: &Shared) -> io::Result<()> {
    let mut out = Out::new();
    let mut acked = 0;
    loop {
        let latest = shared.more_than(acked);
        if latest.lines > acked && is_durable(log, latest.position, shared) {
            acked = latest.lines;
            json::line(&mut out, &Acked { acked })?;
            out.flush()?;
        } else if latest.closed {
            return Ok(());
        }
    }
}

/// Waits until it is, or until the log is closed. The log goes on trying after a failure, and says so by its health.
///
/// To ask is to have it try at once, so nobody asks again before it has got well by itself: a dead disk would be kept
/// busy for nothing.
fn is_durable(log: &Snapshotter, position: Position, shared: &Shared) -> bool {
    loop {
        // Asked first: after the close one look is enough.
        let closed = shared.lock().closed;
        let promise = log.durable(position);
        loop {
            match promise.wait(PATIENCE) {
                Ok(()) => return true,
                Err(_) if closed => return false,
                Err(error) if !error.is_timeout() => {
                    shared.rest_while(|| log.health().stale.is_some());
                    break;
                }
                Err(_) if shared.lock().closed => break,
                Err(_) => {}
            }
        }
    }
}
