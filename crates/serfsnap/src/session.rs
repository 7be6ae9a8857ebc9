//! What `record` does with what it hears, wherever that comes from.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use snapshot_engine::{Event, InvalidEvent, Name, Policy, Position};
use snapshot_io::{Health, Options, Recovery, Snapshotter};

use crate::ack::Acks;
use crate::failure::{self, Failure, Outcome};
use crate::member::Recorder;
use crate::out::complain;
use crate::rpc::Log;
use crate::show::{count, shown, shown_path};
use crate::stdin::{Next, Stdin};
use crate::{events, members, stdin};

/// How long the disk is given to take the last records.
const CLOSING: Duration = Duration::from_secs(30);

/// Input becomes records.
pub(crate) struct Session {
    path: PathBuf,
    policy: Policy,
    log: Snapshotter,
    /// Behind everything recorded so far.
    position: Position,
    lines: u64,
    bad: u64,
    /// What was last wrong with a list: as long as it is the same it is told once.
    complaint: String,
    acks: Option<Acks>,
}

/// What the lines of standard input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    Events,
    /// Each says everything, most of it again.
    Members,
}

impl Session {
    pub(crate) fn open(path: &Path, policy: Policy) -> Result<Self, Failure> {
        let log = open(path, &policy)?;
        Ok(Self {
            path: path.to_owned(),
            policy,
            log,
            position: Position::default(),
            lines: 0,
            bad: 0,
            complaint: String::new(),
            acks: None,
        })
    }

    pub(crate) fn take_in(
        &mut self,
        lines: Lines,
        stdin: &mut Stdin<io::Stdin>,
        ack: bool,
    ) -> Result<(), Failure> {
        self.acks = ack.then(|| Acks::start(self.log.clone()));
        let unreadable = |error| Failure::told(format!("standard input cannot be read: {error}"));
        while let Some(next) = stdin.next().map_err(unreadable)? {
            self.lines += 1;
            let outcome = match next {
                Next::TooLong => Err(format!("longer than {} bytes", lines.max_len())),
                Next::Line(line) if line.trim_ascii().is_empty() => Ok(()),
                Next::Line(line) if lines == Lines::Members => members::record_line(line, self),
                Next::Line(line) => events::record_line(line, self),
            };
            let place = format!("line {} of the input", self.lines);
            self.note(&place, lines == Lines::Members, outcome);
            if let Some(acks) = &self.acks {
                acks.taken_in(self.lines, self.position);
            }
        }
        Ok(())
    }

    /// Ends properly, after whatever has become of the input.
    pub(crate) fn close(self, taken_in: Result<(), Failure>) -> Outcome {
        let closed = close(&self.path, self.log);
        let acked = self.acks.map_or(Ok(()), Acks::finish);
        closed?;
        taken_in?;
        failure::printed(acked, u8::from(self.bad > 0))
    }

    /// Tells what was wrong; of a list, which repeats, only when it is not what was wrong with the last one.
    fn note(&mut self, place: &str, repeats: bool, outcome: Result<(), String>) {
        let why = outcome.err().unwrap_or_default();
        if !why.is_empty() {
            self.bad += 1;
            if !repeats || why != self.complaint {
                complain(&format_args!("{place}: {why}"));
            }
        }
        if repeats {
            self.complaint = why;
        }
    }
}

impl Lines {
    /// The longest that is taken, in bytes.
    pub(crate) const fn max_len(self) -> usize {
        match self {
            Self::Events => stdin::MAX_LINE,
            Self::Members => members::MAX_LINE,
        }
    }
}

impl Recorder for Session {
    fn record(&mut self, event: Event<'_>) -> Result<(), InvalidEvent> {
        self.policy.admit(&event)?;
        self.position = self.log.record(event);
        Ok(())
    }

    fn is_alive(&self, name: Name<'_>) -> bool {
        self.log.with_state(|state| state.addr_of(name).is_some())
    }

    fn without(&self, holds: &dyn Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        self.log.with_state(|state| {
            let alive = state.alive().map(|(name, _)| name);
            let names = alive.chain(state.failed().map(|(name, ..)| name));
            let others = names.map(|name| name.as_bytes()).filter(|name| !holds(name));
            others.map(<[u8]>::to_vec).collect()
        })
    }
}

impl Log for Session {
    fn note(&mut self, place: &str, repeats: bool, outcome: Result<(), String>) {
        Self::note(self, place, repeats, outcome);
    }

    fn begin_again(&mut self) -> Result<(), Failure> {
        // The handle that is left must not keep the file.
        let log = std::mem::replace(&mut self.log, Snapshotter::disabled());
        close(&self.path, log)?;
        self.log = open(&self.path, &self.policy)?;
        Ok(())
    }
}

/// Everything is on the disk when this returns.
fn close(path: &Path, log: Snapshotter) -> Result<(), Failure> {
    log.close().wait(CLOSING).map_err(|error| {
        let path = shown_path(path.as_os_str());
        Failure::told(format!(
            "{path}: the last records may be lost: {error}; mend the disk and record them again"
        ))
    })
}

fn open(path: &Path, policy: &Policy) -> Result<Snapshotter, Failure> {
    let shown = shown_path(path.as_os_str());
    let trouble = AtomicBool::new(false);
    let tell = move |health: Health| {
        // That all is well is news only after it was not; a file of another make is rewritten before anything else.
        if trouble.swap(!health.is_good(), Ordering::Relaxed) || !health.is_good() {
            complain(&format_args!("{shown}: {health}"));
        }
    };
    let options = Options::new().policy(policy.clone()).on_health(tell);
    let (log, recovery) = options.open(path).map_err(|error| failure::of_open(path, &error))?;
    tell_of(path, &recovery);
    let shown = shown_path(path.as_os_str());
    log.health().warnings().for_each(|warning| complain(&format_args!("{shown}: {warning}")));
    Ok(log)
}

/// What the operator should know of the file that was found.
fn tell_of(path: &Path, recovery: &Recovery) {
    let path = shown_path(path.as_os_str());
    if recovery.adopted_orphan {
        complain(&format_args!(
            "{path}: an interrupted compaction of Serf had left {path}.compact alone; it was taken over"
        ));
    }
    if let Some(aside) = &recovery.kept_aside {
        let aside = shown_path(aside.as_os_str());
        let whose = recovery.report.identity.cluster.as_deref().map(shown).unwrap_or_default();
        complain(&format_args!(
            "{path}: the file found there, of cluster {whose:?}, is kept as {aside}"
        ));
    }
    if let Some(first) = recovery.report.findings.first() {
        let total = count(recovery.report.findings_total, "finding");
        complain(&format_args!(
            "{path}: {total} in the file found there, the first in line {} at byte {}: {}; it is rewritten with what was recovered, {} nodes alive",
            first.line, first.offset, first.kind, recovery.alive
        ));
    }
}
