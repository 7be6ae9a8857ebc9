//! One run: a snapshot on a disk that fails, and after each of its calls everything that must hold.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use snapshot_engine::{Outcome, Progress};
use snapshot_io::sim::{EXHAUSTIVE, Entry, Fault, Fill, SimStorage, Stepper};
use snapshot_io::{
    Cause, Durability, Event, Health, LamportTime, Member, OpenError, Options, Position, Warning,
};
use snapshot_model::Model;

use crate::common::{START, model_of};
use crate::ledger::Ledger;
use crate::plan::{self, Plan};
use crate::rules_of;
use crate::workloads::Workload;

pub(crate) const PATH: &str = "/data/snapshot";
const ORPHAN: &str = "/data/snapshot.compact";
const NEXT: &str = "/data/snapshot.rewrite";
/// The longest wait between two tries, see DESIGN section 4.
const BACK_OFF: Duration = Duration::from_secs(30);
/// How long a good log without space for a new one is left alone.
const NO_SPACE: Duration = Duration::from_secs(600);
/// A run with more calls has lost its way.
const MANY: u64 = 20_000;
/// The log, its successor, its predecessor and the lock.
const MOST_OPEN: usize = 4;
/// Stale, two warnings and good again, should it be bad twice: no fault has more to tell, however long it lasts.
const MOST_TOLD: usize = 8;

/// While so many calls are under way something is recorded.
const BUSY_CALLS: u64 = 10;

/// What files say, so that each is read once.
pub(crate) type Seen = HashMap<Vec<u8>, Model>;

pub(crate) struct Run {
    options: Options,
    policy: snapshot_io::Policy,
    pub(crate) storage: SimStorage,
    stepper: Option<Stepper>,
    ledger: Option<Ledger>,
    seen: Rc<RefCell<Seen>>,
    plan: Plan,
    /// Virtual time since the start of the run.
    now: Duration,
    /// How many calls it took to open.
    opened_after: u64,
    /// What was told of the health.
    told: Arc<Mutex<Vec<Health>>>,
    /// What it was whenever it had changed.
    was: Vec<Health>,
    before: Progress,
    foreign_writes: u64,
    /// Somebody else has changed the file, and we have not put it right: the number of our rewrites then.
    foreign: Option<u64>,
    /// The name of the file may not be durable, and this process cannot know.
    tainted: bool,
    /// So many changes come while each call is under way.
    pub(crate) busy: u64,
    /// While the next call of this kind is under way more comes than may wait.
    pub(crate) flood_at: Option<&'static str>,
    joined: u64,
    pub(crate) cuts: u64,
}

impl Run {
    pub(crate) fn new(workload: &Workload, plan: Plan, seen: Rc<RefCell<Seen>>) -> Self {
        let storage = SimStorage::new();
        storage.create_dir("/data");
        (workload.plant)(&storage);
        let mut policy = snapshot_io::Policy::default();
        (workload.policy)(&mut policy);
        let told = Arc::<Mutex<Vec<Health>>>::default();
        let tell = Arc::clone(&told);
        let options = Options::new().policy(policy.clone()).storage(storage.clone());
        let options = options.on_health(move |health| tell.lock().unwrap().push(health));
        for (at, fault) in &plan.faults {
            storage.fail(*at, *fault);
        }
        storage.kill_after(MANY);
        Self {
            options,
            policy,
            storage,
            stepper: None,
            ledger: None,
            seen,
            plan,
            now: Duration::ZERO,
            opened_after: 0,
            told,
            was: Vec::new(),
            before: Progress::default(),
            foreign_writes: 0,
            foreign: None,
            tainted: false,
            busy: 0,
            flood_at: None,
            joined: 0,
            cuts: 0,
        }
    }

    /// Opens the snapshot, as often as it takes; whether it was refused because of the fault.
    pub(crate) fn open(&mut self) -> bool {
        let base = self.recover(&self.storage);
        let before = self.storage.contents(PATH);
        let refused = match Stepper::open(&self.options, PATH, START) {
            Ok((stepper, _)) => {
                self.begin(stepper, base);
                return false;
            }
            Err(error) => error,
        };
        // An open that could neither sync the directory nor take its file away again leaves a name that no later
        // call can be trusted to make durable. Nobody knows of it but that process.
        let several = self.plan.faults.len() > 1 || self.plan.repair_at.is_some();
        self.tainted = before.is_none()
            && self.storage.contents(PATH).is_some()
            && (several || self.plan.faults[0].1 == Fault::error(libc::EIO).although_done());
        self.check_refusal(&refused, before.as_deref());
        assert_eq!(self.storage.open_files(), 0, "a refused open lets go of everything");
        self.check_cuts(&base, &refused.to_string());
        self.now = self.plan.repair_at.unwrap_or_default();
        self.repair();
        let (stepper, _) = Stepper::open(&self.options, PATH, START)
            .unwrap_or_else(|error| panic!("the disk is well again, and yet {error}"));
        self.begin(stepper, base);
        true
    }

