//! What a crash may leave, held against what was accepted.

use std::collections::BTreeMap;
use std::fmt;

use snapshot_io::sim::Fill;
use snapshot_model::Model;

use crate::reopen::Found;
use crate::run::Known;
use crate::show;

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process alone: the system has what was written.
    Kill,
    /// The power, and what stands in place of lost bytes.
    Cut(Fill),
}

/// Whether the disk says what it may.
///
/// Old bytes are believed where they hold whole batches of ours: a seal says that its bytes were written once, and
/// neither when nor in which file. So what they say was accepted once, but may have been undone since: that is counted,
/// and the answer is whether it is so here.
///
/// # Errors
/// A sentence: which promise is broken.
pub(crate) fn check(known: &Known, crash: Crash, found: &Found) -> Result<bool, String> {
    let vouched = |why| format!("{why}, and a seal that holds vouches for it");
    let at = known.durable.min(known.lines.len());
    let (synced, later) = (&known.folds[at], &known.lines[at..]);
    let one = |part| subsequence(known, part, synced, later);
    match crash {
        Crash::Kill => prefix(known, found, known.written),
        Crash::Cut(Fill::Missing) => prefix(known, found, known.durable),
        Crash::Cut(Fill::Zeros) => one(Part::All(&found.models[0])),
        Crash::Cut(Fill::Garbage) => one(Part::Sealed(&found.sealed)).map_err(vouched),
        Crash::Cut(Fill::Old) => {
            let ever = [&known.past[..], &known.lines].concat();
            subsequence(known, Part::Sealed(&found.sealed), synced, &ever).map_err(vouched)?;
            return Ok(one(Part::Sealed(&found.sealed)).is_err());
        }
    }
    .map(|()| false)
}

/// G1, G3, G4, G5, G7: exactly what the first so many lines say, `at_least` of them.
fn prefix(known: &Known, found: &Found, at_least: usize) -> Result<(), String> {
    let own = &known.folds;
    if known.also.as_ref().is_some_and(|also| *also == found.models) {
        return Ok(());
    }
    let mut lengths = (at_least..own.len()).filter(|at| own[*at] == found.models[0]).peekable();
    if lengths.peek().is_none() {
        let shorter = own.iter().rposition(|fold| *fold == found.models[0]);
        return Err(format!(
            "no prefix of {} lines that has the first {at_least}, but of {shorter:?}: {}",
            own.len() - 1,
            show(&found.models[0])
        ));
    }
    let other = &found.models[1];
    // What one who does not rejoin writes anew has forgotten what came before the leave, or, where the leave came in the
    // middle, a part of it.
    let forgets = !known.rules.rejoin_after_leave;
    let fits = |at: usize| {
        let mut others = known.others[at].iter();
        others.any(|fold| fold == other || forgets && is_between(other, &own[at], fold))
    };
    if !lengths.any(fits) {
        return Err(format!("under the other setting no such prefix: {}", show(&found.models[1])));
    }
    Ok(())
}

/// What a name is said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Absent,
    Alive(Vec<u8>),
    Failed(Vec<u8>, u64),
}

/// Whether each name and each clock is what one of two states says.
fn is_between(found: &Model, one: &Model, two: &Model) -> bool {
    let fits = |name: &Vec<u8>| {
        let is = standing(found, name);
        is == standing(one, name) || is == standing(two, name)
    };
    let fit = |(is, (one, two)): (u64, (u64, u64))| is == one || is == two;
    let all = [found, one, two].into_iter().flat_map(names).all(fits);
    all && times(found).into_iter().zip(times(one).into_iter().zip(times(two))).all(fit)
}

/// Of what a file says.
#[derive(Clone, Copy)]
enum Part<'a> {
    All(&'a Model),
    /// What seals that hold vouch for: anything may be missing from it.
    Sealed(&'a Model),
}

/// G1, G4, G5, G7 where bytes in the middle are lost: for each name and each clock what was synced, or what a later line
/// gave.
fn subsequence(
    known: &Known,
    part: Part<'_>,
    synced: &Model,
    later: &[Vec<u8>],
) -> Result<(), String> {
    if known.also.is_some() {
        return Ok(());
    }
    let (found, in_part) = match part {
        Part::All(found) => (found, false),
        Part::Sealed(found) => (found, true),
    };
    let leaves = !known.rules.rejoin_after_leave && later.iter().any(|line| line == b"leave");
    let mut given: BTreeMap<Vec<u8>, Vec<Standing>> = BTreeMap::new();
    let (mut clocks, zero) = (BTreeMap::<_, Vec<u64>>::new(), (leaves || in_part).then_some(0));
    for line in later {
        let mut one = Model::default();
        one.apply_line(line, &known.rules);
        let name = line.strip_prefix(b"not-alive: ").map(<[u8]>::to_vec);
        for name in one.alive.keys().chain(one.failed.keys()).cloned().chain(name) {
            given.entry(name.clone()).or_default().push(standing(&one, &name));
        }
        for (which, time) in times(&one).into_iter().enumerate().filter(|(_, time)| *time > 0) {
            clocks.entry(which).or_default().push(time);
        }
    }
    let base = if in_part { &known.sealed_base } else { synced };
    for name in [found, synced].into_iter().flat_map(names) {
        let is = standing(found, name);
        let fits = is == standing(synced, name)
            || is == standing(base, name)
            || (leaves || in_part) && is == Standing::Absent
            || given.get(name).is_some_and(|given| given.contains(&is));
        if !fits {
            let was = standing(synced, name);
            return Err(format!("{} is {is}, was {was} when synced", name.escape_ascii()));
        }
    }
    for (which, (is, was)) in times(found).into_iter().zip(times(synced)).enumerate() {
        let later =
            clocks.get(&which).is_some_and(|given| given.contains(&is)) || is == times(base)[which];
        if is != was && Some(is) != zero && !later {
            return Err(format!("clock {which} is {is}, was {was} when synced"));
        }
    }
    Ok(())
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Alive(addr) => write!(f, "alive at {}", addr.escape_ascii()),
            Self::Failed(addr, at) => write!(f, "failed at {} since {at}", addr.escape_ascii()),
        }
    }
}

fn standing(model: &Model, name: &[u8]) -> Standing {
    match (model.alive.get(name), model.failed.get(name)) {
        (Some(addr), _) => Standing::Alive(addr.clone()),
        (None, Some((addr, at))) => Standing::Failed(addr.clone(), *at),
        (None, None) => Standing::Absent,
    }
}

fn names(model: &Model) -> impl Iterator<Item = &Vec<u8>> {
    model.alive.keys().chain(model.failed.keys())
}

fn times(model: &Model) -> [u64; 3] {
    [model.clock, model.event_clock, model.query_clock]
}
