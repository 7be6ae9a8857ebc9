//! One address for each island that cannot find the others, so that it can.

use std::collections::{HashMap, HashSet};

use snapshot_format::{Block, Record};

use crate::args::Reader;
use crate::fleet::graph::{Graph, Islands};
use crate::fleet::ids::{Bits, Ids};
use crate::fleet::owners::Owner;
use crate::fleet::read::side_by_side;
use crate::input::Input;
use crate::reading::for_each_block;

/// An agent that should learn of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) agent: usize,
    /// Whose address it is.
    pub(crate) of: usize,
    /// Whether `revive` adds it, since the agent's log still knows it.
    pub(crate) revive: Option<Revive>,
}

/// What revives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revive {
    /// An older `alive` line.
    Alive,
    /// A `#@failed` line, for which `revive` wants a flag.
    WithFailed,
}

/// One hint for each island without a way out.
///
/// With all of them one such island is left at most, so that an order makes one cluster.
pub(crate) fn hints(
    owners: &[Owner],
    graph: &Graph,
    islands: &Islands,
    retrying: bool,
) -> Vec<Hint> {
    if islands.len() < 2 {
        return Vec::new();
    }
    let sinks: Vec<usize> = islands.sinks().collect();
    let known = known(owners, islands, &sinks);
    let size = |island: &usize| islands.members[*island].len();
    // Nobody can be told of an agent of which no file says where it is.
    let has_addr = |agent: &usize| owners[*agent].addr.is_some();
    let met = |island: &usize| islands.members[*island].iter().copied().find(has_addr);
    // Of several as large the first by name.
    let first = |island: &usize| std::cmp::Reverse(islands.members[*island][0]);
    let best = |sink: &usize| (met(sink).is_some(), size(sink), first(sink));
    let Some(main) = sinks.iter().copied().max_by_key(best) else { return Vec::new() };
    let Some(meeting) = met(&main) else { return Vec::new() };
    let mut ground = Ground::new(graph, islands, main);
    let mut hints = Vec::new();
    let mut pending: Vec<usize> = sinks.into_iter().filter(|sink| *sink != main).collect();
    pending.sort_by_key(|sink| islands.members[*sink][0]);
    while !pending.is_empty() {
        let before = pending.len();
        pending.retain(|sink| {
            let hint = islands.members[*sink].iter().find_map(|agent| {
                let log = known.get(agent)?;
                let of = log.agents.first_of(&ground.reaches_main)?;
                Some(Hint { agent: *agent, of, revive: Some(log.revive(of)) })
            });
            hints.extend(hint);
            if hint.is_some() {
                ground.add(*sink);
            }
            hint.is_none()
        });
        if pending.len() == before {
            // No log helps: somebody has to write the address down, for all who know nothing, or else for one.
            let leads_on = |agent: &usize| known.get(agent).is_some_and(|log| log.agents.len() > 0);
            let silent = |sink: &usize| !islands.members[*sink].iter().any(leads_on);
            let mut helped: Vec<usize> = pending.extract_if(.., |sink| silent(sink)).collect();
            if helped.is_empty() {
                helped.push(pending.remove(0));
            }
            for sink in helped {
                hints.push(Hint { agent: islands.members[sink][0], of: meeting, revive: None });
                ground.add(sink);
            }
        }
    }
    if !retrying {
        hints.extend(back(islands, &known, main, has_addr));
    }
    hints.sort_by_key(|hint| hint.agent);
    hints
}

/// From the island that all others find back to one that nobody finds.
fn back(
    islands: &Islands,
    known: &HashMap<usize, Log>,
    main: usize,
    has_addr: impl Fn(&usize) -> bool,
) -> Option<Hint> {
    let members = &islands.members[main];
    let is_lonely = |agent: &usize| {
        let island = islands.of[*agent];
        island != main && !islands.is_found[island] && has_addr(agent)
    };
    let by_log = |wanted: &dyn Fn(&usize) -> bool| {
        members.iter().find_map(|agent| {
            let log = known.get(agent)?;
            let of = log.agents.iter().find(wanted)?;
            Some(Hint { agent: *agent, of, revive: Some(log.revive(of)) })
        })
    };
    let anybody = || {
        let of = (0..islands.of.len()).find(is_lonely)?;
        Some(Hint { agent: members[0], of, revive: None })
    };
    by_log(&is_lonely).or_else(anybody)
}

