//! The default reader: it believes less of a damaged file than Serf does, and recovers more of it.
//!
//! Section 3 of `docs/FORMAT.md` is its law.

use snapshot_format::{
    Addr, FORMAT, LamportTime, Line, MAX_NAME, Name, ParseError, Problem, Record, SealFault, Trust,
    salvage,
};

use crate::replay::kind_of;
use crate::{FindingKind, Mode, Replay};

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Replay {
    /// Takes in a line; what was odd about it, if anything.
    pub(crate) fn hardened<'a>(
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
        if oddity.is_some() && matches!(parsed, Ok(Record::Leave)) {
            self.count_leave(whole);
        }
        // Only a line that is no record, or an `alive` line, may hide another one. Of one that is too long only the
        // first bytes are here: a record that seems to end with them goes on.
        let may_hide = match &parsed {
            Err(error) => error.problem != Problem::TooLong,
            Ok(record) => matches!(record, Record::Alive { .. }),
        };
        if unsealed
            && may_hide
            && let Some(kind) = self.salvage(bytes)
        {
            return Some(kind);
        }
        match parsed {
            Ok(record) => self.believe(&record, trust).or(oddity),
            Err(error) if error.problem == Problem::Unrecognized && is_lost(bytes) => {
                Some(FindingKind::NulRun)
            }
            Err(error) => Some(kind_of(&error)),
        }
    }

    /// Whether a record can be applied as it stands, in whatever bytes: a node with an address to dial and neither a
    /// keyword nor a lost block in its name, a departure, a clock within bounds. To Serf all of them are alike.
    pub(crate) fn is_usual(&self, record: &Record<'_>, trust: Trust) -> bool {
        let is_serf = self.mode == Mode::Serf;
        match record {
            Record::Alive { .. } | Record::NotAlive { .. } if is_serf => true,
            Record::Alive { name, addr } => is_usual(*name, *addr),
            Record::NotAlive { name } => !name.as_bytes().ends_with(b"\r"),
            Record::Clock(time) | Record::EventClock(time) | Record::QueryClock(time) => {
                self.believes(*time, trust)
            }
            _ => false,
        }
    }

    /// Whether a clock may say this.
    #[inline]
    pub(crate) fn believes(&self, time: LamportTime, trust: Trust) -> bool {
        self.mode == Mode::Serf
            || time <= self.policy.max_clock && !matches!(trust, Trust::Damaged(_))
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
        let record = salvage(bytes).map(|(_, record)| record).find(is_valid_node)?;
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
}

/// Whether a lost block shows: zeros in a row, more than a name has.
pub(crate) fn has_nul_run(bytes: &[u8]) -> bool {
    const NUL_RUN: usize = 8;
    // The first test is what nearly every line needs.
    bytes.contains(&0) && bytes.windows(NUL_RUN).any(|window| window == [0; NUL_RUN])
}

/// Whether a lost block shows in a line that is no record; its end may be as short as one zero.
pub(crate) fn is_lost(line: &[u8]) -> bool {
    has_nul_run(line) || (!line.is_empty() && line.iter().all(|&byte| byte == 0))
}

/// Whether a node can be taken as it stands, in whatever bytes: no keyword, no lost block, an address to dial.
fn is_usual(name: Name<'_>, addr: Addr<'_>) -> bool {
    (1..=MAX_NAME).contains(&name.as_bytes().len()) && name.is_plain() && addr.is_dialable()
}

pub(crate) fn is_valid_node(record: &Record<'_>) -> bool {
    matches!(record, Record::Alive { name, addr } if check_node(*name, *addr).is_none())
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
