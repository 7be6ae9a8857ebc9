//! `fleet` for people: what is the matter, what to do, and then why.

use std::fmt::Display;
use std::io::{self, Write};

use crate::fleet::hints::{Hint, Revive};
use crate::fleet::ids::Bits;
use crate::fleet::shell;
use crate::fleet::study::{Fleet, Unity};
use crate::out::{Out, Tone};
use crate::show::{count, shown, shown_path};
use crate::table::{Column, Table};

/// How many rows of a kind are shown; the object has all.
const MAX_LISTED: usize = 20;
/// How many names stand in one cell.
const MAX_NAMES: usize = 4;

pub(crate) fn print(out: &mut Out, fleet: &Fleet) -> io::Result<()> {
    let verdict = fleet.verdict();
    let tone = match verdict {
        Unity::Whole => Tone::Good,
        Unity::Order => Tone::Notable,
        Unity::Split => Tone::Bad,
    };
    let files = count(fleet.owners.len() as u64, "file");
    let nodes = count(fleet.nodes, "node");
    writeln!(out, "{files}, {nodes}: {}", out.paint(tone, verdict.as_str()))?;
    writeln!(out, "{}", sentence(fleet))?;
    for line in advice(fleet) {
        writeln!(out, "{line}")?;
    }
    if verdict == Unity::Split {
        hints(out, fleet)?;
        order(out, fleet)?;
    } else {
        order(out, fleet)?;
        hints(out, fleet)?;
    }
    islands(out, fleet)?;
    stale(out, fleet)?;
    odd(out, fleet)?;
    footer(out, fleet)
}

/// The verdict in a sentence.
pub(crate) fn sentence(fleet: &Fleet) -> String {
    let agents = fleet.owners.len();
    let clusters = fleet.islands_in_order();
    let all = if agents == 2 { "Both".to_owned() } else { format!("All {agents}") };
    match (fleet.verdict(), fleet.outset.retrying) {
        (Unity::Whole, _) if agents == 1 => "A single agent: nobody is there to find.".to_owned(),
        (Unity::Whole, true) => {
            format!("{all} agents come together, since each goes on trying.")
        }
        (Unity::Whole, false) if knows_all(fleet) => {
            format!("{all} agents know each other: any start order makes one cluster.")
        }
        (Unity::Whole, false) => {
            format!("{all} agents can find each other, directly or through others.")
        }
        (Unity::Order, _) => format!(
            "No file need change: the {agents} agents make one cluster if they start in the order below."
        ),
        (Unity::Split, true) => {
            format!("However long they try, the {agents} agents make {clusters} clusters.")
        }
        (Unity::Split, false) => {
            format!("No start order makes one cluster of the {agents} agents: {clusters} at best.")
        }
    }
}

/// What else to know before anything is done, a line each.
pub(crate) fn advice(fleet: &Fleet) -> Vec<String> {
    let mut lines = Vec::new();
    let chance = fleet.islands_in_random_order();
    if !fleet.outset.retrying && chance > 1.005 && fleet.owners.len() > 1 {
        lines.push(format!(
            "Started in an order left to chance they make {chance:.1} clusters on average."
        ));
    }
    if fleet.without_file > 0 && fleet.verdict() != Unity::Whole {
        lines.push(format!(
            "{} without a file here: through such nodes more agents may find each other.",
            count(fleet.without_file, "node")
        ));
    }
    if let Some(addr) = meeting_point(fleet) {
        lines.push(format!(
            "If they run already, no restart is needed: on one agent of each cluster `serf join {addr}` (or `consul \
             join`, `nomad server join`)."
        ));
    }
    lines
}

fn knows_all(fleet: &Fleet) -> bool {
    let agents = fleet.owners.len();
    (0..agents).all(|agent| fleet.graph.tried_by(agent).count() + 1 == agents)
}

/// Where the first to start is.
fn meeting_point(fleet: &Fleet) -> Option<String> {
    let wanted = fleet.verdict() != Unity::Whole;
    let addr = fleet.order.iter().find_map(|agent| fleet.owners[*agent].addr.as_deref())?;
    wanted.then(|| shown(addr))
}

