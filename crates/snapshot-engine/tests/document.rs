//! A file rewritten offline: under either setting it says what it said, and people's comments stay.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::driver::{lines, without_seals};
use common::{blocks, decode_with, document as read, model_of, policy, sealed};
use proptest::prelude::*;
use snapshot_engine::{Document, DocumentReader, LamportTime, Mode, Policy, UnixMillis, Verdict};
use snapshot_format::{Addr, Name, Record};
use snapshot_model::Model;

const NOW: UnixMillis = UnixMillis(1_763_867_000_000);

fn write(document: &Document) -> Vec<u8> {
    let mut file = Vec::new();
    for batch in document.batches(NOW) {
        assert!(batch.len() <= 64 * 1024, "a batch of {} bytes", batch.len());
        file.extend(batch);
    }
    file
}

fn reading(file: &[u8], mode: Mode, policy: &Policy, rejoin: bool) -> Model {
    let mut policy = policy.clone();
    policy.rejoin_after_leave = rejoin;
    model_of(&decode_with(file, mode, &policy).0)
}

/// What a rewrite makes of this file, without seals.
fn check(file: &[u8], expect: &str) {
    let (document, _) = read(file, Mode::Hardened, &Policy::default());
    assert_eq!(lines(&write(&document)), expect, "{}", file.escape_ascii());
}

#[test]
fn what_a_rewrite_writes() {
    check(b"", "#@format: 1");
    check(
        b"alive: b 1.1.1.1:1\nclock: 3\nalive: a 1.1.1.1:1\nnot-alive: b\nclock: 5\n",
        "#@format: 1\nclock: 5\nalive: a 1.1.1.1:1",
    );
    check(
        b"alive: b 1.1.1.1:1\nalive: a 1.1.1.1:1\nalive: c 1.1.1.1:1\n",
        "#@format: 1\nalive: a 1.1.1.1:1\nalive: b 1.1.1.1:1\nalive: c 1.1.1.1:1",
    );
    // First what only a reader who rejoins sees.
    check(
        b"clock: 3\nevent-clock: 4\nalive: b 1.1.1.1:1\nalive: a 1.1.1.1:1\n#@failed: f 1.1.1.1:1 7\nleave\nclock: 3\nalive: b 1.1.1.1:1\nalive: c 1.1.1.1:1\n",
        "#@format: 1\nevent-clock: 4\n#@failed: f 1.1.1.1:1 7\nalive: a 1.1.1.1:1\nleave\nclock: 3\nalive: b 1.1.1.1:1\nalive: c 1.1.1.1:1",
    );
    // A node that moved after the leave is where it is for both.
    check(
        b"alive: a 1.1.1.1:1\nleave\nalive: a 2.2.2.2:2\n",
        "#@format: 1\nleave\nalive: a 2.2.2.2:2",
    );
    check(b"alive: a 1.1.1.1:1\nleave\n", "#@format: 1\nalive: a 1.1.1.1:1\nleave");
    check(b"leave\nleave\nclock: 0\n", "#@format: 1\nleave");
    // Who failed after the leave is alive to a reader who did not see it leave.
    check(
        b"alive: a 1.1.1.1:1\nleave\n#@failed: a 1.1.1.1:1 7\n",
        "#@format: 1\nalive: a 1.1.1.1:1\nleave\n#@failed: a 1.1.1.1:1 7",
    );
    // The torn end and the extensions of others go.
    check(
        b"alive: a 1.1.1.1:1\n#@what: ever\n# kept\nalive: b 1.1.1.1:1",
        "#@format: 1\n# kept\nalive: a 1.1.1.1:1",
    );
    let coordinate = r#"coordinate: {"Vec":[0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5],"Error":1.5,"Adjustment":0.5,"Height":0.5}"#;
    check(
        format!("{coordinate}\nleave\n").as_bytes(),
        &format!("#@format: 1\nleave\n{coordinate}"),
    );
}

#[test]
fn a_leave_counts_however_it_is_read() {
    // The hardened reader drops a carriage return and a byte order mark; nobody may be lost by that.
    check(
        b"alive: a 1.1.1.1:1\r\nclock: 5\r\nleave\r\n",
        "#@format: 1\nclock: 5\nalive: a 1.1.1.1:1\nleave",
    );
    check(b"\xef\xbb\xbfleave\r\nalive: a 1.1.1.1:1\r\n", "#@format: 1\nleave\nalive: a 1.1.1.1:1");
}

#[test]
fn what_was_salvaged_behind_a_leave_replaces_nothing() {
    check(
        b"alive: a 1.1.1.2:1\nleave\nalive: x 10.0alive: a 1.1.1.1:1\n",
        "#@format: 1\nleave\nalive: a 1.1.1.2:1",
    );
}

