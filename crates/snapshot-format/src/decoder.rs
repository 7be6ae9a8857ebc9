//! A file in pieces of any size, cut into lines whose trust is known.

use alloc::vec;
use alloc::vec::Vec;

use memchr::{memchr, memchr_iter, memmem, memrchr};

use crate::lines::KEPT_OF_LONG;
use crate::{Line, Lines, MAX_BATCH, MAX_LINE, Record, Seal, SealFault};

const SEAL: &[u8] = b"#@seal: ";
const NEWLINE_SEAL: &[u8] = b"\n#@seal: ";

/// How much is read at least before a run counts as unsealed: a batch, and room for the next read.
const CAPACITY: usize = MAX_BATCH + 64 * 1024;
/// The buffer grows to this for one line only.
const MAX_CAPACITY: usize = MAX_LINE + 64 * 1024;

/// Whether bytes are those that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a reader must decide about each, and there is no fourth"
)]
pub enum Trust {
    /// A seal covers them, and it holds.
    Sealed(Seal),
    /// No seal covers them: another agent wrote them, or a crash came before their seal.
    Unsealed,
    /// A seal ends them, and it does not hold.
    Damaged(SealFault),
}

/// Lines that are believed or doubted together.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// What their seal says.
    pub trust: Trust,
    /// The lines, the seal line itself included.
    pub lines: Lines<'a>,
}

