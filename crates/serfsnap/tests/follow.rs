//! `follow`: what an owner writes is printed as it does, whatever becomes of the file under it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use common::recorder::{self, Recorder};
use common::{Killed, alone, assert_code, serfsnap, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A `serfsnap follow` that runs; what it prints is collected.
struct Follow {
    child: Killed,
    rows: Arc<Mutex<Vec<String>>>,
}

impl Follow {
    fn start(path: &Path, options: &[&str]) -> Self {
        let follow = Self::start_with(path, options, Stdio::null());
        follow.wait("following");
        follow
    }

    fn start_with(path: &Path, options: &[&str], stdin: Stdio) -> Self {
        let mut command = serfsnap();
        command.args(["follow", "--format", "jsonl", "--interval", "5ms"]).args(options).arg(path);
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).spawn().unwrap();
        let rows = Arc::new(Mutex::new(Vec::new()));
        let (theirs, stdout) = (Arc::clone(&rows), child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let row: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
                theirs.lock().unwrap().push(told(&row));
            }
        });
        Self { child: Killed(child), rows }
    }

    fn rows(&self) -> Vec<String> {
        self.rows.lock().unwrap().clone()
    }

    /// The rows about nodes.
    fn nodes(&self) -> Vec<String> {
        let others = ["following", "rewritten", "clock", "event-clock", "query-clock"];
        let mut rows = self.rows();
        rows.retain(|row| !others.contains(&row.split(' ').next().unwrap()));
        rows
    }

    #[track_caller]
    fn wait(&self, row: &str) {
        wait_until(&format!("{row:?} in {:?}", self.rows()), || {
            self.rows().iter().any(|told| told.starts_with(row))
        });
    }

    #[track_caller]
    fn ends_by(mut self, signal: Option<Signal>) -> Vec<String> {
        if let Some(signal) = signal {
            kill_process(Pid::from_child(&self.child.0), signal).unwrap();
        }
        assert_eq!(self.child.0.wait().unwrap().code(), Some(0));
        self.nodes()
    }
}

