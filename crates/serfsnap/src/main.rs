//! `serfsnap`: reads, checks, records and edits the snapshot files of Serf, Consul and Nomad agents.
//!
//! Data goes to stdout, diagnostics to stderr.
//! It is not a part of an agent: an agent links `snapshot-io`.
#![forbid(unsafe_code)]

mod ack;
mod args;
mod check;
mod check_output;
mod check_prom;
mod completions;
mod diff;
mod difference;
mod dump;
mod edit;
mod events;
mod export;
mod failure;
mod fields;
mod fleet;
mod follow;
mod history;
mod import;
mod input;
mod inspect;
mod inspect_table;
mod json;
mod known;
mod man;
mod member;
mod members;
mod out;
mod outlook;
mod owner;
mod probe;
mod progress;
mod reading;
mod record;
mod report;
mod roster;
mod rpc;
mod session;
mod show;
mod sniff;
mod standing;
mod stdin;
mod table;
mod time;
mod tracker;
mod units;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return misunderstood(&error),
    };
    let outcome = match command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Compact(args) => edit::compact::run(&args),
        Command::Repair(args) => edit::repair::run(&args),
        Command::Prune(args) => edit::prune::run(&args),
        Command::Readdress(args) => edit::readdress::run(&args),
        Command::Revive(args) => edit::revive::run(&args),
        Command::SetClock(args) => edit::set_clock::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::History(args) => history::run(&args),
        Command::Follow(args) => follow::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Fleet(args) => fleet::run(&args),
        Command::Report(args) => report::run(&args),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        // Whoever read the output has seen enough.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            out::complain(&failure);
            ExitCode::from(failure::CODE)
        }
    }
}

/// Prints help, or what is wrong with the command line. That quotes what it was given, which may be the name of a file
/// that somebody else chose.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let is_plain = |argument: OsString| *argument == *show::shown_path(&argument);
    if env::args_os().all(is_plain) {
        // Whether anybody reads it does not change what it is.
        let _ = error.print();
    } else {
        error.to_string().lines().for_each(|line| out::complain(&line));
    }
    ExitCode::from(if error.use_stderr() { failure::CODE } else { 0 })
}
