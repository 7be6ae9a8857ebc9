//! Puts the edge cases to any program: the conformance suite.

use std::env;

use crate::process::{cargo, run};
use crate::{Command, Outcome};

pub(crate) const COMMAND: Command = Command {
    name: "judge",
    arguments: "COMMAND [ARGUMENT…]",
    about: "Put every edge case of the corpus to a program and compare with what Serf recovers.\n\
            It runs COMMAND ARGUMENT… --rejoin-after-leave=BOOL FILE, which prints one JSON object;\n\
            docs/COMPATIBILITY.md has the protocol. Without COMMAND it judges our own serfsnap.",
    run: from_arguments,
};

/// What makes `serfsnap` read as Serf reads and print what the suite understands.
const SERFSNAP: [&str; 5] = ["inspect", "--as", "serf", "--format", "json"];

fn from_arguments(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.split_first() {
        Some((command, rest)) => judge(command, rest),
        None => serfsnap(),
    }
}

/// Puts the suite to a command; a relative path counts from the root of the workspace.
pub(crate) fn judge(command: &str, arguments: &[&str]) -> Outcome {
    let suite = ["run", "--quiet", "--package", "snapshot-interop", "--", "suite", command];
    run(cargo(suite).args(arguments))
}

/// Puts the suite to our own tool, which stands beside this program.
pub(crate) fn serfsnap() -> Outcome {
    run(&mut cargo(["build", "--quiet", "--package", "serfsnap"]))?;
    let tool = env::current_exe()?.with_file_name("serfsnap");
    judge(&tool.display().to_string(), &SERFSNAP)
}