/// Cuts a file into blocks of lines, whatever the pieces in which it is read.
///
/// It holds one batch, or one line of at most [`MAX_LINE`] bytes, never more.
/// Any split of the same bytes gives the same lines with the same trust.
///
/// ```
/// # use snapshot_format::{Decoder, Trust};
/// let mut file = &b"alive: a 10.0.0.1:7946\nclock: 3\ncl"[..];
/// let mut decoder = Decoder::new();
/// let mut numbers = Vec::new();
/// loop {
///     let space = decoder.space();
///     let n = file.len().min(space.len()).min(5);
///     space[..n].copy_from_slice(&file[..n]);
///     file = &file[n..];
///     decoder.filled(n);
///     while let Some(block) = decoder.next_block() {
///         assert_eq!(block.trust, Trust::Unsealed);
///         numbers.extend(block.lines.map(|line| line.number));
///     }
///     if n == 0 { break }
/// }
/// assert_eq!(numbers, [1, 2]);
/// assert_eq!(decoder.torn().unwrap().offset, 32);
/// ```
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// The bytes of the buffer that were filled and not handed out; `start` is where a line begins, but inside one
    /// that is too long.
    start: usize,
    end: usize,
    /// From `start` on, this many bytes hold no whole seal line.
    searched: usize,
    /// Of the line at `start`.
    number: u64,
    offset: u64,
    /// Bytes of the present run that were already handed out as unsealed.
    handed_out: u64,
    /// Inside a line that is too long: how many bytes of it are behind us.
    long: Option<u64>,
    /// The first bytes of the last such line.
    kept_of_long: Vec<u8>,
    at_end: bool,
    seals: memmem::Finder<'static>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the start of a file.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffer: vec![0; CAPACITY],
            start: 0,
            end: 0,
            searched: 0,
            number: 1,
            offset: 0,
            handed_out: 0,
            long: None,
            kept_of_long: Vec::new(),
            at_end: false,
            seals: memmem::Finder::new(NEWLINE_SEAL),
        }
    }

    /// Where to put the next bytes of the file; never empty.
    ///
    /// # Panics
    /// Where [`next_block`](Self::next_block) was not called until it returned `None`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            assert!(self.end < MAX_CAPACITY, "blocks that are ready were not taken");
            self.buffer.resize((self.end * 2).min(MAX_CAPACITY), 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Says that the first `n` bytes of [`space`](Self::space) were filled; 0 is the end of the file.
    ///
    /// # Panics
    /// Where there was not so much space.
    pub fn filled(&mut self, n: usize) {
        assert!(n <= self.buffer.len() - self.end, "more bytes than there was space for");
        self.at_end |= n == 0;
        self.end += n;
    }

    /// The next lines whose trust is known; `None` when more bytes are needed, or all was handed out.
    ///
    /// To be called after each [`filled`](Self::filled), until it returns `None`.
    pub fn next_block(&mut self) -> Option<Block<'_>> {
        if let Some(dropped) = self.long {
            return self.rest_of_long(dropped);
        }
        if let Some((at, seal)) = self.find_seal() {
            return Some(self.sealed(at, seal));
        }
        let data = &self.buffer[self.start..self.end];
        let unsealed = self.handed_out > 0 || data.len() > MAX_BATCH || self.at_end;
        if !unsealed {
            return None;
        }
        if let Some(last) = memrchr(b'\n', data) {
            return Some(self.unsealed(last + 1));
        }
        if data.len() > MAX_LINE {
            self.kept_of_long = data[..KEPT_OF_LONG].to_vec();
            self.long = Some(data.len() as u64);
            self.start = self.end;
            self.searched = 0;
        }
        None
    }

    /// The bytes behind the last newline, once the end of the file was told: a torn record, whatever it looks like.
    #[must_use]
    pub fn torn(&self) -> Option<Line<'_>> {
        if let Some(len) = self.long {
            let (number, offset) = (self.number, self.offset);
            return Some(Line { number, offset, len, bytes: &self.kept_of_long });
        }
        let data = &self.buffer[self.start..self.end];
        (!data.is_empty()).then(|| Line::new(self.number, self.offset, data))
    }

    /// The first whole seal line: its place behind `start`, and what it says.
    fn find_seal(&mut self) -> Option<(core::ops::Range<usize>, Seal)> {
        let data = &self.buffer[self.start..self.end];
        loop {
            let from = self.searched;
            let begin = if from == 0 && data.starts_with(SEAL) {
                0
            } else if let Some(newline) = self.seals.find(&data[from..]) {
                from + newline + 1
            } else {
                // The beginning of a seal may stand at the end.
                self.searched = from.max(data.len().saturating_sub(NEWLINE_SEAL.len() - 1));
                return None;
            };
            // From the newline before it, so that the same place is found again when more has come.
            self.searched = begin.saturating_sub(1);
            let end = begin + memchr(b'\n', &data[begin..])?;
            let line = &data[begin..end];
            if line.len() <= MAX_LINE
                && let Ok(Record::Seal(seal)) = Record::parse(line)
            {
                return Some((begin..end + 1, seal));
            }
            self.searched = end;
        }
    }

    /// A run and the seal line at `at`, or what precedes it where the run is too long for a batch.
    fn sealed(&mut self, at: core::ops::Range<usize>, seal: Seal) -> Block<'_> {
        let short = self.handed_out == 0 && at.end <= MAX_BATCH;
        if !short && at.start > 0 {
            return self.unsealed(at.start);
        }
        let trust = if short {
            let run_and_line = &self.buffer[self.start..self.start + at.end];
            seal.judge(run_and_line, at.len()).map_or_else(Trust::Damaged, |()| Trust::Sealed(seal))
        } else {
            Trust::Damaged(SealFault::Length)
        };
        self.handed_out = 0;
        Block { trust, lines: self.take(at.end) }
    }

    fn unsealed(&mut self, len: usize) -> Block<'_> {
        self.handed_out += len as u64;
        Block { trust: Trust::Unsealed, lines: self.take(len) }
    }

    /// Hands out the whole lines of the next `len` bytes.
    fn take(&mut self, len: usize) -> Lines<'_> {
        let (start, number, offset) = (self.start, self.number, self.offset);
        self.start += len;
        self.searched = 0;
        let bytes = &self.buffer[start..self.start];
        self.number += memchr_iter(b'\n', bytes).count() as u64;
        self.offset += len as u64;
        Lines::starting(bytes, number, offset)
    }

    /// Drops what follows of a line that is too long; its newline makes it a block.
    fn rest_of_long(&mut self, dropped: u64) -> Option<Block<'_>> {
        let data = &self.buffer[self.start..self.end];
        let newline = memchr(b'\n', data);
        let len = dropped + newline.unwrap_or(data.len()) as u64;
        self.start += newline.map_or(data.len(), |newline| newline + 1);
        self.long = newline.is_none().then_some(len);
        newline?;
        let lines = Lines::of_long(&self.kept_of_long, self.number, self.offset, len);
        self.number += 1;
        self.offset += len + 1;
        self.handed_out += len + 1;
        Some(Block { trust: Trust::Unsealed, lines })
    }
}