#[test]
fn what_is_odd_to_one_reader_alone_is_found() {
    // Whoever left knows no `a`, so the name of the last line may end in a carriage return.
    let file = b"alive: a 1.1.1.1:1\nleave\nnot-alive: a\r\n";
    let (_, report) = read(file, Mode::Hardened, &Policy::default());
    assert_eq!((report.verdict(), report.findings_total), (Verdict::Damaged, 1));
    assert_eq!(report.left_at, Some(2));
}

#[test]
fn comments_are_kept_as_far_as_they_fit() {
    let comment = |len: usize| [b"#".to_vec(), vec![b'x'; len - 1]].concat();
    let file = |comments: &[Vec<u8>]| [&comments.join(&b'\n')[..], b"\nclock: 5\n"].concat();
    let check = |comments: &[Vec<u8>], dropped: u64, kept: usize| {
        let (document, _) = read(&file(comments), Mode::Hardened, &Policy::default());
        assert_eq!(document.dropped_comments(), dropped);
        let written = without_seals(&write(&document));
        let found = written.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"#x"));
        assert_eq!(found.count(), kept);
        assert_eq!(decode_with(&written, Mode::Serf, &Policy::default()).0.clocks().clock.0, 5);
    };
    check(&[comment(60 * 1024), comment(3)], 0, 2);
    check(&[comment(60 * 1024 + 1), comment(3)], 1, 1);
    check(&[comment(2 << 20), comment(3)], 0, 1);
    // 8 MiB of them.
    let mut many = vec![comment(32 * 1024); 256];
    check(&many, 0, 256);
    many.push(comment(2));
    check(&many, 1, 256);
    // In their order, before everything else, and whatever is in them.
    let text = b"# b\nclock: 1\n#\n#leave\n# a\n#@\n# \xff\r\n";
    let (document, _) = read(text, Mode::Hardened, &Policy::default());
    assert_eq!(
        without_seals(&write(&document)),
        b"#@format: 1\n# b\n#\n#leave\n# a\n# \xff\r\nclock: 1\n"
    );
}

#[test]
fn the_identity_is_kept_where_a_seal_vouches_for_it() {
    let lines = b"#@format: 1\n#@cluster: east\n#@node: web 1\nclock: 5\n";
    check(&sealed(lines), "#@format: 1\n#@cluster: east\n#@node: web 1\nclock: 5");
    check(lines, "#@format: 1\nclock: 5");
    check(
        &[sealed(lines), sealed(b"#@node: web 2\n")].concat(),
        "#@format: 1\n#@cluster: east\n#@node: web 2\nclock: 5",
    );
}

/// What a rewrite makes of this file once it has been changed, without seals.
fn check_edit(file: &[u8], edit: impl Fn(&mut Document) -> bool, expect: Option<&str>) {
    let (mut document, _) = read(file, Mode::Hardened, &Policy::default());
    let before = lines(&write(&document));
    assert_eq!(edit(&mut document), expect.is_some(), "{}", file.escape_ascii());
    assert_eq!(lines(&write(&document)), expect.unwrap_or(&before), "{}", file.escape_ascii());
}

fn parse(line: &str) -> Record<'_> {
    Record::parse(line.as_bytes()).unwrap()
}

#[test]
fn an_edit_for_both_stands_behind_everything() {
    let file =
        b"clock: 9\nalive: a 1.1.1.1:1\n#@failed: f 1.1.1.1:1 7\nleave\nalive: b 1.1.1.1:1\n";
    let check = |line, expect| check_edit(file, |document| document.apply(&parse(line)), expect);
    check(
        "not-alive: b",
        Some("#@format: 1\nclock: 9\n#@failed: f 1.1.1.1:1 7\nalive: a 1.1.1.1:1\nleave"),
    );
    check(
        "alive: a 2.2.2.2:2",
        Some(
            "#@format: 1\nclock: 9\n#@failed: f 1.1.1.1:1 7\nleave\nalive: a 2.2.2.2:2\nalive: b 1.1.1.1:1",
        ),
    );
    check(
        "clock: 4",
        Some(
            "#@format: 1\n#@failed: f 1.1.1.1:1 7\nalive: a 1.1.1.1:1\nleave\nclock: 4\nalive: b 1.1.1.1:1",
        ),
    );
    for nothing in ["not-alive: x", "alive: b 1.1.1.1:1", "leave", "# a comment"] {
        check(nothing, None);
    }
}

