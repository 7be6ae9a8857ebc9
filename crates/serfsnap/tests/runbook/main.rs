//! The runbook, docs/OPERATIONS.md: each command that it shows is run, and what it prints is compared.
//!
//! A fence of the kind `console NAME` belongs to the test NAME, which brings about what the entry tells of and
//! then plays the fences of that name one after the other.
//! `UPDATE_GOLDEN=1 cargo test -p serfsnap --test runbook` writes the outputs into the page.
//! Where there is no `serf` the tests on real agents say so and pass.
//!
//! No test here opens a snapshot itself, only programs do: between its fork and its exec a child that one test starts
//! holds what another has just open, and the tool would rightly take it for a running agent.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]
#![expect(clippy::print_stdout, reason = "skips and figures are printed")]

#[path = "../common/mod.rs"]
mod common;

mod agent;
mod clusters;
mod damage;
mod files;
mod page;
mod stage;
mod strangers;
