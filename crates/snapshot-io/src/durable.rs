//! Waiting until something is durable, with a bound or in a future.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use snapshot_engine::{Position, Progress};

use crate::NotDurable;
use crate::sync::{Condvar, Mutex};

/// A promise to be kept by the writer thread: wait for it with a bound, or await it in any runtime.
///
/// It ends with [`NotDurable`] at the first attempt that fails after the call; the writer goes on trying. A rewrite that
/// fails beside a good log is no such attempt but for those who asked for it.
/// Dropping it changes nothing.
#[derive(Debug)]
#[must_use = "nothing is known to be durable until it is waited for"]
pub struct Durable(Arc<Slot>);

#[derive(Debug)]
struct Slot {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Ended(Result<(), NotDurable>),
}

/// What a promise waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Handed to the system up to here.
    Written(Position),
    /// Synced up to here.
    Synced(Position),
    /// So many rewrites were completed.
    Rewritten(u64),
}

impl Until {
    pub(crate) fn is_reached(self, progress: Progress, rewrites: u64) -> bool {
        match self {
            Self::Written(position) => progress.written >= position,
            Self::Synced(position) => progress.durable >= position,
            Self::Rewritten(count) => rewrites >= count,
        }
    }
}

impl Durable {
    /// Waits at most this long.
    ///
    /// # Errors
    /// [`NotDurable`] when an attempt fails, or the time is over: [`NotDurable::is_timeout`]. Then the promise still
    /// stands and may be waited for again.
    pub fn wait(&self, limit: Duration) -> Result<(), NotDurable> {
        let deadline = Instant::now().checked_add(limit);
        let mut state = self.0.state.lock();
        loop {
            if let State::Ended(result) = &*state {
                return result.clone();
            }
            let late = if let Some(deadline) = deadline {
                self.0.ended.wait_until(&mut state, deadline).timed_out()
            } else {
                self.0.ended.wait(&mut state);
                false
            };
            if late && matches!(*state, State::Waiting(_)) {
                return Err(NotDurable::new(
                    io::ErrorKind::TimedOut,
                    "the wait ended before the disk did",
                ));
            }
        }
    }

    pub(crate) fn ended(result: Result<(), NotDurable>) -> Self {
        Self(Arc::new(Slot { state: Mutex::new(State::Ended(result)), ended: Condvar::new() }))
    }
}

impl Future for Durable {
    type Output = Result<(), NotDurable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self.0.state.lock() {
            State::Ended(result) => Poll::Ready(result.clone()),
            State::Waiting(waker) => {
                // The last task that polled is the one to wake.
                if waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
                    *waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

/// The promises that are open.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    waiting: Vec<(Until, Arc<Slot>)>,
    /// At this length those whose promise was dropped are swept out.
    sweep_at: usize,
}

impl Waiters {
    pub(crate) fn add(&mut self, until: Until) -> Durable {
        const FEW: usize = 64;
        if self.waiting.len() >= self.sweep_at.max(FEW) {
            self.waiting.retain(|(_, slot)| Arc::strong_count(slot) > 1);
            self.sweep_at = self.waiting.len() * 2;
        }
        let slot =
            Arc::new(Slot { state: Mutex::new(State::Waiting(None)), ended: Condvar::new() });
        self.waiting.push((until, Arc::clone(&slot)));
        Durable(slot)
    }

    /// Ends the promises that are kept, and those others that an attempt which has just failed concerns.
    ///
    /// The tasks to wake come back: a waker runs the host's code, which may want the lock that the caller holds.
    #[must_use = "a task that nobody wakes sleeps for ever"]
    pub(crate) fn settle(
        &mut self,
        progress: Progress,
        rewrites: u64,
        failed: Failed<'_>,
    ) -> Wakers {
        let mut wakers = Wakers::default();
        self.waiting.retain(|(until, slot)| {
            let result = match failed {
                _ if until.is_reached(progress, rewrites) => Ok(()),
                Failed::All(failed) => Err(failed.clone()),
                Failed::Rewrite(failed) if matches!(until, Until::Rewritten(_)) => {
                    Err(failed.clone())
                }
                Failed::Rewrite(_) | Failed::Nothing => return true,
            };
            let before = std::mem::replace(&mut *slot.state.lock(), State::Ended(result));
            slot.ended.notify_all();
            if let State::Waiting(Some(waker)) = before {
                wakers.0.push(waker);
            }
            false
        });
        wakers
    }
}

/// Whom an attempt that has failed concerns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failed<'a> {
    Nothing,
    /// The log is good: those who asked for the rewrite, and nobody else.
    Rewrite(&'a NotDurable),
    All(&'a NotDurable),
}

/// Tasks to wake as soon as no lock is held.
#[derive(Debug, Default)]
pub(crate) struct Wakers(Vec<Waker>);

impl Wakers {
    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}
