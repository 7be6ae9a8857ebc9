//! What damage and hostile names can do: to the nodes they name, little; to all others, nothing.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::collections::BTreeSet;

use common::{corpus, decode, edge_case, sealed};
use proptest::prelude::*;
use snapshot_engine::{Mode, State, Verdict};

fn nodes(state: &State) -> BTreeSet<String> {
    state.alive().map(|(name, addr)| format!("{name}@{addr}")).collect()
}

/// Damaged files with the nodes that were truly alive when they were whole; what Serf and we recover of them.
#[test]
fn damaged_files_give_back_more_true_nodes_than_serf_finds_and_no_invented_one() {
    let damaged: [(&str, &[&str]); 10] = [
        ("41-torn-tail-after-real-serf-appended.snap", &["a@127.0.0.1:17946", "b@127.0.0.2:17946"]),
        ("42-torn-alive-line-glued-by-real-serf.snap", &["a@127.0.0.1:17946"]),
        ("bom", &["foo@1.2.3.4:5"]),
        ("torn-alive-glued", &["new@10.0.0.9:7946"]),
        ("torn-clock-glued", &["new@10.0.0.9:7946"]),
        ("torn-keyword-glued", &["new@10.0.0.9:7946"]),
        ("nul-prefix", &["a@1.1.1.1:1", "b@2.2.2.2:2"]),
        ("nul-hole", &["a@1.1.1.1:1", "b@2.2.2.2:2"]),
        ("nul-tail", &["a@1.1.1.1:1"]),
        ("not-an-address", &[]),
    ];
    let (mut more, mut invented_by_serf) = (0, 0);
    for (id, truth) in damaged {
        let path = std::path::Path::new(id);
        let file = if path.extension().is_some() { corpus(id) } else { edge_case(id) };
        let truth: BTreeSet<_> = truth.iter().map(ToString::to_string).collect();
        let (ours, serf) = (
            nodes(&decode(&file, Mode::Hardened, false).0),
            nodes(&decode(&file, Mode::Serf, false).0),
        );
        let true_of = |found: &BTreeSet<String>| found.intersection(&truth).count();
        println!(
            "{id}: {} true nodes; Serf finds {} and invents {}, we find {} and invent {}",
            truth.len(),
            true_of(&serf),
            serf.difference(&truth).count(),
            true_of(&ours),
            ours.difference(&truth).count()
        );
        assert!(ours.is_subset(&truth), "{id}: {ours:?}");
        assert!(true_of(&ours) >= true_of(&serf), "{id}: {ours:?} {serf:?}");
        more += usize::from(true_of(&ours) > true_of(&serf));
        invented_by_serf += serf.difference(&truth).count();
    }
    println!(
        "more true nodes in {more} of {} files; {invented_by_serf} invented by Serf, none by us",
        damaged.len()
    );
    assert!(more >= 5 && invented_by_serf >= 3);
}

/// A sealed file with a bit of everything.
fn intact() -> Vec<u8> {
    let batches: [&[u8]; 4] = [
        b"#@format: 1\n#@cluster: east\n#@node: a\n",
        b"clock: 41\nevent-clock: 1204\nquery-clock: 7\n",
        b"#@failed: f 10.0.0.6:7946 1763867000000\nalive: a 10.0.0.1:7946\nalive: b [fe80::1%eth0]:7946\nalive: c host-3:7946\n",
        b"not-alive: c\n#@failed: c host-3:7946 1763867000123\nclock: 43\nalive: d 10.0.0.4:7946\n",
    ];
    batches.into_iter().flat_map(sealed).collect()
}

#[test]
fn every_flipped_bit_is_noticed_and_raises_no_clock() {
    let file = intact();
    let (whole, report) = decode(&file, Mode::Hardened, false);
    assert_eq!(report.verdict(), Verdict::Clean);
    let (mut noticed, bits) = (0, file.len() * 8);
    for bit in 0..bits {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (state, report) = decode(&flipped, Mode::Hardened, false);
        noticed += usize::from(report.verdict() != Verdict::Clean && !report.is_wholly_sealed());
        let (clocks, highest) = (state.clocks(), whole.clocks());
        assert!(
            clocks.clock <= highest.clock && clocks.event_clock <= highest.event_clock,
            "bit {bit}: {clocks:?}"
        );
        assert!(clocks.query_clock <= highest.query_clock, "bit {bit}: {clocks:?}");
    }
    println!("{noticed} of {bits} flipped bits noticed");
    assert_eq!(noticed, bits);
}

