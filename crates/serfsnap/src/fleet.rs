//! `fleet`: who would find whom if all agents started now.

mod findings;
mod graph;
mod hints;
mod ids;
mod json;
mod naming;
mod nodes;
mod owners;
mod paths;
mod read;
mod shell;
mod study;
mod table;

use std::ffi::OsString;
use std::io::Write;

pub(crate) use self::study::{Fleet, Outset, Unity};
pub(crate) use self::table::{advice, finds, revive_command, sentence};

use crate::args::{Format, Rules};
use crate::failure::{CODE, Outcome, printed};
use crate::fleet::findings::Kind;
use crate::out::{self, Out};

/// Say whether the agents of these files would find each other if they all started, and in which order they do.
///
/// At its start an agent of Serf, Consul or Nomad tries the addresses of its file and stops at the first that answers.
/// So who finds whom depends on who runs already: after an outage the same files make one cluster or several.
/// This tells which agents can find each other, in which order they make one cluster, and where a file is the reason
/// that no order does, which address would mend it.
/// An agent is found at the address that its own file gives, else at the one that most others give.
/// The owner of a file is the NODE of NODE=PATH; else the node that its #@node line names; else a component of its
/// path, or a component's stem, that is the name of a node; else the one node in it whose name is a part of its path;
/// else the only node in it; else it is called as the file is.
/// Directories are read with all below them; backups, locks and temporary files are not read.
/// Memory is needed for each different node once, however many files tell of it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Snapshots or directories that hold them; NODE=PATH says whose a file is
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<OsString>,

    #[command(flatten)]
    rules: Rules,

    #[command(flatten)]
    outlook: Outlook,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Which addresses count, and how often they are tried.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Outlook {
    /// The agents go on trying, as those of this project do
    #[arg(long)]
    retrying: bool,

    /// The agents try failed nodes too, as those of this project do
    #[arg(long)]
    with_failed: bool,
}

impl Outlook {
    pub(crate) const fn outset(self, rules: Rules) -> Outset {
        Outset { rules, retrying: self.retrying, with_failed: self.with_failed }
    }
}

const EXAMPLES: &str = "\
Examples:
  serfsnap fleet /backup/*/serf/local.snapshot
      After an outage: which agent to start first, and whom to help.
  serfsnap fleet web-1=a.snap web-2=b.snap
      Files whose names do not tell whose they are.
  serfsnap fleet --as nomad --format json /backup | jq -r '.order[]'
      Every name in the order of starting.

Exit codes: 0 whole, 1 it takes an order or help, 2 a file could not be read.";

pub(crate) fn run(args: &Args) -> Outcome {
    let fleet = Fleet::read(&args.paths, args.outlook.outset(args.rules))?;
    for finding in fleet.findings.iter().filter(|finding| finding.kind == Kind::Unreadable) {
        out::complain(&finding.text);
    }
    let mut out = Out::new();
    let written = match args.format {
        Format::Table => table::print(&mut out, &fleet),
        Format::Json | Format::Jsonl => json::print(&mut out, &fleet),
    };
    printed(written.and_then(|()| out.flush()), exit_code(&fleet))
}

fn exit_code(fleet: &Fleet) -> u8 {
    if fleet.is_partial() { CODE } else { u8::from(fleet.verdict() != Unity::Whole) }
}

#[cfg(test)]
mod tests;
