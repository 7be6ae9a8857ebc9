//! A wholly sealed file and one flipped bit of it.

use std::collections::BTreeMap;
use std::ops::Range;

use snapshot_engine::{Clocks, Finding, Member, Mode, Replay, Report, State, Verdict};
use snapshot_format::{Addr, FORMAT, LamportTime, Line, Name, Record, Trust, salvage};

use crate::input::{Batches, SEAL_MARK};
use crate::read::{blocks, policy};
use crate::stretch;

/// The first four bytes of the input, the lowest first, choose the bit; the rest is the lines of the file, with runs.
/// A line that a writer would not write is left out, and a seal mark ends a batch.
///
/// The intact file is clean and wholly sealed. With the bit flipped:
/// * It is neither any more.
/// * No clock is higher than the highest value that the intact file ever gave it.
/// * Whoever is alive was alive at that address in the intact file too, or the line that says so lies in the span of a
///   finding, or behind the last seal that holds.
/// * So does every line that no valid seal vouches for; and no such place lies outside the batch of the flip and the
///   next one.
/// * A node that no line in such a place names is as it was: the flip costs one batch, or two where it hits a seal.
///
/// # Panics
/// Where one of these does not hold.
pub fn sealed(data: &[u8]) {
    let (bit, lines) = data.split_at(data.len().min(4));
    let bit = bit.iter().rev().fold(0, |bit, &byte| bit << 8 | usize::from(byte));
    let intact = write(&stretch(lines));
    let mut flipped = intact.clone();
    let bit = bit % (8 * intact.len());
    flipped[bit / 8] ^= 1 << (bit % 8);
    for rejoin in [false, true] {
        let before = Reading::of(&intact, rejoin);
        assert!(before.report.is_wholly_sealed(), "{}", intact.escape_ascii());
        assert_eq!(before.report.verdict(), Verdict::Clean, "{:?}", before.findings);
        let after = Reading::of(&flipped, rejoin);
        after.check_places(&before, bit as u64 / 8);
        Comparison { before, after, flipped: &flipped }.check();
    }
}

/// A file as we write it: the format, then batches of canonical lines.
fn write(lines: &[u8]) -> Vec<u8> {
    let mut batches = Batches::default();
    batches.add(&Record::Format(FORMAT));
    batches.seal();
    for line in lines.split(|&byte| byte == b'\n') {
        if line == SEAL_MARK {
            batches.seal();
        } else if let Ok(record) = Record::parse(line)
            && is_written(&record)
        {
            batches.add(&record);
        }
    }
    batches.into_file()
}

/// Whether a writer writes such a record.
fn is_written(record: &Record<'_>) -> bool {
    let max_clock = policy(false).max_clock;
    match record {
        Record::Alive { name, addr } | Record::Failed { name, addr, .. } => {
            Member::new(name.as_bytes(), addr.as_bytes()).is_ok()
        }
        Record::NotAlive { name } => Member::new(name.as_bytes(), b"any:1").is_ok(),
        Record::Clock(time) | Record::EventClock(time) | Record::QueryClock(time) => {
            (LamportTime(1)..=max_clock).contains(time)
        }
        Record::Format(_) | Record::Seal(_) | Record::Extension(_) => false,
        _ => true,
    }
}

/// A node that is alive, and the place of the line that says so.
type Alive = BTreeMap<(Vec<u8>, Vec<u8>), u64>;

/// What a hardened reader saw of a file, and where.
struct Reading {
    state: State,
    report: Report,
    findings: Vec<Finding>,
    /// Where each node that ever was alive was last taken from.
    alive: Alive,
    /// The place of every name that a line could mean, record or not.
    named: Vec<(u64, Vec<u8>)>,
    leaves: Vec<u64>,
    /// Lines that no valid seal vouches for.
    unsealed: Vec<u64>,
    /// The ends of all batches.
    seals: Vec<u64>,
    /// The highest values that the clocks ever had.
    highest: Clocks,
}

