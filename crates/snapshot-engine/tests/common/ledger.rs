//! What an engine must have accepted: the meaning of each event, worked out beside it on the oracle's state.

use snapshot_engine::{Coordinate, Event, LamportTime, Member, Policy, Position, UnixMillis};
use snapshot_model::{Model, Rules};

use super::rules_of;

/// Every line accepted, and what all up to it say together. It leaves the retention of failed nodes out.
pub struct Ledger {
    rules: Rules,
    coordinate: Option<Coordinate>,
    left: bool,
    /// The state at the start and after each line, with the position that stands after the event of the line.
    folds: Vec<(Position, Model)>,
}

impl Ledger {
    pub fn new(policy: &Policy, recovered: Model, position: Position) -> Self {
        let folds = vec![(position, recovered)];
        Self { rules: rules_of(policy), coordinate: None, left: false, folds }
    }

    /// The same with the coordinate that was recovered.
    pub fn at(self, coordinate: Option<Coordinate>) -> Self {
        Self { coordinate, ..self }
    }

    /// The lines that this event must give.
    pub fn lines_of(&self, event: &Event<'_>, wall: UnixMillis) -> Vec<Vec<u8>> {
        let model = self.model();
        let clock = |keyword: &str, time: LamportTime, last: u64, seen: u64| {
            let higher = seen > last && time.0 <= self.rules.max_clock;
            higher.then(|| format!("{keyword}{seen}").into_bytes()).into_iter().collect()
        };
        match *event {
            Event::Clock(time) => {
                let seen = time.0.saturating_sub(1);
                clock("clock: ", LamportTime(seen), model.clock, seen)
            }
            _ if self.left => vec![],
            Event::MemberJoin(member) | Event::MemberUpdate(member) => {
                let (name, addr) = parts(member);
                let known = model.alive.get(name).is_some_and(|known| known == addr);
                if known { vec![] } else { vec![[b"alive: ", name, b" ", addr].concat()] }
            }
            Event::MemberFailed(member) => self.failed(member, wall),
            Event::MemberLeave(member) | Event::MemberReap(member) => {
                let (name, _) = parts(member);
                let known = model.alive.contains_key(name) || model.failed.contains_key(name);
                if known { vec![[b"not-alive: ", name].concat()] } else { vec![] }
            }
            Event::User(time) => clock("event-clock: ", time, model.event_clock, time.0),
            Event::Query(time) => clock("query-clock: ", time, model.query_clock, time.0),
            Event::Coordinate(coordinate) if self.coordinate == Some(coordinate) => vec![],
            // The oracle leaves coordinates out.
            Event::Coordinate(_) => vec![b"coordinate: ".to_vec()],
            Event::Leave if model.clock == 0 => vec![b"leave".to_vec()],
            Event::Leave => {
                vec![b"leave".to_vec(), format!("clock: {}", model.clock).into_bytes()]
            }
            _ => unreachable!("an event that the test does not know"),
        }
    }

    pub fn accept(&mut self, event: &Event<'_>, lines: &[Vec<u8>], position: Position) {
        if !lines.is_empty() {
            match *event {
                Event::Leave => self.left = true,
                Event::Coordinate(coordinate) => self.coordinate = Some(coordinate),
                _ => {}
            }
        }
        for line in lines {
            let mut model = self.model().clone();
            model.apply_line(line, &self.rules);
            self.folds.push((position, model));
        }
    }

    /// What all lines say together.
    pub fn model(&self) -> &Model {
        &self.folds.last().unwrap().1
    }

    /// How many lines were accepted.
    pub fn len(&self) -> usize {
        self.folds.len() - 1
    }

    /// Panics unless `found` is what a prefix of the lines says that has all up to `at_least`.
    pub fn assert_prefix(&self, found: &Model, at_least: Position, what: &str) {
        let sure = self.folds.iter().rposition(|(position, _)| *position <= at_least);
        let sure = sure.unwrap_or(0);
        let is_prefix = self.folds[sure..].iter().any(|(_, fold)| fold == found);
        assert!(
            is_prefix,
            "{what} is no prefix beyond {sure} lines of {}:\n{found:?}\n{:?}",
            self.len(),
            self.model()
        );
    }

    fn failed(&self, member: Member<'_>, wall: UnixMillis) -> Vec<Vec<u8>> {
        let (model, (name, addr)) = (self.model(), parts(member));
        let alive = model.alive.get(name);
        if alive.is_none() && model.failed.contains_key(name) {
            return vec![];
        }
        let mut lines: Vec<_> =
            alive.map(|_| [b"not-alive: ", name].concat()).into_iter().collect();
        let addr = alive.map_or(addr, |addr| addr);
        let at = wall.0.to_string();
        lines.push([b"#@failed: ", name, b" ", addr, b" ", at.as_bytes()].concat());
        // The oldest makes room, and is told so with a line of its own.
        let mut failed: Vec<_> =
            model.failed.iter().map(|(name, (_, at))| (*at, &name[..])).collect();
        failed.push((wall.0, name));
        failed.sort_unstable();
        let too_many = failed.len().saturating_sub(self.rules.max_failed);
        lines.extend(failed[..too_many].iter().map(|(_, name)| [b"not-alive: ", *name].concat()));
        lines
    }
}

fn parts(member: Member<'_>) -> (&[u8], &[u8]) {
    (member.name().as_bytes(), member.addr().as_bytes())
}
