//! The blocking driver of rejoining.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::mpsc;

use snapshot_io::{Event, Member, Membership, Snapshotter};

fn log_of(nodes: &[&str]) -> Snapshotter {
    let log = Snapshotter::disabled();
    for node in nodes {
        log.record(Event::MemberJoin(Member::new(node.as_bytes(), b"10.0.0.1:7946").unwrap()));
    }
    log
}

#[test]
fn a_run_ends_when_every_node_is_a_member_or_has_left() {
    let rejoiner = log_of(&["a", "b", "c"]).rejoin();
    rejoiner.member(b"b", Membership::Gone);
    let mut tried = Vec::new();
    rejoiner.run(|name, addr| {
        assert_eq!(addr, "10.0.0.1:7946");
        tried.push(name.to_vec());
        rejoiner.member(name, Membership::Alive);
        true
    });
    tried.sort();
    assert_eq!((tried, rejoiner.wanted()), (vec![b"a".to_vec(), b"c".to_vec()], 0));
}

#[test]
fn a_waiting_run_is_cancelled_from_elsewhere() {
    let rejoiner = log_of(&["a"]).rejoin();
    let (sender, tried) = mpsc::channel();
    let other = rejoiner.clone();
    let thread = std::thread::spawn(move || {
        other.run(|_, _| {
            sender.send(()).unwrap();
            false
        });
    });
    tried.recv().unwrap();
    rejoiner.cancel();
    thread.join().unwrap();
}

#[test]
fn a_member_event_ends_a_waiting_run() {
    let rejoiner = log_of(&["a"]).rejoin();
    let (sender, tried) = mpsc::channel();
    let other = rejoiner.clone();
    let thread = std::thread::spawn(move || {
        other.run(|_, _| {
            sender.send(()).unwrap();
            true
        });
    });
    tried.recv().unwrap();
    rejoiner.member(b"a", Membership::Alive);
    thread.join().unwrap();
    assert_eq!(rejoiner.wanted(), 0);
    rejoiner.alone();
    assert_eq!(rejoiner.wanted(), 1, "who is alone begins again");
}
