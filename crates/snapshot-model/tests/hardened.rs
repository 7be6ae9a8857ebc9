//! Hardened replay, rule by rule, in bytes that no seal covers.

mod common;

use snapshot_model::{Model, Rules, replay, warnings};

use crate::common::render;

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &str) {
    let input = input.as_ref();
    let model = replay(input, &Rules::hardened(false));
    assert_eq!(render(&model), expected, "{}", input[..input.len().min(200)].escape_ascii());
}

#[test]
fn addresses_that_can_be_dialled() {
    let label = "x".repeat(253);
    let hosts = [
        "10.0.0.1",
        "0.0.0.0",
        "999.1",
        "db-1.rack_2.example.",
        "A",
        "[::1]",
        "[fe80::1%eth0.1-x_y]",
        "[::ffff:1.2.3.4]",
        &label,
    ];
    for host in hosts {
        check(format!("alive: a {host}:7946\n"), &format!("a={host}:7946"));
    }
    for port in ["1", "00080", "65535"] {
        check(format!("alive: a h:{port}\n"), &format!("a=h:{port}"));
    }
}

#[test]
fn addresses_that_cannot_be_dialled() {
    let label = "x".repeat(254);
    let hosts = [
        "",
        "::1",
        "[]",
        "[",
        "]",
        "[::1",
        "[::1]x",
        "x[::1]",
        "[1.2.3.4]",
        "[::1%]",
        "[::1%a%b]",
        "[%eth0]",
        "[::1%a/b]",
        "a/b",
        "a:b",
        "h\u{e9}",
        "h\u{fffd}",
        "h\0",
        &label,
    ];
    for host in hosts {
        check(format!("alive: a {host}:7946\n"), "nothing");
    }
    for port in ["", ":", ":0", ":65536", ":000001", ":+1", ":-1", ":1\t", ":1:", ":x"] {
        check(format!("alive: a h{port}\n"), "nothing");
    }
    check(b"alive: a \xff:1\n", "nothing");
}

#[test]
fn an_address_that_is_refused_leaves_the_known_one() {
    check("alive: a 1.1.1.1:1\nalive: a 1.1.1.1:0\n", "a=1.1.1.1:1");
}

#[test]
fn a_name_may_have_16_kib() {
    let name = "n".repeat(16 << 10);
    check(format!("alive: {name} 1.1.1.1:1\n"), &format!("{name}=1.1.1.1:1"));
    check(format!("alive: {name}n 1.1.1.1:1\n"), "nothing");
}

#[test]
fn a_clock_may_be_2_to_the_48() {
    check("event-clock: 281474976710656\n", "event 281474976710656");
    check("event-clock: 7\nevent-clock: 281474976710657\n", "event 7");
    check("query-clock: 9\nquery-clock: 4\n", "query 4");
}

#[test]
fn a_line_over_1_mib_is_skipped_in_both_modes() {
    for (length, is_read) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let name = "n".repeat(length - "alive:  1.1.1.1:1".len());
        let input = format!("alive: {name} 1.1.1.1:1\nclock: 2\n").into_bytes();
        let model = replay(&input, &Rules::serf(false));
        assert_eq!(model.alive.contains_key(name.as_bytes()), is_read);
        assert_eq!(model.clock, 2);
        assert_eq!(warnings(&input), usize::from(!is_read));

        let leave = format!("alive: a 1.1.1.1:1\nnot-alive: {}\n", "a".repeat(length - 11));
        check(leave, "a=1.1.1.1:1");
        let glued = format!("{}alive: b 2.2.2.2:2\n", "x".repeat(length - 18));
        check(glued, if is_read { "b=2.2.2.2:2" } else { "nothing" });
    }
}

#[test]
fn only_the_first_line_may_begin_with_a_bom() {
    check("\u{feff}leave\n", "nothing");
    check("\u{feff}clock: 3\n\u{feff}clock: 4\n", "clock 3");
    check("\u{feff}\u{feff}clock: 3\n", "nothing");
    check("\u{feff}not-alive: balive: a 1.1.1.1:1\n", "nothing");
}

