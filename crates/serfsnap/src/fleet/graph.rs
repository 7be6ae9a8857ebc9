//! Who would find whom: a vertex for each agent, an edge to each that it would try at its start.
//!
//! The strongly connected components are found by Tarjan's algorithm, written as a loop here.
//! petgraph has it as a recursion, which a chain of many thousand agents would drive off the stack, and holds each of
//! 25 million edges as four numbers; the rows here are bits.

use std::collections::VecDeque;

use crate::fleet::ids::{Bits, Ids, IdsIter};

/// A directed graph.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    rows: Vec<Ids>,
}

/// A partition of the agents, and the edges between its parts in short.
#[derive(Clone, Debug)]
pub(crate) struct Islands {
    /// Those that can be reached from one come before it; the agents of each are sorted.
    pub(crate) members: Vec<Vec<usize>>,
    /// Of each agent its island.
    pub(crate) of: Vec<usize>,
    /// Whether an edge leads out of it.
    pub(crate) leads_out: Vec<bool>,
    /// Whether an edge leads into it.
    pub(crate) is_found: Vec<bool>,
}

impl Graph {
    pub(crate) fn new(rows: Vec<Ids>) -> Self {
        Self { rows }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whom it would try.
    pub(crate) fn tried_by(&self, agent: usize) -> IdsIter<'_> {
        self.rows[agent].iter()
    }

    /// Agents that can all find each other: the strongly connected components.
    pub(crate) fn islands(&self) -> Islands {
        let members = Tarjan::new(self).run();
        Islands::new(self, members)
    }

    /// Agents that come together where each goes on trying: the weakly connected components.
    pub(crate) fn connected(&self) -> Islands {
        let mut parents: Vec<usize> = (0..self.len()).collect();
        for agent in 0..self.len() {
            for other in self.tried_by(agent) {
                let (a, b) = (root(&mut parents, agent), root(&mut parents, other));
                parents[a.max(b)] = a.min(b);
            }
        }
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); self.len()];
        for agent in 0..self.len() {
            let root = root(&mut parents, agent);
            members[root].push(agent);
        }
        members.retain(|members| !members.is_empty());
        Islands::new(self, members)
    }

    /// The edges turned round: by whom each would be tried.
    pub(crate) fn turned(&self) -> Self {
        /// Rows that are gathered at a time: a number takes more room there than in a set.
        const AT_ONCE: usize = 1024;
        let mut rows = Vec::with_capacity(self.len());
        for first in (0..self.len()).step_by(AT_ONCE) {
            let mut some: Vec<Vec<u32>> = vec![Vec::new(); AT_ONCE.min(self.len() - first)];
            for (agent, row) in (0..).zip(&self.rows) {
                for other in row.iter().skip_while(|other| *other < first) {
                    let Some(row) = some.get_mut(other - first) else { break };
                    row.push(agent);
                }
            }
            rows.extend(some.into_iter().map(Ids::new));
        }
        Self { rows }
    }

    /// An order of starting with the fewest islands, where each agent tries all its addresses once, at its start.
    ///
    /// Whoever knows nobody that runs begins an island, and nobody ever joins two of them.
    /// So each island without a way out costs one; all others can wait for somebody whom they know.
    pub(crate) fn order(&self, islands: &Islands) -> Vec<usize> {
        let turned = self.turned();
        let mut started = Bits::new(self.len());
        let mut order = Vec::with_capacity(self.len());
        for (island, members) in islands.members.iter().enumerate() {
            // What can be reached comes first, so somebody in here knows an agent that runs, or nobody ever will.
            let mut next: VecDeque<usize> = if islands.leads_out[island] {
                let knows = |agent: &usize| self.rows[*agent].first_of(&started).is_some();
                members.iter().copied().filter(knows).collect()
            } else {
                members.iter().copied().take(1).collect()
            };
            for agent in &next {
                started.add(*agent);
            }
            while let Some(agent) = next.pop_front() {
                order.push(agent);
                for other in turned.tried_by(agent).filter(|other| islands.of[*other] == island) {
                    if started.add(other) {
                        next.push_back(other);
                    }
                }
            }
        }
        order
    }

    /// How many islands there are on average where the agents start in an order left to chance: each begins one unless
    /// it comes behind one of those it knows.
    pub(crate) fn in_random_order(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no fleet has 2^52 agents")]
        self.rows.iter().map(|row| 1.0 / (row.len() + 1) as f64).sum()
    }
}

