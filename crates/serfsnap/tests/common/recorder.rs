//! A `serfsnap record` that runs, is fed, and ends one way or another.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::story::{Chance, Story};
use super::{Killed, let_pass, serfsnap, wait_until};

/// `serfsnap record --ack` on a path.
pub fn command(path: &Path, options: &[&str]) -> Command {
    let mut command = serfsnap();
    command.arg("record").arg("--ack").args(options).arg(path);
    command
}

/// It runs, and what it says is collected.
#[derive(Debug)]
pub struct Recorder {
    child: Child,
    stdin: Feed,
    said: Said,
    readers: [JoinHandle<()>; 2],
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    /// So many lines of input were acknowledged before it ended.
    pub acked: usize,
    /// At most so many lines of input can have reached it.
    pub sent: usize,
    pub stderr: String,
}

#[derive(Clone, Debug, Default)]
struct Said {
    acked: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    stderr: Arc<Mutex<String>>,
}

#[derive(Debug)]
enum Feed {
    Open(ChildStdin),
    /// The thread gives it back when all is written, so that the input does not end.
    Fed(JoinHandle<ChildStdin>),
    Closed,
}

impl Recorder {
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Said::default();
        let (acks, complaints) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (one, other) = (said.clone(), said.clone());
        let readers = [
            thread::spawn(move || one.take_acks(acks)),
            thread::spawn(move || other.take_complaints(complaints)),
        ];
        Self { stdin: Feed::Open(child.stdin.take().unwrap()), child, said, readers }
    }

    /// Writes lines of a story, which must be few enough for a pipe to hold.
    pub fn send(&mut self, lines: &[String]) {
        self.said.sent.fetch_add(lines.len(), Ordering::SeqCst);
        let Feed::Open(stdin) = &mut self.stdin else { panic!("somebody else writes") };
        // It may have ended.
        let _ = stdin.write_all(lines.concat().as_bytes());
    }

    /// Writes a story in pieces by chance, on a thread.
    pub fn feed(&mut self, story: &Story, mut chance: Chance) {
        let Feed::Open(mut stdin) = std::mem::replace(&mut self.stdin, Feed::Closed) else {
            panic!("somebody else writes")
        };
        let (input, sent) = (story.input.clone(), Arc::clone(&self.said.sent));
        self.stdin = Feed::Fed(thread::spawn(move || {
            let mut rest = &input[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(1 + chance.index(30)));
                // Before it is written: what is under way may arrive.
                sent.fetch_add(piece.len(), Ordering::SeqCst);
                if stdin.write_all(piece.concat().as_bytes()).is_err() {
                    break;
                }
                if chance.one_in(4) {
                    let_pass(Duration::from_micros(chance.below(2000)));
                }
                rest = behind;
            }
            stdin
        }));
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn acked(&self) -> usize {
        self.said.acked.load(Ordering::SeqCst)
    }

    pub fn stderr(&self) -> String {
        self.said.stderr.lock().unwrap().clone()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    #[track_caller]
    pub fn wait_acked(&self, lines: usize) {
        wait_until(&format!("{lines} lines are acknowledged"), || self.acked() >= lines);
    }

    /// Kills it, without a chance to say anything.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.ended()
    }

    /// Lets its input end, and waits for it.
    pub fn close(mut self) -> Ended {
        match std::mem::replace(&mut self.stdin, Feed::Closed) {
            Feed::Fed(feeder) => drop(feeder.join().unwrap()),
            Feed::Open(stdin) => drop(stdin),
            Feed::Closed => {}
        }
        self.ended()
    }

    /// Waits for the end, which must come.
    #[track_caller]
    pub fn ended(self) -> Ended {
        let Self { child, stdin, said, readers } = self;
        let mut child = Killed(child);
        let mut status = None;
        wait_until("the recorder ends", || {
            status = child.0.try_wait().unwrap();
            status.is_some()
        });
        if let Feed::Fed(feeder) = stdin {
            feeder.join().unwrap();
        }
        // What it said last is still in the pipes.
        for reader in readers {
            reader.join().unwrap();
        }
        Ended {
            status: status.unwrap(),
            acked: said.acked.load(Ordering::SeqCst),
            sent: said.sent.load(Ordering::SeqCst),
            stderr: said.stderr.lock().unwrap().clone(),
        }
    }
}

impl Ended {
    /// Checks the exit code.
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "{}", self.stderr);
    }
}

impl Said {
    fn take_acks(&self, from: impl Read) {
        for line in BufReader::new(from).split(b'\n') {
            let line = String::from_utf8(line.unwrap()).unwrap();
            let number = line.strip_prefix("{\"acked\":").and_then(|rest| rest.strip_suffix('}'));
            // The last one may be cut.
            let Some(number) = number.and_then(|number| number.parse().ok()) else { break };
            assert!(self.acked.swap(number, Ordering::SeqCst) < number, "{line}");
        }
    }

    fn take_complaints(&self, from: impl Read) {
        for line in BufReader::new(from).split(b'\n') {
            let line = String::from_utf8(line.unwrap()).unwrap();
            self.stderr.lock().unwrap().push_str(&(line + "\n"));
        }
    }
}
