//! An engine driven by hand in virtual time. Whatever a test does with it, the rules that hold always are checked.

use std::time::Duration;

use snapshot_engine::{
    Effect, Engine, Event, Instant, LogFile, LogStart, Member, Mode, Now, Outcome, Policy,
    Position, Progress, State, UnixMillis,
};
use snapshot_format::{Decoder, Trust};
use snapshot_model::Model;

use super::disk::{Call, Disk, Fault};
use super::ledger::Ledger;
use super::{decode, decode_with, model_of, rules_of};

/// Wall clock time at the start of every test, in unix milliseconds.
pub const START: UnixMillis = UnixMillis(1_763_867_000_000);

/// A moment in what a driver did.
#[derive(Clone, Copy, Default)]
pub struct Mark {
    calls: usize,
    writes: usize,
}

/// So many calls at one moment are a loop without an end.
const MANY: usize = 100_000;

pub struct Driver {
    pub engine: Engine,
    pub disk: Disk,
    pub now: Now,
    /// Every call begun, in order.
    pub calls: Vec<Call>,
    /// Every write begun, with its bytes.
    pub writes: Vec<(LogFile, Vec<u8>)>,
    /// Whether somebody else has touched the file: then nothing is said of what a new process finds.
    pub foreign: bool,
    /// What must have been accepted; `None` where a test is too large for it.
    ledger: Option<Ledger>,
    flight: Option<Effect>,
    before: Progress,
    foreign_writes: u64,
    /// The files that were found good, so that they are not read again: their lengths, and how far the engine was.
    seen: Option<(Vec<Option<usize>>, Progress)>,
}

impl Driver {
    /// A log of these bytes, read as `open` reads it.
    pub fn open(policy: &Policy, log: &[u8]) -> Self {
        let (state, report) = decode_with(log, Mode::Hardened, policy);
        Self::with(policy, state, LogStart::from(&report), Some(log))
    }

    /// A log that has only its header, so that what is written is what was recorded.
    pub fn new(policy: &Policy) -> Self {
        Self::open(policy, &super::sealed(b"#@format: 1\n"))
    }

    /// No log yet.
    pub fn missing(policy: &Policy) -> Self {
        Self::with(policy, State::new(policy, 7), LogStart::Missing, None)
    }

    pub fn with(policy: &Policy, state: State, start: LogStart, log: Option<&[u8]>) -> Self {
        let (recovered, coordinate) = (model_of(&state), state.coordinate());
        let engine = Engine::new(policy.clone(), state, start);
        let before = engine.progress();
        let base = if log.is_none() { Position::default() } else { before.accepted };
        Self {
            engine,
            disk: Disk::new(log),
            now: Now { instant: Instant::default(), wall: START },
            calls: Vec::new(),
            writes: Vec::new(),
            foreign: false,
            ledger: Some(Ledger::new(policy, recovered, base).at(coordinate)),
            flight: None,
            before,
            foreign_writes: 0,
            seen: None,
        }
    }

    /// Does without the book-keeping of every line, for tests of many.
    pub fn unwitnessed(mut self) -> Self {
        self.ledger = None;
        self
    }

    pub fn record(&mut self, event: Event<'_>) -> Position {
        let before = self.engine.progress().accepted;
        let lines = self.ledger.as_ref().map(|ledger| ledger.lines_of(&event, self.now.wall));
        let position = self.engine.handle_event(self.now, event);
        assert_eq!(position, self.engine.progress().accepted);
        if let (Some(lines), Some(ledger)) = (lines, &mut self.ledger) {
            assert_eq!(position == before, lines.is_empty(), "{event:?} must give {lines:?}");
            ledger.accept(&event, &lines, position);
            assert_eq!(model_of(self.engine.state()), *ledger.model(), "{event:?}");
        }
        self.check();
        position
    }

    pub fn join(&mut self, name: &str, addr: &str) -> Position {
        self.record(Event::MemberJoin(member(name, addr)))
    }

    pub fn fail_member(&mut self, name: &str) -> Position {
        self.record(Event::MemberFailed(member(name, "9.9.9.9:9")))
    }

    pub fn reap(&mut self, name: &str) -> Position {
        self.record(Event::MemberReap(member(name, "9.9.9.9:9")))
    }

    /// The next call of this kind fails and does nothing.
    pub fn fail(&mut self, call: Call, outcome: Outcome) {
        self.disk.fail(call, Fault { outcome, done: 0, lasting: false });
    }

    /// All calls of this kind fail.
    pub fn fail_always(&mut self, call: Call, outcome: Outcome) {
        self.disk.fail(call, Fault { outcome, done: 0, lasting: true });
    }

