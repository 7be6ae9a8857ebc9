//! Whom to contact when, until the cluster is whole again.
//!
//! Serf tries its snapshot's nodes one after another at its start and stops at the first success. A node that starts
//! while the others are down stays alone (serf#333, consul#7750), and a group that finds one of its own stays an
//! island. Here every node is tried until it is a member, has left, or is given up; a success slows the tries down and
//! never ends them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::{Candidate, Instant};

/// How many contacts may be under way at once: enough that a dead host costs no time, few enough for any network.
const AT_ONCE: usize = 4;
/// The waits between two tries of a node: they double from the first to the last, each cut by up to half at random so
/// that the nodes of a cluster that starts at once do not try in step.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(30);
/// How long a node is tried in vain before it is given up; not counted while the host is alone.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// A contact to be tried. It is told apart from others by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt(usize);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever drives it must do each")]
pub enum Next<'a> {
    /// Contact this node; how that went is told with [`Rejoin::handle_result`].
    Try {
        /// To tell the result of.
        attempt: Attempt,
        /// Who is expected there.
        name: &'a [u8],
        /// Where.
        addr: &'a [u8],
    },
    /// Nothing before this time, or before something happens; `None` when all that is due is under way.
    Wait(Option<Instant>),
    /// Every node is a member, has left, or was given up. Something may begin again when the host finds itself alone.
    Done,
}

/// What became of a node, as the host's membership tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a node is a member, has failed or is gone for good")]
pub enum Membership {
    /// It is a member.
    Alive,
    /// It failed: it is tried again.
    Failed,
    /// It left, or was reaped: it is not tried any more.
    Gone,
}

/// Tries the nodes of a snapshot. Sans-IO: time and randomness are arguments.
///
/// Poll it after each `handle_*` and when the time it named has come, until it says `Wait` or `Done`.
///
/// ```
/// use snapshot_engine::{Instant, Membership, Next, Policy, Rejoin, State};
/// use snapshot_format::Record;
///
/// let mut state = State::new(&Policy::default(), 7);
/// state.apply(&Record::parse(b"alive: a 10.0.0.1:7946")?);
/// let now = Instant::default();
/// let mut rejoin = Rejoin::new(state.rejoin_candidates(None, 7), 7, now);
/// let Next::Try { attempt, addr, .. } = rejoin.poll(now) else { panic!() };
/// assert_eq!(addr, b"10.0.0.1:7946");
/// rejoin.handle_result(now, attempt, true);
/// rejoin.handle_member(now, b"a", Membership::Alive);
/// assert_eq!(rejoin.poll(now), Next::Done);
/// # Ok::<(), snapshot_format::ParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rejoin {
    /// In the order of the candidates.
    targets: Vec<Target>,
    by_name: BTreeMap<Box<[u8]>, usize>,
    /// When each target that waits is due; of those due at one time the first candidate comes first.
    queue: BTreeSet<(Instant, usize)>,
    under_way: usize,
    random: SmallRng,
    /// Whether the host is known not to be alone.
    company: bool,
    cancelled: bool,
}

#[derive(Clone, Debug)]
struct Target {
    name: Box<[u8]>,
    addr: Box<[u8]>,
    phase: Phase,
    /// The wait after the next failure.
    wait: Duration,
    /// Since when it is tried while the host has company.
    since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Due(Instant),
    UnderWay,
    /// A member.
    Found,
    /// It has left or was reaped: it is not tried even by a host that is alone.
    Gone,
    GivenUp,
}

