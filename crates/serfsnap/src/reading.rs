//! FILE, read to its end in one pass.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};

use snapshot_engine::{Mode, Replay, Report, State};
use snapshot_format::{Block, Decoder};

use crate::args::Rules;
use crate::failure::Failure;
use crate::input::Input;

/// What a file says under one set of rules.
pub(crate) struct Reading {
    pub(crate) state: State,
    pub(crate) report: Report,
    /// What an owner who rejoins after a leave would recover, where that is something else.
    pub(crate) rejoining: Option<State>,
}

impl Reading {
    /// Reads FILE to its end.
    pub(crate) fn new(input: &mut Input, rules: Rules) -> Result<Self, Failure> {
        let mut reader = ReadingReader::new(rules);
        let decoder = for_each_block(input, |block| {
            reader.block(block);
            Ok(())
        })?;
        Ok(reader.finish(&decoder))
    }

    /// Reads FILE by the rules and by those of the other mode, in one pass, so that a pipe will do and a live file
    /// says the same to both.
    pub(crate) fn with_other_mode(
        input: &mut Input,
        rules: Rules,
    ) -> Result<(Self, State), Failure> {
        let other = match rules.reader.mode() {
            Mode::Hardened => Mode::Serf,
            Mode::Serf => Mode::Hardened,
        };
        let mut reader = ReadingReader::new(rules);
        let mut other = Replay::new(other, &rules.policy(), random_seed());
        let decoder = for_each_block(input, |block| {
            other.block(block.clone());
            reader.block(block);
            Ok(())
        })?;
        let (other, _) = other.finish(decoder.torn());
        Ok((reader.finish(&decoder), other))
    }
}

struct ReadingReader {
    replay: Replay,
    rejoins: bool,
    /// A copy from before the first `leave`, which sees none.
    rejoining: Option<Replay>,
}

impl ReadingReader {
    fn new(rules: Rules) -> Self {
        let replay = Replay::new(rules.reader.mode(), &rules.policy(), random_seed());
        Self { replay, rejoins: rules.rejoins(), rejoining: None }
    }

    fn block(&mut self, block: Block<'_>) {
        // A whole block at once is faster, and nearly all will do.
        if !may_leave(block.lines.remainder()) {
            if let Some(rejoining) = &mut self.rejoining {
                rejoining.block(block.clone());
            }
            self.replay.block(block);
            return;
        }
        let Block { trust, lines } = block;
        for line in lines {
            // A carriage return behind it is forgiven in bytes without a seal, and elsewhere it is no record at all.
            let leaves = matches!(line.bytes, b"leave" | b"leave\r");
            if leaves && !self.rejoins && self.rejoining.is_none() {
                self.rejoining = Some(self.replay.clone());
            }
            self.replay.line(&line, trust);
            if let Some(rejoining) = &mut self.rejoining
                && !leaves
            {
                rejoining.line(&line, trust);
            }
        }
    }

    fn finish(self, decoder: &Decoder) -> Reading {
        let (state, report) = self.replay.finish(decoder.torn());
        let rejoining = self.rejoining.map(|replay| replay.finish(decoder.torn()).0);
        Reading { state, report, rejoining }
    }
}

/// Whether a line of these bytes may be a `leave`.
fn may_leave(bytes: &[u8]) -> bool {
    bytes.starts_with(b"leave") || memchr::memmem::find(bytes, b"\nleave").is_some()
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
