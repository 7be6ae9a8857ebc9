//! What others leave at the path and beside it: Serf agents, interrupted rewrites, torn writes.

use super::Workload;
use crate::explore::prove;
use crate::run::{ORPHAN, Run};

pub(crate) const LEFTOVER: Workload = Workload::new("leftover", leftover);
pub(crate) const FOREIGN: Workload = Workload::new("foreign-appends", foreign);
pub(crate) const MIXED: Workload = Workload::new("mixed-histories", mixed);
pub(crate) const SERFS_ORPHAN: Workload = Workload::new("serfs-orphan", serfs_orphan);

/// What the real agent writes, and what it is torn to by a kill.
const SERFS: &str = "alive: serf-1 10.1.0.1:7946\nclock: 31\nalive: node-02 10.1.0.2:7946\n\
                     event-clock: 32\nnot-alive: node-00\nquery-clock: 33\n";

/// The new file of a rewrite that has never ended lies in the way.
fn leftover(run: &mut Run) {
    run.open();
    run.joins(0..3);
    run.ask_rewrite();
    while run.step().is_some_and(|call| call != "sync") {}
    run.kill();
    run.open();
    run.burst(0);
    run.advance(600);
    run.ask_rewrite();
    run.drain();
    run.burst(1);
    run.close();
}

/// Somebody else appends before, in and after a rewrite, between two batches, and while nobody writes.
fn foreign(run: &mut Run) {
    run.open();
    run.joins(0..3);
    run.sync();
    for moment in 0..5 {
        run.advance(70_000);
        if moment > 0 {
            run.ask_rewrite();
        }
        for _ in 1..moment {
            run.step();
        }
        run.append_behind_its_back(SERFS.as_bytes());
        run.burst(moment);
        run.advance(6000);
        run.burst(moment + 1);
        run.advance(600);
    }
    run.close();
}

/// Ours, then a Serf agent, then a kill in the middle of its write, and so on: each time the next process is ours.
fn mixed(run: &mut Run) {
    let tears = [0, 1, 7, 20, SERFS.len() - 3];
    for (seed, tear) in (0..).zip(tears) {
        run.open();
        run.burst(seed);
        run.advance(600);
        if seed % 2 == 0 {
            run.close();
        } else {
            run.kill();
        }
        run.edit(|file| {
            file.extend(SERFS.replace("serf-1", &format!("serf-{seed}")).bytes());
            file.extend(&SERFS.as_bytes()[..tear]);
        });
        run.open();
        run.close();
    }
    run.edit(|file| {
        *file = [SERFS.as_bytes(), b"leave\nclock: 40\nalive: back 10.1.0.9:7946\nali"].concat();
    });
    run.open();
    run.close();
    run.open();
    run.burst(9);
    run.close();
}

/// The file that a compaction of the real agent has written, and the crash before its rename.
fn serfs_orphan(run: &mut Run) {
    run.storage.plant(ORPHAN, orphan());
    run.rebase();
    run.open();
    run.burst(0);
    run.advance(600);
    run.close();
}

/// The compaction with which this file of a real agent begins.
pub(crate) fn orphan() -> Vec<u8> {
    let file = include_bytes!("../../../../../corpus/13-a-after-forced-compaction.snap");
    let lines = file.split_inclusive(|byte| *byte == b'\n');
    let mut lengths = lines.scan((0, false), |(length, ended), line| {
        if *ended {
            return None;
        }
        *length += line.len();
        *ended = line.starts_with(b"query-clock: ");
        Some(*length)
    });
    let length = lengths.by_ref().last().unwrap();
    file[..length].to_vec()
}

#[test]
fn a_leftover_survives_every_crash() {
    prove(&LEFTOVER);
}

#[test]
fn foreign_appends_survive_every_crash() {
    prove(&FOREIGN);
}

#[test]
fn mixed_histories_survive_every_crash() {
    prove(&MIXED);
}

#[test]
fn serfs_orphan_survives_every_crash() {
    prove(&SERFS_ORPHAN);
}
