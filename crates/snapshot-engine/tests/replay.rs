//! Replay against the real Serf library (its judged answers) and against the oracle.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{corpus, decode, model_of, policy, sealed};
use proptest::prelude::*;
use snapshot_engine::{FindingKind, Identity, Mode, Verdict};
use snapshot_format::Coordinate;
use snapshot_model::{Model, Rules};

fn unhex(value: &serde_json::Value) -> Vec<u8> {
    let hex = value.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn serf_mode_equals_the_real_library_on_every_judged_row() {
    let mut rows = 0;
    for judged in ["edge-cases.jsonl", "replayed-by-serf.jsonl"] {
        let text = String::from_utf8(corpus(judged)).unwrap();
        for row in text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        {
            let id = row["id"].as_str().unwrap();
            let input =
                if row["input_hex"].is_string() { unhex(&row["input_hex"]) } else { corpus(id) };
            let rejoin = row["rejoin_after_leave"].as_bool().unwrap();
            let (state, report) = decode(&input, Mode::Serf, rejoin);
            let nodes = row["alive"].as_array().unwrap().iter();
            let alive =
                nodes.map(|node| (unhex(&node["name_hex"]), unhex(&node["addr_hex"]))).collect();
            let clock = |name: &str| row[name].as_u64().unwrap();
            let expect = Model {
                alive,
                clock: clock("clock"),
                event_clock: clock("event_clock"),
                query_clock: clock("query_clock"),
                ..Model::default()
            };
            assert_eq!(model_of(&state), expect, "{id} with rejoin {rejoin}");
            assert_eq!(
                report.findings_total,
                row["warnings"].as_u64().unwrap(),
                "{id} with rejoin {rejoin}"
            );
            rows += 1;
            let undamaged = decode(&input, Mode::Hardened, rejoin);
            if undamaged.1.findings_total == 0 {
                assert_eq!(model_of(&undamaged.0), expect, "hardened {id} with rejoin {rejoin}");
            }
        }
    }
    assert_eq!(rows, 308);
}

/// Each finding kind, with the smallest file that shows it, and what is recovered beside it.
#[test]
fn every_oddity_is_a_finding_with_its_place() {
    use FindingKind as K;
    let check = |file: &[u8], expect: &[(K, u64, u64, u64)], alive: &[&str]| {
        let (state, report) = decode(file, Mode::Hardened, false);
        let found: Vec<_> =
            report.findings.iter().map(|f| (f.kind, f.line, f.offset, f.len)).collect();
        assert_eq!(found, expect, "{}", file.escape_ascii());
        assert_eq!(report.findings_total, expect.len() as u64);
        assert_eq!(report.verdict() == Verdict::Damaged, !expect.is_empty());
        let mut names: Vec<_> = state.alive().map(|(name, _)| name.to_string()).collect();
        names.sort();
        assert_eq!(names, alive, "{}", file.escape_ascii());
    };
    check(
        b"alive: a 1.1.1.1:1\nx\n\n",
        &[(K::Unrecognized, 2, 19, 1), (K::Unrecognized, 3, 21, 0)],
        &["a"],
    );
    check(b"\0\0\0\0\0\0\0\0\n", &[(K::NulRun, 1, 0, 8)], &[]);
    check(b"alive: b 1\0\0\0\0\0\0\0\0me 1.1.1.1:1\n", &[(K::NulRun, 1, 0, 30)], &[]);
    check(b"alive: a\n", &[(K::MissingAddress, 1, 0, 8)], &[]);
    check(b"alive: a nowhere\n", &[(K::InvalidAddress, 1, 0, 16)], &[]);
    check(b"alive:  1.1.1.1:1\n", &[(K::EmptyName, 1, 0, 17)], &[]);
    check(b"clock: 5x\n", &[(K::InvalidClock, 1, 0, 9)], &[]);
    check(b"clock: 281474976710657\n", &[(K::ClockTooHigh, 1, 0, 22)], &[]);
    check(b"coordinate: x\n", &[(K::InvalidCoordinate, 1, 0, 13)], &[]);
    check(b"alive: b 1.1alive: c 2.2.2.2:2\n", &[(K::Salvaged, 1, 0, 30)], &["c"]);
    check(b"alive: c 9.9.9.9:9\n1alive: c 2.2.2.2:2\n", &[(K::Glued, 2, 19, 19)], &["c"]);
    check(b"\xef\xbb\xbfalive: a 1.1.1.1:1\n", &[(K::ByteOrderMark, 1, 0, 21)], &["a"]);
    check(b"alive: a 1.1.1.1:1\r\n", &[(K::CarriageReturn, 1, 0, 19)], &["a"]);
    check(b"alive: a 1.1.1.1:1\nnot-alive: a\r\n", &[(K::CarriageReturn, 2, 19, 13)], &[]);
    check(b"#@what: ever\n", &[(K::UnknownExtension, 1, 0, 12)], &[]);
    let long = [&b"alive: "[..], &vec![b'n'; 16 * 1024 + 1], b" 1.1.1.1:1\n"].concat();
    check(&long, &[(K::NameTooLong, 1, 0, long.len() as u64 - 1)], &[]);
    let long = [vec![b'n'; (1 << 20) + 1], b"\n".to_vec()].concat();
    check(&long, &[(K::LineTooLong, 1, 0, (1 << 20) + 1)], &[]);
    // What is kept of this line ends like a record.
    let cut = [b"xalive: ", &[b'n'; 240][..], b" h:", &vec![b'1'; 1 << 20], b"\n"].concat();
    check(&cut, &[(K::LineTooLong, 1, 0, cut.len() as u64 - 1)], &[]);
    // Seven zeros are a name, as odd as it is.
    check(b"alive: \0\0\0\0\0\0\0 1.1.1.1:1\n", &[], &["\\u{0}".repeat(7).as_str()]);
    check(&sealed(b"#@format: 2\n"), &[(K::NewerFormat, 1, 0, 11)], &[]);
    let batch = sealed(b"clock: 1\nalive: a 1.1.1.1:1\n");
    let flipped = [b"clock: 2", &batch[8..]].concat();
    let len = flipped.len() as u64 - 1;
    check(&flipped, &[(K::ClockInDamage, 1, 0, 8), (K::SealMismatch, 3, 0, len)], &["a"]);
    let unreached = [b"# \n", &batch[..]].concat();
    check(&unreached, &[(K::ClockInDamage, 2, 3, 8), (K::SealLength, 4, 0, len + 3)], &["a"]);
}

#[test]
fn identity_counts_only_under_a_seal() {
    let policy =
        policy(|policy| policy.identity = Identity::new(Some(b"east"), Some(b"me")).unwrap());
    let lines = b"#@format: 1\n#@cluster: west\n#@node: you\n";
    let (_, report) = common::decode_with(&sealed(lines), Mode::Hardened, &policy);
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::ForeignCluster, FindingKind::OtherNode]);
    assert_eq!(report.identity.cluster.as_deref(), Some(&b"west"[..]));
    assert_eq!(
        (report.identity.node.as_deref(), report.identity.format),
        (Some(&b"you"[..]), Some(1))
    );
    let (_, report) = common::decode_with(lines, Mode::Hardened, &policy);
    assert_eq!(
        (report.identity, report.findings_total),
        (snapshot_engine::FoundIdentity::default(), 0)
    );
}

