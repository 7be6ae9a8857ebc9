//! Power cuts on a real ext4: its shutdown ioctl forgets what was not written through.
//!
//! The file system lies in a file, on a loop device.
//! Unlike a disk, that device keeps what it has once got; so this is about the kernel's cache and journal.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use snapshot_model::Model;
use tempfile::TempDir;

use crate::common::recorder::{Recorder, command};
use crate::common::story::{Chance, Story, read_at};
use crate::common::{catch, let_pass};
use crate::ground::{CUTS, Case, Mount, run, seed, volume};
use crate::steps::{Played, Stage, open};

/// What ext4 itself needs. Perl is in every Debian, as a part of its base.
pub(crate) const PROGRAMS: &[&str] = &["mkfs.ext4", "umount", "sync", "perl"];

/// `EXT4_IOC_SHUTDOWN` is `_IOR('X', 125, __u32)`.
///
/// It is done when a line comes in, so that no start of a program stands between a moment and the cut.
const SHUTDOWN: &str = "open(my $at, '<', $ARGV[0]) or die \"open: $!\"; my $flags = pack('L', $ARGV[1]); <STDIN>; \
                        ioctl($at, 0x8004587d, $flags) or die \"ioctl: $!\";";

/// How many power cuts the unmodified binary gets in all, unless `CUTS` asks for another number.
const USUAL_CUTS: usize = 24;

/// What becomes of the journal at a power cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Journal {
    /// It is written before the power goes: names and lengths are newer than a careless program expects.
    Flushed,
    /// It goes with the power: they are older.
    Lost,
}

/// An ext4 of our own.
#[derive(Debug)]
pub(crate) struct Ext4 {
    mount: Mount,
    _image: TempDir,
}

#[test]
fn a_power_cut_at_any_step_spares_what_was_durable() {
    let case = Case("ext4-steps");
    case.in_namespace("cuts::a_power_cut_at_any_step_spares_what_was_durable", PROGRAMS, |case| {
        let Some(disk) = Ext4::for_case(case) else { return };
        let seed = seed();
        println!("seed {seed}");
        let (mut steps, mut acknowledged) = (0, 0);
        // Without a cut, to learn how many steps there are.
        let whole = play(&disk, "whole", None, seed);
        assert_eq!(whole.acked, whole.story.len());
        for journal in [Journal::Lost, Journal::Flushed] {
            for step in 0..whole.steps {
                let played =
                    play(&disk, &format!("{journal:?}-{step}"), Some((step, journal)), seed);
                disk.mount.again();
                let which =
                    format!("seed {seed}, the journal {journal:?}, a cut before step {step}");
                judge(&played, &which);
                acknowledged += played.acked;
                steps += 1;
            }
        }
        case.proof(&format!("checks={steps} cuts={steps} acknowledged={acknowledged} seed={seed}"));
    });
}

#[test]
fn a_power_cut_at_any_moment_spares_what_was_acknowledged() {
    let case = Case("ext4-moments");
    case.in_namespace(
        "cuts::a_power_cut_at_any_moment_spares_what_was_acknowledged",
        PROGRAMS,
        |case| {
            let Some(disk) = Ext4::for_case(case) else { return };
            let seed = seed();
            println!("seed {seed}");
            let mut chance = Chance::new(seed);
            let path = disk.mount.at.join("cut.snap");
            let (mut holds, mut acknowledged) = (Model::default(), 0);
            let cuts = volume(CUTS, USUAL_CUTS);
            for number in 0..cuts {
                let level = ["always", "interval", "os"][number % 3];
                let which = format!("seed {seed}, cut {number}, {level}");
                acknowledged += cut_once(&disk, &path, level, &holds, &mut chance, &which);
                holds = read_at(&path);
            }
            case.proof(&format!(
                "checks={cuts} cuts={cuts} acknowledged={acknowledged} seed={seed}"
            ));
        },
    );
}

fn play(disk: &Ext4, name: &str, cut: Option<(usize, Journal)>, seed: u64) -> Played {
    let dir = disk.mount.at.join(name);
    fs::create_dir(&dir).unwrap();
    run("sync", &["-f", dir.to_str().unwrap()]).unwrap();
    let at = disk.mount.at.clone();
    let cut = cut.map(|(step, journal)| {
        let power: Box<dyn Fn() + Send + Sync> = Box::new(move || Power::of(&at, journal).cut());
        (step, power)
    });
    Stage::play(&dir.join("cut.snap"), cut, seed)
}

