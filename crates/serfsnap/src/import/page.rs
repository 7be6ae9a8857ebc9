//! An import for people, and as JSON.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use snapshot_engine::{State, Verdict};

use crate::import::target::Written;
use crate::import::{Args, Import, members};
use crate::inspect::sorted;
use crate::inspect_table::{clocks, nodes, section};
use crate::json;
use crate::out::{Out, Tone};
use crate::show::{count, shown_path};
use crate::table::{Column, Table};

/// For people: what is in FILE, what was not taken over, and what became of OUT.
pub(super) fn print(
    out: &mut Out,
    args: &Args,
    import: &Import,
    written: Option<&Written>,
) -> io::Result<()> {
    let Import { members, end, document, .. } = import;
    let verdict = import.verdict();
    let tone = match verdict {
        Verdict::Clean => Tone::Good,
        Verdict::Torn => Tone::Notable,
        Verdict::Damaged => Tone::Bad,
    };
    let verdict = out.paint(tone, verdict.as_str());
    let (records, bytes) = (count(members.records, "record"), count(end.offset, "byte"));
    writeln!(out, "{}: {verdict}, {records} in {bytes}", shown_path(&args.file))?;
    writeln!(out, "a snapshot of the serf crate, read without rejoin_after_leave")?;
    let state = document.state(false);
    nodes(out, state, None)?;
    clocks(out, state)?;
    if let Some(at) = members.left_at {
        let then = document.state(true);
        let alive = then.len();
        let times = then.clocks();
        section(out, "Left", &format_args!("at byte {at}; with rejoin_after_leave {alive} alive"))?;
        let (clock, event, query) = (times.clock, times.event_clock, times.query_clock);
        writeln!(out, "  clock {clock}, event-clock {event}, query-clock {query} then")?;
    }
    findings(out, import)?;
    writeln!(out)?;
    import.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
    let Some(written) = written else {
        return writeln!(out, "Nothing was written; -o OUT does it");
    };
    let path = args.output.as_deref().map(|path| shown_path(path.as_os_str())).unwrap_or_default();
    match written {
        Written::Created => writeln!(out, "{path} was written"),
        Written::Replaced(backup) => {
            writeln!(out, "{path} was replaced; the old file is {}", shown_path(backup))
        }
        Written::Kept(alive) => writeln!(
            out,
            "Nothing was written: {path} is there already, with {}; --yes replaces it",
            count(*alive as u64, "alive node")
        ),
    }
}

fn findings(out: &mut Out, import: &Import) -> io::Result<()> {
    let (findings, total) = (&import.members.findings, import.members.findings_total);
    if total == 0 {
        return section(out, "Findings", &"none");
    }
    if total > findings.len() as u64 {
        section(out, "Findings", &format_args!("{total}, the first {} of them", findings.len()))?;
    } else {
        section(out, "Findings", &total)?;
    }
    let columns = [Column::right("BYTE"), Column::right("LENGTH"), Column::left("KIND")];
    let mut table = Table::new([columns[0], columns[1], columns[2], Column::elastic("MEANING")]);
    for finding in findings {
        let numbers = [finding.offset, finding.len].map(|number| number.to_string());
        let [offset, len] = numbers;
        table.row([offset, len, finding.kind.to_owned(), finding.meaning.clone()]);
    }
    table.print(out)
}

/// One object.
pub(super) fn json(
    out: &mut Out,
    args: &Args,
    import: &Import,
    written: Option<&Written>,
) -> io::Result<()> {
    let Import { members, end, document, notes } = import;
    let (path, path_hex) = json::text(args.file.as_encoded_bytes());
    let output = args.output.as_ref().map(|path| json::text(path.as_os_str().as_encoded_bytes()));
    let (output, output_hex) = output.unzip();
    let backup = match written {
        Some(Written::Replaced(backup)) => Some(json::text(backup.as_encoded_bytes())),
        _ => None,
    };
    let (backup, backup_hex) = backup.unzip();
    let row = Row {
        schema: json::SCHEMA,
        path,
        path_hex,
        bytes: end.offset + end.rest,
        records: members.records,
        verdict: import.verdict().as_str(),
        recovered: Recovered::from(document.state(false)),
        left_at: members.left_at,
        rejoining: members.left_at.map(|_| Recovered::from(document.state(true))),
        notes,
        findings: members.findings.iter().map(Found::from).collect(),
        findings_total: members.findings_total,
        output,
        output_hex: output_hex.flatten(),
        written: matches!(written, Some(Written::Created | Written::Replaced(_))),
        backup,
        backup_hex: backup_hex.flatten(),
    };
    json::line(out, &row)
}

#[derive(Serialize)]
struct Row<'a> {
    schema: u32,
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    bytes: u64,
    records: u64,
    verdict: &'static str,
    #[serde(flatten)]
    recovered: Recovered<'a>,
    left_at: Option<u64>,
    rejoining: Option<Recovered<'a>>,
    notes: &'a [String],
    findings: Vec<Found<'a>>,
    findings_total: u64,
    output: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_hex: Option<String>,
    written: bool,
    backup: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_hex: Option<String>,
}

/// What an owner under one setting would recover.
#[derive(Serialize)]
struct Recovered<'a> {
    clock: u64,
    event_clock: u64,
    query_clock: u64,
    alive: Vec<json::Node<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    offset: u64,
    len: u64,
    kind: &'static str,
    text: &'a str,
}

impl<'a> From<&'a State> for Recovered<'a> {
    fn from(state: &'a State) -> Self {
        let clocks = state.clocks();
        let nodes = sorted(state).into_iter();
        Self {
            clock: clocks.clock.0,
            event_clock: clocks.event_clock.0,
            query_clock: clocks.query_clock.0,
            alive: nodes.map(|(name, addr)| json::Node::new(name, addr, None)).collect(),
        }
    }
}

impl<'a> From<&'a members::Finding> for Found<'a> {
    fn from(finding: &'a members::Finding) -> Self {
        let members::Finding { offset, len, kind, meaning } = finding;
        Self { offset: *offset, len: *len, kind, text: meaning }
    }
}
