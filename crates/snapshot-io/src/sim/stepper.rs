//! A snapshot without its thread, in virtual time.

use std::path::Path;
use std::time::Duration;

use snapshot_engine::{
    Effect, Engine, Event, Health, Instant, Now, Outcome, Position, UnixMillis, Warning,
};

use crate::disk::Disk;
use crate::open::{self, Opened};
use crate::tell::Teller;
use crate::{NotDurable, OpenError, Options, Recovery};

/// So many calls without a pause are a loop without an end.
const MANY: usize = 100_000;

/// Drives the engine and the storage of a snapshot by hand: one system call at a time, and time passes only when told.
///
/// It opens, writes, fails and tells its health as a [`Snapshotter`](crate::Snapshotter) does, since both share all but
/// the thread. Dropping it is a crash of the process.
#[derive(Debug)]
pub struct Stepper {
    engine: Engine,
    disk: Disk,
    now: Now,
    /// The call under way: it was carried out, and the engine does not know its end.
    flight: Option<(Effect, Outcome, Option<NotDurable>)>,
    teller: Teller,
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
        let Opened { engine, disk, recovery } = open::open(options, path.as_ref(), wall)?;
        let now = Now { instant: Instant::default(), wall };
        let teller = Teller::new(health(&engine, &disk), options.on_health.clone());
        Ok((Self { engine, disk, now, flight: None, teller }, recovery))
    }

    /// Records an event at the present time.
    pub fn record(&mut self, event: Event<'_>) -> Position {
        self.engine.handle_event(self.now, event)
    }

    /// Carries out the next system call, if one is due: its kind, and how it ended. No time passes.
    pub fn step(&mut self) -> Option<(&'static str, Outcome)> {
        let name = self.begin()?;
        self.end().map(|outcome| (name, outcome))
    }

    /// Carries out the next system call, if one is due, and keeps its end from the engine until [`end`](Self::end): its
    /// kind. What is recorded meanwhile comes while the call is under way.
    ///
    /// # Panics
    /// One is under way already.
    pub fn begin(&mut self) -> Option<&'static str> {
        assert!(self.flight.is_none(), "one call at a time");
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
        let (outcome, error) = self.disk.carry_out(&effect);
        self.flight = Some((effect, outcome, error.map(NotDurable::because)));
        Some(name)
    }

    /// Tells the engine how the call that was begun has ended; `None` where none was.
    pub fn end(&mut self) -> Option<Outcome> {
        let (effect, outcome, failure) = self.flight.take()?;
        self.engine.handle_outcome(self.now, effect, outcome);
        self.teller.tell(self.health(), failure.as_ref());
        Some(outcome)
    }

    /// Carries out all that is due now.
    ///
    /// # Panics
    /// It never ends.
    pub fn run(&mut self) {
        let mut calls = 0;
        while self.step().is_some() {
            calls += 1;
            assert!(calls < MANY, "a loop without an end");
        }
    }

    /// Lets time pass; whatever falls due is carried out at its time.
    ///
    /// # Panics
    /// It never ends, or it is time for something and nothing is there to be done: the thread would turn in a circle.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now.instant + by;
        self.run();
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= end) {
            self.set(due.max(self.now.instant));
            assert!(self.step().is_some(), "woken at {due:?} for nothing");
            self.run();
        }
        self.set(end);
        self.run();
    }

    /// Lets time pass, and carries nothing out.
    pub fn wait(&mut self, by: Duration) {
        self.set(self.now.instant + by);
    }

    /// The engine, to look at or to ask.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// How the log is, as [`Snapshotter::health`](crate::Snapshotter::health) tells.
    #[must_use]
    pub fn health(&self) -> Health {
        health(&self.engine, &self.disk)
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

fn health(engine: &Engine, disk: &Disk) -> Health {
    let health = engine.health();
    if disk.is_locked() { health } else { health.with(Warning::Unlocked) }
}
