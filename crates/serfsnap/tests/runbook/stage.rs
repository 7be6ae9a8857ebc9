//! Where a test plays the fences of the page: machines, and a shell on each.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::agent::Host;
use crate::common::{let_pass, wait_until};
use crate::page;

/// Tells a test that it runs in a namespace of its own, as the child of one that waits for it.
pub(crate) const CHILD: &str = "SERFSNAP_TEST_NAMESPACE";

/// Where the page has the directory of an agent.
const HOME: &str = "/var/lib/serf";

/// What an agent hears from others comes in its time: such a command is run until it prints what the page shows.
const IN_TIME: [&str; 2] = ["serf members", "journalctl "];
/// So long, where it does not.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks, so that the agents get the processor.
const POLL: Duration = Duration::from_millis(50);

/// What the commands need beside `serf` and `serfsnap`: the log of the agent, and copies between machines.
const PROGRAMS: [(&str, &str); 2] = [
    ("journalctl", "#!/bin/sh\nexec cat \"$JOURNAL\"\n"),
    ("scp", "#!/bin/sh\nexec cp \"$ROOT/${1%%:*}/${1##*/}\" \"$2\"\n"),
];

pub(crate) struct Stage {
    test: &'static str,
    root: TempDir,
    pub(crate) hosts: Vec<Host>,
    blocks: Vec<String>,
    played: Vec<String>,
    begun: Instant,
}

impl Stage {
    /// A stage with the files of the corpus alone.
    pub(crate) fn of_files(test: &'static str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, text) in PROGRAMS {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus");
        let copied = Command::new("cp").arg("-r").arg(corpus).arg(root.path()).status().unwrap();
        assert!(copied.success());
        let blocks = page::blocks(test);
        assert!(!blocks.is_empty(), "the page has no fence for {test}");
        let begun = Instant::now();
        Self { test, root, hosts: Vec::new(), blocks, played: Vec::new(), begun }
    }

    /// A stage with machines at `127.0.65.first` and on; `None`, and a word about it, where agents cannot run.
    pub(crate) fn with_hosts(test: &'static str, first: u8, names: &[&str]) -> Option<Self> {
        for (program, argument) in [("serf", "version"), ("setpriv", "--version")] {
            let output = Command::new(program).arg(argument).output();
            if !output.is_ok_and(|output| output.status.success()) {
                println!("skipped: {test}: there is no {program} here");
                return None;
            }
        }
        have_the_network();
        let mut stage = Self::of_files(test);
        for (name, last) in names.iter().zip(first..) {
            let host = Host::new(stage.root.path(), name, format!("127.0.65.{last}"));
            stage.hosts.push(host);
        }
        Some(stage)
    }

