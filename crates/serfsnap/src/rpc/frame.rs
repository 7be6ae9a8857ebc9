//! Bytes of a connection, cut into values of `MessagePack`.
//!
//! Where a value ends is found without decoding it, going on where the last look stopped: a value that comes in a
//! thousand pieces is looked at once, and one that would be too long is known by its first bytes.

use std::ops::Range;

use super::Fault;

/// The longest value that is taken, in bytes: the list of a hundred thousand members with their tags.
pub(super) const MAX_VALUE: usize = 32 * 1024 * 1024;
/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// What was received and not handed out.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    measure: Measure,
}

impl Inbox {
    /// Room for what comes next; ends the life of all ranges.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // What a long list took is given back when it has been read.
        if self.end < CHUNK && self.buffer.len() > 4 * CHUNK {
            self.buffer.truncate(2 * CHUNK);
            self.buffer.shrink_to_fit();
        }
        if self.buffer.len() - self.end < CHUNK {
            self.buffer.resize(self.end + CHUNK, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes were put there.
    pub(super) fn filled(&mut self, len: usize) {
        self.end += len;
    }

    /// The next whole value.
    pub(super) fn next(&mut self) -> Result<Option<Range<usize>>, Fault> {
        let Some(len) = self.measure.look(&self.buffer[self.start..self.end])? else {
            return Ok(None);
        };
        self.measure = Measure::default();
        let start = self.start;
        self.start += len;
        Ok(Some(start..self.start))
    }

    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }
}

/// How far the end of one value has been looked for.
#[derive(Debug)]
struct Measure {
    /// So many bytes are known to belong to it; beyond what is there while a string is under way.
    known: usize,
    /// So many values begin behind them before it ends: a collection counts with all that it holds.
    open: u64,
}

impl Default for Measure {
    fn default() -> Self {
        Self { known: 0, open: 1 }
    }
}

impl Measure {
    /// The length of the value that begins these bytes, once all of it is there.
    fn look(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        while self.open > 0 {
            let Some(head) = bytes.get(self.known..).and_then(Head::parse).transpose()? else {
                return Ok(None);
            };
            self.open = self.open - 1 + head.values;
            // Each value has one byte at least. No sum overflows: each part is below 2^33.
            let least = self.known as u64 + head.bytes + self.open;
            if least > MAX_VALUE as u64 {
                return Err(Fault::TooLong);
            }
            self.known = usize::try_from(self.known as u64 + head.bytes).unwrap_or(usize::MAX);
        }
        Ok((bytes.len() >= self.known).then_some(self.known))
    }
}

/// What the first bytes of a value say of its size.
struct Head {
    /// Its own bytes, those of a string included.
    bytes: u64,
    /// So many values follow, which it holds.
    values: u64,
}

impl Head {
    /// `None` where more bytes are needed.
    fn parse(bytes: &[u8]) -> Option<Result<Self, Fault>> {
        let marker = *bytes.first()?;
        // A length of so many bytes behind the marker, big end first.
        let length = |width: usize| {
            let bytes = bytes.get(1..=width)?;
            Some(bytes.iter().fold(0_u64, |length, &byte| length << 8 | u64::from(byte)))
        };
        let fixed = |bytes| Self { bytes, values: 0 };
        let counted = |power: u32, factor: u64| {
            Some(Self { bytes: 1 + (1 << power), values: length(1 << power)? * factor })
        };
        let text =
            |power: u32, more: u64| Some(fixed(1 + (1 << power) + more + length(1 << power)?));
        let low = |mask: u8| u64::from(marker & mask);
        let power = |first: u8| u32::from(marker - first);
        Some(Ok(match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => fixed(1),
            0x80..=0x8f => Self { bytes: 1, values: 2 * low(0x0f) },
            0x90..=0x9f => Self { bytes: 1, values: low(0x0f) },
            0xa0..=0xbf => fixed(1 + low(0x1f)),
            // Never used.
            0xc1 => return Some(Err(Fault::Garbled("a byte that begins nothing".to_owned()))),
            0xc4..=0xc6 => text(power(0xc4), 0)?,
            // Extensions have a byte for their type.
            0xc7..=0xc9 => text(power(0xc7), 1)?,
            0xca | 0xce | 0xd2 => fixed(5),
            0xcb | 0xcf | 0xd3 => fixed(9),
            0xcc | 0xd0 => fixed(2),
            0xcd | 0xd1 => fixed(3),
            0xd4..=0xd8 => fixed(2 + (1 << power(0xd4))),
            0xd9..=0xdb => text(power(0xd9), 0)?,
            0xdc | 0xdd => counted(power(0xdc) + 1, 1)?,
            0xde | 0xdf => counted(power(0xde) + 1, 2)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) {
        for cut in 0..bytes.len() {
            let mut measure = Measure::default();
            assert_eq!(measure.look(&bytes[..cut]).unwrap(), None, "{bytes:x?} cut at {cut}");
            let mut more = bytes.to_vec();
            more.extend(b"\x93\xff\xff");
            assert_eq!(measure.look(&more).unwrap(), Some(bytes.len()), "{bytes:x?}");
        }
    }

    #[test]
    fn each_kind_of_value_ends_where_it_ends() {
        for value in [&b"\x00"[..], b"\x7f", b"\xe0", b"\xc0", b"\xc2", b"\x80", b"\x90", b"\xa0"] {
            check(value);
        }
        for (marker, bytes) in
            [(0xca, 4), (0xcb, 8), (0xcc, 1), (0xcd, 2), (0xce, 4), (0xcf, 8), (0xd0, 1)]
        {
            check(&[&[marker], &vec![0xff; bytes][..]].concat());
        }
        for (marker, bytes) in [
            (0xd1, 2),
            (0xd2, 4),
            (0xd3, 8),
            (0xd4, 2),
            (0xd5, 3),
            (0xd6, 5),
            (0xd7, 9),
            (0xd8, 17),
        ] {
            check(&[&[marker], &vec![0xff; bytes][..]].concat());
        }
        for text in [&b"\xa3abc"[..], b"\xc4\x02ab", b"\xc5\0\x02ab", b"\xc6\0\0\0\x02ab"] {
            check(text);
        }
        for text in [&b"\xd9\x02ab"[..], b"\xda\0\x02ab", b"\xdb\0\0\0\x02ab", b"\xc7\x02tab"] {
            check(text);
        }
        check(b"\xc8\0\x02tab");
        check(b"\xc9\0\0\0\x02tab");
        check(b"\x92\x81\xa1a\xc0\xdc\0\x02\x01\xdd\0\0\0\x01\xa1b");
        check(b"\x82\xa1a\xde\0\x01\xa1b\xdf\0\0\0\x01\x01\x02\xa1c\x90");
    }

    #[test]
    fn what_is_too_long_is_known_by_its_first_bytes() {
        for head in [&b"\xdb\xff\xff\xff\xff"[..], b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"]
        {
            assert_eq!(Measure::default().look(head), Err(Fault::TooLong));
        }
        assert_eq!(Measure::default().look(b"\x91\xc6\x01\xff\xff\xf9"), Ok(None), "just fits");
        assert_eq!(Measure::default().look(b"\x91\xc6\x01\xff\xff\xfb"), Err(Fault::TooLong));
    }

    #[test]
    fn depth_costs_nothing() {
        let mut bytes = vec![0; MAX_VALUE - 1000];
        bytes.resize(MAX_VALUE - 1, 0x91);
        let mut measure = Measure { known: MAX_VALUE - 1000, open: 1 };
        assert_eq!(measure.look(&bytes), Ok(None));
        bytes.push(0x91);
        assert_eq!(measure.look(&bytes), Err(Fault::TooLong));
    }

    #[test]
    fn a_long_value_in_pieces_is_held_once_and_given_back() {
        let mut inbox = Inbox::default();
        let mut value = b"\xdb\0\x20\0\0".to_vec();
        value.resize(5 + 0x20_0000, b'x');
        for piece in value.chunks(1000) {
            assert_eq!(inbox.next(), Ok(None));
            inbox.space()[..piece.len()].copy_from_slice(piece);
            inbox.filled(piece.len());
        }
        let range = inbox.next().unwrap().unwrap();
        assert_eq!(inbox.bytes(range), value);
        inbox.space();
        assert!(inbox.buffer.capacity() <= 4 * CHUNK, "{}", inbox.buffer.capacity());
    }
}
