//! A snapshot without its thread, in virtual time.

use std::path::Path;
use std::time::Duration;

use snapshot_engine::{Effect, Engine, Event, Instant, Now, Outcome, Position, UnixMillis};

use crate::disk::Disk;
use crate::open::{self, Opened};
use crate::{OpenError, Options, Recovery};

/// Drives the engine and the storage of a snapshot by hand: one system call at a time, and time passes only when told.
///
/// It opens, writes and fails as a [`Snapshotter`](crate::Snapshotter) does, since both share all but the thread.
/// Dropping it is a crash of the process.
#[derive(Debug)]
pub struct Stepper {
    engine: Engine,
    disk: Disk,
    now: Now,
}

impl Stepper {
    /// Opens the snapshot at `path` on the options' storage, at this wall clock time.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(
        options: &Options,
        path: impl AsRef<Path>,
        wall: UnixMillis,
    ) -> Result<(Self, Recovery), OpenError> {
        let Opened { engine, disk, recovery } = open::open(options, path.as_ref())?;
        let now = Now { instant: Instant::default(), wall };
        Ok((Self { engine, disk, now }, recovery))
    }

    /// Records an event at the present time.
    pub fn record(&mut self, event: Event<'_>) -> Position {
        self.engine.handle_event(self.now, event)
    }

    /// Carries out the next system call, if one is due: its kind, and how it ended. No time passes.
    pub fn step(&mut self) -> Option<(&'static str, Outcome)> {
        let effect = self.engine.poll_effect(self.now)?;
        let name = match effect {
            Effect::Check => "check",
            Effect::Create => "create",
            Effect::Write(..) => "write",
            Effect::Sync(_) => "sync",
            Effect::Replace => "replace",
            Effect::SyncDir => "sync-dir",
            Effect::Discard => "discard",
        };
        let (outcome, _) = self.disk.carry_out(&effect);
        self.engine.handle_outcome(self.now, effect, outcome);
        Some((name, outcome))
    }

    /// Carries out all that is due now.
    pub fn run(&mut self) {
        while self.step().is_some() {}
    }

    /// Lets time pass; whatever falls due is carried out at its time.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now.instant + by;
        self.run();
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= end) {
            self.set(due.max(self.now.instant));
            self.run();
        }
        self.set(end);
        self.run();
    }

    /// The engine, to look at or to ask.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The present time.
    #[must_use]
    pub const fn now(&self) -> Now {
        self.now
    }

    fn set(&mut self, instant: Instant) {
        let passed = instant.0.saturating_sub(self.now.instant.0);
        let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        self.now = Now { instant, wall: UnixMillis(self.now.wall.0.saturating_add(passed)) };
    }
}
