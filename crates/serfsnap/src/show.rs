//! Bytes of a file, of a path or of a member, shown so that they cannot drive a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use snapshot_engine::FindingKind;
use snapshot_format::Text;
use unicode_width::UnicodeWidthChar;

/// How many characters of a line are quoted at most.
pub(crate) const MAX_QUOTE: usize = 120;

/// Printable characters as they are, everything else spelt out.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for (index, part) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if index > 0 {
            shown.push_str("\\n");
        }
        // A part between newlines holds none; writing to a string cannot fail.
        if let Ok(text) = Text::new(part) {
            let _ = write!(shown, "{text}");
        }
    }
    shown
}

/// The same of a path.
pub(crate) fn shown_path(path: &std::ffi::OsStr) -> String {
    shown(path.as_encoded_bytes())
}

/// The beginning of a line, escaped, as JSON quotes it.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut quoted = shown(bytes);
    if let Some((end, _)) = quoted.char_indices().nth(MAX_QUOTE) {
        quoted.truncate(end);
    }
    quoted
}

/// Text of at most so many columns of a terminal.
pub(crate) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    let mut used = 0;
    let mut end = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > columns {
            return Cow::Owned(format!("{}\u{2026}", &text[..end]));
        }
        // The ellipsis needs a column too.
        if used < columns {
            end = at + character.len_utf8();
        }
    }
    Cow::Borrowed(text)
}

/// `1 node`, `2 nodes`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// What was made of a line, for people.
pub(crate) fn meaning(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Unrecognized => "no keyword begins it; skipped",
        FindingKind::NulRun => "zeros of a lost block; skipped",
        FindingKind::MissingAddress => "no address; skipped",
        FindingKind::InvalidAddress => "an address that cannot be dialled; skipped",
        FindingKind::EmptyName => "a node without a name; skipped",
        FindingKind::NameTooLong => "a name beyond 16 KiB; skipped",
        FindingKind::InvalidClock => "no 64-bit decimal number; the clock keeps its value",
        FindingKind::ClockTooHigh => "a poisoned clock; it keeps its value",
        FindingKind::InvalidCoordinate => "no coordinate; skipped",
        FindingKind::LineTooLong => "beyond 1 MiB; skipped",
        FindingKind::Salvaged => "a node was taken from inside it",
        FindingKind::Glued => "written onto a torn line; its node is known, nothing changed",
        FindingKind::ByteOrderMark => "a byte order mark was dropped",
        FindingKind::CarriageReturn => "a carriage return was dropped",
        FindingKind::SealMismatch => "these bytes are not those that were sealed; clocks ignored",
        FindingKind::SealLength => "this seal does not reach back to the last; clocks ignored",
        FindingKind::ClockInDamage => "a clock in damaged bytes; it keeps its value",
        FindingKind::UnknownExtension => "an extension of another version; skipped",
        FindingKind::NewerFormat => "a newer format; read as far as this version knows it",
        FindingKind::OtherNode => "the file of another node",
        FindingKind::ForeignCluster => "the file of another cluster",
        _ => "see docs/FORMAT.md",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newlines_and_escapes_are_spelt_out() {
        assert_eq!(shown(b"a\nb\x1b[2J\xff"), "a\\nb\\u{1b}[2J\\xff");
        assert_eq!(shown("\u{4e2d}".as_bytes()), "\u{4e2d}");
    }

    #[test]
    fn quotes_end_after_120_characters_not_bytes() {
        assert_eq!(quoted("\u{e4}".repeat(121).as_bytes()), "\u{e4}".repeat(120));
        assert_eq!(quoted(&[0x1b; 40]).chars().count(), 120);
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab\u{2026}");
        assert_eq!(cut("\u{4e2d}\u{4e2d}", 4), "\u{4e2d}\u{4e2d}");
        assert_eq!(cut("\u{4e2d}\u{4e2d}x", 4), "\u{4e2d}\u{2026}");
    }
}
