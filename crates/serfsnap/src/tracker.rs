//! What each line of a file changes.

use snapshot_engine::{Finding, FindingKind, Replay, State};
use snapshot_format::{Addr, Line, Name, Record, Trust, UnixMillis, salvage};

use crate::args::Rules;
use crate::reading::random_seed;
use crate::standing::{Change, Standing};

/// A replay that tells what every line does to the nodes.
///
/// It asks the state before and after, so it says what the reader does and knows no rule of reading itself.
pub(crate) struct Tracker {
    replay: Replay,
    /// How the node of the last line stood before it.
    before: Option<Stood>,
}

/// What a line did.
#[derive(Clone, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) happened: Option<Happened<'a>>,
    pub(crate) finding: Option<Finding>,
}

/// What happened to the nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happened<'a> {
    /// One of them stands otherwise.
    Node(Change<'a>),
    /// The owner left; so many alive nodes are forgotten, none where it rejoins.
    Left { forgotten: u64 },
}

/// A standing that outlives the state it was seen in.
struct Stood {
    addr: Vec<u8>,
    failed_at: Option<UnixMillis>,
}

impl Tracker {
    pub(crate) fn new(rules: Rules) -> Self {
        let replay = Replay::new(rules.reader.mode(), &rules.policy(), random_seed());
        Self { replay, before: None }
    }

    pub(crate) const fn state(&self) -> &State {
        self.replay.state()
    }

    /// Takes in the next line.
    pub(crate) fn line<'a>(&'a mut self, line: &Line<'a>, trust: Trust) -> Step<'a> {
        let parsed = line.record().ok();
        let clock = matches!(
            parsed,
            Some(
                Record::Clock(_) | Record::EventClock(_) | Record::QueryClock(_) | Record::Seal(_)
            )
        );
        let names = if clock { Vec::new() } else { concerned(line, parsed) };
        let state = self.replay.state();
        let alive = state.len() as u64;
        let before: Vec<_> =
            names.iter().map(|name| Standing::of(state, *name).map(Stood::from)).collect();
        let finding = self.replay.line(line, trust);
        let left = matches!(parsed, Some(Record::Leave)) || is_odd_leave(line, finding.as_ref());
        let state = self.replay.state();
        if left {
            let forgotten = alive.saturating_sub(state.len() as u64);
            return Step { happened: Some(Happened::Left { forgotten }), finding };
        }
        for (name, before) in names.into_iter().zip(before) {
            let after = Standing::of(state, name);
            if before.as_ref().and_then(Stood::standing) != after {
                self.before = before;
                let before = self.before.as_ref().and_then(Stood::standing);
                let change = Change { name, before, after };
                return Step { happened: Some(Happened::Node(change)), finding };
            }
        }
        Step { happened: None, finding }
    }
}

impl Stood {
    fn standing(&self) -> Option<Standing<'_>> {
        // It came from an address.
        let addr = Addr::new(&self.addr).ok()?;
        Some(self.failed_at.map_or(Standing::Alive(addr), |at| Standing::Failed(addr, at)))
    }
}

impl From<Standing<'_>> for Stood {
    fn from(standing: Standing<'_>) -> Self {
        Self { addr: standing.addr().as_bytes().to_vec(), failed_at: standing.failed_at() }
    }
}

/// The nodes that a line may be about: it can do something to one of them at most.
fn concerned<'a>(line: &Line<'a>, parsed: Option<Record<'a>>) -> Vec<Name<'a>> {
    let trimmed = line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes);
    let unmarked = trimmed.strip_prefix(b"\xef\xbb\xbf".as_slice()).filter(|_| line.number == 1);
    let odd = [Some(trimmed).filter(|_| trimmed.len() < line.bytes.len()), unmarked];
    let hidden = salvage(line.bytes).map(|(_, record)| record);
    let read = odd.into_iter().flatten().filter_map(|bytes| Record::parse(bytes).ok());
    parsed.into_iter().chain(read).chain(hidden).filter_map(|record| name(&record)).collect()
}

