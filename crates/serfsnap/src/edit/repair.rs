//! `repair`: what can be saved of a damaged file.

use snapshot_engine::{Report, Verdict};

use crate::edit::original::Original;
use crate::edit::plan::Plan;
use crate::edit::{Asks, Edit, Edited, Target};
use crate::failure::Outcome;
use crate::inspect_table::verdict;

/// Salvage a damaged snapshot: write anew what our reader recovers from it.
///
/// It shows every finding and what an unmodified agent would recover otherwise from then on: nodes that are salvaged
/// from inside damaged lines, phantoms and addresses nobody can dial that are lost, clocks that are not believed. All
/// other nodes are kept. A file with a torn end alone loses that end, onto which Serf would write its next line.
/// A dry run unless --yes is given: it says what would change and exits 1 if anything would.
/// The agent must be stopped: Serf, Consul and Nomad take no lock, and a running one would undo the change.
/// The old file is kept beside the new one as FILE.bak-TIME, a hard link that needs no space.
/// What later lines have replaced is not written again: to put lost nodes back, run `revive` instead, which repairs a
/// damaged file as well.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap repair /var/lib/serf/snapshot
      What is wrong, and what would be made of it.
  systemctl stop serf && serfsnap repair --yes /var/lib/serf/snapshot && systemctl start serf

Exit codes: 0 repaired, or nothing to repair; 1 in a dry run if something would change; 2 if it cannot be done.";

pub(crate) fn run(args: &Args) -> Outcome {
    super::run(&Repair, &args.target)
}

struct Repair;

impl Edit for Repair {
    const ASKS: Asks = Asks { serfs_reading: true, departures: false };

    fn takes_damage(&self, _report: &Report) -> bool {
        true
    }

    fn edit(&self, _original: &Original) -> Result<Edited, String> {
        Ok(Edited::default())
    }

    /// Lines that an agent has added behind the last seal are nothing to repair.
    fn is_needed(&self, plan: &Plan) -> bool {
        plan.report().verdict() == Verdict::Damaged || plan.report().torn.is_some()
    }

    fn heading(&self, plan: &Plan, done: bool) -> String {
        let done = if done { "repaired" } else { "would be repaired" };
        format!("{}; {done}", verdict(plan.report()))
    }

    fn nothing(&self, _plan: &Plan) -> String {
        "nothing to repair".to_owned()
    }
}
