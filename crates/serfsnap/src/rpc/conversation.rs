//! One connection's talk with an agent, without the connection: bytes in, bytes out.
//!
//! The order of Serf's client: a handshake, the key where there is one, then everything else at once. Each answer is a
//! header, and a body where the question has one and nothing went wrong. Events come between answers under the number
//! of the question that asked for them.

use std::collections::VecDeque;

use super::Fault;
use super::frame::Inbox;
use super::message::{
    self, Auth, Bytes, Clocks, Filter, Handshake, Header, Member, Request, Stream,
};
use crate::member::Change;

/// The version of the protocol, of which there is one.
const VERSION: u32 = 1;

/// A talk with an agent.
#[derive(Debug)]
pub(crate) struct Conversation {
    key: Option<String>,
    inbox: Inbox,
    output: Vec<u8>,
    next_seq: u64,
    /// What was asked and not answered, in order.
    asked: VecDeque<(u64, Question)>,
    /// Events carry this number.
    stream: Option<u64>,
    /// A header was read whose body follows.
    body: Option<Body>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Handshake,
    Auth,
    Stream,
    Members,
    /// Whether the agent itself is about to leave.
    Own,
    Stats,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Members,
    Own,
    Stats,
    Event,
}

/// What the agent has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// From here on, every event is told.
    Subscribed,
    /// Everybody whom the agent knows.
    Members(Vec<Member<'a>>),
    /// The agent itself, as far as it knows itself.
    Own(Vec<Member<'a>>),
    Clocks(Clocks<'a>),
    /// The same happened to these members.
    Changed(Change, Vec<Member<'a>>),
    User(u64),
    Query(u64),
    /// Nothing that is recorded.
    Other,
}

impl Conversation {
    pub(crate) fn new(key: Option<String>) -> Self {
        let mut conversation = Self {
            key,
            inbox: Inbox::default(),
            output: Vec::new(),
            next_seq: 0,
            asked: VecDeque::new(),
            stream: None,
            body: None,
        };
        conversation.ask(Question::Handshake);
        conversation
    }

    /// Room for received bytes; [`filled`](Self::filled) says how many came.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.inbox.space()
    }

    pub(crate) fn filled(&mut self, len: usize) {
        self.inbox.filled(len);
    }

    /// What the agent has said next. To be called until there is nothing, and then again when more has come.
    pub(crate) fn poll(&mut self) -> Result<Option<Heard<'_>>, Fault> {
        while let Some(range) = self.inbox.next()? {
            if let Some(body) = self.body.take() {
                return read(body, self.inbox.bytes(range)).map(Some);
            }
            let header: Header<'_> = message::decode(self.inbox.bytes(range), "header")?;
            let (seq, error) = (header.seq, shown(header.error));
            if self.take_header(seq, error)? {
                return Ok(Some(Heard::Subscribed));
            }
        }
        Ok(None)
    }

    /// What must be sent, to be called after everything else.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    pub(crate) fn ask_members(&mut self) {
        self.ask(Question::Members);
    }

    /// Asks for the clocks, and how the agent of this name is itself.
    pub(crate) fn ask_stats(&mut self, own: Option<&str>) {
        if let Some(own) = own {
            self.ask(Question::Own);
            message::encode(&mut self.output, &Filter { name: &literal(own) });
        }
        self.ask(Question::Stats);
    }

    /// Whether a list of the members is on its way.
    pub(crate) fn awaits_members(&self) -> bool {
        self.awaits(Question::Members)
    }

    pub(crate) fn awaits_stats(&self) -> bool {
        self.awaits(Question::Stats)
    }

    /// Whether the agent lets us ask: it has taken the handshake and the key.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.stream.is_some() && !self.awaits(Question::Stream)
    }

    /// Whether the agent owes an answer.
    pub(crate) fn awaits_anything(&self) -> bool {
        !self.asked.is_empty() || matches!(self.body, Some(Body::Members | Body::Own | Body::Stats))
    }

    fn awaits(&self, question: Question) -> bool {
        // An answer is under way until its body has come; both are answered in the order they were asked.
        let body = matches!(
            (question, self.body),
            (Question::Members, Some(Body::Members)) | (Question::Stats, Some(Body::Stats))
        );
        body || self.asked.iter().any(|&(_, asked)| asked == question)
    }

    fn ask(&mut self, question: Question) {
        let seq = self.next_seq;
        self.next_seq += 1;
        let out = &mut self.output;
        message::encode(out, &Request { command: question.command(), seq });
        match question {
            Question::Handshake => message::encode(out, &Handshake { version: VERSION }),
            Question::Auth => {
                let auth_key = self.key.as_deref().unwrap_or_default();
                message::encode(out, &Auth { auth_key });
            }
            Question::Stream => {
                message::encode(out, &Stream { r#type: "*" });
                self.stream = Some(seq);
            }
            // Whoever asks for one member names it.
            Question::Members | Question::Own | Question::Stats => {}
        }
        self.asked.push_back((seq, question));
    }

    /// Whether events are told from here on.
    fn take_header(&mut self, seq: u64, error: Option<String>) -> Result<bool, Fault> {
        let answered = self.asked.front().is_some_and(|&(asked, _)| asked == seq);
        if !answered {
            // An answer to `stream` comes before the first event.
            if self.stream != Some(seq) || self.awaits(Question::Stream) {
                return Err(Fault::Garbled("an answer to nothing that was asked".to_owned()));
            }
            if let Some(error) = error {
                return Err(Fault::Garbled(format!("an event that is an error: {error}")));
            }
            self.body = Some(Body::Event);
            return Ok(false);
        }
        let Some((_, question)) = self.asked.pop_front() else { return Ok(false) };
        if let Some(error) = error {
            return Err(question.refused(error));
        }
        match question {
            Question::Handshake if self.key.is_some() => self.ask(Question::Auth),
            Question::Handshake | Question::Auth => {
                for question in [Question::Stream, Question::Members, Question::Stats] {
                    self.ask(question);
                }
            }
            Question::Stream => return Ok(true),
            Question::Members => self.body = Some(Body::Members),
            Question::Own => self.body = Some(Body::Own),
            Question::Stats => self.body = Some(Body::Stats),
        }
        Ok(false)
    }
}

impl Question {
    const fn command(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Auth => "auth",
            Self::Stream => "stream",
            Self::Members => "members",
            Self::Own => "members-filtered",
            Self::Stats => "stats",
        }
    }

    /// Who is not let in will not be next time; anything else may pass.
    fn refused(self, error: String) -> Fault {
        match self {
            Self::Handshake | Self::Auth | Self::Stream => {
                Fault::Refused { command: self.command(), error }
            }
            Self::Members | Self::Own | Self::Stats => {
                Fault::Garbled(format!("no answer to {}: {error}", self.command()))
            }
        }
    }
}

