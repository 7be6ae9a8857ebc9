//! The writer thread: takes one effect at a time from the engine and carries it out without the lock.

use std::io;
use std::sync::Arc;

use snapshot_engine::{Effect, Outcome};

use crate::NotDurable;
use crate::disk::Disk;
use crate::durable::Failed;
use crate::options::OnHealth;
use crate::snapshotter::{Phase, Shared, Sleep};
use crate::sync::thread;
use crate::tell::Teller;

/// The thread; when it goes, however it goes, nobody is left waiting.
#[derive(Debug)]
struct Writer {
    shared: Arc<Shared>,
    teller: Teller,
    /// How it ended.
    result: Result<(), NotDurable>,
}

/// Starts the thread.
pub(crate) fn spawn(
    shared: Arc<Shared>,
    disk: Disk,
    on_health: Option<OnHealth>,
) -> io::Result<()> {
    let teller = Teller::new(shared.lock().health(), on_health);
    // What the host's own code does in a callback may end the thread.
    let panicked = NotDurable::new(io::ErrorKind::BrokenPipe, "the writer thread has panicked");
    let writer = Writer { shared, teller, result: Err(panicked) };
    let thread = thread::Builder::new().name("snapshot-writer".into());
    thread.spawn(move || writer.run(disk)).map(drop)
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.closed(self.result.clone());
    }
}

impl Writer {
    /// The files and the lock are dropped before the writer, also when it panics: whoever waits for its end may open
    /// the path at once.
    fn run(mut self, mut disk: Disk) {
        let mut failure = None;
        self.result = loop {
            match self.next(failure.take()) {
                Ok(effect) => failure = self.carry_out(&mut disk, effect),
                Err(result) => break result,
            }
        };
        disk.abandon_rewrite();
    }

    /// Waits for the next effect; an error is the end, with its result.
    fn next(&self, failure: Option<NotDurable>) -> Result<Effect, Result<(), NotDurable>> {
        let mut inner = self.shared.lock();
        if let (Phase::Closing(_), Some(failure)) = (&inner.phase, failure) {
            return Err(Err(failure));
        }
        loop {
            if let Phase::Closing(position) = inner.phase
                && inner.engine.progress().durable >= position
                && inner.engine.health().stale.is_none()
            {
                return Err(Ok(()));
            }
            inner = self.shared.sample(inner);
            let now = self.shared.now();
            if let Some(effect) = inner.engine.poll_effect(now) {
                return Ok(effect);
            }
            let due =
                inner.engine.poll_timeout().into_iter().chain(inner.sampler.poll_timeout()).min();
            if due.is_some_and(|due| due <= now.instant) {
                continue;
            }
            inner.sleep = due.map_or(Sleep::Forever, Sleep::Until);
            match due.and_then(|due| self.shared.instant(due)) {
                Some(due) => drop(self.shared.wake.wait_until(&mut inner, due)),
                None => self.shared.wake.wait(&mut inner),
            }
            inner.sleep = Sleep::Awake;
        }
    }

    /// Carries an effect out and tells everybody how it ended; the failure, where the log is not good after it.
    fn carry_out(&mut self, disk: &mut Disk, effect: Effect) -> Option<NotDurable> {
        let (outcome, error) = disk.carry_out(&effect);
        // A comparison that fails is no attempt, and neither is tidying up.
        let attempt =
            outcome != Outcome::Done && !matches!(effect, Effect::Check | Effect::Discard);
        let error =
            error.unwrap_or_else(|| io::Error::other("the file at the path is not ours any more"));
        let failure = attempt.then(|| NotDurable::because(error));
        let (health, wakers) = {
            let mut inner = self.shared.lock();
            inner.engine.handle_outcome(self.shared.now(), effect, outcome);
            let health = inner.health();
            let failed = match &failure {
                None => Failed::Nothing,
                // What failed was a new file, and the log goes on.
                Some(failure) if health.stale.is_none() => Failed::Rewrite(failure),
                Some(failure) => Failed::All(failure),
            };
            (health, inner.settle(failed))
        };
        wakers.wake();
        self.teller.tell(health, failure.as_ref());
        failure.filter(|_| health.stale.is_some())
    }
}
