//! What the parts of the proof say of themselves, summed up.
//!
//! A test says it in a line: `proof: SUBJECT key=value key="some words" …`. Numbers of one subject are added up; what
//! was skipped and what was caught is listed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

const MARK: &str = "proof: ";

/// The figures of all parts.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// The sums of a part and a subject, in the order in which they came.
    sums: Vec<Sum>,
    took: Vec<(String, Duration)>,
    caught: Vec<(String, String)>,
    skipped: Vec<(String, String)>,
}

#[derive(Debug)]
struct Sum {
    part: String,
    subject: String,
    figures: BTreeMap<String, u64>,
}

impl Proof {
    /// Takes in a line of a part; whether it had figures.
    ///
    /// The mark may stand behind what the test harness prints without a newline.
    pub(super) fn take(&mut self, part: &str, line: &str) -> bool {
        let Some((_, told)) = line.split_once(MARK) else { return false };
        let (subject, rest) = told.split_once(' ').unwrap_or((told, ""));
        let pairs = pairs(rest);
        let word =
            |key: &str| pairs.iter().find(|(of, _)| of == key).map(|(_, value)| value.clone());
        let case = word("case").or_else(|| word("workload")).or_else(|| word("level"));
        if let Some(why) = word("skipped") {
            let what = case.unwrap_or_default();
            self.skipped.push((format!("{subject} {what}"), why));
            return true;
        }
        if let (Some(name), Some(by)) = (word("name"), word("caught_by")) {
            self.caught.push((name, by));
            return true;
        }
        let sum = self.sum(part, subject);
        for (key, value) in &pairs {
            // A seed repeats a run; it counts nothing.
            if let (Ok(value), true) = (value.parse::<u64>(), key != "seed") {
                *sum.entry(key.clone()).or_default() += value;
            }
        }
        true
    }

    /// A wrong protocol, and the test that saw it.
    pub(super) fn caught(&mut self, name: &str, by: &str) {
        self.caught.push((name.to_owned(), by.to_owned()));
    }

    /// How long a part took.
    pub(super) fn took(&mut self, part: &str, time: Duration) {
        self.took.push((part.to_owned(), time));
    }

    fn sum(&mut self, part: &str, subject: &str) -> &mut BTreeMap<String, u64> {
        let is_it = |sum: &Sum| sum.part == part && sum.subject == subject;
        let at = self.sums.iter().position(is_it).unwrap_or_else(|| {
            let (part, subject) = (part.to_owned(), subject.to_owned());
            self.sums.push(Sum { part, subject, figures: BTreeMap::new() });
            self.sums.len() - 1
        });
        &mut self.sums[at].figures
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Sum { part, subject, figures } in &self.sums {
            let name = if part == subject { part.clone() } else { format!("{part}, {subject}") };
            write!(f, "{name:<24}")?;
            for (key, value) in figures {
                write!(f, " {key} {}", grouped(*value))?;
            }
            writeln!(f)?;
        }
        if !self.caught.is_empty() {
            writeln!(f, "{:<24} {}, each caught:", "wrong protocols", self.caught.len())?;
            for (name, by) in &self.caught {
                writeln!(f, "  {name}: {by}")?;
            }
        }
        writeln!(f, "{:<24} {}", "skipped", self.skipped.len())?;
        for (what, why) in &self.skipped {
            writeln!(f, "  {what}: {why}")?;
        }
        for (part, time) in &self.took {
            writeln!(f, "{:<24} {:.0} s", format!("{part} took"), time.as_secs_f64())?;
        }
        Ok(())
    }
}

/// `key=value` and `key="words and spaces"`.
fn pairs(mut rest: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    while let Some((key, behind)) = rest.trim_start().split_once('=') {
        let (value, next) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => behind.split_once(' ').unwrap_or((behind, "")),
        };
        pairs.push((key.to_owned(), value.to_owned()));
        rest = next;
    }
    pairs
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Proof, grouped};

    #[test]
    fn figures_are_added_up_and_words_are_listed() {
        let mut proof = Proof::default();
        assert!(!proof.take("explorer", "running 1 test"));
        for line in [
            "proof: explorer workload=append states=1200 seed=5 violations=0",
            "test a ... proof: explorer workload=leave states=34 violations=0",
            "proof: mutant name=\"no file sync\" caught_by=append",
            "proof: kernel case=ext4 skipped=\"no loop device\"",
        ] {
            assert!(proof.take("explorer", line), "{line}");
        }
        proof.caught("another", "a_test");
        assert_eq!(
            proof.to_string(),
            "explorer                 states 1,234 violations 0\n\
             wrong protocols          2, each caught:\n  no file sync: append\n  another: a_test\n\
             skipped                  1\n  kernel ext4: no loop device\n"
        );
    }

    #[test]
    fn long_numbers_can_be_read() {
        let shown = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