    /// One clear error, and nothing changed.
    fn check_refusal(&self, refused: &OpenError, before: Option<&[u8]>) {
        let OpenError::Io { source, .. } = refused else { panic!("{refused}") };
        assert!(!SimStorage::is_killed(source), "open never ends");
        let words = refused.to_string();
        assert!(words.starts_with("cannot ") && words.contains("/data"), "{words}");
        assert!(!words.contains('\n') && !words.contains("Error"), "{words}");
        let after = self.storage.contents(PATH);
        // Where nothing was and a call fails although it is done, or two fail, there may be a file.
        let adopted = before.is_none() && after.as_deref().is_some_and(|it| !it.starts_with(b"#@"));
        assert!(before == after.as_deref() || adopted || self.tainted, "{words}");
    }

    /// Every disk that a power cut may leave at this moment says what was there before.
    fn check_cuts(&mut self, base: &Model, what: &str) {
        let images: Vec<_> = self.storage.crash_images(1, 4).take(4).collect();
        for image in images.iter().filter(|image| image.fill == Fill::Missing) {
            self.cuts += 1;
            assert_eq!(self.recover(&image.storage), *base, "{what}\n{image}");
        }
        assert_eq!(self.recover(&self.storage.process_crash()), *base, "{what}");
    }

    fn begin(&mut self, mut stepper: Stepper, base: Model) {
        let found = model_of(stepper.engine().state());
        assert_eq!(found, base, "what open finds");
        let coordinate = stepper.engine().state().coordinate();
        self.before = stepper.engine().progress();
        let ledger = Ledger::new(&self.policy, base, self.before.accepted).at(coordinate);
        self.was = vec![stepper.health()];
        self.opened_after = self.storage.calls();
        self.ledger = Some(ledger);
        self.stepper = Some(stepper);
        self.check();
    }

    /// From now on nothing fails.
    fn repair(&mut self) {
        self.storage.clear_faults();
        self.plan.repair_at = None;
    }

    /// How many calls it took to open.
    /// How often more was recorded than the disk took; `None` where the disk is not well.
    pub(crate) fn overflows(&mut self) -> Option<u64> {
        self.plan.faults.is_empty().then(|| self.stepper().engine().stats().overflows)
    }

    /// How many changes of health were told.
    pub(crate) fn told(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    pub(crate) fn opened_after(&self) -> u64 {
        self.opened_after
    }

    pub(crate) fn journal(&self) -> Vec<Entry> {
        self.storage.journal().entries().to_vec()
    }

    /// What a new process would find.
    fn recover(&self, storage: &SimStorage) -> Model {
        let orphan = || storage.contents(ORPHAN).filter(|orphan| !orphan.starts_with(b"#@"));
        self.read(storage.contents(PATH).or_else(orphan).unwrap_or_default())
    }

    fn read(&self, file: Vec<u8>) -> Model {
        let mut seen = self.seen.borrow_mut();
        let rules = rules_of(&self.policy);
        seen.entry(file).or_insert_with_key(|file| snapshot_model::replay(file, &rules)).clone()
    }

    fn stepper(&mut self) -> &mut Stepper {
        self.stepper.as_mut().unwrap()
    }
}

/// What a workload does.
impl Run {
    pub(crate) fn record(&mut self, event: Event<'_>) -> Position {
        let wall = self.stepper().now().wall;
        let before = self.stepper().engine().progress().accepted;
        let lines = self.ledger.as_ref().unwrap().lines_of(&event, wall);
        let position = self.stepper().record(event);
        // What changes nothing stands behind all that came before, and not earlier.
        assert_eq!(position == before, lines.is_empty(), "{event:?}");
        assert!(position >= before, "{event:?} stands at {position:?}, behind {before:?}");
        self.ledger.as_mut().unwrap().accept(&event, &lines, position);
        let found = model_of(self.stepper().engine().state());
        assert_eq!(found, *self.ledger.as_ref().unwrap().model(), "{event:?}");
        position
    }

    pub(crate) fn join(&mut self, name: &str) {
        self.record(Event::MemberJoin(member(name)));
        // Once more, which changes nothing.
        self.record(Event::MemberUpdate(member(name)));
    }

    /// So many changes of few nodes.
    pub(crate) fn flood(&mut self, joins: u64) {
        for _ in 0..joins {
            self.joined += 1;
            let (name, addr) = (format!("n{}", self.joined % 7), format!("h:{}", self.joined));
            let member = Member::new(name.as_bytes(), addr.as_bytes()).unwrap();
            self.record(Event::MemberUpdate(member));
        }
    }

