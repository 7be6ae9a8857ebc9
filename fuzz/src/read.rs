//! Reading a file that is in memory, as a host reads one from a disk.

use std::collections::BTreeMap;

use snapshot_engine::{Document, DocumentReader, Mode, Policy, Replay, Report, State};
use snapshot_format::{Block, Decoder};
use snapshot_model::Model;

/// Hands over every block of a file that is read at once.
pub(crate) fn blocks(file: &[u8], each: impl FnMut(Block<'_>)) -> Decoder {
    blocks_of_pieces(file, std::iter::empty(), |_| {}, each)
}

/// Hands over every block of a file that is read in pieces of these sizes, 0 counting as 1, and each time the size of
/// the space for the next one.
pub(crate) fn blocks_of_pieces(
    mut file: &[u8],
    mut pieces: impl Iterator<Item = usize>,
    mut space: impl FnMut(usize),
    mut each: impl FnMut(Block<'_>),
) -> Decoder {
    let mut decoder = Decoder::new();
    loop {
        let free = decoder.space();
        space(free.len());
        let piece = pieces.next().unwrap_or(usize::MAX).max(1);
        let read = piece.min(free.len()).min(file.len());
        free[..read].copy_from_slice(&file[..read]);
        file = &file[read..];
        decoder.filled(read);
        while let Some(block) = decoder.next_block() {
            each(block);
        }
        if read == 0 {
            return decoder;
        }
    }
}

/// The default policy with this setting.
pub(crate) fn policy(rejoin_after_leave: bool) -> Policy {
    let mut policy = Policy::default();
    policy.rejoin_after_leave = rejoin_after_leave;
    policy
}

/// What both readers recover, without `rejoin_after_leave` and with it.
pub(crate) struct Readings {
    pub(crate) serf: [(State, Report); 2],
    pub(crate) hardened: [(State, Report); 2],
}

impl Readings {
    pub(crate) fn of(file: &[u8]) -> Self {
        let of = |mode| [false, true].map(|rejoin| Replay::new(mode, &policy(rejoin), 7));
        let ([a, b], [c, d]) = (of(Mode::Serf), of(Mode::Hardened));
        let [a, b, c, d] = states(file, [a, b, c, d]);
        Self { serf: [a, b], hardened: [c, d] }
    }
}

/// Several replays of one file, which is decoded once: that takes longer than most replays.
pub(crate) fn states<const N: usize>(
    file: &[u8],
    mut replays: [Replay; N],
) -> [(State, Report); N] {
    let decoder = blocks(file, |block| {
        for replay in &mut replays {
            replay.block(block.clone());
        }
    });
    replays.map(|replay| replay.finish(decoder.torn()))
}

pub(crate) fn document(file: &[u8]) -> (Document, Report) {
    let mut reader = DocumentReader::new(Mode::Hardened, &Policy::default(), 7);
    let decoder = blocks(file, |block| reader.block(block));
    reader.finish(decoder.torn())
}

/// The state as the oracle has it; a coordinate has no place there.
pub(crate) fn model_of(state: &State) -> Model {
    let clocks = state.clocks();
    let owned = |bytes: &[u8]| bytes.to_vec();
    let alive = state.alive().map(|(name, addr)| (owned(name.as_bytes()), owned(addr.as_bytes())));
    let failed = state
        .failed()
        .map(|(name, addr, at)| (owned(name.as_bytes()), (owned(addr.as_bytes()), at.0)));
    Model {
        alive: alive.collect(),
        failed: failed.collect(),
        clock: clocks.clock.0,
        event_clock: clocks.event_clock.0,
        query_clock: clocks.query_clock.0,
    }
}

/// What a Serf agent sees of it.
pub(crate) fn without_failed(model: Model) -> Model {
    Model { failed: BTreeMap::new(), ..model }
}

/// Says in one line what differs: the names and addresses of an oracle are bytes.
pub(crate) fn assert_same(recovered: &Model, expected: &Model) {
    assert!(recovered == expected, "recovered {}, expected {}", shown(recovered), shown(expected));
}

fn shown(model: &Model) -> String {
    let node =
        |name: &[u8], addr: &[u8]| format!("{} at {}", name.escape_ascii(), addr.escape_ascii());
    let alive: Vec<_> = model.alive.iter().map(|(name, addr)| node(name, addr)).collect();
    let failed: Vec<_> = model
        .failed
        .iter()
        .map(|(name, (addr, at))| node(name, addr) + &format!(", {at}"))
        .collect();
    let clocks = (model.clock, model.event_clock, model.query_clock);
    format!("alive {alive:?}, failed {failed:?}, clocks {clocks:?}")
}
