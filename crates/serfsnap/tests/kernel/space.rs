//! A disk that fills and is freed again, and limits on the size of a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use snapshot_model::Model;

use crate::common::recorder::{Recorder, command};
use crate::common::story::{Chance, Story, read_at};
use crate::common::{Killed, wait_until};
use crate::ground::{Case, Mount, run, seed};

/// Little enough to be sent and looked after at once.
const ROUND: usize = 16;

/// A tmpfs of 1 MiB, the snapshot on it, and another program's file.
struct Tmpfs {
    mount: Mount,
}

#[test]
fn a_full_disk_that_is_freed_loses_nothing() {
    let case = Case("tmpfs-full");
    case.in_namespace(
        "space::a_full_disk_that_is_freed_loses_nothing",
        &["umount", "dd"],
        |case| {
            let Some(disk) = Tmpfs::for_case(case) else { return };
            let seed = seed();
            println!("seed {seed}");
            let mut chance = Chance::new(seed);
            let (mut checks, mut told) = (0, 0);
            for level in ["always", "interval", "os"] {
                fs::remove_file(disk.path()).ok();
                let story = Story::by_chance(&Model::default(), 4000, &mut chance);
                let mut run = Run::start(&disk.path(), level, &story);
                for _ in 0..2 {
                    run.send(2);
                    run.recorder.wait_acked(run.sent);
                    disk.fill();
                    run.send_until_told("stale: ");
                    // What a rewrite had taken is free for others at once.
                    let next = disk.path().with_extension("snap.rewrite");
                    wait_until("the new file is gone", || !next.exists());
                    run.check();
                    disk.free();
                    run.recorder.wait_acked(run.sent);
                    run.check();
                    checks += 2;
                }
                disk.fill();
                run.send_until_told("stale: ");
                // A kill while it is full.
                let (sent, ended) = (run.sent, run.recorder.kill());
                told += ended.stderr.lines().count();
                story.judge(ended.acked..=sent, &read_at(&disk.path())).unwrap();
                disk.free();
                let found = read_at(&disk.path());
                Recorder::start(&mut command(&disk.path(), &[])).close().assert_code(0);
                assert_eq!(read_at(&disk.path()), found);
                checks += 1;
            }
            case.proof(&format!("checks={checks} told={told} seed={seed}"));
        },
    );
}

#[test]
fn a_disk_that_another_program_keeps_filling_loses_nothing() {
    let case = Case("tmpfs-shared");
    let test = "space::a_disk_that_another_program_keeps_filling_loses_nothing";
    case.in_namespace(test, &["umount", "dd", "sh"], |case| {
        let Some(disk) = Tmpfs::for_case(case) else { return };
        let seed = seed();
        println!("seed {seed}");
        let story = Story::by_chance(&Model::default(), 1200, &mut Chance::new(seed));
        let mut run = Run::start(&disk.path(), "always", &story);
        // A file that cannot be made is refused, so it is made first.
        run.send(1);
        run.recorder.wait_acked(run.sent);
        let other = disk.other();
        let mut checks = 0;
        while run.sent < story.len() {
            run.send(1);
            run.wait_acked_or_told();
            run.check();
            checks += 1;
        }
        disk.end(other);
        run.recorder.wait_acked(story.len());
        let ended = run.recorder.close();
        ended.assert_code(0);
        assert_eq!(&read_at(&disk.path()), story.model());
        let told = ended.stderr.lines().count();
        case.proof(&format!("checks={checks} told={told} seed={seed}"));
    });
}

