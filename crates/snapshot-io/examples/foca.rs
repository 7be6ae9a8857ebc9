//! A snapshot under somebody else's engine: `foca` does SWIM without any I/O, and this host does the I/O for it.
//! Three nodes run on loopback; one crashes, and finds its cluster again by its file alone.
//!
//! `cargo run -p snapshot-io --example foca`

use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use std::{error::Error, fs, path::Path};

use foca::{AccumulatingRuntime, Config, Foca, NoCustomBroadcast, OwnedNotification as Heard};
use foca::{PostcardCodec, Timer};
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use snapshot_engine::{Instant as Since, Next, Rejoin};
use snapshot_io::{Event, Identity, LamportTime, Member, Membership, Options, Snapshotter};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A node to SWIM: of two with one address, the one of the later life counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Id {
    name: String,
    addr: SocketAddr,
    life: u64,
}

impl foca::Identity for Id {
    type Addr = SocketAddr;
    fn renew(&self) -> Option<Self> {
        Some(Self { life: self.life + 1, ..self.clone() })
    }
    fn addr(&self) -> SocketAddr {
        self.addr
    }
    fn win_addr_conflict(&self, other: &Self) -> bool {
        self.life > other.life
    }
}

struct Node {
    log: Snapshotter,
    rejoin: Rejoin,
    foca: Foca<Id, PostcardCodec, StdRng, NoCustomBroadcast>,
    runtime: AccumulatingRuntime<Id>,
    timers: Vec<(Instant, Timer<Id>)>,
    socket: UdpSocket,
    start: Instant,
}

impl Node {
    fn start(name: &str, addr: SocketAddr, path: &Path) -> Outcome<Self> {
        let options = Options::new().identity(Identity::new(None, Some(name.as_bytes()))?);
        let (log, recovery) = options.open(path)?;
        let id = Id { name: name.to_owned(), addr, life: recovery.clocks.clock.0 + 1 };
        log.record(Event::Clock(LamportTime(id.life + 1)));
        // Nobody may hear of a life that a crash could take back.
        log.sync().wait(Duration::from_secs(5))?;
        let (seed, begin) = (id.life, Since::default());
        let rejoin =
            log.with_state(|state| Rejoin::new(state.rejoin_candidates(None, seed), seed, begin));
        let foca = Foca::new(id, Config::simple(), StdRng::seed_from_u64(seed), PostcardCodec);
        let socket = UdpSocket::bind(addr)?;
        socket.set_read_timeout(Some(Duration::from_millis(2)))?;
        let (runtime, timers) = (AccumulatingRuntime::new(), Vec::new());
        Ok(Self { log, rejoin, foca, runtime, timers, socket, start: Instant::now() })
    }

    /// Does what is due. The wait for a datagram is the only pause.
    fn step(&mut self) -> Outcome {
        let (now, since) = (Instant::now(), Since(self.start.elapsed()));
        let mut packet = [0; 1500];
        if let Ok((len, _)) = self.socket.recv_from(&mut packet) {
            // Anybody may send anything, which is no reason to stop.
            let _ = self.foca.handle_data(&packet[..len], &mut self.runtime);
        }
        let mut due: Vec<_> = self.timers.extract_if(.., |(at, _)| *at <= now).collect();
        due.sort_by(|(_, a), (_, b)| a.cmp(b));
        for (_, timer) in due {
            self.foca.handle_timer(timer, &mut self.runtime)?;
        }
        while let Next::Try { attempt, addr, .. } = self.rejoin.poll(since) {
            let addr = str::from_utf8(addr)?.parse()?;
            self.rejoin.handle_result(since, attempt, true);
            self.announce(addr)?;
        }
        while let Some((to, packet)) = self.runtime.to_send() {
            let _ = self.socket.send_to(&packet, to.addr);
        }
        while let Some((after, timer)) = self.runtime.to_schedule() {
            self.timers.push((now + after, timer));
        }
        while let Some(heard) = self.runtime.to_notify() {
            let (id, membership) = match heard {
                Heard::MemberUp(id) => (id, Membership::Alive),
                Heard::MemberDown(id) => (id, Membership::Failed),
                _ => continue,
            };
            let (name, addr) = (id.name.as_bytes(), id.addr.to_string());
            let member = Member::new(name, addr.as_bytes())?;
            let is_alive = membership == Membership::Alive;
            let event = if is_alive { Event::MemberJoin } else { Event::MemberFailed };
            self.log.record(event(member));
            self.rejoin.handle_member(since, name, membership);
        }
        self.log.record(Event::Clock(LamportTime(self.foca.identity().life + 1)));
        Ok(())
    }

    fn announce(&mut self, addr: SocketAddr) -> Outcome {
        Ok(self.foca.announce(Id { name: String::new(), addr, life: 0 }, &mut self.runtime)?)
    }
}

fn main() -> Outcome {
    run(tempfile::tempdir()?.path(), &mut io::stdout())
}

pub(crate) fn run(dir: &Path, out: &mut impl Write) -> Outcome {
    let addr = |n| SocketAddr::from(([127, 0, 67, n], 7946));
    let start = |n, file| Node::start(&format!("node-{n}"), addr(n), &dir.join(file));
    let mut nodes = vec![start(1, "1")?, start(2, "2")?, start(3, "3")?];
    // This once a configuration names a node; from then on the files do.
    nodes[1..].iter_mut().try_for_each(|node| node.announce(addr(1)))?;
    until(&mut nodes, 2)?;
    writeln!(out, "three nodes have found each other")?;

    // A kill leaves what the file holds at this moment: without this wait, all but the last half second.
    nodes[2].log.sync().wait(Duration::from_secs(5))?;
    fs::copy(dir.join("3"), dir.join("3-crashed"))?;
    drop(nodes.pop());
    until(&mut nodes, 1)?;
    writeln!(out, "node-3 has crashed, and the others know")?;

    nodes.push(start(3, "3-crashed")?);
    writeln!(out, "node-3 starts again and looks for {} nodes", nodes[2].rejoin.wanted())?;
    until(&mut nodes, 2)?;
    Ok(writeln!(out, "all three are together")?)
}

/// Lets the nodes work until each knows so many others.
fn until(nodes: &mut [Node], others: usize) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !nodes.iter().all(|node| node.foca.num_members() == others) {
        nodes.iter_mut().try_for_each(Node::step)?;
        (Instant::now() < deadline).then_some(()).ok_or("it takes too long")?;
    }
    Ok(())
}
