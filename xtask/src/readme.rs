//! The two commands the README promises to a newcomer.
//!
//! Continuous integration runs them as they are printed there, so the README cannot go stale.

use std::fs;

use crate::Outcome;
use crate::process::root;

/// The first two `cargo` lines in the README's code fences.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Commands {
    /// The arguments of the first command, which shows what the project does.
    pub(crate) tour: Vec<String>,
    /// The arguments of the second command, which tests it.
    pub(crate) test: Vec<String>,
}

/// Reads them from README.md.
pub(crate) fn commands() -> Outcome<Commands> {
    let readme = fs::read_to_string(root().join("README.md"))
        .map_err(|error| format!("README.md cannot be read: {error}"))?;
    parse(&readme)
}

fn parse(readme: &str) -> Outcome<Commands> {
    let mut lines = fenced_lines(readme).filter_map(|line| line.strip_prefix("cargo "));
    let tour = next_command(&mut lines, "first", "xtask tour")?;
    let test = next_command(&mut lines, "second", "test")?;
    Ok(Commands { tour, test })
}

/// Takes one command and insists that it is the one the sentence around it promises.
fn next_command<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
    which: &str,
    expected: &str,
) -> Outcome<Vec<String>> {
    let line = lines
        .next()
        .ok_or_else(|| format!("README.md shows no {which} `cargo` line in a code fence"))?;
    // What follows a `#` is for the reader.
    let line = line.split(" #").next().unwrap_or(line).trim();
    if line != expected && !line.starts_with(&format!("{expected} ")) {
        return Err(format!(
            "README.md's {which} command is `cargo {line}`, not `cargo {expected}`"
        )
        .into());
    }
    if line.contains(|c: char| "|&;<>()$`\\\"'*?{}".contains(c)) {
        return Err(format!("README.md's `cargo {line}` needs a shell, but none is used").into());
    }
    Ok(line.split_whitespace().map(str::to_owned).collect())
}

/// The lines inside the code fences, without indentation and prompt.
fn fenced_lines(markdown: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    markdown.lines().map(str::trim).filter_map(move |line| {
        if line.starts_with("```") {
            inside = !inside;
            return None;
        }
        inside.then(|| line.strip_prefix("$ ").unwrap_or(line))
    })
}

#[cfg(test)]
mod tests {
    use super::{Commands, parse};

    #[test]
    fn the_first_two_cargo_lines_are_taken() {
        let readme = "Try `cargo run`.\n\n```sh\ngit clone x\n$ cargo xtask tour  # a minute\n```\n\
                      cargo build\n```\ncargo test --quiet\ncargo bench\n```\n";
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let expect = Commands { tour: words("xtask tour"), test: words("test --quiet") };
        assert_eq!(parse(readme).unwrap(), expect);
    }

    #[test]
    fn a_readme_that_promises_something_else_is_refused() {
        for (readme, complaint) in [
            ("", "shows no first"),
            ("```\ncargo xtask tour\n```\n", "shows no second"),
            ("cargo xtask tour\ncargo test\n", "shows no first"),
            ("```\ncargo test\ncargo xtask tour\n```\n", "first command is `cargo test`"),
            ("```\ncargo xtask tourist\ncargo test\n```\n", "`cargo xtask tourist`"),
            ("```\ncargo xtask tour | head\ncargo test\n```\n", "needs a shell"),
        ] {
            let error = parse(readme).unwrap_err().to_string();
            assert!(error.contains(complaint), "{readme:?} gave {error:?}");
        }
    }
}
