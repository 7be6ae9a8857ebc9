//! One file: what reading shows, what is on the disk, and the writes between the two.

use std::io;
use std::sync::Arc;

use super::disk::errno;
use super::fault::SyncFailure;

/// The bytes that the simulated disk writes at once, aligned.
pub const BLOCK: usize = 4096;

/// Owner and mode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// The permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// The bytes are shared with the images of crashes until one of them writes.
#[derive(Clone)]
pub(super) struct Inode {
    pub(super) live: Arc<Vec<u8>>,
    pub(super) durable: Arc<Vec<u8>>,
    /// Unsynced shares of blocks, in the order they were written.
    pub(super) pieces: Vec<Piece>,
    pub(super) attributes: Attributes,
    pub(super) durable_attributes: Attributes,
    /// The number of the operation that set `attributes`, where no sync has covered it.
    pub(super) attributes_operation: Option<u64>,
    /// An error that the next write or sync has to report.
    deferred: Option<i32>,
    pub(super) handles: usize,
    pub(super) locked: bool,
}

/// One block's share of one write.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) operation: u64,
    /// The first operation of the same write.
    pub(super) write: u64,
    pub(super) offset: usize,
    pub(super) bytes: Vec<u8>,
    /// A failed sync has marked it clean: no later sync writes it. The disk may have it all the
    /// same, so that it stays an operation for ever.
    pub(super) dropped: bool,
}

impl Piece {
    pub(super) fn end(&self) -> usize {
        self.offset + self.bytes.len()
    }
}

impl Inode {
    /// A file that has been on the disk for long.
    pub(super) fn durable(bytes: Vec<u8>, attributes: Attributes) -> Self {
        let bytes = Arc::new(bytes);
        Self {
            live: Arc::clone(&bytes),
            durable: bytes,
            pieces: Vec::new(),
            attributes,
            durable_attributes: attributes,
            attributes_operation: None,
            deferred: None,
            handles: 0,
            locked: false,
        }
    }

    pub(super) fn set_attributes(&mut self, attributes: Attributes, operations: &mut u64) {
        if self.attributes != attributes {
            self.attributes = attributes;
            self.attributes_operation = Some(next(operations));
        }
    }

    /// Appends all of `bytes`.
    pub(super) fn append(&mut self, bytes: &[u8], operations: &mut u64) {
        let (mut offset, mut rest) = (self.live.len(), bytes);
        let write = *operations + 1;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(BLOCK - offset % BLOCK));
            self.pieces.push(Piece {
                operation: next(operations),
                write,
                offset,
                bytes: now.to_vec(),
                dropped: false,
            });
            offset += now.len();
            rest = later;
        }
        Arc::make_mut(&mut self.live).extend_from_slice(bytes);
    }

    pub(super) fn sync(&mut self) {
        let durable = Arc::make_mut(&mut self.durable);
        self.pieces.retain(|piece| {
            if !piece.dropped {
                put(durable, piece.offset, &piece.bytes);
            }
            piece.dropped
        });
        self.durable_attributes = self.attributes;
        self.attributes_operation = None;
    }

    /// What a failed sync leaves behind; `Ok` is what the caller is told, wrongly.
    pub(super) fn fail_sync(&mut self, failure: SyncFailure, error: i32) -> io::Result<()> {
        // Whatever else goes wrong, this is the next call.
        let earlier = self.report_deferred();
        if failure != SyncFailure::Retained {
            self.pieces.iter_mut().for_each(|piece| piece.dropped = true);
        }
        match failure {
            SyncFailure::Retained | SyncFailure::Dropped => {}
            SyncFailure::Zeroed => {
                let live = Arc::make_mut(&mut self.live);
                for piece in &self.pieces {
                    live[piece.offset..piece.end()].fill(0);
                }
            }
            SyncFailure::Reverted => {
                self.live = Arc::clone(&self.durable);
                self.pieces.clear();
            }
            SyncFailure::Deferred => {
                self.deferred = Some(error);
                return earlier;
            }
        }
        Err(errno(error))
    }

    /// The error that an earlier sync has kept back.
    pub(super) fn report_deferred(&mut self) -> io::Result<()> {
        self.deferred.take().map_or(Ok(()), |error| Err(errno(error)))
    }

    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.live.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut Vec<u8>)) {
        edit(Arc::make_mut(&mut self.live));
        self.durable = Arc::clone(&self.live);
        self.pieces.clear();
    }

    pub(super) fn plant_attributes(&mut self, attributes: Attributes) {
        self.attributes = attributes;
        self.durable_attributes = attributes;
        self.attributes_operation = None;
    }
}

/// Writes at an offset; a gap before it reads as zeros.
pub(super) fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

pub(super) fn next(operations: &mut u64) -> u64 {
    *operations += 1;
    *operations
}
