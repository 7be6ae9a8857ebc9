//! A file cut at its newlines.

use crate::{ParseError, Problem, Record, Usual};

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

    /// The same, faster, of nearly every line; `None` says nothing about the others.
    #[must_use]
    #[inline]
    pub fn usual(&self) -> Option<Usual<'a>> {
        if self.len > MAX_LINE as u64 { None } else { Usual::read(self.bytes) }
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
    bytes: &'a [u8],
    /// Where the next line begins.
    at: usize,
    cuts: Cuts<'a>,
    number: u64,
    offset: u64,
}

/// What is known of the ends of the lines.
#[derive(Clone, Debug)]
enum Cuts<'a> {
    Nothing,
    /// Where their newlines are; there are no others.
    All(&'a [u32]),
    /// There is one line, of which only the first bytes are here, and this is its length.
    Length(u64),
}

impl<'a> Lines<'a> {
    /// The lines of a whole file.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, cuts: Cuts::Nothing, number: 1, offset: 0 }
    }

    /// The lines that begin at `at` and end where these newlines are; the first one is line `number` of the file, and
    /// begins there at `offset`.
    pub(crate) const fn ending(
        bytes: &'a [u8],
        at: usize,
        newlines: &'a [u32],
        number: u64,
        offset: u64,
    ) -> Self {
        Self { bytes, at, cuts: Cuts::All(newlines), number, offset }
    }

    /// One line too long to be held: its first bytes, and its length.
    pub(crate) const fn of_long(kept: &'a [u8], number: u64, offset: u64, len: u64) -> Self {
        Self { bytes: kept, at: 0, cuts: Cuts::Length(len), number, offset }
    }

    /// The bytes that have not been handed out; when the iterator has ended, those behind the last newline.
    #[must_use]
    pub fn remainder(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        let end = match &mut self.cuts {
            Cuts::All(newlines) => {
                let (&end, behind) = newlines.split_first()?;
                *newlines = behind;
                end as usize
            }
            Cuts::Nothing => self.at + memchr::memchr(b'\n', &self.bytes[self.at..])?,
            &mut Cuts::Length(len) => {
                let (number, offset, bytes) = (self.number, self.offset, self.bytes);
                (self.bytes, self.cuts) = (b"", Cuts::Nothing);
                return Some(Line { number, offset, len, bytes });
            }
        };
        let line = Line::new(self.number, self.offset, &self.bytes[self.at..end]);
        self.at = end + 1;
        self.number += 1;
        self.offset += line.len + 1;
        Some(line)
    }
}
