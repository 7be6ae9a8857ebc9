//! `record --serf-rpc` against a server on loopback that says what an agent once said, and worse.
//!
//! How the bytes are cut, and what they mean, is tested beside the code; here they come over a connection.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::follow::Follower;
use common::{alone, corpus, inspect, nodes, wait_until};

/// Nobody waits longer for the other end.
const LIMIT: Duration = Duration::from_secs(60);

/// What the server does with one connection.
#[derive(Clone, Debug)]
enum Play {
    /// Says this in pieces of so many bytes, then nothing more.
    Say(Vec<u8>, usize),
    /// Says this and closes.
    Cut(Vec<u8>),
    /// Says one of these each time it has heard something, and closes.
    Answer(Vec<Vec<u8>>),
    /// Says this, and then one byte for ever.
    Endless(Vec<u8>, u8),
}

/// Plays one part after the other, the last one again for whoever comes then.
struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    connections: AtomicUsize,
    heard: Mutex<Vec<u8>>,
    streams: Mutex<Vec<TcpStream>>,
}

impl Server {
    fn start(plays: Vec<Play>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), plays)
    }

    fn start_at(addr: SocketAddr, plays: Vec<Play>) -> Self {
        let listener = TcpListener::bind(addr).unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut parts = plays.iter();
            let mut part = parts.next().unwrap();
            for stream in listener.incoming() {
                if theirs.stopped.load(Ordering::SeqCst) {
                    return;
                }
                theirs.connections.fetch_add(1, Ordering::SeqCst);
                // It may end at any time, and so may the recorder.
                let _ = theirs.play(part, stream.unwrap());
                part = parts.next().unwrap_or(part);
            }
        });
        Self { addr, shared, thread: Some(thread) }
    }

    fn addr(&self) -> String {
        self.addr.to_string()
    }

    fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    fn has_heard(&self, what: &[u8]) -> bool {
        let heard = self.shared.heard.lock().unwrap();
        heard.windows(what.len()).any(|window| window == what)
    }
}

impl Shared {
    fn play(&self, part: &Play, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        self.streams.lock().unwrap().push(stream.try_clone()?);
        if self.stopped.load(Ordering::SeqCst) {
            return Ok(());
        }
        match part {
            Play::Say(bytes, piece) => {
                bytes.chunks(*piece).try_for_each(|piece| stream.write_all(piece))?;
                self.listen(&mut stream)
            }
            Play::Cut(bytes) => {
                stream.write_all(bytes)?;
                // Bytes that nobody has read would turn the end into a reset, and take back what was said.
                stream.shutdown(Shutdown::Write)?;
                self.listen(&mut stream)
            }
            Play::Answer(answers) => {
                for answer in answers {
                    self.hear(&mut stream)?;
                    stream.write_all(answer)?;
                }
                stream.shutdown(Shutdown::Write)?;
                self.listen(&mut stream)
            }
            Play::Endless(bytes, more) => {
                stream.write_all(bytes)?;
                let more = vec![*more; 1 << 16];
                loop {
                    stream.write_all(&more)?;
                }
            }
        }
    }

    fn listen(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        while self.hear(stream)? > 0 {}
        Ok(())
    }

    fn hear(&self, stream: &mut TcpStream) -> std::io::Result<usize> {
        let mut space = [0; 4096];
        let read = stream.read(&mut space)?;
        self.heard.lock().unwrap().extend(&space[..read]);
        Ok(read)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for stream in self.shared.streams.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // It waits for somebody to come.
        let _ = TcpStream::connect(self.addr);
        let _ = self.thread.take().unwrap().join();
    }
}

fn captured() -> Vec<u8> {
    fs::read(corpus("rpc/stream-ipv6.bin")).unwrap()
}

/// A header without a body.
fn header(seq: u8, error: &str) -> Vec<u8> {
    let mut bytes = b"\x82\xa5Error".to_vec();
    bytes.push(0xa0 | u8::try_from(error.len()).unwrap());
    bytes.extend(error.as_bytes());
    bytes.extend(b"\xa3Seq");
    bytes.push(seq);
    bytes
}

/// Whether the file says what the capture ends with.
fn is_captured(path: &Path) -> bool {
    let Some(object) = inspect(path, &[]) else { return false };
    let clocks = ["clock", "event_clock", "query_clock"].map(|key| object[key].as_u64().unwrap());
    nodes(&object, "alive") == ["w1 [::1]:18946"]
        && nodes(&object, "failed") == ["w2 sp\u{fffd} [::1]:18947"]
        && object["failed"][0]["name_hex"] == "7732207370e9"
        && clocks == [1, 1, 1]
}

#[track_caller]
fn check_captured(follower: Follower, path: &Path) -> String {
    wait_until("all is recorded", || is_captured(path));
    let (code, said) = follower.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(is_captured(path));
    assert_eq!(inspect(path, &[]).unwrap()["verdict"], "clean");
    said
}

