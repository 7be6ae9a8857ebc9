//! Every call fails: each storage call of each workload in turn, with every error, once and for a while, and pairs of
//! calls on the path of a rewrite.
//!
//! All of it is deterministic, in virtual time. `FAULTS=all` tries every combination, else the rarer ones are thinned.
//! Each test prints one line that begins with `proof: `.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "the figures are what the proof is read by")]

#[path = "../../../snapshot-engine/tests/common/ledger.rs"]
#[expect(unreachable_pub, reason = "the engine's own tests use it as a module of theirs")]
mod ledger;
mod lines;
mod plan;
mod run;
mod workloads;

use snapshot_engine::Policy;
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
