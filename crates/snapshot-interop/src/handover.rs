//! One file in turns: our recorder and the real library open it, append to it, compact it and leave, each with a setting
//! of its own, and each goes on with what the other left.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use snapshot_engine::{Mode, State};
use snapshot_io::Options;
use snapshot_io::sim::Stepper;

use crate::events::{self, Happening};
use crate::judge::{Judge, Life};
use crate::lines::Chance;
use crate::view::{View, read};
use crate::writing::{START, Watch, policy_of, tell};
use crate::{Outcome, hex};

/// The turns of one file.
const TURNS: usize = 14;
/// A size that no file here reaches.
const NEVER: u32 = 1 << 30;

/// What was compared.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    chains: u64,
    to_us: u64,
    to_serf: u64,
    serf_alone: u64,
    compactions: u64,
    departures: u64,
    readings: u64,
}

/// How many files go from hand to hand in a run of so many files.
pub(crate) const fn chains(files: u64) -> u64 {
    let chains = files / 500;
    if chains < 5 { 5 } else { chains }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hand {
    Ours,
    Serfs,
}

/// Hands so many files to and fro.
pub(crate) fn compare(
    judge: &mut Judge,
    directory: &Path,
    seed: u64,
    chains: u64,
) -> Outcome<Figures> {
    let mut figures = Figures::default();
    for number in 0..chains {
        let seed = seed.wrapping_mul(1_000_000_007).wrapping_add(number);
        let path = directory.join(format!("chain-{number}"));
        chain(judge, &path, seed, &mut figures)
            .map_err(|error| format!("the chain of seed {seed}: {error}"))?;
        fs::remove_file(&path)?;
    }
    Ok(figures)
}

fn chain(judge: &mut Judge, path: &Path, seed: u64, figures: &mut Figures) -> Outcome {
    let mut chance = Chance::new(seed);
    figures.chains += 1;
    let mut last = None;
    for turn in 0..TURNS {
        // Mostly in turns; two lives of a Serf agent in a row are its own history.
        let hand = match last {
            Some(Hand::Serfs) if !chance.one_in(4) => Hand::Ours,
            None if chance.one_in(2) => Hand::Ours,
            _ => Hand::Serfs,
        };
        let outcome = match hand {
            Hand::Ours => ours(judge, path, &mut chance, figures),
            Hand::Serfs => serfs(judge, path, &mut chance, figures),
        };
        outcome.map_err(|error| format!("turn {turn}, {hand:?}: {error}"))?;
        match (last, hand) {
            (Some(Hand::Ours), Hand::Serfs) => figures.to_serf += 1,
            (Some(Hand::Serfs), Hand::Ours) => figures.to_us += 1,
            (Some(Hand::Serfs), Hand::Serfs) => figures.serf_alone += 1,
            _ => {}
        }
        last = Some(hand);
    }
    Ok(())
}

/// A life of our recorder: it recovers what the judge recovers, and leaves what the judge can read.
fn ours(judge: &mut Judge, path: &Path, chance: &mut Chance, figures: &mut Figures) -> Outcome {
    let policy = policy_of(chance)?;
    let rejoin = policy.rejoin_after_leave;
    let options = Options::new().policy(policy.clone());
    let before = if path.exists() { fs::read(path)? } else { Vec::new() };
    let said = judge.replay(&before, rejoin)?.view;
    let (mut stepper, _) = Stepper::open(&options, path, START)?;
    let recovered = View::from(stepper.engine().state());
    if recovered != said {
        return Err(format!("recovered {recovered}; the judge {said}").into());
    }
    // Until it is rewritten the file is the other's.
    let mut watch = Watch { judge, path, policy, left: false, last: before, readings: 0 };
    for _ in 0..chance.below(12) {
        tell(&mut stepper, &events::any(chance))?;
        if chance.one_in(3) {
            stepper.engine().request_sync();
            watch.run(&mut stepper)?;
        }
        if chance.one_in(10) {
            stepper.engine().request_rewrite();
        }
    }
    if chance.one_in(5) {
        tell(&mut stepper, &events::depart(chance))?;
        watch.left = true;
        figures.departures += 1;
    }
    stepper.engine().request_sync();
    watch.run(&mut stepper)?;
    watch.check_end(&mut stepper)?;
    figures.readings += watch.readings;
    Ok(())
}

/// A life of a Serf agent: what it leaves both of our readers read as the judge does, and nothing in it is odd to them.
fn serfs(judge: &mut Judge, path: &Path, chance: &mut Chance, figures: &mut Figures) -> Outcome {
    let rejoin = chance.one_in(2);
    let before = if path.exists() { fs::read(path)? } else { Vec::new() };
    let mut happenings: Vec<Happening> =
        (0..chance.below(12)).map(|_| events::shared(chance)).collect();
    let departs = chance.one_in(5);
    if departs {
        happenings.push(events::depart(chance));
        figures.departures += 1;
    }
    let life = Life {
        path: path.to_str().ok_or("the directory's name is no text")?.to_owned(),
        min_compact_size: if chance.one_in(2) { 1 } else { NEVER },
        events: happenings.iter().filter_map(Happening::of_serf).collect(),
    };
    let held = judge.record(&life, rejoin)?;
    figures.compactions += u64::from(held.compacted);
    let after = fs::read(path)?;
    for setting in [false, true] {
        let shown = || format!("with rejoin {setting}: {}", hex::encode(&after));
        let said = judge.replay(&after, setting)?;
        if !departs && setting == rejoin && said.view != held.view {
            let (held, said) = (&held.view, &said.view);
            return Err(format!("the library held {held} and reads {said} {}", shown()).into());
        }
        for mode in [Mode::Serf, Mode::Hardened] {
            let (state, report) = read(&after, mode, setting)?;
            let view = View::from(&state);
            if view != said.view || report.findings_total > 0 || !said.warnings.is_empty() {
                let found = &report.findings;
                let said = &said.view;
                let text = format!("{mode:?}: {view}, {found:?}; the judge {said} {}", shown());
                return Err(text.into());
            }
            figures.readings += 1;
        }
    }
    if !departs || rejoin {
        check_failed(&before, &after, rejoin, &happenings, held.compacted)?;
    }
    Ok(())
}

/// An agent that only appends leaves the failed nodes of which it says nothing; one that compacts forgets all of them.
fn check_failed(
    before: &[u8],
    after: &[u8],
    rejoin: bool,
    happenings: &[Happening],
    compacted: bool,
) -> Outcome {
    let mut expected = failed(&read(before, Mode::Hardened, rejoin)?.0);
    expected.retain(|name, _| {
        !compacted && !happenings.iter().any(|one| one.member() == Some(name.as_slice()))
    });
    let found = failed(&read(after, Mode::Hardened, rejoin)?.0);
    if found == expected {
        return Ok(());
    }
    Err(format!("the failed nodes are {found:?}, expected {expected:?}").into())
}

fn failed(state: &State) -> BTreeMap<Vec<u8>, (Vec<u8>, u64)> {
    let owned = |bytes: &[u8]| bytes.to_vec();
    let nodes = state.failed();
    nodes.map(|(name, addr, at)| (owned(name.as_bytes()), (owned(addr.as_bytes()), at.0))).collect()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chains, to_us, to_serf, serf_alone, compactions, departures, readings } = self;
        writeln!(f, "{:>9}  hand-overs of {chains} files", to_us + to_serf)?;
        writeln!(f, "{to_serf:>9}    from us to Serf")?;
        writeln!(f, "{to_us:>9}    from Serf to us")?;
        writeln!(f, "{serf_alone:>9}  from one life of Serf to the next")?;
        writeln!(f, "{compactions:>9}  compactions by Serf, {departures} departures")?;
        writeln!(f, "{readings:>9}  readings, 0 differ, 0 warnings, 0 findings")?;
        Ok(())
    }
}
