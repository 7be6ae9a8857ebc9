//! The same events told to our recorder and to the real library, each on a file of its own: the two files must say the
//! same.

use std::fmt;
use std::fs;
use std::path::Path;

use snapshot_io::Options;
use snapshot_io::sim::Stepper;

use crate::events::{self, Happening};
use crate::judge::{Judge, Life};
use crate::lines::Chance;
use crate::view::View;
use crate::writing::{START, policy_of};
use crate::{Outcome, hex};

/// What was compared.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pairs: u64,
    events: u64,
    departures: u64,
}

/// How many pairs belong to a run of so many files.
pub(crate) const fn pairs(files: u64) -> u64 {
    let pairs = files / 200;
    if pairs < 10 { 10 } else { pairs }
}

/// Records so many streams twice.
pub(crate) fn compare(
    judge: &mut Judge,
    directory: &Path,
    seed: u64,
    pairs: u64,
) -> Outcome<Figures> {
    let mut figures = Figures::default();
    for number in 0..pairs {
        let seed = seed.wrapping_mul(1_000_000_007).wrapping_add(number);
        let paths = ["ours", "serfs"].map(|whose| directory.join(format!("{whose}-{number}")));
        record(judge, [&paths[0], &paths[1]], seed, &mut figures)
            .map_err(|error| format!("the pair of seed {seed}: {error}"))?;
        paths.iter().try_for_each(fs::remove_file)?;
    }
    Ok(figures)
}

fn record(
    judge: &mut Judge,
    [ours, serfs]: [&Path; 2],
    seed: u64,
    figures: &mut Figures,
) -> Outcome {
    let mut chance = Chance::new(seed);
    let mut happenings: Vec<Happening> =
        (0..chance.below(40)).map(|_| events::shared(&mut chance)).collect();
    let departs = chance.one_in(3);
    if departs {
        happenings.push(events::depart(&mut chance));
    }
    let policy = policy_of(&mut chance)?;
    let rejoin = policy.rejoin_after_leave;
    let options = Options::new().policy(policy);
    let (mut stepper, _) = Stepper::open(&options, ours, START)?;
    for happening in &happenings {
        happening.tell_as_serf_hears_it(|event| stepper.record(event))?;
        if chance.one_in(4) {
            stepper.engine().request_sync();
            stepper.run();
        }
    }
    stepper.engine().request_sync();
    stepper.run();
    let life = Life {
        path: serfs.to_str().ok_or("the directory's name is no text")?.to_owned(),
        // An agent that compacts behind its `leave` drops the line: a fault that is not to be ours.
        min_compact_size: if departs { 1 << 30 } else { 1 },
        events: happenings.iter().filter_map(Happening::of_serf).collect(),
    };
    judge.record(&life, rejoin)?;
    // Who has left writes its file anew for its own setting; till then both say the same to both.
    let settings = [false, true].into_iter().filter(|setting| !departs || *setting == rejoin);
    for setting in settings {
        let files = [fs::read(ours)?, fs::read(serfs)?];
        let mut said: Vec<View> = Vec::new();
        for file in &files {
            let mut view = judge.replay(file, setting)?.view;
            if departs && !setting {
                // Behind our `leave` stands the clock of membership; Serf writes it there only when it rises.
                view.clock = 0;
            }
            said.push(view);
        }
        if said[0] != said[1] {
            let [ours, serfs] = files.map(|file| hex::encode(&file));
            let text = format!("ours {}; Serf's {}: {ours} {serfs}", said[0], said[1]);
            return Err(text.into());
        }
    }
    figures.pairs += 1;
    figures.events += happenings.len() as u64;
    figures.departures += u64::from(departs);
    Ok(())
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>9}  pairs of files from the same events, 0 differ", self.pairs)?;
        writeln!(f, "{:>9}    events, {} departures", self.events, self.departures)?;
        Ok(())
    }
}