#[test]
fn an_edit_before_the_leave_does_not_contradict_what_stands_behind_it() {
    let file = b"clock: 9\nalive: a 1.1.1.1:1\nleave\nevent-clock: 3\nalive: b 1.1.1.1:1\n#@failed: f 1.1.1.1:1 7\n";
    let check = |file: &[u8], line: &str, expect: Option<&str>| {
        check_edit(file, |document| document.apply_before_leave(&parse(line)), expect);
    };
    for seen_by_both in [
        "alive: b 2.2.2.2:2",
        "not-alive: b",
        "not-alive: f",
        "#@failed: f 2.2.2.2:2 8",
        "event-clock: 2",
        "leave",
    ] {
        check(file, seen_by_both, None);
    }
    let after = "leave\nevent-clock: 3\n#@failed: f 1.1.1.1:1 7\nalive: b 1.1.1.1:1";
    for (line, before) in [
        ("clock: 8", "clock: 8\nalive: a 1.1.1.1:1"),
        ("not-alive: a", "clock: 9"),
        ("alive: c 1.1.1.1:1", "clock: 9\nalive: a 1.1.1.1:1\nalive: c 1.1.1.1:1"),
        ("alive: f 3.3.3.3:3", "clock: 9\nalive: a 1.1.1.1:1\nalive: f 3.3.3.3:3"),
    ] {
        check(file, line, Some(&format!("#@format: 1\n{before}\n{after}")));
    }
    // Who never left has one reading.
    check(b"alive: b 1.1.1.1:1\n", "alive: b 2.2.2.2:2", Some("#@format: 1\nalive: b 2.2.2.2:2"));
}

#[test]
fn a_failed_node_is_forgotten_and_an_alive_one_stays() {
    let forget = |name: &'static [u8]| {
        move |document: &mut Document| document.forget_failed(Name::new(name).unwrap())
    };
    let file = b"alive: a 1.1.1.1:1\nleave\n#@failed: a 1.1.1.1:1 7\n#@failed: b 1.1.1.1:1 7\n";
    let kept = "#@format: 1\nalive: a 1.1.1.1:1\nleave\n#@failed: b 1.1.1.1:1 7";
    check_edit(file, forget(b"a"), Some(kept));
    check_edit(file, forget(b"c"), None);
}

#[test]
fn a_reader_that_is_fed_line_by_line_says_the_same() {
    let file = b"# x\nalive: a 1.1.1.1:1\nclock: 3\nleave\nalive: b 1.1.1.1:1\nnot-alive: b\ntorn";
    let mut reader = DocumentReader::new(Mode::Hardened, &Policy::default(), 7);
    let mut seen = Vec::new();
    let decoder = blocks(file, |block| {
        for line in block.lines {
            reader.line(line, block.trust);
            seen.push([false, true].map(|rejoin| reader.state(rejoin).len()));
        }
    });
    assert_eq!(seen, [[0, 0], [1, 1], [1, 1], [0, 1], [1, 2], [0, 1]]);
    let (document, report) = reader.finish(decoder.torn());
    let (other, other_report) = read(file, Mode::Hardened, &Policy::default());
    assert_eq!(write(&document), write(&other));
    assert_eq!(report, other_report);
}

/// Any change that a tool can make.
fn edits() -> impl Strategy<Value = Vec<(u8, u8, u8, u8)>> {
    prop::collection::vec((0_u8..10, 0_u8..6, 1_u8..4, 0_u8..5), 0..6)
}

fn make(document: &mut Document, (kind, name, addr, time): (u8, u8, u8, u8)) {
    let names: [&[u8]; 6] = [b"a", b"b", b"c c", b"d\r", b"#e", b"leave"];
    let name = Name::new(names[usize::from(name)]).unwrap();
    let text = format!("1.1.1.{addr}:1");
    let addr = Addr::new(text.as_bytes()).unwrap();
    let (at, time) = (UnixMillis(time.into()), LamportTime(time.into()));
    let record = match kind % 5 {
        0 => Record::Alive { name, addr },
        1 => Record::NotAlive { name },
        2 => Record::Failed { name, addr, at },
        3 => Record::Clock(time),
        _ => Record::EventClock(time),
    };
    _ = match (kind, time.0) {
        (1, 0) => document.forget_failed(name),
        (0..5, _) => document.apply(&record),
        _ => document.apply_before_leave(&record),
    };
}

/// A file of records as agents write them, with people's comments between, sealed here and there.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let node = prop::sample::select(vec!["a", "b", "c c", "d\r", "#e", "leave"]);
    let addr = 1_u8..4;
    let line = prop_oneof![
        6 => (node.clone(), addr.clone()).prop_map(|(node, addr)| format!("alive: {node} 1.1.1.{addr}:1")),
        3 => node.clone().prop_map(|node| format!("not-alive: {node}")),
        3 => (node, addr, 0_u8..9).prop_map(|(node, addr, at)| format!("#@failed: {node} 1.1.1.{addr}:1 {at}")),
        2 => (0_u8..5).prop_map(|time| format!("clock: {time}")),
        2 => (0_u8..5).prop_map(|time| format!("event-clock: {time}")),
        1 => (0_u8..5).prop_map(|time| format!("query-clock: {time}")),
        3 => Just("leave".to_owned()),
        1 => "[a-z]{0,3}".prop_map(|text| format!("# {text}")),
        1 => Just("#@what: ever".to_owned()),
    ];
    let lines = prop::collection::vec(line, 0..10).prop_map(|lines| {
        lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect::<Vec<u8>>()
    });
    let batch =
        (lines, any::<bool>()).prop_map(|(lines, seal)| if seal { sealed(&lines) } else { lines });
    prop::collection::vec(batch, 0..4).prop_map(|batches| batches.concat())
}

