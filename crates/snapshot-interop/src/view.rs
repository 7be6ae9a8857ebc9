//! What a reader recovers, as far as Serf knows of it.

use std::collections::BTreeMap;
use std::fmt;

use snapshot_engine::{Mode, Policy, Replay, Report, State};
use snapshot_io::replay;

use crate::Outcome;

/// The nodes that are alive and the three clocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) alive: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) clock: u64,
    pub(crate) event_clock: u64,
    pub(crate) query_clock: u64,
}

impl From<&State> for View {
    fn from(state: &State) -> Self {
        let owned = |bytes: &[u8]| bytes.to_vec();
        let clocks = state.clocks();
        Self {
            alive: state
                .alive()
                .map(|(name, addr)| (owned(name.as_bytes()), owned(addr.as_bytes())))
                .collect(),
            clock: clocks.clock.0,
            event_clock: clocks.event_clock.0,
            query_clock: clocks.query_clock.0,
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, addr) in &self.alive {
            write!(f, "{} at {}, ", name.escape_ascii(), addr.escape_ascii())?;
        }
        let Self { clock, event_clock, query_clock, .. } = self;
        write!(f, "clocks {clock} {event_clock} {query_clock}")
    }
}

/// Our reading of a file.
pub(crate) fn read(file: &[u8], mode: Mode, rejoin: bool) -> Outcome<(State, Report)> {
    Ok(replay(file, Replay::new(mode, &policy(rejoin), 7))?)
}

/// The default policy under a setting.
pub(crate) fn policy(rejoin_after_leave: bool) -> Policy {
    let mut policy = Policy::default();
    policy.rejoin_after_leave = rejoin_after_leave;
    policy
}