impl Rejoin {
    /// Tries these nodes, in their order. Takes their names and addresses and about 200 bytes a node.
    pub fn new<'a>(
        candidates: impl Iterator<Item = Candidate<'a>>,
        seed: u64,
        now: Instant,
    ) -> Self {
        let mut rejoin = Self {
            targets: Vec::new(),
            by_name: BTreeMap::new(),
            queue: BTreeSet::new(),
            under_way: 0,
            random: SmallRng::seed_from_u64(seed),
            company: false,
            cancelled: false,
        };
        for candidate in candidates {
            let index = rejoin.targets.len();
            let (name, addr) =
                (Box::from(candidate.name.as_bytes()), candidate.addr.as_bytes().into());
            rejoin.by_name.insert(Box::clone(&name), index);
            rejoin.queue.insert((now, index));
            rejoin.targets.push(Target {
                name,
                addr,
                phase: Phase::Due(now),
                wait: FIRST_WAIT,
                since: None,
            });
        }
        rejoin
    }

    /// What to do next.
    pub fn poll(&mut self, now: Instant) -> Next<'_> {
        if self.cancelled || (self.queue.is_empty() && self.under_way == 0) {
            return Next::Done;
        }
        match self.queue.first() {
            Some(&(due, index)) if due <= now && self.under_way < AT_ONCE => {
                self.enter(index, Phase::UnderWay);
                let target = &self.targets[index];
                Next::Try { attempt: Attempt(index), name: &target.name, addr: &target.addr }
            }
            // A result comes before the next contact.
            _ if self.under_way == AT_ONCE => Next::Wait(None),
            first => Next::Wait(first.map(|&(due, _)| due)),
        }
    }

    /// Takes in how an attempt went. A success does not make the node a member: the membership tells that.
    pub fn handle_result(&mut self, now: Instant, attempt: Attempt, success: bool) {
        let index = attempt.0;
        if self.targets.get(index).is_none_or(|target| target.phase != Phase::UnderWay) {
            return;
        }
        self.company |= success;
        let company = self.company;
        let target = &mut self.targets[index];
        // Who has company can wait: what is left to find are other islands.
        let wait = if company { LAST_WAIT } else { target.wait };
        target.wait = (target.wait * 2).min(LAST_WAIT);
        target.since = company.then(|| target.since.unwrap_or(now));
        let in_vain = target.since.is_some_and(|since| since + GIVE_UP_AFTER <= now);
        let wait = wait.mul_f64(self.random.random_range(0.5..=1.0));
        self.enter(index, if in_vain { Phase::GivenUp } else { Phase::Due(now + wait) });
    }

    /// Takes in what the host's membership says of a node, whether it is one of ours or not.
    pub fn handle_member(&mut self, now: Instant, name: &[u8], membership: Membership) {
        self.company |= membership == Membership::Alive;
        let Some(&index) = self.by_name.get(name) else { return };
        self.targets[index].wait = FIRST_WAIT;
        self.targets[index].since = None;
        let phase = match membership {
            Membership::Alive => Phase::Found,
            Membership::Failed => Phase::Due(now + FIRST_WAIT),
            Membership::Gone => Phase::Gone,
        };
        self.enter(index, phase);
    }

    /// The host is the only member left: every node but those that have left is tried again, given up or not.
    pub fn handle_alone(&mut self, now: Instant) {
        self.company = false;
        for index in 0..self.targets.len() {
            if matches!(self.targets[index].phase, Phase::Found | Phase::GivenUp) {
                self.targets[index].wait = FIRST_WAIT;
                self.enter(index, Phase::Due(now));
            }
            self.targets[index].since = None;
        }
    }

    /// Ends it: from now on it is done, and results change nothing.
    pub fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// How many nodes are still to be found.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.queue.len() + self.under_way
    }

    fn enter(&mut self, index: usize, phase: Phase) {
        match core::mem::replace(&mut self.targets[index].phase, phase) {
            Phase::Due(at) => _ = self.queue.remove(&(at, index)),
            Phase::UnderWay => self.under_way -= 1,
            Phase::Found | Phase::Gone | Phase::GivenUp => {}
        }
        match phase {
            Phase::Due(at) => _ = self.queue.insert((at, index)),
            Phase::UnderWay => self.under_way += 1,
            Phase::Found | Phase::Gone | Phase::GivenUp => {}
        }
    }
}
