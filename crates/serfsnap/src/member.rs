//! What is recorded of one member, whoever told it: a line of events, a member list, or a live agent.

use std::fmt::Display;

use snapshot_engine::{Event, InvalidEvent, Member, Name};

use crate::show::{MAX_QUOTE, cut, shown};

/// Stands for the address of a member that left, failed or was reaped, where it does not count.
const NOWHERE: &[u8] = b"0.0.0.0:1";

/// Takes in events.
pub(crate) trait Recorder {
    fn record(&mut self, event: Event<'_>) -> Result<(), InvalidEvent>;
    fn is_alive(&self, name: Name<'_>) -> bool;
    /// The names of the nodes, alive or failed, that this does not hold of.
    fn without(&self, holds: &dyn Fn(&[u8]) -> bool) -> Vec<Vec<u8>>;
}

/// What happened to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Join,
    Update,
    Failed,
    Leave,
    Reap,
}

impl Change {
    /// As Serf calls it.
    pub(crate) fn parse(event: &[u8]) -> Option<Self> {
        Some(match event {
            b"member-join" => Self::Join,
            b"member-update" => Self::Update,
            b"member-failed" => Self::Failed,
            b"member-leave" => Self::Leave,
            b"member-reap" => Self::Reap,
            _ => return None,
        })
    }

    /// Whether it says that the member is alive.
    pub(crate) const fn is_alive(self) -> bool {
        matches!(self, Self::Join | Self::Update)
    }

    /// Records it of this member; an error is why not, in a sentence.
    ///
    /// `addr` is `host:port`. It does not count for one that left or was reaped, and need not be known of one that
    /// failed: the file has it where the member was alive.
    pub(crate) fn record(
        self,
        name: &[u8],
        addr: Option<&[u8]>,
        recorder: &mut impl Recorder,
    ) -> Result<(), String> {
        let counts = self.is_alive() || self == Self::Failed;
        let addr = addr.filter(|_| counts);
        if self.is_alive() && addr.is_none() {
            return Err("it needs addr and port".to_owned());
        }
        let member = Member::new(name, addr.unwrap_or(NOWHERE));
        let member = member.map_err(|error| match addr {
            Some(addr) => format!("{error} (at {})", quote(&shown(addr))),
            None => error.to_string(),
        })?;
        let event = match self {
            Self::Join => Event::MemberJoin(member),
            Self::Update => Event::MemberUpdate(member),
            Self::Leave => Event::MemberLeave(member),
            Self::Reap => Event::MemberReap(member),
            // Nobody knows where it was, so there is nothing to keep.
            Self::Failed if addr.is_none() && !recorder.is_alive(member.name()) => return Ok(()),
            Self::Failed => Event::MemberFailed(member),
        };
        recorder.record(event).map_err(|error| error.to_string())
    }
}

/// Of several members the good ones are recorded; this is the sentence about the others.
#[derive(Debug, Default)]
pub(crate) struct Refused(Vec<String>);

impl Refused {
    /// Takes note of what became of the member that stands at this place, from 0.
    pub(crate) fn note(&mut self, index: usize, name: &str, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            self.0.push(format!("member {} ({}): {why}", index + 1, quote(name)));
        }
    }

    pub(crate) fn outcome(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.join("; ")) }
    }
}

/// `host:port`, an IPv6 address in brackets, as the file has it.
pub(crate) fn host_port(addr: &str, port: u64) -> Vec<u8> {
    let bare_v6 = addr.contains(':') && !addr.starts_with('[');
    let addr = if bare_v6 { format!("[{addr}]:{port}") } else { format!("{addr}:{port}") };
    addr.into_bytes()
}

/// What a member or an operator wrote, short; whoever prints the message escapes it.
pub(crate) fn quote(text: &str) -> impl Display {
    cut(text, MAX_QUOTE).into_owned()
}

/// The parser's word, with the place in the line; it counts lines of its own, of which there is one.
pub(crate) fn why(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(&*said, |(what, _)| what);
    format!("byte {}: {what}", error.column())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes events down as they would stand in a file; `known` is alive, and so are those that are named.
    #[derive(Debug, Default)]
    pub(crate) struct Notes {
        pub(crate) events: Vec<String>,
        pub(crate) known: Vec<Vec<u8>>,
    }

    impl Recorder for Notes {
        fn record(&mut self, event: Event<'_>) -> Result<(), InvalidEvent> {
            snapshot_engine::Policy::default().admit(&event)?;
            let member = |what: &str, member: Member<'_>| {
                format!("{what} {} {}", member.name(), member.addr())
            };
            self.events.push(match event {
                Event::MemberJoin(of) => member("join", of),
                Event::MemberUpdate(of) => member("update", of),
                Event::MemberFailed(of) => member("failed", of),
                Event::MemberLeave(of) => member("leave", of),
                Event::MemberReap(of) => member("reap", of),
                Event::User(time) => format!("user {time}"),
                Event::Query(time) => format!("query {time}"),
                Event::Clock(time) => format!("clock {time}"),
                Event::Coordinate(of) => format!("coordinate {}", of.height()),
                Event::Leave => "leave".to_owned(),
                _ => unreachable!(),
            });
            Ok(())
        }

        fn is_alive(&self, name: Name<'_>) -> bool {
            name.as_bytes() == b"known" || self.known.iter().any(|known| known == name.as_bytes())
        }

        fn without(&self, holds: &dyn Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
            self.known.iter().filter(|name| !holds(name)).cloned().collect()
        }
    }

    /// What a line makes of itself: what was recorded, and what was wrong with it.
    pub(crate) fn check_line(
        record_line: impl Fn(&[u8], &mut Notes) -> Result<(), String>,
        line: &str,
        recorded: &[&str],
        complaint: &str,
    ) {
        let mut notes = Notes::default();
        let outcome = record_line(line.as_bytes(), &mut notes);
        assert_eq!(notes.events, recorded, "{line}");
        assert_eq!(outcome.err().as_deref().unwrap_or_default(), complaint, "{line}");
    }
}
