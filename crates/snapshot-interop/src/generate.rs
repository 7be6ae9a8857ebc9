//! Files from a seed: histories as agents write them, and lines of every kind without any sense.

use std::collections::BTreeMap;

use snapshot_format::{MAX_BATCH, MAX_LINE, Record, Sealer, UnixMillis};

use crate::damage;
use crate::lines::{Chance, any_address, any_name, any_number, dialable, plain_name};

/// A file to be judged.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: Kind,
}

/// How a file came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// What an agent leaves that was never disturbed: readers may not differ on it.
    History,
    /// Lines of every kind, odd words among them.
    Lines,
    /// One of these, damaged.
    Damaged,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::History, Self::Lines, Self::Damaged];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::History => "undamaged histories",
            Self::Lines => "lines of every kind",
            Self::Damaged => "damaged files",
        }
    }
}

/// The file of a seed.
pub(crate) fn file(seed: u64) -> Made {
    let mut chance = Chance::new(seed);
    match chance.below(10) {
        0..4 => Made { bytes: history(&mut chance), kind: Kind::History },
        4..6 => Made { bytes: any_lines(&mut chance), kind: Kind::Lines },
        _ => {
            let whole =
                if chance.one_in(3) { any_lines(&mut chance) } else { history(&mut chance) };
            Made { bytes: damage::damage(&mut chance, whole), kind: Kind::Damaged }
        }
    }
}

/// Lines of every kind. One file in five hundred has one that is too long, one in a thousand a run without a seal
/// that is longer than a batch.
fn any_lines(chance: &mut Chance) -> Vec<u8> {
    let mut file = Vec::new();
    let count = chance.below(24);
    let long = chance.one_in(500).then(|| MAX_LINE - 1 + chance.below(4));
    let run = chance.one_in(1000).then_some(MAX_BATCH);
    for index in 0..count {
        if let Some(length) = long.filter(|_| index == count / 2) {
            file.extend_from_slice(chance.pick(&[&b"alive: "[..], b"#", b"clock: ", b"x"]));
            let end = file.len() + length;
            file.resize(end, b'0');
            file.push(b'\n');
        }
        if let Some(length) = run.filter(|_| index == count / 3) {
            for number in 0..length / 32 {
                file.extend_from_slice(format!("alive: {} 10.0.0.1:79\n", number % 7).as_bytes());
            }
        }
        any_line(chance, &mut file);
        file.push(b'\n');
    }
    if chance.one_in(10) {
        doubles(chance, &mut file);
    }
    file
}

/// Lines about two nodes whose names differ in a carriage return alone: there it is part of a name or an editor's.
fn doubles(chance: &mut Chance, file: &mut Vec<u8>) {
    let lines: [&[u8]; 5] = [
        b"alive: cr\r 10.0.0.1:7946\n",
        b"alive: cr 10.0.0.2:7946\n",
        b"not-alive: cr\r\n",
        b"#@failed: cr\r 10.0.0.1:7946 1763867000000\n",
        b"not-alive: cr\r\n",
    ];
    for line in lines {
        if !chance.one_in(3) {
            file.extend_from_slice(line);
        }
    }
}

pub(crate) fn any_line(chance: &mut Chance, file: &mut Vec<u8>) {
    let line = match chance.below(20) {
        0..7 => [&b"alive: "[..], &any_name(chance), b" ", &any_address(chance)].concat(),
        7..10 => [&b"not-alive: "[..], &any_name(chance)].concat(),
        10..13 => [&b"clock: "[..], &any_number(chance)].concat(),
        13 => [&b"event-clock: "[..], &any_number(chance)].concat(),
        14 => [&b"query-clock: "[..], &any_number(chance)].concat(),
        15 => b"leave".to_vec(),
        16 => coordinate(chance),
        17 => extension(chance),
        18 => [&b"#"[..], &any_name(chance)].concat(),
        _ => other(chance),
    };
    file.extend_from_slice(&line);
}

fn coordinate(chance: &mut Chance) -> Vec<u8> {
    let choices: [&[u8]; 4] = [
        br#"coordinate: {"Vec":[0,0,0,0,0,0,0,0.5],"Error":1.5,"Adjustment":0,"Height":1e-05}"#,
        b"coordinate: {}",
        b"coordinate: ",
        b"coordinate: alive: a 1.1.1.1:1",
    ];
    chance.pick(&choices).to_vec()
}

fn extension(chance: &mut Chance) -> Vec<u8> {
    match chance.below(7) {
        0 => b"#@format: 1".to_vec(),
        1 => b"#@cluster: east".to_vec(),
        2 => b"#@node: web-1".to_vec(),
        3 => b"#@seal: 20 1763867000000 0123abcd".to_vec(),
        4 => b"#@later: alive: a 1.1.1.1:1".to_vec(),
        5 => b"#@later: x\r".to_vec(),
        _ => [
            &b"#@failed: "[..],
            &any_name(chance),
            b" ",
            &any_address(chance),
            b" ",
            &any_number(chance),
        ]
        .concat(),
    }
}

fn other(chance: &mut Chance) -> Vec<u8> {
    let choices: [&[u8]; 18] = [
        b"",
        b" ",
        b"leave ",
        b"leave\r",
        b"LEAVE",
        b"alive: ",
        b"alive: web-1",
        b"alive:a 1.1.1.1:1",
        b"Alive: a 1.1.1.1:1",
        b" alive: a 1.1.1.1:1",
        b"not-alive:a",
        b"clock:5",
        b"clock: 5alive: late 10.0.0.4:7946",
        b"alive: torn 10.0.alive: late 10.0.0.5:7946",
        b"not-alive: not-alive: a",
        b"\0\0\0\0\0\0\0\0alive: behind 10.0.0.6:7946",
        b"\0alive: behind 10.0.0.6:7946",
        b"prev-clock: 3",
    ];
    chance.pick(&choices).to_vec()
}

