//! What was odd about a line, and what was made of it.

use alloc::boxed::Box;
use core::fmt;

use snapshot_format::Line;

/// How many bytes of a line a finding keeps.
const MAX_EXCERPT: usize = 120;

/// One line that was not taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was odd.
    pub kind: FindingKind,
    /// The line's number, counted from 1.
    pub line: u64,
    /// Where the bytes in question begin in the file, counted from 0: the line, or all that a failed seal covers.
    pub offset: u64,
    /// How many bytes are in question, without the newline of the last one.
    pub len: u64,
    /// The first bytes of the line, at most 120.
    pub excerpt: Box<[u8]>,
}

/// What was odd about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// No keyword begins the line; it was skipped. Serf: "Unrecognized snapshot line".
    Unrecognized,
    /// Zeros, as a lost block leaves them; the line was skipped.
    NulRun,
    /// An `alive` line without an address; it was skipped. Serf: "Failed to parse address".
    MissingAddress,
    /// An address that nobody can dial; the line was skipped.
    InvalidAddress,
    /// A node without a name; the line was skipped.
    EmptyName,
    /// A name beyond 16 KiB; the line was skipped.
    NameTooLong,
    /// No decimal number that fits 64 bits; the clock keeps its value. Serf: "Failed to convert clock time".
    InvalidClock,
    /// A clock beyond the highest that is believed; the clock keeps its value.
    ClockTooHigh,
    /// No coordinate; it was skipped.
    InvalidCoordinate,
    /// A line beyond 1 MiB; it was skipped.
    LineTooLong,
    /// A node was taken from inside a damaged line.
    Salvaged,
    /// A record stands inside a damaged line, but the node was known already; nothing was changed.
    Glued,
    /// A byte order mark at the start of the file was dropped.
    ByteOrderMark,
    /// A carriage return at the end of the line was dropped.
    CarriageReturn,
    /// A seal's checksum differs: the bytes before it are not those that were written. Their clocks were ignored.
    SealMismatch,
    /// A seal does not reach back to the one before it. The clocks between were ignored.
    SealLength,
    /// A clock in bytes whose seal does not match; the clock keeps its value.
    ClockInDamage,
    /// An extension this version does not know; it was skipped.
    UnknownExtension,
    /// The file is of a newer format; it was read as far as this version knows it.
    NewerFormat,
    /// The file belongs to another node: a cloned disk or a renamed host.
    OtherNode,
    /// The file belongs to another cluster.
    ForeignCluster,
}

impl FindingKind {
    /// The word for it in JSON and tables; it never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unrecognized => "unrecognized",
            Self::NulRun => "nul-run",
            Self::MissingAddress => "missing-address",
            Self::InvalidAddress => "invalid-address",
            Self::EmptyName => "empty-name",
            Self::NameTooLong => "name-too-long",
            Self::InvalidClock => "invalid-clock",
            Self::ClockTooHigh => "clock-too-high",
            Self::InvalidCoordinate => "invalid-coordinate",
            Self::LineTooLong => "line-too-long",
            Self::Salvaged => "salvaged",
            Self::Glued => "glued",
            Self::ByteOrderMark => "byte-order-mark",
            Self::CarriageReturn => "carriage-return",
            Self::SealMismatch => "seal-mismatch",
            Self::SealLength => "seal-length",
            Self::ClockInDamage => "clock-in-damage",
            Self::UnknownExtension => "unknown-extension",
            Self::NewerFormat => "newer-format",
            Self::OtherNode => "other-node",
            Self::ForeignCluster => "foreign-cluster",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Finding {
    pub(crate) fn new(kind: FindingKind, line: &Line<'_>) -> Self {
        let excerpt = &line.bytes[..line.bytes.len().min(MAX_EXCERPT)];
        Self {
            kind,
            line: line.number,
            offset: line.offset,
            len: line.len,
            excerpt: excerpt.into(),
        }
    }
}
