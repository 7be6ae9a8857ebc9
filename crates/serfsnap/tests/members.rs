//! `record --members`: lists of members become what has changed between them.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use common::{
    Killed, alone, assert_code, inspect, nodes, run_on, serfsnap, start, stderr, wait_until,
};

fn recorder(path: &Path, options: &[&str]) -> Command {
    let mut command = serfsnap();
    command.args(["record", "--members", "-"]).args(options).arg(path);
    command
}

/// A list as Consul gives it.
fn list(members: &[(&str, u8)]) -> String {
    let members = members.iter().map(|(name, status)| {
        let tags = r#""Tags":{"dc":"dc1","role":"node"}"#;
        format!(
            r#"{{"Name":"{name}","Addr":"10.0.0.{status}","Port":8301,{tags},"Status":{status}}}"#
        )
    });
    format!("[{}]\n", members.collect::<Vec<_>>().join(","))
}

#[track_caller]
fn check(path: &Path, alive: &[&str], failed: &[&str]) {
    let object = inspect(path, &[]).unwrap();
    assert_eq!((nodes(&object, "alive"), nodes(&object, "failed")), (text(alive), text(failed)));
    assert_eq!(object["verdict"], "clean");
}

fn text(nodes: &[&str]) -> Vec<String> {
    nodes.iter().map(|&node| node.to_owned()).collect()
}

#[test]
fn each_list_is_recorded_by_what_it_changes() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("members.snap");
    let first = list(&[("a", 1), ("b", 1), ("c", 2), ("d", 4)]);
    assert_code(&run_on(&mut recorder(&path, &["--node", "a"]), first.as_bytes()), 0);
    check(&path, &["a 10.0.0.1:8301", "b 10.0.0.1:8301", "c 10.0.0.2:8301"], &["d 10.0.0.4:8301"]);
    let before = fs::read(&path).unwrap();
    assert_code(&run_on(&mut recorder(&path, &["--node", "a"]), first.repeat(50).as_bytes()), 0);
    assert_eq!(fs::read(&path).unwrap(), before, "what is known is not written again");
    // b fails, c has left, d is reaped, e is new.
    let second = list(&[("a", 1), ("b", 4), ("c", 3), ("e", 1)]);
    assert_code(&run_on(&mut recorder(&path, &["--node", "a"]), second.as_bytes()), 0);
    check(&path, &["a 10.0.0.1:8301", "e 10.0.0.1:8301"], &["b 10.0.0.1:8301"]);
}

#[test]
fn the_agent_that_starts_alone_or_shows_nothing_costs_nobody() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("members.snap");
    let full = list(&[("a", 1), ("b", 1), ("c", 1)]);
    let input = [&*full, "[]\n", "[]\n", &list(&[("a", 1)])].concat();
    let output = run_on(&mut recorder(&path, &[]), input.as_bytes());
    assert_code(&output, 1);
    assert!(stderr(&output).starts_with("serfsnap: line 2 of the input: an empty list, though"));
    assert_eq!(stderr(&output).lines().count(), 1, "the same is told once");
    check(&path, &["a 10.0.0.1:8301", "b 10.0.0.1:8301", "c 10.0.0.1:8301"], &[]);
}

#[test]
fn bad_lines_are_told_with_their_place_and_change_nothing() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("members.snap");
    let full = list(&[("a", 1), ("b", 1)]);
    let cut = &full[..70];
    let hostile = list(&[("a", 1), ("b", 1), (r"x\nleave", 1), ("y", 7)]);
    let input = [&*full, cut, "\n", "hello\n", "\n", &hostile, &hostile].concat();
    let output = run_on(&mut recorder(&path, &[]), input.as_bytes());
    assert_code(&output, 1);
    let expect = "\
serfsnap: line 2 of the input: byte 70: EOF while parsing a string
serfsnap: line 3 of the input: byte 1: neither a JSON array of members nor an object with one
serfsnap: line 5 of the input: member 3 (x\\nleave): the member's name: byte 1 is a newline, which cannot stand there (at 10.0.0.1:8301); member 4 (y): no such status: 7
";
    assert_eq!(stderr(&output), expect);
    check(&path, &["a 10.0.0.1:8301", "b 10.0.0.1:8301"], &[]);
}

#[test]
fn a_line_without_an_end_is_not_held_and_a_kill_loses_nobody() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("members.snap");
    let mut child = Killed(start(&mut recorder(&path, &[])));
    let mut stdin = child.0.stdin.take().unwrap();
    let piece = vec![b'['; 1 << 20];
    for _ in 0..160 {
        stdin.write_all(&piece).unwrap();
    }
    stdin.write_all(b"\n").unwrap();
    stdin.write_all(list(&[("a", 1), ("b", 1)]).as_bytes()).unwrap();
    // Nothing follows, and the pipe stays open.
    wait_until("the list is in the file", || {
        inspect(&path, &[]).is_some_and(|object| nodes(&object, "alive").len() == 2)
    });
    let status = fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 96 * 1024, "{kib} KiB");
    drop(child);
    check(&path, &["a 10.0.0.1:8301", "b 10.0.0.1:8301"], &[]);
}
