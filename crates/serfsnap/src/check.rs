//! `check`: one verdict a file, for monitoring.

use std::ffi::{OsStr, OsString};
use std::io;
use std::thread;
use std::time::Duration;

use snapshot_engine::{Clocks, Policy, Verdict};

use clap::ValueEnum;

use crate::args::Rules;
use crate::check_output::{Printer, exit_code};
use crate::failure::{Failure, Outcome};
use crate::input::Input;
use crate::known::{Known, Overlap};
use crate::outlook::Outlook;
use crate::reading::Reading;
use crate::show::count;

/// Say of each file whether somebody should act; made for monitoring.
///
/// One line a file: ok, act or unknown, and why.
/// An agent has to be helped where its file is damaged, holds a poisoned clock (one so high that the agent would be
/// deaf to all later events), or names too few others to contact after a crash.
/// A torn end is normal in a live file; it is read again after 50 ms, named, and counted under --strict alone.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshots; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<OsString>,

    /// How many others the agent should be able to contact, at least
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_peers: u64,

    /// A torn end is something to act on
    #[arg(long)]
    strict: bool,

    /// Compare with the members that the agent knows, read from standard input
    ///
    /// The output of `consul members`, `serf members` or `nomad server members`, or a list in JSON.
    /// Only members that are alive count, and only at the address where they are.
    #[arg(long, value_parser = ["-"], hide_possible_values = true, value_name = "-")]
    members: Option<String>,

    /// How many of the other members the file should hold at least, in per cent
    ///
    /// Serf writes a member down when the next event comes, so that a file lags behind; half of the members find the
    /// others. None at all is never enough.
    #[arg(long, value_name = "PERCENT", default_value_t = 50, requires = "members")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=100))]
    min_share: u64,

    #[command(flatten)]
    rules: Rules,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
}

/// How the output looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// For people
    Table,
    /// One object
    Json,
    /// One object a line
    Jsonl,
    /// Metrics for Prometheus, as the textfile collector of its `node_exporter` reads them
    Prom,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap check --min-peers 2 /var/lib/consul/serf/local.snapshot
  serfsnap check --as consul /var/lib/consul/serf/*.snapshot
      What unmodified agents would make of their files.
  consul members | serfsnap check --members - /var/lib/consul/serf/local.snapshot
      Whether the agent would find its cluster again if it crashed now.
  serfsnap check --format prom /var/lib/*/serf/*.snapshot > /var/lib/node_exporter/serfsnap.prom.new;
      mv /var/lib/node_exporter/serfsnap.prom.new /var/lib/node_exporter/serfsnap.prom
  serfsnap check --format jsonl fleet/*/snapshot | jq -r 'select(.exit_code > 0).path'

Exit codes: 0 nothing to do, 1 act, 2 could not check; of several files the highest.";

/// How long the writer of a live file is given to finish its line.
const SECOND_LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &Args) -> Outcome {
    let known = known(args)?;
    let mut printer = Printer::new(args.format);
    let mut worst = 0;
    printer.begin()?;
    for path in &args.files {
        let result = check(path, args, known.as_ref(), || thread::sleep(SECOND_LOOK));
        worst = worst.max(exit_code(&result));
        printer.file(path, &result)?;
    }
    printer.end(worst)?;
    Ok(worst)
}

fn known(args: &Args) -> Result<Option<Known>, Failure> {
    if args.members.is_none() {
        return Ok(None);
    }
    if args.files.iter().any(|file| file == "-") {
        return Err(Failure::told(
            "FILE and the member list are both `-`, but there is one standard input; name the file",
        ));
    }
    Known::read(io::stdin()).map(Some)
}

/// What is to be said of a file that could be read.
pub(crate) struct Checked {
    pub(crate) verdict: Verdict,
    pub(crate) alive: u64,
    pub(crate) failed: u64,
    pub(crate) candidates: u64,
    pub(crate) outlook: String,
    /// Whether the last line is unfinished; the file of an agent that has written on below seals is not.
    pub(crate) torn: bool,
    pub(crate) findings_total: u64,
    pub(crate) bytes: u64,
    pub(crate) clocks: Clocks,
    /// How much it holds of what the agent knows, where that was asked.
    pub(crate) held: Option<Overlap>,
    /// Why to act; none where all is well.
    pub(crate) reasons: Vec<String>,
}

