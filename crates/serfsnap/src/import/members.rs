//! What the records of a `serf` crate's snapshot say together, and the document that says the same.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use snapshot_engine::{Document, DocumentReader, MAX_FINDINGS, Member, Mode, Policy};
use snapshot_format::{Addr, LamportTime, Name, Record as Line};

use crate::args::policy;
use crate::import::records::{Node, Record};
use crate::reading::random_seed;
use crate::show::{cut, shown};

/// How much of a name a finding quotes, in columns.
const QUOTE: usize = 40;
/// How many nodes with several addresses are named; the rest is counted.
const MAX_NAMED: usize = 3;

/// What the records up to here say.
///
/// Two settings read two things behind a `leave`, as with Serf's own file: whoever rejoins after a leave ignores it.
pub(super) struct Members {
    /// What an owner who rejoins after a leave would recover.
    rejoining: Seen,
    /// What another one would, where there was a `leave`.
    leaving: Option<Seen>,
    policy: Policy,
    /// Where the last `leave` stands.
    pub(super) left_at: Option<u64>,
    pub(super) records: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) findings_total: u64,
}

/// A whole record that was not taken over, or how the file ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) kind: &'static str,
    pub(super) meaning: String,
}

/// Who is alive, and the clocks.
///
/// The crate knows a node by its name and its address together: whoever comes back somewhere else is there twice until
/// it is taken out in both places.
#[derive(Default)]
struct Seen {
    /// With the number of the record that came last.
    nodes: HashMap<(Box<[u8]>, SocketAddr), u64>,
    /// In the order of their records; none where none was told.
    clocks: [Option<LamportTime>; 3],
}

impl Members {
    pub(super) fn new() -> Self {
        Self {
            rejoining: Seen::default(),
            leaving: None,
            policy: policy(false),
            left_at: None,
            records: 0,
            findings: Vec::new(),
            findings_total: 0,
        }
    }

    /// Takes in a record of so many bytes.
    pub(super) fn record(&mut self, offset: u64, len: usize, record: &Record<'_>) {
        self.records += 1;
        let refusal = match record {
            Record::Leave => {
                self.left_at = Some(offset);
                self.leaving = Some(Seen::default());
                None
            }
            Record::Alive(node) => self.alive(node),
            Record::NotAlive(Node { name, addr }) => {
                let key = (Box::from(*name), *addr);
                self.each(|seen| _ = seen.nodes.remove(&key));
                None
            }
            Record::Clock(time) => self.clock(0, *time),
            Record::EventClock(time) => self.clock(1, *time),
            Record::QueryClock(time) => self.clock(2, *time),
            Record::Coordinate | Record::Comment => None,
        };
        if let Some((kind, meaning)) = refusal {
            self.find(Finding { offset, len: len as u64, kind, meaning });
        }
    }

    /// Keeps the first findings and counts all.
    pub(super) fn find(&mut self, finding: Finding) {
        self.findings_total += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// The first names that stand with several addresses, each with the one that is taken over, and how many addresses
    /// are left out.
    pub(super) fn moved(&self) -> (Vec<(String, SocketAddr)>, usize) {
        let taken = self.rejoining.by_name();
        let left_out = self.rejoining.nodes.len() - taken.len();
        let older = self.rejoining.nodes.keys();
        let mut names: Vec<_> = older
            .filter(|(name, addr)| taken.get(&**name).is_some_and(|(_, taken)| taken != addr))
            .map(|(name, _)| &**name)
            .collect();
        names.sort_unstable();
        names.dedup();
        let first = names.into_iter().take(MAX_NAMED);
        (
            first.map(|name| (cut(&shown(name), QUOTE).into_owned(), taken[name].1)).collect(),
            left_out,
        )
    }

    /// The same as a document of ours.
    pub(super) fn document(&self) -> io::Result<Document> {
        let mut text = Vec::new();
        self.rejoining.write(&mut text);
        if let Some(leaving) = &self.leaving {
            Line::Leave.encode(&mut text);
            leaving.write(&mut text);
        }
        let reader = DocumentReader::new(Mode::Hardened, &self.policy, random_seed());
        snapshot_io::read_document(&*text, reader).map(|(document, _)| document)
    }

    fn alive(&mut self, node: &Node<'_>) -> Option<(&'static str, String)> {
        let Node { name, addr } = *node;
        if let Err(why) = Member::new(name, addr.to_string().as_bytes()) {
            let name = shown(name);
            return Some(("invalid-member", format!("{} at {addr}: {why}", cut(&name, QUOTE))));
        }
        let (key, number) = ((Box::from(name), addr), self.records);
        self.each(|seen| _ = seen.nodes.insert(key.clone(), number));
        None
    }

    fn clock(&mut self, which: usize, time: u64) -> Option<(&'static str, String)> {
        let most = self.policy.max_clock.0;
        if time > most {
            let why: &dyn Display =
                &format_args!("{time} is beyond {most}; the clock keeps its value");
            return Some(("clock-too-high", why.to_string()));
        }
        self.each(|seen| seen.clocks[which] = Some(LamportTime(time)));
        None
    }

    fn each(&mut self, change: impl Fn(&mut Seen)) {
        change(&mut self.rejoining);
        self.leaving.as_mut().into_iter().for_each(change);
    }
}

impl Seen {
    /// Each name with the address that it was alive at last.
    fn by_name(&self) -> BTreeMap<&[u8], (u64, SocketAddr)> {
        let mut by_name = BTreeMap::new();
        for ((name, addr), &number) in &self.nodes {
            let newest = by_name.entry(&**name).or_insert((number, *addr));
            if number > newest.0 {
                *newest = (number, *addr);
            }
        }
        by_name
    }

    /// As lines of text. `Member` has seen all names, so each of these is read as it is meant.
    fn write(&self, text: &mut Vec<u8>) {
        for (name, (_, addr)) in self.by_name() {
            let addr = addr.to_string();
            if let (Ok(name), Ok(addr)) = (Name::new(name), Addr::new(addr.as_bytes())) {
                Line::Alive { name, addr }.encode(text);
            }
        }
        // A line behind a `leave` counts for both readings, so one that nobody told would put a clock back.
        let [clock, event, query] = self.clocks;
        let lines =
            [clock.map(Line::Clock), event.map(Line::EventClock), query.map(Line::QueryClock)];
        lines.iter().flatten().for_each(|line| line.encode(text));
    }
}

#[cfg(test)]
mod tests;
