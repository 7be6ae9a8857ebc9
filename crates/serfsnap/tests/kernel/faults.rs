//! System calls of the unmodified binary that fail, by strace: once and for good, with several errors.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use snapshot_model::Model;
use tempfile::TempDir;

use crate::common::recorder::{Ended, Recorder, command};
use crate::common::story::{Chance, Story, read_at};
use crate::common::wait_until;
use crate::ground::{Case, run, seed, volume};

/// What fails with what. The recorder has no fdatasync: should it ever get one, it is failed too.
const CALLS: [(&str, &[&str]); 6] = [
    ("openat", &["EACCES", "EMFILE", "EROFS", "ENOSPC"]),
    ("write", &["EIO", "ENOSPC", "EDQUOT", "EINTR", "EFBIG"]),
    ("fsync,fdatasync", &["EIO", "ENOSPC", "EDQUOT", "EINTR", "EROFS"]),
    ("rename,renameat,renameat2", &["EIO", "EBUSY", "EXDEV", "ENOSPC", "EACCES"]),
    ("close", &["EIO", "EINTR", "ENOSPC"]),
    ("unlink,unlinkat", &["EIO", "EACCES", "EBUSY"]),
];

/// The first, second … call of a thread alone, or all from there on.
const WHEN: [&str; 6] = ["1", "2", "3", "1+", "2+", "3+"];

/// So many faults are tried in `cargo test`, half of them by each test; `FAULTS` asks for another number.
const FAULTS: usize = 120;

/// Events are sent so many at a time, and looked after in between.
const ROUND: usize = 8;
const ROUNDS: usize = 3;

/// What the recorder finds.
#[derive(Clone, Copy, Debug)]
enum Found {
    Nothing,
    /// A file it appends to.
    Sealed,
    /// A file of Serf's, which it rewrites before anything else.
    Plain,
    /// A file without its name, which it rewrites while it appends.
    Nameless,
}

/// One way to fail.
#[derive(Clone, Copy)]
struct Fault {
    calls: &'static str,
    error: &'static str,
    when: &'static str,
    found: Found,
}

/// What the runs have met.
#[derive(Debug, Default)]
struct Figures {
    checks: usize,
    injected: usize,
    /// It went on, and everything was there at the end.
    healed: usize,
    /// It said that it could not.
    refused: usize,
}

/// A directory with a snapshot, and another for what strace says.
struct Place {
    dir: TempDir,
    aside: TempDir,
}

#[test]
fn calls_that_fail_once_lose_nothing_that_was_acknowledged() {
    fail("strace-once", |when| !when.ends_with('+'));
}

#[test]
fn calls_that_fail_for_good_lose_nothing_that_was_acknowledged() {
    fail("strace-for-good", |when| when.ends_with('+'));
}

#[test]
fn a_dead_disk_is_not_kept_busy() {
    let case = Case("strace-attempts");
    if !can_trace(&case) {
        return;
    }
    let mut attempts = 0;
    for level in ["always", "interval", "os"] {
        let place = Place::new();
        let base = place.plant(Found::Sealed, &mut Chance::new(1));
        let story = Story::by_chance(&base, ROUND, &mut Chance::new(2));
        let fault = Fault { calls: "write", error: "EIO", when: "1+", found: Found::Sealed };
        let start = Instant::now();
        let mut recorder = Recorder::start(&mut fault.traced(&place, level));
        recorder.send(&story.input);
        // Three tries by itself, at its second and fourth second; whoever waits for an acknowledgement adds none.
        let tries = || {
            let log = fs::read_to_string(place.log()).unwrap_or_default();
            log.lines().filter(|line| line.contains(".rewrite\", O_WRONLY")).count()
        };
        wait_until("the third try", || tries() >= 3);
        let ended = recorder.close();
        ended.assert_code(2);
        assert_eq!(ended.acked, 0, "{level}");
        let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
        let tries = tries();
        assert!(tries <= 4 + seconds, "{level}: {tries} tries to write a new file in {seconds} s");
        story.judge(0..=ended.sent, &read_at(&place.path())).unwrap();
        attempts += tries;
    }
    case.proof(&format!("checks=3 attempts={attempts}"));
}

fn fail(name: &'static str, takes: impl Fn(&str) -> bool) {
    let case = Case(name);
    if !can_trace(&case) {
        return;
    }
    let seed = seed();
    println!("seed {seed}");
    let mut chance = Chance::new(seed);
    let mut faults: Vec<_> = Fault::all().filter(|fault| takes(fault.when)).collect();
    // The standard library repeats a sync for as long as it is interrupted; no disk interrupts it for ever.
    faults.retain(|it| {
        !(it.calls.contains("fsync") && it.error == "EINTR" && it.when.ends_with('+'))
    });
    let number = faults.len().min(volume("FAULTS", FAULTS) / 2);
    let mut figures = Figures::default();
    for _ in 0..number {
        let fault = faults.swap_remove(chance.index(faults.len()));
        fault.check(&mut figures, &mut chance);
    }
    let Figures { checks, injected, healed, refused } = figures;
    assert!(injected > 0, "strace has failed nothing");
    case.proof(&format!(
        "checks={checks} injected={injected} healed={healed} refused={refused} seed={seed}"
    ));
}

fn can_trace(case: &Case) -> bool {
    if !case.has(&["timeout", "strace"]) {
        return false;
    }
    // It may be there, and not be allowed to look into other processes, or be too old.
    let trial = run("strace", &["-f", "-qq", "-e", "inject=fsync:error=EIO:when=9", "true"]);
    trial.map_err(|why| case.skip(&why)).is_ok()
}

