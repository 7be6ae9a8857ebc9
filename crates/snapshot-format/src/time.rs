//! The two kinds of time in a snapshot.

use core::fmt;

/// A Lamport time: a counter that every message of the cluster carries forward.
///
/// In a snapshot it is the highest time the owner has *seen*, so a clock that stands at `t` is written as `t - 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTime(pub u64);

/// Wall clock time in milliseconds since 1970-01-01T00:00:00Z.
///
/// A label for people and for the order of failures; no recovery depends on it, since clocks of machines jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl fmt::Display for LamportTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
