//! Replay: the lines of a file folded into a state.
//!
//! Two readers that share only [`State::apply`]: one does what Serf does, to the last byte; the other, the default,
//! believes less of a damaged file and recovers more of it.

use alloc::vec::Vec;

use snapshot_format::{Block, Line, ParseError, Problem, Record, Trust, Usual, salvage};

use crate::hardened::{BYTE_ORDER_MARK, is_lost, is_valid_node};
use crate::report::MAX_FINDINGS;
use crate::table::{Change, GROUP};
use crate::{Finding, FindingKind, Policy, Report, State};

/// Whose rules of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is Serf's reading and ours")]
pub enum Mode {
    /// Exactly what the Serf library recovers: the answer to "what would my agent do with this file?".
    Serf,
    /// Equal to it on every undamaged file; section 3 of `docs/FORMAT.md` says how it differs on damaged ones.
    Hardened,
}

/// Folds the lines of a file into a [`State`] and a [`Report`].
#[derive(Clone, Debug)]
pub struct Replay {
    pub(crate) mode: Mode,
    pub(crate) policy: Policy,
    pub(crate) state: State,
    report: Report,
    /// Where the bytes behind the last seal line begin, whether it holds or not.
    run_start: u64,
}

/// Records of the state with nothing odd about them, one behind the other.
#[derive(Clone, Copy, Default)]
struct Usuals {
    count: u64,
    /// Where the last one ends.
    end: u64,
    /// Whether a node became alive by one.
    alive: bool,
}

impl Replay {
    /// A replay at the start of a file.
    ///
    /// Of the policy it uses `rejoin_after_leave`, `max_clock`, `max_failed` and `identity`; for the seed see
    /// [`State::new`].
    #[must_use]
    pub fn new(mode: Mode, policy: &Policy, seed: u64) -> Self {
        // A rewritten file holds nodes of many moments, each of which was within the limit; its end is so again.
        let state = State::with_room(usize::MAX, seed);
        Self { mode, policy: policy.clone(), state, report: Report::default(), run_start: 0 }
    }

    /// Takes in the lines of a block, in order.
    pub fn block(&mut self, block: Block<'_>) {
        // Members are gathered, since many changes at once cost less than one after another; whatever looks at the state
        // finds them made.
        let mut members = Vec::with_capacity(GROUP);
        let mut usual = Usuals::default();
        for line in block.lines {
            match line.usual() {
                Some(Usual::Alive { name, addr }) => {
                    usual.alive = true;
                    members.push(self.state.alive.alive(name, addr));
                }
                Some(Usual::NotAlive { name }) => members.push(self.state.alive.gone(name)),
                Some(Usual::Clock(time)) if self.believes(time, block.trust) => {
                    self.state.clocks.clock = time;
                }
                Some(Usual::EventClock(time)) if self.believes(time, block.trust) => {
                    self.state.clocks.event_clock = time;
                }
                Some(Usual::QueryClock(time)) if self.believes(time, block.trust) => {
                    self.state.clocks.query_clock = time;
                }
                _ => {
                    if let Some(change) = self.rare(&line, block.trust) {
                        members.push(change);
                    } else {
                        self.state.change(&mut members);
                        self.count_usual(core::mem::take(&mut usual));
                        self.line(&line, block.trust);
                        continue;
                    }
                }
            }
            usual.count += 1;
            usual.end = line.offset + line.len + 1;
            if members.len() == GROUP {
                self.state.change(&mut members);
            }
        }
        self.state.change(&mut members);
        self.count_usual(usual);
    }

