//! The engine: events in, positions out.

use alloc::boxed::Box;

use snapshot_format::{LamportTime, Name, Record};

use crate::files::{Flight, Log, Rewrite};
use crate::health::{Cause, Health, Warning};
use crate::pending::Pending;
use crate::{Durability, Event, Instant, Member, Now, Policy, Report, State};

/// A place in the sequence of accepted lines: it stands after all lines accepted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub(crate) u64);

/// How far the log has come. Each is the position up to which everything is there.
///
/// Where somebody else has changed the file, what was written and durable is not there any more: both begin anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Progress {
    /// In the state.
    pub accepted: Position,
    /// Handed to the system: safe from a crash of the process.
    pub written: Position,
    /// Synced: safe from power loss.
    pub durable: Position,
}

/// What the log at the path is when the engine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever opens a file must tell these apart")]
pub enum LogStart {
    /// No file, or none that may be touched.
    Missing,
    /// A file of this many bytes, sealed to its last byte.
    Sealed {
        /// Its size.
        bytes: u64,
    },
    /// Any other file of this many bytes.
    Unsealed {
        /// Its size.
        bytes: u64,
    },
    /// The host runs without a disk: nothing is ever written.
    Disabled,
}

impl From<&Report> for LogStart {
    fn from(report: &Report) -> Self {
        let bytes = report.bytes;
        if report.is_wholly_sealed() { Self::Sealed { bytes } } else { Self::Unsealed { bytes } }
    }
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Stats {
    /// The size of the log in bytes.
    pub log_bytes: u64,
    /// What waits for the disk, in bytes.
    pub pending_bytes: u64,
    /// Lines accepted.
    pub records: u64,
    /// Events refused, see [`Policy::admit`].
    pub refused: u64,
    /// Batches written to the log.
    pub writes: u64,
    /// Syncs of the log that succeeded.
    pub syncs: u64,
    /// Rewrites that were completed.
    pub rewrites: u64,
    /// System calls that failed.
    pub failures: u64,
    /// How often more was recorded than the disk took.
    pub overflows: u64,
    /// How often somebody else was found to have changed the file.
    pub foreign_writes: u64,
}

/// The state machine of one snapshot.
///
/// Drive it so: after any `handle_*` or `request_*`, and when [`poll_timeout`](Self::poll_timeout) has come, call
/// [`poll_effect`](Self::poll_effect) until it returns `None`, carrying each effect out and returning it through
/// [`handle_outcome`](Self::handle_outcome). One effect is under way at a time; events may come in meanwhile.
/// Every call takes as long as 64 KiB of lines take to encode, at most.
#[derive(Debug)]
pub struct Engine {
    pub(crate) policy: Policy,
    pub(crate) state: State,
    pub(crate) log: Log,
    pub(crate) rewrite: Rewrite,
    pub(crate) flight: Option<Flight>,
    pub(crate) pending: Pending,
    pub(crate) progress: Progress,
    /// Up to here a sync was asked for.
    pub(crate) wanted: Position,
    /// The earliest such position that is not durable.
    pub(crate) first_wanted: Position,
    /// When pending must be handed to the system.
    pub(crate) flush_at: Option<Instant>,
    /// Whether the owner has left: then only higher clocks are recorded.
    pub(crate) left: bool,
    pub(crate) health: Health,
    pub(crate) stats: Stats,
    pub(crate) acquaintance: Acquaintance,
}

/// Whether this process has seen another node alive: only then is it for it to say that a failed one is gone for good.
#[derive(Debug, Default)]
pub(crate) struct Acquaintance {
    /// The first node that joined, which may be the owner itself.
    first: Option<Box<[u8]>>,
    met: bool,
}

impl Engine {
    /// An engine on a log that `state` was recovered from.
    ///
    /// What was recovered counts as accepted and, but for a missing file, written; it is not known to be durable.
    #[must_use]
    pub fn new(policy: Policy, state: State, start: LogStart) -> Self {
        let (bytes, cause) = match start {
            LogStart::Missing => (0, Some(Cause::Missing)),
            LogStart::Sealed { bytes } => (bytes, None),
            LogStart::Unsealed { bytes } => (bytes, Some(Cause::NotSealed)),
            LogStart::Disabled => (0, Some(Cause::Disabled)),
        };
        let recovered = Position(1);
        let written = if start == LogStart::Missing { Position(0) } else { recovered };
        Self {
            policy,
            state,
            log: Log::new(bytes),
            rewrite: Rewrite::default(),
            flight: None,
            pending: Pending::default(),
            progress: Progress { accepted: recovered, written, durable: Position(0) },
            wanted: Position(0),
            first_wanted: Position(0),
            flush_at: None,
            left: false,
            health: Health::stale(cause),
            stats: Stats::default(),
            acquaintance: Acquaintance::default(),
        }
    }

    /// Takes in an event; the position that stands after it and all before it.
    ///
    /// An event that changes nothing, or is refused, writes nothing, and its position is that of what came before.
    pub fn handle_event(&mut self, now: Now, event: Event<'_>) -> Position {
        if self.policy.admit(&event).is_err() {
            self.stats.refused += 1;
            return self.progress.accepted;
        }
        let clocks = self.state.clocks();
        match event {
            Event::Clock(time) => {
                let seen = LamportTime(time.0.saturating_sub(1));
                if seen > clocks.clock {
                    self.record(now, &Record::Clock(seen));
                }
            }
            // Recording stops after the leave.
            _ if self.left => {}
            Event::MemberJoin(member) | Event::MemberUpdate(member) => self.join(now, member),
            Event::MemberFailed(member) => self.fail(now, member),
            Event::MemberLeave(member) | Event::MemberReap(member) => {
                self.record(now, &Record::NotAlive { name: member.name() });
            }
            Event::User(time) if time > clocks.event_clock => {
                self.record(now, &Record::EventClock(time));
            }
            Event::Query(time) if time > clocks.query_clock => {
                self.record(now, &Record::QueryClock(time));
            }
            Event::User(_) | Event::Query(_) => {}
            Event::Coordinate(coordinate) => self.record(now, &Record::Coordinate(coordinate)),
            Event::Leave => self.leave(now),
        }
        self.check_overflow(now);
        self.progress.accepted
    }

