//! JSON whose keys stand in the order of the contract.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use snapshot_engine::{Coordinate, UnixMillis};
use snapshot_format::{Addr, Name};

use crate::probe::{Answer, AnswerRow};

/// The version of all shapes together.
pub(crate) const SCHEMA: u32 = 1;

/// Writes one value on one line.
pub(crate) fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    piece(out, value)?;
    out.write_all(b"\n")
}

/// Writes one value.
pub(crate) fn piece(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    // The shapes hold nothing that JSON lacks; an error is the writer's.
    value.serialize(&mut Serializer::with_formatter(out, Tame)).map_err(io::Error::from)
}

/// A node, alive or failed.
#[derive(Serialize)]
pub(crate) struct Node<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    addr: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<AnswerRow>,
}

impl<'a> Node<'a> {
    pub(crate) fn new(name: Name<'a>, addr: Addr<'a>, failed_at: Option<UnixMillis>) -> Self {
        let (name, name_hex) = text(name.as_bytes());
        let (addr, addr_hex) = text(addr.as_bytes());
        let failed_at_ms = failed_at.map(|at| at.0);
        Self { name, name_hex, addr, addr_hex, failed_at_ms, probe: None }
    }

    /// With what became of a try to connect.
    pub(crate) fn probed(mut self, answer: Option<&Answer>) -> Self {
        self.probe = answer.map(Answer::row);
        self
    }
}

/// A coordinate, with the keys that Serf gives it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Place {
    vec: [f64; snapshot_format::DIMENSIONS],
    error: f64,
    adjustment: f64,
    height: f64,
}

impl From<Coordinate> for Place {
    fn from(coordinate: Coordinate) -> Self {
        Self {
            vec: *coordinate.vec(),
            error: coordinate.error(),
            adjustment: coordinate.adjustment(),
            height: coordinate.height(),
        }
    }
}

/// Bytes as UTF-8, and where that loses something, in hexadecimal too.
pub(crate) fn text(bytes: &[u8]) -> (Cow<'_, str>, Option<String>) {
    let text = String::from_utf8_lossy(bytes);
    // It is owned only where something was replaced.
    let hex = matches!(text, Cow::Owned(_)).then(|| hex(bytes));
    (text, hex)
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Spells out what JSON would let through and a terminal would obey or hide: U+009B begins an escape sequence, too.
struct Tame;

impl Formatter for Tame {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            let mut utf8 = [0; 4];
            let utf8 = character.encode_utf8(&mut utf8);
            // What is shown as it is needs no escape here either.
            if crate::show::shown(utf8.as_bytes()) == *utf8 {
                writer.write_all(utf8.as_bytes())?;
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cannot_drive_a_terminal_and_says_the_same() {
        let text = "a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{e0041}\"\\\n\u{e4}\u{4e2d}";
        let mut line = Vec::new();
        piece(&mut line, &text).unwrap();
        let json = String::from_utf8(line).unwrap();
        assert_eq!(
            json,
            "\"a\\u001b[31m\\u009b2J\\u007f\\u202e\\udb40\\udc41\\\"\\\\\\n\u{e4}\u{4e2d}\""
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn bytes_that_are_no_text_are_told_in_hexadecimal_too() {
        assert_eq!(text(b"a\xff"), ("a\u{fffd}".into(), Some("61ff".to_owned())));
        assert_eq!(text("\u{fffd}".as_bytes()), ("\u{fffd}".into(), None));
    }
}
