//! What happened in a file, line by line, as far as a page can show it.

use std::collections::HashMap;
use std::ffi::OsStr;

use snapshot_engine::{FindingKind, Replay, Report, State};
use snapshot_format::{Block, Line, Record, Trust};

use crate::args::Rules;
use crate::failure::Failure;
use crate::input::Input;
use crate::outlook::Outlook;
use crate::reading::{Reading, for_each_block, random_seed};
use crate::report::samples::{Point, Samples, Spread};

/// A file and its past.
pub(super) struct Chronicle {
    pub(super) state: State,
    pub(super) report: Report,
    /// Whom the owner would try, in a sentence.
    pub(super) outlook: String,
    /// How many that are.
    pub(super) candidates: u64,
    pub(super) points: Vec<Point>,
    pub(super) bytes: Bytes,
    /// Every node that the file names as its lines went on.
    pub(super) nodes: HashMap<Box<[u8]>, Past>,
}

/// What became of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    /// How often it came, and how often it went.
    pub(super) joins: u32,
    pub(super) losses: u32,
    is_alive: bool,
    /// The last line about it, and when that was written.
    pub(super) line: u64,
    pub(super) at_ms: Option<u64>,
    /// Where its last `alive` and `#@failed` lines stand.
    alive_at: (u64, u64),
    failed_at: (u64, u64),
}

/// Where the bytes of each kind are.
pub(super) struct Bytes {
    /// Lines that the state rests on.
    pub(super) live: Spread,
    /// Seals, identity and people's comments.
    pub(super) frame: Spread,
    /// All of them.
    pub(super) all: Spread,
    /// Those of which there is a finding.
    pub(super) damaged: Spread,
}

impl Chronicle {
    /// Reads FILE to its end.
    pub(super) fn read(path: &OsStr, rules: Rules) -> Result<Self, Failure> {
        let mut input = Input::open(path, rules.reader)?;
        let mut reader = Reader::new(rules);
        let decoder = for_each_block(&mut input, |block| {
            reader.block(block);
            Ok(())
        })?;
        let torn = decoder.torn();
        if let Some(torn) = &torn {
            reader.bytes.all.add(torn.offset, torn.len);
        }
        let (state, report) = reader.replay.finish(torn);
        let rejoining = reader.rejoining.map(|replay| replay.finish(torn).0);
        let reading = Reading { state, report, rejoining };
        let outlook = Outlook::new(path, rules, &reading);
        let (candidates, outlook) = (outlook.candidates(), outlook.sentence());
        let Reading { state, report, .. } = reading;
        let mut bytes = reader.bytes;
        add_live(&mut bytes, &state, &reader.nodes, &reader.last);
        let (points, nodes) = (reader.samples.finish(), reader.nodes);
        Ok(Self { state, report, outlook, candidates, points, bytes, nodes })
    }
}

struct Reader {
    replay: Replay,
    /// What those recover who rejoin after a leave, from the first one on.
    rejoining: Option<Replay>,
    rejoins: bool,
    samples: Samples,
    bytes: Bytes,
    nodes: HashMap<Box<[u8]>, Past>,
    /// Where the last line of each clock and the last coordinate stand.
    last: [(u64, u64); 4],
}

impl Reader {
    fn new(rules: Rules) -> Self {
        let bytes = Bytes {
            live: Spread::new(),
            frame: Spread::new(),
            all: Spread::new(),
            damaged: Spread::new(),
        };
        Self {
            replay: Replay::new(rules.reader.mode(), &rules.policy(), random_seed()),
            rejoining: None,
            rejoins: rules.rejoins(),
            samples: Samples::new(),
            bytes,
            nodes: HashMap::new(),
            last: [(0, 0); 4],
        }
    }

