//! `record`: what was taken in is kept, however it ends.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{
    alone, assert_code, contents, corpus, run_on, serfsnap, start, stderr, stdout, wait_until,
};
use rustix::process::{Pid, Signal, kill_process};

const JOINS: &str = r#"{"event":"member-join","members":[{"name":"a","addr":"10.0.0.1","port":7946}]}
{"event":"member-join","members":[{"name":"b","addr":"10.0.0.2","port":7946},{"name":"c","addr":"::1","port":7946}]}
"#;

/// `{"alive":[…]}` of `inspect`, and the rest of the object.
fn inspect(path: &Path) -> serde_json::Value {
    let output = serfsnap().args(["inspect", "--format", "json"]).arg(path).output().unwrap();
    assert_code(&output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn names(path: &Path) -> Vec<String> {
    let object = inspect(path);
    let alive = object["alive"].as_array().unwrap();
    alive.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
}

fn recorder(path: &Path, options: &[&str]) -> Command {
    let mut command = serfsnap();
    command.arg("record").arg(path).args(options);
    command
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_kill_while_idle_keeps_what_was_recorded_before() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("idle.snap");
    let mut child = start(&mut recorder(&path, &[]));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(JOINS.as_bytes()).unwrap();
    // Nothing follows, and the pipe stays open: the joins reach the file by themselves.
    wait_until("the joins are in the file", || {
        fs::read_to_string(&path).is_ok_and(|file| file.contains("alive: c [::1]:7946\n"))
    });
    send(&child, Signal::KILL);
    assert_eq!(child.wait().unwrap().code(), None);
    drop(stdin);
    assert_eq!(names(&path), ["a", "b", "c"]);
}

#[test]
fn signals_close_properly() {
    let _alone = alone();
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signal.snap");
        // A flush that is far away: only the close can bring the records to the disk.
        let mut child = start(&mut recorder(&path, &["--flush-interval", "1h"]));
        let mut stdin = child.stdin.take().unwrap();
        wait_until("it has opened the file", || path.exists());
        stdin.write_all(JOINS.as_bytes()).unwrap();
        stdin.write_all(br#"{"event":"user","ltime":5"#).unwrap();
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_code(&output, 0);
        assert_eq!(stderr(&output), "");
        assert_eq!(names(&path), ["a", "b", "c"], "what was in the pipe counts");
        let object = inspect(&path);
        assert_eq!(object["verdict"], "clean");
        assert_eq!(object["event_clock"], 0, "half a line does not");
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let _alone = alone();
    for level in ["always", "interval", "os"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("acked.snap");
        let options = ["--ack", "--durability", level, "--sync-interval", "50ms"];
        let mut child = start(&mut recorder(&path, &options));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(JOINS.as_bytes()).unwrap();
        let mut acks = BufReader::new(child.stdout.take().unwrap()).lines();
        let last = acks.by_ref().map(Result::unwrap).find(|ack| ack == "{\"acked\":2}");
        assert!(last.is_some(), "{level}");
        send(&child, Signal::KILL);
        child.wait().unwrap();
        assert_eq!(names(&path), ["a", "b", "c"], "{level}");
    }
}

#[test]
fn acknowledgements_rise_to_the_last_line() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("acked.snap");
    let lines = (1..=500).map(|time| format!("{{\"event\":\"user\",\"ltime\":{time}}}\n"));
    let input = lines.collect::<Vec<_>>().concat();
    let output =
        run_on(&mut recorder(&path, &["--ack", "--durability", "always"]), input.as_bytes());
    assert_code(&output, 0);
    let said = stdout(&output);
    let acked = said.lines().map(|line| {
        let ack: serde_json::Value = serde_json::from_str(line).unwrap();
        ack["acked"].as_u64().unwrap()
    });
    let acked: Vec<_> = acked.collect();
    assert!(acked.is_sorted_by(|a, b| a < b), "{acked:?}");
    assert_eq!(acked.last(), Some(&500));
}

#[test]
fn whoever_stops_reading_acknowledgements_does_not_stop_the_recorder() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("closed.snap");
    let mut child = start(&mut recorder(&path, &["--ack", "--durability", "always"]));
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let (first, second) = JOINS.split_once('\n').unwrap();
    writeln!(stdin, "{first}").unwrap();
    wait_until("the first join is in the file", || {
        fs::read_to_string(&path).is_ok_and(|file| file.contains("alive: a "))
    });
    stdin.write_all(second.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_code(&output, 0);
    assert_eq!(stderr(&output), "");
    assert_eq!(names(&path), ["a", "b", "c"]);
}

#[test]
fn bad_lines_are_told_and_the_rest_is_recorded() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.snap");
    let hostile = r#"{"event":"member-join","members":[{"name":"x\u001b[2J\nalive: y 6.6.6.6:6","addr":"10.0.0.9","port":1}]}"#;
    let input = format!("nonsense\n\n{hostile}\n{JOINS}{{\"event\":\"\u{9b}31m\"}}\n\u{1b}[2J\n");
    let output = run_on(&mut recorder(&path, &["--ack"]), input.as_bytes());
    assert_code(&output, 1);
    assert_eq!(names(&path), ["a", "b", "c"]);
    let said = stderr(&output);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    for (line, number) in lines.iter().zip([1, 3, 6, 7]) {
        assert!(line.starts_with(&format!("serfsnap: line {number} of the input: ")), "{line}");
    }
    assert!(lines[1].contains("byte 5 is a newline"), "{}", lines[1]);
    assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
    assert!(stdout(&output).ends_with("{\"acked\":7}\n"), "{}", stdout(&output));
}

#[test]
fn a_line_of_any_length_is_taken_in_bounded_memory() {
    /// Half of the line, and enough for the threads and what the program takes for itself.
    const LIMIT_KIB: u32 = 128 * 1024;
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_serfsnap");
    let script = format!(
        "ulimit -v {LIMIT_KIB} && {{ head -c 268435456 /dev/zero | tr '\\0' x; echo; cat; }} | {program} record long.snap"
    );
    let mut command = Command::new("sh");
    let output = run_on(command.args(["-c", &script]).current_dir(&directory), JOINS.as_bytes());
    assert_code(&output, 1);
    assert!(stderr(&output).contains("line 1 of the input: longer than"), "{}", stderr(&output));
    assert_eq!(names(&directory.path().join("long.snap")), ["a", "b", "c"]);
}

#[test]
fn a_second_recorder_is_told_who_has_the_file() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("busy.snap");
    let mut first = start(&mut recorder(&path, &["--ack", "--durability", "os"]));
    let mut stdin = first.stdin.take().unwrap();
    stdin.write_all(JOINS.as_bytes()).unwrap();
    // Something to compact.
    for time in 1..10 {
        writeln!(stdin, "{{\"event\":\"user\",\"ltime\":{time}}}").unwrap();
    }
    wait_until("the first holds the lock", || {
        fs::read_to_string(&path).is_ok_and(|file| file.contains("event-clock: 9\n"))
    });
    let before = contents(directory.path());
    for command in [vec!["record"], vec!["compact", "--yes"]] {
        let output = serfsnap().args(&command).arg(&path).stdin(Stdio::null()).output().unwrap();
        assert_code(&output, 2);
        let who = format!("process {} (serfsnap) has it open", first.id());
        assert!(stderr(&output).contains(&who), "{command:?}: {}", stderr(&output));
        let mut assumed = serfsnap();
        assumed.args(&command).arg("--assume-stopped").arg(&path).stdin(Stdio::null());
        let output = assumed.output().unwrap();
        assert_code(&output, 2);
        assert!(stderr(&output).contains("holds its lock"), "{command:?}: {}", stderr(&output));
    }
    assert!(contents(directory.path()) == before);
    drop(stdin);
    assert_code(&first.wait_with_output().unwrap(), 0);
}

