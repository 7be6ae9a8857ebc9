//! The binary snapshot of the `serf` crate, version 0.5: records without a header, a checksum or a mark between them.
//!
//! The layout is that of the files which the crate writes in its usual set-up: names as text, addresses resolved, over
//! TCP or QUIC. Whole numbers are little-endian but for ports.
//!
//! ```text
//! record    = tag, one byte, and what belongs to it
//!   0 alive        length (u32) and a node of so many bytes
//!   1 not alive    the same; the node failed or left, which of them is not kept
//!   2 clock        u64, the highest Lamport time of membership that was seen
//!   3 event clock  u64, the same of user events
//!   4 query clock  u64, the same of queries
//!   5 coordinate   nothing; its writer never writes one
//!   6 leave        nothing; the owner left on purpose
//!   7 comment      nothing
//! node      = fields in any order, each at most once: 0x11 and a name, 0x12 and an address, others are skipped
//! field     = one byte, wire type << 3 | number; then, by its wire type:
//!   0 one byte   1 a varint   2 length (varint) and so many bytes   3 four bytes   4 eight bytes
//! address   = 0 and an IPv4 address and a port, 7 bytes; or 1 and an IPv6 address and a port, 19 bytes;
//!             the address as on the network, the port big-endian
//! ```
//!
//! Nothing in a file says where a record begins but the end of the one before.
//! So what stands behind a record that cannot be read is not read either: it would be guesswork.
//! The crate itself does not start from such a file.

use std::fmt;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest node that is read, in bytes; a longer one is damage. Whoever gossips over UDP has names of a few hundred.
pub(crate) const MAX_NODE: usize = 64 * 1024;
/// A tag and a length stand before a node.
const NODE_HEAD: usize = 5;
/// What is held of a file: a whole record fits with room to read on.
const SPACE: usize = 2 * MAX_NODE;
/// No signals come so thick; a source that is interrupted for ever must not keep its reader in a circle.
const MAX_INTERRUPTIONS: usize = 100;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Alive(Node<'a>),
    NotAlive(Node<'a>),
    Clock(u64),
    EventClock(u64),
    QueryClock(u64),
    Coordinate,
    Leave,
    Comment,
}

/// A member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node<'a> {
    /// Text, unless the owner was built with names of another kind.
    pub(crate) name: &'a [u8],
    pub(crate) addr: SocketAddr,
}

/// Why there is no record at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The bytes end before it does.
    Short,
    Fault(Fault),
}

/// What is wrong with a record, in words that go on "here stands …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Tag(u8),
    LongNode(u32),
    EmptyNode,
    /// With the byte that begins the field.
    WireType(u8),
    Overrun,
    Varint,
    Twice(u8),
    NoName,
    NoAddress,
    /// Of so many bytes, beginning with this one.
    Address(usize, u8),
}

/// How the bytes of a file end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a record.
    Whole,
    /// Within a record of this tag.
    Torn(u8),
    /// Nobody knows: from here on nothing can be read.
    Damaged(Fault),
}

/// How far a file could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Where the first byte stands that belongs to no whole record.
    pub(crate) offset: u64,
    /// How many bytes from there to the end of the file.
    pub(crate) rest: u64,
    pub(crate) ending: Ending,
}

/// Hands out the records of a source one after another, each with the offset of its first byte and its length, up to
/// the first that cannot be read; in constant memory, whatever the source.
pub(crate) fn for_each(
    mut source: impl Read,
    mut each: impl FnMut(u64, usize, Record<'_>),
) -> io::Result<End> {
    let mut buffer = vec![0; SPACE];
    let (mut filled, mut offset) = (0, 0);
    loop {
        let read = read_some(&mut source, &mut buffer[filled..])?;
        filled += read;
        let mut at = 0;
        let stop = loop {
            match first(&buffer[at..filled]) {
                Ok((record, len)) => {
                    each(offset + at as u64, len, record);
                    at += len;
                }
                Err(stop) => break stop,
            }
        };
        buffer.copy_within(at..filled, 0);
        (filled, offset) = (filled - at, offset + at as u64);
        let ending = match stop {
            Stop::Fault(fault) => Ending::Damaged(fault),
            Stop::Short if read > 0 => continue,
            Stop::Short if filled == 0 => Ending::Whole,
            Stop::Short => Ending::Torn(buffer[0]),
        };
        let rest = filled as u64 + drain(&mut source, &mut buffer)?;
        return Ok(End { offset, rest, ending });
    }
}

/// The first record of some bytes, and its length.
pub(crate) fn first(bytes: &[u8]) -> Result<(Record<'_>, usize), Stop> {
    let (&tag, rest) = bytes.split_first().ok_or(Stop::Short)?;
    let bare = |record| Ok((record, 1));
    match tag {
        0 => node(rest).map(|(node, len)| (Record::Alive(node), len)),
        1 => node(rest).map(|(node, len)| (Record::NotAlive(node), len)),
        2 => time(rest).map(|(time, len)| (Record::Clock(time), len)),
        3 => time(rest).map(|(time, len)| (Record::EventClock(time), len)),
        4 => time(rest).map(|(time, len)| (Record::QueryClock(time), len)),
        5 => bare(Record::Coordinate),
        6 => bare(Record::Leave),
        7 => bare(Record::Comment),
        tag => Err(Stop::Fault(Fault::Tag(tag))),
    }
}

/// Whether a file that begins so is likely one of these: a node or a credible clock, and a tag behind it.
pub(crate) fn is_begin(head: &[u8]) -> bool {
    const CREDIBLE: u64 = 1 << 48;
    let Ok((record, len)) = first(head) else { return false };
    let is_credible = match record {
        Record::Alive(_) | Record::NotAlive(_) => true,
        Record::Clock(time) | Record::EventClock(time) | Record::QueryClock(time) => {
            time < CREDIBLE
        }
        Record::Coordinate | Record::Leave | Record::Comment => false,
    };
    is_credible && !matches!(first(&head[len..]), Err(Stop::Fault(_)))
}

/// What a record of this tag is called.
pub(crate) const fn kind(tag: u8) -> &'static str {
    match tag {
        0 => "alive",
        1 => "not-alive",
        2 => "clock",
        3 => "event-clock",
        4 => "query-clock",
        5 => "coordinate",
        6 => "leave",
        7 => "comment",
        _ => "unknown",
    }
}