    /// Begins the next call, if one is due.
    pub fn begin(&mut self) -> Option<Call> {
        assert!(self.flight.is_none(), "a call is under way");
        let Some(effect) = self.engine.poll_effect(self.now) else {
            let due = self.engine.poll_timeout();
            assert!(due.is_none_or(|due| due > self.now.instant), "a loop that does nothing");
            return None;
        };
        assert_eq!(self.engine.poll_effect(self.now), None, "one call at a time");
        assert_eq!(self.engine.poll_timeout(), None, "its outcome is what happens next");
        let call = Call::of(&effect);
        self.inspect(call, &effect);
        self.calls.push(call);
        if let Effect::Write(file, bytes) = &effect {
            self.writes.push((*file, bytes.clone()));
        }
        self.flight = Some(effect);
        Some(call)
    }

    /// Ends the call that was begun.
    pub fn end(&mut self) -> Outcome {
        let effect = self.flight.take().expect("no call is under way");
        let outcome = self.disk.carry_out(&effect);
        self.engine.handle_outcome(self.now, effect, outcome);
        self.check();
        self.check_recovery();
        outcome
    }

    pub fn step(&mut self) -> Option<Call> {
        let call = self.begin()?;
        self.end();
        Some(call)
    }

    /// Carries out what is due now; the calls it made.
    pub fn run(&mut self) -> Vec<Call> {
        let from = self.calls.len();
        while self.step().is_some() {
            assert!(self.calls.len() < from + MANY, "a loop without an end");
        }
        self.calls[from..].to_vec()
    }

    /// Carries out what is due until this call is under way.
    pub fn run_to(&mut self, call: Call) {
        while self.begin().unwrap_or_else(|| panic!("no {call:?} comes")) != call {
            self.end();
        }
    }

    /// Ends the call under way and goes on to the end of the next of this kind; the look is taken before each ends.
    pub fn run_to_end_of(&mut self, call: Call, look: impl Fn(Progress)) {
        self.end();
        loop {
            let begun = self.begin().unwrap_or_else(|| panic!("no {call:?} comes"));
            look(self.engine.progress());
            self.end();
            if begun == call {
                return;
            }
        }
    }

