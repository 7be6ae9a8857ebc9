//! What several tests need: reading bytes, sealing lines, a state as the oracle has it, and an engine driven by hand.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

pub mod disk;
pub mod driver;
pub mod ledger;

use snapshot_engine::{Document, DocumentReader, Mode, Policy, Replay, Report, State, UnixMillis};
use snapshot_format::{Block, Decoder, Record, Sealer};
use snapshot_model::{Model, Rules};

/// The default policy with some changes.
pub fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

pub fn corpus(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../corpus/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub fn edge_case(id: &str) -> Vec<u8> {
    let cases = String::from_utf8(corpus("edge-cases.jsonl")).unwrap();
    let row = cases
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|row| row["id"] == id);
    let hex = row.unwrap()["input_hex"].as_str().unwrap().to_owned();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

pub fn decode(file: &[u8], mode: Mode, rejoin_after_leave: bool) -> (State, Report) {
    decode_with(file, mode, &policy(|policy| policy.rejoin_after_leave = rejoin_after_leave))
}

pub fn decode_with(file: &[u8], mode: Mode, policy: &Policy) -> (State, Report) {
    let mut replay = Replay::new(mode, policy, 7);
    let decoder = blocks(file, |block| replay.block(block));
    replay.finish(decoder.torn())
}

/// A file as a tool reads it, under both settings.
pub fn document(file: &[u8], mode: Mode, policy: &Policy) -> (Document, Report) {
    let mut reader = DocumentReader::new(mode, policy, 7);
    let decoder = blocks(file, |block| reader.block(block));
    reader.finish(decoder.torn())
}

/// Hands every block to `each`; the decoder that comes back knows the torn end.
pub fn blocks(mut file: &[u8], mut each: impl FnMut(Block<'_>)) -> Decoder {
    let mut decoder = Decoder::new();
    loop {
        let space = decoder.space();
        let n = file.len().min(space.len());
        space[..n].copy_from_slice(&file[..n]);
        file = &file[n..];
        decoder.filled(n);
        while let Some(block) = decoder.next_block() {
            each(block);
        }
        if n == 0 {
            return decoder;
        }
    }
}

pub fn sealed(lines: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new();
    sealer.update(lines);
    let mut batch = lines.to_vec();
    Record::Seal(sealer.seal(UnixMillis(1_763_867_000_000))).encode(&mut batch);
    batch
}

pub fn model_of(state: &State) -> Model {
    let clocks = state.clocks();
    let failed = state
        .failed()
        .map(|(name, addr, at)| (name.as_bytes().to_vec(), (addr.as_bytes().to_vec(), at.0)));
    Model {
        alive: state
            .alive()
            .map(|(name, addr)| (name.as_bytes().to_vec(), addr.as_bytes().to_vec()))
            .collect(),
        failed: failed.collect(),
        clock: clocks.clock.0,
        event_clock: clocks.event_clock.0,
        query_clock: clocks.query_clock.0,
    }
}

/// The oracle's rules for the same reading.
pub fn rules_of(policy: &Policy) -> Rules {
    Rules {
        max_clock: policy.max_clock.0,
        max_failed: policy.max_failed,
        ..Rules::hardened(policy.rejoin_after_leave)
    }
}

/// Numbers that look random and are the same every time.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        // The generator of Knuth's MMIX; its upper bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }
}
