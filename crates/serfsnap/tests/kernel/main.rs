//! The real kernel: power cuts, full disks, calls that fail, and other hands on the file.
//!
//! Most of it needs root.
//! What cannot run here says so and why, and the tests pass.
//! Whatever is mounted is mounted in a namespace of the test's own, so that nothing is left behind.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]
#![expect(clippy::print_stdout, reason = "figures are printed")]

#[path = "../common/mod.rs"]
mod common;

mod cuts;
mod edits;
mod faults;
mod ground;
mod hands;
mod rights;
mod space;
mod steps;
