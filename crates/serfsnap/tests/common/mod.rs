//! What several tests need: the tool, directories, conditions that are waited for, and recorders that are killed.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

pub mod changes;
pub mod follow;
pub mod recorder;
pub mod story;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Far longer than anything takes on a slow machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps the tests of a file from running side by side. Between its fork and its exec a child of one test holds what
/// another test has just open, and the tool would rightly take it for a running agent.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends with the test, also where that fails.
#[derive(Debug)]
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn serfsnap() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serfsnap"));
    command.env_remove("NO_COLOR");
    command
}

/// Runs the tool to its end.
pub fn run<const N: usize>(args: [&str; N]) -> Output {
    serfsnap().args(args).stdin(Stdio::null()).output().unwrap()
}

/// Starts it with both pipes in our hands.
pub fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs it on this input.
pub fn run_on(command: &mut Command, input: &[u8]) -> Output {
    let mut child = start(command);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may end without having read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
pub fn assert_code(output: &Output, code: i32) {
    let (said, complained) = (stdout(output), stderr(output));
    assert_eq!(output.status.code(), Some(code), "{said}\n{complained}");
}

/// Waits until it holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits like `wait_until`, but looks as often as it can: what it waits for may be over in a moment.
#[track_caller]
pub fn catch(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// Lets some time go by, where a moment is chosen by chance and nothing depends on which one it is.
pub fn let_pass(time: Duration) {
    if !time.is_zero() {
        std::thread::sleep(time);
    }
}

pub fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus").join(name)
}

/// What `inspect` says of a file; `None` while it cannot be read.
pub fn inspect(path: &Path, options: &[&str]) -> Option<serde_json::Value> {
    let mut command = serfsnap();
    command.args(["inspect", "--format", "json"]).args(options).arg(path);
    let output = command.stdin(Stdio::null()).output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// The nodes of an inspected file, `alive` or `failed`, as `NAME ADDRESS`.
pub fn nodes(object: &serde_json::Value, of: &str) -> Vec<String> {
    let text = |node: &serde_json::Value, key: &str| node[key].as_str().unwrap().to_owned();
    let nodes = object[of].as_array().unwrap().iter();
    nodes.map(|node| format!("{} {}", text(node, "name"), text(node, "addr"))).collect()
}

/// Every file below a directory with its bytes, by name.
pub fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut contents: Vec<_> =
        entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    contents.sort();
    contents
}