#[test]
fn what_an_agent_said_is_recorded_in_pieces_of_any_size() {
    let _alone = alone();
    for piece in [1, 7, 100_000] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rpc.snap");
        let server = Server::start(vec![Play::Say(captured(), piece)]);
        let follower = Follower::start(&path, &server.addr(), &["--node", "w1"]);
        assert_eq!(check_captured(follower, &path), "");
        assert!(server.has_heard(b"handshake") && server.has_heard(b"Version\x01"));
        assert!(!server.has_heard(b"AuthKey"));
    }
}

#[test]
fn a_server_that_goes_away_at_any_place_is_tried_again() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpc.snap");
    let bytes = captured();
    let mut plays: Vec<_> = [0, 20, 400, 1300].map(|cut| Play::Cut(bytes[..cut].to_vec())).into();
    plays.push(Play::Say(bytes, 100_000));
    let server = Server::start(plays);
    let follower = Follower::start(&path, &server.addr(), &[]);
    let said = check_captured(follower, &path);
    assert_eq!(server.connections(), 5);
    let agent = format!("serfsnap: agent at {}", server.addr());
    let lost = format!("{agent}: it has closed the connection; it is tried again\n");
    let found = format!("{agent}: connected\n");
    assert_eq!(said, [&*lost, &found, &lost, &found, &lost, &found].concat());
}

#[test]
fn an_agent_may_be_missing_and_come_back_later() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpc.snap");
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let follower = Follower::start(&path, &addr.to_string(), &[]);
    follower.wait_said("Connection refused");
    let server = Server::start_at(addr, vec![Play::Say(captured(), 100_000)]);
    wait_until("all is recorded", || is_captured(&path));
    drop(server);
    wait_until("it is missed", || follower.stderr().matches("it is tried again").count() == 2);
    assert!(is_captured(&path), "nobody is lost with the connection");
    let (code, said) = follower.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(is_captured(&path));
}

#[test]
fn refusals_end_the_recorder() {
    let _alone = alone();
    let check = |options: &[&str], key, says: Vec<Vec<u8>>, expect: &str, heard: &[u8]| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rpc.snap");
        let server = Server::start(vec![Play::Answer(says)]);
        let (code, said) = Follower::with_key(&path, &server.addr(), options, key).ended();
        assert_eq!(code, Some(2), "{said}");
        assert_eq!(said, format!("serfsnap: agent at {}: {expect}\n", server.addr()));
        assert!(server.has_heard(heard), "{heard:?}");
        assert_eq!(inspect(&path, &[]).unwrap()["verdict"], "clean");
    };
    let version = vec![header(0, "Unsupported version")];
    check(&[], None, version, "it refuses the handshake: Unsupported version", b"Version");
    let token = || vec![header(0, ""), header(1, "Invalid token")];
    let refused = "it refuses the auth: Invalid token";
    check(&["--auth", "wrong"], Some("other"), token(), refused, b"AuthKey\xa5wrong");
    check(&[], Some("envy"), token(), refused, b"envy");
    let lacking = vec![header(0, ""), header(1, "Auth required")];
    let refused = "it refuses to tell events: Auth required; does it want its key (--auth)?";
    check(&[], None, lacking, refused, b"stream");
}

#[test]
fn what_is_no_agent_is_told_and_tried_again() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpc.snap");
    let web = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    let plays = vec![Play::Cut(web), Play::Say(captured(), 100_000)];
    let server = Server::start(plays);
    let follower = Follower::start(&path, &server.addr(), &[]);
    let said = check_captured(follower, &path);
    assert!(said.contains("this is no Serf RPC: no header: ") && said.ends_with(": connected\n"));
}

#[test]
fn an_answer_without_an_end_takes_no_more_memory_than_it_may() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpc.snap");
    let ready = [header(0, ""), header(1, ""), header(2, "")].concat();
    let plays = vec![
        // A list in a list in a list.
        Play::Endless(ready.clone(), 0x91),
        // It says itself that it is too long, and is not even waited for.
        Play::Say([&ready[..], b"\xdb\xff\xff\xff\xff"].concat(), 100_000),
        Play::Say(captured(), 100_000),
    ];
    let server = Server::start(plays);
    let follower = Follower::start(&path, &server.addr(), &[]);
    wait_until("the last one is heard", || server.connections() == 3 && is_captured(&path));
    let status = fs::read_to_string(format!("/proc/{}/status", follower.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 200 * 1024, "{kib} KiB");
    let said = check_captured(follower, &path);
    assert_eq!(said.matches("an answer of more than 33554432 bytes").count(), 2, "{said}");
}

#[test]
fn a_silent_server_keeps_no_signal_waiting() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpc.snap");
    let server = Server::start(vec![Play::Say(Vec::new(), 1)]);
    let follower = Follower::start(&path, &server.addr(), &[]);
    wait_until("it is connected", || server.has_heard(b"handshake"));
    assert_eq!(follower.stop(), (Some(0), String::new()));
}
