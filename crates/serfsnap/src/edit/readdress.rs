//! `readdress`: nodes that have moved.

mod map;

use std::collections::BTreeMap;
use std::ffi::OsString;

use snapshot_engine::{Document, State};
use snapshot_format::{Addr, Name, Record, UnixMillis};

use crate::edit::original::Original;
use crate::edit::readdress::map::{Map, Moves};
use crate::edit::{Edit, Edited, Target, list};
use crate::failure::{Failure, Outcome};
use crate::show::shown_path;

/// Give nodes that have moved their new addresses.
///
/// OLD and NEW are both `host:port`, both `host` (the port is kept), or both networks with prefixes of one length (the
/// host part and the port are kept). IPv6 addresses stand in brackets before a port: `[fd00::1]:7946`.
/// The most specific OLD wins: host:port, then host, then the smallest network. All moves are made at once: with
/// A=B and B=C nobody moves twice. Alive and failed nodes move. A host name is in no network: it is not looked up. An
/// IPv4-mapped IPv6 address counts as the IPv4 address that it stands for.
/// Two nodes that would meet at one address are refused: one of them is stale.
/// A dry run unless --yes is given: it says what would change and exits 1 if anything would.
/// People's comments are kept, and so are both readings of a file with a `leave` line.
/// The old file is kept beside the new one as FILE.bak-TIME, a hard link that needs no space.
/// A damaged file is refused: `repair` it first.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("maps").args(["map", "map_file"]).required(true).multiple(true))]
pub(crate) struct Args {
    /// What was where, and where it is; may be given several times
    #[arg(long, value_name = "OLD=NEW")]
    map: Vec<Map>,

    /// The same from a file, one a line, with empty lines and # comments; `-` is standard input
    #[arg(long, value_name = "FILE")]
    map_file: Option<OsString>,

    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap readdress /var/lib/serf/snapshot --map 10.1.0.0/16=10.9.0.0/16
      What would change.
  serfsnap readdress --yes /var/lib/serf/snapshot --map 10.1.0.7=10.9.0.8 --map [fd00::1]:7946=[fd00::2]:8946
  awk '{print $1 \"=\" $2}' moved.txt | serfsnap readdress --map-file - /var/lib/consul/serf/local.snapshot

Exit codes: 0 moved, or nobody to move; 1 in a dry run if something would change; 2 if it cannot be done.";

pub(crate) fn run(args: &Args) -> Outcome {
    let mut maps = args.map.clone();
    if let Some(path) = &args.map_file {
        let shown = shown_path(path);
        let read = map::parse_file(&list::read(path)?);
        maps.extend(read.map_err(|why| Failure::told(format!("{shown}: {why}")))?);
    }
    let moves = Moves::new(maps).map_err(Failure::told)?;
    super::run(&moves, &args.target)
}

/// A node with its new address.
struct Moved<'a> {
    name: Name<'a>,
    addr: String,
    /// When it failed; alive ones did not.
    failed_at: Option<UnixMillis>,
}

impl Edit for Moves {
    fn edit(&self, original: &Original) -> Result<Edited, String> {
        let before = &original.document;
        let mut after = before.clone();
        // What both see first, then what those who rejoin after a leave see besides.
        for rejoins in [false, true] {
            for Moved { name, addr, failed_at } in all_moved(self, before.state(rejoins)) {
                let Ok(addr) = Addr::new(addr.as_bytes()) else { continue };
                let record = failed_at.map_or(Record::Alive { name, addr }, |at| Record::Failed {
                    name,
                    addr,
                    at,
                });
                if rejoins {
                    after.apply_before_leave(&record);
                } else {
                    after.apply(&record);
                }
            }
        }
        for rejoins in [false, true] {
            refuse_meeting(before.state(rejoins), after.state(rejoins))?;
        }
        Ok(Edited { notes: notes(self, before), document: Some(after) })
    }

    fn nothing(&self, _plan: &super::Plan) -> String {
        "nobody to move".to_owned()
    }
}

fn all_moved<'a>(moves: &Moves, state: &'a State) -> Vec<Moved<'a>> {
    let alive = state.alive().map(|(name, addr)| (name, addr, None));
    let failed = state.failed().map(|(name, addr, at)| (name, addr, Some(at)));
    let to_new = |(name, addr, failed_at): (_, Addr<'_>, _)| {
        let new = moves.apply(addr)?;
        (new.as_bytes() != addr.as_bytes()).then_some(Moved { name, addr: new, failed_at })
    };
    alive.chain(failed).filter_map(to_new).collect()
}

/// Refuses to put an alive node where another one is.
fn refuse_meeting(before: &State, after: &State) -> Result<(), String> {
    let mut at: BTreeMap<Addr<'_>, Vec<Name<'_>>> = BTreeMap::new();
    for (name, addr) in after.alive() {
        at.entry(addr).or_default().push(name);
    }
    for (addr, mut names) in at.into_iter().filter(|(_, names)| names.len() > 1) {
        names.sort_unstable();
        // Those that met before are not ours to part.
        let newcomer = names.iter().find(|name| before.addr_of(**name) != Some(addr));
        let others = names.iter().filter(|name| Some(*name) != newcomer);
        let apart = |other: &&Name<'_>| {
            newcomer.is_some_and(|newcomer| before.addr_of(*newcomer) != before.addr_of(**other))
        };
        if let (Some(one), Some(other)) = (newcomer, others.into_iter().find(apart)) {
            return Err(format!(
                "{one} and {other} would both be at {addr}; if one of them is stale, `serfsnap prune --name` it first"
            ));
        }
    }
    Ok(())
}

/// Maps that nobody is covered by: they may be misspelt.
fn notes(moves: &Moves, document: &Document) -> Vec<String> {
    let states = [false, true].map(|rejoins| document.state(rejoins));
    let addrs = states.iter().flat_map(|state| {
        state.alive().map(|(_, addr)| addr).chain(state.failed().map(|(_, addr, _)| addr))
    });
    let unused = moves.unused(addrs);
    unused.map(|old| format!("nobody is moved by {old}")).collect()
}
