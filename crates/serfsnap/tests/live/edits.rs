//! Agents on files that an edit has left: the cure for islands after an outage.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{Case, Said};
use crate::common::{Killed, alone, inspect, serfsnap, stderr, wait_until};

/// A place for one agent, on a loopback address of its own: nobody else's agent answers there when it is down.
struct Place {
    name: &'static str,
    host: &'static str,
    port: u16,
    snapshot: PathBuf,
}

struct Agent {
    child: Killed,
    log: PathBuf,
}

impl Place {
    fn new(case: &Case, name: &'static str, host: &'static str) -> Self {
        let snapshot = case.path(&format!("{name}.snap"));
        Self { name, host, port: free_port(host), snapshot }
    }

    fn addr(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn start(&self, case: &Case, join: Option<&Self>) -> Agent {
        let rpc = format!("{}:{}", self.host, free_port(self.host));
        let log = case.path(&format!("{}-{rpc}.log", self.name));
        let out = File::create(&log).unwrap();
        // It goes with the thread that started it, whatever becomes of this process.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "serf", "agent", "-profile=local"]);
        command.arg(format!("-node={}", self.name)).arg(format!("-bind={}", self.addr()));
        command.arg(format!("-rpc-addr={rpc}"));
        command.arg(format!("-snapshot={}", self.snapshot.display()));
        command.args(join.map(|join| format!("-join={}", join.addr())));
        command.stdin(Stdio::null()).stderr(out.try_clone().unwrap()).stdout(out);
        let child = Killed(command.spawn().unwrap());
        let agent = Agent { child, log };
        case.wait("the agent runs", || agent.said("Serf agent running"));
        agent
    }

    /// Who is alive as Serf reads its file.
    fn knows(&self) -> Vec<String> {
        let node = |node: String| node.split(' ').next().unwrap_or_default().to_owned();
        Said::of(&self.snapshot).alive.into_iter().map(node).collect()
    }
}

impl Agent {
    fn said(&self, what: &str) -> bool {
        fs::read_to_string(&self.log).unwrap().contains(what)
    }

    /// Whether it has told, since it was started, that this node has joined or failed.
    fn has_seen(&self, event: &str, node: &Place) -> bool {
        self.said(&format!("serf: EventMember{event}: {}", node.name))
    }

    fn end(mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
        wait_until("the agent ends", || self.child.0.try_wait().unwrap().is_some());
    }
}

fn free_port(host: &str) -> u16 {
    loop {
        let addr = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        if UdpSocket::bind(addr).is_ok() {
            return addr.port();
        }
    }
}

#[test]
fn an_agent_that_knows_nobody_any_more_rejoins_after_its_file_was_revived() {
    let _alone = alone();
    let Some(case) = Case::begin("revived") else { return };
    let [n1, n2, n3] = [("e1", "127.0.61.1"), ("e2", "127.0.61.2"), ("e3", "127.0.61.3")]
        .map(|(name, host)| Place::new(&case, name, host));
    let (first, second) = (n1.start(&case, None), n2.start(&case, Some(&n1)));
    let third = n3.start(&case, Some(&n1));
    for other in [&n1, &n2] {
        case.wait("it meets the others", || third.has_seen("Join", other));
    }
    // One after another goes down, and the last one sees it.
    first.end(Signal::KILL);
    case.wait("the first is missed", || third.has_seen("Failed", &n1));
    second.end(Signal::KILL);
    case.wait("the second is missed", || third.has_seen("Failed", &n2));
    third.end(Signal::TERM);
    case.check("it knows itself alone", n3.knows() == ["e3"]);

    let output = serfsnap().args(["revive", "--yes"]).arg(&n3.snapshot).output().unwrap();
    case.check(&stderr(&output), output.status.code() == Some(0));
    case.check("the log still knew them", n3.knows() == ["e1", "e2", "e3"]);
    let sealed = &inspect(&n3.snapshot, &[]).unwrap()["sealed"];
    case.check("it is ours", *sealed == true);

    // The first one is back and has forgotten everybody; the second one stays down.
    fs::remove_file(&n1.snapshot).unwrap();
    let first = n1.start(&case, None);
    let third = n3.start(&case, None);
    case.wait("it rejoins", || third.said("serf: Re-joined to previously known node"));
    case.wait("they find each other", || {
        first.has_seen("Join", &n3) && third.has_seen("Join", &n1)
    });
    case.check("every line was known to it", !third.said("Unrecognized snapshot line"));
    case.proof("");
}

#[test]
fn an_agent_starts_on_what_every_edit_has_left() {
    let _alone = alone();
    let Some(case) = Case::begin("edited") else { return };
    let place = Place::new(&case, "e4", "127.0.61.4");
    for edit in [
        &["repair"][..],
        &["prune", "--name", "x"],
        &["readdress", "--map", "127.0.61.9=127.0.61.8"],
        &["revive"],
        &["set-clock", "--event-clock", "3"],
        &["compact"],
    ] {
        let addr = place.addr();
        fs::write(
            &place.snapshot,
            format!("# by hand\nalive: e4 {addr}\nalive: x 127.0.61.9:1\nalive: y 127.0.61.9:2\nnot-alive: y\nclock: 7\nevent-clock: 9\nalive: to"),
        )
        .unwrap();
        let output = serfsnap().args(edit).arg("--yes").arg(&place.snapshot).output().unwrap();
        case.check(&stderr(&output), output.status.code() == Some(0));
        let before = Said::of(&place.snapshot);
        let agent = place.start(&case, None);
        case.check("every line is known to it", !agent.said("[WARN] serf: Unrecognized"));
        case.check("no error", !agent.said("[ERR]"));
        agent.end(Signal::TERM);
        let after = Said::of(&place.snapshot);
        case.check(&format!("{edit:?}: {before:?} {after:?}"), after.is_as_good_as(&before));
        for lock in fs::read_dir(case.dir.path()).unwrap().map(|entry| entry.unwrap().path()) {
            fs::remove_file(lock).unwrap();
        }
    }
    case.proof("");
}
