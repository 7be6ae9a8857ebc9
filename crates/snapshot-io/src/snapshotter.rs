//! The handle that hosts hold.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snapshot_engine::{
    Candidate, Clocks, Durability, Engine, Event, Health, LogStart, Now, Policy, Position, Sample,
    Sampler, State, Stats, UnixMillis,
};

use crate::durable::{Durable, Failed, Until, Waiters, Wakers};
use crate::open::Opened;
use crate::options::{Options, Sources};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::writer;
use crate::{NotDurable, OpenError, Recovery, time};

/// How long the last drop waits for the disk.
const DROP_WAIT: Duration = Duration::from_secs(5);

/// A snapshot that is open: record what happens, wait where it must be durable, ask whom to rejoin.
///
/// Clones share the snapshot. When the last one goes, what was recorded is written and synced, and the drop waits for
/// that, at most 5 s; [`close`](Self::close) is how to know that it worked.
///
/// ```
/// use std::time::Duration;
/// use snapshot_io::{Event, Member, Options};
///
/// let dir = tempfile::tempdir()?;
/// let (log, _) = Options::new().open(dir.path().join("serf.snapshot"))?;
/// log.record(Event::MemberJoin(Member::new(b"web-1", b"10.0.0.1:7946")?));
/// log.close().wait(Duration::from_secs(5))?;
///
/// let (log, recovery) = Options::new().open(dir.path().join("serf.snapshot"))?;
/// assert_eq!((recovery.alive, log.rejoin_candidates(8)[0].addr.as_str()), (1, "10.0.0.1:7946"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshotter(Arc<Handle>);

/// What the clones share; it knows when the last of them goes.
#[derive(Debug)]
struct Handle(Arc<Shared>);

/// What the handles and the writer thread share.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// The writer has something to do earlier than it thought.
    pub(crate) wake: Condvar,
    /// The writer has let the files go.
    let_go: Condvar,
    sources: Sources,
    origin: Instant,
}

/// What the lock protects.
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) sampler: Sampler,
    pub(crate) waiters: Waiters,
    /// Those who wait for the files to be let go.
    pub(crate) closers: Waiters,
    pub(crate) unlocked: bool,
    pub(crate) phase: Phase,
    pub(crate) sleep: Sleep,
}

/// Whether the writer sleeps, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sleep {
    Awake,
    Until(snapshot_engine::Instant),
    Forever,
}

/// How far the life of a snapshot has come.
#[derive(Debug)]
pub(crate) enum Phase {
    Open,
    /// It ends when everything up to here is durable, or an attempt has failed.
    Closing(Position),
    Closed(Result<(), NotDurable>),
}

/// A node to contact after a restart, as bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedCandidate {
    /// Who; names are bytes.
    pub name: Vec<u8>,
    /// Where it was last: `host:port`.
    pub addr: String,
    /// When it failed, where it is a last resort.
    pub failed: Option<UnixMillis>,
}

impl Snapshotter {
    /// A snapshot in memory only, for a host that must run without a disk: everything works, nothing is kept, and
    /// whoever waits for the disk is told so at once.
    #[must_use]
    pub fn disabled() -> Self {
        let policy = Policy::default();
        let state = State::new(&policy, time::seed());
        let engine = Engine::new(policy, state, LogStart::Disabled);
        let shared = Shared::new(engine, Sources::default(), false);
        shared.lock().phase = Phase::Closed(Err(disabled()));
        Self(Arc::new(Handle(Arc::new(shared))))
    }

    /// Starts the writer thread of a snapshot that was opened.
    pub(crate) fn start(options: Options, opened: Opened) -> Result<(Self, Recovery), OpenError> {
        let Opened { engine, disk, recovery } = opened;
        let shared = Arc::new(Shared::new(engine, options.sources, !disk.is_locked()));
        writer::spawn(Arc::clone(&shared), disk, options.on_health)
            .map_err(crate::open::failed("start the writer thread of", &recovery.path))?;
        Ok((Self(Arc::new(Handle(shared))), recovery))
    }

    /// Records an event; the position that stands after it and all before it.
    ///
    /// Never waits for the disk, and cannot fail: the state has the event when this returns. An event that changes
    /// nothing or is refused (see [`Policy::admit`]) writes nothing, and its position is that of what came before.
    #[expect(clippy::must_use_candidate, reason = "most hosts need the position of few events")]
    pub fn record(&self, event: Event<'_>) -> Position {
        let shared = &self.0.0;
        let mut inner = shared.lock();
        let now = shared.now();
        if matches!(inner.phase, Phase::Closing(_)) {
            return inner.engine.progress().accepted;
        }
        let position = inner.engine.handle_event(now, event);
        inner.sampler.handle_event(now.instant, &event);
        drop(shared.sample(inner));
        position
    }

