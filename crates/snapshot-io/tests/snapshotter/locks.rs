//! One writer a file, in one process and in several.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::thread;

use snapshot_io::{Durability, OpenError, Options};

use crate::common::child;
use crate::common::{DEADLINE, alive, join, read_at};
use crate::{open, place};

#[test]
fn a_second_opener_in_the_process_is_told() {
    let (dir, path) = place();
    let (log, _) = open(&path);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for other in [&path, &link, &dir.path().join(".").join("serf.snapshot")] {
        let result =
            thread::scope(|scope| scope.spawn(|| Options::new().open(other)).join().unwrap());
        let Err(OpenError::Locked { path: locked }) = result else { panic!("{result:?}") };
        assert_eq!(locked, path.canonicalize().unwrap());
    }
    log.record(join("a"));
    log.close().wait(DEADLINE).unwrap();
    let (log, _) = open(&link);
    log.record(join("b"));
    drop(log);
    assert_eq!(alive(&read_at(&path)), ["a", "b"]);
}

#[test]
fn a_second_opener_in_another_process_is_told() {
    if let Some(path) = child::given() {
        let result = Options::new().open(path);
        assert!(matches!(result, Err(OpenError::Locked { .. })), "{result:?}");
        return;
    }
    let (_dir, path) = place();
    let (log, _) = open(&path);
    child::run("locks::a_second_opener_in_another_process_is_told", path.to_str().unwrap());
    // The child let nothing of ours go.
    assert!(matches!(Options::new().open(&path), Err(OpenError::Locked { .. })));
    log.record(join("a"));
    log.close().wait(DEADLINE).unwrap();
    assert_eq!(alive(&read_at(&path)), ["a"]);
}

#[test]
fn a_killed_process_leaves_its_file_free_and_whole() {
    if let Some(path) = child::given() {
        return record_and_idle(&path);
    }
    let (_dir, path) = place();
    for round in 0..3 {
        let test = "locks::a_killed_process_leaves_its_file_free_and_whole";
        let mut child = child::command(test, path.to_str().unwrap());
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().ends_with("idle")), "the child ended");
        assert!(matches!(Options::new().open(&path), Err(OpenError::Locked { .. })));
        child.kill().unwrap();
        child.wait().unwrap();
        let (log, recovery) = open(&path);
        assert_eq!(recovery.alive, 10 + round, "{:?}", recovery.report);
        log.record(join(&format!("between-{round}")));
        log.close().wait(DEADLINE).unwrap();
    }
}

/// Records ten nodes that the timed flush alone brings to the file, and waits to be killed.
fn record_and_idle(path: &str) {
    let (log, _) = Options::new().durability(Durability::Os).open(path).unwrap();
    let mut position = log.progress().accepted;
    for number in 0..10 {
        position = log.record(join(&format!("node-{number}")));
    }
    // Under this level it ends when the bytes were handed to the system, and asks for nothing.
    log.durable(position).wait(DEADLINE).unwrap();
    println!("idle");
    std::io::stdout().flush().unwrap();
    // The pipe stays open until the parent is done.
    let _ = std::io::stdin().read_line(&mut String::new());
}