    fn block(&mut self, block: Block<'_>) {
        let at_ms = match block.trust {
            Trust::Sealed(seal) => Some(seal.at.0),
            _ => None,
        };
        for line in block.lines {
            let leaves = matches!(line.bytes, b"leave" | b"leave\r");
            if leaves && !self.rejoins && self.rejoining.is_none() {
                self.rejoining = Some(self.replay.clone());
            }
            if let Some(rejoining) = self.rejoining.as_mut().filter(|_| !leaves) {
                rejoining.line(&line, block.trust);
            }
            let finding = self.replay.line(&line, block.trust);
            let span = (line.offset, line.len + 1);
            self.bytes.all.add(span.0, span.1);
            if let Some(finding) = finding {
                // Of a seal that does not hold all that it covers is in doubt.
                let len =
                    if finding.kind == FindingKind::LineTooLong { line.len } else { finding.len };
                self.bytes.damaged.add(finding.offset, len + 1);
            }
            self.note(&line, span, at_ms);
            self.sample(&line, at_ms);
        }
    }

    fn note(&mut self, line: &Line<'_>, span: (u64, u64), at_ms: Option<u64>) {
        match line.record() {
            Ok(Record::Alive { name, .. }) => {
                self.note_past(name.as_bytes(), line, at_ms, |past| {
                    past.joins += u32::from(!past.is_alive);
                    past.is_alive = true;
                    past.alive_at = span;
                });
            }
            Ok(Record::NotAlive { name }) => {
                self.note_past(name.as_bytes(), line, at_ms, |past| {
                    past.losses += u32::from(past.is_alive);
                    past.is_alive = false;
                });
            }
            Ok(Record::Failed { name, .. }) => {
                self.note_past(name.as_bytes(), line, at_ms, |past| past.failed_at = span);
            }
            Ok(Record::Clock(_)) => self.last[0] = span,
            Ok(Record::EventClock(_)) => self.last[1] = span,
            Ok(Record::QueryClock(_)) => self.last[2] = span,
            Ok(Record::Coordinate(_)) => self.last[3] = span,
            Ok(_) if line.bytes.starts_with(b"#") => self.bytes.frame.add(span.0, span.1),
            _ => {}
        }
    }

    /// What is known of a node that this line is about.
    fn note_past(
        &mut self,
        name: &[u8],
        line: &Line<'_>,
        at_ms: Option<u64>,
        note: impl FnOnce(&mut Past),
    ) {
        let take = |past: &mut Past| {
            (past.line, past.at_ms) = (line.number, at_ms);
            note(past);
        };
        // Most are there already, and need no copy of their name.
        if let Some(past) = self.nodes.get_mut(name) {
            return take(past);
        }
        let mut past = Past::default();
        take(&mut past);
        self.nodes.insert(name.into(), past);
    }

    fn sample(&mut self, line: &Line<'_>, at_ms: Option<u64>) {
        let state = self.replay.state();
        let (alive, failed) = (state.len() as u64, state.failed_len() as u64);
        let clocks = state.clocks();
        let clocks = [clocks.clock.0, clocks.event_clock.0, clocks.query_clock.0];
        self.samples.add(Point { line: line.number, at_ms, alive, fewest: alive, failed, clocks });
    }
}

/// The lines that the state rests on.
fn add_live(
    bytes: &mut Bytes,
    state: &State,
    nodes: &HashMap<Box<[u8]>, Past>,
    last: &[(u64, u64); 4],
) {
    let alive = state.alive().filter_map(|(name, _)| Some(nodes.get(name.as_bytes())?.alive_at));
    let failed =
        state.failed().filter_map(|(name, ..)| Some(nodes.get(name.as_bytes())?.failed_at));
    for (offset, len) in alive.chain(failed).chain(last.iter().copied()) {
        bytes.live.add(offset, len);
    }
    let end = bytes.all.bars.len() as u64 * bytes.all.step;
    for spread in [&mut bytes.live, &mut bytes.frame, &mut bytes.damaged] {
        spread.reach(end);
    }
}