    pub(crate) fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.iter_mut().find(|host| host.name == name).expect("such a host")
    }

    /// Starts all, the later ones joining the first, and waits until all know all.
    #[track_caller]
    pub(crate) fn start_cluster(&mut self) {
        let names: Vec<_> = self.hosts.iter().map(|host| host.name.clone()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        self.start_cluster_of(&names);
    }

    #[track_caller]
    pub(crate) fn start_cluster_of(&mut self, names: &[&str]) {
        self.host(names[0]).start();
        for name in &names[1..] {
            self.start_joining(name, names[0]);
        }
        for name in names {
            self.host(name).wait_knows(names);
        }
    }

    /// Starts one whose configuration, this time, has the address of another.
    #[track_caller]
    pub(crate) fn start_joining(&mut self, name: &str, other: &str) {
        let join = format!("-join={}:7946", self.host(other).addr);
        self.host(name).start_with(&[join]);
    }

    /// Waits until no agent has written for longer than it would wait to write on.
    pub(crate) fn wait_idle(&self) {
        let paths: Vec<_> =
            self.hosts.iter().filter(|host| host.runs()).map(Host::snapshot).collect();
        wait_until("the agents are idle", || {
            paths.iter().all(|path| {
                let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap();
                let idle = SystemTime::now().duration_since(changed).unwrap_or_default();
                idle > Duration::from_secs(2)
            })
        });
    }

    /// Plays the next fence of this test.
    #[track_caller]
    pub(crate) fn play(&mut self) {
        let at = self.played.len();
        let expect = self.blocks.get(at).expect("a fence that was not played yet").clone();
        let mut found = String::new();
        let mut lines = expect.lines().peekable();
        while let Some(line) = lines.next() {
            let (prompt, command) = prompt(line).expect("a fence begins with a command");
            let mut shown = String::new();
            while let Some(line) = lines.next_if(|line| self::prompt(line).is_none()) {
                let _ = writeln!(shown, "{line}");
            }
            let output = self.run_until(prompt, command, shown.trim_end());
            let _ = writeln!(found, "{line}\n{}", output.trim_end());
            if output.trim_end().is_empty() {
                found.pop();
            }
        }
        assert!(
            page::updates() || found == expect,
            "{}, fence {}: the page shows\n{expect}and this was printed:\n{found}{}",
            self.test,
            at + 1,
            self.journals(),
        );
        self.played.push(found);
    }

    /// Everything was played.
    #[track_caller]
    pub(crate) fn end(self) {
        page::settle(self.test, &self.played);
        let ms = self.begun.elapsed().as_millis();
        println!("proof: runbook entry={} fences={} ms={ms}", self.test, self.played.len());
    }

    #[track_caller]
    fn run_until(&mut self, prompt: &str, command: &str, shown: &str) -> String {
        let begun = Instant::now();
        let mut last = (String::new(), Instant::now());
        loop {
            let output = self.run(prompt, command);
            if !IN_TIME.iter().any(|word| command.starts_with(word)) || output.trim_end() == shown {
                return output;
            }
            if output != last.0 {
                last = (output.clone(), Instant::now());
            }
            let settled = page::updates() && last.1.elapsed() > Duration::from_secs(6);
            if settled || begun.elapsed() > PATIENCE {
                return output;
            }
            let_pass(POLL);
        }
    }

    /// Runs a command on the machines that the prompt names, or beside them.
    #[track_caller]
    fn run(&mut self, prompt: &str, command: &str) -> String {
        if prompt.is_empty() {
            return self.shell(command, None);
        }
        let mut output = String::new();
        for name in prompt.split(' ') {
            let host = self.host(name);
            match command {
                "systemctl start serf" => host.start(),
                "systemctl stop serf" => host.end(Signal::TERM),
                _ => output += &self.shell(command, Some(name)),
            }
        }
        output
    }

    fn shell(&self, command: &str, host: Option<&str>) -> String {
        let root = self.root.path();
        let program = Path::new(env!("CARGO_BIN_EXE_serfsnap")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{}:{path}", root.join("bin").display(), program.display());
        let mut timeout = Command::new("timeout");
        timeout.args(["--kill-after=5", "60", "sh", "-c"]).env("PATH", path).env("ROOT", root);
        timeout.env_remove("NO_COLOR").env("COLUMNS", "100").env("TZ", "UTC");
        let host = host.map(|name| self.hosts.iter().find(|host| host.name == name).unwrap());
        let home = host.map_or_else(|| root.to_owned(), |host| host.dir.clone());
        let home = home.to_str().unwrap();
        if let Some(host) = host {
            timeout.env("SERF_RPC_ADDR", host.rpc()).env("JOURNAL", host.journal());
            timeout.arg(format!("exec 2>&1; {}", command.replace(HOME, home)));
        } else {
            timeout.arg(format!("exec 2>&1; {command}"));
        }
        let output = timeout.current_dir(home).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).expect("the output is text");
        let shown_home = if host.is_some() { HOME } else { "~" };
        let mut text = page::shown(&text.replace(home, shown_home));
        if host.is_some() {
            // An agent writes the same now and then once more, so how many lines go with an edit is chance.
            text =
                text.split_inclusive('\n').filter(|line| !line.starts_with("  lines ")).collect();
        }
        match output.status.code() {
            Some(0) => {}
            Some(code) => writeln!(text, "? {code}").unwrap(),
            None => writeln!(text, "? {}", output.status).unwrap(),
        }
        text
    }

    /// What the agents have said, for whoever looks for the reason of a failure.
    fn journals(&self) -> String {
        let said = |host: &Host| match fs::read_to_string(host.journal()) {
            Ok(said) => format!("\n{} has said:\n{said}", host.name),
            Err(_) => String::new(),
        };
        self.hosts.iter().map(said).collect()
    }
}

/// The machines in front of the prompt, and the command behind it.
fn prompt(line: &str) -> Option<(&str, &str)> {
    let (prompt, command) = line.split_once("$ ")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == ' ';
    prompt.chars().all(is_name).then_some((prompt, command))
}

/// Only one run of these tests at a time may have the addresses that the page shows.
pub(crate) fn have_the_network() {
    static NETWORK: OnceLock<TcpListener> = OnceLock::new();
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    NETWORK.get_or_init(|| {
        let mut listener = None;
        wait_until("no other run of these tests has the network", || {
            listener = TcpListener::bind("127.0.65.254:7946").ok();
            listener.is_some()
        });
        listener.unwrap()
    });
}
