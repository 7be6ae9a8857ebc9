//! A Lamport clock for hosts that have none.

use std::sync::atomic::{AtomicU64, Ordering};

use snapshot_format::LamportTime;

/// A Lamport clock, shared by reference among threads (L. Lamport, "Time, Clocks, and the Ordering of Events in a
/// Distributed System", 1978).
///
/// ```
/// use snapshot_io::{LamportClock, LamportTime};
///
/// let clock = LamportClock::after(LamportTime(7));
/// assert_eq!(clock.time(), LamportTime(8), "7 was seen before the restart");
/// clock.witness(LamportTime(20));
/// assert_eq!(clock.increment(), LamportTime(22));
/// ```
#[derive(Debug, Default)]
pub struct LamportClock(AtomicU64);

impl LamportClock {
    /// A clock that has seen `seen`, as a snapshot restores it.
    #[must_use]
    pub const fn after(seen: LamportTime) -> Self {
        Self(AtomicU64::new(seen.0.saturating_add(1)))
    }

    /// The time that the next message would carry.
    pub fn time(&self) -> LamportTime {
        LamportTime(self.0.load(Ordering::Acquire))
    }

    /// Advances by one; the time after that.
    pub fn increment(&self) -> LamportTime {
        // Saturates: a clock that wraps would make its node's messages the oldest of all.
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |time| Some(time.saturating_add(1)));
        LamportTime(before.unwrap_or(u64::MAX).saturating_add(1))
    }

    /// Takes in the time of a message: the clock stands beyond it afterwards.
    pub fn witness(&self, seen: LamportTime) {
        self.0.fetch_max(seen.0.saturating_add(1), Ordering::AcqRel);
    }
}