/// Checks a file; where its end is torn, `wait` is called and the file is read again.
fn check(
    path: &OsStr,
    args: &Args,
    known: Option<&Known>,
    wait: impl FnOnce(),
) -> Result<Checked, Failure> {
    let (checked, again) = read(path, args, known)?;
    if !checked.torn || !again {
        return Ok(checked);
    }
    wait();
    Ok(read(path, args, known)?.0)
}

/// The file as it is now, and whether it could be read again.
fn read(path: &OsStr, args: &Args, known: Option<&Known>) -> Result<(Checked, bool), Failure> {
    let mut input = Input::open(path, args.rules.reader)?;
    let reading = Reading::new(&mut input, args.rules)?;
    let Reading { state, report, .. } = &reading;
    let outlook = Outlook::new(path, args.rules, &reading);
    let verdict = report.verdict();
    let mut reasons = Vec::new();
    if let Some(first) = report.findings.first() {
        let (total, line, byte) = (report.findings_total, first.line, first.offset);
        let total = count(total, "finding");
        reasons.push(format!("{total}, the first in line {line} at byte {byte}: {}", first.kind));
    }
    reasons.extend(poisoned(state.clocks(), &args.rules.policy()));
    if outlook.certain() < args.min_peers {
        let (few, least) = (count(outlook.certain(), "other"), args.min_peers);
        reasons.push(format!("{few} to contact, fewer than {least}"));
    }
    let held = known.map(|known| known.compare(state, &outlook));
    reasons.extend(held.and_then(|held| held.reason(args.min_share)));
    if args.strict && report.torn.is_some() {
        reasons.push("the end is torn".to_owned());
    }
    let checked = Checked {
        verdict,
        alive: state.len() as u64,
        failed: state.failed_len() as u64,
        candidates: outlook.candidates(),
        outlook: outlook.sentence(),
        torn: report.torn.is_some(),
        findings_total: report.findings_total,
        bytes: report.bytes,
        clocks: state.clocks(),
        held,
        reasons,
    };
    Ok((checked, input.is_regular()))
}

/// Clocks that Serf's reading believes and that make an agent deaf; ours refuses them with a finding.
fn poisoned(clocks: Clocks, policy: &Policy) -> Option<String> {
    let clocks = [
        ("clock", clocks.clock),
        ("event-clock", clocks.event_clock),
        ("query-clock", clocks.query_clock),
    ];
    let (name, time) = clocks.into_iter().find(|(_, time)| *time > policy.max_clock)?;
    Some(format!(
        "{name} {time} is poisoned: the agent would be deaf to what comes after a restart"
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    const TORN: &str = "alive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\nclock: 1";

    fn check_while(before: &str, meanwhile: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("live.snap");
        fs::write(&path, before).unwrap();
        let line = Line::parse_from(["check".as_ref(), "--strict".as_ref(), path.as_os_str()]);
        let checked =
            check(path.as_os_str(), &line.args, None, || fs::write(&path, meanwhile).unwrap());
        checked.unwrap().reasons
    }

    #[test]
    fn an_agent_that_writes_on_below_seals_leaves_no_torn_end() {
        let sealed = "#@format: 1\n#@seal: 12 1763867000000 aef6d179\n";
        let lines = "alive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\n";
        let file = format!("{sealed}{lines}");
        assert_eq!(check_while(&file, TORN), [""; 0], "it is read once");
        let file = format!("{file}clock: 1");
        assert_eq!(check_while(&file, &file), ["the end is torn"]);
    }

    #[test]
    fn a_torn_file_is_read_once_more() {
        assert_eq!(check_while(TORN, &format!("{TORN}\n")), [""; 0]);
        assert_eq!(check_while(TORN, TORN), ["the end is torn"]);
        let whole = format!("{TORN}\n");
        assert_eq!(check_while(&whole, TORN), [""; 0], "a file that is not torn is read once");
    }
}