/// A row in a few words.
fn told(row: &serde_json::Value) -> String {
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    match &*text("event") {
        "clock" => format!("{} {}", text("clock"), row["value"]),
        event => {
            let from = row["from"].as_str().map(|from| format!(" from {from}")).unwrap_or_default();
            format!("{event} {} {}{from}", text("name"), text("addr")).trim_end().to_owned()
        }
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn file(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("live.snap");
    fs::write(&path, text).unwrap();
    (directory, path)
}

fn event(kind: &str, name: &str, addr: &str) -> String {
    format!(
        r#"{{"event":"member-{kind}","members":[{{"name":"{name}","addr":"{addr}","port":1}}]}}"#
    ) + "\n"
}

#[test]
fn a_recorder_that_compacts_is_followed_across_its_compactions() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("live.snap");
    let small = ["--min-compact-size", "4KiB", "--flush-interval", "1ms", "--durability", "os"];
    let mut recorder = Recorder::start(&mut recorder::command(&path, &small));
    recorder.send(&[event("join", "own", "10.0.0.1")]);
    recorder.wait_acked(1);
    let follow = Follow::start(&path, &[]);
    let (mut expect, mut sent) = (Vec::new(), 1);
    for round in 0..8 {
        let name = format!("node-{round}");
        let mut lines = vec![
            event("join", &name, "10.0.0.2"),
            event("update", &name, "10.0.0.3"),
            event("failed", &name, "10.0.0.3"),
        ];
        expect.push(format!("alive {name} 10.0.0.2:1"));
        expect.push(format!("moved {name} 10.0.0.3:1 from 10.0.0.2:1"));
        expect.push(format!("not-alive {name} 10.0.0.3:1"));
        expect.push(format!("failed {name} 10.0.0.3:1"));
        sent += lines.len();
        recorder.send(&lines);
        recorder.wait_acked(sent);
        follow.wait(&format!("failed {name}"));
        let before = follow.rows().iter().filter(|row| row.starts_with("rewritten")).count();
        lines = (1..=400)
            .map(|n| format!("{{\"event\":\"user\",\"ltime\":{}}}\n", round * 400 + n))
            .collect();
        sent += lines.len();
        recorder.send(&lines);
        recorder.wait_acked(sent);
        wait_until("a compaction is seen", || {
            follow.rows().iter().filter(|row| row.starts_with("rewritten")).count() > before
        });
    }
    follow.wait("event-clock 3200");
    recorder.close().assert_code(0);
    let rows = follow.ends_by(Some(Signal::TERM));
    // What falls into the end of a compaction is in the new file by its outcome alone.
    let mut expected = expect.iter();
    assert!(rows.iter().all(|row| expected.any(|expect| expect == row)), "{rows:?}");
    let outcome = |rows: &[String]| -> Vec<String> {
        rows.iter().filter(|row| row.starts_with("failed")).cloned().collect()
    };
    assert_eq!(outcome(&rows), outcome(&expect));
}

#[test]
fn lines_of_a_serf_agent_come_at_once() {
    let (_directory, path) = file("alive: a h:1\nclock: 1\nali");
    let follow = Follow::start(&path, &[]);
    append(&path, "ve: b h:2\nalive: c");
    follow.wait("alive b h:2");
    append(&path, " h:3\nclock: 7\nleave\n");
    follow.wait("clock 0");
    append(&path, "alive: a h:1\nhm\n");
    follow.wait("finding");
    let rows = follow.ends_by(Some(Signal::INT));
    assert_eq!(rows, ["alive b h:2", "alive c h:3", "left", "alive a h:1", "finding"]);
}

#[test]
fn what_a_new_file_says_otherwise_is_told() {
    let (directory, path) = file("alive: a h:1\nalive: b h:2\nevent-clock: 4\n");
    let follow = Follow::start(&path, &[]);
    // As Serf compacts: with a moment in which there is no file.
    let next = directory.path().join("next");
    fs::write(&next, "alive: b h:2\nalive: c h:3\nevent-clock: 9\n").unwrap();
    append(&path, "alive: d h:4\n");
    fs::remove_file(&path).unwrap();
    follow.wait("alive d h:4");
    fs::rename(&next, &path).unwrap();
    follow.wait("event-clock 9");
    // In place: shorter, and then longer than before; at no moment is it empty.
    let in_place = |text: &str| {
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_len(text.len() as u64).unwrap();
    };
    in_place("alive: c h:3\n");
    follow.wait("event-clock 0");
    in_place(&("alive: c h:33\n".to_owned() + &"# of another make\n".repeat(50)));
    follow.wait("moved c h:33 from h:3");
    append(&path, "alive: e h:5\n");
    follow.wait("alive e h:5");
    let expect = [
        "alive d h:4",
        "not-alive a h:1",
        "alive c h:3",
        "not-alive d h:4",
        "not-alive b h:2",
        "moved c h:33 from h:3",
        "alive e h:5",
    ];
    assert_eq!(follow.ends_by(Some(Signal::TERM)), expect);
}

#[test]
fn what_came_to_the_old_file_last_is_told_before_the_new_one() {
    let (directory, path) = file("alive: a h:1\n");
    let follow = Follow::start(&path, &[]);
    let pid = Pid::from_child(&follow.child.0);
    kill_process(pid, Signal::STOP).unwrap();
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    wait_until("it is stopped", || fs::read_to_string(&stat).unwrap().contains(") T "));
    append(&path, "alive: b h:2\nnot-alive: b\n");
    let next = directory.path().join("next");
    fs::write(&next, "alive: a h:3\n").unwrap();
    fs::rename(&next, &path).unwrap();
    kill_process(pid, Signal::CONT).unwrap();
    follow.wait("moved a h:3");
    let expect = ["alive b h:2", "not-alive b h:2", "moved a h:3 from h:1"];
    assert_eq!(follow.ends_by(Some(Signal::TERM)), expect);
}

#[test]
fn lines_without_a_seal_behind_a_sealed_file_come_too() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("live.snap");
    let mut recorder = Recorder::start(&mut recorder::command(&path, &[]));
    recorder.send(&[event("join", "a", "10.0.0.1")]);
    recorder.wait_acked(1);
    recorder.close().assert_code(0);
    let follow = Follow::start(&path, &[]);
    append(&path, "alive: b h:2\n");
    follow.wait("alive b h:2");
    append(&path, "alive: c h:3\nalive: d");
    follow.wait("alive c h:3");
    append(&path, " h:4\n");
    follow.wait("alive d h:4");
    assert_eq!(follow.ends_by(Some(Signal::TERM)).len(), 3);
}

