//! Just enough of Rust's syntax to count lines and match braces.
//!
//! This is no parser: it blanks what could mislead a search for words and braces, and relies on
//! rustfmt for the rest.

use std::ops::Range;

/// A Rust file in which comments are blank and literals hold nothing but underscores.
///
/// Bytes keep their places, so that offsets and line numbers fit the file.
pub(super) struct Code {
    text: String,
    /// The spans of the items for tests only.
    tests: Vec<Range<usize>>,
}

/// A function with a body.
#[derive(Debug)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    /// From `fn` to the brace that closes the body.
    pub(super) span: Range<usize>,
}

impl Code {
    pub(super) fn new(source: &str) -> Self {
        let text = mask(source);
        let tests = test_items(&text);
        Self { text, tests }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The number of the line a byte is on, from 1.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.text[..offset].bytes().filter(|&byte| byte == b'\n').count() + 1
    }

    /// How many lines of a span hold code.
    pub(super) fn code_lines(&self, span: Range<usize>) -> usize {
        self.text[span].lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// How many lines of the file hold code that is for tests only.
    pub(super) fn test_lines(&self) -> usize {
        self.tests.iter().map(|span| self.code_lines(span.clone())).sum()
    }

    pub(super) fn is_test(&self, offset: usize) -> bool {
        self.tests.iter().any(|span| span.contains(&offset))
    }

    /// Where a word or path stands that is not part of a longer one.
    pub(super) fn occurrences(&self, needle: &str) -> impl Iterator<Item = usize> {
        self.text
            .match_indices(needle)
            .map(|(offset, _)| offset)
            .filter(|&offset| !self.text[..offset].ends_with(is_word))
    }

    /// Every function that has a body, also those inside others.
    pub(super) fn functions(&self) -> impl Iterator<Item = Function<'_>> {
        self.occurrences("fn ").filter_map(|start| {
            let name = self.text[start..].strip_prefix("fn ")?;
            let name = &name[..name.find(|c| !is_word(c)).unwrap_or(name.len())];
            let span = start..item_end(&self.text, start)?;
            let has_body = self.text[span.clone()].ends_with('}');
            (has_body && !name.is_empty()).then_some(Function { name, span })
        })
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The items under `#[cfg(test)]`.
fn test_items(text: &str) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for attribute in ["#[cfg(test)]", "#[cfg(all(test,"] {
        for (start, _) in text.match_indices(attribute) {
            let end = item_end(text, start).unwrap_or(text.len());
            spans.push(start..end);
        }
    }
    spans.sort_by_key(|span| span.start);
    spans.dedup_by(|inner, outer| outer.contains(&inner.start));
    spans
}

/// Where an item ends: behind its `;`, or the brace that closes its body.
fn item_end(text: &str, start: usize) -> Option<usize> {
    // Brackets hide the `;` of an array type.
    let mut nested = 0_usize;
    for (offset, byte) in text.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested = nested.saturating_sub(1),
            b';' if nested == 0 => return Some(offset + 1),
            b'{' if nested == 0 => return closing_brace(text, offset),
            _ => {}
        }
    }
    None
}

/// Behind the brace that closes the one at `open`.
fn closing_brace(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(offset + 1),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Blanks comments and fills literals.
fn mask(source: &str) -> String {
    let mut masked = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (length, filler) = token(rest, masked.chars().next_back());
        let length = length.unwrap_or(rest.len());
        let (token, behind) = rest.split_at(length);
        if let Some(filler) = filler {
            // Every byte is replaced by one byte, so that offsets stay.
            let keep = |byte| if byte == b'\n' { '\n' } else { filler };
            masked.extend(token.bytes().map(keep));
        } else {
            masked.push(first);
        }
        rest = behind;
    }
    masked
}

