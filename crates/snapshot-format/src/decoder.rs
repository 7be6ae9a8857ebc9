//! A file in pieces of any size, cut into lines whose trust is known.

use alloc::vec;
use alloc::vec::Vec;

use crate::lines::KEPT_OF_LONG;
use crate::{Line, Lines, MAX_BATCH, MAX_LINE, Record, Seal, SealFault, newlines};

const SEAL: &[u8] = b"#@seal: ";

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
/// It holds one batch, or one line of at most [`MAX_LINE`] bytes, and where its newlines are, never more.
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
    /// Where in them the newlines are, and how many of these were handed out.
    newlines: Vec<u32>,
    taken: usize,
    /// So many of the newlines end lines that are no seals, or were handed out.
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
            newlines: Vec::new(),
            taken: 0,
            searched: 0,
            number: 1,
            offset: 0,
            handed_out: 0,
            long: None,
            kept_of_long: Vec::new(),
            at_end: false,
        }
    }

    /// Where to put the next bytes of the file; never empty.
    ///
    /// # Panics
    /// Where [`next_block`](Self::next_block) was not called until it returned `None`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.newlines.drain(..self.taken);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the buffer is far shorter than 4 GiB"
            )]
            let moved = self.start as u32;
            for newline in &mut self.newlines {
                *newline -= moved;
            }
            self.end -= self.start;
            self.searched -= self.taken;
            (self.start, self.taken) = (0, 0);
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
        let from = self.end;
        self.end += n;
        newlines::find(&self.buffer[..self.end], from, &mut self.newlines);
    }

    /// The next lines whose trust is known; `None` when more bytes are needed, or all was handed out.
    ///
    /// To be called after each [`filled`](Self::filled), until it returns `None`.
    pub fn next_block(&mut self) -> Option<Block<'_>> {
        if let Some(dropped) = self.long {
            return self.rest_of_long(dropped);
        }
        if let Some((line, seal)) = self.find_seal() {
            return Some(self.sealed(line, seal));
        }
        let len = self.end - self.start;
        let unsealed = self.handed_out > 0 || len > MAX_BATCH || self.at_end;
        if !unsealed {
            return None;
        }
        if self.taken < self.newlines.len() {
            return Some(self.unsealed(self.newlines.len()));
        }
        if len > MAX_LINE {
            self.kept_of_long = self.buffer[self.start..][..KEPT_OF_LONG].to_vec();
            self.long = Some(len as u64);
            self.start = self.end;
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

    /// The first whole seal line: which newline ends it, and what it says.
    fn find_seal(&mut self) -> Option<(usize, Seal)> {
        while self.searched < self.newlines.len() {
            let begin = self.begin_of(self.searched);
            // Nearly every line is told from a seal by its first byte.
            if self.buffer[begin] == SEAL[0]
                && let Some(seal) = self.seal(begin, self.searched)
            {
                return Some((self.searched, seal));
            }
            self.searched += 1;
        }
        None
    }

    /// Where the line begins that this newline ends.
    fn begin_of(&self, newline: usize) -> usize {
        if newline == self.taken { self.start } else { self.newlines[newline - 1] as usize + 1 }
    }

    fn end_of(&self, newline: usize) -> usize {
        self.newlines[newline] as usize
    }

    fn seal(&self, begin: usize, newline: usize) -> Option<Seal> {
        let line = &self.buffer[begin..self.end_of(newline)];
        if !line.starts_with(SEAL) || line.len() > MAX_LINE {
            return None;
        }
        match Record::parse(line) {
            Ok(Record::Seal(seal)) => Some(seal),
            _ => None,
        }
    }

    /// A run and the seal line that ends at this newline, or what precedes it where the run is too long for a batch.
    fn sealed(&mut self, newline: usize, seal: Seal) -> Block<'_> {
        let (begin, behind) = (self.begin_of(newline), self.end_of(newline) + 1);
        let short = self.handed_out == 0 && behind - self.start <= MAX_BATCH;
        if !short && begin > self.start {
            return self.unsealed(newline);
        }
        let trust = if short {
            let run_and_line = &self.buffer[self.start..behind];
            seal.judge(run_and_line, behind - begin)
                .map_or_else(Trust::Damaged, |()| Trust::Sealed(seal))
        } else {
            Trust::Damaged(SealFault::Length)
        };
        self.handed_out = 0;
        Block { trust, lines: self.take(newline + 1) }
    }

    /// Hands out the lines in front of the one that ends at this newline.
    fn unsealed(&mut self, newline: usize) -> Block<'_> {
        self.handed_out += (self.begin_of(newline) - self.start) as u64;
        Block { trust: Trust::Unsealed, lines: self.take(newline) }
    }

    /// The same, whatever they are.
    fn take(&mut self, newline: usize) -> Lines<'_> {
        let (start, number, offset) = (self.start, self.number, self.offset);
        self.start = self.begin_of(newline);
        self.number += (newline - self.taken) as u64;
        self.offset += (self.start - start) as u64;
        let newlines = &self.newlines[self.taken..newline];
        (self.taken, self.searched) = (newline, newline);
        Lines::ending(&self.buffer[..self.start], start, newlines, number, offset)
    }

    /// Drops what follows of a line that is too long; its newline makes it a block.
    fn rest_of_long(&mut self, dropped: u64) -> Option<Block<'_>> {
        let Some(&newline) = self.newlines.get(self.taken) else {
            self.long = Some(dropped + (self.end - self.start) as u64);
            self.start = self.end;
            return None;
        };
        let len = dropped + (newline as usize - self.start) as u64;
        let lines = Lines::of_long(&self.kept_of_long, self.number, self.offset, len);
        self.start = newline as usize + 1;
        self.taken += 1;
        self.searched = self.taken;
        self.long = None;
        self.number += 1;
        self.offset += len + 1;
        self.handed_out += len + 1;
        Some(Block { trust: Trust::Unsealed, lines })
    }
}
