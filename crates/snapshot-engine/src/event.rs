//! What happens in a cluster, as the host tells it.

use snapshot_format::{Addr, Coordinate, InvalidText, LamportTime, MAX_NAME, Name};

use crate::Policy;
use crate::hardened::has_nul_run;

/// One event, about one member at most.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The member joined.
    MemberJoin(Member<'a>),
    /// The member changed its tags or its address. Serf merges a join and an update into an update, so this says as
    /// much as a join: the member is alive at this address.
    MemberUpdate(Member<'a>),
    /// The member failed. Its address is kept as a last resort.
    MemberFailed(Member<'a>),
    /// The member left on purpose; its address does not count.
    MemberLeave(Member<'a>),
    /// The member was forgotten by the cluster; its address does not count.
    MemberReap(Member<'a>),
    /// A user event with this Lamport time was handled; one that is not newer than the last is ignored.
    User(LamportTime),
    /// A query with this Lamport time was handled; one that is not newer than the last is ignored.
    Query(LamportTime),
    /// The Lamport clock of membership stands at this time: the next message would carry it.
    Clock(LamportTime),
    /// The owner's place in the coordinate space.
    Coordinate(Coordinate),
    /// The owner leaves the cluster on purpose. After this only higher [`Clock`](Self::Clock)s are recorded.
    Leave,
}

/// A member: the one place where something from the network is let in or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member<'a> {
    name: Name<'a>,
    addr: Addr<'a>,
}

/// Why a member cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMember {
    /// A newline in its name: written down, it would inject lines of the member's choice.
    #[error("the member's name: {0}")]
    Name(InvalidText),
    /// No name.
    #[error("the member's name is empty")]
    EmptyName,
    /// A name beyond 16 KiB.
    #[error("the member's name has {len} bytes, {MAX_NAME} are the most")]
    LongName {
        /// Its length in bytes.
        len: usize,
    },
    /// A name that holds `alive: `, which a reader of a damaged file would take for the begin of a record.
    #[error("the member's name holds `alive: `, the begin of a record")]
    KeywordInName,
    /// A name with 8 zero bytes in a row, which a reader would take for a lost block.
    #[error("the member's name holds a run of zero bytes")]
    NulRun,
    /// Not `host:port`.
    #[error("the member's address is not host:port")]
    Address,
}

/// Why an event cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// A clock beyond [`Policy::max_clock`]: restored after a restart, it would make the node deaf to all later events.
    #[error("Lamport time {0} is beyond the highest that is believed")]
    ClockTooHigh(LamportTime),
}

impl<'a> Member<'a> {
    /// Accepts what the reader of the file would accept.
    ///
    /// # Errors
    /// [`InvalidMember`]: which part cannot be recorded, and why.
    pub fn new(name: &'a [u8], addr: &'a [u8]) -> Result<Self, InvalidMember> {
        if name.is_empty() {
            return Err(InvalidMember::EmptyName);
        }
        if name.len() > MAX_NAME {
            return Err(InvalidMember::LongName { len: name.len() });
        }
        let name_of = Name::new(name).map_err(InvalidMember::Name)?;
        if name.windows(ALIVE.len()).any(|window| window == ALIVE) {
            return Err(InvalidMember::KeywordInName);
        }
        if has_nul_run(name) {
            return Err(InvalidMember::NulRun);
        }
        let addr = Addr::new(addr).ok().filter(Addr::is_dialable).ok_or(InvalidMember::Address)?;
        Ok(Self { name: name_of, addr })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> Name<'a> {
        self.name
    }

    /// Its address.
    #[must_use]
    pub const fn addr(&self) -> Addr<'a> {
        self.addr
    }
}

const ALIVE: &[u8] = b"alive: ";

impl Policy {
    /// Whether [`Engine::handle_event`](crate::Engine::handle_event) would record this event rather than refuse and
    /// count it.
    ///
    /// # Errors
    /// [`InvalidEvent`]: why it would be refused.
    pub fn admit(&self, event: &Event<'_>) -> Result<(), InvalidEvent> {
        let (time, seen) = match *event {
            Event::User(time) | Event::Query(time) => (time, time.0),
            Event::Clock(time) => (time, time.0.saturating_sub(1)),
            _ => return Ok(()),
        };
        if seen > self.max_clock.0 { Err(InvalidEvent::ClockTooHigh(time)) } else { Ok(()) }
    }
}
