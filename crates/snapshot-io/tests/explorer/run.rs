//! One process after another on one simulated disk, and beside them every line that they must have accepted.

mod known;

use std::sync::Arc;
use std::time::Duration;

use snapshot_io::sim::{SimStorage, Stepper};
use snapshot_io::{Durability, Options, Position, Stats, Storage, UnixMillis};
use snapshot_model::{Model, Rules};

pub(crate) use known::Known;

use crate::common::{START, model_of, policy};

pub(crate) const PATH: &str = "/snapshot";
pub(crate) const NEXT: &str = "/snapshot.rewrite";
pub(crate) const ORPHAN: &str = "/snapshot.compact";

/// Longer than every back-off.
pub(crate) const BACK_OFF: u64 = 31_000;

/// How the snapshot of a run is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    pub(crate) rejoin_after_leave: bool,
    pub(crate) max_pending: usize,
}

/// What stands between a snapshot and its disk: nothing, or a wrong protocol.
pub(crate) type Door = Arc<dyn Fn(SimStorage) -> Arc<dyn Storage>>;

/// A line that was accepted, and the position that stands after its event.
struct Line {
    bytes: Vec<u8>,
    position: Position,
}

/// A workload under way. Once its process has died nothing has an effect any more.
pub(crate) struct Run {
    pub(crate) settings: Settings,
    pub(crate) storage: SimStorage,
    door: Door,
    stepper: Option<Stepper>,
    wall: UnixMillis,
    /// What the disk said before the first of the lines, under our setting of `rejoin_after_leave` and the other.
    bases: [Model; 2],
    sealed_base: Model,
    lines: Vec<Line>,
    /// How many lines there were when each process began.
    starts: Vec<usize>,
    /// Every other line that was accepted since there is a disk, or what says the same.
    past: Vec<Vec<u8>>,
    model: Model,
    left: bool,
    /// So many lines were there at the last call.
    calls: u64,
    upper: usize,
    /// So many lines must survive a power cut, and the end of the process.
    durable: usize,
    written: usize,
    /// What the file says with the lines that somebody else has put behind ours, until it is written anew.
    foreign: Option<Foreign>,
    /// Whether the disk may say of a sync that it succeeded, and keep the error back. What it calls durable does not
    /// need to be then until so many rewrites are done.
    may_lie: bool,
    lied: u64,
    dead: bool,
    pub(crate) failure: Option<String>,
}

struct Foreign {
    file: Vec<u8>,
    rewrites: u64,
}

impl Settings {
    pub(crate) fn rules(self) -> Rules {
        Rules::hardened(self.rejoin_after_leave)
    }

    pub(crate) fn options(self, storage: impl Storage + 'static) -> Options {
        let policy = policy(|policy| {
            policy.durability = self.durability;
            policy.rejoin_after_leave = self.rejoin_after_leave;
            policy.max_pending = self.max_pending;
            // A disk that makes up times must not make nodes old.
            policy.failed_retention = Duration::MAX;
        });
        Options::new().policy(policy).storage(storage)
    }

    pub(crate) fn other(self) -> Self {
        Self { rejoin_after_leave: !self.rejoin_after_leave, ..self }
    }
}

/// The processes.
impl Run {
    /// On this disk, whose process dies when it has made `limit` calls.
    pub(crate) fn new(
        settings: Settings,
        storage: SimStorage,
        door: Door,
        limit: Option<u64>,
    ) -> Self {
        if let Some(limit) = limit {
            storage.kill_after(limit);
        }
        let mut run = Self {
            settings,
            storage,
            door,
            stepper: None,
            wall: START,
            bases: [Model::default(), Model::default()],
            sealed_base: Model::default(),
            lines: Vec::new(),
            starts: Vec::new(),
            past: Vec::new(),
            model: Model::default(),
            left: false,
            calls: 0,
            upper: 0,
            durable: 0,
            written: 0,
            foreign: None,
            may_lie: false,
            lied: 0,
            dead: false,
            failure: None,
        };
        run.rebase();
        run
    }

    /// Whether it still goes on.
    pub(crate) fn is_running(&self) -> bool {
        !self.dead && self.failure.is_none()
    }

