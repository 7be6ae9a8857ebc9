use std::collections::BTreeSet;

use super::*;

/// Numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn graph(agents: usize, edges: &[(u32, u32)]) -> Graph {
    let row = |agent| edges.iter().filter(|edge| edge.0 == agent).map(|edge| edge.1).collect();
    Graph::new((0..u32::try_from(agents).unwrap()).map(row).map(Ids::new).collect())
}

fn random(agents: usize, chance: &mut Chance) -> Graph {
    let percent = chance.below(80);
    let all = 0..u32::try_from(agents).unwrap();
    let pairs = all.clone().flat_map(|a| all.clone().map(move |b| (a, b)));
    let edges: Vec<_> = pairs.filter(|(a, b)| a != b && chance.below(100) < percent).collect();
    graph(agents, &edges)
}

/// What Serf does: one after the other, each tries its addresses in an order of its own and stops at the first that
/// answers. Of each start order the number of clusters in the end.
fn clusters(graph: &Graph, order: &[usize], chance: &mut Chance) -> usize {
    let mut cluster_of = vec![None; graph.len()];
    for (position, &agent) in order.iter().enumerate() {
        let mut tries: Vec<usize> = graph.tried_by(agent).collect();
        for last in (1..tries.len()).rev() {
            tries.swap(last, usize::try_from(chance.below(last as u64 + 1)).unwrap());
        }
        let joined = tries.into_iter().find_map(|other| cluster_of[other]);
        cluster_of[agent] = Some(joined.unwrap_or(position));
    }
    cluster_of.into_iter().flatten().collect::<BTreeSet<_>>().len()
}

/// Every order of so many agents.
fn orders(agents: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for agent in 0..agents {
        let longer = |order: Vec<usize>| {
            (0..=order.len()).map(move |at| {
                let mut order = order.clone();
                order.insert(at, agent);
                order
            })
        };
        orders = orders.into_iter().flat_map(longer).collect();
    }
    orders
}

/// Over random graphs and every start order of each.
#[test]
fn no_order_has_fewer_islands_than_sinks_and_ours_has_no_more() {
    let mut chance = Chance(7);
    for agents in 1..=6 {
        let orders = orders(agents);
        for _ in 0..if agents < 6 { 300 } else { 60 } {
            let graph = random(agents, &mut chance);
            let islands = graph.islands();
            let sinks = islands.sinks().count();
            let found: Vec<_> =
                orders.iter().map(|order| clusters(&graph, order, &mut chance)).collect();
            assert_eq!(found.iter().min(), Some(&sinks), "{graph:?}");
            let order = graph.order(&islands);
            assert!(orders.contains(&order), "{order:?} has each of them once: {graph:?}");
            assert_eq!(clusters(&graph, &order, &mut chance), sinks, "{order:?} of {graph:?}");
            let (total, of) = (found.iter().sum::<usize>(), orders.len());
            #[expect(clippy::cast_precision_loss, reason = "at most 720 orders")]
            let average = total as f64 / of as f64;
            assert!((average - graph.in_random_order()).abs() < 1e-9, "{average} of {graph:?}");
        }
    }
}

/// Who reaches whom, without a second thought.
fn reach(graph: &Graph) -> Vec<Vec<bool>> {
    let agents = graph.len();
    let mut reach = vec![vec![false; agents]; agents];
    for (agent, reach) in reach.iter_mut().enumerate() {
        reach[agent] = true;
        graph.tried_by(agent).for_each(|other| reach[other] = true);
    }
    for by in 0..agents {
        for from in 0..agents {
            for to in 0..agents {
                reach[from][to] |= reach[from][by] && reach[by][to];
            }
        }
    }
    reach
}

#[test]
fn islands_are_those_who_can_find_each_other() {
    let mut chance = Chance(3);
    for round in 0..2000 {
        let graph = random(1 + round % 12, &mut chance);
        let (islands, reach) = (graph.islands(), reach(&graph));
        for (a, from_a) in reach.iter().enumerate() {
            for (b, from_b) in reach.iter().enumerate() {
                let together = from_a[b] && from_b[a];
                assert_eq!(islands.of[a] == islands.of[b], together, "{a} and {b} in {graph:?}");
                let later = from_a[b] && islands.of[a] < islands.of[b];
                assert!(!later, "{a} finds {b} of a later island: {graph:?}");
            }
        }
        let connected = graph.connected();
        let turned = graph.turned();
        assert!((0..graph.len()).all(|agent| {
            graph.tried_by(agent).all(|other| turned.tried_by(other).any(|back| back == agent))
                && graph.tried_by(agent).all(|other| connected.of[agent] == connected.of[other])
        }));
        assert_eq!(connected.sinks().count(), connected.len(), "{graph:?}");
    }
}

#[test]
fn a_chain_of_many_agents_needs_no_deep_stack() {
    const AGENTS: u32 = 200_000;
    let rows = (0..AGENTS).map(|agent| Ids::new(vec![(agent + 1) % AGENTS])).collect();
    let graph = Graph::new(rows);
    let islands = graph.islands();
    assert_eq!(islands.len(), 1);
    assert_eq!(graph.order(&islands).len(), AGENTS as usize);
}

#[test]
fn three_agents_that_went_one_after_the_other() {
    // The first to go knows both others, the last knows nobody.
    let graph = graph(3, &[(0, 1), (0, 2), (1, 2)]);
    let islands = graph.islands();
    assert_eq!(islands.members, [[2], [1], [0]]);
    assert_eq!(graph.order(&islands), [2, 1, 0]);
    assert_eq!(clusters(&graph, &[0, 1, 2], &mut Chance(1)), 3);
    assert_eq!(islands.sinks().collect::<Vec<_>>(), [0]);
    assert_eq!(
        (&islands.leads_out[..], &islands.is_found[..]),
        (&[false, true, true][..], &[true, true, false][..])
    );
}