#[test]
fn verdicts() {
    let check = |file: &[u8], verdict: Verdict, wholly_sealed: bool| {
        let (_, report) = decode(file, Mode::Hardened, false);
        assert_eq!(
            (report.verdict(), report.is_wholly_sealed()),
            (verdict, wholly_sealed),
            "{}",
            file.escape_ascii()
        );
    };
    let good = sealed(b"#@format: 1\n");
    check(b"", Verdict::Clean, true);
    check(b"clock: 1\n", Verdict::Clean, false);
    check(b"clock: 1\nclo", Verdict::Torn, false);
    check(&good, Verdict::Clean, true);
    check(&[&good[..], b"clock: 1\n"].concat(), Verdict::Torn, false);
    check(&[&good[..], b"clock"].concat(), Verdict::Torn, false);
    check(&good[..good.len() - 1], Verdict::Torn, false);
    check(b"#@format: 1\n", Verdict::Torn, false);
    check(&[&good[..], b"nonsense\n"].concat(), Verdict::Damaged, false);
    check(&[&good[..10], &good].concat(), Verdict::Damaged, false);
    check(&sealed(b"#@format: 2\n"), Verdict::Damaged, false);
}

#[test]
fn what_is_no_snapshot() {
    let check = |file: &[u8], expect: bool| {
        let (_, report) = decode(file, Mode::Hardened, false);
        assert_eq!(report.is_snapshot(), expect, "{}", file.escape_ascii());
    };
    for file in [
        &b""[..],
        b"# only\n# comments\n",
        b"al",
        b"alive: a 1.1.1.1:1",
        b"\0\0\0\0\0\0\0\0\0",
        b"x\nclock: 5\n",
        b"#",
        b"lea",
        b"\0\0\0\0\0\0\0\0\n",
        b"clock: x\n",
        b"xalive: a 1.1.1.1:1\n",
        b"#@format: 1",
        b"\xef\xbb\xbfalive: a 1.1.1.1:1\n",
        b"\xef\xbb\xbfleave\r\n",
        b"ali\0\0\0\0\0\0\0\0",
        b"leave\0\0\0\0\0\0\0\0\n",
        b"\0\0\0\0\0\0\0\0.1:1\n",
    ] {
        check(file, true);
    }
    for file in [
        &b"hello"[..],
        b"hello\n",
        b"\n",
        b"# a config\nkey = value\n",
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
        b"#!/bin/sh\nrm x\n",
        b"{}",
        b"yes\nno\nc",
        b"hello\nalive: torn",
        b"leave me alone",
        b"leaves\n",
        b"\xef\xbb\xbfkey = value\r\n",
        b"\xef\xbb\xbf# a config\nkey = value\n",
        b"meta.json\0\0\0\0\0\0\0\0\0{}",
        b"A line such as `alive: NAME ADDR` is a node.\n",
    ] {
        check(file, false);
    }
}

