//! What differs between a file and what is to be written in its place, node by node and clock by clock.

use std::collections::BTreeMap;

use snapshot_engine::{Document, LamportTime, State, UnixMillis};
use snapshot_format::{Addr, Name};

use crate::edit::original::Original;

/// All that differs, sorted by name.
#[derive(Default)]
pub(super) struct Changes<'a> {
    pub(super) nodes: Vec<NodeChange<'a>>,
    pub(super) clocks: Vec<ClockChange>,
}

/// A node that is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeChange<'a> {
    pub(super) seen: Seen,
    pub(super) name: Name<'a>,
    /// As Serf reads the old file, and failed nodes as we do; `None` where it is not in the file.
    pub(super) was: Option<Standing<'a>>,
    pub(super) becomes: Option<Standing<'a>>,
    /// Whether our reader has it so already: the damage makes the difference, and not the command.
    pub(super) mended: bool,
}

/// A clock that is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockChange {
    pub(super) seen: Seen,
    pub(super) clock: &'static str,
    pub(super) was: LamportTime,
    pub(super) becomes: LamportTime,
}

/// Under which setting of `rejoin_after_leave` a change is seen. They differ only in files with a `leave`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Both,
    Rejoining,
    Leaving,
}

/// What a file says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    Alive(Addr<'a>),
    Failed(Addr<'a>, UnixMillis),
}

impl<'a> Changes<'a> {
    pub(super) fn new(original: &'a Original, after: &'a Document) -> Self {
        let of = |rejoins| {
            let hardened = original.document.state(rejoins);
            let before = View::new(original.serfs(rejoins), hardened);
            let after = after.state(rejoins);
            (
                nodes(&before, &View::new(hardened, hardened), &View::new(after, after)),
                before,
                after,
            )
        };
        let (mut leaving, before, after_leaving) = of(false);
        let mut clocks = clocks(before.alive, after_leaving, Seen::Both);
        let mut changes = Vec::new();
        if after.has_left() {
            let (rejoining, before, after_rejoining) = of(true);
            for (name, change) in rejoining {
                let same = leaving.get(&name) == Some(&change);
                let seen = if same { Seen::Both } else { Seen::Rejoining };
                if same {
                    leaving.remove(&name);
                }
                changes.push(NodeChange { seen, ..change });
            }
            changes.extend(
                leaving.into_values().map(|change| NodeChange { seen: Seen::Leaving, ..change }),
            );
            changes.sort_by_key(|change| change.name);
            clocks = merge(&clocks, &self::clocks(before.alive, after_rejoining, Seen::Both));
        } else {
            changes.extend(leaving.into_values());
        }
        Self { nodes: changes, clocks }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.clocks.is_empty()
    }
}

impl NodeChange<'_> {
    /// What becomes of it, in a word.
    pub(super) fn word(&self) -> &'static str {
        use Standing::{Alive, Failed};
        match (self.was, self.becomes) {
            (None, Some(_)) if self.mended => "salvaged",
            (_, None) if self.mended => "lost",
            _ if self.mended => "mended",
            (_, None) => "removed",
            (None | Some(Failed(..)), Some(Alive(_))) => "revived",
            (Some(_), Some(_)) => "moved",
            (None, Some(Failed(..))) => "added",
        }
    }
}

impl Seen {
    /// As it is spelt in JSON.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Rejoining => "rejoining",
            Self::Leaving => "leaving",
        }
    }

    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Both => "always",
            Self::Rejoining => "with rejoin_after_leave",
            Self::Leaving => "without rejoin_after_leave",
        }
    }
}

/// Who stands where, by name.
struct View<'a> {
    alive: &'a State,
    failed: BTreeMap<Name<'a>, (Addr<'a>, UnixMillis)>,
}

impl<'a> View<'a> {
    /// Alive as one reader has it, failed as another.
    fn new(alive: &'a State, failed: &'a State) -> Self {
        let failed = failed.failed().map(|(name, addr, at)| (name, (addr, at))).collect();
        Self { alive, failed }
    }

    fn standing(&self, name: Name<'_>) -> Option<Standing<'a>> {
        let failed = || self.failed.get(&name).map(|(addr, at)| Standing::Failed(*addr, *at));
        self.alive.addr_of(name).map(Standing::Alive).or_else(failed)
    }

    fn names(&self) -> impl Iterator<Item = Name<'a>> {
        self.alive.alive().map(|(name, _)| name).chain(self.failed.keys().copied())
    }
}

fn nodes<'a>(
    before: &View<'a>,
    hardened: &View<'a>,
    after: &View<'a>,
) -> BTreeMap<Name<'a>, NodeChange<'a>> {
    let change = |name: Name<'a>| {
        let (was, becomes) = (before.standing(name), after.standing(name));
        let mended = hardened.standing(name) == becomes;
        (was != becomes)
            .then_some((name, NodeChange { seen: Seen::Both, name, was, becomes, mended }))
    };
    before.names().chain(after.names()).filter_map(change).collect()
}

fn clocks(before: &State, after: &State, seen: Seen) -> Vec<ClockChange> {
    let times = |state: &State| {
        let clocks = state.clocks();
        [clocks.clock, clocks.event_clock, clocks.query_clock]
    };
    ["clock", "event_clock", "query_clock"]
        .into_iter()
        .zip(times(before).into_iter().zip(times(after)))
        .filter(|(_, (was, becomes))| was != becomes)
        .map(|(clock, (was, becomes))| ClockChange { seen, clock, was, becomes })
        .collect()
}

/// What changes in the same way under either setting is told once.
fn merge(leaving: &[ClockChange], rejoining: &[ClockChange]) -> Vec<ClockChange> {
    let with = |seen| move |change: &ClockChange| ClockChange { seen, ..*change };
    let (both, only): (Vec<ClockChange>, Vec<ClockChange>) =
        rejoining.iter().partition(|change| leaving.contains(change));
    let alone = leaving.iter().filter(|change| !rejoining.contains(change));
    let alone = alone.map(with(Seen::Leaving));
    both.into_iter().chain(only.iter().map(with(Seen::Rejoining))).chain(alone).collect()
}
