//! How a node stands in a state, and what it means when that changes.

use std::fmt;

use serde::Serialize;
use snapshot_engine::State;
use snapshot_format::{Addr, Name, UnixMillis};

use crate::json;

/// How a node that a state knows stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing<'a> {
    Alive(Addr<'a>),
    /// Failed at that time; this is its last address.
    Failed(Addr<'a>, UnixMillis),
}

/// What happened to a node, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Alive,
    Moved,
    NotAlive,
    Failed,
}

/// One node that stands otherwise than before, or otherwise there than here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) before: Option<Standing<'a>>,
    pub(crate) after: Option<Standing<'a>>,
}

impl<'a> Standing<'a> {
    pub(crate) fn of(state: &'a State, name: Name<'_>) -> Option<Self> {
        let failed = || state.failure_of(name).map(|(addr, at)| Self::Failed(addr, at));
        state.addr_of(name).map(Self::Alive).or_else(failed)
    }

    pub(crate) const fn addr(&self) -> Addr<'a> {
        match *self {
            Self::Alive(addr) | Self::Failed(addr, _) => addr,
        }
    }

    pub(crate) const fn failed_at(&self) -> Option<UnixMillis> {
        match *self {
            Self::Alive(_) => None,
            Self::Failed(_, at) => Some(at),
        }
    }

    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Alive(_) => "alive",
            Self::Failed(..) => "failed",
        }
    }
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word(), self.addr())
    }
}

impl Turn {
    /// As it stands in tables and in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Moved => "moved",
            Self::NotAlive => "not-alive",
            Self::Failed => "failed",
        }
    }
}

impl<'a> Change<'a> {
    pub(crate) fn turn(&self) -> Turn {
        match (self.before, self.after) {
            (_, None) => Turn::NotAlive,
            (_, Some(Standing::Failed(..))) => Turn::Failed,
            (Some(Standing::Alive(_)), Some(Standing::Alive(_))) => Turn::Moved,
            (_, Some(Standing::Alive(_))) => Turn::Alive,
        }
    }

    /// The address that counts: where the node is, else where it was.
    pub(crate) fn addr(&self) -> Option<Addr<'a>> {
        self.after.or(self.before).map(|standing| standing.addr())
    }

    /// The address before, where there is another one now.
    pub(crate) fn moved_from(&self) -> Option<Addr<'a>> {
        let before = self.before?.addr();
        (self.after?.addr() != before && self.turn() == Turn::Moved).then_some(before)
    }

    /// Every node that stands otherwise `there` than `here`, by name.
    pub(crate) fn between(here: &'a State, there: &'a State) -> Vec<Self> {
        let names = |state: &'a State| {
            state.alive().map(|(name, _)| name).chain(state.failed().map(|(name, ..)| name))
        };
        let mut changes: Vec<_> = names(here)
            .chain(names(there).filter(|name| Standing::of(here, *name).is_none()))
            .map(|name| Self {
                name,
                before: Standing::of(here, name),
                after: Standing::of(there, name),
            })
            .filter(|change| change.before != change.after)
            .collect();
        changes.sort_unstable_by_key(|change| change.name);
        changes
    }
}

/// The clocks of two states that differ: the name, the value here, the value there.
pub(crate) fn clocks_between(here: &State, there: &State) -> Vec<(&'static str, u64, u64)> {
    let (here, there) = (here.clocks(), there.clocks());
    [
        ("clock", here.clock, there.clock),
        ("event-clock", here.event_clock, there.event_clock),
        ("query-clock", here.query_clock, there.query_clock),
    ]
    .into_iter()
    .filter(|(_, here, there)| here != there)
    .map(|(clock, here, there)| (clock, here.0, there.0))
    .collect()
}

/// A standing in JSON.
#[derive(Serialize)]
pub(crate) struct StandingRow {
    status: &'static str,
    addr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_at_ms: Option<u64>,
}

impl From<Standing<'_>> for StandingRow {
    fn from(standing: Standing<'_>) -> Self {
        let addr = standing.addr();
        let (addr, addr_hex) = json::text(addr.as_bytes());
        let failed_at_ms = standing.failed_at().map(|at| at.0);
        Self { status: standing.word(), addr: addr.into_owned(), addr_hex, failed_at_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapshot_engine::Policy;
    use snapshot_format::Record;

    fn state(lines: &str) -> State {
        let mut state = State::new(&Policy::default(), 1);
        for line in lines.lines() {
            state.apply(&Record::parse(line.as_bytes()).unwrap());
        }
        state
    }

    #[test]
    fn each_way_to_stand_otherwise() {
        let check = |here: &str, there: &str, expect: &[&str]| {
            let (here, there) = (state(here), state(there));
            let found: Vec<_> = Change::between(&here, &there)
                .iter()
                .map(|change| {
                    let shown = |addr: Option<Addr<'_>>| addr.map(|addr| addr.to_string());
                    let addr = shown(change.addr()).unwrap_or_default();
                    let from = shown(change.moved_from()).unwrap_or_default();
                    format!("{} {} {addr} {from}", change.name, change.turn().as_str())
                })
                .collect();
            assert_eq!(found, expect);
        };
        let failed = "#@failed: a h:1 5";
        check("alive: a h:1", "alive: a h:1", &[]);
        check("", "alive: b h:1\nalive: a h:1", &["a alive h:1 ", "b alive h:1 "]);
        check("alive: a h:1", "", &["a not-alive h:1 "]);
        check("alive: a h:1", "alive: a h:2", &["a moved h:2 h:1"]);
        check("alive: a h:2", failed, &["a failed h:1 "]);
        check(failed, "alive: a h:2", &["a alive h:2 "]);
        check(failed, "", &["a not-alive h:1 "]);
        check(failed, "#@failed: a h:1 6", &["a failed h:1 "]);
    }
}