    /// What a line changes of the members that is not a usual one and has nothing odd about it.
    fn rare<'a>(&mut self, line: &Line<'a>, trust: Trust) -> Option<Change<'a>> {
        let record = line.record().ok().filter(|record| self.is_usual(record, trust))?;
        let change = self.state.member(&record)?;
        self.report.left &= !matches!(record, Record::Alive { .. });
        Some(change)
    }

    /// Takes in the next line; what was odd about it, if anything.
    ///
    /// Findings beyond the first [`MAX_FINDINGS`] are counted and returned, not kept.
    pub fn line(&mut self, line: &Line<'_>, trust: Trust) -> Option<Finding> {
        let parsed = line.record();
        if let Ok(record) = &parsed
            && self.is_usual(record, trust)
        {
            let (alive, end) = (matches!(record, Record::Alive { .. }), line.offset + line.len + 1);
            self.count_usual(Usuals { count: 1, end, alive });
            self.state.apply(record);
            return None;
        }
        self.take(line, parsed, trust)
    }

    /// Takes in a line that may be odd.
    fn take<'a>(
        &mut self,
        line: &Line<'a>,
        parsed: Result<Record<'a>, ParseError>,
        trust: Trust,
    ) -> Option<Finding> {
        self.report.lines += 1;
        self.report.bytes = line.offset + line.len + 1;
        self.count(line, &parsed, trust);
        let is_seal = matches!(parsed, Ok(Record::Seal(_)));
        let kind = match self.mode {
            Mode::Serf => self.serf(&parsed),
            Mode::Hardened => self.hardened(line, parsed, trust),
        };
        let mut finding = kind.map(|kind| Finding::new(kind, line));
        if is_seal {
            self.end_of_run(line, trust, finding.as_mut());
        }
        if let Some(finding) = &finding {
            self.report.findings_total += 1;
            if self.report.findings.len() < MAX_FINDINGS {
                self.report.findings.push(finding.clone());
            }
        }
        finding
    }

    /// The end of the file, with the bytes behind its last newline: never a record, whatever they look like.
    #[must_use]
    pub fn finish(mut self, torn: Option<Line<'_>>) -> (State, Report) {
        if let Some(torn) = torn {
            let end = torn.offset + torn.len;
            self.report.torn = Some(torn.offset..end);
            self.report.bytes = end;
            // The beginning of a record proves nothing: many a text ends in a letter that begins one.
            self.report.unrecognized += u64::from(!is_remainder(torn.bytes));
        }
        self.report.failed_dropped = self.state.failed.limit(self.policy.max_failed) as u64;
        (self.state, self.report)
    }

    /// The state so far.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// What Serf does: clocks and members are assigned, everything else is skipped.
    fn serf(&mut self, parsed: &Result<Record<'_>, ParseError>) -> Option<FindingKind> {
        match parsed {
            Ok(Record::Leave) if self.policy.rejoin_after_leave => None,
            // Serf knows `#` and nothing behind it.
            Ok(record) => {
                if !matches!(record, Record::Failed { .. }) {
                    self.state.apply(record);
                }
                None
            }
            Err(ParseError { problem: Problem::NotACoordinate, .. }) => None,
            Err(error) => Some(kind_of(error)),
        }
    }

    /// A seal line: the run before it is judged.
    fn end_of_run(&mut self, line: &Line<'_>, trust: Trust, finding: Option<&mut Finding>) {
        let end = line.offset + line.len + 1;
        match trust {
            Trust::Sealed(seal) => {
                self.report.seals += 1;
                self.report.sealed_until = end;
                self.report.first_seal.get_or_insert(seal.at);
                self.report.last_seal = Some(seal.at);
            }
            Trust::Damaged(_) => {
                self.report.damaged_seals += 1;
                // Everything that the seal should have covered is in question.
                if let Some(finding) = finding {
                    finding.offset = self.run_start;
                    finding.len = end - 1 - self.run_start;
                }
            }
            Trust::Unsealed => {}
        }
        self.run_start = end;
    }

    /// Keeps the books of records of the state with nothing odd about them.
    fn count_usual(&mut self, usual: Usuals) {
        let report = &mut self.report;
        report.lines += usual.count;
        report.bytes = report.bytes.max(usual.end);
        report.recognized += usual.count;
        report.records += usual.count;
        report.left &= !usual.alive;
    }

    /// Keeps the books that both readers share.
    fn count(&mut self, line: &Line<'_>, parsed: &Result<Record<'_>, ParseError>, trust: Trust) {
        let report = &mut self.report;
        let sealed = matches!(trust, Trust::Sealed(_));
        match parsed {
            Ok(Record::Comment(_) | Record::Extension(_)) => return,
            Ok(Record::Alive { .. }) => report.left = false,
            Ok(Record::Leave) => self.count_leave(line),
            Ok(Record::Format(format)) => {
                report.has_format_line = true;
                if sealed {
                    report.identity.format = Some(*format);
                }
            }
            Ok(Record::Cluster(id)) if sealed && !id.as_bytes().is_empty() => {
                report.identity.cluster = Some(id.as_bytes().into());
            }
            Ok(Record::Node(name)) if sealed && !name.as_bytes().is_empty() => {
                report.identity.node = Some(name.as_bytes().into());
            }
            Err(error) if matches!(error.problem, Problem::Unrecognized | Problem::TooLong) => {
                let hides = is_marked_record(line)
                    || salvage(line.bytes).any(|(_, record)| is_valid_node(&record));
                report.recognized += u64::from(hides);
                let lost = is_lost(line.bytes) && is_remainder(line.bytes);
                report.unrecognized += u64::from(!hides && !lost);
                return;
            }
            _ => {}
        }
        self.report.recognized += 1;
        self.report.records += u64::from(matches!(parsed, Ok(record) if is_of_the_state(record)));
    }

    pub(crate) fn count_leave(&mut self, line: &Line<'_>) {
        self.report.left = true;
        self.report.left_at = Some(line.number);
    }
}

