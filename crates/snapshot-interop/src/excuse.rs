//! Why hardened replay reads a file otherwise than Serf: section 3 of `docs/FORMAT.md`, written down once more in the
//! plainest way, so that a finding cannot excuse itself.
//!
//! A finding changes what one line says: it is skipped, or read as another line. The file in which each such line has
//! been replaced holds no more damage that matters, and the real library must read that as we read the damaged one.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use snapshot_engine::{FindingKind, Mode, Replay, State};
use snapshot_format::{MAX_LINE, MAX_NAME, Name, Trust};
use snapshot_io::read_blocks;

use crate::Outcome;
use crate::view::policy;

/// The reasons for one reading.
#[derive(Debug, Default)]
pub(crate) struct Excuse {
    /// The file as Serf should have found it.
    pub(crate) mended: Vec<u8>,
    /// The kinds of findings on lines that Serf reads otherwise.
    pub(crate) causes: BTreeSet<FindingKind>,
    /// Findings on lines that do not deserve them.
    pub(crate) unjustified: Vec<String>,
    /// How many findings there were, on any line.
    pub(crate) findings: u64,
}

/// A line in question.
struct Suspect<'a> {
    bytes: &'a [u8],
    length: u64,
    is_first: bool,
    trust: Trust,
    /// Whether the node that hides in the line is alive already.
    hides_alive: bool,
    /// Whether a `not-alive` line names a node that is known, a carriage return at the end of the name included.
    names_known: bool,
}

/// Goes through a file line by line.
pub(crate) fn excuse(file: &[u8], rejoin: bool) -> Outcome<Excuse> {
    let mut excuse = Excuse::default();
    let mut replay = Replay::new(Mode::Hardened, &policy(rejoin), 7);
    let decoder = read_blocks(file, |block| {
        let trust = block.trust;
        for line in block.lines {
            let mut suspect = Suspect {
                bytes: line.bytes,
                length: line.len,
                is_first: line.number == 1,
                trust,
                hides_alive: false,
                names_known: false,
            };
            suspect.look_up(replay.state());
            match replay.line(&line, trust) {
                None => excuse.keep(line.bytes),
                Some(finding) => excuse.take(&suspect, finding.kind),
            }
        }
    })?;
    // A torn end is a record to nobody.
    excuse.mended.extend(decoder.torn().into_iter().flat_map(|torn| torn.bytes));
    Ok(excuse)
}

impl Excuse {
    fn keep(&mut self, line: &[u8]) {
        self.mended.extend_from_slice(line);
        self.mended.push(b'\n');
    }

    fn take(&mut self, line: &Suspect<'_>, kind: FindingKind) {
        self.findings += 1;
        if !line.deserves(kind) {
            let text = line.bytes[..line.bytes.len().min(100)].escape_ascii();
            self.unjustified.push(format!("{kind} on {text}"));
        }
        if line.is_read_by_serf(kind) {
            self.causes.insert(kind);
        }
        match kind {
            FindingKind::Salvaged => match line.hidden() {
                Some((name, addr)) => self.keep(&[b"alive: ", name, b" ", addr].concat()),
                None => self.unjustified.push("nothing to salvage".to_owned()),
            },
            FindingKind::ByteOrderMark | FindingKind::CarriageReturn => {
                self.keep(line.trimmed(kind));
            }
            // Comments to Serf; kept, since the seals must stay where they are.
            FindingKind::SealMismatch | FindingKind::SealLength => self.keep(line.bytes),
            _ => {}
        }
    }
}

impl<'a> Suspect<'a> {
    /// What the state before the line says about it.
    fn look_up(&mut self, state: &State) {
        let is_alive = |name| Name::new(name).is_ok_and(|name| state.addr_of(name).is_some());
        self.hides_alive = self.hidden().is_some_and(|(name, _)| is_alive(name));
        self.names_known = self.bytes.strip_prefix(b"not-alive: ").is_some_and(|name| {
            is_alive(name) || state.failed().any(|(failed, ..)| failed.as_bytes() == name)
        });
    }

