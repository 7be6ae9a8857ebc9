//! A `serfsnap record` that follows an agent.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use super::{Killed, serfsnap, wait_until};

/// It runs, and what it says is collected.
#[derive(Debug)]
pub struct Follower {
    child: Killed,
    stderr: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Follower {
    pub fn start(path: &Path, addr: &str, options: &[&str]) -> Self {
        Self::with_key(path, addr, options, None)
    }

    /// The key is in the environment.
    pub fn with_key(path: &Path, addr: &str, options: &[&str], key: Option<&str>) -> Self {
        let mut command = serfsnap();
        command.arg("record").args(["--serf-rpc", addr]).args(options).arg(path);
        command.env_remove("SERF_RPC_AUTH").envs(key.map(|key| ("SERF_RPC_AUTH", key)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = child.stderr.take().unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let theirs = Arc::clone(&stderr);
        let reader = thread::spawn(move || {
            for line in BufReader::new(said).lines() {
                theirs.lock().unwrap().push_str(&(line.unwrap() + "\n"));
            }
        });
        Self { child: Killed(child), stderr, reader: Some(reader) }
    }

    pub fn id(&self) -> u32 {
        self.child.0.id()
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    #[track_caller]
    pub fn wait_said(&self, what: &str) {
        wait_until(&format!("it says {what:?}"), || self.stderr().contains(what));
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
    }

    /// Asks it to end, which it does; its exit code and what it has said.
    #[track_caller]
    pub fn stop(self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(mut self) -> (Option<i32>, String) {
        let mut status = None;
        wait_until("the recorder ends", || {
            status = self.child.0.try_wait().unwrap();
            status.is_some()
        });
        self.reader.take().unwrap().join().unwrap();
        (status.unwrap().code(), self.stderr())
    }
}
