//! `compact`: the same file without what later lines have replaced.

use crate::edit::original::Original;
use crate::edit::plan::Plan;
use crate::edit::{Edit, Edited, Target};
use crate::failure::Outcome;
use crate::show::count;

/// Rewrite a snapshot without what later lines have replaced, and seal it.
///
/// A dry run unless --yes is given: it says what would change and exits 1 if anything would.
/// People's comments are kept, and so are both readings of a file with a `leave` line.
/// The agent must be stopped: Serf, Consul and Nomad take no lock, and a running one would undo the change.
/// The old file is kept beside the new one as FILE.bak-TIME, a hard link that needs no space.
/// Nodes that later lines have taken out are gone from the new file: where some are missed, `revive` them first.
/// A damaged file is refused, since a rewrite would hide what happened to it: that is for `repair`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap compact /var/lib/serf/snapshot
      What would change.
  systemctl stop serf && serfsnap compact --yes /var/lib/serf/snapshot && systemctl start serf

Exit codes: 0 rewritten, or nothing to do; 1 in a dry run if something would change; 2 if it cannot be done.";

pub(crate) fn run(args: &Args) -> Outcome {
    super::run(&Compact, &args.target)
}

struct Compact;

impl Edit for Compact {
    fn edit(&self, _original: &Original) -> Result<Edited, String> {
        Ok(Edited::default())
    }

    /// A file that is sealed, and has no more lines than a new one would, is compact.
    fn is_needed(&self, plan: &Plan) -> bool {
        !plan.report().is_wholly_sealed() || plan.new_lines < plan.report().lines
    }

    fn heading(&self, plan: &Plan, done: bool) -> String {
        let size = |bytes, lines| format!("{} in {}", count(bytes, "byte"), count(lines, "line"));
        let old = size(plan.report().bytes, plan.report().lines);
        let new = size(plan.new_bytes, plan.new_lines);
        format!("{old} {} {new}", if done { "became" } else { "would become" })
    }

    fn nothing(&self, plan: &Plan) -> String {
        let (bytes, lines) = (plan.report().bytes, plan.report().lines);
        format!("compact already, {} in {}", count(bytes, "byte"), count(lines, "line"))
    }
}
