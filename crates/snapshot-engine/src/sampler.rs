//! When the host's clocks and coordinate are to be read.

use core::time::Duration;

use crate::{Event, Instant};

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a host must be able to answer each")]
pub enum Sample {
    /// The Lamport clock of membership; the answer is an [`Event::Clock`].
    Clock,
    /// The coordinate; the answer is an [`Event::Coordinate`].
    Coordinate,
}

/// Says when to sample: the clock after each member event and every 500 ms, the coordinate every 60 s, as Serf does.
#[derive(Clone, Debug)]
pub struct Sampler {
    clock_at: Option<Instant>,
    coordinate_at: Option<Instant>,
}

/// How often the Lamport clock is read without a member event; it advances with every message heard.
const CLOCK: Duration = Duration::from_millis(500);
/// How often the coordinate is read; it drifts.
const COORDINATE: Duration = Duration::from_secs(60);

impl Sampler {
    /// A sampler of what the host can answer.
    #[must_use]
    pub fn new(clock: bool, coordinate: bool, now: Instant) -> Self {
        Self {
            clock_at: clock.then(|| now + CLOCK),
            coordinate_at: coordinate.then(|| now + COORDINATE),
        }
    }

    /// Takes in an event: a member event makes the clock due.
    pub fn handle_event(&mut self, now: Instant, event: &Event<'_>) {
        let of_a_member = matches!(
            event,
            Event::MemberJoin(_)
                | Event::MemberUpdate(_)
                | Event::MemberFailed(_)
                | Event::MemberLeave(_)
                | Event::MemberReap(_)
        );
        if of_a_member && let Some(at) = &mut self.clock_at {
            *at = now;
        }
    }

    /// What is due, if anything; to be called until it returns `None`.
    #[must_use]
    pub fn poll(&mut self, now: Instant) -> Option<Sample> {
        if let Some(at) = self.clock_at.as_mut().filter(|at| **at <= now) {
            *at = now + CLOCK;
            return Some(Sample::Clock);
        }
        let at = self.coordinate_at.as_mut().filter(|at| **at <= now)?;
        *at = now + COORDINATE;
        Some(Sample::Coordinate)
    }

    /// When something is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.clock_at.into_iter().chain(self.coordinate_at).min()
    }
}