/// Names that hold every keyword of the format, as a hostile member would choose them and Serf would write them.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        &b"alive: "[..],
        b"not-alive: ",
        b"clock: 9",
        b"event-clock: 9",
        b"query-clock: 9",
        b"leave",
        b"coordinate: {}",
        b"#",
        b"#@seal: 1 1 00000000",
        b"#@failed: ",
        b"v",
        b"w 6.6.6.6:6",
        b" ",
        b"\r",
        b"\0\0\0\0\0\0\0\0",
        b"x event-clock: 77",
        b"\xff",
        b"7.7.7.7:7",
    ]);
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Whatever a member is called: the nodes that were known, and the clocks, stay as they are. (A name that holds
    /// `alive: ` may yield a node of another name, but only at the member's own address.)
    #[test]
    fn a_hostile_name_changes_nothing_but_its_own_node(
        names in prop::collection::vec(hostile(), 1..5), seal in any::<bool>(), gone in any::<bool>(), rejoin in any::<bool>(),
    ) {
        let known = b"alive: v 1.1.1.1:1\nalive: w 2.2.2.2:2\nclock: 3\nevent-clock: 4\nquery-clock: 5\n";
        let mut file = if seal { sealed(known) } else { known.to_vec() };
        let mut lines = Vec::new();
        for name in &names {
            lines.extend([&b"alive: "[..], name, b" 6.6.6.6:6\n"].concat());
            if gone && name != b"v" && name != b"w" {
                lines.extend([&b"not-alive: "[..], name, b"\n"].concat());
            }
        }
        file.extend(if seal { sealed(&lines) } else { lines });
        let (state, _) = decode(&file, Mode::Hardened, rejoin);
        let clocks = state.clocks();
        prop_assert_eq!((clocks.clock.0, clocks.event_clock.0, clocks.query_clock.0), (3, 4, 5));
        // A member that calls itself as a known node is that node.
        let own = |name: &[u8]| names.iter().any(|hostile| hostile.strip_suffix(b"\r").unwrap_or(hostile) == name || hostile == name);
        for (name, addr) in [(&b"v"[..], &b"1.1.1.1:1"[..]), (b"w", b"2.2.2.2:2")] {
            let found = state.alive().find(|(of, _)| of.as_bytes() == name).map(|(_, addr)| addr.as_bytes());
            if !own(name) {
                prop_assert_eq!(found, Some(addr), "{:?}", name);
            }
        }
        for (name, addr) in state.alive() {
            let known = [&b"v"[..], b"w"].contains(&name.as_bytes());
            prop_assert!(known || addr.as_bytes() == b"6.6.6.6:6", "{} at {}", name, addr);
        }
    }

    /// The same for a file that a crash cut inside such a line, and a Serf agent went on with.
    #[test]
    fn a_hostile_name_that_is_cut_and_glued_moves_no_known_node(name in hostile(), cut in any::<prop::sample::Index>()) {
        let known = b"alive: v 1.1.1.1:1\nclock: 3\nevent-clock: 4\nquery-clock: 5\n";
        let line = [&b"alive: "[..], &name, b" 6.6.6.6:6\n"].concat();
        let torn = &line[..cut.index(line.len())];
        let file = [known, torn, b"alive: u 3.3.3.3:3\n"].concat();
        let (state, _) = decode(&file, Mode::Hardened, true);
        let clocks = state.clocks();
        prop_assert_eq!((clocks.clock.0, clocks.event_clock.0, clocks.query_clock.0), (3, 4, 5));
        let found = state.alive().find(|(of, _)| of.as_bytes() == b"v").map(|(_, addr)| addr.as_bytes());
        prop_assert_eq!(found, Some(&b"1.1.1.1:1"[..]));
    }
}