#[test]
fn a_cr_is_dropped_where_the_line_is_not_valid_with_it() {
    check("alive: a 1.1.1.1:1\r\nclock: 5\r\n", "a=1.1.1.1:1, clock 5");
    check("clock: 5\r\r\n", "nothing");
    check("clock: 5\nleave\r\n", "nothing");
    check("alive: cr\r 1.1.1.1:1\n", "cr\\r=1.1.1.1:1");
    check("#@failed: a 1.1.1.1:1 5\r\n", "failed a=1.1.1.1:1@5");
    check("clock: 12alive: a 1.1.1.1:1\r\n", "a=1.1.1.1:1");
    check("alive: b 2.2alive: a 1.1.1.1:1\r\n", "a=1.1.1.1:1");
}

#[test]
fn a_not_alive_line_loses_its_cr_only_for_the_sake_of_a_known_node() {
    let (bare, cr) = ("alive: a 1.1.1.1:1\n", "alive: a\r 2.2.2.2:2\n");
    check(format!("{bare}not-alive: a\r\n"), "nothing");
    check(format!("{cr}not-alive: a\r\n"), "nothing");
    check(format!("{bare}{cr}not-alive: a\r\n"), "a=1.1.1.1:1");
    check(format!("{bare}not-alive: b\r\n"), "a=1.1.1.1:1");
    check("#@failed: a 1.1.1.1:1 5\nnot-alive: a\r\n", "nothing");
    check(format!("#@failed: a\r 1.1.1.1:1 5\n{bare}not-alive: a\r\n"), "a=1.1.1.1:1");
}

#[test]
fn salvage_takes_the_rightmost_record_that_is_valid() {
    check("xalive: a 1.1.1.1:1\n", "a=1.1.1.1:1");
    check("xalive: a 1.1alive: b 2.2.2.2:2\n", "b=2.2.2.2:2");
    check("xalive: aalive:  1.1.1.1:1\n", "aalive: =1.1.1.1:1");
    check("alive: alive: a 1.1.1.1:1\n", "a=1.1.1.1:1");
    check("alive: aalive: b 2.2.2.2:0\n", "nothing");
    check("alive: aalive:  1.1.1.1:1\n", "aalive: =1.1.1.1:1");
    check("coordinate: {\"Vec\":[0,0alive: a 1.1.1.1:1\n", "a=1.1.1.1:1");
    check("LEAVEalive: a 1.1.1.1:1\n", "a=1.1.1.1:1");
    check("xalive: a 1.1.1.1:1", "nothing");
}

#[test]
fn salvage_reaches_behind_a_hole_of_nuls() {
    check(b"alive: a 1.1\0\0\0\0\0\0\0\0alive: b 2.2.2.2:2\n", "b=2.2.2.2:2");
    check(b"\0\0\0\0\0\0\0\0\0alive: b 2.2.2.2:2\nclock: 3\n", "b=2.2.2.2:2, clock 3");
    check(b"\0\0\0\0\0\0\0\0clock: 3\nalive: a 1.1.1.1:1\n", "a=1.1.1.1:1");
    check(b"alive: a 1.1.1.1:1\n\0\0\0\0\0\0\0\0leave\n", "a=1.1.1.1:1");
}

#[test]
fn salvage_leaves_other_lines_alone() {
    check("# alive: a 1.1.1.1:1\n", "nothing");
    check("#@failed: xalive: a 1.1.1.1:1\n", "nothing");
    check("#@noise: alive: a 1.1.1.1:1\n", "nothing");
    check("not-alive: alive: a 1.1.1.1:1\n", "nothing");
    check("xnot-alive: a 1.1.1.1:1\n", "nothing");
    check("alive: b not-alive: a 1.1.1.1:1\n", "b not-alive: a=1.1.1.1:1");
    check("xnot-alive: a alive: b 2.2.2.2:2\n", "b=2.2.2.2:2");
    check("alive: a 1.1.1.1:1\nxnot-alive: a\n", "a=1.1.1.1:1");
    check("clock: 1clock: 2\n", "nothing");
}

#[test]
fn a_salvaged_node_replaces_none_that_is_alive() {
    check("alive: a 1.1.1.1:1\nxalive: a 2.2.2.2:2\n", "a=1.1.1.1:1");
    check("alive: a 1.1.1.1:1\nalive: b 3.3alive: a 2.2.2.2:2\n", "a=1.1.1.1:1");
    check("#@failed: a 1.1.1.1:1 5\nxalive: a 2.2.2.2:2\n", "a=2.2.2.2:2");
}

