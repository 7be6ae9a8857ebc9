//! Events by chance, what they add to a file, and the judgement of what a file holds of them.
//!
//! Nothing here shares code with the tool: what an event writes is said once more, and the oracle reads the files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Value, json};
use snapshot_model::{Model, Rules};

const RULES: Rules = Rules::hardened(false);

/// So many names, so that many records replace others and a small file is soon worth a rewrite.
const NAMES: u64 = 40;

/// Numbers by chance, the same ones for the same seed.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `SplitMix64`, as Steele, Lea and Flood give it.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub const fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }
}

/// Lines of input, and what they say.
#[derive(Debug)]
pub struct Story {
    /// The lines of input, each with its newline.
    pub input: Vec<String>,
    /// What is accepted of them, in order; a failed node without the time.
    records: Vec<String>,
    /// How many records the first so many lines of input give.
    ends: Vec<usize>,
    base: Model,
    /// What all of it says together.
    model: Model,
    left: bool,
}

impl Story {
    /// A story that goes on from what a file holds.
    pub fn on(base: &Model) -> Self {
        let (base, model) = (base.clone(), base.clone());
        Self { input: vec![], records: vec![], ends: vec![0], base, model, left: false }
    }

    /// So many events by chance, without a leave.
    pub fn by_chance(base: &Model, len: usize, chance: &mut Chance) -> Self {
        let mut story = Self::on(base);
        story.go_on(len, chance);
        story
    }

    /// More events by chance.
    pub fn go_on(&mut self, len: usize, chance: &mut Chance) {
        for _ in 0..len {
            match chance.below(12) {
                0..=4 => {
                    let members: Vec<_> = (0..=chance.below(3)).map(|_| member(chance)).collect();
                    self.members("member-join", &members);
                }
                5 => self.members("member-update", &[member(chance)]),
                6 => self.members("member-failed", &[member(chance)]),
                7 => self.members("member-leave", &[member(chance)]),
                8 => self.members("member-reap", &[member(chance)]),
                // Some are old.
                9 => self.user((self.model.event_clock + chance.below(4)).saturating_sub(1)),
                10 => self.query((self.model.query_clock + chance.below(4)).saturating_sub(1)),
                _ => self.clock(self.model.clock + chance.below(4)),
            }
        }
    }

    pub fn leave(&mut self) {
        if !self.left {
            let clock = self.model.clock;
            self.accept("leave".to_owned());
            if clock > 0 {
                self.accept(format!("clock: {clock}"));
            }
            self.left = true;
        }
        self.end(&json!({ "event": "leave" }));
    }

    /// All lines of input.
    pub fn len(&self) -> usize {
        self.input.len()
    }

