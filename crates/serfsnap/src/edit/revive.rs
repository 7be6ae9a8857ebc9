//! `revive`: nodes that the log still knows, alive once more.

use std::collections::BTreeMap;

use snapshot_engine::{Document, Report, Verdict};
use snapshot_format::{Addr, Name, Record};

use crate::edit::departures::{Departure, How};
use crate::edit::original::Original;
use crate::edit::plan::Plan;
use crate::edit::{Asks, Edit, Edited, Target};
use crate::failure::Outcome;
use crate::show::count;

/// Put nodes that the log still knows back as alive, so that an unmodified agent tries them.
///
/// After an outage in which nodes went one by one, the last agents know nobody any more: Serf strikes out whoever
/// fails (serf#333). But the older lines are still in the file until the agent compacts it.
/// Without flags every node with an older `alive` line is put back at its last address, unless it is known to be gone
/// for good: a second `not-alive` line says that it left or was forgotten after it had failed, and in sealed bytes,
/// which serfsnap has written, a failure is marked as one.
/// In Serf's own lines a node that left looks like one that failed: `prune` takes out again who must not come back,
/// and an address that does not answer costs the agent one try at its start.
/// A damaged file is repaired along with it, as `repair` would do: repairing it first would drop the older lines.
/// A dry run unless --yes is given: it says what would change and exits 1 if anything would.
/// People's comments are kept, and so are both readings of a file with a `leave` line: a leave of the agent itself
/// stays one. The old file is kept beside the new one as FILE.bak-TIME, a hard link that needs no space.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only nodes that were taken out at this line or later, as `serfsnap dump` and `history` number them
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    since_line: u64,

    /// Also nodes of which only a #@failed line is left
    #[arg(long)]
    with_failed: bool,

    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap revive /var/lib/consul/serf/local.snapshot
      Who would be put back.
  systemctl stop consul && serfsnap revive --yes /var/lib/consul/serf/local.snapshot && systemctl start consul
  serfsnap revive --since-line 340 --with-failed /var/lib/serf/snapshot
      Only those that went in the last outage, the ones that an earlier rewrite kept as failed among them.

Exit codes: 0 revived, or nobody to revive; 1 in a dry run if something would change; 2 if it cannot be done.";

pub(crate) fn run(args: &Args) -> Outcome {
    super::run(args, &args.target)
}

impl Edit for Args {
    const ASKS: Asks = Asks { serfs_reading: true, departures: true };

    fn takes_damage(&self, _report: &Report) -> bool {
        true
    }

    fn edit(&self, original: &Original) -> Result<Edited, String> {
        let mut document = original.document.clone();
        for rejoins in [false, true] {
            let failed = original.document.state(rejoins).failed();
            let failed = failed.map(|(name, addr, _)| (name, addr)).collect();
            for (name, departure) in original.departures.iter(rejoins) {
                if let Some(addr) = self.last_addr(&failed, name, departure) {
                    revive(&mut document, rejoins, name, addr);
                }
            }
        }
        Ok(Edited { document: Some(document), notes: self.notes(original) })
    }

    /// Damage alone is for `repair`.
    fn is_needed(&self, plan: &Plan) -> bool {
        plan.changes().nodes.iter().any(|change| !change.mended)
    }

    fn nothing(&self, plan: &Plan) -> String {
        let damaged = plan.report().verdict() == Verdict::Damaged;
        let next = if damaged { "; the file is damaged: `serfsnap repair` shows more" } else { "" };
        format!("nobody to revive{next}")
    }
}

impl Args {
    /// Where the node was last, if it is one of those that are wanted back.
    fn last_addr<'a>(
        &self,
        failed: &BTreeMap<Name<'_>, Addr<'a>>,
        name: Name<'_>,
        departure: &'a Departure,
    ) -> Option<Addr<'a>> {
        if departure.line < self.since_line {
            return None;
        }
        match departure.how {
            How::Left => None,
            How::Gone => departure.addr(),
            How::Failed if !self.with_failed => None,
            // It has to be one of those that are kept: the oldest go where there are too many.
            How::Failed => failed.get(&name).copied(),
        }
    }

    fn notes(&self, original: &Original) -> Vec<String> {
        let mut notes = Vec::new();
        let failed = original.departures.iter(true);
        let failed =
            failed.filter(|(_, node)| node.how == How::Failed && node.line >= self.since_line);
        let failed = failed.count() as u64;
        if failed > 0 && !self.with_failed {
            let more = count(failed, "more node");
            notes.push(format!("--with-failed would revive {more}"));
        }
        let forgotten = original.departures.forgotten();
        if forgotten > 0 {
            let first = count(forgotten, "node");
            notes.push(format!("{first} that went first were too many to be remembered"));
        }
        notes
    }
}

/// For those who rejoin after a leave alone, or for all.
fn revive(document: &mut Document, rejoins: bool, name: Name<'_>, addr: Addr<'_>) {
    if document.state(rejoins).addr_of(name).is_some() || !addr.is_dialable() {
        return;
    }
    if rejoins {
        document.apply_before_leave(&Record::Alive { name, addr });
    } else {
        // One file cannot say two addresses: whom the others have alive is where they have it.
        let known: Option<Box<[u8]>> =
            document.state(true).addr_of(name).map(|addr| addr.as_bytes().into());
        let addr = known.as_deref().and_then(|known| Addr::new(known).ok()).unwrap_or(addr);
        document.apply(&Record::Alive { name, addr });
    }
}
