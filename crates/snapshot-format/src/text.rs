//! Names, addresses and free text: bytes that fit where a line puts them.

use core::fmt;

/// Text holds a byte that the grammar gives another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} is {}, which cannot stand there", if *.byte == b'\n' { "a newline" } else { "a space" })]
pub struct InvalidText {
    /// Where the first such byte is, counted from 0.
    pub at: usize,
    /// The byte: a newline, or a space in an address.
    pub byte: u8,
}

/// The name of a node: any bytes but a newline, possibly none, not necessarily UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a>(&'a [u8]);

/// The address of a node as the file has it: any bytes but a newline or a space, possibly none.
///
/// Whether it can be dialled is another question: [`Addr::is_dialable`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr<'a>(&'a [u8]);

/// Free text of one line: any bytes but a newline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(&'a [u8]);

/// The rest of a comment or of an extension this version does not know, as it was read.
///
/// Only the parser makes one, so that what is encoded again is read again as the same kind of line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verbatim<'a>(&'a [u8]);

fn refuse(bytes: &[u8], at: Option<usize>) -> Result<&[u8], InvalidText> {
    at.map_or(Ok(bytes), |at| Err(InvalidText { at, byte: bytes[at] }))
}

impl<'a> Name<'a> {
    /// Accepts any bytes without a newline.
    ///
    /// # Errors
    /// [`InvalidText`] with the place of the first newline.
    pub fn new(bytes: &'a [u8]) -> Result<Self, InvalidText> {
        refuse(bytes, memchr::memchr(b'\n', bytes)).map(Self)
    }

    /// Whether it holds neither a colon nor a zero byte, as nearly every name does: then neither a keyword nor a lost
    /// block can be in it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        memchr::memchr2(b':', 0, self.0).is_none()
    }
}

impl<'a> Addr<'a> {
    /// Accepts any bytes without a newline or a space.
    ///
    /// # Errors
    /// [`InvalidText`] with the place of the first newline or space.
    pub fn new(bytes: &'a [u8]) -> Result<Self, InvalidText> {
        refuse(bytes, memchr::memchr2(b'\n', b' ', bytes)).map(Self)
    }

    /// Whether this is `host:port` with a port of 1 to 65535 and an IPv4 address, an `[IPv6]` address (a zone is
    /// allowed) or a host name of letters, digits, `-`, `.` and `_` of at most 253 bytes.
    #[must_use]
    pub fn is_dialable(&self) -> bool {
        crate::addr::is_dialable(self.0)
    }
}

impl<'a> Text<'a> {
    /// Accepts any bytes without a newline.
    ///
    /// # Errors
    /// [`InvalidText`] with the place of the first newline.
    pub fn new(bytes: &'a [u8]) -> Result<Self, InvalidText> {
        refuse(bytes, memchr::memchr(b'\n', bytes)).map(Self)
    }
}

macro_rules! bytes {
    ($type:ident) => {
        impl<'a> $type<'a> {
            /// For the parser, which hands in parts of one line.
            pub(crate) const fn trusted(bytes: &'a [u8]) -> Self {
                Self(bytes)
            }

            /// The bytes as they stand in the file.
            #[must_use]
            pub const fn as_bytes(&self) -> &'a [u8] {
                self.0
            }
        }

        /// Escaped, so that a hostile name cannot drive a terminal.
        impl fmt::Display for $type<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                escaped(self.0, f)
            }
        }

        impl fmt::Debug for $type<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(\"{}\")", stringify!($type), self.0.escape_ascii())
            }
        }
    };
}

bytes!(Name);
bytes!(Addr);
bytes!(Text);
bytes!(Verbatim);

/// Printable characters as they are, everything else as `\xNN` or `\u{…}`.
fn escaped(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            // What could hide, reorder or colour the text around it is spelt out.
            if character.is_control() || is_invisible(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// Characters that Unicode gives no shape of their own: separators, direction marks, joiners, variation selectors, tags.
const fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_newline_is_refused_with_its_place() {
        for bytes in [&b"\n"[..], b"ab\n", b"a\nb\n"] {
            let at = bytes.iter().position(|&byte| byte == b'\n').unwrap();
            let error = InvalidText { at, byte: b'\n' };
            assert_eq!(Name::new(bytes).unwrap_err(), error);
            assert_eq!(Addr::new(bytes).unwrap_err(), error);
            assert_eq!(Text::new(bytes).unwrap_err(), error);
        }
        let error = Addr::new(b"a b").unwrap_err();
        assert_eq!(error.to_string(), "byte 1 is a space, which cannot stand there");
        assert!(Name::new(b"").is_ok() && Name::new(b"a b\r\0\xff").is_ok());
    }

    #[test]
    fn shown_names_cannot_drive_a_terminal() {
        let check = |bytes: &[u8], shown: &str| {
            assert_eq!(Name::new(bytes).unwrap().to_string(), shown);
        };
        check(b"web 1", "web 1");
        check("knoten-\u{e4}\u{4e2d}".as_bytes(), "knoten-\u{e4}\u{4e2d}");
        check(b"\x1b[31mred", "\\u{1b}[31mred");
        check(b"a\xe9b\r", "a\\xe9b\\r");
        check("x\u{9b}31m".as_bytes(), "x\\u{9b}31m");
        check("a\u{202e}b".as_bytes(), "a\\u{202e}b");
    }
}
