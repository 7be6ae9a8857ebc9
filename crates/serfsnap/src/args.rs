//! The command line.

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Parser, Subcommand, ValueEnum};
use snapshot_engine::{Mode, Policy};

use crate::edit::{compact, prune, readdress, repair, revive, set_clock};
use crate::{
    check, completions, diff, dump, export, fleet, follow, history, import, inspect, man, record,
    report,
};

/// Reads, checks, records and edits the snapshot files of Serf, Consul and Nomad agents, one or a whole fleet of them.
///
/// A snapshot is the log in which an agent keeps who is alive and how far its Lamport clocks are, so that it finds its
/// cluster again after a restart.
/// Serf keeps it where `-snapshot` says, Consul in `serf/local.snapshot` and `serf/remote.snapshot` of its data
/// directory, a Nomad server in `server/serf/snapshot`.
#[derive(Parser)]
#[command(name = "serfsnap", version, styles = STYLES, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Inspect(inspect::Args),
    Check(check::Args),
    Dump(dump::Args),
    Record(record::Args),
    Compact(compact::Args),
    Repair(repair::Args),
    Prune(prune::Args),
    Readdress(readdress::Args),
    Revive(revive::Args),
    SetClock(set_clock::Args),
    Diff(diff::Args),
    History(history::Args),
    Follow(follow::Args),
    Export(export::Args),
    Import(import::Args),
    Completions(completions::Args),
    Man(man::Args),
    Fleet(fleet::Args),
    Report(report::Args),
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  serfsnap inspect /var/lib/consul/serf/local.snapshot
      What is in it, what is wrong with it, and whom this agent would contact if it started now.
  serfsnap inspect --as consul /var/lib/consul/serf/local.snapshot
      What an unmodified agent makes of the same bytes.
  serfsnap check --min-peers 2 /var/lib/*/serf/*.snapshot
      One line a file for monitoring: exit code 0 all well, 1 act, 2 could not check.
  zcat backup.gz | serfsnap dump --format jsonl - | jq .kind
      Every line as it stands, from a pipe.

`serfsnap help COMMAND` tells the rest.";

/// Which rules a file is read by.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Rules {
    /// Whose rules of reading
    #[arg(long = "as", value_enum, default_value_t = Reader::Ours, value_name = "READER")]
    pub(crate) reader: Reader,

    /// Whether the agent rejoins after it has left on purpose (default: true for nomad, else false)
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    rejoin_after_leave: Option<bool>,
}

/// Whose rules of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reader {
    /// Hardened: believes less of a damaged file, recovers more of it, keeps failed nodes
    Ours,
    /// Exactly as the Serf library reads, phantoms and wrapped clocks included
    Serf,
    /// As Serf: Consul links its library
    Consul,
    /// As Serf, and always rejoins after a leave
    Nomad,
}

/// How the output looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One object
    Json,
    /// One object a line
    Jsonl,
}

impl Rules {
    pub(crate) fn rejoins(self) -> bool {
        self.rejoin_after_leave.unwrap_or(self.reader == Reader::Nomad)
    }

    pub(crate) fn policy(self) -> Policy {
        policy(self.rejoins())
    }
}

impl Reader {
    pub(crate) fn mode(self) -> Mode {
        match self {
            Self::Ours => Mode::Hardened,
            Self::Serf | Self::Consul | Self::Nomad => Mode::Serf,
        }
    }

    /// As it is spelt on the command line and in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Serf => "serf",
            Self::Consul => "consul",
            Self::Nomad => "nomad",
        }
    }
}

/// The default policy under a setting of rejoining.
pub(crate) fn policy(rejoin_after_leave: bool) -> Policy {
    let mut policy = Policy::default();
    policy.rejoin_after_leave = rejoin_after_leave;
    policy
}
