//! Agents of Serf, started, asked and ended.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Killed, inspect, nodes, wait_until};

/// No command of Serf takes so long, in seconds.
const LIMIT_SECONDS: &str = "30";

/// What a case has found.
#[derive(Debug)]
pub(crate) struct Case {
    name: &'static str,
    begun: Instant,
    checks: AtomicU64,
    pub(crate) dir: TempDir,
}

impl Case {
    /// `None`, and a word about it, where it cannot run.
    pub(crate) fn begin(name: &'static str) -> Option<Self> {
        for (program, argument) in [("serf", "version"), ("setpriv", "--version")] {
            let output = Command::new(program).arg(argument).output();
            if !output.is_ok_and(|output| output.status.success()) {
                println!("skipped: {name}: there is no {program} here");
                return None;
            }
        }
        let dir = tempfile::tempdir().unwrap();
        Some(Self { name, begun: Instant::now(), checks: AtomicU64::new(0), dir })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    #[track_caller]
    pub(crate) fn check(&self, what: &str, holds: bool) {
        self.checks.fetch_add(1, Ordering::Relaxed);
        assert!(holds, "{}: {what}", self.name);
    }

    /// Waits until it holds.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, holds: impl FnMut() -> bool) {
        self.checks.fetch_add(1, Ordering::Relaxed);
        wait_until(&format!("{}: {what}", self.name), holds);
    }

    pub(crate) fn proof(&self, figures: &str) {
        let (checks, ms) = (self.checks.load(Ordering::Relaxed), self.begun.elapsed().as_millis());
        println!("proof: live case={} checks={checks} ms={ms}{figures} violations=0", self.name);
    }

    /// Agents n1 to n3 that all know each other.
    #[track_caller]
    pub(crate) fn cluster(&self) -> [Agent; 3] {
        let first = self.start("n1", &self.path("n1.snap"), None);
        let second = self.start("n2", &self.path("n2.snap"), Some(&first));
        let third = self.start("n3", &self.path("n3.snap"), Some(&first));
        let agents = [first, second, third];
        self.wait_whole(&agents);
        agents
    }

    #[track_caller]
    pub(crate) fn wait_whole(&self, agents: &[Agent; 3]) {
        for agent in agents {
            self.wait("each knows all three", || agent.knows(&["n1", "n2", "n3"]));
        }
    }

    /// Starts an agent on free ports.
    #[track_caller]
    pub(crate) fn start(&self, name: &str, snapshot: &Path, join: Option<&Agent>) -> Agent {
        // Somebody may be faster to take a port that was just free.
        for _ in 0..5 {
            let ports = Ports { host: Ipv4Addr::LOCALHOST, bind: free_port(), rpc: free_port() };
            if let Some(agent) = self.try_start(name, snapshot, ports, join) {
                return agent;
            }
        }
        panic!("{name} does not start");
    }

    /// Starts an agent where it was before, which joins nobody but those of whom its file tells.
    #[track_caller]
    pub(crate) fn start_again(&self, name: &str, snapshot: &Path, ports: Ports) -> Agent {
        self.try_start(name, snapshot, ports, None).expect("it starts again")
    }

    fn try_start(
        &self,
        name: &str,
        snapshot: &Path,
        ports: Ports,
        join: Option<&Agent>,
    ) -> Option<Agent> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let log = self.path(&format!("{}.log", STARTED.fetch_add(1, Ordering::Relaxed)));
        let out = File::create(&log).unwrap();
        // It goes with the thread that started it, whatever becomes of this process.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "serf", "agent", "-profile=local"]);
        command.arg(format!("-node={name}")).arg(format!("-snapshot={}", snapshot.display()));
        command.arg(format!("-bind={}:{}", ports.host, ports.bind));
        command.arg(format!("-rpc-addr=127.0.0.1:{}", ports.rpc));
        command.args(join.map(|join| format!("-join=127.0.0.1:{}", join.ports.bind)));
        command.stdin(Stdio::null()).stderr(out.try_clone().unwrap()).stdout(out);
        let child = Killed(command.spawn().unwrap());
        let mut agent = Agent { child, ports, log, snapshot: snapshot.to_owned() };
        let mut ended = false;
        wait_until("the agent answers", || {
            ended = agent.child.0.try_wait().unwrap().is_some();
            ended || agent.serf("info", &[]).is_some()
        });
        (!ended).then_some(agent)
    }
}