    /// Ends when everything up to `position` is as safe as [`Policy::durability`] promises: handed to the system under
    /// [`Durability::Os`], else synced. Under [`Durability::Always`] the sync is asked for; else it comes in its time.
    pub fn durable(&self, position: Position) -> Durable {
        let shared = &self.0.0;
        let mut inner = shared.lock();
        let durability = inner.engine.policy().durability;
        if durability == Durability::Always && inner.engine.progress().durable < position {
            inner.engine.request_sync();
        }
        let until = if durability == Durability::Os {
            Until::Written(position)
        } else {
            Until::Synced(position)
        };
        shared.promise(inner, until)
    }

    /// Makes everything recorded so far durable, as soon as possible.
    pub fn sync(&self) -> Durable {
        let shared = &self.0.0;
        let mut inner = shared.lock();
        let position = inner.engine.request_sync();
        shared.promise(inner, Until::Synced(position))
    }

    /// Records that the owner leaves the cluster on purpose; it ends when that is durable, after all that was recorded
    /// before. From now on only higher Lamport clocks are recorded.
    pub fn leave(&self) -> Durable {
        let shared = &self.0.0;
        let mut inner = shared.lock();
        if matches!(inner.phase, Phase::Closing(_)) {
            return Durable::ended(Err(closed()));
        }
        let position = inner.engine.handle_event(shared.now(), Event::Leave);
        inner.engine.request_sync();
        shared.promise(inner, Until::Synced(position))
    }

    /// Rewrites the log, as soon as possible.
    pub fn compact(&self) -> Durable {
        let shared = &self.0.0;
        let mut inner = shared.lock();
        let rewrites = inner.engine.request_rewrite();
        shared.promise(inner, Until::Rewritten(rewrites))
    }

    /// Makes everything durable and lets the files go; it ends when the lock is free again.
    ///
    /// The snapshot is closed for every clone: what is recorded from now on is not kept. One attempt is made; where
    /// it fails the files are let go all the same.
    pub fn close(self) -> Durable {
        let shared = &self.0.0;
        let mut inner = shared.lock();
        shared.begin_close(&mut inner);
        if let Phase::Closed(result) = &inner.phase {
            return Durable::ended(result.clone());
        }
        inner.closers.add(Until::Rewritten(u64::MAX))
    }

    /// The highest Lamport times seen.
    #[must_use]
    pub fn clocks(&self) -> Clocks {
        self.with_state(State::clocks)
    }

    /// Looks at the state, under the lock: recording waits for as long as this takes.
    pub fn with_state<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(self.0.0.lock().engine.state())
    }

    /// Whom to contact after a restart, at most so many: first the alive nodes in a random order, then the failed
    /// ones, the newest first. Never the owner, where [`Policy::identity`] names it.
    #[must_use]
    pub fn rejoin_candidates(&self, max: usize) -> Vec<OwnedCandidate> {
        self.with_candidates(time::seed(), |candidates| {
            let owned = candidates.take(max).map(|candidate| OwnedCandidate {
                name: candidate.name.as_bytes().to_vec(),
                // A dialable address is ASCII.
                addr: String::from_utf8_lossy(candidate.addr.as_bytes()).into_owned(),
                failed: candidate.failed,
            });
            owned.collect()
        })
    }

    /// Looks at the candidates, under the lock.
    pub(crate) fn with_candidates<R>(
        &self,
        seed: u64,
        look: impl FnOnce(&mut dyn Iterator<Item = Candidate<'_>>) -> R,
    ) -> R {
        let inner = self.0.0.lock();
        let own = inner.engine.policy().identity.node();
        look(&mut inner.engine.state().rejoin_candidates(own, seed))
    }

    /// Counters since the snapshot was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.0.lock().engine.stats()
    }

    /// How far the log has come: accepted, handed to the system, durable.
    #[must_use]
    pub fn progress(&self) -> snapshot_engine::Progress {
        self.0.0.lock().engine.progress()
    }

    /// How the log is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.0.lock().health()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        // Whoever has called `close` waits there, or does not want to.
        if !matches!(inner.phase, Phase::Open) {
            return;
        }
        self.0.begin_close(&mut inner);
        let deadline = Instant::now() + DROP_WAIT;
        while !matches!(inner.phase, Phase::Closed(_)) {
            if self.0.let_go.wait_until(&mut inner, deadline).timed_out() {
                return;
            }
        }
    }
}

