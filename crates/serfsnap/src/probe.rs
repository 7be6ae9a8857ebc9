//! Whether the candidates answer: one TCP connection to each.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use snapshot_format::Addr;

use crate::export::host_and_port;

/// How long one is given to accept, and the resolver to find it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many are tried at once.
const AT_ONCE: usize = 64;

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It accepted, after this time.
    Connected(Duration),
    /// The machine is there, and nothing listens.
    Refused,
    /// Nothing came back.
    TimedOut,
    /// The host name leads nowhere.
    Unresolved,
    /// The file's address cannot be dialled.
    Invalid,
    /// Anything else, as the system says it.
    Failed(String),
}

/// The answers by address.
#[derive(Debug, Default)]
pub(crate) struct Answers(HashMap<Vec<u8>, Answer>);

/// An answer in JSON.
#[derive(Serialize)]
pub(crate) struct AnswerRow {
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Tries each address once; each has one second, or two where it is a host name.
pub(crate) fn probe<'a>(addrs: impl IntoIterator<Item = Addr<'a>>) -> Answers {
    let addrs: HashSet<_> = addrs.into_iter().collect();
    let addrs: Vec<_> = addrs.into_iter().collect();
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(HashMap::new()));
    thread::scope(|scope| {
        for _ in 0..addrs.len().min(AT_ONCE) {
            scope.spawn(|| {
                while let Some(addr) = addrs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = answer(*addr);
                    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                    answers.insert(addr.as_bytes().to_vec(), answer);
                }
            });
        }
    });
    Answers(answers.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Answers {
    pub(crate) fn of(&self, addr: Addr<'_>) -> Option<&Answer> {
        self.0.get(addr.as_bytes())
    }
}

impl Answer {
    pub(crate) const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_))
    }

    pub(crate) fn row(&self) -> AnswerRow {
        let result = match self {
            Self::Connected(_) => "connected",
            Self::Refused => "refused",
            Self::TimedOut => "timeout",
            Self::Unresolved => "unresolved",
            Self::Invalid => "invalid",
            Self::Failed(_) => "failed",
        };
        let (ms, error) = match self {
            Self::Connected(after) => (u64::try_from(after.as_millis()).ok(), None),
            Self::Failed(error) => (None, Some(error.clone())),
            _ => (None, None),
        };
        AnswerRow { result, ms, error }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(after) => write!(f, "connected in {} ms", after.as_millis()),
            Self::Refused => f.write_str("refused"),
            Self::TimedOut => write!(f, "no answer in {} s", PATIENCE.as_secs()),
            Self::Unresolved => f.write_str("no such host"),
            Self::Invalid => f.write_str("no address"),
            Self::Failed(error) => f.write_str(error),
        }
    }
}

fn answer(addr: Addr<'_>) -> Answer {
    let Some((host, port)) = host_and_port(addr) else { return Answer::Invalid };
    let host = host.to_owned();
    match resolve(move || (&*host, port).to_socket_addrs().map(Iterator::collect)) {
        Some(addrs) if !addrs.is_empty() => connect(&addrs),
        _ => Answer::Unresolved,
    }
}

/// Asks the resolver, which knows no bound of its own: a thread waits for it, and is left behind where it takes too
/// long. When too many have been left behind nobody is asked any more.
fn resolve(
    lookup: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> Option<Vec<SocketAddr>> {
    static ASKING: AtomicUsize = AtomicUsize::new(0);
    if ASKING.fetch_add(1, Ordering::Relaxed) >= 2 * AT_ONCE {
        ASKING.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Whoever asked may have gone on.
        let _ = sender.send(lookup());
        ASKING.fetch_sub(1, Ordering::Relaxed);
    });
    receiver.recv_timeout(PATIENCE).ok()?.ok()
}

/// Tries the addresses of a host in turn; the last answer counts where none accepts.
fn connect(addrs: &[SocketAddr]) -> Answer {
    let start = Instant::now();
    let mut answer = Answer::TimedOut;
    for addr in addrs {
        let left = PATIENCE.saturating_sub(start.elapsed());
        if left.is_zero() {
            break;
        }
        answer = match TcpStream::connect_timeout(addr, left) {
            Ok(_) => return Answer::Connected(start.elapsed()),
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Answer::Refused,
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Answer::TimedOut,
                kind => Answer::Failed(kind.to_string()),
            },
        };
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 63, 1), 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        (listener, addr)
    }

    #[test]
    fn each_is_tried_once_and_answers_for_itself() {
        let (listener, open) = listener();
        let closed = TcpListener::bind((Ipv4Addr::new(127, 0, 63, 2), 0)).unwrap().local_addr();
        let (open, closed) = (open.to_string(), closed.unwrap().to_string());
        let texts = [&*open, &closed, "x", "no-such-host.invalid:1", &open];
        let addrs = texts.map(|text| Addr::new(text.as_bytes()).unwrap());
        let answers = probe(addrs);
        let [open, closed, bad, nowhere, _] = addrs.map(|addr| answers.of(addr).unwrap());
        assert!(open.is_connected(), "{open}");
        assert_eq!(
            (closed, bad, nowhere),
            (&Answer::Refused, &Answer::Invalid, &Answer::Unresolved)
        );
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_ok());
        assert!(listener.accept().is_err(), "one connection an address");
    }

    #[test]
    fn more_than_are_tried_at_once() {
        let listeners: Vec<_> = (0..3 * AT_ONCE).map(|_| listener()).collect();
        let texts: Vec<_> = listeners.iter().map(|(_, addr)| addr.to_string()).collect();
        let addrs = || texts.iter().map(|text| Addr::new(text.as_bytes()).unwrap());
        let answers = probe(addrs());
        assert!(addrs().all(|addr| answers.of(addr).is_some_and(Answer::is_connected)));
    }

    #[test]
    fn of_the_addresses_of_a_host_one_is_enough() {
        let (_listener, open) = listener();
        let closed = TcpListener::bind((Ipv4Addr::new(127, 0, 63, 3), 0)).unwrap().local_addr();
        assert!(connect(&[closed.unwrap(), open]).is_connected());
        assert_eq!(connect(&[]), Answer::TimedOut);
    }

    #[test]
    fn a_resolver_that_never_answers_is_left_behind() {
        let (keeper, hold) = mpsc::channel::<()>();
        let found = resolve(move || {
            let _ = hold.recv();
            Ok(vec![])
        });
        assert_eq!(found, None);
        drop(keeper);
        let found: SocketAddr = "127.0.0.1:1".parse().unwrap();
        assert_eq!(resolve(move || Ok(vec![found])), Some(vec![found]));
    }
}
