//! Rules about Markdown files.

use super::{Finding, Tree};

/// A full stop behind one of these ends no sentence.
const ABBREVIATIONS: &[&str] = &["approx", "cf", "e.g", "etc", "i.e", "no", "vs"];

/// A sentence has its line, so that a change of one sentence is a change of one line.
pub(super) fn one_sentence_a_line(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_extension("md") {
        let mut in_fence = false;
        for (number, line) in file.lines() {
            let line = line.trim_start();
            if line.starts_with("```") || line.starts_with("~~~") {
                in_fence = !in_fence;
            } else if !in_fence && !line.starts_with('|') && has_two_sentences(line) {
                findings.push(file.finding(number, "two sentences on one line"));
            }
        }
    }
    findings
}

/// Whether a sentence ends inside the line and another begins.
///
/// It takes a capital letter or code for a beginning, and so misses some; it should never see two
/// where there is one.
fn has_two_sentences(line: &str) -> bool {
    let line = without_code(line.trim_start_matches(['#', '>', '-', '*', '+', ' ']));
    line.match_indices(['.', '!', '?']).any(|(end, _)| {
        let (before, after) = (&line[..end], &line[end + 1..]);
        let after = after.trim_start_matches([')', ']', '"', '\'', '*', '_', '”', '’']);
        let next =
            after.trim_start_matches([' ', '(', '[', '"', '*', '_', '“', '‘']).chars().next();
        after.starts_with(' ') && next.is_some_and(char::is_uppercase) && ends_sentence(before)
    })
}

/// Whether a mark behind this text can be a full stop.
fn ends_sentence(before: &str) -> bool {
    let word = before.rsplit([' ', '(', '"']).next().unwrap_or(before);
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    // The number of a list item.
    let is_ordinal = word == before && word.chars().all(|c| c.is_ascii_digit());
    let is_ellipsis = word.ends_with('.');
    let is_short = ABBREVIATIONS.iter().any(|short| word.eq_ignore_ascii_case(short));
    !(word.is_empty() || is_initial || is_ordinal || is_ellipsis || is_short)
}

/// Inline code becomes a word with a capital, since a sentence may begin or end with it.
fn without_code(line: &str) -> String {
    let mut text = String::new();
    for (index, part) in line.split('`').enumerate() {
        text.push_str(if index % 2 == 0 { part } else { "Code" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::one_sentence_a_line;

    #[test]
    fn lines_of_two_sentences_are_found() {
        for line in [
            "One. Two.",
            "- It is so (really.) And more.",
            "What? **That.**",
            "It ends with `code`. Another begins.",
            "It ends here. `code` begins.",
            "1. One. Two.",
            "> Use nom 8. Then parse.",
        ] {
            check(one_sentence_a_line, &[("a.md", line)], &[("a.md:1", "two sentences")]);
        }
    }

    #[test]
    fn lines_of_one_sentence_are_left_alone() {
        for line in [
            "1. One.",
            "## 3. The promise",
            "Use a name, e.g. Serf, or `a. B` or v1.2. of it",
            "A list of names, etc. Serf has it... Or so it says",
            "See [the page](https://example.org/A.B) by J. Doe, who asked why?",
            "| One. | Two. Three. |",
            "```\nOne. Two.\n```",
        ] {
            check(one_sentence_a_line, &[("a.md", line), ("b.txt", "One. Two.")], &[]);
        }
    }
}
