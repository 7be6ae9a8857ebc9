//! A file cut at its newlines.

use crate::{ParseError, Problem, Record};

/// The longest line that is kept and parsed, in bytes without its newline: far beyond any name that a gossip message
/// can carry, and little enough to hold.
pub const MAX_LINE: usize = 1024 * 1024;

/// How many bytes are kept of a line that is too long: enough to show what it was.
pub(crate) const KEPT_OF_LONG: usize = 256;

/// One whole line, or the torn end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number in the file, counted from 1.
    pub number: u64,
    /// Where it begins in the file, in bytes counted from 0.
    pub offset: u64,
    /// Its length in bytes, without its newline.
    pub len: u64,
    /// Its bytes, without its newline; of a line longer than [`MAX_LINE`] only the first ones.
    pub bytes: &'a [u8],
}

impl<'a> Line<'a> {
    /// What the line says.
    ///
    /// # Errors
    /// [`ParseError`] where it says nothing that the format knows, or is longer than [`MAX_LINE`].
    pub fn record(&self) -> Result<Record<'a>, ParseError> {
        if self.len > MAX_LINE as u64 {
            return Err(ParseError { problem: Problem::TooLong, span: 0..self.bytes.len() });
        }
        Record::parse(self.bytes)
    }

    /// Cuts the bytes of a line that is too long, so that a reader sees the same whether it held the line or not.
    pub(crate) fn new(number: u64, offset: u64, bytes: &'a [u8]) -> Self {
        let kept = if bytes.len() > MAX_LINE { &bytes[..KEPT_OF_LONG] } else { bytes };
        Self { number, offset, len: bytes.len() as u64, bytes: kept }
    }
}

/// The whole lines of a slice, in order.
///
/// What follows the last newline is no line: [`remainder`](Self::remainder).
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    number: u64,
    offset: u64,
    /// A line of which only the first bytes are in `rest`, and its length.
    cut: Option<u64>,
}

impl<'a> Lines<'a> {
    /// The lines of a whole file.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::starting(bytes, 1, 0)
    }

    /// The lines of a part of a file that begins with line `number` at `offset`.
    pub(crate) const fn starting(bytes: &'a [u8], number: u64, offset: u64) -> Self {
        Self { rest: bytes, number, offset, cut: None }
    }

    /// One line too long to be held: its first bytes, and its length.
    pub(crate) const fn of_long(kept: &'a [u8], number: u64, offset: u64, len: u64) -> Self {
        Self { rest: kept, number, offset, cut: Some(len) }
    }

    /// The bytes that have not been handed out; when the iterator has ended, those behind the last newline.
    #[must_use]
    pub const fn remainder(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (number, offset) = (self.number, self.offset);
        if let Some(len) = self.cut.take() {
            let line = Line { number, offset, len, bytes: self.rest };
            self.rest = b"";
            return Some(line);
        }
        let end = memchr::memchr(b'\n', self.rest)?;
        let line = Line::new(number, offset, &self.rest[..end]);
        self.rest = &self.rest[end + 1..];
        self.number += 1;
        self.offset += line.len + 1;
        Some(line)
    }
}