#[test]
fn coordinates_are_restored_by_both_readers() {
    let file = br#"coordinate: {"Vec":[1,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":1e-05}
leave
coordinate: nope
"#;
    let expect = Coordinate::new([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1.5, 0.0, 1e-5).unwrap();
    for (mode, findings) in [(Mode::Serf, 0), (Mode::Hardened, 1)] {
        let (state, report) = decode(file, mode, false);
        assert_eq!((state.coordinate(), report.findings_total), (Some(expect), findings));
    }
}

/// Files of all that can go wrong, glued together at random.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(vec![
        &b"alive: a 1.1.1.1:1\n"[..],
        b"alive: b [::1%e]:2\n",
        b"alive: a\r 1.1.1.1:1\n",
        b"alive: a 3.3.3.3:3\r\n",
        b"not-alive: a\n",
        b"not-alive: a\r\n",
        b"not-alive: b\n",
        b"alive:  1.1.1.1:1\n",
        b"alive: c\n",
        b"alive: c d e:5\n",
        b"alive: c 1.1.1.1:0\n",
        b"clock: 5\n",
        b"clock: 9\r\n",
        b"event-clock: 0\n",
        b"query-clock: 281474976710656\n",
        b"query-clock: 281474976710657\n",
        b"leave\n",
        b"leave\r\n",
        b"coordinate: {}\n",
        b"# x\n",
        b"#@failed: a 1.1.1.1:1 7\n",
        b"#@failed: b 2.2.2.2:2 8\n",
        b"#@failed: c x 9\n",
        b"#@failed: d 1.1.1.1:1 3\r\n",
        b"#@what\n",
        b"\xef\xbb\xbf",
        b"alive: ",
        b"x",
        b"\r",
        b"\n",
        b" ",
        b"not-",
        b"\0\0\0\0\0\0\0\0\0",
        b"\0",
        b"clock: 12",
        b"#@seal: 9 9 00000000\n",
        b"#@seal: ",
        b"alive: d 10.0.0.1:79",
    ]);
    let part = prop::collection::vec(odd, 0..8).prop_map(|parts| parts.concat());
    let batch =
        (part, 0_u8..4).prop_map(|(lines, seal)| if seal > 1 { lines } else { sealed(&lines) });
    (prop::collection::vec(batch, 0..6), prop::option::of((any::<prop::sample::Index>(), 0_u8..8)))
        .prop_map(|(batches, flip)| {
            let mut file = batches.concat();
            if let (Some((at, bit)), false) = (flip, file.is_empty()) {
                let at = at.index(file.len());
                file[at] ^= 1 << bit;
            }
            file
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn both_readers_equal_the_oracle(file in file(), rejoin in any::<bool>(), max_failed in 1_usize..4) {
        let policy = policy(|policy| (policy.rejoin_after_leave, policy.max_failed) = (rejoin, max_failed));
        let rules = Rules { max_failed, ..Rules::hardened(rejoin) };
        let (state, _) = common::decode_with(&file, Mode::Hardened, &policy);
        prop_assert_eq!(model_of(&state), snapshot_model::replay(&file, &rules));
        let (state, report) = common::decode_with(&file, Mode::Serf, &policy);
        prop_assert_eq!(model_of(&state), snapshot_model::replay(&file, &Rules::serf(rejoin)));
        prop_assert_eq!(report.findings_total, snapshot_model::warnings(&file) as u64);
    }

    #[test]
    fn a_file_without_findings_reads_alike_for_serf_and_us(file in file(), rejoin in any::<bool>()) {
        let (hardened, report) = decode(&file, Mode::Hardened, rejoin);
        let (serf, _) = decode(&file, Mode::Serf, rejoin);
        if report.findings_total == 0 {
            prop_assert_eq!(Model { failed: std::collections::BTreeMap::default(), ..model_of(&hardened) }, model_of(&serf));
        }
    }
}

#[test]
fn a_failed_node_is_found_by_its_name() {
    let (state, _) = decode(
        b"#@failed: a h:1 5\n#@failed: b h:2 6\nalive: c h:3\nalive: b h:2\n",
        Mode::Hardened,
        false,
    );
    let of = |name: &[u8]| {
        let failure = state.failure_of(snapshot_format::Name::new(name).unwrap());
        failure.map(|(addr, at)| (addr.to_string(), at.0))
    };
    assert_eq!(of(b"a"), Some(("h:1".to_owned(), 5)));
    assert_eq!([of(b"b"), of(b"c"), of(b"x")], [None, None, None]);
}