impl Islands {
    fn new(graph: &Graph, mut members: Vec<Vec<usize>>) -> Self {
        let mut of = vec![0; graph.len()];
        for (island, members) in members.iter_mut().enumerate() {
            members.sort_unstable();
            for agent in members {
                of[*agent] = island;
            }
        }
        let mut leads_out = vec![false; members.len()];
        let mut is_found = vec![false; members.len()];
        for agent in 0..graph.len() {
            for other in graph.tried_by(agent).filter(|other| of[*other] != of[agent]) {
                leads_out[of[agent]] = true;
                is_found[of[other]] = true;
            }
        }
        Self { members, of, leads_out, is_found }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Those that no edge leads out of; an order cannot have fewer clusters.
    pub(crate) fn sinks(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|island| !self.leads_out[*island])
    }
}

fn root(parents: &mut [usize], mut agent: usize) -> usize {
    while parents[agent] != agent {
        parents[agent] = parents[parents[agent]];
        agent = parents[agent];
    }
    agent
}

/// Tarjan's search, its recursion on a stack of its own.
struct Tarjan<'a> {
    graph: &'a Graph,
    /// When each was first seen, from 1; 0 for those that were not.
    seen_at: Vec<usize>,
    /// The earliest of those on `open` that each can reach.
    low: Vec<usize>,
    /// Agents whose island is not known yet.
    open: Vec<usize>,
    /// The search's path: an agent, and which of those it tries come next.
    path: Vec<(usize, IdsIter<'a>)>,
    seen: usize,
    islands: Vec<Vec<usize>>,
    /// The agents whose island is known.
    closed: Bits,
}

impl<'a> Tarjan<'a> {
    fn new(graph: &'a Graph) -> Self {
        let agents = graph.len();
        Self {
            graph,
            seen_at: vec![0; agents],
            low: vec![0; agents],
            open: Vec::new(),
            path: Vec::new(),
            seen: 0,
            islands: Vec::new(),
            closed: Bits::new(agents),
        }
    }

    fn run(mut self) -> Vec<Vec<usize>> {
        for agent in 0..self.graph.len() {
            if self.seen_at[agent] == 0 {
                self.enter(agent);
                self.walk();
            }
        }
        self.islands
    }

    fn enter(&mut self, agent: usize) {
        self.seen += 1;
        self.seen_at[agent] = self.seen;
        self.low[agent] = self.seen;
        self.open.push(agent);
        self.path.push((agent, self.graph.tried_by(agent)));
    }

    fn walk(&mut self) {
        while let Some((agent, others)) = self.path.last_mut() {
            let agent = *agent;
            match others.next() {
                Some(other) if self.seen_at[other] == 0 => self.enter(other),
                Some(other) if !self.closed.has(other) => {
                    self.low[agent] = self.low[agent].min(self.seen_at[other]);
                }
                Some(_) => {}
                None => self.leave(agent),
            }
        }
    }

    fn leave(&mut self, agent: usize) {
        self.path.pop();
        if let Some((before, _)) = self.path.last() {
            self.low[*before] = self.low[*before].min(self.low[agent]);
        }
        if self.low[agent] < self.seen_at[agent] {
            return;
        }
        let begin = self.open.iter().rposition(|open| *open == agent).unwrap_or(0);
        let island = self.open.split_off(begin);
        for agent in &island {
            self.closed.add(*agent);
        }
        self.islands.push(island);
    }
}

#[cfg(test)]
mod tests;
