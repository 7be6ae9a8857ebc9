//! Rejoining in simulation: clusters that start in any order, by our rule and by Serf's.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::decode;
use snapshot_engine::{Instant, Membership, Mode, Next, Policy, Rejoin, State};
use snapshot_format::{Addr, Name, Record};

/// Nodes that are started one after another, each with a snapshot that names some of the others.
struct Cluster {
    contacts: Vec<Vec<usize>>,
    /// Which island each node is on, once it is up.
    island: Vec<Option<usize>>,
    rejoins: Vec<Option<Rejoin>>,
    attempts: usize,
}

fn name(node: usize) -> Vec<u8> {
    format!("n{node}").into_bytes()
}

fn rejoin(contacts: &[usize], seed: u64, now: Instant) -> Rejoin {
    let mut state = State::new(&Policy::default(), seed);
    for &node in contacts {
        let (name, addr) = (name(node), format!("10.0.0.{node}:7946"));
        let (name, addr) = (Name::new(&name).unwrap(), Addr::new(addr.as_bytes()).unwrap());
        state.apply(&Record::Alive { name, addr });
    }
    Rejoin::new(state.rejoin_candidates(None, seed), seed, now)
}

impl Cluster {
    fn new(contacts: Vec<Vec<usize>>) -> Self {
        let count = contacts.len();
        Self { contacts, island: vec![None; count], rejoins: vec![None; count], attempts: 0 }
    }

    /// Two islands become one; everybody hears of everybody.
    fn meet(&mut self, one: usize, other: usize, now: Instant) {
        let (Some(kept), Some(gone)) = (self.island[one], self.island[other]) else { return };
        for island in self.island.iter_mut().flatten().filter(|island| **island == gone) {
            *island = kept;
        }
        let members: Vec<_> =
            (0..self.island.len()).filter(|&node| self.island[node] == Some(kept)).collect();
        for &node in &members {
            for &member in members.iter().filter(|member| **member != node) {
                if let Some(rejoin) = &mut self.rejoins[node] {
                    rejoin.handle_member(now, &name(member), Membership::Alive);
                }
            }
        }
    }

    fn islands(&self) -> usize {
        self.island.iter().flatten().collect::<BTreeSet<_>>().len()
    }

    /// Serf's rule: at its start a node tries its contacts in order and stops at the first success.
    fn by_serfs_rule(&mut self, order: &[usize]) -> usize {
        for &node in order {
            self.island[node] = Some(node);
            let found = self.contacts[node]
                .iter()
                .find(|contact| self.island[**contact].is_some())
                .copied();
            if let Some(found) = found {
                self.meet(found, node, Instant::default());
            }
        }
        self.islands()
    }

    /// Ours, the nodes started `gap` apart, until all are done or so much time has passed.
    fn by_our_rule(&mut self, order: &[usize], gap: Duration, limit: Duration) -> usize {
        let mut started = 0;
        let mut now = Instant::default();
        let next_start = |started: usize| Instant(gap * u32::try_from(started).unwrap());
        loop {
            while started < order.len() && next_start(started) <= now {
                let node = order[started];
                self.island[node] = Some(node);
                self.rejoins[node] = Some(rejoin(&self.contacts[node], node as u64, now));
                started += 1;
            }
            let mut next = (started < order.len()).then(|| next_start(started));
            for node in 0..self.rejoins.len() {
                while let Some(attempt) = self.poll(node, now, &mut next) {
                    self.attempts += 1;
                    let (attempt, target) = attempt;
                    let up = self.island[target].is_some();
                    self.rejoins[node].as_mut().unwrap().handle_result(now, attempt, up);
                    if up {
                        self.meet(target, node, now);
                    }
                }
            }
            match next {
                Some(next) if next.0 <= limit => {
                    now = next.max(Instant(now.0 + Duration::from_nanos(1)));
                }
                _ => return self.islands(),
            }
        }
    }

    fn poll(
        &mut self,
        node: usize,
        now: Instant,
        next: &mut Option<Instant>,
    ) -> Option<(snapshot_engine::Attempt, usize)> {
        match self.rejoins[node].as_mut()?.poll(now) {
            Next::Try { attempt, name, .. } => {
                let target = std::str::from_utf8(&name[1..]).unwrap().parse().unwrap();
                Some((attempt, target))
            }
            Next::Wait(at) => {
                *next = (*next).into_iter().chain(at).min();
                None
            }
            Next::Done => None,
        }
    }
}

/// Split mix 64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn below(state: &mut u64, limit: usize) -> usize {
    usize::try_from(random(state) % limit as u64).unwrap()
}

