use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use snapshot_engine::{Clocks, Replay, State, UnixMillis, Verdict};

use super::*;
use crate::import::records::for_each;
use crate::import::records::tests::{encoded, real_files};

/// Whom a reader has alive, and the clocks.
type Seen = (BTreeMap<Vec<u8>, String>, [u64; 3]);

fn imported(bytes: &[u8]) -> Members {
    let mut members = Members::new();
    for_each(bytes, |offset, len, record| members.record(offset, len, &record)).unwrap();
    members
}

fn seen(state: &State) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let alive = state.alive().map(|(name, addr)| (name.as_bytes().to_vec(), text(addr.as_bytes())));
    let Clocks { clock, event_clock, query_clock } = state.clocks();
    (alive.collect(), [clock.0, event_clock.0, query_clock.0])
}

/// What readers of both kinds recover from the file that an import writes.
#[track_caller]
fn written(members: &Members, rejoins: bool) -> Seen {
    let document = members.document().unwrap();
    let file: Vec<u8> = document.batches(UnixMillis(1)).flatten().collect();
    let policy = policy(rejoins);
    let [ours, serfs] = [Mode::Hardened, Mode::Serf].map(|mode| {
        let read = snapshot_io::replay(&*file, Replay::new(mode, &policy, 1));
        let (state, report) = read.unwrap();
        assert_eq!(report.verdict(), Verdict::Clean);
        seen(&state)
    });
    assert_eq!(ours, serfs, "with rejoin {rejoins}");
    assert_eq!(ours, seen(document.state(rejoins)), "with rejoin {rejoins}");
    ours
}

/// What an owner recovers by the words of the format alone; of a node in several places the last one.
fn expected(records: &[(u8, u8, u8, u64)], rejoins: bool) -> Seen {
    let (mut nodes, mut clocks) = (Vec::new(), [0; 3]);
    for &(tag, name, place, time) in records {
        let node = (vec![b'a' + name], format!("10.0.0.{place}:1"));
        match tag {
            0 | 1 => {
                nodes.retain(|known| *known != node);
                nodes.extend((tag == 0).then_some(node));
            }
            2..=4 => clocks[usize::from(tag) - 2] = time,
            6 if !rejoins => (nodes, clocks) = (Vec::new(), [0; 3]),
            _ => {}
        }
    }
    (nodes.into_iter().collect(), clocks)
}

fn bytes_of(&(tag, name, place, time): &(u8, u8, u8, u64)) -> Vec<u8> {
    match tag {
        0 | 1 => encoded(tag, &[b'a' + name], ([10, 0, 0, place], 1).into()),
        2..=4 => [&[tag], &time.to_le_bytes()[..]].concat(),
        _ => vec![tag],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_recovered_by_every_reader_as_the_crate_would(
        records in vec((0u8..8, 0u8..3, 0u8..3, 0u64..9), 0..30),
    ) {
        let bytes: Vec<u8> = records.iter().flat_map(bytes_of).collect();
        let members = imported(&bytes);
        prop_assert_eq!(members.records, records.len() as u64);
        for rejoins in [false, true] {
            prop_assert_eq!(written(&members, rejoins), expected(&records, rejoins));
        }
    }
}

/// The crate tells the next times of its clocks.
#[test]
fn the_crate_recovers_the_same_clocks() {
    let said = include_str!("../../../../../corpus/serf-crate/recovered-by-the-crate.txt");
    let mut compared = 0;
    for (path, bytes) in real_files() {
        let members = imported(&bytes);
        for rejoins in [false, true] {
            let (_, clocks) = written(&members, rejoins);
            let [clock, event, query] = clocks.map(|time| time + 1);
            let name = path.rsplit('/').next().unwrap();
            let begin = format!("{name} rejoin {rejoins}: ");
            let line = said.lines().find_map(|line| line.strip_prefix(&begin)).unwrap();
            if line.starts_with("refused") {
                assert!(name.contains("disk-full"), "{name}");
                continue;
            }
            assert_eq!(line, format!("next times {clock} {event} {query}"), "{begin}");
            compared += 1;
        }
    }
    assert_eq!(compared, 16);
}

#[test]
fn what_cannot_be_taken_over_is_a_finding_with_its_place() {
    let addr = "10.0.0.1:7946".parse().unwrap();
    let check = |record: &[u8], kind: &str, words: &str| {
        let before = b"\x02\x07\0\0\0\0\0\0\0";
        let members = imported(&[&before[..], record].concat());
        let [finding] = &members.findings[..] else { panic!("{:?}", members.findings) };
        assert_eq!((finding.offset, finding.len), (9, record.len() as u64));
        assert_eq!(finding.kind, kind);
        assert!(finding.meaning.contains(words), "{}", finding.meaning);
        assert_eq!(written(&members, false), (BTreeMap::new(), [7, 0, 0]));
    };
    check(&encoded(0, b"", addr), "invalid-member", "10.0.0.1:7946");
    check(&encoded(0, b"a\nalive: b 10.0.0.2:1", addr), "invalid-member", "newline");
    check(&encoded(0, &vec![b'n'; 17 * 1024], addr), "invalid-member", "nnn");
    check(&encoded(0, b"a", "10.0.0.1:0".parse().unwrap()), "invalid-member", "10.0.0.1:0");
    check(b"\x02\0\0\0\0\0\0\0\x01", "clock-too-high", "72057594037927936");
    check(b"\x04\xff\xff\xff\xff\xff\xff\xff\xff", "clock-too-high", "beyond 281474976710656");
}

#[test]
fn findings_are_counted_beyond_those_that_are_kept() {
    let bad = encoded(0, b"", "10.0.0.1:1".parse().unwrap());
    let members = imported(&bad.repeat(MAX_FINDINGS + 5));
    assert_eq!(members.findings.len(), MAX_FINDINGS);
    assert_eq!(members.findings_total, MAX_FINDINGS as u64 + 5);
}

#[test]
fn of_several_addresses_the_last_is_taken_and_the_rest_is_told() {
    let at = |name: &[u8], addr: &str| encoded(0, name, addr.parse().unwrap());
    let file = [
        at(b"b", "10.0.0.2:1"),
        at(b"a", "10.0.0.1:1"),
        at(b"b", "10.0.0.3:1"),
        at(b"b", "10.0.0.4:1"),
        at(b"b", "10.0.0.3:1"),
    ];
    let members = imported(&file.concat());
    let taken = "10.0.0.3:1".parse().unwrap();
    assert_eq!(members.moved(), (vec![("b".to_owned(), taken)], 2));
    let (alive, _) = written(&members, false);
    let alive: HashSet<_> = alive.values().map(String::as_str).collect();
    assert_eq!(alive, HashSet::from(["10.0.0.1:1", "10.0.0.3:1"]));
}
