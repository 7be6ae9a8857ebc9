//! What the README promises to a newcomer: two commands, and what the first of them prints.
//!
//! Continuous integration runs the commands as they are printed there, so the README cannot go stale.

use std::fs;
use std::ops::Range;

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
    parse(&read()?)
}

/// What stands in the code fence behind `<!-- NAME -->`.
pub(crate) fn block(name: &str) -> Outcome<String> {
    let readme = read()?;
    Ok(readme[find_block(&readme, name)?].to_owned())
}

/// Writes something else into the code fence behind `<!-- NAME -->`.
pub(crate) fn replace_block(name: &str, text: &str) -> Outcome {
    let mut readme = read()?;
    let place = find_block(&readme, name)?;
    readme.replace_range(place, text);
    Ok(fs::write(root().join(PATH), readme)?)
}

const PATH: &str = "README.md";

fn read() -> Outcome<String> {
    Ok(fs::read_to_string(root().join(PATH))
        .map_err(|error| format!("{PATH} cannot be read: {error}"))?)
}

/// Where the text of the code fence stands that follows its mark at once.
fn find_block(readme: &str, name: &str) -> Outcome<Range<usize>> {
    let mark = format!("<!-- {name} -->\n```");
    let place = || {
        let fence = readme.find(&mark)? + mark.len();
        let start = fence + readme[fence..].find('\n')? + 1;
        let end = start + readme[start..].find("```")?;
        Some(start..end)
    };
    Ok(place().ok_or_else(|| format!("{PATH} has no code fence behind `<!-- {name} -->`"))?)
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
    use super::{Commands, find_block, parse};

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

    #[test]
    fn a_block_stands_behind_its_mark() {
        let readme = "```\na\n```\n<!-- tour -->\n```text\nb\nc\n```\n```\nd\n```\n";
        assert_eq!(&readme[find_block(readme, "tour").unwrap()], "b\nc\n");
        for readme in
            ["", "<!-- tour -->\n", "<!-- tour -->\nb\n```\nc\n```\n", "<!-- tour -->\n```\nb\n"]
        {
            assert!(find_block(readme, "tour").is_err(), "{readme:?}");
        }
    }
}
