//! Live clusters: three agents of HashiCorp's Serf on loopback, their files and ours.
//!
//! Where there is no `serf` each test says so and passes.
//! Nothing leaves the machine; every agent ends with its test, also where that fails or is killed.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]
#![expect(clippy::print_stdout, reason = "figures are printed")]

#[path = "../common/mod.rs"]
mod common;

mod cluster;
mod crashes;
mod edits;
mod files;
mod following;
mod islands;