#[test]
fn from_the_start() {
    let (_directory, path) = file("alive: a h:1\nalive: a h:2\nnot-alive: a\n");
    let follow = Follow::start(&path, &["--from-start"]);
    append(&path, "alive: b h:2\n");
    follow.wait("alive b h:2");
    let rows = follow.ends_by(Some(Signal::TERM));
    assert_eq!(rows, ["alive a h:1", "moved a h:2 from h:1", "not-alive a h:2", "alive b h:2"]);
}

#[test]
fn the_rules_of_another_reader() {
    let (_directory, path) = file("alive: a h:1\n");
    let follow = Follow::start(&path, &["--as", "serf"]);
    append(&path, "alive: b x\nclock: 18446744073709551615\n");
    follow.wait("clock 18446744073709551615");
    assert_eq!(follow.ends_by(Some(Signal::TERM)), ["alive b x"]);
}

#[test]
fn a_pipe_is_followed_to_its_end() {
    let mut follow = Follow::start_with(Path::new("-"), &[], Stdio::piped());
    let mut stdin: ChildStdin = follow.child.0.stdin.take().unwrap();
    stdin.write_all(b"alive: a h:1\nalive: b").unwrap();
    follow.wait("alive a h:1");
    stdin.write_all(b" h:2\n").unwrap();
    follow.wait("alive b h:2");
    drop(stdin);
    assert_eq!(follow.ends_by(None), ["alive a h:1", "alive b h:2"]);
}

#[test]
fn it_ends_when_nobody_reads_on_though_nothing_happens() {
    let (_directory, path) = file("alive: a h:1\n");
    let mut command = serfsnap();
    command.arg("follow").arg(&path).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Killed(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.ends_with("1 alive, 0 failed; waiting for changes\n"), "{line}");
    // The reader is gone.
    let mut status = None;
    wait_until("it ends", || {
        status = child.0.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.0.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn what_cannot_be_followed_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let check = |path: &Path, expect: &str| {
        let output = serfsnap().arg("follow").arg(path).output().unwrap();
        assert_code(&output, 2);
        assert!(common::stderr(&output).contains(expect), "{}", common::stderr(&output));
    };
    check(&directory.path().join("missing"), "there is no such file");
    check(directory.path(), "this is a directory");
    check(Path::new(""), "the path of FILE is empty");
    let program = directory.path().join("program");
    fs::write(&program, b"\x7fELF\x02").unwrap();
    check(&program, "a program");
    File::create(directory.path().join("empty")).unwrap();
}

#[test]
fn an_endless_line_is_not_held() {
    /// Far less than the input; what the program takes for itself is below 64 MiB of addresses.
    const LIMIT_KIB: u32 = 96 * 1024;
    let program = env!("CARGO_BIN_EXE_serfsnap");
    for command in ["follow --format jsonl -", "history -", "export --to csv -", "diff /dev/null -"]
    {
        let script = format!(
            "ulimit -v {LIMIT_KIB} && head -c 104857600 /dev/zero | tr '\\0' x | {program} {command}"
        );
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_code(&output, 0);
        assert!(output.stdout.len() < 64 * 1024, "{command} prints the line");
    }
}
