//! `inspect` for people.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};

use snapshot_engine::{Mode, Report, State, Verdict};

use crate::args::{Reader, Rules};
use crate::difference::Difference;
use crate::inspect::{live_bytes, sorted};
use crate::out::{Out, Tone};
use crate::outlook::Outlook;
use crate::probe::Answers;
use crate::reading::Reading;
use crate::show::{count, meaning, quoted, shown, shown_path};
use crate::table::{Column, Table};
use crate::time::utc;

/// How many differences of a kind are listed.
const MAX_LISTED: usize = 20;

pub(crate) struct Page<'a> {
    pub(crate) path: &'a OsStr,
    pub(crate) rules: Rules,
    pub(crate) reading: &'a Reading,
    /// By the other kind of reader: Serf beside ours, ours beside Serf's.
    pub(crate) other_mode: &'a State,
    /// What became of a try to connect to each.
    pub(crate) answers: Option<&'a Answers>,
}

impl Page<'_> {
    pub(crate) fn print(&self, out: &mut Out, outlook: &Outlook) -> io::Result<()> {
        let Reading { state, report, .. } = self.reading;
        let tone = match report.verdict() {
            Verdict::Clean => Tone::Good,
            Verdict::Torn => Tone::Notable,
            Verdict::Damaged => Tone::Bad,
        };
        let verdict = out.paint(tone, &verdict(report));
        writeln!(out, "{}: {verdict}", shown_path(self.path))?;
        writeln!(out, "{}", rules_in_words(self.rules))?;
        let identity = &report.identity;
        for (what, text) in [("cluster", &identity.cluster), ("node", &identity.node)] {
            if let Some(text) = text {
                writeln!(out, "{what} {}", shown(text))?;
            }
        }
        nodes(out, state, self.answers)?;
        clocks(out, state)?;
        findings(out, report)?;
        size(out, state, report)?;
        differences(out, self.rules.reader.mode(), state, self.other_mode)?;
        let heading = out.paint(Tone::Heading, "If this agent starts now");
        writeln!(out, "\n{heading}: {}", outlook.sentence())?;
        self.answers.map_or(Ok(()), |answers| probed(out, state, answers))
    }
}

/// The verdict and what it comes from.
pub(crate) fn verdict(report: &Report) -> String {
    let word = report.verdict().as_str();
    match (report.verdict(), &report.torn) {
        (Verdict::Damaged, _) => format!("{word}, {}", count(report.findings_total, "finding")),
        (Verdict::Torn, Some(torn)) => format!(
            "{word}, the last {} from byte {} on are an unfinished line, as in a live file or after a crash",
            count(torn.end - torn.start, "byte"),
            torn.start
        ),
        (Verdict::Torn, None) => {
            let from = report.sealed_until;
            format!(
                "{word}, the lines from byte {from} on are not sealed: an agent wrote them, or a crash cut off their seal"
            )
        }
        (Verdict::Clean, _) => word.to_owned(),
    }
}

fn rules_in_words(rules: Rules) -> String {
    let reader = match rules.reader {
        Reader::Ours => "read by our rules",
        Reader::Serf => "read as Serf reads",
        Reader::Consul => "read as Consul reads",
        Reader::Nomad => "read as Nomad reads",
    };
    let rejoins = if rules.rejoins() { "with" } else { "without" };
    format!("{reader}, {rejoins} rejoin_after_leave")
}

pub(crate) fn nodes(out: &mut Out, state: &State, answers: Option<&Answers>) -> io::Result<()> {
    let (alive, failed) = (state.len(), state.failed_len());
    section(out, "Nodes", &format_args!("{alive} alive, {failed} failed"))?;
    let answer = |addr| {
        let answer = answers.and_then(|answers| answers.of(addr));
        answer.map(ToString::to_string).unwrap_or_default()
    };
    // The title of a column that is empty would promise something.
    let title = if answers.is_some() { "PROBE" } else { "" };
    if alive > 0 {
        let columns = [Column::elastic("NAME"), Column::left("ADDRESS"), Column::left(title)];
        let mut table = Table::new(columns);
        for (name, addr) in sorted(state) {
            table.row([name.to_string(), addr.to_string(), answer(addr)]);
        }
        table.print(out)?;
    }
    if failed > 0 {
        let columns = [
            Column::elastic("FAILED"),
            Column::left("LAST ADDRESS"),
            Column::left("FAILED AT"),
            Column::left(title),
        ];
        let mut table = Table::new(columns);
        for (name, addr, at) in state.failed() {
            table.row([name.to_string(), addr.to_string(), utc(at), answer(addr)]);
        }
        table.print(out)?;
    }
    Ok(())
}

