//! The real library, asked through the Go program `xtask/judge`.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::view::View;
use crate::{Outcome, hex};

/// A process that replays and records.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) questions: Questions,
    pub(crate) answers: Answers,
    child: Child,
}

/// The way to the judge.
#[derive(Debug)]
pub(crate) struct Questions {
    to: BufWriter<ChildStdin>,
    asked: u64,
}

/// The way back; answers come in the order of the questions.
#[derive(Debug)]
pub(crate) struct Answers {
    from: BufReader<ChildStdout>,
    heard: u64,
    line: String,
}

/// What the library recovered, or held at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) view: View,
    /// What it warned about, each cut short.
    pub(crate) warnings: Vec<String>,
    /// Whether it put another file in the place of the one that it opened.
    pub(crate) compacted: bool,
}

/// One life of a Serf agent on a file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Life {
    pub(crate) path: String,
    /// From this size on it compacts.
    pub(crate) min_compact_size: u32,
    pub(crate) events: Vec<LifeEvent>,
}

/// Something that happens to a Serf agent.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct LifeEvent {
    /// `join`, `leave`, `failed`, `user`, `query`, `clock` or `depart`.
    pub(crate) kind: &'static str,
    /// In hexadecimal digits.
    pub(crate) name: String,
    pub(crate) ip: String,
    pub(crate) port: u16,
    pub(crate) time: u64,
}

#[derive(Serialize)]
struct Question<'a> {
    id: u64,
    rejoin_after_leave: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a Life>,
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    alive: Option<Vec<(String, String)>>,
    clock: u64,
    event_clock: u64,
    query_clock: u64,
    warnings: Option<Vec<String>>,
    errors: Option<Vec<String>>,
    compacted: bool,
    failure: Option<String>,
}

impl Judge {
    /// Starts the program; what it judges it puts into the directory.
    pub(crate) fn start(program: &Path, directory: &Path) -> Outcome<Self> {
        let mut child = Command::new(program)
            .arg("serve")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} could not be started: {error}", program.display()))?;
        let to = child.stdin.take().ok_or("the judge has no stdin")?;
        let from = child.stdout.take().ok_or("the judge has no stdout")?;
        let questions = Questions { to: BufWriter::with_capacity(1 << 16, to), asked: 0 };
        let answers = Answers { from: BufReader::new(from), heard: 0, line: String::new() };
        Ok(Self { questions, answers, child })
    }

    /// What the library recovers from these bytes.
    pub(crate) fn replay(&mut self, file: &[u8], rejoin: bool) -> Outcome<Verdict> {
        self.questions.replay(file, rejoin)?;
        self.questions.flush()?;
        self.answers.next()
    }

    /// Lets the library go through a life, and tells what it held at the end of it.
    pub(crate) fn record(&mut self, life: &Life, rejoin: bool) -> Outcome<Verdict> {
        self.questions.ask(rejoin, None, Some(life))?;
        self.questions.flush()?;
        self.answers.next()
    }

    /// Ends it, and fails where it did not end well.
    pub(crate) fn end(questions: Questions, mut child: Child) -> Outcome {
        drop(questions);
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the judge ended with {status}").into()) }
    }

    /// Its two ways apart, for two threads, and the process.
    pub(crate) fn split(self) -> (Questions, Answers, Child) {
        (self.questions, self.answers, self.child)
    }
}

impl Questions {
    pub(crate) fn replay(&mut self, file: &[u8], rejoin: bool) -> Outcome {
        self.ask(rejoin, Some(hex::encode(file)), None)
    }

    pub(crate) fn flush(&mut self) -> Outcome {
        Ok(self.to.flush()?)
    }

    fn ask(&mut self, rejoin: bool, file: Option<String>, record: Option<&Life>) -> Outcome {
        self.asked += 1;
        let question = Question { id: self.asked, rejoin_after_leave: rejoin, file, record };
        serde_json::to_writer(&mut self.to, &question)?;
        Ok(self.to.write_all(b"\n")?)
    }
}

impl Answers {
    pub(crate) fn next(&mut self) -> Outcome<Verdict> {
        self.heard += 1;
        self.line.clear();
        self.from.read_line(&mut self.line)?;
        let answer: Answer = serde_json::from_str(&self.line)
            .map_err(|error| format!("the judge said {:?}: {error}", self.line))?;
        if let Some(failure) = answer.failure {
            return Err(format!("the library failed: {failure}").into());
        }
        if answer.id != self.heard {
            return Err(format!("answer {} came in the place of {}", answer.id, self.heard).into());
        }
        let errors = answer.errors.unwrap_or_default();
        if !errors.is_empty() {
            return Err(format!("the library logged errors: {errors:?}").into());
        }
        let nodes = answer.alive.unwrap_or_default();
        let decoded =
            |(name, addr): &(String, String)| Ok((hex::decode(name)?, hex::decode(addr)?));
        Ok(Verdict {
            view: View {
                alive: nodes.iter().map(decoded).collect::<Outcome<_>>()?,
                clock: answer.clock,
                event_clock: answer.event_clock,
                query_clock: answer.query_clock,
            },
            warnings: answer.warnings.unwrap_or_default(),
            compacted: answer.compacted,
        })
    }
}
