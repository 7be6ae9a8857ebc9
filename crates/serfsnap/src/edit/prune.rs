//! `prune`: nodes that must not be rejoined, taken out.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::ArgGroup;
use ipnet::IpNet;
use snapshot_engine::{Document, State};
use snapshot_format::{Addr, Name, Record};

use crate::edit::original::Original;
use crate::edit::{Edit, Edited, Target, host, list};
use crate::failure::{Failure, Outcome};
use crate::show::shown;

/// Take out nodes that must not be rejoined.
///
/// Values of one flag are alternatives, and several flags narrow each other: `--cidr 10.2.0.0/16 --port 8302` takes
/// out whoever is both in that network and on that port. With the --keep flags everybody else goes.
/// Alive and failed nodes are covered; a node goes as a whole, also where an agent that rejoins after a leave knows it
/// at another address. A host name is in no network: it is not looked up. An IPv4-mapped IPv6 address counts as the
/// IPv4 address that it stands for.
/// Nodes of another cluster come back as long as one agent knows them: stop every agent, prune every file, and look
/// at `retry_join` too, before the first agent starts.
/// A dry run unless --yes is given: it says what would change and exits 1 if anything would.
/// People's comments are kept, and so are both readings of a file with a `leave` line.
/// The old file is kept beside the new one as FILE.bak-TIME, a hard link that needs no space.
/// A damaged file is refused: `repair` it first.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("taken").args(["name", "cidr", "port", "drop_failed"]).multiple(true).conflicts_with("kept"))]
#[command(group = ArgGroup::new("kept").args(["keep_cidr", "keep_names"]).multiple(true))]
#[command(group = ArgGroup::new("which").args(["name", "cidr", "port", "drop_failed", "keep_cidr", "keep_names"]).multiple(true).required(true))]
pub(crate) struct Args {
    /// Take out the node of this name; may be given several times
    #[arg(long, value_name = "NAME")]
    name: Vec<OsString>,

    /// Take out nodes in this network; may be given several times
    #[arg(long, value_name = "CIDR", value_parser = host::network, value_delimiter = ',')]
    cidr: Vec<IpNet>,

    /// Take out nodes on this port; may be given several times
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), value_delimiter = ',')]
    port: Vec<u16>,

    /// Take out failed nodes alone
    #[arg(long)]
    drop_failed: bool,

    /// Take out nodes in none of these networks; may be given several times
    #[arg(long, value_name = "CIDR", value_parser = host::network, value_delimiter = ',')]
    keep_cidr: Vec<IpNet>,

    /// Take out nodes that are not in this list: a file with a name on every line, `-` is standard input
    #[arg(long, value_name = "LIST")]
    keep_names: Option<OsString>,

    /// Write a file even if nobody is alive in it any more
    #[arg(long)]
    allow_empty: bool,

    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap prune /var/lib/serf/snapshot --name old-1 --name old-2
      What would change.
  serfsnap prune --yes /var/lib/consul/serf/remote.snapshot --cidr 10.2.0.0/16
  consul members | awk 'NR>1 {print $1}' | serfsnap prune --keep-names - /var/lib/consul/serf/local.snapshot
      Everybody who is not in the list goes.

Exit codes: 0 pruned, or nobody to take out; 1 in a dry run if something would change; 2 if it cannot be done.";

pub(crate) fn run(args: &Args) -> Outcome {
    super::run(&Prune::new(args)?, &args.target)
}

/// Who goes.
struct Prune<'a> {
    names: BTreeSet<&'a [u8]>,
    keep_names: Option<BTreeSet<Vec<u8>>>,
    args: &'a Args,
}

impl<'a> Prune<'a> {
    fn new(args: &'a Args) -> Result<Self, Failure> {
        let names = args.name.iter().map(|name| name.as_encoded_bytes()).collect();
        let lines = args.keep_names.as_deref().map(list::read).transpose()?;
        let keep_names = lines.map(|list| {
            let lines = list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            // A name may end in a carriage return, and so may a line that an editor has written: both are kept.
            let both = |line: &[u8]| {
                let trimmed = line.strip_suffix(b"\r").unwrap_or(line);
                [line.to_vec(), trimmed.to_vec()]
            };
            lines.flat_map(both).collect()
        });
        Ok(Self { names, keep_names, args })
    }

    /// Whether a node goes that is known by this name and address.
    fn takes(&self, name: Name<'_>, addr: Addr<'_>) -> bool {
        let Args { cidr, port, keep_cidr, .. } = self.args;
        let split = host::split(addr);
        let ip = split.as_ref().and_then(|(host, _)| host.ip());
        let is_in = |nets: &[IpNet]| ip.is_some_and(|ip| nets.iter().any(|net| net.contains(&ip)));
        if self.keep_names.is_some() || !keep_cidr.is_empty() {
            let by_name =
                self.keep_names.as_ref().is_none_or(|names| names.contains(name.as_bytes()));
            return !(by_name && (keep_cidr.is_empty() || is_in(keep_cidr)));
        }
        (self.names.is_empty() || self.names.contains(name.as_bytes()))
            && (cidr.is_empty() || is_in(cidr))
            && (port.is_empty() || split.is_some_and(|(_, at)| port.contains(&at)))
    }

    /// Those who go of one reading.
    fn taken<'s>(&self, state: &'s State) -> Vec<Name<'s>> {
        let failed = state.failed().map(|(name, addr, _)| (name, addr));
        let alive = state.alive().filter(|_| !self.args.drop_failed);
        let taken = alive.chain(failed).filter(|(name, addr)| self.takes(*name, *addr));
        taken.map(|(name, _)| name).collect()
    }

    fn refuse_empty(&self, before: &Document, after: &Document) -> Result<(), String> {
        let empties = |rejoins| {
            let (before, after) = (before.state(rejoins), after.state(rejoins));
            !before.is_empty() && after.is_empty()
        };
        if self.args.allow_empty || ![false, true].into_iter().any(empties) {
            return Ok(());
        }
        let why = "nobody would be alive in this file any more, and its agent would find nobody; \
                   --allow-empty writes it all the same";
        Err(why.to_owned())
    }

    /// What was named and is not there: it may be misspelt.
    fn notes(&self, document: &Document) -> Vec<String> {
        let states = [false, true].map(|rejoins| document.state(rejoins));
        let failed = states.iter().flat_map(|state| state.failed().map(|(name, ..)| name));
        let failed: BTreeSet<_> = failed.collect();
        let is_there = |name: &[u8]| {
            let is_alive = |name| states.iter().any(|state| state.addr_of(name).is_some());
            Name::new(name).is_ok_and(|name| is_alive(name) || failed.contains(&name))
        };
        let missing = self.names.iter().filter(|name| !is_there(name));
        let mut notes: Vec<_> =
            missing.map(|name| format!("no node is called {}", shown(name))).collect();
        if let Some(names) = &self.keep_names
            && !names.iter().any(|name| is_there(name))
        {
            notes.push("no name of the list is in the file".to_owned());
        }
        notes
    }
}

impl Edit for Prune<'_> {
    fn edit(&self, original: &Original) -> Result<Edited, String> {
        let before = &original.document;
        let mut after = before.clone();
        for rejoins in [false, true] {
            for name in self.taken(before.state(rejoins)) {
                if self.args.drop_failed {
                    after.forget_failed(name);
                } else {
                    after.apply(&Record::NotAlive { name });
                }
            }
        }
        self.refuse_empty(before, &after)?;
        Ok(Edited { document: Some(after), notes: self.notes(before) })
    }

    fn nothing(&self, _plan: &super::Plan) -> String {
        "nobody to take out".to_owned()
    }
}
