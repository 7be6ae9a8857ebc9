//! What was accepted, and how much of it a crash must spare.

use std::fmt::Write as _;

use snapshot_io::Cause;
use snapshot_model::{Model, Rules};

use super::{Foreign, Line, ORPHAN, PATH, Run};
use crate::common::model_of;
use crate::reopen::sealed_part;
use crate::show;

/// What is known of the lines of a run at the moment of its crash.
pub(crate) struct Known {
    pub(crate) rules: Rules,
    /// What the first so many lines say.
    pub(crate) folds: Vec<Model>,
    /// What they may say under the other setting of `rejoin_after_leave`: each process may have written the file anew
    /// from what it recovered under ours.
    pub(crate) others: Vec<Vec<Model>>,
    pub(crate) lines: Vec<Vec<u8>>,
    /// Every other line that was ever accepted, or what says the same.
    pub(crate) past: Vec<Vec<u8>>,
    /// What seals vouched for before the first line.
    pub(crate) sealed_base: Model,
    /// At least so many survive a power cut, and the end of the process.
    pub(crate) durable: usize,
    pub(crate) written: usize,
    /// What else the file may say, under both settings.
    pub(crate) also: Option<[Model; 2]>,
}

impl Run {
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    pub(crate) const fn has_left(&self) -> bool {
        self.left
    }

    /// Takes in the lines that an event has to give.
    pub(crate) fn accept(&mut self, lines: Vec<Vec<u8>>, left: bool) {
        let position = self.stepper().engine().progress().accepted;
        for bytes in lines {
            self.model.apply_line(&bytes, &self.settings.rules());
            self.lines.push(Line { bytes, position });
        }
        self.left |= left;
        let found = model_of(self.stepper().engine().state());
        if found != self.model {
            self.fail(format!("in memory: {}\nexpected: {}", show(&found), show(&self.model)));
        }
    }

    /// What is known at this moment.
    pub(crate) fn known(&self) -> Known {
        let lines: Vec<_> =
            self.lines[..self.upper].iter().map(|line| line.bytes.clone()).collect();
        let (rules, others_rules) = (self.settings.rules(), self.settings.other().rules());
        let mut folds = vec![self.bases[0].clone()];
        let mut others = vec![vec![self.bases[1].clone()]];
        for (at, line) in lines.iter().enumerate() {
            let (mut fold, mut other) = (folds[at].clone(), others[at].clone());
            other.extend(self.starts.contains(&at).then(|| fold.clone()));
            other.dedup();
            fold.apply_line(line, &rules);
            for other in &mut other {
                other.apply_line(line, &others_rules);
            }
            folds.push(fold);
            others.push(other);
        }
        if self.starts.contains(&lines.len()) {
            others[lines.len()].push(folds[lines.len()].clone());
        }
        let also = self.foreign.as_ref().map(|foreign| self.read(&foreign.file));
        let sealed_base = self.sealed_base.clone();
        let (past, durable, written) = (self.past.clone(), self.durable, self.written);
        Known { rules, folds, others, lines, past, sealed_base, durable, written, also }
    }

    /// Takes what the disk says now for the base of everything: somebody else's hand has made it so.
    pub(crate) fn rebase(&mut self) {
        if !self.is_running() {
            return;
        }
        let file = self.storage.contents(PATH).or_else(|| self.storage.contents(ORPHAN));
        let file = file.unwrap_or_default();
        self.past.extend(self.lines.drain(..).map(|line| line.bytes));
        self.bases = self.read(&file);
        self.past.extend(lines_of(&self.bases[0]));
        self.sealed_base = snapshot_model::replay(&sealed_part(&file), &self.settings.rules());
        self.model = self.bases[0].clone();
        self.starts.clear();
        (self.upper, self.durable, self.written, self.left) = (0, 0, 0, false);
    }

    /// Changes the file between two processes.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Vec<u8>)) {
        if self.is_running() {
            assert!(self.stepper.is_none(), "a process is there");
            self.storage.edit(PATH, edit);
            self.rebase();
        }
    }

    /// Somebody else appends to the file under a living process.
    pub(crate) fn append_behind_its_back(&mut self, bytes: &[u8]) {
        if self.is_running() {
            self.storage.edit(PATH, |file| file.extend(bytes));
            let file = self.storage.contents(PATH).unwrap();
            self.foreign = Some(Foreign { file, rewrites: self.stats().rewrites });
        }
    }

    /// The disk may say of a sync that it succeeded, and keep the error back.
    pub(crate) fn disk_may_lie(&mut self) {
        self.may_lie = true;
    }

    pub(crate) fn listing(&self) -> String {
        let mut listing = format!("{:?}\n{}", self.settings, self.storage.journal());
        for (number, line) in self.lines.iter().enumerate() {
            let _ = writeln!(listing, "{:4} {}", number + 1, line.bytes.escape_ascii());
        }
        listing
    }

    fn read(&self, file: &[u8]) -> [Model; 2] {
        [self.settings, self.settings.other()]
            .map(|settings| snapshot_model::replay(file, &settings.rules()))
    }

    /// What the next process of the workload found.
    pub(super) fn found(&mut self, found: Model) {
        let known = self.known();
        let position = self.stepper().engine().progress().accepted;
        if let Some(length) = (self.written..known.folds.len()).find(|at| known.folds[*at] == found)
        {
            self.past.extend(self.lines.drain(length..).map(|line| line.bytes));
            self.lines.iter_mut().for_each(|line| line.position = position);
            self.written = length;
        } else if let Some(also) = known.also.filter(|also| also[0] == found) {
            self.past.extend(lines_of(&also[0]));
            self.past.extend(self.lines.drain(..).map(|line| line.bytes));
            self.bases = also;
            self.sealed_base = self.bases[0].clone();
            (self.durable, self.written) = (0, 0);
        } else {
            return self.fail(format!("the workload's own open found {}", show(&found)));
        }
        self.foreign = None;
        self.upper = self.lines.len();
        self.starts.retain(|start| *start <= self.upper);
        self.starts.push(self.upper);
        self.model = found;
        self.left = false;
    }

    /// Notes what the engine promises now.
    pub(super) fn note(&mut self) {
        let engine = self.stepper().engine();
        let (progress, stale) = (engine.progress(), engine.health().stale);
        let rewrites = engine.stats().rewrites;
        if stale.is_none() {
            self.foreign.take_if(|foreign| rewrites > foreign.rewrites);
        }
        let up_to = |end| self.lines.iter().take_while(|line| line.position <= end).count();
        let (durable, written) = (up_to(progress.durable), up_to(progress.written));
        if rewrites >= self.lied {
            self.durable = self.durable.max(durable);
        }
        let lost = matches!(stale, Some(Cause::SyncFailed | Cause::DirSyncFailed));
        // What a failed sync has made of the file may show at once.
        self.written =
            if lost { self.durable } else { self.written.max(written).max(self.durable) };
    }
}

/// Lines that say the same as a state.
fn lines_of(model: &Model) -> Vec<Vec<u8>> {
    let alive = model.alive.iter().map(|(name, addr)| [b"alive: ", &name[..], b" ", addr].concat());
    let failed = model.failed.iter().map(|(name, (addr, at))| {
        [b"#@failed: ", &name[..], b" ", addr, b" ", at.to_string().as_bytes()].concat()
    });
    let clocks = [
        ("clock", model.clock),
        ("event-clock", model.event_clock),
        ("query-clock", model.query_clock),
    ];
    let clocks = clocks.into_iter().map(|(word, time)| format!("{word}: {time}").into_bytes());
    alive.chain(failed).chain(clocks).collect()
}
