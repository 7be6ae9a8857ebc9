//! Every crash of a workload, and every disk that it could leave.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

use snapshot_io::sim::SimStorage;

use crate::budget::{Budget, State};
use crate::check::{Crash, check};
use crate::reopen::{Found, reopen};
use crate::run::{Door, Run, Settings};
use crate::workloads::Workload;

/// What was explored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Crashes: a call of the workload under one setting.
    pub(crate) crashes: u64,
    /// Disks that they could leave, each checked against what was accepted by then.
    pub(crate) states: u64,
    /// Those that a process could tell apart.
    pub(crate) disks: u64,
    /// Crashes with more disks than were tried.
    pub(crate) sampled: u64,
    /// States in which old bytes with their seal say what has been undone since.
    pub(crate) stale: u64,
}

/// A state that breaks a promise, and how to see it again.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) state: State,
    why: String,
    listing: String,
}

/// Goes through all crashes of a workload, or through one state alone.
pub(crate) fn explore(
    workload: &Workload,
    door: &Door,
    budget: &Budget,
    figures: &mut Figures,
) -> Result<(), Violation> {
    let wanted = budget.only.as_ref();
    let all = workload.settings();
    let walk = |settings| Walk {
        workload,
        settings,
        door,
        budget,
        number: 0,
        crashes: 0,
        reopened: HashMap::new(),
    };
    let mut calls = Vec::new();
    for (number, settings) in all.iter().enumerate() {
        let walk = Walk { number, ..walk(*settings) };
        let run = walk.play(None);
        calls.push(run.storage.calls());
        if let Some(why) = &run.failure {
            return Err(walk.violation(&run, run.storage.calls(), (0, ""), why));
        }
    }
    for (number, settings) in all.into_iter().enumerate() {
        if wanted.is_some_and(|state| state.settings != number) {
            continue;
        }
        let mut walk = Walk { number, crashes: calls.iter().sum(), ..walk(settings) };
        for call in
            (0..=calls[number]).filter(|call| wanted.is_none_or(|state| state.call == *call))
        {
            walk.crash(call, figures)?;
        }
        figures.disks += walk.reopened.len() as u64;
    }
    Ok(())
}

/// Through one workload under one setting.
struct Walk<'a> {
    workload: &'a Workload,
    settings: Settings,
    number: usize,
    door: &'a Door,
    budget: &'a Budget,
    /// Of the workload under all its settings.
    crashes: u64,
    /// What each disk says, by what a process sees of it.
    reopened: HashMap<u64, Result<Found, String>>,
}

impl Walk<'_> {
    fn play(&self, limit: Option<u64>) -> Run {
        let mut run = Run::new(self.settings, SimStorage::new(), self.door.clone(), limit);
        (self.workload.play)(&mut run);
        run
    }

    /// The process, or the whole machine, ends after so many calls.
    fn crash(&mut self, call: u64, figures: &mut Figures) -> Result<(), Violation> {
        let run = self.play(Some(call));
        if let Some(why) = &run.failure {
            return Err(self.violation(&run, call, (0, ""), why));
        }
        figures.crashes += 1;
        let known = run.known();
        let only = self.budget.only.as_ref().map(|state| state.disk);
        if only.is_none_or(|disk| disk == 0) {
            figures.states += 1;
            let after = run.storage.process_crash();
            let checked = reopen(&after, self.settings).and_then(|found| {
                check(&known, Crash::Kill, &found).map_err(|why| found.show(&why))
            });
            checked
                .map_err(|why| self.violation(&run, call, (0, "the process was killed"), &why))?;
        }
        let images = self.budget.of(self.crashes, self.workload.is_long, &run.storage, call);
        figures.sampled += u64::from(!images.is_exhaustive());
        for (image, disk) in
            images.zip(1..).filter(|(_, disk)| only.is_none_or(|only| only == *disk))
        {
            figures.states += 1;
            let crash = Crash::Cut(image.fill);
            let found = self
                .reopened
                .entry(fingerprint(&image.storage))
                .or_insert_with(|| reopen(&image.storage.process_crash(), self.settings));
            let checked = match found {
                Ok(found) => check(&known, crash, found).map_err(|why| found.show(&why)),
                Err(why) => Err(why.clone()),
            };
            let stale = checked
                .map_err(|why| self.violation(&run, call, (disk, &image.to_string()), &why))?;
            figures.stale += u64::from(stale);
        }
        Ok(())
    }

    fn violation(&self, run: &Run, call: u64, image: (u64, &str), why: &str) -> Violation {
        let (workload, (disk, image)) = (self.workload.name.into(), image);
        let state = State { workload, settings: self.number, call, disk };
        Violation { state, why: why.into(), listing: format!("{}{image}", run.listing()) }
    }
}

impl Found {
    fn show(&self, why: &str) -> String {
        format!("{why}\nthe file: {}", self.file.escape_ascii())
    }
}

/// What a process could see of a disk, but for owners and modes and what is only ever locked.
fn fingerprint(storage: &SimStorage) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in storage.paths().iter().filter(|path| path.extension() != Some("lock".as_ref())) {
        path.hash(&mut hasher);
        storage.contents(path).hash(&mut hasher);
    }
    hasher.finish()
}

/// Explores and prints the figures; panics with all that is needed to see the state again.
pub(crate) fn prove(workload: &Workload) {
    let budget = Budget::from_environment();
    if budget.only.as_ref().is_some_and(|state| state.workload != workload.name) {
        return;
    }
    let (start, mut figures) = (Instant::now(), Figures::default());
    let explored = explore(workload, &crate::plain(), &budget, &mut figures);
    let seconds = start.elapsed().as_secs_f64();
    let Figures { crashes, states, disks, sampled, stale } = figures;
    crate::proof(&format!(
        "explorer workload={} states={states} violations={} disks={disks} crashes={crashes} \
         sampled={sampled} stale={stale} seconds={seconds:.1}",
        workload.name,
        u8::from(explored.is_err()),
    ));
    if let Err(violation) = explored {
        panic!("{violation}");
    }
    assert!(states > 0, "nothing was explored");
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nto see it again: {}\n{}", self.why, self.state, self.listing)
    }
}
