//! What Serf's implementation gets wrong, row by row: each test fails on code that does as Serf does.
//!
//! Most run on the simulated file system and in virtual time, where a crash can be had at every call.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

#[path = "../common/mod.rs"]
mod common;

mod clocks;
mod compaction;
mod damage;
mod errors;
mod leaving;
mod loss;
mod members;
mod orphans;

use std::time::Duration;

use snapshot_io::Event;
use snapshot_io::sim::{SimStorage, Stepper};

use common::join;

const PATH: &str = "/snapshot";
const NEXT: &str = "/snapshot.rewrite";
const ORPHAN: &str = "/snapshot.compact";

/// The names `node-0`, `node-1` and so on.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("node-{number}")).collect()
}

fn record_joins(stepper: &mut Stepper, names: &[String]) {
    for name in names {
        stepper.record(join(name));
    }
}

/// Records the events and makes them durable.
fn record_durably(stepper: &mut Stepper, events: &[Event<'_>]) {
    for event in events {
        stepper.record(*event);
    }
    let position = stepper.engine().request_sync();
    stepper.run();
    assert!(stepper.engine().progress().durable >= position, "{}", stepper.engine().health());
}

/// Lets the disk be well again and time pass, until the log must be good.
fn heal(storage: &SimStorage, stepper: &mut Stepper) {
    storage.clear_faults();
    stepper.advance(Duration::from_secs(31));
    assert!(stepper.engine().health().is_good(), "{}", stepper.engine().health());
}