    /// What the file must say once all of it is there.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// Checks that a file holds the first so many records and nothing else, and all that the first lines of input gave
    /// which were acknowledged, and none that was not sent.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn judge(&self, lines: RangeInclusive<usize>, found: &Model) -> Result<(), String> {
        let (acked, sent) = (*lines.start(), *lines.end());
        let (least, most) = (self.ends[acked], self.ends[sent]);
        let mut model = self.base.clone();
        let mut held = vec![];
        for count in 0..=self.records.len() {
            if is_same(&model, found) {
                held.push(count);
            }
            if let Some(record) = self.records.get(count) {
                model.apply_line(record.as_bytes(), &RULES);
            }
        }
        if held.iter().any(|count| (least..=most).contains(count)) {
            return Ok(());
        }
        let what = if held.is_empty() { "no prefix" } else { "another prefix" };
        Err(format!(
            "the file holds {what} of what was sent (as after records {held:?}): {acked} lines with {least} records \
             were acknowledged, {sent} lines with {most} records sent\nfound {}\nacknowledged {}",
            shown(found),
            shown(&self.after(acked)),
        ))
    }

    /// What the first lines of input say.
    pub fn after(&self, lines: usize) -> Model {
        let mut model = self.base.clone();
        let records = &self.records[..self.ends[lines]];
        for record in records {
            model.apply_line(record.as_bytes(), &RULES);
        }
        model
    }

    pub fn user(&mut self, time: u64) {
        if !self.left && time > self.model.event_clock {
            self.accept(format!("event-clock: {time}"));
        }
        self.end(&json!({ "event": "user", "ltime": time }));
    }

    fn query(&mut self, time: u64) {
        if !self.left && time > self.model.query_clock {
            self.accept(format!("query-clock: {time}"));
        }
        self.end(&json!({ "event": "query", "ltime": time }));
    }

    fn clock(&mut self, time: u64) {
        let seen = time.saturating_sub(1);
        if seen > self.model.clock {
            self.accept(format!("clock: {seen}"));
        }
        self.end(&json!({ "event": "clock", "time": time }));
    }

    fn members(&mut self, event: &str, members: &[(String, String)]) {
        let as_json =
            |(name, addr): &(String, String)| json!({"name": name, "addr": addr, "port": 7946});
        let json: Vec<Value> = members.iter().map(as_json).collect();
        if !self.left {
            for (name, addr) in members {
                self.member(event, name, &format!("{addr}:7946"));
            }
        }
        self.end(&json!({ "event": event, "members": json }));
    }

    fn member(&mut self, event: &str, name: &str, addr: &str) {
        let was = self.model.alive.get(name.as_bytes()).cloned();
        let had_failed = self.model.failed.contains_key(name.as_bytes());
        match event {
            "member-join" | "member-update" if was.as_deref() != Some(addr.as_bytes()) => {
                self.accept(format!("alive: {name} {addr}"));
            }
            "member-failed" if !had_failed => {
                if was.is_some() {
                    self.accept(format!("not-alive: {name}"));
                }
                let addr =
                    was.map_or_else(|| addr.to_owned(), |was| String::from_utf8(was).unwrap());
                self.accept(format!("#@failed: {name} {addr} 0"));
            }
            "member-leave" | "member-reap" if was.is_some() || had_failed => {
                self.accept(format!("not-alive: {name}"));
            }
            _ => {}
        }
    }

    fn accept(&mut self, record: String) {
        self.model.apply_line(record.as_bytes(), &RULES);
        self.records.push(record);
    }

    fn end(&mut self, line: &Value) {
        self.input.push(format!("{line}\n"));
        self.ends.push(self.records.len());
    }
}

fn member(chance: &mut Chance) -> (String, String) {
    let name = match chance.below(NAMES) {
        0 => "with a space".to_owned(),
        1 => "nämlich".to_owned(),
        number => format!("node-{number}"),
    };
    (name, format!("10.0.0.{}", 1 + chance.below(3)))
}

/// What the oracle reads at a path, failed nodes without their times; a file that is not there says nothing.
pub fn read_at(path: &Path) -> Model {
    match fs::read(path) {
        Ok(bytes) => timeless(snapshot_model::replay(&bytes, &RULES)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Model::default(),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// What `inspect` of the tool itself says of a file.
pub fn inspected(object: &Value) -> Model {
    let text = |node: &Value, key: &str| node[key].as_str().unwrap().as_bytes().to_vec();
    let number = |key: &str| object[key].as_u64().unwrap();
    let nodes = |key: &str| -> BTreeMap<Vec<u8>, Vec<u8>> {
        let nodes = object[key].as_array().unwrap().iter();
        nodes.map(|node| (text(node, "name"), text(node, "addr"))).collect()
    };
    Model {
        alive: nodes("alive"),
        failed: nodes("failed").into_iter().map(|(name, addr)| (name, (addr, 0))).collect(),
        clock: number("clock"),
        event_clock: number("event_clock"),
        query_clock: number("query_clock"),
    }
}

/// When a node failed is what the tool's clock said, which no test knows.
fn timeless(mut model: Model) -> Model {
    model.failed.values_mut().for_each(|(_, at)| *at = 0);
    model
}

/// Numbers first: they differ at most places, and most comparisons end there.
fn is_same(one: &Model, other: &Model) -> bool {
    let clocks = |of: &Model| (of.clock, of.event_clock, of.query_clock, of.alive.len());
    clocks(one) == clocks(other) && one == other
}

fn shown(model: &Model) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let alive: Vec<_> =
        model.alive.iter().map(|(name, addr)| format!("{}={}", text(name), text(addr))).collect();
    let failed: Vec<_> = model.failed.keys().map(|name| text(name)).collect();
    format!(
        "clocks {} {} {}, alive {alive:?}, failed {failed:?}",
        model.clock, model.event_clock, model.query_clock
    )
}
