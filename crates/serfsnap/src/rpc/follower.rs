//! What an agent says becomes records.

use std::borrow::Cow;
use std::collections::HashSet;

use snapshot_engine::{Event, InvalidEvent, LamportTime};

use super::conversation::Heard;
use super::message::{Clocks, Member};
use crate::member::{Change, Recorder, Refused};
use crate::roster::{self, Listed, Status};
use crate::show::shown;

/// How many bytes of names may be remembered while a list is under way; a list that is so old is not believed.
const MAX_NEWER: usize = 8 * 1024 * 1024;

/// What is known of the agent over all connections.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    /// Its name, once it was told.
    node: Vec<u8>,
    /// It has left its cluster on purpose, and was not seen alive since.
    left: bool,
    newer: Newer,
}

/// The members of whom something was told since the list was asked for, which may have been made before that.
#[derive(Debug, Default)]
struct Newer {
    names: HashSet<Vec<u8>>,
    bytes: usize,
}

impl Follower {
    /// A new connection: nothing is under way.
    pub(crate) fn connected(&mut self) {
        self.newer = Newer::default();
    }

    /// Whether this tells that the agent is back in a cluster after it has left one: its log begins again.
    pub(crate) fn is_back(&self, heard: &Heard<'_>) -> bool {
        let alive = |member: &Member<'_>| member.name.0 == self.node && member.status.0 == b"alive";
        self.left && matches!(heard, Heard::Members(list) if list.iter().any(alive))
    }

    /// The agent's log has begun again.
    pub(crate) fn came_back(&mut self) {
        self.left = false;
    }

    /// The agent's name while it is worth asking how it is: it says that it leaves earlier than it tells the event, and
    /// may be gone by then. Regular expressions are for text alone.
    pub(crate) fn own(&self) -> Option<&str> {
        str::from_utf8(&self.node).ok().filter(|name| !name.is_empty() && !self.left)
    }

    /// Records it; an error is what of it cannot be recorded. `awaits_list`: a list has been asked for and not come.
    pub(crate) fn take(
        &mut self,
        heard: Heard<'_>,
        awaits_list: bool,
        recorder: &mut impl Recorder,
    ) -> Result<(), String> {
        let outcome = match heard {
            Heard::Changed(change, members) => {
                if awaits_list {
                    for member in &members {
                        self.newer.add(member.name.0);
                    }
                }
                return self.change(change, &members, recorder);
            }
            Heard::Members(members) => {
                let newer = std::mem::take(&mut self.newer);
                return if newer.bytes > MAX_NEWER {
                    Ok(())
                } else {
                    list(&members, &newer.names, recorder)
                };
            }
            Heard::Own(members) => {
                let leaves = |member: &Member<'_>| {
                    member.name.0 == self.node && matches!(member.status.0, b"leaving" | b"left")
                };
                if members.iter().any(leaves) { self.leave(recorder) } else { Ok(()) }
            }
            Heard::Clocks(clocks) => {
                if self.node != clocks.node {
                    self.node = clocks.node.to_vec();
                }
                record_clocks(clocks, recorder)
            }
            Heard::User(time) => recorder.record(Event::User(LamportTime(time))),
            Heard::Query(time) => recorder.record(Event::Query(LamportTime(time))),
            Heard::Subscribed | Heard::Other => Ok(()),
        };
        outcome.map_err(|error| error.to_string())
    }

    fn change(
        &mut self,
        change: Change,
        members: &[Member<'_>],
        recorder: &mut impl Recorder,
    ) -> Result<(), String> {
        let mut refused = Refused::default();
        for (index, member) in members.iter().enumerate() {
            let name = member.name.0;
            let outcome = if change == Change::Leave && name == self.node {
                self.leave(recorder).map_err(|error| error.to_string())
            } else {
                change.record(name, member.host_port().as_deref(), recorder)
            };
            refused.note(index, &shown(name), outcome);
        }
        refused.outcome()
    }

    /// The agent leaves its cluster on purpose.
    fn leave(&mut self, recorder: &mut impl Recorder) -> Result<(), InvalidEvent> {
        if std::mem::replace(&mut self.left, true) {
            return Ok(());
        }
        recorder.record(Event::Leave)
    }
}

impl Newer {
    fn add(&mut self, name: &[u8]) {
        if self.bytes <= MAX_NEWER && self.names.insert(name.to_vec()) {
            self.bytes += size_of::<Vec<u8>>() + name.len();
        }
    }
}

fn list(
    members: &[Member<'_>],
    newer: &HashSet<Vec<u8>>,
    recorder: &mut impl Recorder,
) -> Result<(), String> {
    let listed = |member: &Member<'_>| Listed {
        name: Cow::Owned(member.name.0.to_vec()),
        addr: member.host_port(),
        status: Status::parse(&String::from_utf8_lossy(member.status.0)),
    };
    let list: Vec<_> = members.iter().map(listed).collect();
    roster::record_list(&list, newer, recorder)
}

/// The clocks of events and queries stand one behind the last that was handled.
fn record_clocks(clocks: Clocks<'_>, recorder: &mut impl Recorder) -> Result<(), InvalidEvent> {
    let last = |time: u64| LamportTime(time.saturating_sub(1));
    recorder.record(Event::Clock(LamportTime(clocks.member)))?;
    recorder.record(Event::User(last(clocks.event)))?;
    recorder.record(Event::Query(last(clocks.query)))
}