    /// Lets time pass and carries out everything at its time; the calls that were made.
    pub fn advance(&mut self, by: Duration) -> Vec<Call> {
        let from = self.calls.len();
        let end = self.now.instant + by;
        self.run();
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= end) {
            self.set(due);
            assert!(!self.run().is_empty(), "woken at {due:?} for nothing");
        }
        self.set(end);
        self.run();
        self.calls[from..].to_vec()
    }

    /// Lets time pass and carries nothing out.
    pub fn wait(&mut self, by: Duration) {
        self.set(self.now.instant + by);
    }

    /// Lets time pass until then, if it is not later already, and carries nothing out.
    pub fn wait_until(&mut self, instant: Instant) {
        self.set(instant.max(self.now.instant));
    }

    /// Whether a call is under way.
    pub const fn is_busy(&self) -> bool {
        self.flight.is_some()
    }

    /// The bytes of all writes to a file since then.
    pub fn written(&self, to: LogFile, since: Mark) -> Vec<u8> {
        let writes = self.writes[since.writes..].iter().filter(|(file, _)| *file == to);
        writes.flat_map(|(_, bytes)| bytes).copied().collect()
    }

    /// What a new process recovers from the path.
    pub fn reopened(&self) -> State {
        decode_with(self.disk.at_path().unwrap(), Mode::Hardened, self.engine.policy()).0
    }

    /// Everything accepted is in the file, which is wholly sealed, and durable.
    pub fn assert_settled(&mut self) {
        self.engine.request_sync();
        self.run();
        let progress = self.engine.progress();
        assert_eq!((progress.written, progress.durable), (progress.accepted, progress.accepted));
        assert_eq!(self.engine.health().stale, None);
        let bytes = self.disk.at_path().unwrap();
        let (state, report) = decode_with(bytes, Mode::Hardened, self.engine.policy());
        assert!(state == *self.engine.state(), "the file says another thing than the memory");
        assert!(report.is_wholly_sealed());
        assert_eq!((report.bytes, report.findings_total), (self.engine.stats().log_bytes, 0));
        assert_eq!(self.disk.after_power_cut(), [Some(bytes)]);
        // A Serf agent finds the same nodes and clocks, under either setting.
        for rejoin in [false, true] {
            let ours = model_of(&decode(bytes, Mode::Hardened, rejoin).0);
            let serfs = model_of(&decode(bytes, Mode::Serf, rejoin).0);
            assert_eq!(Model { failed: serfs.failed.clone(), ..ours }, serfs);
        }
    }

    /// Everything that is written from now on.
    pub fn mark(&self) -> Mark {
        Mark { calls: self.calls.len(), writes: self.writes.len() }
    }

    /// How often this was called since then.
    pub fn count(&self, call: Call, since: Mark) -> usize {
        self.calls[since.calls..].iter().filter(|of| **of == call).count()
    }

    fn set(&mut self, instant: Instant) {
        assert!(instant >= self.now.instant);
        let passed = instant.0.checked_sub(self.now.instant.0).unwrap_or_default().as_millis();
        let wall = self.now.wall.0 + u64::try_from(passed).unwrap_or(u64::MAX / 2);
        self.now = Now { instant, wall: UnixMillis(wall) };
    }

    /// What holds of every call.
    fn inspect(&self, call: Call, effect: &Effect) {
        let stale = self.engine.health().stale;
        if matches!(call, Call::WriteLog | Call::SyncLog) {
            assert_eq!(stale, None, "{call:?} of a stale log");
        }
        match effect {
            Effect::Write(_, bytes) => {
                assert!(bytes.len() <= 64 * 1024, "a write of {} bytes", bytes.len());
                assert_one_batch(bytes);
            }
            Effect::Replace => {
                let next = self.disk.beside().expect("a rename without a new file");
                assert_eq!(next.synced, next.bytes.len(), "a rename before the sync");
            }
            Effect::SyncDir => assert_eq!(self.calls.last(), Some(&Call::Replace)),
            _ => {}
        }
        if self.calls.last() == Some(&Call::Replace) && call != Call::SyncDir {
            assert_eq!(call, Call::Discard, "after a rename comes its sync, or the end of the try");
        }
    }

    /// What holds at any time.
    fn check(&mut self) {
        let (progress, before) = (self.engine.progress(), self.before);
        // What somebody else has taken from the path is neither written nor durable any more.
        let foreign_writes = self.engine.stats().foreign_writes;
        if std::mem::replace(&mut self.foreign_writes, foreign_writes) == foreign_writes {
            assert!(progress.accepted >= before.accepted && progress.written >= before.written);
            assert!(progress.durable >= before.durable, "{progress:?} after {before:?}");
        }
        assert!(progress.durable <= progress.written && progress.written <= progress.accepted);
        self.before = progress;
        // The last piece gets its seal when it is about to be written.
        let most = self.engine.policy().max_pending + snapshot_format::MAX_SEAL_LINE;
        let pending = self.engine.stats().pending_bytes;
        assert!(pending <= most as u64, "{pending} bytes wait, {most} are the most");
    }

    /// What a new process finds now is a prefix of what was accepted, with all that was written; after a power cut,
    /// with all that was durable.
    fn check_recovery(&mut self) {
        let (Some(ledger), false) = (&self.ledger, self.foreign) else { return };
        let progress = self.engine.progress();
        let cut = self.disk.after_power_cut();
        let files = cut.iter().copied().chain([self.disk.at_path()]);
        let lens: Vec<_> = files.map(|file| file.map(<[u8]>::len)).collect();
        if self.seen.as_ref().is_some_and(|seen| seen.0 == lens && seen.1 == progress) {
            return;
        }
        let policy = self.engine.policy();
        ledger.assert_prefix(&read(self.disk.at_path(), policy), progress.written, "the file");
        for file in cut {
            ledger.assert_prefix(&read(file, policy), progress.durable, "after a power cut it");
        }
        self.seen = Some((lens, progress));
    }
}

/// The member of this name and address.
pub fn member<'a>(name: &'a str, addr: &'a str) -> Member<'a> {
    Member::new(name.as_bytes(), addr.as_bytes()).unwrap()
}

/// The lines of a file but for seals.
pub fn lines(file: &[u8]) -> String {
    String::from_utf8_lossy(&without_seals(file)).trim_end_matches('\n').to_owned()
}

/// The same, to the byte.
pub fn without_seals(file: &[u8]) -> Vec<u8> {
    let lines = file.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !line.starts_with(b"#@seal: ")).flatten().copied().collect()
}

fn read(file: Option<&[u8]>, policy: &Policy) -> Model {
    let file = file.unwrap_or_default();
    let found = model_of(&decode_with(file, Mode::Hardened, policy).0);
    // The oracle takes its time.
    if file.len() < 16 * 1024 {
        assert_eq!(found, snapshot_model::replay(file, &rules_of(policy)), "the oracle disagrees");
    }
    found
}

fn assert_one_batch(mut bytes: &[u8]) {
    let (mut decoder, len) = (Decoder::new(), bytes.len());
    let mut blocks = Vec::new();
    loop {
        let space = decoder.space();
        let n = bytes.len().min(space.len());
        space[..n].copy_from_slice(&bytes[..n]);
        bytes = &bytes[n..];
        decoder.filled(n);
        while let Some(block) = decoder.next_block() {
            blocks.push(block.trust);
        }
        if n == 0 {
            break;
        }
    }
    assert!(matches!(blocks[..], [Trust::Sealed(_)]), "{blocks:?} in a write of {len} bytes");
    assert!(decoder.torn().is_none());
}
