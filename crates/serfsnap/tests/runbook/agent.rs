//! One machine of a cluster: a directory, an address, and an agent of Serf that is started and ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Killed, inspect, nodes, wait_until};

/// What an agent says once it has tried those whom its file names.
const TRIED: [&str; 2] =
    ["Re-joined to previously known node", "Failed to re-join any previously known node"];

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    /// Its address, which may change as long as its agent is down.
    pub(crate) addr: String,
    pub(crate) dir: PathBuf,
    agent: Option<Killed>,
    starts: usize,
}

impl Host {
    pub(crate) fn new(root: &Path, name: &str, addr: String) -> Self {
        let dir = root.join(name);
        fs::create_dir(&dir).unwrap();
        Self { name: name.to_owned(), addr, dir, agent: None, starts: 0 }
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.dir.join("snapshot")
    }

    /// What the agent has said since it was started last.
    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.with_extension(format!("log-{}", self.starts))
    }

    pub(crate) fn rpc(&self) -> String {
        format!("{}:7373", self.addr)
    }

    /// Starts it, and waits until it has tried those whom its file names.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    #[track_caller]
    pub(crate) fn start_with(&mut self, flags: &[String]) {
        assert!(self.agent.is_none(), "{} runs", self.name);
        let tries = self.file_knows() > 0;
        self.starts += 1;
        let log = File::create(self.journal()).unwrap();
        // It goes with the thread that started it, whatever becomes of this process.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "serf", "agent", "-profile=local"]);
        command.arg(format!("-node={}", self.name)).arg(format!("-bind={}:7946", self.addr));
        command.arg(format!("-rpc-addr={}", self.rpc())).args(flags);
        command.arg(format!("-snapshot={}", self.snapshot().display()));
        command.stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
        self.agent = Some(Killed(command.spawn().unwrap()));
        wait_until(&format!("the agent of {} runs", self.name), || {
            let running = self.agent.as_mut().unwrap().0.try_wait().unwrap().is_none();
            assert!(running, "{} does not start:\n{}", self.name, self.said());
            self.said().contains("Serf agent running")
        });
        if tries {
            wait_until(&format!("{} has tried whom it knows", self.name), || {
                TRIED.iter().any(|words| self.said().contains(words))
            });
        }
    }

    /// Before its first start: so many events were in its life.
    pub(crate) fn has_seen_events(&self, count: u32) {
        let history = format!("seq -f 'event-clock: %.0f' {count} > {}", self.snapshot().display());
        assert!(Command::new("sh").args(["-c", &history]).status().unwrap().success());
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.journal()).unwrap()
    }

    #[track_caller]
    pub(crate) fn wait_said(&self, words: &str) {
        wait_until(&format!("{} says {words}", self.name), || self.said().contains(words));
    }

    /// Waits until these are alive as it knows.
    #[track_caller]
    pub(crate) fn wait_knows(&self, names: &[&str]) {
        wait_until(&format!("{} knows {names:?}", self.name), || self.knows() == names);
    }

    /// How many are alive as an agent would read its file; none where there is no file.
    pub(crate) fn file_knows(&self) -> usize {
        let object = inspect(&self.snapshot(), &["--as", "serf"]);
        object.map_or(0, |object| nodes(&object, "alive").len())
    }

    /// Who is alive as it knows, by name.
    fn knows(&self) -> Vec<String> {
        let said = self.serf(&["members", "-status=alive"]);
        let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        let mut names: Vec<_> = said.lines().map(name).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn serf(&self, arguments: &[&str]) -> String {
        let mut timeout = Command::new("timeout");
        timeout.args(["--kill-after=5", "30", "serf"]).args(arguments);
        timeout.env("SERF_RPC_ADDR", self.rpc());
        let output = timeout.stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub(crate) fn end(&mut self, signal: Signal) {
        let mut agent = self.agent.take().expect("it runs");
        kill_process(Pid::from_child(&agent.0), signal).unwrap();
        wait_until("the agent ends", || agent.0.try_wait().unwrap().is_some());
    }

    pub(crate) fn runs(&self) -> bool {
        self.agent.is_some()
    }
}
