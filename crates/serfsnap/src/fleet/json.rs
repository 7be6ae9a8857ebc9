//! `fleet` for programs.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::fleet::study::{Fleet, Outlier};
use crate::fleet::table::revive_command;
use crate::json;

/// The object of the contract, its keys in order; what it has beyond them stands at the end.
#[derive(Serialize)]
struct Object<'a> {
    schema: u32,
    files: usize,
    nodes: u64,
    verdict: &'static str,
    islands: Vec<Vec<Cow<'a, str>>>,
    order: Vec<Cow<'a, str>>,
    islands_in_order: usize,
    hints: Vec<Hint<'a>>,
    stale: Vec<Stale<'a>>,
    clones: Vec<Vec<Cow<'a, str>>>,
    clock_outliers: Vec<Times<'a>>,
    findings: Vec<Finding<'a>>,
    islands_in_random_order: f64,
    nodes_without_file: u64,
    retrying: bool,
    with_failed: bool,
    r#as: &'static str,
    owners: Vec<Owner<'a>>,
    skipped: u64,
    other_files: u64,
}

#[derive(Serialize)]
struct Hint<'a> {
    node: Cow<'a, str>,
    add: Cow<'a, str>,
    of: Cow<'a, str>,
    /// The command that adds it; null where the log does not know it any more.
    revive: Option<String>,
}

#[derive(Serialize)]
struct Stale<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    addrs: Vec<Cow<'a, str>>,
    current: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Times<'a> {
    node: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_clock: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_clock: Option<u64>,
    median: u64,
}

#[derive(Serialize)]
struct Finding<'a> {
    kind: &'static str,
    node: Option<Cow<'a, str>>,
    path: Cow<'a, str>,
    text: &'a str,
}

#[derive(Serialize)]
struct Owner<'a> {
    node: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_hex: Option<String>,
    named_by: &'static str,
    addr: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr_hex: Option<String>,
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    verdict: &'static str,
    alive: usize,
    /// Of the other agents here, how many it would try.
    tries: usize,
}

pub(crate) fn print(out: &mut impl Write, fleet: &Fleet) -> io::Result<()> {
    json::line(out, &object(fleet))
}

fn object(fleet: &Fleet) -> Object<'_> {
    let name = |agent: &usize| String::from_utf8_lossy(&fleet.owners[*agent].name);
    let names = |agents: &[usize]| agents.iter().map(name).collect::<Vec<_>>();
    Object {
        schema: json::SCHEMA,
        files: fleet.owners.len(),
        nodes: fleet.nodes,
        verdict: fleet.verdict().as_str(),
        islands: fleet.by_size().iter().map(|at| names(&fleet.islands.members[*at])).collect(),
        order: names(&fleet.order),
        islands_in_order: fleet.islands_in_order(),
        hints: hints(fleet),
        stale: stale(fleet),
        clones: fleet.clones.iter().map(|clones| names(clones)).collect(),
        clock_outliers: fleet.outliers.iter().map(|outlier| times(fleet, outlier)).collect(),
        findings: findings(fleet),
        islands_in_random_order: (fleet.islands_in_random_order() * 1000.0).round() / 1000.0,
        nodes_without_file: fleet.without_file,
        retrying: fleet.outset.retrying,
        with_failed: fleet.outset.with_failed,
        r#as: fleet.outset.rules.reader.as_str(),
        owners: (0..fleet.owners.len()).map(|agent| owner(fleet, agent)).collect(),
        skipped: fleet.skipped,
        other_files: fleet.others,
    }
}

fn hints(fleet: &Fleet) -> Vec<Hint<'_>> {
    let text = |bytes| String::from_utf8_lossy(bytes);
    let hints = fleet.hints.iter().map(|hint| {
        let (agent, of) = (&fleet.owners[hint.agent], &fleet.owners[hint.of]);
        Hint {
            node: text(&agent.name),
            add: text(of.addr.as_deref().unwrap_or_default()),
            of: text(&of.name),
            revive: revive_command(fleet, hint),
        }
    });
    hints.collect()
}

fn stale(fleet: &Fleet) -> Vec<Stale<'_>> {
    let stale = fleet.stale.iter().map(|stale| {
        let (name, name_hex) = json::text(&stale.name);
        let addrs = stale.addrs.iter().map(|addr| String::from_utf8_lossy(addr)).collect();
        let current = stale.current.as_deref().map(String::from_utf8_lossy);
        Stale { name, name_hex, addrs, current }
    });
    stale.collect()
}

fn times<'a>(fleet: &'a Fleet, outlier: &Outlier) -> Times<'a> {
    let time = |clock| (outlier.clock == clock).then_some(outlier.time);
    Times {
        node: String::from_utf8_lossy(&fleet.owners[outlier.agent].name),
        clock: time("clock"),
        event_clock: time("event_clock"),
        query_clock: time("query_clock"),
        median: outlier.median,
    }
}

fn findings(fleet: &Fleet) -> Vec<Finding<'_>> {
    let findings = fleet.findings.iter().map(|finding| Finding {
        kind: finding.kind.as_str(),
        node: finding.node.as_deref().map(String::from_utf8_lossy),
        path: finding.path.to_string_lossy(),
        text: &finding.text,
    });
    findings.collect()
}

fn owner(fleet: &Fleet, agent: usize) -> Owner<'_> {
    let owner = &fleet.owners[agent];
    let (node, node_hex) = json::text(&owner.name);
    let (addr, addr_hex) = owner.addr.as_deref().map(json::text).unzip();
    let (path, path_hex) = json::text(owner.path.as_os_str().as_encoded_bytes());
    Owner {
        node,
        node_hex,
        named_by: owner.by.as_str(),
        addr,
        addr_hex: addr_hex.flatten(),
        path,
        path_hex,
        verdict: owner.verdict.as_str(),
        alive: owner.alive.len(),
        tries: fleet.graph.tried_by(agent).count(),
    }
}