fn shuffled(count: usize, seed: &mut u64) -> Vec<usize> {
    let mut order: Vec<_> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, below(seed, last + 1));
    }
    order
}

/// How many parts the graph has when its edges are followed in both directions.
fn weak_parts(contacts: &[Vec<usize>]) -> usize {
    let mut part: Vec<_> = (0..contacts.len()).collect();
    for (from, to) in
        contacts.iter().enumerate().flat_map(|(from, to)| to.iter().map(move |to| (from, *to)))
    {
        let (kept, gone) = (part[from], part[to]);
        part.iter_mut().filter(|part| **part == gone).for_each(|part| *part = kept);
    }
    part.iter().collect::<BTreeSet<_>>().len()
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn every_weakly_connected_graph_becomes_one_cluster_in_any_order() {
    let mut seed = 7;
    let (mut graphs, mut orders, mut serf, mut ours, mut fewest, mut attempts) = (0, 0, 0, 0, 0, 0);
    for _ in 0..400 {
        let count = 2 + below(&mut seed, 11);
        let mut contacts = vec![Vec::new(); count];
        for _ in 0..below(&mut seed, 2 * count) {
            let (from, to) = (below(&mut seed, count), below(&mut seed, count));
            if from != to && !contacts[from].contains(&to) {
                contacts[from].push(to);
            }
        }
        let parts = weak_parts(&contacts);
        graphs += 1;
        for gap in [
            Duration::ZERO,
            Duration::from_millis(700),
            Duration::from_secs(20),
            Duration::from_secs(400),
        ] {
            let order = shuffled(count, &mut seed);
            orders += 1;
            let mut cluster = Cluster::new(contacts.clone());
            let islands = cluster.by_our_rule(&order, gap, 3 * HOUR);
            assert_eq!(
                islands, parts,
                "{contacts:?} started in the order {order:?}, {gap:?} apart"
            );
            attempts += cluster.attempts;
            ours += islands;
            fewest += parts;
            serf += Cluster::new(contacts.clone()).by_serfs_rule(&order);
        }
    }
    println!(
        "{graphs} graphs, {orders} start orders: {serf} islands by Serf's rule, {ours} by ours, {fewest} the fewest possible; {attempts} attempts"
    );
    assert!(
        serf > fewest + orders / 4,
        "a simulation in which Serf's rule does well shows nothing"
    );
}

/// The files of real agents after a staggered outage: three islands in the wrong order by Serf's rule, one by ours.
#[test]
fn a_staggered_outage_of_real_agents_heals() {
    for (files, count) in [("60", 3), ("61", 2)] {
        let suffix =
            if files == "60" { "sequential-shutdown" } else { "after-restart-three-islands" };
        let contacts: Vec<Vec<usize>> = (1..=count)
            .map(|node| {
                let path = format!(
                    "{}/../../corpus/{files}-q{node}-{suffix}.snap",
                    env!("CARGO_MANIFEST_DIR")
                );
                let (state, _) = decode(&std::fs::read(path).unwrap(), Mode::Serf, false);
                let others =
                    state.alive().map(|(name, _)| name.to_string()).collect::<BTreeSet<_>>();
                (1..=count)
                    .filter(|&other| other != node && others.contains(&format!("q{other}")))
                    .map(|other| other - 1)
                    .collect()
            })
            .collect();
        let order: Vec<_> = (0..count).collect();
        let backwards: Vec<_> = (0..count).rev().collect();
        let worst = [&order, &backwards]
            .into_iter()
            .map(|order| Cluster::new(contacts.clone()).by_serfs_rule(order))
            .max();
        let parts = weak_parts(&contacts);
        println!(
            "files {files}: {contacts:?}, {worst:?} islands by Serf's rule at worst, {parts} by ours"
        );
        assert!(worst.unwrap() > parts || parts == count);
        for order in [order, backwards] {
            assert_eq!(
                Cluster::new(contacts.clone()).by_our_rule(&order, Duration::from_secs(3), HOUR),
                parts
            );
        }
    }
}

fn try_all(rejoin: &mut Rejoin, now: Instant) -> Vec<(snapshot_engine::Attempt, String)> {
    let mut tried = Vec::new();
    while let Next::Try { attempt, name, .. } = rejoin.poll(now) {
        tried.push((attempt, String::from_utf8(name.to_vec()).unwrap()));
    }
    tried
}

#[test]
fn a_few_at_a_time_with_growing_waits() {
    let mut now = Instant::default();
    let mut rejoin = rejoin(&[1, 2, 3, 4, 5, 6], 3, now);
    let first = try_all(&mut rejoin, now);
    assert_eq!(first.len(), 4);
    assert_eq!(rejoin.poll(now), Next::Wait(None), "a result comes first");
    rejoin.handle_result(now, first[0].0, false);
    assert_eq!(try_all(&mut rejoin, now).len(), 1);
    for (attempt, _) in &first[1..] {
        rejoin.handle_result(now, *attempt, false);
    }
    // One of six is dead for good: its waits double to half a minute, each cut by up to half.
    let mut single = self::rejoin(&[1], 3, now);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let tried = try_all(&mut single, now);
        single.handle_result(now, tried[0].0, false);
        let Next::Wait(Some(at)) = single.poll(now) else { panic!() };
        waits.push(at.0.checked_sub(now.0).unwrap());
        now = at;
    }
    for (wait, most) in waits.iter().zip([1, 2, 4, 8, 16, 30, 30, 30]) {
        let most = Duration::from_secs(most);
        assert!((most / 2..=most).contains(wait), "{waits:?}");
    }
}

