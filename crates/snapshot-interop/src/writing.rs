//! What our recorder leaves: after every call that changed the file, the judge recovers exactly our state from it, under
//! both settings and without a warning.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use snapshot_engine::{Durability, Identity, Mode, Policy, Replay, State, UnixMillis};
use snapshot_io::sim::Stepper;
use snapshot_io::{Options, replay};

use crate::events::{self, Happening};
use crate::judge::Judge;
use crate::lines::Chance;
use crate::view::{View, policy, read};
use crate::{Outcome, hex};

/// When every recorder starts.
pub(crate) const START: UnixMillis = UnixMillis(1_763_867_000_000);

/// What was compared.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    streams: u64,
    events: u64,
    readings: u64,
    rewrites: u64,
    departures: u64,
    failed_nodes: u64,
}

/// How many streams belong to a run of so many files: each is ten files and more.
pub(crate) const fn streams(files: u64) -> u64 {
    let streams = files / 100;
    if streams < 10 { 10 } else { streams }
}

/// Records so many random streams.
pub(crate) fn compare(
    judge: &mut Judge,
    directory: &Path,
    seed: u64,
    streams: u64,
) -> Outcome<Figures> {
    let mut figures = Figures::default();
    for number in 0..streams {
        let seed = seed.wrapping_mul(1_000_000_007).wrapping_add(number);
        let path = directory.join(format!("stream-{number}"));
        record(judge, &path, seed, &mut figures)
            .map_err(|error| format!("the stream of seed {seed}: {error}"))?;
        fs::remove_file(&path)?;
    }
    Ok(figures)
}

fn record(judge: &mut Judge, path: &Path, seed: u64, figures: &mut Figures) -> Outcome {
    let mut chance = Chance::new(seed);
    let policy = policy_of(&mut chance)?;
    let options = Options::new().policy(policy.clone());
    let (mut stepper, _) = Stepper::open(&options, path, START)?;
    let mut watch = Watch { judge, path, policy, left: false, last: Vec::new(), readings: 0 };
    figures.streams += 1;
    for _ in 0..20 + chance.below(60) {
        match chance.below(16) {
            0 => drop(stepper.engine().request_sync()),
            1 => drop(stepper.engine().request_rewrite()),
            2 | 15 => stepper.wait(Duration::from_millis(500)),
            3 if chance.one_in(10) => stepper.wait(Duration::from_secs(80 * 3600)),
            4 if chance.one_in(6) && !watch.left => {
                tell(&mut stepper, &events::depart(&mut chance))?;
                figures.departures += 1;
                watch.left = true;
            }
            5..8 => watch.step(&mut stepper)?,
            _ => {
                tell(&mut stepper, &events::any(&mut chance))?;
                figures.events += 1;
            }
        }
    }
    stepper.engine().request_sync();
    watch.run(&mut stepper)?;
    watch.check_end(&mut stepper)?;
    figures.readings += watch.readings;
    figures.rewrites += stepper.engine().stats().rewrites;
    figures.failed_nodes += stepper.engine().state().failed_len() as u64;
    Ok(())
}

/// A policy with small limits, so that everything happens in a few events.
pub(crate) fn policy_of(chance: &mut Chance) -> Outcome<Policy> {
    let mut policy = policy(chance.one_in(2));
    policy.min_compact_size = [0, 600, 4000, 128 * 1024][chance.below(4)];
    policy.durability = [Durability::Always, Durability::Os, policy.durability][chance.below(3)];
    if chance.one_in(4) {
        policy.max_failed = 1 + chance.below(3);
    }
    if chance.one_in(2) {
        policy.identity = Identity::new(Some(b"east"), Some(b"web-1"))?;
    }
    Ok(policy)
}

pub(crate) fn tell(stepper: &mut Stepper, happening: &Happening) -> Outcome {
    happening.tell(|event| stepper.record(event))?;
    Ok(())
}

/// Looks at the file whenever a call may have changed it.
pub(crate) struct Watch<'a> {
    pub(crate) judge: &'a mut Judge,
    pub(crate) path: &'a Path,
    /// The recorder's.
    pub(crate) policy: Policy,
    /// Whether its owner has left: then the file holds nobody for those who do not rejoin.
    pub(crate) left: bool,
    pub(crate) last: Vec<u8>,
    pub(crate) readings: u64,
}

impl Watch<'_> {
    /// The next call, where one is due.
    fn step(&mut self, stepper: &mut Stepper) -> Outcome {
        if stepper.step().is_some() {
            self.look(stepper)?;
        }
        Ok(())
    }

    /// All calls that are due.
    pub(crate) fn run(&mut self, stepper: &mut Stepper) -> Outcome {
        while stepper.step().is_some() {
            self.look(stepper)?;
        }
        Ok(())
    }

    /// Everything recorded is in the file, and the file says so to everybody.
    pub(crate) fn check_end(&mut self, stepper: &mut Stepper) -> Outcome {
        let progress = stepper.engine().progress();
        if progress.durable != progress.accepted {
            return Err(format!("it is not durable: {:?}", stepper.health()).into());
        }
        self.last.clear();
        self.look(stepper)
    }

    fn look(&mut self, stepper: &mut Stepper) -> Outcome {
        let file = match fs::read(self.path) {
            // Before the first rewrite there is none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        if file == self.last {
            return Ok(());
        }
        let progress = stepper.engine().progress();
        let all_written = progress.written == progress.accepted;
        let live = all_written.then(|| stepper.engine().state());
        self.readings += check_file(self.judge, &file, &self.policy, live)?;
        if all_written && self.left && !read(&file, Mode::Hardened, false)?.0.is_empty() {
            return Err(format!("it does not say who left: {}", hex::encode(&file)).into());
        }
        self.last = file;
        Ok(())
    }
}

/// A file that we wrote: how often it was read. The state is what it must say under the recorder's policy.
fn check_file(
    judge: &mut Judge,
    file: &[u8],
    policy: &Policy,
    live: Option<&State>,
) -> Outcome<u64> {
    for rejoin in [false, true] {
        let mut reader = policy.clone();
        reader.rejoin_after_leave = rejoin;
        let (ours, report) = replay(file, Replay::new(Mode::Hardened, &reader, 7))?;
        let shown = || format!("with rejoin {rejoin}: {}", hex::encode(file));
        if report.findings_total > 0 || !report.is_wholly_sealed() {
            return Err(format!("our own reader finds {:?} {}", report.findings, shown()).into());
        }
        let said = judge.replay(file, rejoin)?;
        let view = View::from(&ours);
        if said.view != view || !said.warnings.is_empty() {
            let (judged, warnings) = (said.view, said.warnings);
            return Err(format!("ours {view}; the judge {judged} {warnings:?} {}", shown()).into());
        }
        if let Some(live) = live.filter(|_| policy.rejoin_after_leave == rejoin) {
            let same = View::from(live) == view && live.failed().eq(ours.failed());
            if !same {
                let live = View::from(live);
                return Err(format!("in memory {live}; in the file {view} {}", shown()).into());
            }
        }
    }
    Ok(2)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>9}  streams of {} events", self.streams, self.events)?;
        writeln!(f, "{:>9}    rewrites, {} departures", self.rewrites, self.departures)?;
        writeln!(f, "{:>9}    failed nodes kept at their ends", self.failed_nodes)?;
        writeln!(f, "{:>9}  readings by the judge, 0 differ, 0 warnings", self.readings)?;
        Ok(())
    }
}