impl Fault {
    fn all() -> impl Iterator<Item = Self> {
        let founds = [Found::Nothing, Found::Sealed, Found::Plain, Found::Nameless];
        CALLS.into_iter().flat_map(move |(calls, errors)| {
            errors.iter().flat_map(move |error| {
                WHEN.into_iter().flat_map(move |when| {
                    founds.into_iter().map(move |found| Self { calls, error, when, found })
                })
            })
        })
    }

    /// The recorder under strace, which fails its calls on the snapshot, the files beside it and their directory.
    fn traced(&self, place: &Place, level: &str) -> Command {
        let path = place.path();
        let recorder = command(&path, &["--durability", level, "--sync-interval", "5ms"]);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(place.log());
        for suffix in ["", ".rewrite", ".lock"] {
            strace.arg("-P").arg(format!("{}{suffix}", path.display()));
        }
        strace.arg("-P").arg(place.dir.path().canonicalize().unwrap());
        let Self { calls, error, when, .. } = self;
        strace.args([
            "-e",
            "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2,close,unlink,unlinkat",
        ]);
        strace.args(["-e", &format!("inject={calls}:error={error}:when={when}")]);
        strace.arg(recorder.get_program()).args(recorder.get_args());
        if matches!(self.found, Found::Nameless) {
            strace.args(["--node", "me"]);
        }
        // A child of a test beside this one may hold the file for a moment before it becomes another program.
        strace.args(["--flush-interval", "5ms", "--assume-stopped"]);
        strace
    }

    fn check(&self, figures: &mut Figures, chance: &mut Chance) {
        let place = Place::new();
        let base = place.plant(self.found, chance);
        let story = Story::by_chance(&base, ROUND * ROUNDS, chance);
        let level = ["always", "interval", "os"][chance.index(3)];
        let ended = self.record(&place, level, &story);
        let log = fs::read_to_string(place.log()).unwrap();
        let which = format!("{self}, {level}\n{}\n{log}", ended.stderr);
        let found = read_at(&place.path());
        let judge = |least| {
            let judged = story.judge(least..=ended.sent, &found);
            judged.unwrap_or_else(|why| panic!("{which}: {why}"));
        };
        match ended.status.code() {
            Some(0) => {
                assert_eq!(ended.acked, story.len(), "{which}");
                judge(story.len());
                assert!(!must_be_told(&log, self.error) || !ended.stderr.is_empty(), "{which}");
                figures.healed += usize::from(log.contains("INJECTED"));
            }
            Some(2) => {
                judge(ended.acked);
                assert!(!ended.stderr.is_empty() && log.contains("INJECTED"), "{which}");
                figures.refused += 1;
            }
            _ => panic!("{which}: it ended with {}", ended.status),
        }
        assert!(!ended.stderr.contains("panicked"), "{which}");
        // Without the fault it goes on from there.
        Recorder::start(&mut command(&place.path(), &["--assume-stopped"])).close().assert_code(0);
        assert_eq!(read_at(&place.path()), found, "{which}");
        figures.checks += 1;
        figures.injected += log.matches("INJECTED").count();
    }

    /// Round after round, each until it is acknowledged or something is told.
    fn record(&self, place: &Place, level: &str, story: &Story) -> Ended {
        let mut recorder = Recorder::start(&mut self.traced(place, level));
        let mut sent = 0;
        for round in story.input.chunks(ROUND) {
            recorder.send(round);
            sent += round.len();
            wait_until(&format!("{self}: the recorder says something"), || {
                recorder.acked() >= sent || !recorder.stderr().is_empty() || recorder.has_ended()
            });
        }
        recorder.close()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, error, when, found } = self;
        write!(f, "inject={calls}:error={error}:when={when} on {found:?}")
    }
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), aside: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("faulty.snap")
    }

    fn log(&self) -> PathBuf {
        self.aside.path().join("strace")
    }

    /// Makes the file that the recorder is to find, and says what is in it.
    fn plant(&self, found: Found, chance: &mut Chance) -> Model {
        let path = self.path();
        match found {
            Found::Nothing => {}
            Found::Plain => plant_plain(&path),
            Found::Sealed | Found::Nameless => {
                let story = Story::by_chance(&Model::default(), 30, chance);
                let mut recorder = Recorder::start(&mut command(&path, &[]));
                recorder.send(&story.input);
                recorder.close().assert_code(0);
            }
        }
        read_at(&path)
    }
}

fn plant_plain(path: &Path) {
    let mut lines: Vec<_> =
        (0..30).map(|number| format!("alive: node-{number} 10.0.0.9:7946\n")).collect();
    lines.push("clock: 7\nevent-clock: 8\nquery-clock: 9\n".to_owned());
    fs::write(path, lines.concat()).unwrap();
}

/// Whether a call of the writer's thread has failed that the log cannot do without.
fn must_be_told(log: &str, error: &str) -> bool {
    let thread = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let main = log.lines().next().and_then(thread);
    log.lines().filter(|line| line.contains("INJECTED") && thread(line) != main).any(|line| {
        let unimportant = ["close(", "unlink(", "unlinkat("].iter().any(|call| line.contains(call));
        // What was interrupted is repeated.
        let repeated = error == "EINTR";
        !unimportant && !repeated
    })
}