    /// Some of each kind.
    pub(crate) fn mixed(&mut self, time: u64) {
        self.join(&format!("new-{time}"));
        self.record(Event::MemberFailed(member("old-1")));
        self.record(Event::MemberJoin(member("old-1")));
        self.record(Event::MemberLeave(member("old-2")));
        self.record(Event::User(LamportTime(time)));
        self.record(Event::Query(LamportTime(time)));
        self.record(Event::Clock(LamportTime(time)));
    }

    pub(crate) fn leave(&mut self) {
        self.record(Event::Leave);
    }

    /// Asks for everything to be durable, and carries out what can be done at once.
    pub(crate) fn sync(&mut self) {
        self.stepper().engine().request_sync();
        self.run_due();
    }

    /// Asks for a rewrite.
    pub(crate) fn rewrite(&mut self) {
        self.stepper().engine().request_rewrite();
    }

    /// Somebody else does something to the file.
    pub(crate) fn foreign(&mut self, act: fn(&SimStorage)) {
        self.foreign = Some(self.stepper().engine().stats().rewrites);
        act(&self.storage);
        // It is noticed within 5 s, and put right as soon as the disk allows.
        self.advance(Duration::from_secs(6));
    }

    /// Lets time pass; the disk becomes well when it is time for it.
    pub(crate) fn advance(&mut self, by: Duration) {
        let before = self.stepper().engine().progress().accepted;
        let end = self.now + by;
        if let Some(repair_at) = self.plan.repair_at.filter(|at| *at <= end) {
            self.pass(repair_at.saturating_sub(self.now));
            self.repair();
        }
        self.pass(end.saturating_sub(self.now));
        // Whoever is told nothing may trust in the intervals.
        if self.stepper().health().stale.is_none() && self.foreign.is_none() {
            let progress = self.stepper().engine().progress();
            let flushed = by < self.policy.flush_interval || progress.written >= before;
            assert!(flushed, "health is good, {before:?} is not written: {progress:?}");
            if let Durability::Interval(interval) = self.policy.durability {
                let synced = by < interval || progress.durable >= before;
                assert!(synced, "health is good, {before:?} is not durable: {progress:?}");
            }
        }
    }

    fn pass(&mut self, by: Duration) {
        let end = self.stepper().now().instant + by;
        self.run_due();
        while let Some(due) = self.stepper().engine().poll_timeout().filter(|due| *due <= end) {
            let wait = due.0.saturating_sub(self.stepper().now().instant.0);
            self.stepper().wait(wait);
            assert!(self.run_due() > 0, "woken at {due:?} for nothing");
        }
        let rest = end.0.saturating_sub(self.stepper().now().instant.0);
        self.stepper().wait(rest);
        self.run_due();
        self.now += by;
    }

    /// Carries out all that is due; how many calls that were.
    pub(crate) fn run_due(&mut self) -> u64 {
        let mut calls = 0;
        while let Some(call) = self.stepper().begin() {
            // Under `Always` each would give another call, and so on without an end.
            if calls < BUSY_CALLS {
                self.flood(self.busy);
            }
            if self.flood_at.take_if(|at| *at == call).is_some() {
                self.flood(40);
            }
            let outcome = self.stepper().end().unwrap();
            // A comparison that fails is no attempt, and neither is tidying up.
            let tells = !matches!(call, "check" | "discard");
            if tells && outcome != Outcome::Done {
                let health = self.stepper().health();
                assert!(!health.is_good(), "{call} has failed and nobody tells");
            }
            calls += 1;
            assert!(self.storage.calls() < MANY, "a loop without an end");
            // Looking changes nothing, unless it has found something.
            if call != "check" || outcome != Outcome::Done {
                self.check();
            }
        }
        calls
    }
}

/// What must hold.
impl Run {
    /// After each call.
    fn check(&mut self) {
        let health = self.stepper().health();
        if self.was.last() != Some(&health) {
            self.was.push(health);
        }
        assert!(self.storage.open_files() <= MOST_OPEN, "{} files", self.storage.open_files());
        let stats = self.stepper().engine().stats();
        let progress = self.stepper().engine().progress();
        if std::mem::replace(&mut self.foreign_writes, stats.foreign_writes) == stats.foreign_writes
        {
            assert!(progress.written >= self.before.written, "{progress:?}");
            assert!(progress.durable >= self.before.durable, "{progress:?}");
        }
        self.before = progress;
        // What a foreign hand leaves is for the time after its repair.
        if self.foreign.is_some_and(|rewrites| stats.rewrites > rewrites && health.stale.is_none())
        {
            self.foreign = None;
        }
        if self.foreign.is_some() {
            return;
        }
        let ledger = self.ledger.as_ref().unwrap();
        let killed = self.recover(&self.storage);
        // A sync that fails may take away what reading has shown; then the log is stale.
        let reverted = health.stale == Some(Cause::SyncFailed);
        let at_least = if reverted { progress.durable } else { progress.written };
        ledger.assert_prefix(&killed, at_least, "what a killed process leaves");
        // Until the first call goes wrong every run is the one without a fault.
        if self.storage.calls() < self.plan.from || self.tainted && stats.rewrites == 0 {
            return;
        }
        // The worst is that nothing is there that was not synced: the first of all images, the second of samples.
        let skip = usize::from(self.storage.unsynced() > EXHAUSTIVE);
        let worst = self.storage.crash_images(0, 2).nth(skip);
        let drawn = plan::all().then(|| self.storage.crash_image(self.storage.calls()));
        for image in worst.into_iter().chain(drawn).filter(|image| image.fill == Fill::Missing) {
            self.cuts += 1;
            let found = self.recover(&image.storage);
            ledger.assert_prefix(&found, progress.durable, &image.to_string());
        }
    }

