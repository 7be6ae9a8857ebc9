//! The real binary, killed at any moment: what it acknowledged is there, in order, and nothing that was not sent.
//!
//! SIGKILL takes the process and spares what the system holds for it in its cache.
//! So an acknowledgement must hold at every level: under `always` and `interval` the line was synced, under `os` it was
//! handed to the system.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]
#![expect(clippy::print_stdout, reason = "figures are printed")]

mod common;

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::recorder::{Recorder, command};
use common::story::{Chance, Story, inspected, read_at};
use common::{alone, assert_code, catch, let_pass, serfsnap, wait_until};
use snapshot_model::Model;
use tempfile::TempDir;

const LEVELS: [&str; 3] = ["always", "interval", "os"];

/// How many in all, unless `KILLS` asks for another number: a third of them at each level.
const KILLS: usize = 300;

/// More than a recorder takes in before its kill, mostly.
const LINES: usize = 1500;

/// When to kill.
#[derive(Debug)]
enum Moment {
    /// This long after the start: perhaps while it opens the file.
    AfterStart(Duration),
    /// This long after so many lines were acknowledged.
    AfterAck(usize, Duration),
    /// This long after a rewrite has begun that was seen behind so many acknowledged lines.
    InRewrite(usize, Duration),
}

/// What the kills of one level have met.
#[derive(Debug, Default)]
struct Figures {
    kills: usize,
    acknowledged: usize,
    /// Nothing was acknowledged yet.
    early: usize,
    /// A new file was being written.
    in_rewrites: usize,
    /// The end of the file was not sealed: a write was cut, or its seal.
    torn: usize,
}

/// A file that is recorded to and killed, and what it holds.
struct Place {
    directory: TempDir,
    holds: Model,
}

#[test]
fn a_kill_at_any_moment_spares_what_was_acknowledged_always() {
    kill_at("always");
}

#[test]
fn a_kill_at_any_moment_spares_what_was_acknowledged_interval() {
    kill_at("interval");
}

#[test]
fn a_kill_at_any_moment_spares_what_was_acknowledged_os() {
    kill_at("os");
}

#[test]
fn a_kill_while_nothing_follows_spares_all() {
    let _alone = alone();
    let seed = seed();
    let mut chance = Chance::new(seed);
    for level in LEVELS {
        let place = Place::new();
        let story = Story::by_chance(&Model::default(), 200, &mut chance);
        // No acknowledgements: whoever waits for a position asks for it to be synced.
        let mut idle = serfsnap();
        idle.args(["record", "--durability", level]).arg(place.path());
        let mut recorder = Recorder::start(&mut idle);
        recorder.send(&story.input);
        // The flush is all that can bring it there, since nothing follows and the input does not end.
        wait_until("all of it is in the file", || place.read() == *story.model());
        recorder.kill();
        place.check(&story, story.len(), story.len(), &format!("seed {seed}, {level}, idle"));
    }
    println!("proof: kills level=all case=idle kills={} violations=0 seed={seed}", LEVELS.len());
}

#[test]
fn a_file_that_lacks_or_invents_something_is_told() {
    let mut story = Story::by_chance(&Model::default(), 100, &mut Chance::new(1));
    let all = story.len();
    story.user(1_000_000);
    story.go_on(20, &mut Chance::new(2));
    let told = |acked, found: &Model| story.judge(acked..=all + 1, found).unwrap_err();
    story.judge(all..=all + 1, &story.after(all)).unwrap();
    story.judge(all..=all + 1, &story.after(all + 1)).unwrap();
    assert!(told(all + 1, &story.after(all)).contains("another prefix"), "one less");
    assert!(told(all, story.model()).contains("another prefix"), "not sent yet");
    assert!(
        told(0, &Story::on(&Model { clock: 1 << 40, ..Model::default() }).after(0))
            .contains("no prefix")
    );
    let mut ghost = story.after(all);
    ghost.alive.insert(b"ghost".to_vec(), b"6.6.6.6:6".to_vec());
    assert!(told(0, &ghost).contains("no prefix"), "one more");
    let mut gap = story.after(all + 1);
    gap.alive.pop_first();
    assert!(told(0, &gap).contains("no prefix"), "one in the middle");
}

/// Half of them on files of their own, the others on one file, from kill to kill.
fn kill_at(level: &str) {
    let _alone = alone();
    let seed = seed();
    println!("seed {seed}");
    let mut chance = Chance::new(seed);
    let mut figures = Figures::default();
    let mut same = Place::new();
    for number in 0..kills() {
        let mut fresh = Place::new();
        let place = if number % 2 == 0 { &mut same } else { &mut fresh };
        kill_once(level, place, &mut chance, &mut figures, &format!("seed {seed}, kill {number}"));
    }
    // A few kills may all come early.
    let many = figures.kills >= 50;
    assert!(!many || figures.acknowledged > 0, "{figures:?}");
    let Figures { kills, acknowledged, early, in_rewrites, torn } = figures;
    println!(
        "proof: kills level={level} kills={kills} acknowledged={acknowledged} early={early} \
         in_rewrites={in_rewrites} torn={torn} violations=0 seed={seed}"
    );
}