fn order(out: &mut Out, fleet: &Fleet) -> io::Result<()> {
    if fleet.outset.retrying || knows_all(fleet) {
        return Ok(());
    }
    section(out, "Start order", &"one after the other, each when the one before it has joined")?;
    let columns = [
        Column::right("STEP"),
        Column::elastic("NODE"),
        Column::left("ADDRESS"),
        Column::elastic("FINDS"),
    ];
    let mut table = Table::new(columns);
    let mut started = Bits::new(fleet.owners.len());
    for (step, agent) in fleet.order.iter().take(MAX_LISTED).enumerate() {
        let owner = &fleet.owners[*agent];
        let addr = owner.addr.as_deref().map_or_else(|| "unknown".to_owned(), shown);
        let finds = finds(fleet, *agent, |other| started.has(other));
        table.row([(step + 1).to_string(), shown(&owner.name), addr, finds]);
        started.add(*agent);
    }
    table.print(out)?;
    more(out, fleet.order.len(), ".order")
}

/// Whom an agent finds of those that run.
pub(crate) fn finds(fleet: &Fleet, agent: usize, runs: impl Fn(usize) -> bool) -> String {
    let found: Vec<usize> = fleet.graph.tried_by(agent).filter(|other| runs(*other)).collect();
    if found.is_empty() {
        return "nobody: begins a cluster".to_owned();
    }
    names(fleet, &found)
}

/// The first names, and how many more.
pub(crate) fn names(fleet: &Fleet, agents: &[usize]) -> String {
    let first = agents.iter().take(MAX_NAMES);
    let mut names: Vec<_> = first.map(|agent| shown(&fleet.owners[*agent].name)).collect();
    if agents.len() > MAX_NAMES {
        names.push(format!("{} more", agents.len() - MAX_NAMES));
    }
    names.join(", ")
}

fn hints(out: &mut Out, fleet: &Fleet) -> io::Result<()> {
    if fleet.hints.is_empty() {
        return Ok(());
    }
    let why = match fleet.verdict() {
        Unity::Split if fleet.outset.retrying => {
            "with these they make one cluster; stop the agent first"
        }
        Unity::Split => "with these an order makes one cluster; stop the agent first",
        _ => "not needed where the order is kept; stop the agent first",
    };
    section(out, "Hints", &why)?;
    for hint in fleet.hints.iter().take(MAX_LISTED) {
        let (agent, of) = (&fleet.owners[hint.agent], &fleet.owners[hint.of]);
        let addr = shown(of.addr.as_deref().unwrap_or_default());
        let (agent, of) = (shown(&agent.name), shown(&of.name));
        match revive_command(fleet, hint) {
            Some(command) => {
                writeln!(out, "  {agent} should know {of} at {addr}; its log still does:")?;
                writeln!(out, "    {command}")?;
            }
            None => writeln!(
                out,
                "  {agent} should know {of} at {addr}: join it there, or add it to its retry_join"
            )?,
        }
    }
    more(out, fleet.hints.len(), ".hints")
}

/// The command that adds what a hint says, where the log still knows it.
pub(crate) fn revive_command(fleet: &Fleet, hint: &Hint) -> Option<String> {
    let path = shell::word(fleet.owners[hint.agent].path.as_os_str())?;
    let flag = match hint.revive? {
        Revive::Alive => "",
        Revive::WithFailed => " --with-failed",
    };
    Some(format!("serfsnap revive --yes{flag} {path}"))
}

fn islands(out: &mut Out, fleet: &Fleet) -> io::Result<()> {
    let total = fleet.islands.len();
    if total < 2 {
        return Ok(());
    }
    let what = if fleet.outset.retrying {
        format!("{total}, of agents that come together in time")
    } else {
        format!("{total}, of agents that can all find each other")
    };
    section(out, "Islands", &what)?;
    let columns = [
        Column::right("AGENTS"),
        Column::left("KNOW"),
        Column::left("KNOWN BY"),
        Column::elastic("WHO"),
    ];
    let mut table = Table::new(columns);
    for at in fleet.by_size().into_iter().take(MAX_LISTED) {
        let members = &fleet.islands.members[at];
        let yes = |is: bool| if is { "others" } else { "nobody" }.to_owned();
        let (know, known) = (fleet.islands.leads_out[at], fleet.islands.is_found[at]);
        table.row([members.len().to_string(), yes(know), yes(known), names(fleet, members)]);
    }
    table.print(out)?;
    more(out, total, ".islands")
}

