//! Whole files, for tools: reading from any source.

use std::io::{self, Read};

use snapshot_engine::{Document, DocumentReader, Replay, Report, State};
use snapshot_format::{Block, Decoder};

/// No signals come so thick; a source that is interrupted for ever must not keep its reader in a circle.
pub(crate) const MAX_INTERRUPTIONS: usize = 100;

/// Reads a snapshot from any source to its end, in constant memory besides the state.
///
/// # Errors
/// The source's error. A read error is never taken for the end of the file.
pub fn replay(from: impl Read, mut replay: Replay) -> io::Result<(State, Report)> {
    let decoder = read_blocks(from, |block| replay.block(block))?;
    Ok(replay.finish(decoder.torn()))
}

/// Reads a snapshot under both settings of `rejoin_after_leave`.
///
/// # Errors
/// As [`replay`].
pub fn read_document(
    from: impl Read,
    mut reader: DocumentReader,
) -> io::Result<(Document, Report)> {
    let decoder = read_blocks(from, |block| reader.block(block))?;
    Ok(reader.finish(decoder.torn()))
}

/// Hands every block of a source to `each`; the decoder that comes back knows the torn end.
///
/// # Errors
/// As [`replay`].
pub fn read_blocks(mut from: impl Read, mut each: impl FnMut(Block<'_>)) -> io::Result<Decoder> {
    let mut decoder = Decoder::new();
    let mut interruptions = 0;
    loop {
        let read = match from.read(decoder.space()) {
            Err(error)
                if error.kind() == io::ErrorKind::Interrupted
                    && interruptions < MAX_INTERRUPTIONS =>
            {
                interruptions += 1;
                continue;
            }
            read => read?,
        };
        interruptions = 0;
        decoder.filled(read);
        while let Some(block) = decoder.next_block() {
            each(block);
        }
        if read == 0 {
            return Ok(decoder);
        }
    }
}
