//! Whom a log still knows: nodes that later lines have taken out.

use std::collections::{BTreeMap, HashMap};

use snapshot_engine::{DocumentReader, State};
use snapshot_format::{Addr, Line, Name, Record, Trust};

/// How many are remembered under one setting. Clusters have some ten thousand nodes at most; a file made to fill the
/// memory has any number.
const MAX_NODES: usize = 100_000;
/// How much of their names and addresses is, in bytes.
const MAX_TEXT: usize = 32 * 1024 * 1024;

/// The nodes that were taken out and have not come back, under both settings of `rejoin_after_leave`.
///
/// Serf writes the same line for a node that failed and for one that left. Three things tell those that are gone for
/// good: a second `not-alive` line, which is a node that left or was forgotten after it had failed; in sealed bytes,
/// which are ours, a `not-alive` without the `#@failed` that a failure has; and a `leave` of the owner.
#[derive(Default)]
pub(super) struct Departures {
    leaving: Known,
    rejoining: Known,
}

#[derive(Default)]
struct Known {
    nodes: HashMap<Box<[u8]>, Departure>,
    /// Every line takes out one node at most.
    by_line: BTreeMap<u64, Box<[u8]>>,
    text: usize,
    forgotten: u64,
}

/// A node that was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    addr: Box<[u8]>,
    /// The number of the line that took it out, or says first that it has failed.
    pub(super) line: u64,
    pub(super) how: How,
}

/// Why a node is not alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It was alive, and failed or left.
    Gone,
    /// It was alive, and left or was forgotten for good.
    Left,
    /// An earlier rewrite has dropped the line that said it was alive; its `#@failed` line is there.
    Failed,
}

impl Departures {
    /// Hands the next line to the reader and sees whom it takes out.
    pub(super) fn line(&mut self, reader: &mut DocumentReader, line: Line<'_>, trust: Trust) {
        let record = line.record();
        let is_sealed = matches!(trust, Trust::Sealed(_));
        let places = match record {
            Ok(Record::NotAlive { name }) => [false, true].map(|rejoins| {
                reader.state(rejoins).addr_of(name).map(|addr| Box::from(addr.as_bytes()))
            }),
            _ => [None, None],
        };
        reader.line(line, trust);
        for (rejoins, place) in [false, true].into_iter().zip(places) {
            let state = reader.state(rejoins);
            let known = if rejoins { &mut self.rejoining } else { &mut self.leaving };
            match record {
                Ok(Record::Alive { name, .. }) => known.forget(name.as_bytes()),
                Ok(Record::NotAlive { name }) => {
                    known.take_out(name, place, state, line.number, is_sealed);
                }
                Ok(Record::Failed { name, addr, .. }) => {
                    known.fail(name, addr, state, line.number);
                }
                Ok(Record::Leave) if !rejoins => known.clear(),
                // An editor's line end, which is forgiven in bytes that no seal covers.
                Err(_) if !rejoins && !is_sealed && line.bytes == b"leave\r" => known.clear(),
                _ => {}
            }
        }
    }

    /// In the order in which they went.
    pub(super) fn iter(&self, rejoins: bool) -> impl Iterator<Item = (Name<'_>, &Departure)> {
        let known = if rejoins { &self.rejoining } else { &self.leaving };
        known
            .by_line
            .values()
            .filter_map(|name| Some((Name::new(name).ok()?, known.nodes.get(name)?)))
    }

    /// How many went so long ago that the memory for them was needed for others.
    pub(super) const fn forgotten(&self) -> u64 {
        self.rejoining.forgotten
    }
}

impl Departure {
    /// Where it was last. What was read from a line is an address.
    pub(super) fn addr(&self) -> Option<Addr<'_>> {
        Addr::new(&self.addr).ok()
    }
}

impl Known {
    fn take_out(
        &mut self,
        name: Name<'_>,
        place: Option<Box<[u8]>>,
        state: &State,
        line: u64,
        is_sealed: bool,
    ) {
        match place {
            Some(addr) if state.addr_of(name).is_none() => {
                let how = if is_sealed { How::Left } else { How::Gone };
                self.remember(name.as_bytes(), Departure { addr, line, how });
            }
            // In a damaged file the line may mean another node.
            Some(_) => {}
            None => self.forget(name.as_bytes()),
        }
    }