impl Shared {
    fn new(engine: Engine, sources: Sources, unlocked: bool) -> Self {
        let sampler = Sampler::new(
            sources.clock.is_some(),
            sources.coordinate.is_some(),
            snapshot_engine::Instant::default(),
        );
        let (waiters, closers) = (Waiters::default(), Waiters::default());
        let inner = Inner {
            engine,
            sampler,
            waiters,
            closers,
            unlocked,
            phase: Phase::Open,
            sleep: Sleep::Awake,
        };
        let (wake, let_go) = (Condvar::new(), Condvar::new());
        Self { inner: Mutex::new(inner), wake, let_go, sources, origin: Instant::now() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    pub(crate) fn now(&self) -> Now {
        Now { instant: snapshot_engine::Instant(self.origin.elapsed()), wall: time::wall() }
    }

    /// The host's clock time of an engine's time.
    pub(crate) fn instant(&self, at: snapshot_engine::Instant) -> Option<Instant> {
        self.origin.checked_add(at.0)
    }

    /// Reads what is due to be read from the host, without the lock, and records it.
    pub(crate) fn sample<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        while let Some(sample) = inner.sampler.poll(self.now().instant) {
            drop(inner);
            let event = match sample {
                Sample::Clock => self.sources.clock.as_ref().map(|source| Event::Clock(source())),
                Sample::Coordinate => {
                    self.sources.coordinate.as_ref().map(|source| Event::Coordinate(source()))
                }
            };
            inner = self.lock();
            if let Some(event) = event {
                inner.engine.handle_event(self.now(), event);
            }
        }
        self.wake_writer(&inner);
        inner
    }

    /// Wakes the writer where something is due before it would wake by itself.
    fn wake_writer(&self, inner: &Inner) {
        let late = |due| match inner.sleep {
            Sleep::Awake => false,
            Sleep::Until(until) => due < until,
            Sleep::Forever => true,
        };
        if inner.engine.poll_timeout().is_some_and(late) {
            self.wake.notify_one();
        }
    }

    /// Promises what may already be kept.
    fn promise(&self, mut inner: MutexGuard<'_, Inner>, until: Until) -> Durable {
        if until.is_reached(inner.engine.progress(), inner.engine.stats().rewrites) {
            return Durable::ended(Ok(()));
        }
        if let Phase::Closed(result) = &inner.phase {
            return Durable::ended(Err(result.clone().err().unwrap_or_else(closed)));
        }
        let durable = inner.waiters.add(until);
        self.wake_writer(&inner);
        durable
    }

    fn begin_close(&self, inner: &mut Inner) {
        if matches!(inner.phase, Phase::Open) {
            let position = inner.engine.request_sync();
            inner.phase = Phase::Closing(position);
            self.wake.notify_one();
        }
    }

    /// The writer has let the files go.
    pub(crate) fn closed(&self, result: Result<(), NotDurable>) {
        let mut inner = self.lock();
        let ended = result.clone().err().unwrap_or_else(closed);
        let waiters = inner.settle(Failed::All(&ended));
        let reached = if result.is_ok() { u64::MAX } else { 0 };
        let progress = snapshot_engine::Progress::default();
        let closers = inner.closers.settle(progress, reached, Failed::All(&ended));
        inner.phase = Phase::Closed(result);
        self.let_go.notify_all();
        drop(inner);
        waiters.wake();
        closers.wake();
    }
}

impl Inner {
    /// Ends the promises that are kept, and those that an attempt which has failed concerns.
    pub(crate) fn settle(&mut self, failed: Failed<'_>) -> Wakers {
        self.waiters.settle(self.engine.progress(), self.engine.stats().rewrites, failed)
    }

    pub(crate) fn health(&self) -> Health {
        let health = self.engine.health();
        if self.unlocked { health.with(snapshot_engine::Warning::Unlocked) } else { health }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.lock();
        f.debug_struct("Shared")
            .field("health", &inner.health())
            .field("stats", &inner.engine.stats())
            .finish_non_exhaustive()
    }
}

fn closed() -> NotDurable {
    NotDurable::new(io::ErrorKind::BrokenPipe, "the snapshot is closed")
}

fn disabled() -> NotDurable {
    NotDurable::new(io::ErrorKind::Unsupported, "the snapshot is kept in memory only")
}

#[cfg(test)]
mod tests;
