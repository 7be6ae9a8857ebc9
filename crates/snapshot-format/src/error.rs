//! Why a line is no record.

use core::ops::Range;

/// A line that is no record: what is wrong with it, and which of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes {} to {} of the line: {problem}", span.start, span.end)]
pub struct ParseError {
    /// What is wrong.
    pub problem: Problem,
    /// The bytes within the line, counted from 0; empty where something is missing.
    pub span: Range<usize>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No keyword of the format begins the line. Serf calls it "Unrecognized snapshot line".
    #[error("no keyword of a snapshot begins this line")]
    Unrecognized,
    /// An `alive: ` line without a space behind the name.
    #[error("a space and an address are missing")]
    MissingAddress,
    /// A clock that is not all decimal digits, or has none.
    #[error("a clock is written in decimal digits alone")]
    NotANumber,
    /// A clock of 2^64 or more.
    #[error("a clock must fit 64 bits")]
    NumberTooLarge,
    /// A coordinate that is no JSON object of eight finite dimensions.
    #[error("no network coordinate of eight finite dimensions")]
    NotACoordinate,
    /// The line has more than [`MAX_LINE`](crate::MAX_LINE) bytes and was not kept.
    #[error("longer than a line may be")]
    TooLong,
}
