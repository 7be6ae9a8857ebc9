//! One line of a snapshot, and how it is written.

use alloc::vec::Vec;

use crate::{
    Addr, Coordinate, LamportTime, Name, ParseError, Seal, Text, UnixMillis, Verbatim, grammar,
};

/// The format that this version reads and writes: the number in `#@format: 1`.
pub const FORMAT: u64 = 1;

/// The longest name that is believed and written, in bytes.
///
/// Serf limits a member's whole message to about 1.4 KiB; 16 KiB leaves room for every relative of Serf, and lets all
/// lines of one event fit a batch of 64 KiB.
pub const MAX_NAME: usize = 16 * 1024;

/// One line of a snapshot, borrowed from the bytes it was read from.
///
/// Every value is valid by construction, so that [`encode`](Self::encode) cannot fail.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record<'a> {
    /// `alive: NAME ADDR`: the node is a member, at this address.
    Alive {
        /// Who.
        name: Name<'a>,
        /// Where.
        addr: Addr<'a>,
    },
    /// `not-alive: NAME`: the node left, failed or was reaped.
    NotAlive {
        /// Who.
        name: Name<'a>,
    },
    /// `clock: N`: the highest Lamport time of a membership message seen.
    Clock(LamportTime),
    /// `event-clock: N`: the highest Lamport time of a user event seen.
    EventClock(LamportTime),
    /// `query-clock: N`: the highest Lamport time of a query seen.
    QueryClock(LamportTime),
    /// `coordinate: JSON`: where the owner stands in the network's coordinate space.
    Coordinate(Coordinate),
    /// `leave`: the owner left the cluster on purpose.
    Leave,
    /// `#…`: a person's comment; the text is what follows the `#`.
    Comment(Verbatim<'a>),
    /// `#@format: N`: the format of the file, see [`FORMAT`].
    Format(u64),
    /// `#@cluster: ID`: which cluster the file belongs to.
    Cluster(Text<'a>),
    /// `#@node: NAME`: whose file it is.
    Node(Name<'a>),
    /// `#@failed: NAME ADDR MS`: the node failed; its address is a last resort.
    Failed {
        /// Who.
        name: Name<'a>,
        /// Where it was last.
        addr: Addr<'a>,
        /// When it failed.
        at: UnixMillis,
    },
    /// `#@seal: LEN MS CRC`: integrity and time of the bytes before it.
    Seal(Seal),
    /// Any other `#@…`, or one of ours whose body is wrong; the text is what follows the `#@`.
    Extension(Verbatim<'a>),
}

impl<'a> Record<'a> {
    /// Reads one line, given without its newline.
    ///
    /// # Errors
    /// [`ParseError`] with the problem and its place within the line.
    /// A line that begins with `#` always parses.
    pub fn parse(line: &'a [u8]) -> Result<Self, ParseError> {
        grammar::line(line)
    }

    /// Appends the line, newline included.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Alive { name, addr } => {
                line(out, &[b"alive: ", name.as_bytes(), b" ", addr.as_bytes()]);
            }
            Self::NotAlive { name } => line(out, &[b"not-alive: ", name.as_bytes()]),
            Self::Clock(time) => numbered(out, b"clock: ", time.0),
            Self::EventClock(time) => numbered(out, b"event-clock: ", time.0),
            Self::QueryClock(time) => numbered(out, b"query-clock: ", time.0),
            Self::Coordinate(coordinate) => {
                out.extend_from_slice(b"coordinate: ");
                coordinate.encode(out);
                out.push(b'\n');
            }
            Self::Leave => line(out, &[b"leave"]),
            Self::Comment(text) => line(out, &[b"#", text.as_bytes()]),
            Self::Format(version) => numbered(out, b"#@format: ", *version),
            Self::Cluster(id) => line(out, &[b"#@cluster: ", id.as_bytes()]),
            Self::Node(name) => line(out, &[b"#@node: ", name.as_bytes()]),
            Self::Failed { name, addr, at } => {
                let mut digits = [0; 20];
                let at = decimal(at.0, &mut digits);
                line(out, &[b"#@failed: ", name.as_bytes(), b" ", addr.as_bytes(), b" ", at]);
            }
            Self::Seal(seal) => seal.encode(out),
            Self::Extension(text) => line(out, &[b"#@", text.as_bytes()]),
        }
    }
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.reserve(parts.iter().map(|part| part.len()).sum::<usize>() + 1);
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'\n');
}

fn numbered(out: &mut Vec<u8>, keyword: &[u8], value: u64) {
    line(out, &[keyword, decimal(value, &mut [0; 20])]);
}

/// The decimal digits of `value`, without going through `fmt`: this is on the path of every recorded clock.
pub(crate) fn decimal(mut value: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    loop {
        first -= 1;
        // The remainder is below ten.
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &digits[first..];
        }
    }
}
