//! Text for a page, escaped.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;

use crate::json;
use crate::show::shown;

/// Text as it stands in an element or in a quoted attribute.
pub(super) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What comes from a file: first what is not printable is spelt out.
pub(super) fn bytes(bytes: &[u8]) -> String {
    text(&shown(bytes))
}

/// A value for a script element, which it cannot end.
pub(super) fn data(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    // Writing to memory cannot fail, and the values hold nothing that JSON lacks.
    let _ = json::piece(&mut out, value);
    // Outside strings JSON has none of these.
    let text = String::from_utf8_lossy(&out);
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// `12 345 678`, in groups that do not break.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digits.len() > 4 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// `129 MiB`.
pub(super) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..10_240 => return format!("{} B", number(bytes)),
        10_240..10_485_760 => (1024, "KiB"),
        _ => (1024 * 1024, "MiB"),
    };
    format!("{} {name}", number(bytes / unit))
}

/// Something that writes itself into a page.
pub(super) fn push(page: &mut String, what: impl Display) {
    // Writing to a string cannot fail.
    let _: fmt::Result = write!(page, "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let name = b"</script><img src=x onerror='a(\"b\")'>&\x1b[2J\xff\n";
        let shown = "&lt;/script&gt;&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&amp;\\u{1b}[2J\\xff\\n";
        assert_eq!(bytes(name), shown);
        let value = String::from_utf8_lossy(name);
        let json = data(&value);
        assert!(!json.contains(['<', '>', '&']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(1234), "1234");
        assert_eq!(number(12_345_678), "12\u{202f}345\u{202f}678");
        assert_eq!(size(129 * 1024 * 1024), "129 MiB");
        assert_eq!(size(20_480), "20 KiB");
    }
}
