//! Every call fails: each storage call of each workload in turn, with every error, once and for a while, and pairs of
//! calls on the path of a rewrite.
//!
//! All of it is deterministic, in virtual time. `FAULTS=all` tries every combination, else the rarer ones are thinned.
//! Each test prints one line that begins with `proof: `.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "the figures are what the proof is read by")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../snapshot-engine/tests/common/ledger.rs"]
#[expect(unreachable_pub, reason = "the engine's own tests use it as a module of theirs")]
mod ledger;
mod lines;
mod plan;
mod run;
mod workloads;

use std::time::Duration;

use snapshot_engine::Policy;
use snapshot_io::sim::{SimStorage, Stepper};
use snapshot_io::{Event, Member, Options, UnixMillis, Warning};
use snapshot_model::Rules;

use plan::{Tally, each_call, pairs};

/// The oracle's rules for the same reading.
fn rules_of(policy: &Policy) -> Rules {
    Rules {
        max_clock: policy.max_clock.0,
        max_failed: policy.max_failed,
        ..Rules::hardened(policy.rejoin_after_leave)
    }
}

fn report(tallies: impl IntoIterator<Item = (&'static str, Tally)>) {
    for (workload, tally) in tallies {
        println!("proof: faults workload={workload} {tally} violations=0");
    }
}

#[test]
fn each_call_of_a_rewrite_may_fail() {
    report(workloads::REWRITES.iter().map(|workload| (workload.name, each_call(workload))));
}

#[test]
fn each_call_of_an_overflow_may_fail() {
    let workload = &workloads::OVERFLOW;
    report([(workload.name, each_call(workload))]);
    // Its path is that of the other rewrites, and long.
    if plan::all() {
        report([(workload.pairs, pairs(workload))]);
    }
}

#[test]
fn each_call_of_recording_may_fail() {
    report(workloads::RECORDING.iter().map(|workload| (workload.name, each_call(workload))));
}

#[test]
fn each_call_of_opening_may_fail() {
    report(workloads::OPENING.iter().map(|workload| (workload.name, each_call(workload))));
}

#[test]
fn any_two_calls_of_a_rewrite_may_fail() {
    report(workloads::REWRITES.iter().map(|workload| (workload.pairs, pairs(workload))));
}

/// What a new file holds of a full disk is somebody else's to use while we wait to try again.
#[test]
fn a_file_that_met_a_full_disk_is_gone_while_the_log_waits() {
    let (path, next) = ("/data/snapshot", "/data/snapshot.rewrite");
    let storage = SimStorage::new();
    storage.create_dir("/data");
    let options = Options::new().storage(storage.clone());
    let (mut stepper, _) = Stepper::open(&options, path, UnixMillis(1)).unwrap();
    for number in 0..3000 {
        let name = format!("a-node-with-quite-a-long-name-{number}");
        let member = Member::new(name.as_bytes(), b"10.0.0.1:7946").unwrap();
        stepper.record(Event::MemberJoin(member));
    }
    stepper.advance(Duration::from_secs(1));
    stepper.engine().request_rewrite();
    let before = storage.contents(path).unwrap();
    storage.limit_space(Some(before.len() as u64 + 70_000));
    let journal = storage.journal().to_string().lines().count();
    stepper.run();
    assert!(
        stepper.health().warnings().any(|warning| warning == Warning::NoSpace),
        "{}",
        stepper.health()
    );
    let calls = storage.journal().to_string();
    assert!(calls.lines().skip(journal).any(|call| call.contains("write")), "{calls}");
    assert_eq!(storage.contents(next), None);
    assert_eq!(storage.contents(path).unwrap(), before);
    println!("proof: faults workload=full-disk injected=1 violations=0");
}