#[test]
fn the_file_of_an_agent_is_taken_over() {
    let _alone = alone();
    for name in ["05-c-events-queries.snap", "40-synthetic-torn-tail-input.snap"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::copy(corpus(name), &path).unwrap();
        let before = inspect(&path);
        let output =
            run_on(&mut recorder(&path, &["--node", "c"]), b"{\"event\":\"user\",\"ltime\":99}\n");
        assert_code(&output, 0);
        assert_eq!(stderr(&output), "");
        let after = inspect(&path);
        assert_eq!(after["alive"], before["alive"]);
        assert_eq!(after["clock"], before["clock"]);
        assert_eq!((&after["event_clock"], &after["verdict"]), (&99.into(), &"clean".into()));
        assert_eq!(after["node"], "c");
        let files: Vec<_> = contents(directory.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            files,
            [path.clone(), directory.path().join(format!("{name}.lock"))],
            "no backup"
        );
    }
}

#[test]
fn a_damaged_file_and_one_of_another_cluster_are_told() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("found.snap");
    fs::copy(corpus("42-torn-alive-line-glued-by-real-serf.snap"), &path).unwrap();
    let output = run_on(&mut recorder(&path, &["--cluster", "blue"]), b"");
    assert_code(&output, 0);
    assert!(
        stderr(&output)
            .contains("1 finding in the file found there, the first in line 2 at byte 25: glued")
    );
    let output = run_on(&mut recorder(&path, &["--cluster", "green"]), b"");
    assert_code(&output, 0);
    assert!(stderr(&output).contains("of cluster \"blue\", is kept as "), "{}", stderr(&output));
    assert_eq!((names(&path), &inspect(&path)["cluster"]), (vec![], &"green".into()));
    assert_eq!(names(&directory.path().join("found.snap.foreign")), ["a"]);
}

#[test]
fn a_file_size_limit_is_an_error_and_no_death() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("limited.snap");
    let joins = |what: &str| {
        let join = |n| {
            let member = format!("{{\"name\":\"{what}-{n}\",\"addr\":\"10.0.0.1\",\"port\":1}}");
            format!("{{\"event\":\"member-join\",\"members\":[{member}]}}\n")
        };
        (0..5000).map(join).collect::<Vec<_>>().concat()
    };
    let limited = |input: &str| {
        let program = env!("CARGO_BIN_EXE_serfsnap");
        let script = format!("ulimit -f 16 && exec {program} record limited.snap");
        let mut command = Command::new("sh");
        let output =
            run_on(command.args(["-c", &script]).current_dir(&directory), input.as_bytes());
        assert_code(&output, 2);
        let said = stderr(&output);
        let lost = "limited.snap: the last records may be lost: not durable: ";
        assert!(said.contains(lost) && said.contains("stale: a write failed"), "{said}");
        assert_eq!(inspect(&path)["findings_total"], 0);
    };
    // A write that crosses the limit is cut short.
    limited(&joins("early"));
    assert_code(&run_on(&mut recorder(&path, &[]), joins("more").as_bytes()), 0);
    // One that begins beyond it comes with the signal.
    limited(&joins("late"));
    assert!(names(&path).len() >= 5000, "what was there before is there still");
}
