//! Replay: the lines of a file folded into a state.
//!
//! Two readers that share only [`State::apply`]: one does what Serf does, to the last byte; the other, the default,
//! believes less of a damaged file and recovers more of it.

use alloc::vec::Vec;

use snapshot_format::{
    Addr, Block, FORMAT, Line, MAX_NAME, Name, ParseError, Problem, Record, SealFault, Trust,
    salvage,
};

use crate::report::MAX_FINDINGS;
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
    mode: Mode,
    policy: Policy,
    state: State,
    report: Report,
    /// Where the bytes behind the last seal line begin, whether it holds or not.
    run_start: u64,
}

/// How many lines are looked at together: enough to keep the memory busy, few enough to stay in the nearest cache.
const GROUP: usize = crate::table::WARM;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Replay {
    /// A replay at the start of a file.
    ///
    /// Of the policy it uses `rejoin_after_leave`, `max_clock`, `max_failed` and `identity`; for the seed see
    /// [`State::new`].
    #[must_use]
    pub fn new(mode: Mode, policy: &Policy, seed: u64) -> Self {
        // A rewritten file holds nodes of two moments, each of which is within the limit.
        let state = State::with_room(policy.max_failed.saturating_mul(2), seed);
        Self { mode, policy: policy.clone(), state, report: Report::default(), run_start: 0 }
    }

    /// Takes in the lines of a block, in order.
    pub fn block(&mut self, block: Block<'_>) {
        // A group at a time: the nodes that its lines name are looked up together, so that the memory they stand in
        // is fetched in parallel and not one cache miss after another. Then the lines are taken in order.
        let mut lines = block.lines;
        let mut group = Vec::with_capacity(GROUP);
        loop {
            group.extend(lines.by_ref().take(GROUP).map(|line| (line, line.record())));
            if group.is_empty() {
                return;
            }
            self.state.alive.warm(group.iter().filter_map(|(_, parsed)| match parsed {
                Ok(Record::Alive { name, .. } | Record::NotAlive { name }) => Some(name.as_bytes()),
                _ => None,
            }));
            for (line, parsed) in group.drain(..) {
                self.take(&line, parsed, block.trust);
            }
        }
    }

    /// Takes in the next line; what was odd about it, if anything.
    ///
    /// Findings beyond the first [`MAX_FINDINGS`] are counted and returned, not kept.
    pub fn line(&mut self, line: &Line<'_>, trust: Trust) -> Option<Finding> {
        self.take(line, line.record(), trust)
    }

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
            let begins = KEYWORDS
                .iter()
                .any(|word| word.starts_with(torn.bytes) || torn.bytes.starts_with(word));
            self.report.recognized += u64::from(begins);
            let neutral = torn.bytes.starts_with(b"#") || has_nul_run(torn.bytes);
            self.report.unrecognized += u64::from(!begins && !neutral);
        }
        self.state.failed.limit(self.policy.max_failed);
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

    /// Section 3 of `docs/FORMAT.md`.
    fn hardened<'a>(
        &mut self,
        whole: &Line<'a>,
        mut parsed: Result<Record<'a>, ParseError>,
        trust: Trust,
    ) -> Option<FindingKind> {
        let mut bytes = whole.bytes;
        let mut oddity = None;
        let unsealed = !matches!(trust, Trust::Sealed(_));
        if whole.number == 1 && parsed.is_err() && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes = &bytes[BYTE_ORDER_MARK.len()..];
            parsed = Line { bytes, ..*whole }.record();
            oddity = Some(FindingKind::ByteOrderMark);
        }
        if unsealed && self.ends_in_carriage_return(bytes, &parsed) {
            bytes = &bytes[..bytes.len() - 1];
            parsed = Record::parse(bytes);
            oddity = Some(FindingKind::CarriageReturn);
        }
        // Only a line that is no record, or a membership line with a colon in its name, may hide another one.
        let may_hide = match &parsed {
            Err(_) => true,
            Ok(Record::Alive { name, .. }) => name.as_bytes().contains(&b':'),
            Ok(_) => false,
        };
        if unsealed
            && may_hide
            && let Some(kind) = self.salvage(bytes)
        {
            return Some(kind);
        }
        match parsed {
            Ok(record) => self.believe(&record, trust).or(oddity),
            Err(error) if error.problem == Problem::Unrecognized && has_nul_run(bytes) => {
                Some(FindingKind::NulRun)
            }
            Err(error) => Some(kind_of(&error)),
        }
    }

    /// Whether the line ends in a carriage return and is not valid with it.
    fn ends_in_carriage_return(
        &self,
        bytes: &[u8],
        parsed: &Result<Record<'_>, ParseError>,
    ) -> bool {
        let Some(trimmed) = bytes.strip_suffix(b"\r") else { return false };
        let known =
            |name: Name<'_>| self.state.addr_of(name).is_some() || self.state.failed.contains(name);
        match parsed {
            Err(error) => error.problem != Problem::TooLong,
            Ok(Record::Alive { addr, .. }) => !addr.is_dialable(),
            // A name may end in a carriage return: the node that exists is meant.
            Ok(Record::NotAlive { name }) => {
                let trimmed = Record::parse(trimmed);
                !known(*name) && matches!(trimmed, Ok(Record::NotAlive { name }) if known(name))
            }
            Ok(Record::Extension(_)) => true,
            _ => false,
        }
    }

    /// Takes a node from inside a damaged line; it never replaces one that is known, since names are chosen by
    /// members, some of them hostile.
    fn salvage(&mut self, bytes: &[u8]) -> Option<FindingKind> {
        let valid = |record: &Record<'_>| matches!(record, Record::Alive { name, addr } if check_node(*name, *addr).is_none());
        let record = salvage(bytes).map(|(_, record)| record).find(valid)?;
        let Record::Alive { name, .. } = record else { return None };
        if self.state.addr_of(name).is_some() {
            return Some(FindingKind::Glued);
        }
        self.state.apply(&record);
        Some(FindingKind::Salvaged)
    }

    /// Applies a record that parses, where its values can be believed.
    fn believe(&mut self, record: &Record<'_>, trust: Trust) -> Option<FindingKind> {
        let refused = match *record {
            Record::Alive { name, addr } | Record::Failed { name, addr, .. } => {
                check_node(name, addr)
            }
            Record::Clock(time) | Record::EventClock(time) | Record::QueryClock(time) => {
                let damaged =
                    matches!(trust, Trust::Damaged(_)).then_some(FindingKind::ClockInDamage);
                damaged.or((time > self.policy.max_clock).then_some(FindingKind::ClockTooHigh))
            }
            Record::Leave if self.policy.rejoin_after_leave => return None,
            Record::Seal(_) => match trust {
                Trust::Damaged(SealFault::Length) => Some(FindingKind::SealLength),
                Trust::Damaged(SealFault::Checksum) => Some(FindingKind::SealMismatch),
                Trust::Sealed(_) | Trust::Unsealed => None,
            },
            Record::Extension(_) => Some(FindingKind::UnknownExtension),
            Record::Format(_) | Record::Cluster(_) | Record::Node(_)
                if matches!(trust, Trust::Sealed(_)) =>
            {
                self.check_identity(record)
            }
            _ => None,
        };
        if refused.is_none() {
            self.state.apply(record);
        }
        refused
    }

    fn check_identity(&self, record: &Record<'_>) -> Option<FindingKind> {
        let (cluster, node) = (self.policy.identity.cluster(), self.policy.identity.node());
        match *record {
            Record::Format(format) if format > FORMAT => Some(FindingKind::NewerFormat),
            Record::Cluster(id)
                if !id.as_bytes().is_empty() && cluster.is_some_and(|own| own != id) =>
            {
                Some(FindingKind::ForeignCluster)
            }
            Record::Node(name)
                if !name.as_bytes().is_empty() && node.is_some_and(|own| own != name) =>
            {
                Some(FindingKind::OtherNode)
            }
            _ => None,
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

    /// Keeps the books that both readers share.
    fn count(&mut self, line: &Line<'_>, parsed: &Result<Record<'_>, ParseError>, trust: Trust) {
        let report = &mut self.report;
        let sealed = matches!(trust, Trust::Sealed(_));
        match parsed {
            Ok(Record::Comment(_) | Record::Extension(_)) => return,
            Ok(Record::Alive { .. }) => report.left = false,
            Ok(Record::Leave) => {
                report.left = true;
                report.left_at = Some(line.number);
            }
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
                let zeros = has_nul_run(line.bytes);
                let marked = line.number == 1 && line.bytes.starts_with(BYTE_ORDER_MARK);
                let hides = salvage(line.bytes).next().is_some();
                report.unrecognized += u64::from(!zeros && !marked && !hides);
                report.recognized += u64::from(hides);
                return;
            }
            _ => {}
        }
        report.recognized += 1;
        report.records += u64::from(matches!(parsed, Ok(record) if is_of_the_state(record)));
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

/// Whether a lost block shows: zeros in a row, more than a name has.
pub(crate) fn has_nul_run(bytes: &[u8]) -> bool {
    const NUL_RUN: usize = 8;
    // The first test is what nearly every line needs.
    bytes.contains(&0)
        && (bytes.windows(NUL_RUN).any(|window| window == [0; NUL_RUN])
            || bytes.iter().all(|&byte| byte == 0))
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

fn check_node(name: Name<'_>, addr: Addr<'_>) -> Option<FindingKind> {
    if name.as_bytes().is_empty() {
        Some(FindingKind::EmptyName)
    } else if name.as_bytes().len() > MAX_NAME {
        Some(FindingKind::NameTooLong)
    } else if has_nul_run(name.as_bytes()) {
        // A lost block took the end of one line and the beginning of another.
        Some(FindingKind::NulRun)
    } else if !addr.is_dialable() {
        Some(FindingKind::InvalidAddress)
    } else {
        None
    }
}

const fn kind_of(error: &ParseError) -> FindingKind {
    match error.problem {
        Problem::MissingAddress => FindingKind::MissingAddress,
        Problem::NotANumber | Problem::NumberTooLarge => FindingKind::InvalidClock,
        Problem::NotACoordinate => FindingKind::InvalidCoordinate,
        Problem::TooLong => FindingKind::LineTooLong,
        _ => FindingKind::Unrecognized,
    }
}