/// The agents that reach the main island, by what their files and the hints so far say.
struct Ground<'a> {
    turned: Graph,
    islands: &'a Islands,
    reaches_main: Bits,
}

impl<'a> Ground<'a> {
    fn new(graph: &Graph, islands: &'a Islands, main: usize) -> Self {
        let reaches_main = Bits::new(graph.len());
        let mut ground = Self { turned: graph.turned(), islands, reaches_main };
        ground.add(main);
        ground
    }

    fn add(&mut self, island: usize) {
        let mut next = self.islands.members[island].clone();
        next.retain(|agent| self.reaches_main.add(*agent));
        while let Some(agent) = next.pop() {
            let others = self.turned.tried_by(agent);
            next.extend(others.filter(|other| self.reaches_main.add(*other)));
        }
    }
}

/// What the log of an agent still knows beside those that are alive in it.
struct Log {
    agents: Ids,
    with_failed: HashSet<usize>,
}

impl Log {
    fn revive(&self, agent: usize) -> Revive {
        let failed = self.with_failed.contains(&agent);
        if failed { Revive::WithFailed } else { Revive::Alive }
    }
}

/// Reads once more the files of those who may need a hint.
fn known(owners: &[Owner], islands: &Islands, sinks: &[usize]) -> HashMap<usize, Log> {
    let mut by_addr: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (agent, owner) in owners.iter().enumerate() {
        if let Some(addr) = &owner.addr {
            by_addr.entry(addr).or_default().push(agent);
        }
    }
    let agents: Vec<usize> =
        sinks.iter().flat_map(|sink| islands.members[*sink].iter().copied()).collect();
    let logs = side_by_side(&agents, |agent| {
        let is_own = |other: usize| islands.of[other] == islands.of[*agent];
        log(&owners[*agent], &by_addr, is_own)
    });
    agents.into_iter().zip(logs).filter_map(|(agent, log)| Some((agent, log?))).collect()
}

/// The last that a log says of a node which it does not have alive.
struct Gone<'a> {
    agents: &'a [usize],
    not_alive: u32,
    failed: bool,
}

/// What a file's older lines know; `None` where it cannot be read again.
fn log(
    owner: &Owner,
    by_addr: &HashMap<&[u8], Vec<usize>>,
    is_own: impl Fn(usize) -> bool,
) -> Option<Log> {
    if !owner.is_regular {
        return None;
    }
    let mut input = Input::open(owner.path.as_os_str(), Reader::Ours).ok()?;
    input.silence();
    let mut nodes: HashMap<Vec<u8>, Gone<'_>> = HashMap::new();
    let mut take = |block: Block<'_>| {
        for line in block.lines {
            match line.record() {
                Ok(Record::Alive { name, addr }) => {
                    note(&mut nodes, by_addr, name.as_bytes(), addr.as_bytes(), false);
                }
                Ok(Record::Failed { name, addr, .. }) => {
                    note(&mut nodes, by_addr, name.as_bytes(), addr.as_bytes(), true);
                }
                Ok(Record::NotAlive { name }) => {
                    if let Some(gone) = nodes.get_mut(name.as_bytes()) {
                        gone.not_alive += 1;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    };
    for_each_block(&mut input, &mut take).ok()?;
    // Gone twice: it has left, or was forgotten after it had failed.
    nodes.retain(|name, gone| gone.not_alive <= 1 && *name != owner.node);
    let agents =
        || nodes.values().flat_map(|gone| gone.agents.iter().map(move |agent| (*agent, gone)));
    let others = || agents().filter(|(agent, _)| !is_own(*agent));
    let ids = others().filter_map(|(agent, _)| u32::try_from(agent).ok()).collect();
    let with_failed = others().filter(|(_, gone)| gone.failed).map(|(agent, _)| agent).collect();
    Some(Log { agents: Ids::new(ids), with_failed })
}

fn note<'a>(
    nodes: &mut HashMap<Vec<u8>, Gone<'a>>,
    by_addr: &'a HashMap<&[u8], Vec<usize>>,
    name: &[u8],
    addr: &[u8],
    failed: bool,
) {
    match by_addr.get(addr) {
        Some(agents) => {
            nodes.insert(name.to_vec(), Gone { agents, not_alive: 0, failed });
        }
        // It has moved to where no agent is.
        None => _ = nodes.remove(name),
    }
}