#[test]
fn a_success_slows_it_and_does_not_end_it() {
    let now = Instant::default();
    let mut rejoin = rejoin(&[1, 2], 3, now);
    let tried = try_all(&mut rejoin, now);
    rejoin.handle_result(now, tried[0].0, true);
    rejoin.handle_result(now, tried[1].0, false);
    let Next::Wait(Some(at)) = rejoin.poll(now) else { panic!() };
    assert!(at.0 >= Duration::from_secs(15), "who has company can wait: {at:?}");
    rejoin.handle_member(now, tried[0].1.as_bytes(), Membership::Alive);
    assert_eq!(rejoin.wanted(), 1);
    assert_eq!(try_all(&mut rejoin, Instant(Duration::from_secs(31))).len(), 1);
}

#[test]
fn it_ends_when_every_node_is_found_has_left_or_is_given_up_and_begins_again_alone() {
    let mut now = Instant::default();
    let mut rejoin = rejoin(&[1, 2, 3], 3, now);
    rejoin.handle_member(now, b"n1", Membership::Alive);
    rejoin.handle_member(now, b"n2", Membership::Gone);
    rejoin.handle_member(now, b"stranger", Membership::Alive);
    let mut tries = 0;
    while let Some(at) = match rejoin.poll(now) {
        Next::Try { attempt, name, .. } => {
            assert_eq!(name, b"n3");
            tries += 1;
            rejoin.handle_result(now, attempt, false);
            Some(now)
        }
        Next::Wait(at) => at,
        Next::Done => None,
    } {
        now = at;
    }
    assert!(now.0 >= Duration::from_secs(24 * 3600) && tries > 2000, "{tries} tries, {now:?}");
    rejoin.handle_member(now, b"n1", Membership::Failed);
    assert_eq!(rejoin.wanted(), 1, "a member that failed is tried again");
    rejoin.handle_alone(now);
    let again: BTreeSet<_> = try_all(&mut rejoin, Instant(now.0 + Duration::from_secs(1)))
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    assert_eq!(again, ["n1".to_owned(), "n3".to_owned()].into(), "the one that left stays out");
}

#[test]
fn who_is_alone_never_gives_up() {
    let mut now = Instant::default();
    let mut rejoin = rejoin(&[1], 3, now);
    while now.0 < 72 * HOUR {
        match rejoin.poll(now) {
            Next::Try { attempt, .. } => rejoin.handle_result(now, attempt, false),
            Next::Wait(at) => now = at.unwrap(),
            Next::Done => panic!("given up at {now:?}"),
        }
    }
}

#[test]
fn a_cancelled_rejoin_is_done_whatever_comes() {
    let now = Instant::default();
    let mut rejoin = rejoin(&[1, 2], 3, now);
    let tried = try_all(&mut rejoin, now);
    rejoin.cancel();
    rejoin.handle_result(now, tried[0].0, false);
    rejoin.handle_alone(now);
    assert_eq!(rejoin.poll(Instant(HOUR)), Next::Done);
}

#[test]
fn late_and_doubled_results_change_nothing() {
    let now = Instant::default();
    let mut rejoin = rejoin(&[1], 3, now);
    let tried = try_all(&mut rejoin, now);
    rejoin.handle_member(now, b"n1", Membership::Alive);
    rejoin.handle_result(now, tried[0].0, false);
    assert_eq!(rejoin.poll(Instant(HOUR)), Next::Done);
}