#[test]
fn a_limit_on_the_size_of_files_that_is_lifted_is_got_over() {
    let case = Case("ulimit");
    if !case.has(&["timeout", "prlimit"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("limited.snap");
    let story = Story::by_chance(&Model::default(), 400, &mut Chance::new(seed()));
    let mut session = Run::start(&path, "always", &story);
    session.send(1);
    session.recorder.wait_acked(session.sent);
    let pid = session.recorder.id().to_string();
    let limit = |bytes: &str| {
        // The hard limit stays, so that anybody may lift the soft one.
        run("prlimit", &["--pid", &pid, &format!("--fsize={bytes}:")]).map(drop)
    };
    if let Err(why) = limit("700") {
        return case.skip(&why);
    }
    session.send_until_told("stale: a write failed");
    session.check();
    limit("unlimited").unwrap();
    session.recorder.wait_acked(session.sent);
    session.check();
    let sent = session.sent;
    session.recorder.close().assert_code(0);
    story.judge(sent..=sent, &read_at(&path)).unwrap();
    case.proof("checks=3");
}

/// A recorder and how far its story is told.
struct Run<'a> {
    recorder: Recorder,
    story: &'a Story,
    sent: usize,
    path: PathBuf,
    /// So much was told when the last round was sent.
    told: usize,
}

impl<'a> Run<'a> {
    fn start(path: &Path, level: &str, story: &'a Story) -> Self {
        let options = ["--durability", level, "--flush-interval", "2ms", "--sync-interval", "5ms"];
        // A new file is worth it now and then, with the disk full as well.
        let mut command = command(path, &options);
        let recorder = Recorder::start(command.args(["--min-compact-size", "16KiB"]));
        Self { recorder, story, sent: 0, path: path.to_owned(), told: 0 }
    }

    fn send(&mut self, rounds: usize) {
        let lines = &self.story.input[self.sent..];
        let lines = &lines[..lines.len().min(rounds * ROUND)];
        self.told = self.recorder.stderr().len();
        self.recorder.send(lines);
        self.sent += lines.len();
    }

    fn wait_acked_or_told(&self) {
        wait_until("it acknowledges or tells", || {
            let told = self.recorder.stderr();
            self.recorder.acked() >= self.sent || told.len() > self.told || is_sick(&told)
        });
    }

    fn send_until_told(&mut self, what: &str) {
        let before = self.recorder.stderr().len();
        while !self.recorder.stderr()[before..].contains(what) {
            assert!(self.sent < self.story.len(), "all was sent, and nothing told");
            self.send(1);
            self.wait_acked_or_told();
        }
    }

    /// Checks what the path holds while the recorder runs.
    fn check(&self) {
        let acked = self.recorder.acked();
        let judged = self.story.judge(acked..=self.sent, &read_at(&self.path));
        judged.unwrap_or_else(|why| panic!("{why}\n{}", self.recorder.stderr()));
    }
}

/// Whether what was told last is that the log gets nothing.
fn is_sick(told: &str) -> bool {
    told.lines().last().is_some_and(|line| line.contains("stale: "))
}

impl Tmpfs {
    fn for_case(case: &Case) -> Option<Self> {
        let mount = Mount::new(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
        mount.map(|mount| Self { mount }).map_err(|why| case.skip(&why)).ok()
    }

    fn at(&self) -> &Path {
        &self.mount.at
    }

    fn path(&self) -> PathBuf {
        self.at().join("space.snap")
    }

    /// Another program takes as much as there is and gives it back, again and again.
    fn other(&self) -> Killed {
        const LOOP: &str =
            "while [ -e go ]; do dd if=/dev/zero of=hog bs=4096 2>/dev/null; rm -f hog; done";
        fs::write(self.at().join("go"), "").unwrap();
        let mut other = Command::new("sh");
        other.args(["-c", LOOP]).current_dir(self.at()).stdin(Stdio::null());
        Killed(other.spawn().unwrap())
    }

    /// It ends by itself, so that no child of its own is left with a full disk.
    fn end(&self, mut other: Killed) {
        fs::remove_file(self.at().join("go")).unwrap();
        wait_until("the other program ends", || other.0.try_wait().unwrap().is_some());
    }

    /// Another program takes all there is.
    fn fill(&self) {
        let of = format!("of={}", self.at().join("hog").display());
        let full = run("dd", &["if=/dev/zero", &of, "bs=4096"]).unwrap_err();
        assert!(full.contains("No space left"), "{full}");
    }

    fn free(&self) {
        fs::remove_file(self.at().join("hog")).ok();
    }
}
