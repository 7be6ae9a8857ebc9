//! A plan for people.

use std::ffi::OsStr;
use std::io::{self, Write};

use snapshot_engine::{State, Verdict};

use crate::edit::Edit;
use crate::edit::change::{Changes, ClockChange, NodeChange, Seen, Standing};
use crate::edit::plan::Plan;
use crate::inspect_table::findings;
use crate::out::{Out, Tone};
use crate::show::{count, shown_path};
use crate::table::{Column, Table};
use crate::time::utc;

/// Prints what an edit would change, or has changed where there is a backup.
pub(super) fn print(
    out: &mut Out,
    edit: &impl Edit,
    plan: &Plan,
    path: &OsStr,
    backup: Option<&OsStr>,
) -> io::Result<()> {
    let path = shown_path(path);
    if !edit.is_needed(plan) {
        writeln!(out, "{path}: {}", edit.nothing(plan))?;
        return notes(out, plan);
    }
    let heading = edit.heading(plan, backup.is_some());
    let heading = out.paint(Tone::Heading, &format!("{path}: {heading}"));
    writeln!(out, "{heading}")?;
    let changes = plan.changes();
    nodes_changed(out, &changes)?;
    clocks_changed(out, &changes.clocks)?;
    nodes(out, plan, &changes)?;
    lines(out, plan, &changes)?;
    notes(out, plan)?;
    if plan.report().verdict() == Verdict::Damaged {
        findings(out, plan.report())?;
        if plan.report().findings_total > plan.report().findings.len() as u64 {
            writeln!(out, "  `serfsnap dump {path}` shows all of them, line by line")?;
        }
        writeln!(out)?;
    }
    match backup {
        Some(backup) => writeln!(out, "The old file is {}", shown_path(backup)),
        None => writeln!(out, "Nothing was written; --yes does it"),
    }
}

/// How much changes, in a sentence.
pub(super) fn heading(changes: &Changes<'_>, done: bool) -> String {
    let mut names: Vec<_> = changes.nodes.iter().map(|change| change.name).collect();
    names.dedup();
    let mut clocks: Vec<_> = changes.clocks.iter().map(|change| change.clock).collect();
    clocks.sort_unstable();
    clocks.dedup();
    let parts = [(names.len(), "node"), (clocks.len(), "clock")];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<_> = parts.map(|(number, what)| count(number as u64, what)).collect();
    format!("{} {}", parts.join(" and "), if done { "changed" } else { "would change" })
}

fn nodes_changed(out: &mut Out, changes: &Changes<'_>) -> io::Result<()> {
    if changes.nodes.is_empty() {
        return Ok(());
    }
    let columns = [Column::elastic("NODE"), Column::left("CHANGE")];
    let rest = [Column::elastic("WAS"), Column::elastic("BECOMES")];
    let cells = |change: &NodeChange<'_>| {
        let [was, becomes] = [change.was, change.becomes].map(standing);
        [change.name.to_string(), change.word().to_owned(), was, becomes]
    };
    if changes.nodes.iter().all(|change| change.seen == Seen::Both) {
        let mut table = Table::new([columns[0], columns[1], rest[0], rest[1]]);
        changes.nodes.iter().for_each(|change| table.row(cells(change)));
        return table.print(out);
    }
    let mut table =
        Table::new([columns[0], columns[1], rest[0], rest[1], Column::left("SEEN BY AN AGENT")]);
    for change in &changes.nodes {
        let [name, word, was, becomes] = cells(change);
        table.row([name, word, was, becomes, change.seen.words().to_owned()]);
    }
    table.print(out)
}

fn standing(standing: Option<Standing<'_>>) -> String {
    match standing {
        None => "not in the file".to_owned(),
        Some(Standing::Alive(addr)) => format!("alive at {addr}"),
        Some(Standing::Failed(addr, at)) => format!("failed {} at {addr}", utc(at)),
    }
}

fn clocks_changed(out: &mut Out, clocks: &[ClockChange]) -> io::Result<()> {
    for ClockChange { seen, clock, was, becomes } in clocks {
        let clock = clock.replace('_', "-");
        let when = match seen {
            Seen::Both => String::new(),
            seen => format!(", {}", seen.words()),
        };
        writeln!(out, "  {clock}  {was} becomes {becomes}{when}")?;
    }
    Ok(())
}

/// How many nodes there are afterwards, and how many there were.
fn nodes(out: &mut Out, plan: &Plan, changes: &Changes<'_>) -> io::Result<()> {
    let count = |rejoins| node_count(plan, rejoins, changes.nodes.is_empty());
    let [leaving, rejoining] = [false, true].map(count);
    writeln!(out, "  nodes    {leaving}")?;
    if leaving != rejoining {
        writeln!(out, "           with rejoin_after_leave {rejoining}")?;
    }
    Ok(())
}

fn node_count(plan: &Plan, rejoins: bool, none_differs: bool) -> String {
    let (serfs, ours) = (plan.original.serfs(rejoins), plan.original.document.state(rejoins));
    let after = plan.document().state(rejoins);
    let words = |alive: &State, failed: &State| {
        format!("{} alive, {} failed", alive.len(), failed.failed_len())
    };
    let (before, now) = (words(serfs, ours), words(after, after));
    if none_differs {
        return format!("{now}: none is lost");
    }
    let kept = plan.kept(rejoins);
    format!("{now}; before {before}; {kept} kept as they were")
}

/// What becomes of the file besides its nodes.
fn lines(out: &mut Out, plan: &Plan, changes: &Changes<'_>) -> io::Result<()> {
    let report = plan.report();
    let gone = report.lines.saturating_sub(plan.new_lines);
    if gone > 0 {
        let only = changes.is_empty() && report.verdict() != Verdict::Damaged;
        let why = "what later lines have replaced";
        let why = if only { format!(": {why}") } else { format!(", {why} among them") };
        writeln!(out, "  lines    {gone} fewer{why}")?;
    }
    let torn = plan.torn_bytes();
    if torn > 0 {
        writeln!(out, "  torn end {} that are no whole line", count(torn, "byte"))?;
    }
    let comments = plan.document().dropped_comments();
    if comments > 0 {
        writeln!(out, "  comments {comments} too long to be kept")?;
    }
    if !report.is_wholly_sealed() {
        writeln!(out, "  seals    every line is sealed, so that damage shows")?;
    }
    Ok(())
}

fn notes(out: &mut Out, plan: &Plan) -> io::Result<()> {
    plan.notes().iter().try_for_each(|note| writeln!(out, "  note     {note}"))
}