fn kill_once(
    level: &str,
    place: &mut Place,
    chance: &mut Chance,
    figures: &mut Figures,
    which: &str,
) {
    let mut story = Story::by_chance(&place.holds, LINES, chance);
    if chance.one_in(8) {
        // Early enough that most recorders come to it.
        story = Story::by_chance(&place.holds, 1 + chance.index(LINES / 8), chance);
        story.leave();
        story.go_on(20, chance);
    }
    let moment = Moment::by_chance(story.len(), chance);
    let flush = ["1ms", "5ms", "20ms"][chance.index(3)];
    let options = [
        "--durability",
        level,
        "--flush-interval",
        flush,
        "--sync-interval",
        "10ms",
        "--min-compact-size",
        "1KiB",
    ];
    let mut recorder = Recorder::start(&mut command(&place.path(), &options));
    recorder.feed(&story, Chance::new(chance.next()));
    moment.wait_for(&recorder, &place.path(), story.len());
    let ended = recorder.kill();
    assert_eq!(ended.status.code(), None, "{which}: it ended by itself: {}", ended.stderr);
    // Only of what the kill before has left of a write.
    let told = |line: &str| line.contains(" in the file found there, ");
    assert!(ended.stderr.lines().all(told), "{which}: {moment:?}: {}", ended.stderr);
    figures.kills += 1;
    figures.acknowledged += ended.acked;
    figures.early += usize::from(ended.acked == 0);
    figures.in_rewrites += usize::from(rewrite_of(&place.path()).exists());
    let which = format!("{which}, {level}, {moment:?}");
    figures.torn += usize::from(place.check(&story, ended.acked, ended.sent, &which));
    place.holds = place.read();
}

impl Moment {
    fn by_chance(lines: usize, chance: &mut Chance) -> Self {
        let micros = |chance: &mut Chance, limit| Duration::from_micros(chance.below(limit));
        match chance.below(4) {
            0 => Self::AfterStart(micros(chance, 40_000)),
            1 => Self::AfterAck(1 + chance.index(lines), micros(chance, 3000)),
            2 => Self::InRewrite(chance.index(lines), micros(chance, 1500)),
            // Where syncs cost nothing a rewrite is over soon.
            _ => Self::InRewrite(chance.index(lines), Duration::ZERO),
        }
    }

    fn wait_for(&self, recorder: &Recorder, path: &Path, all: usize) {
        match self {
            Self::AfterStart(time) => let_pass(*time),
            Self::AfterAck(lines, time) => {
                catch("acknowledgements", || recorder.acked() >= *lines);
                let_pass(*time);
            }
            Self::InRewrite(lines, time) => {
                let next = rewrite_of(path);
                catch("acknowledgements", || recorder.acked() >= *lines);
                // The last line may come before the file has grown enough.
                catch("a rewrite", || next.exists() || recorder.acked() == all);
                let_pass(*time);
            }
        }
    }
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), holds: Model::default() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("killed.snap")
    }

    fn read(&self) -> Model {
        read_at(&self.path())
    }

    /// Checks what the file holds, by the oracle and by the tool; whether its end was torn.
    fn check(&self, story: &Story, acked: usize, sent: usize, which: &str) -> bool {
        let judged = |by, found: &Model| {
            if let Err(why) = story.judge(acked..=sent, found) {
                panic!("{which}: {by}: {why}\nin {}", self.path().display());
            }
        };
        judged("the oracle", &self.read());
        if !self.path().exists() {
            return false;
        }
        let output =
            serfsnap().args(["inspect", "--format", "json"]).arg(self.path()).output().unwrap();
        assert_code(&output, 0);
        let object = serde_json::from_slice(&output.stdout).unwrap();
        judged("the tool", &inspected(&object));
        assert_ne!(
            object["verdict"], "damaged",
            "{which}: a kill tears the end and damages nothing"
        );
        object["verdict"] == "torn"
    }
}

fn rewrite_of(path: &Path) -> PathBuf {
    path.with_extension("snap.rewrite")
}

/// At one level.
fn kills() -> usize {
    let asked = env::var("KILLS").ok().map(|asked| asked.parse::<usize>().unwrap());
    asked.unwrap_or(KILLS).div_ceil(LEVELS.len())
}

/// `KILLS_SEED` repeats a run, as far as the kernel lets it.
fn seed() -> u64 {
    let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let asked = env::var("KILLS_SEED").ok().map(|asked| asked.parse().unwrap());
    asked.unwrap_or_else(|| u64::try_from(now()).unwrap())
}
