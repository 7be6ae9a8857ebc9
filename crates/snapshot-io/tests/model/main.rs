//! The hand-off between those who record and wait and the writer thread, in every interleaving.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p snapshot-io --test model --release` explores it; in any other build there is
//! nothing to explore. `LOOM_MAX_PREEMPTIONS` sets how often a thread may be stopped where it need not be.
//!
//! Under the model no wait has a time limit. So where a wake-up is lost, or somebody is left waiting at a close, all
//! threads stand still, and that is what the model checker reports. It checks that
//!
//! - whoever waits for a position ends, on a thread or in a future, and has what was promised;
//! - an attempt that fails ends whoever waits, and the next one counts;
//! - a leave is acknowledged when it is durable, not before;
//! - a close ends and lets the files go, and so does the last drop, whoever comes last.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "the figures are what the proof is read by")]

#[cfg(loom)]
mod handoff;

#[cfg(not(loom))]
#[test]
fn the_hand_off_is_explored_under_another_cfg() {
    println!("proof: model skipped=1");
    println!("skipped: the hand-off is explored by RUSTFLAGS=\"--cfg loom\"");
}