    /// The disk is well: the log is, too, within one back-off, and after a while nothing is left of it all.
    pub(crate) fn converge(&mut self) {
        self.busy = 0;
        if let Some(repair_at) = self.plan.repair_at {
            self.advance(repair_at.saturating_sub(self.now));
        }
        self.repair();
        // A foreign hand has to be noticed first.
        let notice =
            if self.foreign.is_some() { self.policy.check_interval } else { Duration::ZERO };
        self.advance(BACK_OFF + notice);
        let health = self.stepper().health();
        assert_eq!(health.stale, None, "one back-off later");
        let progress = self.stepper().engine().progress();
        assert_eq!(progress.written, progress.accepted, "without anybody asking");
        self.check_file();
        self.join("later");
        self.sync();
        let progress = self.stepper().engine().progress();
        assert_eq!(progress.durable, progress.accepted);
        if self.stepper().health().warnings().any(|warning| warning == Warning::NoSpace) {
            self.advance(NO_SPACE);
        }
        // A path that cannot be replaced is tried when it has doubled, and else by whoever asks.
        if self.is_warned(Warning::MountTheDirectory) {
            self.rewrite();
            self.run_due();
        }
        let lasting = self.lasting_warnings();
        let warnings: Vec<_> = self.stepper().health().warnings().collect();
        assert_eq!(warnings, lasting, "it is over");
        self.check_told();
        let locked = usize::from(!lasting.contains(&Warning::Unlocked));
        assert_eq!(self.storage.open_files(), 1 + locked, "the log and its lock");
        self.check_file();
    }

    fn is_warned(&mut self, warning: Warning) -> bool {
        self.stepper().health().warnings().any(|other| other == warning)
    }

    /// Those that stand as long as the snapshot is open.
    fn lasting_warnings(&mut self) -> Vec<Warning> {
        let lasting = [Warning::Unlocked, Warning::CheckOff];
        lasting.into_iter().filter(|warning| self.is_warned(*warning)).collect()
    }

    /// Each change of health was told once, and there are few.
    fn check_told(&self) {
        let told = self.told.lock().unwrap();
        // What was there at the opening is for whoever has opened it to see.
        assert_eq!(*told, self.was[1..], "each change once");
        let faults = self.plan.faults.len();
        let most = self.plan.told + MOST_TOLD * faults;
        assert!(faults == 0 || told.len() <= most, "{} of {most}: {told:?}", told.len());
    }

    /// The file says what the memory says, to the last line.
    fn check_file(&mut self) {
        let file = self.storage.contents(PATH).expect("there is a file at the path");
        let found = self.read(file);
        assert_eq!(found, *self.ledger.as_ref().unwrap().model(), "file and memory");
    }

    /// At the end a rewrite leaves one file, and the next process finds it all, also after a power cut.
    pub(crate) fn second_life(&mut self) {
        self.rewrite();
        self.run_due();
        assert_eq!(self.storage.contents(NEXT), None, "a leftover");
        self.check_file();
        let model = self.ledger.as_ref().unwrap().model().clone();
        for image in self.storage.crash_images(1, 8) {
            assert_eq!(self.recover(&image.storage), model, "{image}");
        }
        self.stepper = None;
        assert_eq!(self.storage.open_files(), 0, "everything is let go");
        let (mut stepper, recovery) = Stepper::open(&self.options, PATH, START).unwrap();
        assert_eq!(model_of(stepper.engine().state()), model);
        assert_eq!(recovery.report.findings_total, 0);
        assert!(stepper.health().is_good(), "{}", stepper.health());
    }
}

impl Drop for Run {
    /// A failing run shows itself.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let told = &self.was;
            println!("{:?} at {:?}\n{told:?}\n{}", self.plan, self.now, self.storage.journal());
        }
    }
}

pub(crate) fn member(name: &str) -> Member<'_> {
    Member::new(name.as_bytes(), b"10.0.0.1:7946").unwrap()
}
