//! What a snapshot says, all lines taken together.

use alloc::sync::Arc;
use alloc::vec::Vec;

use snapshot_format::{Addr, Coordinate, LamportTime, Name, Record, UnixMillis};

use crate::Policy;
use crate::failed::{Failed, FailedNode};
use crate::table::{Change, Table};

/// Who is alive, who failed, how far the clocks are, and where the owner stands.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) alive: Table,
    pub(crate) failed: Failed,
    pub(crate) clocks: Clocks,
    coordinate: Option<Coordinate>,
}

/// The three Lamport clocks: the highest times seen, 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "Serf has these three")]
pub struct Clocks {
    /// Of membership messages.
    pub clock: LamportTime,
    /// Of user events.
    pub event_clock: LamportTime,
    /// Of queries.
    pub query_clock: LamportTime,
}

impl State {
    /// An empty state that keeps at most [`Policy::max_failed`] failed nodes.
    ///
    /// The seed should differ from process to process: names come from the network, and it keeps them from being
    /// chosen to collide in the table.
    #[must_use]
    pub fn new(policy: &Policy, seed: u64) -> Self {
        Self::with_room(policy.max_failed, seed)
    }

    pub(crate) fn with_room(max_failed: usize, seed: u64) -> Self {
        let failed = Failed::new(max_failed);
        Self { alive: Table::new(seed), failed, clocks: Clocks::default(), coordinate: None }
    }

    /// Applies one record, with no regard to settings; whether it changed anything.
    ///
    /// `leave` empties alive, failed and clocks: a reader who rejoins after a leave does not apply it.
    /// `#@failed` of a node that is alive changes nothing, since a Serf agent does not know the line.
    ///
    /// # Panics
    /// Where the alive nodes would take 64 GiB of memory, or a million of them had more than 4 KiB each.
    pub fn apply(&mut self, record: &Record<'_>) -> bool {
        match *record {
            Record::Alive { name, addr } => {
                let failed = self.failed.remove(name);
                self.alive.change_one(&self.alive.alive(name, addr)) || failed
            }
            Record::NotAlive { name } => {
                let failed = self.failed.remove(name);
                self.alive.change_one(&self.alive.gone(name)) || failed
            }
            Record::Clock(time) => replace(&mut self.clocks.clock, time),
            Record::EventClock(time) => replace(&mut self.clocks.event_clock, time),
            Record::QueryClock(time) => replace(&mut self.clocks.query_clock, time),
            Record::Coordinate(coordinate) => replace(&mut self.coordinate, Some(coordinate)),
            Record::Failed { name, addr, at } => self.fail(name, addr, at).0,
            Record::Leave => {
                let changed =
                    !self.is_empty() || self.failed.len() > 0 || self.clocks != Clocks::default();
                self.alive.clear();
                self.failed.clear();
                self.clocks = Clocks::default();
                changed
            }
            _ => false,
        }
    }

    /// What a record changes of the members, if it is about one.
    pub(crate) fn member<'a>(&self, record: &Record<'a>) -> Option<Change<'a>> {
        match *record {
            Record::Alive { name, addr } => Some(self.alive.alive(name, addr)),
            Record::NotAlive { name } => Some(self.alive.gone(name)),
            _ => None,
        }
    }

    /// Takes all these changes and makes them in their order, as [`apply`](Self::apply) would.
    pub(crate) fn change(&mut self, members: &mut Vec<Change<'_>>) {
        if self.failed.len() > 0 {
            for change in &*members {
                self.failed.remove_bytes(change.name());
            }
        }
        self.alive.change(members);
        members.clear();
    }

    /// Records a failed node unless it is alive; whether that changed anything, and who had to make room.
    pub(crate) fn fail(
        &mut self,
        name: Name<'_>,
        addr: Addr<'_>,
        at: UnixMillis,
    ) -> (bool, Option<Arc<[u8]>>) {
        if self.alive.addr_of(name).is_some() {
            return (false, None);
        }
        self.failed.insert(FailedNode { name, addr, at })
    }

    /// How many nodes are alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.alive.len()
    }

    /// Whether no node is alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The alive nodes, in no order that means anything.
    pub fn alive(&self) -> impl Iterator<Item = (Name<'_>, Addr<'_>)> {
        self.alive.iter()
    }

    /// The address of an alive node.
    #[must_use]
    pub fn addr_of(&self, name: Name<'_>) -> Option<Addr<'_>> {
        self.alive.addr_of(name)
    }

    /// The failed nodes with their last address and the time of their failure, by name.
    pub fn failed(&self) -> impl Iterator<Item = (Name<'_>, Addr<'_>, UnixMillis)> {
        self.failed.iter().map(|node| (node.name, node.addr, node.at))
    }

    /// The last address of a failed node, and the time of its failure.
    #[must_use]
    pub fn failure_of(&self, name: Name<'_>) -> Option<(Addr<'_>, UnixMillis)> {
        self.failed.of(name).map(|node| (node.addr, node.at))
    }

    /// How many failed nodes are kept.
    #[must_use]
    pub fn failed_len(&self) -> usize {
        self.failed.len()
    }

    /// The highest Lamport times seen.
    #[must_use]
    pub const fn clocks(&self) -> Clocks {
        self.clocks
    }

    /// Where the owner stands.
    #[must_use]
    pub const fn coordinate(&self) -> Option<Coordinate> {
        self.coordinate
    }

    /// The shortest log that replays to this state.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let failed = self.failed.iter();
        self.clock_records()
            .chain(self.coordinate.map(Record::Coordinate))
            .chain(failed.map(|node| Record::Failed {
                name: node.name,
                addr: node.addr,
                at: node.at,
            }))
            .chain(self.alive().map(|(name, addr)| Record::Alive { name, addr }))
    }

    /// The clocks that are not 0.
    pub(crate) fn clock_records(&self) -> impl Iterator<Item = Record<'_>> {
        let Clocks { clock, event_clock, query_clock } = self.clocks;
        [Record::Clock(clock), Record::EventClock(event_clock), Record::QueryClock(query_clock)]
            .into_iter()
            .zip([clock, event_clock, query_clock])
            .filter_map(|(record, time)| (time.0 > 0).then_some(record))
    }

    /// How many bytes the [`records`](Self::records) take, to within the digits of clocks and times.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        const ALIVE: usize = "alive:  \n".len();
        const FAILED: usize = "#@failed:   \n".len() + 13;
        const CLOCKS: usize = 3 * "event-clock: 1000000\n".len();
        /// Eleven numbers of up to 20 digits, and their names.
        const COORDINATE: usize = 300;
        let coordinate = self.coordinate.map_or(0, |_| COORDINATE);
        let alive = self.alive.len() * ALIVE + self.alive.text_bytes();
        let failed = self.failed.len() * FAILED + self.failed.text_bytes();
        (alive + failed + coordinate + CLOCKS) as u64
    }
}

/// Equality of what they say, whatever the order and the seeds.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.clocks == other.clocks
            && self.coordinate == other.coordinate
            && self.len() == other.len()
            && self.alive().all(|(name, addr)| other.addr_of(name) == Some(addr))
            && self.failed().eq(other.failed())
    }
}

fn replace<T: PartialEq>(slot: &mut T, value: T) -> bool {
    let changed = *slot != value;
    *slot = value;
    changed
}