fn name<'a>(record: &Record<'a>) -> Option<Name<'a>> {
    match *record {
        Record::Alive { name, .. } | Record::NotAlive { name } | Record::Failed { name, .. } => {
            Some(name)
        }
        _ => None,
    }
}

/// Whether this is a `leave` that an editor has marked, and that was read all the same.
fn is_odd_leave(line: &Line<'_>, finding: Option<&Finding>) -> bool {
    let forgiven = finding.is_some_and(|finding| {
        matches!(finding.kind, FindingKind::CarriageReturn | FindingKind::ByteOrderMark)
    });
    forgiven && line.bytes.trim_ascii_end().ends_with(b"leave") && line.bytes.len() <= LONGEST_LEAVE
}

const LONGEST_LEAVE: usize = "\u{feff}leave\r".len();

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use snapshot_format::Lines;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        rules: Rules,
    }

    /// What happened, and that the tracker's state is what it told.
    fn check(options: &str, file: &str, expect: &[&str]) {
        let rules = Options::parse_from(["x"].into_iter().chain(options.split_whitespace())).rules;
        let mut tracker = Tracker::new(rules);
        let mut told = std::collections::BTreeMap::new();
        let mut found = Vec::new();
        for line in Lines::new(file.as_bytes()) {
            match tracker.line(&line, Trust::Unsealed).happened {
                None => {}
                Some(Happened::Left { forgotten }) => {
                    if !rules.rejoins() {
                        told.clear();
                    }
                    found.push(format!("left {forgotten}"));
                }
                Some(Happened::Node(change)) => {
                    let addr = change.addr().map(|addr| addr.to_string()).unwrap_or_default();
                    found.push(format!("{} {} {addr}", change.turn().as_str(), change.name));
                    match change.after {
                        Some(Standing::Alive(_)) => told.insert(change.name.to_string(), addr),
                        _ => told.remove(&change.name.to_string()),
                    };
                }
            }
        }
        assert_eq!(found, expect, "{options} {file:?}");
        let alive = tracker.state().alive();
        let alive: std::collections::BTreeMap<_, _> =
            alive.map(|(name, addr)| (name.to_string(), addr.to_string())).collect();
        assert_eq!(alive, told, "{options} {file:?}");
    }

    #[test]
    fn what_each_line_does() {
        check("", "alive: a h:1\nalive: a h:1\nclock: 1\n# x\n", &["alive a h:1"]);
        check("", "alive: a h:1\nalive: a h:2\n", &["alive a h:1", "moved a h:2"]);
        let failed = "alive: a h:1\nnot-alive: a\n#@failed: a h:1 5\nalive: a h:1\nnot-alive: b\n";
        check("", failed, &["alive a h:1", "not-alive a h:1", "failed a h:1", "alive a h:1"]);
        check("--as serf", failed, &["alive a h:1", "not-alive a h:1", "alive a h:1"]);
        let left = "alive: a h:1\nleave\nalive: b h:1\n";
        check("", left, &["alive a h:1", "left 1", "alive b h:1"]);
        check("--as nomad", left, &["alive a h:1", "left 0", "alive b h:1"]);
    }

    #[test]
    fn odd_lines_are_told_as_they_are_read() {
        let glued = "alive: a h:1\nalive: b 127.alive: c h:3\n";
        check("", glued, &["alive a h:1", "alive c h:3"]);
        check("--as serf", glued, &["alive a h:1", "alive b 127.alive: c h:3"]);
        let edited = "\u{feff}alive: a h:1\r\nnot-alive: a\r\nalive: c h:1\r\nleave\r\n";
        check("", edited, &["alive a h:1", "not-alive a h:1", "alive c h:1", "left 1"]);
        check("--as serf", edited, &["alive c h:1\\r"]);
        check("", "\u{feff}leave\n", &["left 0"]);
        check(
            "--as serf",
            "alive: b x\0\0\0\0\0\0\0\0alive: b h:1\n",
            &["alive b x\\u{0}\\u{0}\\u{0}\\u{0}\\u{0}\\u{0}\\u{0}\\u{0}alive: b h:1"],
        );
    }
}
