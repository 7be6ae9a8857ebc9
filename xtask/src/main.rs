//! The project's own tasks: `cargo xtask --help`.
//!
//! One file a command, and no dependencies but behind a feature: a fresh clone should wait for nothing before its first
//! task.
//! A new command is a file with a `COMMAND` and a line in [`COMMANDS`].

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what tasks are for")]

mod ci;
mod crash;
mod dist;
mod fleet;
mod fuzz;
mod interop;
mod judge;
mod process;
mod readme;
mod tidy;
mod tour;

use std::env;
use std::error::Error;
use std::process::ExitCode;

/// Every task, in the order `--help` shows them.
const COMMANDS: &[Command] = &[
    tour::COMMAND,
    ci::COMMAND,
    crash::COMMAND,
    dist::COMMAND,
    fleet::COMMAND,
    fuzz::COMMAND,
    interop::COMMAND,
    judge::COMMAND,
    tidy::COMMAND,
];

/// What a task gives back: nothing, or one sentence about what went wrong.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// One task.
struct Command {
    name: &'static str,
    /// What follows the name on the command line.
    arguments: &'static str,
    /// The first line stands in the list of commands, all of it in the command's own help.
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome {
    let wants_help = |argument: &String| argument == "--help" || argument == "-h";
    let Some((name, rest)) = arguments.split_first().filter(|(name, _)| !wants_help(name)) else {
        print_help();
        return Ok(());
    };
    let command = COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| format!("no command is called {name:?}; see `cargo xtask --help`"))?;
    if rest.iter().any(wants_help) {
        println!("cargo xtask {} {}\n\n{}", command.name, command.arguments, command.about);
        return Ok(());
    }
    (command.run)(rest)
}

fn print_help() {
    println!("cargo xtask COMMAND [--help]\n");
    for command in COMMANDS {
        let first_line = command.about.lines().next().unwrap_or_default();
        println!("  {:<10}{first_line}", command.name);
    }
}
