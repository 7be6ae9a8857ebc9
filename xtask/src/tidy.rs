//! The house rules a machine can hold: CONTRIBUTING.md gives them with their reasons.
//!
//! A rule takes the whole tree and gives findings, so that its tests can show it a bad sample.
//! The tests here run every rule on the real tree: `cargo test` holds the rules too.

mod invariants;
mod manifests;
mod markdown;
mod scan;
mod sources;
mod text;

use std::fmt;
use std::fs;
use std::process;

use crate::process::{output, root};
use crate::{Command, Outcome};

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    arguments: "",
    about: "Check the house rules of CONTRIBUTING.md that need no compiler.",
    run: |_| tidy(),
};

/// Every rule.
const RULES: &[fn(&Tree) -> Vec<Finding>] = &[
    sources::lengths,
    sources::no_ignored_tests,
    sources::no_sleeping,
    sources::no_allowing,
    sources::front_pages,
    sources::no_unsafe_code,
    sources::no_std_in_the_core,
    sources::one_door,
    sources::small_oracle,
    manifests::reasons,
    manifests::shared_tables,
    manifests::direction,
    markdown::one_sentence_a_line,
    text::no_place_names,
    invariants::held,
];

/// The text files of the project, with paths from its root.
#[derive(Default)]
struct Tree {
    files: Vec<File>,
}

struct File {
    path: String,
    text: String,
}

/// One breach of one rule. Lines count from 1; 0 stands for the whole file.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

/// Runs every rule on the tree and prints what they find.
pub(crate) fn tidy() -> Outcome {
    let tree = Tree::read()?;
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("{} rules hold in {} files", RULES.len(), tree.files.len());
        return Ok(());
    }
    Err(format!("the house rules are broken in {} places", findings.len()).into())
}

impl Tree {
    /// Reads what git tracks or would track; files that are not UTF-8 are data, not ours to judge.
    fn read() -> Outcome<Self> {
        let listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let paths = output(process::Command::new("git").args(listing))?;
        let mut files = Vec::new();
        for path in paths.split_terminator('\0') {
            // A file that was removed and not yet committed is listed, too.
            let Ok(bytes) = fs::read(root().join(path)) else { continue };
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File { path: path.to_owned(), text });
            }
        }
        Ok(Self { files })
    }

    fn with_extension(&self, extension: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| {
            file.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
        })
    }
}

impl File {
    /// The lines of the file with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.path, self.message)
        } else {
            write!(f, "{}:{}: {}", self.path, self.line, self.message)
        }
    }
}

#[cfg(test)]
mod tests;