    fn fail(&mut self, name: Name<'_>, addr: Addr<'_>, state: &State, line: u64) {
        if state.addr_of(name).is_some() {
            return;
        }
        let bytes = name.as_bytes();
        match self.nodes.get_mut(bytes) {
            Some(departure) if departure.how == How::Left => departure.how = How::Gone,
            Some(departure) if departure.how == How::Gone => {}
            _ => {
                let addr = addr.as_bytes().into();
                self.remember(bytes, Departure { addr, line, how: How::Failed });
            }
        }
    }

    fn remember(&mut self, name: &[u8], departure: Departure) {
        self.forget(name);
        self.text += name.len() + departure.addr.len();
        self.by_line.insert(departure.line, name.into());
        self.nodes.insert(name.into(), departure);
        while (self.nodes.len() > MAX_NODES || self.text > MAX_TEXT)
            && let Some((_, name)) = self.by_line.first_key_value()
        {
            let name = name.clone();
            self.forget(&name);
            self.forgotten += 1;
        }
    }

    fn forget(&mut self, name: &[u8]) {
        if let Some((name, departure)) = self.nodes.remove_entry(name) {
            self.text -= name.len() + departure.addr.len();
            self.by_line.remove(&departure.line);
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::policy;
    use snapshot_engine::Mode;
    use snapshot_format::Lines;

    fn departures(lines: &[u8]) -> Departures {
        let mut reader = DocumentReader::new(Mode::Hardened, &policy(false), 7);
        let mut departures = Departures::default();
        for line in Lines::new(lines) {
            departures.line(&mut reader, line, Trust::Unsealed);
        }
        departures
    }

    fn check(lines: &str, expect: [&[(&str, u64, How)]; 2]) {
        let departures = departures(lines.as_bytes());
        for (rejoins, expect) in [false, true].into_iter().zip(expect) {
            let found: Vec<_> = departures
                .iter(rejoins)
                .map(|(name, departure)| (name.to_string(), departure.line, departure.how))
                .collect();
            let found: Vec<_> =
                found.iter().map(|(name, line, how)| (name.as_str(), *line, *how)).collect();
            assert_eq!(found, expect, "{lines:?} with rejoin {rejoins}");
        }
    }

    #[test]
    fn who_went_and_has_not_come_back() {
        let a = "alive: a 1.1.1.1:1\n";
        check(a, [&[], &[]]);
        let gone: &[_] = &[("a", 2, How::Gone)];
        check(&format!("{a}not-alive: a\n"), [gone, gone]);
        check(&format!("{a}not-alive: a\n{a}"), [&[], &[]]);
        // The second line is a node that left after it had failed.
        check(&format!("{a}not-alive: a\nnot-alive: a\n"), [&[], &[]]);
        check("not-alive: a\n", [&[], &[]]);
        check(&format!("{a}not-alive: a\n#@failed: a 1.1.1.1:1 5\n"), [gone, gone]);
        let failed: &[_] = &[("a", 1, How::Failed)];
        check("#@failed: a 1.1.1.1:1 5\n", [failed, failed]);
        check("#@failed: a 1.1.1.1:1 5\nnot-alive: a\n", [&[], &[]]);
    }

    #[test]
    fn a_leave_of_the_owner_takes_out_nobody() {
        let file = "alive: a 1.1.1.1:1\nalive: b 1.1.1.1:2\nnot-alive: a\nleave\n";
        check(file, [&[], &[("a", 3, How::Gone)]]);
        check(
            &format!("{file}alive: c 1.1.1.1:3\nnot-alive: c\nnot-alive: b\n"),
            [
                &[("c", 6, How::Gone)],
                &[("a", 3, How::Gone), ("c", 6, How::Gone), ("b", 7, How::Gone)],
            ],
        );
    }

    #[test]
    fn memory_is_bounded_whatever_is_in_the_file() {
        let both = |name: &str| format!("alive: {name} 1.1.1.1:1\nnot-alive: {name}\n");
        let lines: Vec<_> = (0..MAX_NODES + 10).map(|n| both(&n.to_string())).collect();
        let lines = lines.concat();
        let many = departures(lines.as_bytes());
        assert_eq!((many.rejoining.nodes.len(), many.forgotten()), (MAX_NODES, 10));
        assert_eq!(many.rejoining.by_line.len(), MAX_NODES);
        assert_eq!(many.iter(true).next().unwrap().0.as_bytes(), b"10", "the first went first");
        let long = "x".repeat(16 * 1024 - 8);
        let lines: Vec<_> = (0..2200).map(|n| both(&format!("{long}{n:08}"))).collect();
        let lines = lines.concat();
        let long = departures(lines.as_bytes());
        assert!(long.rejoining.text <= MAX_TEXT && long.forgotten() > 100);
    }
}