    /// Whether the line is of the kind that its finding says, with its carriage return or, in unsealed bytes, without.
    fn deserves(&self, kind: FindingKind) -> bool {
        let unsealed = !matches!(self.trust, Trust::Sealed(_));
        let trimmed = self.trimmed(FindingKind::CarriageReturn);
        self.is(kind, self.plain()) || (unsealed && self.is(kind, trimmed))
    }

    fn is(&self, kind: FindingKind, line: &[u8]) -> bool {
        let node = node_of(line);
        let unsealed = !matches!(self.trust, Trust::Sealed(_));
        let damaged = matches!(self.trust, Trust::Damaged(_));
        match kind {
            FindingKind::LineTooLong => self.length > MAX_LINE as u64,
            FindingKind::InvalidAddress => node.is_some_and(|(_, addr)| !is_dialable(addr)),
            FindingKind::EmptyName => node.is_some_and(|(name, _)| name.is_empty()),
            FindingKind::NameTooLong => node.is_some_and(|(name, _)| name.len() > MAX_NAME),
            FindingKind::NulRun => {
                let zeros = |bytes: &[u8]| bytes.windows(8).any(|window| window == [0; 8]);
                let all = !line.is_empty() && line.iter().all(|byte| *byte == 0);
                node.map_or(!is_record(line) && (all || zeros(line)), |(name, _)| zeros(name))
            }
            FindingKind::ClockTooHigh => clock_of(line).is_some_and(|time| time > 1 << 48),
            FindingKind::ClockInDamage => damaged && clock_of(line).is_some(),
            FindingKind::Salvaged | FindingKind::Glued => {
                let open = line.starts_with(b"alive: ") || !is_record(line);
                let is_alive = self.hides_alive == (kind == FindingKind::Glued);
                unsealed && open && self.hidden().is_some() && is_alive
            }
            FindingKind::ByteOrderMark => self.is_first && self.bytes.starts_with(MARK),
            FindingKind::CarriageReturn => {
                unsealed && self.bytes.ends_with(b"\r") && !self.names_known
            }
            FindingKind::SealMismatch | FindingKind::SealLength => {
                damaged && line.starts_with(b"#@seal: ")
            }
            FindingKind::UnknownExtension => line.starts_with(b"#@"),
            FindingKind::NewerFormat => line.starts_with(b"#@format: "),
            FindingKind::Unrecognized | FindingKind::MissingAddress | FindingKind::InvalidClock => {
                !is_record(line)
            }
            FindingKind::InvalidCoordinate => line.starts_with(b"coordinate: "),
            // No identity is asked for here, and a new kind has no excuse yet.
            _ => false,
        }
    }

    /// Whether Serf makes something of the line that the finding took from us, or nothing of what it gave.
    fn is_read_by_serf(&self, kind: FindingKind) -> bool {
        match kind {
            FindingKind::Glued => self.bytes.starts_with(b"alive: "),
            FindingKind::ClockTooHigh | FindingKind::ClockInDamage => {
                clock_of(self.bytes).is_some()
            }
            FindingKind::LineTooLong
            | FindingKind::Salvaged
            | FindingKind::ByteOrderMark
            | FindingKind::CarriageReturn => true,
            _ => self.bytes.starts_with(b"alive: ") && kind != FindingKind::MissingAddress,
        }
    }

    /// The line without what may have been dropped from it.
    fn plain(&self) -> &'a [u8] {
        let first = if self.is_first { self.bytes.strip_prefix(MARK) } else { None };
        first.unwrap_or(self.bytes)
    }

    fn trimmed(&self, kind: FindingKind) -> &'a [u8] {
        let line = self.plain();
        if kind == FindingKind::CarriageReturn {
            line.strip_suffix(b"\r").unwrap_or(line)
        } else {
            line
        }
    }

    /// The rightmost valid node that begins inside the line.
    fn hidden(&self) -> Option<(&'a [u8], &'a [u8])> {
        [self.plain(), self.trimmed(FindingKind::CarriageReturn)].into_iter().find_map(|line| {
            let mut starts = (1..line.len()).rev();
            starts.find_map(|at| {
                let (name, addr) = split(line[at..].strip_prefix(b"alive: ")?)?;
                let valid = (1..=MAX_NAME).contains(&name.len())
                    && !name.windows(8).any(|window| window == [0; 8])
                    && is_dialable(addr);
                (valid && !line[..at].ends_with(b"not-")).then_some((name, addr))
            })
        })
    }
}