/// What can begin a line that means something.
const KEYWORDS: [&[u8]; 8] = [
    b"alive: ",
    b"not-alive: ",
    b"clock: ",
    b"event-clock: ",
    b"query-clock: ",
    b"coordinate: ",
    b"leave",
    b"#@",
];

/// Whether this can be what is left of a record or a comment: where it was cut off, or where a block was lost. Where
/// nothing else is in a file it may be one of ours; beside other lines it proves nothing.
fn is_remainder(bytes: &[u8]) -> bool {
    let lost_from = bytes.iter().position(|&byte| byte == 0).filter(|_| is_lost(bytes));
    let head = &bytes[..lost_from.unwrap_or(bytes.len())];
    // Behind `leave` nothing follows.
    let begins =
        |word: &&[u8]| word.starts_with(head) || (head.starts_with(word) && word != b"leave");
    head.starts_with(b"#") || KEYWORDS.iter().any(begins)
}

/// Whether this is a first line that a byte order mark alone keeps from being a record.
fn is_marked_record(line: &Line<'_>) -> bool {
    let marked = if line.number == 1 { line.bytes.strip_prefix(BYTE_ORDER_MARK) } else { None };
    let trimmed = marked.map(|bytes| bytes.strip_suffix(b"\r").unwrap_or(bytes));
    trimmed.is_some_and(|bytes| match Record::parse(bytes) {
        Ok(record) => !matches!(record, Record::Comment(_)),
        Err(error) => error.problem != Problem::Unrecognized,
    })
}

/// Serf's own records; extensions are counted with the comments that they are to Serf.
const fn is_of_the_state(record: &Record<'_>) -> bool {
    matches!(
        record,
        Record::Alive { .. }
            | Record::NotAlive { .. }
            | Record::Clock(_)
            | Record::EventClock(_)
            | Record::QueryClock(_)
            | Record::Coordinate(_)
            | Record::Leave
    )
}

pub(crate) const fn kind_of(error: &ParseError) -> FindingKind {
    match error.problem {
        Problem::MissingAddress => FindingKind::MissingAddress,
        Problem::NotANumber | Problem::NumberTooLarge => FindingKind::InvalidClock,
        Problem::NotACoordinate => FindingKind::InvalidCoordinate,
        Problem::TooLong => FindingKind::LineTooLong,
        _ => FindingKind::Unrecognized,
    }
}