    /// Asks for everything accepted so far to be made durable as soon as possible: at once where the log is good, with
    /// its rewrite where it is stale.
    pub fn request_sync(&mut self) -> Position {
        self.want_all();
        // Whoever waits does not wait for the back-off. A rewrite that is under way will do.
        self.rewrite.requested |= self.health.stale.is_some() && self.rewrite.is_idle();
        self.progress.accepted
    }

    /// Asks for the log to be rewritten as soon as possible: done when [`Stats::rewrites`] has come to the number
    /// returned.
    pub fn request_rewrite(&mut self) -> u64 {
        self.rewrite.requested = true;
        // One that is under way may have begun before what was recorded last.
        self.stats.rewrites + if self.rewrite.is_idle() { 1 } else { 2 }
    }

    /// What all accepted lines say together.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The settings.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How far the log has come.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// Up to where everything is as safe as [`Policy::durability`] promises.
    #[must_use]
    pub const fn settled(&self) -> Position {
        match self.policy.durability {
            Durability::Os => self.progress.written,
            Durability::Always | Durability::Interval(_) => self.progress.durable,
        }
    }

    /// How the log is.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            log_bytes: self.log.bytes,
            pending_bytes: self.pending.bytes() as u64,
            ..self.stats
        }
    }

    fn join(&mut self, now: Now, member: Member<'_>) {
        self.record(now, &Record::Alive { name: member.name(), addr: member.addr() });
        let own = self.policy.identity.node();
        self.acquaintance.meet(member.name(), own);
        self.forget_old(now);
    }

    fn fail(&mut self, now: Now, member: Member<'_>) {
        let name = member.name();
        // Where it was alive is where it was dialled; what the event says may be newer than any contact.
        let addr = self.state.addr_of(name).map(|addr| Box::<[u8]>::from(addr.as_bytes()));
        let record = Record::NotAlive { name };
        if addr.is_some() {
            self.record(now, &record);
        } else if self.state.failed.contains(name) {
            return;
        }
        let addr = addr
            .as_deref()
            .and_then(|addr| snapshot_format::Addr::new(addr).ok())
            .unwrap_or(member.addr());
        let (changed, evicted) = self.state.fail(name, addr, now.wall);
        if changed {
            self.accept(now, &Record::Failed { name, addr, at: now.wall });
        }
        if let Some(evicted) = evicted {
            self.accept_not_alive(now, &evicted);
        }
    }

    /// Drops a failed node that is older than the retention. A few at a time, so that no event takes long.
    fn forget_old(&mut self, now: Now) {
        const AT_A_TIME: usize = 4;
        if !self.acquaintance.met {
            return;
        }
        for _ in 0..AT_A_TIME {
            let Some((at, name)) = self.state.failed.oldest() else { return };
            let age = now.wall.0.saturating_sub(at.0);
            if u128::from(age) <= self.policy.failed_retention.as_millis() {
                return;
            }
            if let Ok(of) = Name::new(&name) {
                self.state.failed.remove(of);
            }
            self.accept_not_alive(now, &name);
        }
    }

    /// Records that a failed node was dropped, which the state already knows.
    fn accept_not_alive(&mut self, now: Now, name: &[u8]) {
        if let Ok(name) = Name::new(name) {
            self.accept(now, &Record::NotAlive { name });
        }
    }

    /// `leave`, and the clock that a reader who does not rejoin would otherwise lose: one batch, synced.
    fn leave(&mut self, now: Now) {
        let clock = self.state.clocks().clock;
        self.pending.make_room("leave\nclock: \n".len() + 20, now.wall);
        if !self.policy.rejoin_after_leave {
            self.state.apply(&Record::Leave);
        }
        self.accept(now, &Record::Leave);
        if clock.0 > 0 {
            self.state.apply(&Record::Clock(clock));
            self.accept(now, &Record::Clock(clock));
        }
        self.pending.seal(now.wall);
        self.left = true;
        self.request_sync();
    }

    /// Applies a record, and accepts it where it changed something.
    fn record(&mut self, now: Now, record: &Record<'_>) {
        if self.state.apply(record) {
            self.accept(now, record);
        }
    }

    /// Accepts a line that the state has taken in.
    fn accept(&mut self, now: Now, record: &Record<'_>) {
        self.progress.accepted.0 += 1;
        self.stats.records += 1;
        if !self.is_buffering() {
            // The state is the truth; a rewrite carries it.
            return;
        }
        self.pending.push(record, now.wall, self.progress.accepted);
        let wait = match self.policy.durability {
            Durability::Always => core::time::Duration::ZERO,
            Durability::Interval(_) | Durability::Os => self.policy.flush_interval,
        };
        self.flush_at.get_or_insert(now.instant + wait);
        self.bound_loss(now);
    }

    pub(crate) const fn warn(&mut self, warning: Warning, on: bool) {
        self.health.set(warning, on);
    }
}

impl Acquaintance {
    fn meet(&mut self, name: Name<'_>, own: Option<Name<'_>>) {
        match (own, &self.first) {
            _ if self.met => {}
            (Some(own), _) => self.met = own != name,
            (None, None) => self.first = Some(name.as_bytes().into()),
            (None, Some(first)) => self.met = **first != *name.as_bytes(),
        }
    }
}
