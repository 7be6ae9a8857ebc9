//! Bytes as hexadecimal digits.

use std::fmt::Write;

use crate::Outcome;

pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

pub(crate) fn decode(digits: &str) -> Outcome<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
            let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
            byte.ok_or_else(|| format!("{digits:?} are no hexadecimal digits").into())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        assert_eq!(decode(&encode(b"a\xff\n")).unwrap(), b"a\xff\n");
        assert!(decode("abc").is_err() && decode("zz").is_err());
    }
}
