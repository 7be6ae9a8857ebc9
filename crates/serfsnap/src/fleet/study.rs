//! What the files of a fleet say together.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;

use crate::args::Rules;
use crate::failure::Failure;
use crate::fleet::findings::{self, Finding, Kind};
use crate::fleet::graph::{Graph, Islands};
use crate::fleet::hints::{self, Hint};
use crate::fleet::ids::Ids;
use crate::fleet::nodes::Nodes;
use crate::fleet::owners::{Owner, clones, owners};
use crate::fleet::paths::Sources;
use crate::fleet::read;

/// How a fleet is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outset {
    pub(crate) rules: Rules,
    /// The agents go on trying.
    pub(crate) retrying: bool,
    /// Failed nodes are tried too.
    pub(crate) with_failed: bool,
}

/// What the files of a fleet say together. Agents are numbers, in the order of their names.
pub(crate) struct Fleet {
    pub(crate) owners: Vec<Owner>,
    pub(crate) outset: Outset,
    pub(crate) graph: Graph,
    pub(crate) islands: Islands,
    pub(crate) order: Vec<usize>,
    pub(crate) hints: Vec<Hint>,
    pub(crate) stale: Vec<Stale>,
    /// Agents whose files begin alike.
    pub(crate) clones: Vec<Vec<usize>>,
    pub(crate) outliers: Vec<Outlier>,
    pub(crate) findings: Vec<Finding>,
    /// Different nodes that the files tell of.
    pub(crate) nodes: u64,
    /// Those of them of which no file is here.
    pub(crate) without_file: u64,
    /// Backups, locks and temporary files.
    pub(crate) skipped: u64,
    /// Files in the directories that are no snapshots.
    pub(crate) others: u64,
}

/// Whether the agents find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unity {
    /// Each can find each, directly or through others.
    Whole,
    /// They become one cluster if they start in the right order.
    Order,
    /// No order makes them one cluster.
    Split,
}

/// A node that is known at more than one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    pub(crate) name: Vec<u8>,
    pub(crate) addrs: Vec<Vec<u8>>,
    /// The one of its own file.
    pub(crate) current: Option<Vec<u8>>,
}

/// A clock far beyond those of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outlier {
    pub(crate) agent: usize,
    pub(crate) clock: &'static str,
    pub(crate) time: u64,
    pub(crate) median: u64,
}

impl Unity {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Order => "order",
            Self::Split => "split",
        }
    }
}

impl Fleet {
    /// Reads every file that PATH… stands for.
    pub(crate) fn read(paths: &[OsString], outset: Outset) -> Result<Self, Failure> {
        let sources = Sources::new(paths)?;
        let readings = read::read(&sources.files, outset.rules, outset.with_failed);
        let nodes = readings.nodes;
        let others = readings.files.iter().filter(|file| file.is_none()).count() as u64;
        let mut findings = findings::of_paths(&sources);
        let owners = owners(&sources.files, readings.files, &nodes, &mut findings);
        findings.extend(findings::of_owners(&owners));
        findings.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
        if owners.is_empty() {
            return Err(nothing(&findings, others + sources.skipped));
        }
        let graph = graph(&owners, &nodes);
        let islands = if outset.retrying { graph.connected() } else { graph.islands() };
        let order = if outset.retrying { islands.members.concat() } else { graph.order(&islands) };
        let hints = hints::hints(&owners, &graph, &islands, outset.retrying);
        let Names { all, without_file, stale } = Names::new(&owners, &nodes);
        Ok(Self {
            clones: clones(&owners),
            outliers: outliers(&owners),
            nodes: all,
            without_file,
            skipped: sources.skipped,
            owners,
            outset,
            graph,
            islands,
            order,
            hints,
            stale,
            findings,
            others,
        })
    }

    /// How many clusters the agents form if they start in the given order.
    pub(crate) fn islands_in_order(&self) -> usize {
        self.islands.sinks().count()
    }

    /// How many they form on average if they start in an order left to chance.
    pub(crate) fn islands_in_random_order(&self) -> f64 {
        if self.outset.retrying {
            #[expect(clippy::cast_precision_loss, reason = "no fleet has 2^52 agents")]
            return self.islands.len() as f64;
        }
        self.graph.in_random_order()
    }

    pub(crate) fn verdict(&self) -> Unity {
        match (self.islands.len(), self.islands_in_order()) {
            (..=1, _) => Unity::Whole,
            (_, 1) => Unity::Order,
            _ => Unity::Split,
        }
    }

