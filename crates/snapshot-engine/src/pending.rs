//! What was recorded and is not yet handed to the system: a queue of sealed pieces and one that is open.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use snapshot_format::{MAX_SEAL_LINE, Record, Sealer, UnixMillis};

use crate::Position;

/// The size of a piece in bytes, its seal included: one batch of the file, one write.
pub(crate) const PIECE: usize = 64 * 1024;

/// One batch, sealed.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// The position that stands after its last record.
    pub(crate) end: Position,
}

#[derive(Debug, Default)]
pub(crate) struct Pending {
    open: Vec<u8>,
    open_end: Position,
    sealed: VecDeque<Piece>,
    /// The bytes of all sealed pieces.
    sealed_bytes: usize,
}

impl Pending {
    /// Appends a record; the piece is sealed first where it does not fit.
    pub(crate) fn push(&mut self, record: &Record<'_>, wall: UnixMillis, end: Position) {
        let start = self.open.len();
        record.encode(&mut self.open);
        if start > 0 && self.open.len() + MAX_SEAL_LINE > PIECE {
            let record = self.open.split_off(start);
            self.seal(wall);
            self.open = record;
        }
        self.open_end = end;
    }

    /// Makes sure that the next `bytes` bytes stand in one piece.
    pub(crate) fn make_room(&mut self, bytes: usize, wall: UnixMillis) {
        if self.open.len() + bytes + MAX_SEAL_LINE > PIECE {
            self.seal(wall);
        }
    }

    /// Ends the open piece.
    pub(crate) fn seal(&mut self, wall: UnixMillis) {
        if !self.open.is_empty() {
            let bytes = seal(core::mem::take(&mut self.open), wall);
            self.put_back(Piece { bytes, end: self.open_end }, false);
        }
    }

    /// The oldest sealed piece.
    pub(crate) fn pop(&mut self) -> Option<Piece> {
        let piece = self.sealed.pop_front()?;
        self.sealed_bytes -= piece.bytes.len();
        Some(piece)
    }

    /// Puts a piece where it was: in front of all others, or behind the sealed ones.
    pub(crate) fn put_back(&mut self, piece: Piece, in_front: bool) {
        self.sealed_bytes += piece.bytes.len();
        if in_front {
            self.sealed.push_front(piece);
        } else {
            self.sealed.push_back(piece);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.sealed_bytes + self.open.len()
    }

    pub(crate) fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }
}

/// Appends the seal of a whole batch.
pub(crate) fn seal(mut batch: Vec<u8>, wall: UnixMillis) -> Vec<u8> {
    let mut sealer = Sealer::new();
    sealer.update(&batch);
    Record::Seal(sealer.seal(wall)).encode(&mut batch);
    batch
}