    /// A new process opens the path and must find what it has to.
    pub(crate) fn open(&mut self) {
        if !self.is_running() {
            return;
        }
        let options = self.settings.options((self.door)(self.storage.clone()));
        let opened = Stepper::open(&options, PATH, self.wall);
        self.calls = self.storage.calls();
        self.upper = self.lines.len();
        if self.storage.has_died() {
            self.dead = true;
            return;
        }
        match opened {
            Err(error) => self.fail(format!("the workload's own open failed: {error}")),
            Ok((mut stepper, _)) => {
                let found = model_of(stepper.engine().state());
                self.stepper = Some(stepper);
                self.found(found);
            }
        }
    }

    /// The process ends without a word: what was written stays, what was not does not.
    pub(crate) fn kill(&mut self) {
        if self.is_running()
            && let Some(stepper) = self.stepper.take()
        {
            self.wall = stepper.now().wall;
        }
    }

    /// A clean end: everything is durable then.
    pub(crate) fn close(&mut self) {
        self.sync();
        if !self.is_running() {
            return;
        }
        let health = self.stepper().engine().health();
        if self.durable < self.lines.len() || health.stale.is_some() {
            self.fail(format!(
                "closed: {} of {} durable, {health}",
                self.durable,
                self.lines.len()
            ));
        }
        self.kill();
    }

    /// Asks for everything to be durable, and carries that out.
    pub(crate) fn sync(&mut self) {
        if self.is_running() {
            self.stepper().engine().request_sync();
            self.drain();
        }
    }

    /// Asks for a rewrite; it begins with the next call.
    pub(crate) fn ask_rewrite(&mut self) {
        if self.is_running() {
            self.stepper().engine().request_rewrite();
        }
    }

    /// Makes the next call, if one is due: its kind. Its end is told by [`finish`](Self::finish).
    pub(crate) fn begin(&mut self) -> Option<&'static str> {
        if !self.is_running() {
            return None;
        }
        self.note();
        let begun = self.stepper().begin();
        if self.storage.has_died() {
            self.dead = true;
            return None;
        }
        if self.may_lie && begun == Some("sync") && self.storage.is_in_doubt() {
            self.lied = self.stats().rewrites + 1;
        }
        if self.storage.calls() > self.calls {
            self.calls = self.storage.calls();
            self.upper = self.lines.len();
        }
        begun
    }

    pub(crate) fn finish(&mut self) {
        if self.is_running() {
            self.stepper().end();
            self.note();
        }
    }

    pub(crate) fn step(&mut self) -> Option<&'static str> {
        let begun = self.begin();
        self.finish();
        begun
    }

    /// Makes all calls that are due now.
    pub(crate) fn drain(&mut self) {
        /// More than any workload has due at one time.
        const MOST: usize = 1000;
        if !(0..MOST).any(|_| self.step().is_none()) {
            self.fail(format!("{MOST} calls at one time, and no end"));
        }
    }

    /// Lets time pass; whatever falls due is done at its time.
    pub(crate) fn advance(&mut self, ms: u64) {
        let mut left = Duration::from_millis(ms);
        self.drain();
        while self.is_running() {
            let now = self.stepper().now().instant;
            let due = self.stepper().engine().poll_timeout();
            let wait = due.map(|due| due.0.saturating_sub(now.0)).filter(|wait| *wait <= left);
            self.stepper().wait(wait.unwrap_or(left));
            left -= wait.unwrap_or(left);
            let calls = self.storage.calls();
            self.drain();
            match wait {
                None => break,
                Some(Duration::ZERO) if self.is_running() && self.storage.calls() == calls => {
                    self.fail("something is due at once, and it is no call".into());
                }
                Some(_) => {}
            }
        }
    }

    /// What this process has done so far, by the engine's own count.
    pub(crate) fn stats(&mut self) -> Stats {
        self.stepper.as_mut().map(|stepper| stepper.engine().stats()).unwrap_or_default()
    }

    pub(crate) fn stepper(&mut self) -> &mut Stepper {
        self.stepper.as_mut().expect("the workload has opened the snapshot")
    }

    pub(crate) fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }
}
