//! The snapshot as a host has it: with its thread, mostly in a real directory.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]
#![allow(clippy::print_stdout, reason = "a child tells its parent what it has seen")]

#[path = "../common/mod.rs"]
mod common;

mod endings;
mod foreign;
mod life;
mod load;
mod locks;
mod places;
mod promises;
mod sources;

use std::path::{Path, PathBuf};
use std::time::Duration;

use snapshot_io::{Durability, Options, Recovery, Snapshotter};
use tempfile::TempDir;

/// Under all of these a test waits for the disk and for nothing else.
const LEVELS: [Durability; 3] =
    [Durability::Always, Durability::Interval(Duration::from_millis(20)), Durability::Os];

/// An empty directory, and where the snapshot is to be in it.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serf.snapshot");
    (dir, path)
}

fn open(path: &Path) -> (Snapshotter, Recovery) {
    Options::new().open(path).unwrap()
}