const MARK: &[u8] = b"\xef\xbb\xbf";

/// The name and the address of an `alive` line, or of one about a failed node.
fn node_of(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(body) = line.strip_prefix(b"#@failed: ") {
        return split(split(body)?.0);
    }
    split(line.strip_prefix(b"alive: ")?)
}

fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = body.iter().rposition(|byte| *byte == b' ')?;
    Some((&body[..space], &body[space + 1..]))
}

fn clock_of(line: &[u8]) -> Option<u64> {
    let keywords: [&[u8]; 3] = [b"clock: ", b"event-clock: ", b"query-clock: "];
    let digits = keywords.iter().find_map(|keyword| line.strip_prefix(*keyword))?;
    let digits = str::from_utf8(digits).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Whether Serf takes the line for something.
fn is_record(line: &[u8]) -> bool {
    line == b"leave"
        || node_of(line).is_some()
        || clock_of(line).is_some()
        || ["#", "not-alive: "].iter().any(|keyword| line.starts_with(keyword.as_bytes()))
        || (line.starts_with(b"coordinate: ") && line.ends_with(b"}"))
}

fn is_dialable(addr: &[u8]) -> bool {
    let Some((host, port)) = str::from_utf8(addr).ok().and_then(|addr| addr.rsplit_once(':'))
    else {
        return false;
    };
    let digits = !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    let word = |text: &str| {
        !text.is_empty()
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._".contains(letter))
    };
    let host_fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => {
            let (ip, zone) = inner.split_once('%').map_or((inner, None), |(ip, z)| (ip, Some(z)));
            ip.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(word)
        }
        None => host.parse::<Ipv4Addr>().is_ok() || (host.len() <= 253 && word(host)),
    };
    host_fits && digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &[u8], mended: &[u8], causes: &[FindingKind]) {
        let excuse = excuse(file, false).unwrap();
        assert_eq!(excuse.unjustified, [""; 0], "{}", file.escape_ascii());
        assert_eq!(excuse.mended, mended, "{}", file.escape_ascii());
        assert!(excuse.causes.iter().eq(causes), "{:?}", excuse.causes);
    }

    #[test]
    fn a_damaged_file_is_mended_as_the_page_says() {
        use FindingKind::{
            ByteOrderMark, CarriageReturn, ClockTooHigh, Glued, InvalidAddress, Salvaged,
        };
        check(b"alive: a 1.1.1.1:1\ntorn", b"alive: a 1.1.1.1:1\ntorn", &[]);
        check(b"clock: -1\nfoo\n", b"", &[]);
        check(b"clock: 281474976710657\n", b"", &[ClockTooHigh]);
        check(b"alive: a nowhere\nclock: 1\n", b"clock: 1\n", &[InvalidAddress]);
        check(b"cloalive: a 1.1.1.1:1\n", b"alive: a 1.1.1.1:1\n", &[Salvaged]);
        let failed = b"loalive: a 1.1.#@failed: b c:1 7:1\n";
        check(failed, b"alive: a 1.1.#@failed: b c:1 7:1\n", &[Salvaged]);
        let glued = b"alive: a 1.1.1.1:1\nalive: b 1.alive: a 1.1.1.1:1\n";
        check(glued, b"alive: a 1.1.1.1:1\n", &[Glued]);
        check(b"\xef\xbb\xbfclock: 1\n", b"clock: 1\n", &[ByteOrderMark]);
        check(b"leave\r\nclock: 2\n", b"leave\nclock: 2\n", &[CarriageReturn]);
    }
}