/// How long the token at the start is, to the end of the file where it is not closed, and what to
/// fill it with: nothing for code, which is taken one character at a time.
fn token(rest: &str, before: Option<char>) -> (Option<usize>, Option<char>) {
    let first = rest.chars().next().map_or(0, char::len_utf8);
    if rest.starts_with("//") {
        return (rest.find('\n'), Some(' '));
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Some(' '));
    }
    if rest.starts_with('"') {
        return (quoted(rest, '"'), Some('_'));
    }
    if rest.starts_with('\'') {
        return char_literal(rest).map_or((Some(first), None), |end| (Some(end), Some('_')));
    }
    // `b"` and `c"` need nothing: their letter is code and their string as any other.
    let may_be_raw =
        rest.starts_with('r') && !before.is_some_and(|c| is_word(c) && !"bc".contains(c));
    if let Some(hashes) = may_be_raw.then(|| raw_hashes(&rest[1..])).flatten() {
        let terminator = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 2;
        let end = rest[body..].find(&terminator).map(|end| body + end + terminator.len());
        return (end, Some('_'));
    }
    (Some(first), None)
}

/// How many hashes open a raw string, if one begins here.
fn raw_hashes(rest: &str) -> Option<usize> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// Block comments nest.
fn block_comment(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut offset = 0;
    while offset < rest.len() {
        let bytes = &rest.as_bytes()[offset..];
        if bytes.starts_with(b"/*") {
            depth += 1;
            offset += 2;
        } else if bytes.starts_with(b"*/") {
            depth -= 1;
            offset += 2;
            if depth == 0 {
                return Some(offset);
            }
        } else {
            offset += 1;
        }
    }
    None
}

/// The end of a literal in these quotes.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(offset + 1),
            _ => {}
        }
    }
    None
}

/// The end of a character literal, or nothing where the quote begins a lifetime.
fn char_literal(rest: &str) -> Option<usize> {
    let mut inside = rest.char_indices().skip(1);
    let (_, first) = inside.next()?;
    let (second, closing) = inside.next()?;
    if first == '\\' {
        return quoted(rest, '\'');
    }
    (closing == '\'').then_some(second + 1)
}

#[cfg(test)]
mod tests {
    use super::{Code, mask};

    #[test]
    fn comments_are_blank_and_literals_are_filled() {
        for (source, expect) in [
            ("a // b { \"\nc", "a         \nc"),
            ("a /* { /* \n */ } */ b", "a         \n         b"),
            (r#"f("{ // \" }", x)"#, "f(___________, x)"),
            ("f(\"a\nb\")", "f(__\n__)"),
            (r##"f(r#"{"}"#, br"\", r#type)"##, "f(________, b____, r#type)"),
            (
                r"match c { '{' | '\'' | '\u{7d}' => 'a: loop {} }",
                "match c { ___ | ____ | ________ => 'a: loop {} }",
            ),
            ("'é' \"é\" é", "____ ____ é"),
            ("var\"x\"", "var___"),
        ] {
            assert_eq!(mask(source), expect, "{source}");
        }
    }

    #[test]
    fn functions_are_found_with_their_bodies() {
        let code = Code::new(
            "trait T { fn declared(x: [u8; 4]) -> u8; }\nfn outer(f: fn (u8)) {\n    \
             fn inner() {}\n\n    // why\n    call(\"}\");\n}\n",
        );
        let found: Vec<_> = code
            .functions()
            .map(|f| (f.name, code.line_of(f.span.start), code.code_lines(f.span.clone())))
            .collect();
        assert_eq!(found, [("outer", 2, 4), ("inner", 3, 1)]);
    }

    #[test]
    fn items_for_tests_are_told_apart() {
        let code = Code::new(
            "use a;\n#[cfg(test)]\nuse b;\n\n#[cfg(test)]\n#[rustfmt::skip]\nmod tests {\n    \
             #[cfg(test)]\n    fn c() {}\n}\nfn d() {}\n",
        );
        assert_eq!(code.test_lines(), 8);
        for (word, expect) in [("a;", false), ("b;", true), ("c()", true), ("d()", false)] {
            let offset = code.text().find(word).unwrap();
            assert_eq!(code.is_test(offset), expect, "{word}");
        }
    }
}