    /// The islands, the largest first.
    pub(crate) fn by_size(&self) -> Vec<usize> {
        let mut islands: Vec<usize> = (0..self.islands.len()).collect();
        islands.sort_by_key(|island| {
            let members = &self.islands.members[*island];
            (std::cmp::Reverse(members.len()), members.first().copied())
        });
        islands
    }

    /// Whether a file could not be read, so that the rest is not the whole answer.
    pub(crate) fn is_partial(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind == Kind::Unreadable)
    }
}

fn nothing(findings: &[Finding], others: u64) -> Failure {
    match findings.first() {
        Some(finding) => Failure::told(finding.text.clone()),
        None if others > 0 => Failure::told(format!(
            "no snapshot among {}; backups, locks and temporary files are not read",
            crate::show::count(others, "file")
        )),
        None => Failure::told("no file there; name snapshots, or directories that hold them"),
    }
}

/// An edge from each agent to every other at whose address it knows anybody.
fn graph(owners: &[Owner], nodes: &Nodes) -> Graph {
    let mut by_addr: HashMap<&[u8], Vec<u32>> = HashMap::new();
    for (agent, owner) in (0..).zip(owners) {
        if let Some(addr) = &owner.addr {
            by_addr.entry(addr).or_default().push(agent);
        }
    }
    let at = |number| by_addr.get(nodes.addr(number)).map_or(&[][..], Vec::as_slice);
    let agents_at: Vec<&[u32]> = (0..nodes.len()).map(at).collect();
    let row = |owner: &Owner| {
        let mut row = Vec::new();
        for number in owner.alive.iter().chain(owner.failed.iter()) {
            // No agent tries its own name, nor finds anybody at its own address.
            let is_itself = owner.addr.as_deref() == Some(nodes.addr(number));
            if !agents_at[number].is_empty() && !is_itself && nodes.name(number) != owner.node {
                row.extend_from_slice(agents_at[number]);
            }
        }
        Ids::new(row)
    };
    Graph::new(owners.iter().map(row).collect())
}

/// What the files say of names.
struct Names {
    all: u64,
    without_file: u64,
    stale: Vec<Stale>,
}

impl Names {
    fn new(owners: &[Owner], nodes: &Nodes) -> Self {
        let owners: HashMap<&[u8], &Owner> =
            owners.iter().map(|owner| (owner.node.as_slice(), owner)).collect();
        let numbers = nodes.by_name();
        let same_name = |a: &u32, b: &u32| nodes.name(*a as usize) == nodes.name(*b as usize);
        let mut names = Self { all: 0, without_file: 0, stale: Vec::new() };
        for same in numbers.chunk_by(same_name) {
            let name = nodes.name(same[0] as usize);
            let owner = owners.get(name);
            names.all += 1;
            names.without_file += u64::from(owner.is_none());
            if same.len() < 2 {
                continue;
            }
            let mut addrs: Vec<_> =
                same.iter().map(|number| nodes.addr(*number as usize).to_vec()).collect();
            addrs.sort_by_cached_key(|addr| (socket(addr), addr.clone()));
            let current = owner.and_then(|owner| owner.addr.clone());
            names.stale.push(Stale { name: name.to_vec(), addrs, current });
        }
        names
    }
}

/// As a number, where it is one: 10.0.0.2 comes before 10.0.0.10.
fn socket(addr: &[u8]) -> Option<SocketAddr> {
    str::from_utf8(addr).ok()?.parse().ok()
}

/// Clocks so far ahead of the median that no number of missed events explains them.
fn outliers(owners: &[Owner]) -> Vec<Outlier> {
    /// An agent that was away may have missed many events, but hardly so many.
    const LEAST: u64 = 1_000_000;
    const FACTOR: u64 = 10;
    /// Of fewer nobody can say who is right.
    const FEWEST: usize = 3;
    let mut outliers = Vec::new();
    for clock in ["clock", "event_clock", "query_clock"] {
        let time = |owner: &Owner| match clock {
            "clock" => owner.clocks.clock.0,
            "event_clock" => owner.clocks.event_clock.0,
            _ => owner.clocks.query_clock.0,
        };
        let mut times: Vec<u64> = owners.iter().map(time).collect();
        if times.len() < FEWEST {
            continue;
        }
        times.sort_unstable();
        let median = times[(times.len() - 1) / 2];
        let limit = median.saturating_mul(FACTOR).max(median.saturating_add(LEAST));
        let found = owners.iter().map(time).enumerate().filter(|(_, time)| *time > limit);
        outliers.extend(found.map(|(agent, time)| Outlier { agent, clock, time, median }));
    }
    outliers
}