/// How many of those that were tried answer.
fn probed(out: &mut Out, state: &State, answers: &Answers) -> io::Result<()> {
    let nodes = state.alive().chain(state.failed().map(|(name, addr, _)| (name, addr)));
    let answers: Vec<_> = nodes.filter_map(|(_, addr)| answers.of(addr)).collect();
    let connected = answers.iter().filter(|answer| answer.is_connected()).count();
    let tone = if connected > 0 || answers.is_empty() { Tone::Good } else { Tone::Bad };
    let heading = out.paint(Tone::Heading, "Probe");
    let sentence = out.paint(tone, &format!("{connected} of {} answer", answers.len()));
    writeln!(out, "{heading}: {sentence}")
}

pub(crate) fn clocks(out: &mut Out, state: &State) -> io::Result<()> {
    let clocks = state.clocks();
    let (clock, event, query) = (clocks.clock, clocks.event_clock, clocks.query_clock);
    section(
        out,
        "Clocks",
        &format_args!("clock {clock}, event-clock {event}, query-clock {query}"),
    )?;
    let Some(coordinate) = state.coordinate() else { return Ok(()) };
    writeln!(
        out,
        "  coordinate with error {} and height {} s",
        coordinate.error(),
        coordinate.height()
    )
}

pub(crate) fn findings(out: &mut Out, report: &Report) -> io::Result<()> {
    let (total, listed) = (report.findings_total, report.findings.len());
    if total == 0 {
        return section(out, "Findings", &"none");
    }
    if total > listed as u64 {
        section(out, "Findings", &format_args!("{total}, the first {listed} of them"))?;
    } else {
        section(out, "Findings", &total)?;
    }
    let columns = [
        Column::right("LINE"),
        Column::right("BYTE"),
        Column::right("LENGTH"),
        Column::left("KIND"),
        Column::left("MEANING"),
        Column::elastic("TEXT"),
    ];
    let mut table = Table::new(columns);
    for finding in &report.findings {
        table.row([
            finding.line.to_string(),
            finding.offset.to_string(),
            finding.len.to_string(),
            finding.kind.to_string(),
            meaning(finding.kind).to_owned(),
            quoted(&finding.excerpt),
        ]);
    }
    table.print(out)
}

fn size(out: &mut Out, state: &State, report: &Report) -> io::Result<()> {
    let (bytes, lines) = (count(report.bytes, "byte"), count(report.lines, "line"));
    let live = live_bytes(state);
    section(out, "Size", &format_args!("{bytes} in {lines}, {live} bytes of it live"))?;
    let Some(last) = report.last_seal else {
        return writeln!(out, "  not sealed, as Serf, Consul and Nomad write it");
    };
    let first = report.first_seal.unwrap_or(last);
    let (seals, until) = (count(report.seals, "seal"), report.sealed_until);
    writeln!(out, "  {seals} up to byte {until}, from {} to {}", utc(first), utc(last))
}

fn differences(out: &mut Out, mode: Mode, here: &State, there: &State) -> io::Result<()> {
    let difference = Difference::new(here, there);
    let (reader, unknown) = match mode {
        Mode::Hardened => ("Read by Serf, Consul or Nomad", here.failed_len()),
        Mode::Serf => ("Read by our rules", 0),
    };
    if difference.is_empty() && unknown == 0 {
        return section(out, reader, &"the same");
    }
    section(out, reader, &"differently")?;
    let node = |(name, addr)| format!("{name} at {addr}");
    list(out, "also alive", difference.only_there.iter().copied().map(node))?;
    list(out, "not alive", difference.only_here.iter().copied().map(node))?;
    let moved = |(name, here, there)| format!("{name} at {there} instead of {here}");
    list(out, "elsewhere", difference.moved.iter().copied().map(moved))?;
    let clock = |(name, here, there)| format!("{name} {there} instead of {here}");
    list(out, "clock", difference.clocks.iter().copied().map(clock))?;
    if unknown > 0 {
        let failed = count(unknown as u64, "failed node");
        writeln!(out, "  no last resort: it knows nothing of the {failed}")?;
    }
    Ok(())
}

fn list(out: &mut Out, what: &str, items: impl ExactSizeIterator<Item = String>) -> io::Result<()> {
    let total = items.len();
    for item in items.take(MAX_LISTED) {
        writeln!(out, "{}", out.cut(&format!("  {what}: {item}")))?;
    }
    if total > MAX_LISTED {
        writeln!(out, "  {what}: {} more", total - MAX_LISTED)?;
    }
    Ok(())
}

pub(crate) fn section(out: &mut Out, title: &str, text: &dyn Display) -> io::Result<()> {
    let title = out.paint(Tone::Heading, title);
    writeln!(out, "\n{title}: {text}")
}