/// The same with damage of all kinds.
fn odd_file() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(vec![
        &b"\r\n"[..],
        b"\n",
        b"alive:  1.1.1.1:1\n",
        b"alive: x\n",
        b"alive: x \n",
        b"alive:  \n",
        b"clock: 18446744073709551615\n",
        b"leave\r\n",
        b"leave \n",
        b"\xef\xbb\xbf",
        b"\0\0\0\0\0\0\0\0\0",
        b"clock: x\n",
        b"alive: y z:0\n",
        b"clock: 4\r\n",
        b"event-clock: 281474976710657\n",
        b"#@seal: 9 9 00000000\n",
        b"not-alive: a\r\n",
        b"alive: a 1.1.1.1:1\r\n",
        b"# \xff\n",
    ]);
    let part = prop_oneof![file(), odd.prop_map(<[u8]>::to_vec)];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn comments(file: &[u8]) -> Vec<&[u8]> {
    let whole = &file[..file.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)];
    // An editor's byte order mark is no part of the first line.
    let whole = whole.strip_prefix(b"\xef\xbb\xbf").unwrap_or(whole);
    let lines = whole.split(|byte| *byte == b'\n');
    lines.filter(|line| line.starts_with(b"#") && !line.starts_with(b"#@")).collect()
}

fn check_document(file: &[u8], mode: Mode, policy: &Policy) -> Result<(), TestCaseError> {
    let (document, _) = read(file, mode, policy);
    let written = write(&document);
    let shown = written.escape_ascii();
    for rejoin in [false, true] {
        let mut before = reading(file, mode, policy, rejoin);
        if !rejoin && mode == Mode::Hardened {
            // What was salvaged behind a `leave` does not replace what stood whole before it.
            let known = reading(file, mode, policy, true).alive;
            for (name, addr) in &mut before.alive {
                known[name].clone_into(addr);
            }
        }
        prop_assert_eq!(&model_of(document.state(rejoin)), &before);
        let after = reading(&written, mode, policy, rejoin);
        prop_assert_eq!(&after, &before, "with rejoin {}: {}", rejoin, &shown);
        // A Serf agent finds the same nodes and clocks, even where only we have failed ones.
        let serfs = reading(&written, Mode::Serf, policy, rejoin);
        prop_assert_eq!(&serfs, &Model { failed: serfs.failed.clone(), ..before }, "{}", &shown);
    }
    prop_assert_eq!(comments(&written), comments(file));
    let (again, report) = read(&written, mode, policy);
    prop_assert!(report.is_wholly_sealed());
    prop_assert!(mode == Mode::Serf || report.verdict() == Verdict::Clean, "{:?}", report.findings);
    prop_assert_eq!(write(&again).escape_ascii().to_string(), shown.to_string(), "idempotent");
    // Each part is sorted by name.
    for part in lines(&written).split("leave\n") {
        let nodes: Vec<_> = part.lines().filter(|line| line.starts_with("alive: ")).collect();
        prop_assert!(nodes.is_sorted_by_key(|line| line.rsplit_once(' ').map(|(name, _)| name)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rewritten_file_says_the_same_under_both_settings(file in file(), max_failed in 0_usize..4) {
        let policy = policy(|policy| policy.max_failed = max_failed);
        for mode in [Mode::Serf, Mode::Hardened] {
            check_document(&file, mode, &policy)?;
        }
    }

    #[test]
    fn an_edited_file_says_what_its_document_says(file in file(), edits in edits()) {
        let policy = Policy::default();
        let (mut document, _) = read(&file, Mode::Hardened, &policy);
        for edit in edits {
            make(&mut document, edit);
        }
        let written = write(&document);
        for rejoin in [false, true] {
            let after = reading(&written, Mode::Hardened, &policy, rejoin);
            prop_assert_eq!(&after, &model_of(document.state(rejoin)), "with rejoin {}: {}", rejoin, written.escape_ascii());
        }
    }

    #[test]
    fn a_damaged_file_says_afterwards_what_was_recovered_from_it(file in odd_file(), max_failed in 0_usize..4) {
        let policy = policy(|policy| policy.max_failed = max_failed);
        for mode in [Mode::Serf, Mode::Hardened] {
            check_document(&file, mode, &policy)?;
        }
    }
}
