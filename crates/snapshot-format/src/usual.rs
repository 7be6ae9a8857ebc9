//! The lines of which nearly all of a file consists, read in one go.
//!
//! [`Record::parse`](crate::Record::parse) is the grammar, and reads every line. Asking it, and then a name and an
//! address what they are made of, looks at the same bytes several times and decides upon each of them; here sixteen are
//! looked at together. Whatever is not plainly usual is left to the grammar.

use wide::u8x16;

use crate::{Addr, LamportTime, MAX_NAME, Name};

/// A line with nothing odd about it, whatever the bytes around it: one that [`Record::parse`](crate::Record::parse)
/// reads as the record of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a reader must know what to do with each")]
pub enum Usual<'a> {
    /// A name of at most [`MAX_NAME`] bytes that [is plain](Name::is_plain), and an address that
    /// [is dialable](Addr::is_dialable).
    Alive {
        /// Who.
        name: Name<'a>,
        /// Where.
        addr: Addr<'a>,
    },
    /// A name that does not end in a carriage return.
    NotAlive {
        /// Who.
        name: Name<'a>,
    },
    /// `clock: N`
    Clock(LamportTime),
    /// `event-clock: N`
    EventClock(LamportTime),
    /// `query-clock: N`
    QueryClock(LamportTime),
}

impl<'a> Usual<'a> {
    /// Reads one line, given without its newline, if it is a usual one.
    ///
    /// Usual lines may be missed, in particular those with addresses of more than 31 bytes or with clocks of more than
    /// eight digits; no other line is taken for one.
    #[must_use]
    #[inline]
    pub fn read(line: &'a [u8]) -> Option<Self> {
        match line.first()? {
            b'a' => alive(line.strip_prefix(b"alive: ")?),
            b'n' => {
                let name = line.strip_prefix(b"not-alive: ")?;
                (name.last() != Some(&b'\r')).then(|| Self::NotAlive { name: Name::trusted(name) })
            }
            b'c' => time(line, b"clock: ").map(Self::Clock),
            b'e' => time(line, b"event-clock: ").map(Self::EventClock),
            b'q' => time(line, b"query-clock: ").map(Self::QueryClock),
            _ => None,
        }
    }
}

/// So many bytes at the end of a line hold most addresses, and the space before them.
const TAIL: usize = 32;

fn alive(body: &[u8]) -> Option<Usual<'_>> {
    let tail = body.last_chunk().copied().unwrap_or_else(|| {
        let mut tail = [0; TAIL];
        tail[TAIL - body.len()..].copy_from_slice(body);
        tail
    });
    let addr = dialable(&tail)?;
    let (name, addr) = body.split_at_checked(body.len().checked_sub(addr)?)?;
    let name = name.strip_suffix(b" ")?;
    ((1..=MAX_NAME).contains(&name.len()) && is_plain(name))
        .then(|| Usual::Alive { name: Name::trusted(name), addr: Addr::trusted(addr) })
}

/// How long the address behind the last space is, if it is `host:port` with a name or an IPv4 address as its host.
fn dialable(tail: &[u8; TAIL]) -> Option<usize> {
    let (mut spaces, mut colons, mut digits, mut others) = (0, 0, 0, 0);
    for (part, shift) in tail.as_chunks::<16>().0.iter().zip([0, 16]) {
        let part = u8x16::new(*part);
        let bits = |equal: u8x16| equal.to_bitmask() << shift;
        let between = |part: u8x16, first: u8, last: u8| {
            let from_first = part - u8x16::splat(first);
            from_first.min(u8x16::splat(last - first)).simd_eq(from_first)
        };
        let is = |byte: u8| part.simd_eq(u8x16::splat(byte));
        let letters = between(part | u8x16::splat(0x20), b'a', b'z');
        spaces |= bits(is(b' '));
        colons |= bits(is(b':'));
        digits |= bits(between(part, b'0', b'9'));
        others |= bits(letters | between(part, b'-', b'.') | is(b'_'));
    }
    // The highest bit is the last byte.
    let len = spaces.leading_zeros();
    let port_len = colons.leading_zeros();
    if len == u32::BITS || port_len >= len || !(1..=5).contains(&port_len) {
        return None;
    }
    // Of the bits of a number of bytes at the end, those of the bytes that are something else.
    let foreign = |bytes: u32, what: u32| !what & !(u32::MAX >> bytes);
    let host_len = len - port_len - 1;
    let host = foreign(len, digits | others | (1 << (31 - port_len)));
    if host_len == 0 || host != 0 || foreign(port_len, digits) != 0 {
        return None;
    }
    let (.., last) = tail.split_last_chunk()?;
    let port = number(digits_of(*last, port_len));
    (1..=65_535).contains(&port).then_some(len as usize)
}

/// See [`Name::is_plain`].
fn is_plain(name: &[u8]) -> bool {
    let odd = |part: &[u8; 16]| {
        let part = u8x16::new(*part);
        part.simd_eq(u8x16::splat(b':')) | part.simd_eq(u8x16::splat(0))
    };
    match name.last_chunk() {
        // The last part and the one before it may overlap.
        Some(last) => {
            let (parts, _) = name.as_chunks();
            parts.iter().fold(odd(last), |all, part| all | odd(part)).to_bitmask() == 0
        }
        None => !name.iter().any(|byte| matches!(byte, b':' | 0)),
    }
}

/// One to eight decimal digits behind a keyword.
#[inline]
fn time<const N: usize>(line: &[u8], keyword: &[u8; N]) -> Option<LamportTime> {
    let len = u32::try_from(line.strip_prefix(keyword)?.len()).ok()?;
    if !(1..=8).contains(&len) {
        return None;
    }
    // With the keyword there are so many bytes.
    let values = digits_of(*line.last_chunk()?, len);
    let above_nine = values.wrapping_add(0x7676_7676_7676_7676) | values;
    (above_nine & 0x8080_8080_8080_8080 == 0).then(|| LamportTime(number(values)))
}

/// The values of the last `len` bytes, if they are digits, and zeros before them: a byte for each, the last the lowest.
const fn digits_of(bytes: [u8; 8], len: u32) -> u64 {
    (u64::from_be_bytes(bytes) ^ u64::from_ne_bytes([b'0'; 8]))
        & (u64::MAX >> (u64::BITS - 8 * len))
}

/// The number that has these digits.
const fn number(digits: u64) -> u64 {
    // Pairs of digits, then pairs of pairs, then both halves; what is the higher one stands in the higher half.
    let pairs = (digits & 0x000f_000f_000f_000f) + ((digits >> 8) & 0x000f_000f_000f_000f) * 10;
    let fours = (pairs & 0x0000_007f_0000_007f) + ((pairs >> 16) & 0x0000_007f_0000_007f) * 100;
    (fours & 0x3fff) + (fours >> 32) * 10_000
}

#[cfg(test)]
mod tests;
