//! A live Serf agent, followed over its RPC.
//!
//! What is said stands in `conversation`, what becomes of it in `follower`; neither knows a connection, which is in
//! `link`. Here it is made, and made again when it was lost.

mod conversation;
mod follower;
mod frame;
mod link;
mod message;

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use self::follower::Follower;
use self::link::{Link, wait_for};
use crate::failure::Failure;
use crate::member::Recorder;
use crate::out::complain;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long the agent may leave what it is sent unread: it is a few bytes.
const SENDING: Duration = Duration::from_secs(5);

/// Where the events go.
pub(crate) trait Log: Recorder {
    /// Tells what could not be recorded; what `repeats` itself once.
    fn note(&mut self, place: &str, repeats: bool, outcome: Result<(), String>);
    /// Closes the log after a leave and opens it anew.
    fn begin_again(&mut self) -> Result<(), Failure>;
}

/// An agent to follow.
#[derive(Debug)]
pub(crate) struct Agent {
    addr: String,
    key: Option<String>,
    pace: Pace,
}

/// How often, how long.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Between two looks at the clocks: as often as Serf writes its own into its file.
    clocks: Duration,
    /// Between two lists. Events say the same earlier, but the agent drops them for a listener that is too slow, and
    /// of two changes within its seconds of coalescing it tells the last, or nothing.
    members: Duration,
    /// No answer takes so long.
    answer: Duration,
    /// The first wait before a new connection; each doubles, up to the longest.
    wait: Duration,
    longest_wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            clocks: Duration::from_millis(500),
            members: Duration::from_secs(30),
            answer: Duration::from_secs(30),
            wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// Why a connection was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// Another connection would end alike.
    Refused { command: &'static str, error: String },
    /// Serf says nothing like it.
    Garbled(String),
    /// An answer that takes more memory than it may.
    TooLong,
    /// No answer for this long.
    Silent(Duration),
    /// The agent has closed the connection.
    Closed,
    /// Of the system.
    Io(String),
}

/// Why a connection ended.
enum End {
    Fault(Fault),
    Failure(Failure),
    /// A signal came.
    Stopped,
}

/// HOST:PORT.
pub(crate) fn addr(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    let valid = parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if valid { Ok(text.to_owned()) } else { Err("host:port, such as 127.0.0.1:7373".to_owned()) }
}

impl Agent {
    pub(crate) fn new(addr: String, key: Option<String>) -> Self {
        Self { addr, key, pace: Pace::default() }
    }

    /// Records what the agent tells until a signal comes, or until it refuses to talk.
    pub(crate) fn follow(&self, signals: &UnixStream, log: &mut impl Log) -> Result<(), Failure> {
        let mut follower = Follower::default();
        let mut wait = self.pace.wait;
        let mut told = false;
        loop {
            let begun = Instant::now();
            let end = self.connect().and_then(|stream| {
                follower.connected();
                let mut link = Link::new(self, stream, signals, &mut follower);
                link.run(log, &mut told)
            });
            let fault = match end {
                Ok(()) | Err(End::Stopped) => return Ok(()),
                Err(End::Failure(failure)) => return Err(failure),
                Err(End::Fault(fault @ Fault::Refused { .. })) => {
                    return Err(Failure::told(format!("agent at {}: {fault}", self.addr)));
                }
                Err(End::Fault(fault)) => fault,
            };
            if !told {
                told = true;
                complain(&format_args!("agent at {}: {fault}; it is tried again", self.addr));
            }
            // One that lasted was no part of a row of failures.
            if begun.elapsed() > self.pace.longest_wait {
                wait = self.pace.wait;
            }
            if wait_for(None, signals, wait).map_err(|fault| self.failure(&fault))?.signal {
                return Ok(());
            }
            wait = self.pace.longest_wait.min(wait * 2);
        }
    }

    fn failure(&self, fault: &Fault) -> Failure {
        Failure::told(format!("agent at {}: {fault}", self.addr))
    }

    fn connect(&self) -> Result<TcpStream, End> {
        let mut last = io::Error::other("no such host");
        for addr in self.addr.to_socket_addrs().map_err(Fault::from)? {
            match TcpStream::connect_timeout(&addr, CONNECTING) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(Fault::from)?;
                    stream.set_write_timeout(Some(SENDING)).map_err(Fault::from)?;
                    // poll(2) may promise what is not there.
                    stream.set_read_timeout(Some(self.pace.clocks)).map_err(Fault::from)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(Fault::from(last).into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { command: "stream", error } => {
                write!(f, "it refuses to tell events: {error}; does it want its key (--auth)?")
            }
            Self::Refused { command, error } => write!(f, "it refuses the {command}: {error}"),
            Self::Garbled(what) => write!(f, "this is no Serf RPC: {what}"),
            Self::TooLong => write!(f, "an answer of more than {} bytes", frame::MAX_VALUE),
            Self::Silent(patience) => write!(f, "no answer for {} s", patience.as_secs()),
            Self::Closed => f.write_str("it has closed the connection"),
            Self::Io(error) => f.write_str(error),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
