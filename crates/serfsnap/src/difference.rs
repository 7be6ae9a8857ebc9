//! How two states differ.

use snapshot_engine::{LamportTime, State};
use snapshot_format::{Addr, Name};

/// How `there` differs from `here`; nodes are sorted by name.
pub(crate) struct Difference<'a> {
    /// Alive there alone.
    pub(crate) only_there: Vec<(Name<'a>, Addr<'a>)>,
    /// Alive here alone.
    pub(crate) only_here: Vec<(Name<'a>, Addr<'a>)>,
    /// Alive in both, at another address there: who, where here, where there.
    pub(crate) moved: Vec<(Name<'a>, Addr<'a>, Addr<'a>)>,
    /// The name of the clock, its value here, its value there.
    pub(crate) clocks: Vec<(&'static str, LamportTime, LamportTime)>,
}

impl<'a> Difference<'a> {
    pub(crate) fn new(here: &'a State, there: &'a State) -> Self {
        let mut moved: Vec<_> = here
            .alive()
            .filter_map(|(name, addr)| Some((name, addr, there.addr_of(name)?)))
            .filter(|(_, here, there)| here != there)
            .collect();
        moved.sort_unstable();
        let (here_clocks, there_clocks) = (here.clocks(), there.clocks());
        let clocks = [
            ("clock", here_clocks.clock, there_clocks.clock),
            ("event-clock", here_clocks.event_clock, there_clocks.event_clock),
            ("query-clock", here_clocks.query_clock, there_clocks.query_clock),
        ];
        Self {
            only_there: missing(there, here),
            only_here: missing(here, there),
            moved,
            clocks: clocks.into_iter().filter(|(_, here, there)| here != there).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.only_there.is_empty()
            && self.only_here.is_empty()
            && self.moved.is_empty()
            && self.clocks.is_empty()
    }
}

/// The nodes alive in `of` and not in `from`.
fn missing<'a>(of: &'a State, from: &State) -> Vec<(Name<'a>, Addr<'a>)> {
    let mut nodes: Vec<_> = of.alive().filter(|(name, _)| from.addr_of(*name).is_none()).collect();
    nodes.sort_unstable();
    nodes
}