/// Checks what is there after the cut, that opening it finds the same, and that recording goes on from there.
fn judge(played: &Played, which: &str) {
    let Played { path, story, acked, sent, .. } = played;
    let found = read_at(path);
    story.judge(*acked..=*sent, &found).unwrap_or_else(|why| panic!("{which}: {why}"));
    let limit = Duration::from_secs(60);
    let log = open(path, None);
    log.close().wait(limit).unwrap();
    assert_eq!(read_at(path), found, "{which}: opened and closed");
    let mut more = Story::on(&found);
    more.user(found.event_clock + 1);
    let mut recorder = Recorder::start(&mut command(path, &["--durability", "always"]));
    recorder.send(&more.input);
    recorder.close().assert_code(0);
    more.judge(1..=1, &read_at(path)).unwrap_or_else(|why| panic!("{which}: going on: {why}"));
}

/// Lets the unmodified binary record until the power goes; how many lines it had acknowledged as durable.
fn cut_once(
    disk: &Ext4,
    path: &Path,
    level: &str,
    holds: &Model,
    chance: &mut Chance,
    which: &str,
) -> usize {
    let story = Story::by_chance(holds, 3000, chance);
    let journal = if chance.one_in(2) { Journal::Lost } else { Journal::Flushed };
    let power = Power::of(&disk.mount.at, journal);
    let options = ["--durability", level, "--flush-interval", "1ms", "--sync-interval", "5ms"];
    let mut command = command(path, &options);
    let mut recorder = Recorder::start(command.args(["--min-compact-size", "1KiB"]));
    recorder.feed(&story, Chance::new(chance.next()));
    let least = chance.index(story.len());
    let rewrite = path.with_extension("snap.rewrite");
    let in_rewrite = chance.one_in(2);
    catch("acknowledgements", || recorder.acked() >= least);
    catch("a rewrite", || !in_rewrite || rewrite.exists() || recorder.acked() == story.len());
    let_pass(Duration::from_micros(chance.below(3000)));
    // Of a sync that is under way when the file system is shut down, ext4 says at times that it went through.
    // What a disk says while its power goes nobody can believe, so only what was acknowledged before counts.
    let acked = recorder.acked();
    power.cut();
    // It goes on for a while without a disk.
    let_pass(Duration::from_micros(chance.below(20_000)));
    let ended = recorder.kill();
    assert_eq!(ended.status.code(), None, "{which}: it ended by itself: {}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{which}: {}", ended.stderr);
    disk.mount.again();
    // Handed to the system is not durable.
    let acked = if level == "os" { 0 } else { acked };
    let judged = story.judge(acked..=ended.sent, &read_at(path));
    judged.unwrap_or_else(|why| panic!("{which}, the journal {journal:?}: {why}"));
    acked
}

/// A hand on the switch.
struct Power(Child);

impl Power {
    fn of(at: &Path, journal: Journal) -> Self {
        let flags = match journal {
            Journal::Flushed => "1",
            Journal::Lost => "2",
        };
        let mut perl = Command::new("timeout");
        perl.args(["--kill-after=5", "60", "perl", "-e", SHUTDOWN]).arg(at).arg(flags);
        Self(perl.stdin(Stdio::piped()).spawn().unwrap())
    }

    fn cut(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Ext4 {
    /// A new one; a case that cannot have one says so.
    pub(crate) fn for_case(case: &Case) -> Option<Self> {
        Self::new().map_err(|why| case.skip(&why)).ok()
    }

    fn new() -> Result<Self, String> {
        const BYTES: u64 = 32 * 1024 * 1024;
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        fs::File::create(&image).unwrap().set_len(BYTES).unwrap();
        let image = image.to_str().unwrap();
        run("mkfs.ext4", &["-q", "-F", image])?;
        let disk = Self { mount: Mount::new(&["-t", "ext4", "-o", "loop", image])?, _image: dir };
        // The call is as old as ext4's in Linux 4.15; a sandbox may have its own kernel.
        run("perl", &["-e", SHUTDOWN, disk.mount.at.to_str().unwrap(), "1"])?;
        disk.mount.again();
        Ok(disk)
    }

    pub(crate) fn at(&self) -> &Path {
        &self.mount.at
    }
}