/// Where an agent listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    host: Ipv4Addr,
    bind: u16,
    rpc: u16,
}

impl Ports {
    /// Where a file says that the agent is.
    pub(crate) fn at(host: Ipv4Addr, bind: u16) -> Self {
        Self { host, bind, rpc: free_port() }
    }
}

/// A running agent, which is killed with its test.
#[derive(Debug)]
pub(crate) struct Agent {
    child: Killed,
    pub(crate) ports: Ports,
    log: PathBuf,
    pub(crate) snapshot: PathBuf,
}

impl Agent {
    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Where its RPC is.
    pub(crate) fn rpc(&self) -> String {
        format!("127.0.0.1:{}", self.ports.rpc)
    }

    /// Its name and address, as a file has them.
    pub(crate) fn node(&self, name: &str) -> String {
        format!("{name} 127.0.0.1:{}", self.ports.bind)
    }

    /// Runs a command of Serf's on it; what it has printed, or `None` where that failed.
    pub(crate) fn serf(&self, command: &str, arguments: &[&str]) -> Option<String> {
        let mut timeout = Command::new("timeout");
        timeout.args(["--kill-after=5", LIMIT_SECONDS, "serf", command]);
        timeout.arg(format!("-rpc-addr={}", self.rpc())).args(arguments);
        let output = timeout.stdin(Stdio::null()).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// Whether exactly these are alive as it knows.
    pub(crate) fn knows(&self, names: &[&str]) -> bool {
        let said = self.serf("members", &["-status=alive", "-format=json"]);
        let list: Option<Value> = said.map(|said| serde_json::from_str(&said).unwrap());
        list.is_some_and(|list| {
            let members = list["members"].as_array().unwrap();
            let mut known: Vec<_> = members.iter().map(|m| m["name"].as_str().unwrap()).collect();
            known.sort_unstable();
            known == names
        })
    }

    /// Its three clocks: each stands one behind the time that the next message would carry.
    pub(crate) fn clocks(&self) -> [u64; 3] {
        let info: Value =
            serde_json::from_str(&self.serf("info", &["-format=json"]).unwrap()).unwrap();
        ["member_time", "event_time", "query_time"].map(|key| {
            let time: u64 = info["serf"][key].as_str().unwrap().parse().unwrap();
            time - 1
        })
    }

    pub(crate) fn said(&self, what: &str) -> bool {
        fs::read_to_string(&self.log).unwrap().contains(what)
    }

    /// Ends it without a leave; its file is written to the end.
    #[track_caller]
    pub(crate) fn stop(self) -> Ports {
        self.end(Signal::TERM)
    }

    #[track_caller]
    pub(crate) fn kill(self) -> Ports {
        self.end(Signal::KILL)
    }

    #[track_caller]
    fn end(self, signal: Signal) -> Ports {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
        self.ended()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ports {
        wait_until("the agent ends", || self.child.0.try_wait().unwrap().is_some());
        self.ports
    }
}

/// What a file says: who is alive, and the three clocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) alive: Vec<String>,
    pub(crate) clocks: [u64; 3],
    pub(crate) left: bool,
}

impl Said {
    /// As the real library reads it; a file that is not there says nothing.
    pub(crate) fn of(path: &Path) -> Self {
        let Some(object) = inspect(path, &["--as", "serf"]) else { return Self::default() };
        let clock = |key: &str| object[key].as_u64().unwrap();
        Self {
            alive: nodes(&object, "alive"),
            clocks: ["clock", "event_clock", "query_clock"].map(clock),
            left: object["left"].as_bool().unwrap(),
        }
    }

    /// Whether it says the same, and its clocks are at least as recent.
    pub(crate) fn is_as_good_as(&self, other: &Self) -> bool {
        let recent = self.clocks.iter().zip(other.clocks).all(|(ours, theirs)| *ours >= theirs);
        recent && self.alive == other.alive && self.left == other.left
    }
}

/// A port that nobody listens on, for both protocols.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        if UdpSocket::bind(addr).is_ok() {
            return addr.port();
        }
    }
}
