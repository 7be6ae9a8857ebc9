//! The newlines of a buffer, all at once.
//!
//! Lines are short, and a search for each of them costs more to begin than to do.

use alloc::vec::Vec;

use wide::u8x16;

/// How many bytes are looked at together: one bit each.
const CHUNK: usize = u64::BITS as usize;

/// Appends where in `buffer`, from `from` on, there are newlines.
///
/// # Panics
/// Where `from` is beyond the end, or the buffer is longer than 4 GiB.
pub(crate) fn find(buffer: &[u8], from: usize, found: &mut Vec<u32>) {
    let position = |at: usize| u32::try_from(at).expect("a buffer is shorter than 4 GiB");
    let mut start = position(from);
    position(buffer.len());
    let (chunks, rest) = buffer[from..].as_chunks::<CHUNK>();
    for chunk in chunks {
        let mut bits = newlines(chunk);
        while bits != 0 {
            found.push(start + bits.trailing_zeros());
            bits &= bits - 1;
        }
        start += u64::BITS;
    }
    found.extend((start..).zip(rest).filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at));
}

/// A bit for each byte that is a newline, the first byte's the lowest.
fn newlines(chunk: &[u8; CHUNK]) -> u64 {
    let (parts, _) = chunk.as_chunks::<16>();
    parts.iter().rev().fold(0, |bits, part| {
        let equal = u8x16::new(*part).simd_eq(u8x16::splat(b'\n'));
        (bits << 16) | u64::from(equal.to_bitmask())
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::find;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_newline_is_found_where_it_is(
            buffer in vec(prop_oneof![Just(b'\n'), Just(b'\x0b'), Just(0x8a), any::<u8>()], 0..300),
            from in any::<prop::sample::Index>(),
        ) {
            let from = from.index(buffer.len() + 1);
            let mut found = Vec::from([7]);
            find(&buffer, from, &mut found);
            let newlines = buffer.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'\n');
            let expected: Vec<_> = newlines.map(|(at, _)| u32::try_from(at).unwrap()).collect();
            prop_assert_eq!(&found[1..], &expected);
        }
    }
}
