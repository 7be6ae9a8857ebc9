//! `inspect`: what is in a file, what is wrong with it, and whom its owner would contact.

use std::ffi::OsString;
use std::io::Write;

use serde::Serialize;
use serde::ser::Serializer;
use snapshot_engine::{Finding, State};
use snapshot_format::{Addr, Name, UnixMillis};

use crate::args::{Format, Rules};
use crate::failure::Outcome;
use crate::input::Input;
use crate::inspect_table::Page;
use crate::json::{self, Node, Place};
use crate::out::Out;
use crate::outlook::Outlook;
use crate::probe::{self, Answer, Answers};
use crate::reading::Reading;
use crate::show::quoted;

/// Say what is in a snapshot, what is wrong with it, and whom its owner would contact.
///
/// Nothing is written, and no lock is needed: the file may be in use.
/// The owner of the file, which no agent tries, is the node that its #@node line names; else a node in it whose name
/// is a component of the path, or a component's stem; else the only node in it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshot; `-` is standard input
    file: OsString,

    /// Try a TCP connection to each node that the owner would contact, 64 at a time, each for one second
    #[arg(long)]
    probe: bool,

    #[command(flatten)]
    rules: Rules,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap inspect /var/lib/serf/web-1.snapshot
  serfsnap inspect --as consul --rejoin-after-leave /var/lib/consul/serf/local.snapshot
      What a Consul agent with rejoin_after_leave = true would recover.
  serfsnap inspect --probe /var/lib/consul/serf/local.snapshot
      Who of them would answer. Agents note a connection that says nothing in their log.
  ssh web-1 cat /var/lib/serf/snapshot | serfsnap inspect --format json - | jq .candidates

Exit codes: 0 whatever the file is like (that is for `check`), 2 if it cannot be read.";

pub(crate) fn run(args: &Args) -> Outcome {
    let mut input = Input::open(&args.file, args.rules.reader)?;
    let (reading, other_mode) = Reading::with_other_mode(&mut input, args.rules)?;
    drop(input);
    let outlook = Outlook::new(&args.file, args.rules, &reading);
    let answers = args.probe.then(|| probe(&reading.state, &outlook));
    let answers = answers.as_ref();
    let mut out = Out::new();
    match args.format {
        Format::Table => {
            let other_mode = &other_mode;
            let (path, rules, reading) = (&args.file, args.rules, &reading);
            let page = Page { path, rules, reading, other_mode, answers };
            page.print(&mut out, &outlook)?;
        }
        Format::Json | Format::Jsonl => {
            json::line(&mut out, &inspection(args, &reading, &outlook, answers))?;
        }
    }
    out.flush()?;
    Ok(0)
}

/// Tries whom the owner would try.
fn probe(state: &State, outlook: &Outlook) -> Answers {
    let nodes = state.alive().chain(state.failed().map(|(name, addr, _)| (name, addr)));
    probe::probe(nodes.filter(|(name, _)| !outlook.is_owner(*name)).map(|(_, addr)| addr))
}

/// Nodes, and what became of a try to connect to each.
#[derive(Clone, Copy)]
struct Nodes<'a> {
    state: &'a State,
    answers: Option<&'a Answers>,
}

/// The object of the contract, its keys in order.
#[derive(Serialize)]
struct Inspection<'a> {
    schema: u32,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    bytes: u64,
    records: u64,
    sealed: bool,
    verdict: &'static str,
    r#as: &'static str,
    rejoin_after_leave: bool,
    clock: u64,
    event_clock: u64,
    query_clock: u64,
    left: bool,
    #[serde(serialize_with = "alive")]
    alive: Nodes<'a>,
    #[serde(serialize_with = "failed")]
    failed: Nodes<'a>,
    coordinate: Option<Place>,
    cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_hex: Option<String>,
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_hex: Option<String>,
    live_bytes: u64,
    candidates: u64,
    #[serde(serialize_with = "findings")]
    findings: &'a [Finding],
    findings_total: u64,
}

fn inspection<'a>(
    args: &Args,
    reading: &'a Reading,
    outlook: &Outlook,
    answers: Option<&'a Answers>,
) -> Inspection<'a> {
    let nodes = Nodes { state: &reading.state, answers };
    let Reading { state, report, .. } = reading;
    let owned = |bytes: &[u8]| {
        let (text, hex) = json::text(bytes);
        (text.into_owned(), hex)
    };
    let (path, path_hex) = owned(args.file.as_encoded_bytes());
    let (cluster, cluster_hex) = report.identity.cluster.as_deref().map(owned).unzip();
    let (node, node_hex) = report.identity.node.as_deref().map(owned).unzip();
    let clocks = state.clocks();
    Inspection {
        schema: json::SCHEMA,
        path,
        path_hex,
        bytes: report.bytes,
        records: report.records,
        sealed: report.is_sealed(),
        verdict: report.verdict().as_str(),
        r#as: args.rules.reader.as_str(),
        rejoin_after_leave: args.rules.rejoins(),
        clock: clocks.clock.0,
        event_clock: clocks.event_clock.0,
        query_clock: clocks.query_clock.0,
        left: report.left,
        alive: nodes,
        failed: nodes,
        coordinate: state.coordinate().map(Place::from),
        cluster,
        cluster_hex: cluster_hex.flatten(),
        node,
        node_hex: node_hex.flatten(),
        live_bytes: live_bytes(state),
        candidates: outlook.candidates(),
        findings: &report.findings,
        findings_total: report.findings_total,
    }
}

/// How many bytes the shortest log of the state takes.
pub(crate) fn live_bytes(state: &State) -> u64 {
    let mut line = Vec::new();
    state
        .records()
        .map(|record| {
            line.clear();
            record.encode(&mut line);
            line.len() as u64
        })
        .sum()
}

/// The alive nodes by the bytes of their names.
pub(crate) fn sorted(state: &State) -> Vec<(Name<'_>, Addr<'_>)> {
    let mut nodes: Vec<_> = state.alive().collect();
    nodes.sort_unstable();
    nodes
}

fn alive<S: Serializer>(nodes: &Nodes<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let node = |(name, addr)| Node::new(name, addr, None).probed(nodes.answer(addr));
    serializer.collect_seq(sorted(nodes.state).into_iter().map(node))
}

fn failed<S: Serializer>(nodes: &Nodes<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let node = |(name, addr, at): (_, _, UnixMillis)| {
        Node::new(name, addr, Some(at)).probed(nodes.answer(addr))
    };
    serializer.collect_seq(nodes.state.failed().map(node))
}

impl<'a> Nodes<'a> {
    fn answer(&self, addr: Addr<'_>) -> Option<&'a Answer> {
        self.answers?.of(addr)
    }
}

/// A finding, as the contract has it.
#[derive(Serialize)]
pub(crate) struct Found {
    line: u64,
    offset: u64,
    len: u64,
    kind: &'static str,
    text: String,
}

fn findings<S: Serializer>(findings: &[Finding], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(findings.iter().map(Found::from))
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        Self {
            line: finding.line,
            offset: finding.offset,
            len: finding.len,
            kind: finding.kind.as_str(),
            text: quoted(&finding.excerpt),
        }
    }
}