impl Reading {
    fn of(file: &[u8], rejoin: bool) -> Self {
        let mut replay = Replay::new(Mode::Hardened, &policy(rejoin), 7);
        let mut findings = Vec::new();
        let (mut alive, mut named, mut leaves) = (Alive::new(), Vec::new(), Vec::new());
        let (mut unsealed, mut seals) = (Vec::new(), Vec::new());
        let mut highest = Clocks::default();
        let mut line = |line: &Line<'_>, trust: Trust| {
            findings.extend(replay.line(line, trust));
            for (name, addr) in meanings(line) {
                if let Some(addr) = addr.filter(|_| replay.state().addr_of(name) == addr) {
                    alive.insert(owned(name, addr), line.offset);
                }
                named.push((line.offset, name.as_bytes().to_vec()));
            }
            leaves.extend((line.bytes == b"leave").then_some(line.offset));
            unsealed.extend((!matches!(trust, Trust::Sealed(_))).then_some(line.offset));
            let seal = matches!(line.record(), Ok(Record::Seal(_)));
            seals.extend(seal.then_some(line.offset + line.len + 1));
            let Clocks { clock, event_clock, query_clock } = replay.state().clocks();
            highest.clock = highest.clock.max(clock);
            highest.event_clock = highest.event_clock.max(event_clock);
            highest.query_clock = highest.query_clock.max(query_clock);
        };
        let decoder = blocks(file, |block| block.lines.for_each(|next| line(&next, block.trust)));
        let (state, report) = replay.finish(decoder.torn());
        Self { state, report, findings, alive, named, leaves, unsealed, seals, highest }
    }

    /// What is doubted is neither too little nor too much; the byte at `flip` is not that of the intact file.
    fn check_places(&self, intact: &Self, flip: u64) {
        let doubted = self.doubted();
        for at in self.unsealed.iter().chain([&flip]) {
            assert!(doubted.iter().any(|span| span.contains(at)), "byte {at} of {doubted:?}");
        }
        let start = intact.seals.iter().rfind(|&&end| end <= flip).copied().unwrap_or(0);
        let next = intact.seals.iter().filter(|&&end| end > flip).nth(1);
        let end = next.copied().unwrap_or(intact.report.bytes);
        for span in doubted.iter().filter(|span| !span.is_empty()) {
            assert!(start <= span.start && span.end <= end, "{span:?} beyond {start} to {end}");
        }
    }

    /// The places that are reported, and those behind the last seal that holds.
    fn doubted(&self) -> Vec<Range<u64>> {
        let spans = self.findings.iter().map(|found| found.offset..found.offset + found.len + 1);
        spans.chain(std::iter::once(self.report.sealed_until..self.report.bytes)).collect()
    }
}

/// What a line says about a node in any reading of it: the record's name, and its address where it is alive.
fn meanings<'a>(line: &Line<'a>) -> Vec<(Name<'a>, Option<Addr<'a>>)> {
    let trimmed = line.bytes.strip_suffix(b"\r").unwrap_or(line.bytes);
    let whole = [line.bytes, trimmed].map(|bytes| Record::parse(bytes).ok());
    let inner = [line.bytes, trimmed].into_iter().flat_map(salvage).map(|(_, record)| record);
    let node = |record| match record {
        Record::Alive { name, addr } => Some((name, Some(addr))),
        Record::NotAlive { name } | Record::Failed { name, .. } => Some((name, None)),
        _ => None,
    };
    whole.into_iter().flatten().chain(inner).filter_map(node).collect()
}

fn owned(name: Name<'_>, addr: Addr<'_>) -> (Vec<u8>, Vec<u8>) {
    (name.as_bytes().to_vec(), addr.as_bytes().to_vec())
}

struct Comparison<'a> {
    before: Reading,
    after: Reading,
    flipped: &'a [u8],
}

impl Comparison<'_> {
    fn check(&self) {
        let Self { before, after, .. } = self;
        let shown = || self.flipped.escape_ascii();
        assert_ne!(after.report.verdict(), Verdict::Clean, "{}", shown());
        assert!(!after.report.is_wholly_sealed(), "{}", shown());
        let (clocks, highest) = (after.state.clocks(), before.highest);
        assert!(clocks.clock <= highest.clock, "{}", shown());
        assert!(clocks.event_clock <= highest.event_clock, "{}", shown());
        assert!(clocks.query_clock <= highest.query_clock, "{}", shown());

        let doubted = after.doubted();
        let is_doubted = |at: &u64| doubted.iter().any(|span| span.contains(at));
        for (name, addr) in after.state.alive() {
            let node = owned(name, addr);
            let place = after.alive.get(&node).expect("a line said so");
            assert!(before.alive.contains_key(&node) || is_doubted(place), "{name} in {}", shown());
        }
        // Where a newline is flipped into existence, the rest of a name can be a `leave`.
        if after.leaves.iter().any(|at| !before.leaves.contains(at)) {
            return;
        }
        let named = |reading: &Reading, name: &[u8]| {
            reading.named.iter().any(|(at, other)| other == name && is_doubted(at))
        };
        for (name, addr) in before.state.alive() {
            let bytes = name.as_bytes();
            if !named(before, bytes) && !named(after, bytes) {
                assert_eq!(after.state.addr_of(name), Some(addr), "{name} in {}", shown());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_file_is_noticed() {
        let lines = b"#@cluster: east\n#@node: me\n# a person's\n#@seal\nclock: 7\nevent-clock: 22\n#@seal\n\
            #@failed: f 10.0.0.5:7946 1763867000000\nalive: a 10.0.0.1:7946\nnot-alive: b\nalive: JJ c:1\n";
        let bits = u32::try_from(8 * write(lines).len()).unwrap();
        for bit in 0..bits {
            sealed(&[&bit.to_le_bytes()[..], lines].concat());
        }
    }
}