/// What stands behind a tag, and the length of the record.
fn time(bytes: &[u8]) -> Result<(u64, usize), Stop> {
    let time = bytes.first_chunk().ok_or(Stop::Short)?;
    Ok((u64::from_le_bytes(*time), 1 + time.len()))
}

/// What stands behind a tag, and the length of the record.
fn node(bytes: &[u8]) -> Result<(Node<'_>, usize), Stop> {
    let (len, rest) = bytes.split_first_chunk().ok_or(Stop::Short)?;
    let claimed = u32::from_le_bytes(*len);
    // Nothing is reserved for what a length claims.
    let len = usize::try_from(claimed).unwrap_or(usize::MAX);
    if len > MAX_NODE {
        return Err(Stop::Fault(Fault::LongNode(claimed)));
    }
    let body = rest.get(..len).ok_or(Stop::Short)?;
    let node = fields(body).map_err(Stop::Fault)?;
    Ok((node, NODE_HEAD + len))
}

fn fields(mut body: &[u8]) -> Result<Node<'_>, Fault> {
    const NAME: u8 = 0x11;
    const ADDRESS: u8 = 0x12;
    if body.is_empty() {
        return Err(Fault::EmptyNode);
    }
    let (mut name, mut addr) = (None, None);
    while let Some((&begin, rest)) = body.split_first() {
        let (value, rest) = value(begin, rest)?;
        let twice = match begin {
            NAME => name.replace(value).is_some(),
            ADDRESS => addr.replace(address(value)?).is_some(),
            _ => false,
        };
        if twice {
            return Err(Fault::Twice(begin));
        }
        body = rest;
    }
    let name = name.ok_or(Fault::NoName)?;
    Ok(Node { name, addr: addr.ok_or(Fault::NoAddress)? })
}

/// The bytes of a field's value, and those behind it.
fn value(begin: u8, bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let (len, bytes) = match begin >> 3 {
        0 => (1, bytes),
        1 => (0, varint(bytes)?.1),
        2 => varint(bytes)?,
        3 => (4, bytes),
        4 => (8, bytes),
        _ => return Err(Fault::WireType(begin)),
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    bytes.split_at_checked(len).ok_or(Fault::Overrun)
}

/// A number, seven bits a byte, the lowest first, and the bytes behind it.
fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), Fault> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * index;
        // The tenth byte has one bit left.
        if shift > 63 || bits << shift >> shift != bits {
            return Err(Fault::Varint);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok((number, &bytes[index + 1..]));
        }
    }
    Err(Fault::Overrun)
}

fn address(bytes: &[u8]) -> Result<SocketAddr, Fault> {
    let fault = Fault::Address(bytes.len(), bytes.first().copied().unwrap_or_default());
    let (&family, rest) = bytes.split_first().ok_or(fault)?;
    let (ip, port) = rest.split_last_chunk().ok_or(fault)?;
    let v4 = || <[u8; 4]>::try_from(ip).map(|ip| Ipv4Addr::from(ip).into());
    let v6 = || <[u8; 16]>::try_from(ip).map(|ip| Ipv6Addr::from(ip).into());
    let ip = match family {
        0 => v4(),
        1 => v6(),
        _ => return Err(fault),
    };
    Ok(SocketAddr::new(ip.map_err(|_| fault)?, u16::from_be_bytes(*port)))
}

fn read_some(source: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
    for _ in 0..MAX_INTERRUPTIONS {
        match source.read(space) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
    Err(io::ErrorKind::Interrupted.into())
}

/// How many bytes are left.
fn drain(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<u64> {
    let mut rest = 0;
    loop {
        match read_some(source, buffer)? {
            0 => return Ok(rest),
            read => rest += read as u64,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "{tag:#04x}, which begins no record"),
            Self::LongNode(len) => write!(f, "a node of {len} bytes; {MAX_NODE} are the most"),
            Self::EmptyNode => f.write_str("a node of no bytes, as zeros of a lost block are read"),
            Self::WireType(begin) => write!(f, "a node with {begin:#04x}, which begins no field"),
            Self::Overrun => f.write_str("a node with a field that ends behind it"),
            Self::Varint => f.write_str("a node with a number beyond 64 bits"),
            Self::Twice(begin) => write!(f, "a node with two fields {begin:#04x}"),
            Self::NoName => f.write_str("a node without a name that is text"),
            Self::NoAddress => f.write_str("a node without an address"),
            Self::Address(len, family) => {
                write!(
                    f,
                    "a node with an address of {len} bytes and family {family}, which is no IP address and port"
                )
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