#[test]
fn failed_nodes() {
    check("#@failed: a 1.1.1.1:1 5\n", "failed a=1.1.1.1:1@5");
    check("#@failed: a b 1.1.1.1:1 007\n", "failed a b=1.1.1.1:1@7");
    check("#@failed: a 1.1.1.1:1 5\n#@failed: a 2.2.2.2:2 3\n", "failed a=2.2.2.2:2@3");
    check("#@failed: a 1.1.1.1:1 5\nalive: a 2.2.2.2:2\n", "a=2.2.2.2:2");
    check("#@failed: a 1.1.1.1:1 5\nalive: a 2.2.2.2:0\n", "failed a=1.1.1.1:1@5");
    check("#@failed: a 1.1.1.1:1 5\nnot-alive: a\n", "nothing");
    check("#@failed: a 1.1.1.1:1 5\nleave\n", "nothing");
    check("alive: a 1.1.1.1:1\n#@failed: a 2.2.2.2:2 5\n", "a=1.1.1.1:1");
    check("alive: a 1.1.1.1:1\nnot-alive: a\n#@failed: a 2.2.2.2:2 5\n", "failed a=2.2.2.2:2@5");
    for wrong in ["a 1.1.1.1:1", "a 1.1.1.1:1 x", "a 1.1.1.1:0 5", " 1.1.1.1:1 5", "a  5", ""] {
        check(format!("#@failed: {wrong}\n"), "nothing");
    }
}

#[test]
fn the_oldest_failed_node_goes_first() {
    let rules = Rules { max_failed: 2, ..Rules::hardened(false) };
    let read = |lines: &[&str]| {
        let mut model = Model::default();
        for line in lines {
            model.apply_line(line.as_bytes(), &rules);
        }
        render(&model)
    };
    let (b9, a9, c9) = ("#@failed: b h:1 9", "#@failed: a h:1 9", "#@failed: c h:1 9");
    let (c1, c10) = ("#@failed: c h:1 1", "#@failed: c h:1 10");
    assert_eq!(read(&[b9, a9, c10]), "failed b=h:1@9, failed c=h:1@10", "by name when as old");
    assert_eq!(read(&[b9, c9, a9]), "failed b=h:1@9, failed c=h:1@9", "the new one may go itself");
    assert_eq!(read(&[b9, a9, c1]), "failed a=h:1@9, failed b=h:1@9", "by time before name");
    assert_eq!(read(&[a9, b9, b9]), "failed a=h:1@9, failed b=h:1@9", "a replaced one is no third");
    assert_eq!(read(&[c1, a9, "alive: c h:2", b9]), "c=h:2, failed a=h:1@9, failed b=h:1@9");
}

#[test]
fn a_leave_clears_all_but_with_rejoin_nothing() {
    let input =
        b"alive: a h:1\n#@failed: b h:2 5\nclock: 1\nevent-clock: 2\nquery-clock: 3\nleave\n\
        clock: 4\nalive: c h:3\n";
    check(input, "c=h:3, clock 4");
    let rejoined = replay(input, &Rules::hardened(true));
    assert_eq!(render(&rejoined), "a=h:1, c=h:3, failed b=h:2@5, clock 4, event 2, query 3");
}

#[test]
fn lines_can_be_applied_one_by_one_in_either_mode() {
    let lines: [&[u8]; 5] =
        [b"alive: xalive: a h:1", b"#@failed: b h:2 5", b"clock: 4", b"clock: 4\r", b"nonsense"];
    let read = |rules: Rules| {
        let mut model = Model::default();
        for line in lines {
            model.apply_line(line, &rules);
        }
        render(&model)
    };
    assert_eq!(read(Rules::hardened(false)), "xalive: a=h:1, failed b=h:2@5, clock 4");
    let serf = Rules { max_failed: 9, ..Rules::serf(false) };
    assert_eq!(read(serf), "xalive: a=h:1, clock 4");
}

/// A long oracle is no longer one whose errors could be seen.
#[test]
fn the_oracle_stays_small() {
    let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines = include_str!("../src/lib.rs").lines().filter(code).count();
    assert!(lines <= 160, "{lines} lines of code");
}
