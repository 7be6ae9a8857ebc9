//! Time as an argument.

use core::ops::Add;
use core::time::Duration;

use snapshot_format::UnixMillis;

/// A monotonic time: how long since an origin that the host chose and keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Duration);

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Decides when things are due; it must not go backwards.
    pub instant: Instant,
    /// Labels seals and failures; it may jump as it likes.
    pub wall: UnixMillis,
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates, so that a far future is simply never reached.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}
