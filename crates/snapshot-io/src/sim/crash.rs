//! One disk after a power cut.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::SimStorage;
use super::disk::{Disk, Node, Operation};
use super::images::CrashImages;
use super::inode::{Inode, Piece};
use super::random::Random;

/// What a reader finds where bytes were written and lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fill {
    /// Nothing: the file ends before them. Where later bytes were kept there are zeros.
    Missing,
    /// Zeros: the length was on the disk before the bytes.
    Zeros,
    /// What the blocks held before they were given to the file: the bytes that the file freed last
    /// had at the same offset, repeated as often as it takes. Before any was freed, the file's own.
    Old,
    /// Random bytes, or lines that nobody has written, such as another program's file may hold.
    Garbage,
}

/// One disk after a power cut. Its `Display` lists what was kept, for the report of a failure.
#[derive(Debug)]
pub struct CrashImage {
    /// The file system that a new process finds: everything in it is durable, nothing is open or
    /// locked, no call is going to fail, and the journal is empty.
    pub storage: SimStorage,
    /// What stands in place of lost bytes. It is [`Fill::Missing`] where nothing does: then the
    /// bytes of each file are a beginning of what was written to it.
    pub fill: Fill,
    choice: Choice,
    operations: Arc<[Operation]>,
}

/// Which operations the disk has, and how it shows that it has not the others.
#[derive(Debug)]
pub(super) struct Choice {
    /// The kept operations by their numbers; of a write how many of its bytes, of others any count.
    pub(super) kept: BTreeMap<u64, usize>,
    pub(super) fill: Fill,
    /// Chooses the length of a file, between the end of its last kept byte and the end of its last
    /// lost one; `None` is the latter.
    pub(super) length: Option<usize>,
    pub(super) garbage: u64,
}

impl CrashImage {
    pub(super) fn random(disk: Disk, seed: u64) -> Self {
        let images = CrashImages::new(disk, seed, 0);
        images.image(images.draw(&mut Random::new(seed)))
    }

    pub(super) fn new(disk: &Disk, choice: Choice, operations: Arc<[Operation]>) -> Self {
        let mut names = disk.durable.clone();
        for change in &disk.changes {
            let possible = change.needs.is_none_or(|needed| {
                choice.kept.contains_key(&needed)
                    || operations.iter().all(|operation| operation.number != needed)
            });
            if possible && choice.kept.contains_key(&change.operation) {
                change.apply(&mut names);
            }
        }
        let (mut inodes, mut any_lost) = (BTreeMap::new(), false);
        for node in names.values() {
            if let Node::File(ino) = node {
                let (inode, lost) = choice.inode(&disk.inodes[ino], &disk.freed);
                inodes.insert(*ino, inode);
                any_lost |= lost;
            }
        }
        let fill = match choice.fill {
            _ if !any_lost => Fill::Missing,
            Fill::Missing => Fill::Zeros,
            fill => fill,
        };
        Self { storage: disk.with(names, inodes).into(), fill, choice, operations }
    }

    /// Equal where a process could not tell two images apart.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let disk = &self.storage.world.lock().disk;
        for (path, node) in &disk.names {
            (path, node).hash(&mut hasher);
            if let Node::File(ino) = node {
                let inode = &disk.inodes[ino];
                (&inode.live, inode.attributes).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

impl Choice {
    /// The file as the disk has it, and whether any of its bytes stands in for a lost one.
    fn inode(&self, inode: &Inode, freed: &[u8]) -> (Inode, bool) {
        let landed = |piece: &Piece| self.kept.get(&piece.operation).copied().unwrap_or(0);
        let synced = inode.durable.len();
        let ends = inode.pieces.iter().filter(|piece| landed(piece) > 0);
        let kept_end = ends.map(|piece| piece.offset + landed(piece)).fold(synced, usize::max);
        let last_end = inode.pieces.iter().map(Piece::end).fold(synced, usize::max);
        let end = match (self.fill, self.length) {
            (Fill::Missing, _) => kept_end,
            (_, None) => last_end,
            (_, Some(length)) => kept_end + length % (last_end - kept_end + 1),
        };
        let old = if freed.is_empty() { &inode.durable } else { freed };
        let mut bytes = inode.durable.to_vec();
        bytes.resize(end, 0);
        let mut any_lost = false;
        for piece in &inode.pieces {
            let landed = landed(piece);
            let lost = (piece.offset + landed).min(end)..piece.end().min(end);
            bytes[piece.offset.min(end)..lost.start].copy_from_slice(&piece.bytes[..landed]);
            any_lost |= !lost.is_empty();
            match self.fill {
                Fill::Old if !old.is_empty() => {
                    let from = lost.start % old.len();
                    let stale = old[from..].iter().chain(old.iter().cycle());
                    bytes[lost].iter_mut().zip(stale).for_each(|(byte, stale)| *byte = *stale);
                }
                Fill::Garbage => {
                    garbage(&mut bytes[lost], Random::new(self.garbage ^ piece.operation));
                }
                Fill::Missing | Fill::Zeros | Fill::Old => bytes[lost].fill(0),
            }
        }
        let changed = inode.attributes_operation.is_some_and(|op| self.kept.contains_key(&op));
        let attributes = if changed { inode.attributes } else { inode.durable_attributes };
        (Inode::durable(bytes, attributes), any_lost)
    }
}

fn garbage(lost: &mut [u8], mut random: Random) {
    const LINES: [&str; 5] = [
        "alive: forged 198.51.100.66:6666\n",
        "clock: 281474976000000\n",
        "event-clock: 281474976000001\n",
        "query-clock: 281474976000002\n",
        "not-alive: forged\n",
    ];
    if random.below(2) == 0 {
        lost.fill_with(|| random.byte());
        return;
    }
    let lines =
        std::iter::once("\n").chain(std::iter::repeat_with(|| LINES[random.below(LINES.len())]));
    lost.iter_mut().zip(lines.flat_map(str::bytes)).for_each(|(byte, made_up)| *byte = made_up);
}

impl fmt::Display for CrashImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = match self.fill {
            Fill::Missing => "missing",
            Fill::Zeros => "zeros",
            Fill::Old => "old bytes",
            Fill::Garbage => "garbage",
        };
        writeln!(f, "power cut, lost bytes are {lost}")?;
        for Operation { number, words, part } in &*self.operations {
            let kept = self.choice.kept.get(number);
            let cut = kept.filter(|count| part.as_ref().is_some_and(|part| **count < part.len));
            let verb = if kept.is_some() { "kept" } else { "lost" };
            write!(f, "  {verb} {number}: {words}")?;
            match cut {
                Some(count) => writeln!(f, ", only the first {count}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
