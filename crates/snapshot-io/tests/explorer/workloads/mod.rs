//! What the processes do.

pub(crate) mod life;
pub(crate) mod others;
pub(crate) mod syncs;
pub(crate) mod trouble;

use std::time::Duration;

use snapshot_io::Durability;

use crate::run::{Run, Settings};

/// A history with a name.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) play: fn(&mut Run),
    levels: &'static [Durability],
    rejoin: &'static [bool],
    max_pending: usize,
    /// Whether its writes are too long to be cut at every byte of every image.
    pub(crate) is_long: bool,
}

/// Until no call is left of a rewrite, whatever goes wrong.
const CALLS: u8 = 10;

const INTERVAL: Durability = Durability::Interval(Duration::from_secs(5));
const LEVELS: [Durability; 3] = [Durability::Always, INTERVAL, Durability::Os];

impl Workload {
    /// At every level, for a node that does not rejoin after it has left.
    const fn new(name: &'static str, play: fn(&mut Run)) -> Self {
        Self { name, play, levels: &LEVELS, rejoin: &[false], max_pending: 1 << 20, is_long: false }
    }

    const fn at(self, levels: &'static [Durability]) -> Self {
        Self { levels, ..self }
    }

    /// For a node that rejoins after it has left as well.
    const fn under_both_settings(self) -> Self {
        Self { rejoin: &[false, true], ..self }
    }

    /// Draws disks where there are more of a crash than samples.
    const fn drawn(self) -> Self {
        Self { is_long: true, ..self }
    }

    const fn max_pending(self, max_pending: usize) -> Self {
        Self { max_pending, ..self }
    }

    pub(crate) fn settings(&self) -> Vec<Settings> {
        let settings = |durability, rejoin_after_leave| Settings {
            durability,
            rejoin_after_leave,
            max_pending: self.max_pending,
        };
        let levels = self.levels.iter();
        levels
            .flat_map(|level| self.rejoin.iter().map(|rejoin| settings(*level, *rejoin)))
            .collect()
    }
}
