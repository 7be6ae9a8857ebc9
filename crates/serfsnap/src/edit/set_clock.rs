//! `set-clock`: a poisoned clock, lowered.

use snapshot_engine::{Clocks, FindingKind, LamportTime, Report};
use snapshot_format::Record;

use crate::args::policy;
use crate::edit::original::Original;
use crate::edit::{Asks, Edit, Edited, Target};
use crate::failure::Outcome;

/// Lower a poisoned clock.
///
/// A Lamport clock that is far too high makes an agent deaf: it takes every later event or query for an old one.
/// One message with such a time reaches the whole cluster, so EVERY agent of the cluster must be stopped and every
/// file lowered before the first one starts again; an agent that still runs gives the high time to all others.
/// A clock is never raised: the agent would take for old, and drop, whatever it has not seen up to there.
/// A file that is damaged by clocks beyond 2^48 alone is taken; one that is damaged otherwise is refused.
/// A dry run unless --yes is given: it says what would change and exits 1 if anything would.
/// People's comments are kept, and so are both readings of a file with a `leave` line.
/// The old file is kept beside the new one as FILE.bak-TIME, a hard link that needs no space.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("clocks").required(true).multiple(true))]
pub(crate) struct Args {
    /// The clock of membership messages
    #[arg(long, value_name = "N", group = "clocks")]
    clock: Option<u64>,

    /// The clock of user events
    #[arg(long, value_name = "N", group = "clocks")]
    event_clock: Option<u64>,

    /// The clock of queries
    #[arg(long, value_name = "N", group = "clocks")]
    query_clock: Option<u64>,

    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap set-clock --event-clock 1204 /var/lib/serf/snapshot
      What would change; `serfsnap fleet` names the median of the other nodes.
  systemctl stop serf       # on every node of the cluster
  serfsnap set-clock --yes --event-clock 1204 /var/lib/serf/snapshot
                            # likewise; only then start them again

Exit codes: 0 lowered, or nothing to do; 1 in a dry run if something would change; 2 if it cannot be done.";

pub(crate) fn run(args: &Args) -> Outcome {
    super::run(args, &args.target)
}

/// A clock by the names that JSON and the file have for it, with what is told of it.
struct Clock {
    name: &'static str,
    of: fn(Clocks) -> LamportTime,
    record: fn(LamportTime) -> Record<'static>,
}

const CLOCKS: [Clock; 3] = [
    Clock { name: "clock", of: |clocks| clocks.clock, record: Record::Clock },
    Clock { name: "event-clock", of: |clocks| clocks.event_clock, record: Record::EventClock },
    Clock { name: "query-clock", of: |clocks| clocks.query_clock, record: Record::QueryClock },
];

impl Edit for Args {
    const ASKS: Asks = Asks { serfs_reading: true, departures: false };

    /// Clocks that nobody should believe are what it is for.
    fn takes_damage(&self, report: &Report) -> bool {
        report.findings_total == report.findings.len() as u64
            && report.findings.iter().all(|finding| finding.kind == FindingKind::ClockTooHigh)
    }

    fn edit(&self, original: &Original) -> Result<Edited, String> {
        let mut document = original.document.clone();
        let wanted = [self.clock, self.event_clock, self.query_clock];
        for (clock, wanted) in CLOCKS.iter().zip(wanted) {
            let Some(wanted) = wanted.map(LamportTime) else { continue };
            let highest = policy(false).max_clock;
            if wanted > highest {
                let name = clock.name;
                return Err(format!(
                    "{name} {wanted} would be poisoned still: {highest} is the highest time that is believed"
                ));
            }
            let [leaving, rejoining] =
                [false, true].map(|rejoins| (clock.of)(original.serfs(rejoins).clocks()));
            // Only a reader who does not rejoin may have seen it go back to 0.
            if rejoining < wanted {
                return Err(raised(clock.name, rejoining, wanted));
            }
            // Where both see it, both see the same.
            if leaving > LamportTime(0) {
                document.apply(&(clock.record)(wanted));
            } else {
                document.apply_before_leave(&(clock.record)(wanted));
            }
        }
        let note = "stop every agent of the cluster and lower every file before one starts again: \
                    an agent that still runs gives the high time to all others";
        Ok(Edited { document: Some(document), notes: vec![note.to_owned()] })
    }
}

fn raised(name: &str, now: LamportTime, wanted: LamportTime) -> String {
    format!(
        "{name} is {now} and would be raised to {wanted}, which is refused: the agent would take for old, and drop, \
         whatever it has not seen up to there; a running agent raises its clock by itself"
    )
}
