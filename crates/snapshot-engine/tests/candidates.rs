//! Whom to contact after a restart, and in which order.
#![forbid(unsafe_code)]
#![allow(clippy::format_collect, reason = "a few short lines")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::collections::BTreeSet;

use common::{Dice, decode};
use snapshot_engine::{Mode, Name, State, UnixMillis};

fn state(lines: &str) -> State {
    decode(lines.as_bytes(), Mode::Hardened, false).0
}

/// The candidates of these lines, as `name@addr`, failed ones with their time.
fn names(state: &State, own: Option<&str>, seed: u64) -> Vec<String> {
    let own = own.map(|own| Name::new(own.as_bytes()).unwrap());
    let candidates = state.rejoin_candidates(own, seed);
    let shown = candidates.map(|node| {
        let at = node.failed.map(|UnixMillis(at)| format!(" {at}")).unwrap_or_default();
        format!("{}@{}{at}", node.name, node.addr)
    });
    shown.collect()
}

fn check(lines: &str, own: Option<&str>, expect: &[&str]) {
    for seed in 0..8 {
        assert_eq!(names(&state(lines), own, seed), expect, "{lines:?}");
    }
}

#[test]
fn the_failed_ones_come_last_the_newest_first() {
    check("", None, &[]);
    check("alive: a h:1\n", None, &["a@h:1"]);
    check("alive: a h:1\nnot-alive: a\n", None, &[]);
    let failed = "#@failed: x h:1 5\n#@failed: y h:2 9\n#@failed: z h:3 7\n";
    check(failed, None, &["y@h:2 9", "z@h:3 7", "x@h:1 5"]);
    check(&format!("{failed}alive: a h:4\n"), None, &["a@h:4", "y@h:2 9", "z@h:3 7", "x@h:1 5"]);
    check(&format!("{failed}alive: y h:4\n"), None, &["y@h:4", "z@h:3 7", "x@h:1 5"]);
    check(&format!("{failed}leave\n"), None, &[]);
}

#[test]
fn nobody_contacts_itself() {
    let lines = "alive: a h:1\n#@failed: b h:2 5\n";
    check(lines, Some("a"), &["b@h:2 5"]);
    check(lines, Some("b"), &["a@h:1"]);
    check(lines, Some("A"), &["a@h:1", "b@h:2 5"]);
    check(lines, Some(""), &["a@h:1", "b@h:2 5"]);
}

#[test]
fn every_seed_gives_another_order_of_the_same_nodes() {
    let nodes = 20;
    let mut lines: String = (0..30).map(|number| format!("alive: n{number:02} h:1\n")).collect();
    // Some slots are empty.
    lines.extend((nodes..30).map(|number| format!("not-alive: n{number:02}\n")));
    lines += "#@failed: f h:1 7\n";
    let state = state(&lines);
    let all: BTreeSet<_> =
        (0..nodes).map(|number| format!("n{number:02}@h:1")).chain(["f@h:1 7".into()]).collect();
    let mut orders = BTreeSet::new();
    let mut first = BTreeSet::new();
    for seed in 0..200 {
        let order = names(&state, None, seed);
        assert_eq!(order, names(&state, None, seed), "a seed gives one order");
        assert_eq!((order.len(), order.last()), (nodes + 1, Some(&"f@h:1 7".to_owned())));
        assert_eq!(order.iter().cloned().collect::<BTreeSet<_>>(), all);
        first.insert(order[0].clone());
        orders.insert(order);
    }
    assert_eq!(orders.len(), 200);
    assert_eq!(first.len(), nodes, "everybody is somebody's first choice");
}

#[test]
fn the_order_does_not_lean_to_any_node() {
    let state = state(&(0..4).map(|number| format!("alive: n{number} h:1\n")).collect::<String>());
    let (mut places, mut dice) = ([[0_u32; 4]; 4], Dice(1));
    for _ in 0..4000 {
        for (place, name) in names(&state, None, dice.roll(1 << 30) as u64).iter().enumerate() {
            places[place][usize::from(name.as_bytes()[1] - b'0')] += 1;
        }
    }
    // 1000 each; the seeds are always the same, so this is no matter of luck.
    assert!(places.iter().flatten().all(|times| (880..1120).contains(times)), "{places:?}");
}
