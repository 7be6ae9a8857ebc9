//! Every crash point of every workload, and every disk that a power cut could leave there.
//!
//! A workload is a function over a simulated disk in virtual time.
//! It is played once for each call it makes, and ends behind that call.
//! What the disk has then is reopened in every way that the simulated disk allows: each subset of the operations that
//! no sync has covered, the last write cut at every byte, lost blocks missing, as zeros, as old bytes and as garbage;
//! and as the system has it where only the process has died.
//! What is found must be what was accepted, as far as `docs/DURABILITY.md` promises it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

#[path = "../common/mod.rs"]
mod common;

mod budget;
mod check;
mod cuts;
mod events;
mod explore;
mod reopen;
mod run;
mod touched;
mod workloads;
mod wrong;

use std::sync::Arc;

use run::Door;
use snapshot_model::Model;

/// Nothing stands between the snapshot and its disk.
fn plain() -> Door {
    Arc::new(|storage| Arc::new(storage))
}

/// Prints a line of figures, which `cargo xtask crash` adds up.
#[expect(clippy::print_stdout, reason = "figures are for whoever runs the tests")]
fn proof(figures: &str) {
    println!("proof: {figures}");
}

/// A state on one line.
fn show(model: &Model) -> String {
    let alive = model
        .alive
        .iter()
        .map(|(name, addr)| format!("{}@{}", name.escape_ascii(), addr.escape_ascii()));
    let failed = model
        .failed
        .iter()
        .map(|(name, (addr, at))| format!("{}~{}~{at}", name.escape_ascii(), addr.escape_ascii()));
    let nodes = alive.chain(failed).collect::<Vec<_>>().join(", ");
    format!("[{nodes}] {}/{}/{}", model.clock, model.event_clock, model.query_clock)
}
