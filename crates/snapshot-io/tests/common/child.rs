//! A test that runs once more in a process of its own, for what a process has one of: its working directory, its
//! owner, its peak of memory.

use std::env;
use std::fs;
use std::process::{Command, Output};

/// Tells the child that it is one.
const CHILD: &str = "SNAPSHOT_IO_TEST_CHILD";

/// What the child was given, where this is the child.
pub fn given() -> Option<String> {
    env::var(CHILD).ok()
}

/// This test binary, to run this one test as a child.
pub fn command(test: &str, given: &str) -> Command {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(CHILD, given);
    child
}

/// Runs the test as a child, and passes on how it went.
pub fn run(test: &str, given: &str) {
    passed(&command(test, given).output().unwrap());
}

/// What the child said, which must have run one test and passed it.
pub fn passed(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
    said
}

/// The highest amount of memory this process has held so far, in bytes; `None` where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
