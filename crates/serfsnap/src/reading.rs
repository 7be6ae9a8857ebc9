//! FILE, read to its end in one pass.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};

use snapshot_engine::{Mode, Replay, Report, State};
use snapshot_format::{Block, Decoder};

use crate::args::policy;
use crate::failure::Failure;
use crate::input::Input;

/// What a file says under one set of rules.
pub(crate) struct Reading {
    pub(crate) state: State,
    pub(crate) report: Report,
}

impl Reading {
    /// Reads FILE under several rules in one pass, so that a pipe will do and a live file says the same to each.
    pub(crate) fn new<const N: usize>(
        input: &mut Input,
        asked: [(Mode, bool); N],
    ) -> Result<[Self; N], Failure> {
        let mut replays =
            asked.map(|(mode, rejoins)| Replay::new(mode, &policy(rejoins), random_seed()));
        let decoder = for_each_block(input, |block| {
            for replay in &mut replays {
                replay.block(block.clone());
            }
            Ok(())
        })?;
        Ok(replays.map(|replay| {
            let (state, report) = replay.finish(decoder.torn());
            Self { state, report }
        }))
    }
}

/// Hands out every block in turn; the decoder that comes back knows the torn end.
///
/// Unlike `snapshot_io::read_blocks` it stops where `each` cannot go on, as with a closed pipe.
pub(crate) fn for_each_block(
    input: &mut Input,
    mut each: impl FnMut(Block<'_>) -> io::Result<()>,
) -> Result<Decoder, Failure> {
    let mut decoder = Decoder::new();
    loop {
        let read = match input.read(decoder.space()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| input.failure(&error))?,
        };
        decoder.filled(read);
        while let Some(block) = decoder.next_block() {
            each(block)?;
        }
        if read == 0 {
            return Ok(decoder);
        }
    }
}

/// Names in a file come from the network; a seed of our own keeps them from being chosen to collide.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