fn stale(out: &mut Out, fleet: &Fleet) -> io::Result<()> {
    if fleet.stale.is_empty() {
        return Ok(());
    }
    let nodes = count(fleet.stale.len() as u64, "node");
    section(out, "Stale addresses", &format_args!("{nodes} at more than one address"))?;
    let columns = [Column::elastic("NODE"), Column::left("IS AT"), Column::elastic("KNOWN AT")];
    let mut table = Table::new(columns);
    for stale in fleet.stale.iter().take(MAX_LISTED) {
        let current = stale.current.as_deref();
        let others = stale.addrs.iter().filter(|addr| Some(addr.as_slice()) != current);
        let mut known: Vec<_> = others.take(MAX_NAMES + 1).map(|addr| shown(addr)).collect();
        if known.len() > MAX_NAMES {
            known.truncate(MAX_NAMES);
            let rest = stale.addrs.len() - MAX_NAMES - usize::from(current.is_some());
            known.push(format!("{rest} more"));
        }
        let current = current.map_or_else(|| "unknown".to_owned(), shown);
        table.row([shown(&stale.name), current, known.join(", ")]);
    }
    table.print(out)?;
    more(out, fleet.stale.len(), ".stale")
}

/// Clones, clocks, and what each file has.
fn odd(out: &mut Out, fleet: &Fleet) -> io::Result<()> {
    if !fleet.clones.is_empty() {
        let what = "files that begin with the same bytes: images of one disk";
        section(out, "Clones", &what)?;
        for clones in fleet.clones.iter().take(MAX_LISTED) {
            writeln!(out, "  {}", names(fleet, clones))?;
        }
        more(out, fleet.clones.len(), ".clones")?;
    }
    if !fleet.outliers.is_empty() {
        let what = "far ahead of the others, who are deaf to what comes with such a time";
        section(out, "Clocks", &what)?;
        for outlier in fleet.outliers.iter().take(MAX_LISTED) {
            let node = shown(&fleet.owners[outlier.agent].name);
            let clock = outlier.clock.replace('_', "-");
            writeln!(out, "  {node}: {clock} {}, the median is {}", outlier.time, outlier.median)?;
        }
        more(out, fleet.outliers.len(), ".clock_outliers")?;
    }
    if fleet.findings.is_empty() {
        return Ok(());
    }
    section(out, "Findings", &fleet.findings.len())?;
    for finding in fleet.findings.iter().take(MAX_LISTED) {
        let path = shown_path(finding.path.as_os_str());
        let text = finding.text.strip_prefix(&format!("{path}: ")).unwrap_or(&finding.text);
        writeln!(out, "  {path}: {text}")?;
    }
    more(out, fleet.findings.len(), ".findings")
}

fn footer(out: &mut Out, fleet: &Fleet) -> io::Result<()> {
    let mut left = Vec::new();
    if fleet.skipped > 0 {
        left.push(count(fleet.skipped, "backup, lock or temporary file"));
    }
    if fleet.others > 0 {
        left.push(format!("{} of another kind", count(fleet.others, "file")));
    }
    if left.is_empty() {
        return Ok(());
    }
    section(out, "Not read", &left.join("; "))
}

fn more(out: &mut Out, total: usize, key: &str) -> io::Result<()> {
    if total <= MAX_LISTED {
        return Ok(());
    }
    writeln!(out, "  … {} more; --format json has all: jq '{key}'", total - MAX_LISTED)
}

fn section(out: &mut Out, title: &str, text: &dyn Display) -> io::Result<()> {
    let title = out.paint(Tone::Heading, title);
    writeln!(out, "\n{title}: {text}")
}