/// What agents leave in one file over several lives, under either setting, ours first or Serf alone.
fn history(chance: &mut Chance) -> Vec<u8> {
    let mut history = History::default();
    let lives = 1 + chance.below(4);
    let ours = if chance.one_in(2) { chance.below(lives + 1) } else { 0 };
    for life in 0..lives {
        let sealing = life < ours;
        if life == 0 && sealing {
            history.lines.extend_from_slice(b"#@format: 1\n");
            if chance.one_in(3) {
                history.lines.extend_from_slice(b"#@cluster: east\n#@node: web-1\n");
            }
            history.seal();
        } else if life > 0 && !sealing && chance.one_in(3) {
            history.compact();
        }
        history.live(chance, sealing);
    }
    history.file
}

#[derive(Default)]
struct History {
    file: Vec<u8>,
    /// What waits for its seal, in our own part of the file.
    lines: Vec<u8>,
    alive: BTreeMap<Vec<u8>, Vec<u8>>,
    clocks: [u64; 3],
}

impl History {
    /// One life of an agent that rejoins or does not: what it knows at its start does not matter to the file.
    fn live(&mut self, chance: &mut Chance, sealing: bool) {
        for _ in 0..chance.below(14) {
            self.event(chance, sealing);
            if !sealing {
                self.file.append(&mut self.lines);
            } else if chance.one_in(3) {
                self.seal();
            }
        }
        if chance.one_in(3) {
            self.lines.extend_from_slice(b"leave\n");
            let clock = self.clocks[0] + chance.below(3) as u64;
            if clock > 0 {
                self.clocks[0] = clock;
                self.lines.extend_from_slice(format!("clock: {clock}\n").as_bytes());
            }
        }
        if sealing { self.seal() } else { self.file.append(&mut self.lines) }
    }

    fn event(&mut self, chance: &mut Chance, sealing: bool) {
        match chance.below(12) {
            0..5 => {
                let (name, addr) = (plain_name(chance), dialable(chance));
                self.add(&[b"alive: ", &name, b" ", &addr]);
                self.alive.insert(name, addr);
                self.tick(chance, 0, "clock");
            }
            5..7 => {
                let count = self.alive.len().max(1);
                let Some(name) = self.alive.keys().nth(chance.below(count)).cloned() else {
                    return;
                };
                let addr = self.alive.remove(&name).unwrap_or_default();
                self.add(&[b"not-alive: ", &name]);
                if sealing && chance.one_in(2) {
                    let at = format!(" {}", 1_763_867_000_000 + chance.below(100_000));
                    self.add(&[b"#@failed: ", &name, b" ", &addr, at.as_bytes()]);
                }
                self.tick(chance, 0, "clock");
            }
            7..9 => self.tick(chance, 1, "event-clock"),
            9 => self.tick(chance, 2, "query-clock"),
            10 => self.add(&[b"# a person's remark"]),
            _ => {
                let place = r#"coordinate: {"Vec":[0.1,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":1e-05}"#;
                self.add(&[place.as_bytes()]);
            }
        }
    }

    fn tick(&mut self, chance: &mut Chance, which: usize, keyword: &str) {
        self.clocks[which] += 1 + chance.below(20) as u64;
        self.add(&[format!("{keyword}: {}", self.clocks[which]).as_bytes()]);
    }

    /// Serf's compaction: the nodes and all three clocks, zeros among them.
    fn compact(&mut self) {
        self.file.clear();
        for (name, addr) in self.alive.clone() {
            self.add(&[b"alive: ", &name, b" ", &addr]);
        }
        let [clock, event, query] = self.clocks;
        self.add(&[
            format!("clock: {clock}\nevent-clock: {event}\nquery-clock: {query}").as_bytes()
        ]);
        self.file.append(&mut self.lines);
    }

    fn add(&mut self, parts: &[&[u8]]) {
        self.lines.extend(parts.iter().copied().flatten());
        self.lines.push(b'\n');
    }

    fn seal(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let mut sealer = Sealer::new();
        sealer.update(&self.lines);
        self.file.append(&mut self.lines);
        Record::Seal(sealer.seal(UnixMillis(1_763_867_000_000))).encode(&mut self.file);
    }
}

#[cfg(test)]
mod tests {
    use snapshot_engine::Mode;

    use super::*;
    use crate::view::{View, read};

    #[test]
    fn our_two_readers_agree_on_histories_and_find_nothing() {
        let mut sealed = 0;
        for made in (0..2000).map(file).filter(|made| made.kind == Kind::History) {
            for rejoin in [false, true] {
                let (serf, _) = read(&made.bytes, Mode::Serf, rejoin).unwrap();
                let (ours, report) = read(&made.bytes, Mode::Hardened, rejoin).unwrap();
                assert_eq!(View::from(&serf), View::from(&ours), "{}", made.bytes.escape_ascii());
                assert!(report.findings.is_empty(), "{}", made.bytes.escape_ascii());
                sealed += u64::from(report.is_sealed());
            }
        }
        assert!(sealed > 100, "{sealed}");
    }
}