fn read(body: Body, bytes: &[u8]) -> Result<Heard<'_>, Fault> {
    Ok(match body {
        Body::Members | Body::Own => {
            let answer: message::Members<'_> = message::decode(bytes, "list of members")?;
            let members = answer.members.unwrap_or_default();
            if matches!(body, Body::Own) { Heard::Own(members) } else { Heard::Members(members) }
        }
        Body::Stats => {
            let stats: message::Stats<'_> = message::decode(bytes, "stats")?;
            Heard::Clocks(stats.clocks()?)
        }
        Body::Event => {
            let event: message::Event<'_> = message::decode(bytes, "event")?;
            let time = event.time.unwrap_or_default();
            match (event.kind.0, Change::parse(event.kind.0)) {
                (_, Some(change)) => Heard::Changed(change, event.members.unwrap_or_default()),
                (b"user", _) => Heard::User(time),
                (b"query", _) => Heard::Query(time),
                _ => Heard::Other,
            }
        }
    })
}

/// A regular expression of Go's that matches this alone.
fn literal(name: &str) -> String {
    let mut literal = String::with_capacity(name.len());
    for character in name.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal
}

/// An error, where there is one.
fn shown(error: Bytes<'_>) -> Option<String> {
    (!error.0.is_empty()).then(|| crate::show::quoted(error.0))
}

#[cfg(test)]
mod tests;
