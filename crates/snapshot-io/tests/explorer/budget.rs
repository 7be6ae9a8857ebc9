//! How much is explored: what `cargo test` has time for, or what the environment says.
//!
//! `EXPLORE_SAMPLES=10000` draws so many disks where a crash leaves more unsynced operations than can be gone through,
//! and goes through all others, however many they are.
//! `EXPLORE_STATE=workload/settings/call/disk`, as a failure prints it, explores that state alone.

use std::fmt;
use std::str::FromStr;

use snapshot_io::sim::{CrashImages, SimStorage};

/// Disks tried of one workload by `cargo test`.
const STATES: u64 = 1500;
/// Disks tried of one crash even where there are many crashes; all kept and all lost are among them.
const FEWEST: u64 = 4;

pub(crate) struct Budget {
    /// Draws where not all disks of a crash can be gone through; `None` for a share of what there is time for.
    samples: Option<usize>,
    pub(crate) only: Option<State>,
}

/// One state of the exploration.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) workload: String,
    /// Which of the workload's settings.
    pub(crate) settings: usize,
    /// The process has made so many calls.
    pub(crate) call: u64,
    /// Which of the disks that the power cut could leave, from 1; 0 is the end of the process alone.
    pub(crate) disk: u64,
}

impl Budget {
    /// What there is time for.
    pub(crate) const QUICK: Self = Self { samples: None, only: None };

    pub(crate) fn from_environment() -> Self {
        let read = |name| std::env::var(name).ok();
        let samples = read("EXPLORE_SAMPLES").map(|text| text.parse().expect("a number"));
        let only = read("EXPLORE_STATE").map(|text| text.parse().expect("four parts"));
        Self { samples, only }
    }

    /// The disks to try of one among so many crashes; of a workload with long writes no more than the samples.
    pub(crate) fn of(
        &self,
        crashes: u64,
        is_long: bool,
        storage: &SimStorage,
        seed: u64,
    ) -> CrashImages {
        if let Some(samples) = self.samples {
            let images = storage.crash_images(seed, samples);
            return if is_long { images.at_most(samples) } else { images };
        }
        let share = usize::try_from((STATES / crashes.max(1)).max(FEWEST)).unwrap_or(usize::MAX);
        storage.crash_images(seed, share).at_most(share)
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('/').collect();
        let [workload, settings, call, disk] = parts[..] else { return Err("four parts".into()) };
        let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
        Ok(Self {
            workload: workload.into(),
            settings: usize::try_from(number(settings)?).map_err(|error| error.to_string())?,
            call: number(call)?,
            disk: number(disk)?,
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, settings, call, disk } = self;
        if let Ok(samples) = std::env::var("EXPLORE_SAMPLES") {
            write!(f, "EXPLORE_SAMPLES={samples} ")?;
        }
        write!(
            f,
            "EXPLORE_STATE={workload}/{settings}/{call}/{disk} cargo test -p snapshot-io --test explorer"
        )
    }
}
