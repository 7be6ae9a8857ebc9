use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;

use clap::Parser;
use tempfile::TempDir;

use super::hints::{Hint, Revive};
use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// A fleet in a directory of its own.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { directory }
    }

    fn read(&self, flags: &str) -> Fleet {
        let words = ["fleet"].into_iter().chain(flags.split_whitespace()).map(OsString::from);
        let line = Line::parse_from(words.chain([self.directory.path().into()]));
        Fleet::read(&line.args.paths, line.args.outlook.outset(line.args.rules)).unwrap()
    }
}

fn object(fleet: &Fleet) -> serde_json::Value {
    let mut text = Vec::new();
    json::print(&mut text, fleet).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[track_caller]
fn check(files: &[(&str, &str)], flags: &str, key: &str, expect: &str) {
    let object = object(&Files::new(files).read(flags));
    let expect: serde_json::Value = serde_json::from_str(expect).unwrap();
    assert_eq!(object[key], expect, "{key} of {object}");
}

const A: (&str, &str) = ("a.snap", "alive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\n");
const B: (&str, &str) = ("b.snap", "alive: b 10.0.0.2:1\nalive: a 10.0.0.1:1\n");

#[test]
fn edges_go_by_the_current_address() {
    check(&[A, B], "", "verdict", r#""whole""#);
    let moved = ("b.snap", "alive: b 10.0.0.2:1\nalive: a 10.0.0.1:1\nalive: b 10.0.0.10:1\n");
    check(&[A, moved], "", "verdict", r#""order""#);
    check(&[A, moved], "", "order", r#"["a","b"]"#);
    let stale = r#"[{"name":"b","addrs":["10.0.0.2:1","10.0.0.10:1"],"current":"10.0.0.10:1"}]"#;
    check(&[A, moved], "", "stale", stale);
    // Another name at the right address is as good.
    let renamed = ("a.snap", "alive: a 10.0.0.1:1\nalive: old-b 10.0.0.10:1\n");
    check(&[renamed, moved], "", "verdict", r#""whole""#);
    // One's own name elsewhere is nobody, and so is one's own address under another name.
    let own = ("b.snap", "alive: b 10.0.0.2:1\nalive: x 10.0.0.2:1\n");
    check(&[A, own], "", "order", r#"["b","a"]"#);
    let own = ("b.snap", "#@failed: b 10.0.0.1:1 5\n");
    check(&[A, own], "--with-failed", "order", r#"["b","a"]"#);
}

#[test]
fn who_left_is_where_the_others_have_it() {
    let left = ("b.snap", "alive: b 10.0.0.2:1\nalive: a 10.0.0.1:1\nleave\nclock: 9\n");
    check(&[A, left], "", "order", r#"["b","a"]"#);
    check(&[A, left], "--as nomad", "verdict", r#""whole""#);
    let object = object(&Files::new(&[A, left]).read(""));
    assert_eq!(object["findings"][0]["kind"], "left");
    assert_eq!(object["owners"][1]["addr"], "10.0.0.2:1");
    let empty = ("b/local.snapshot", "clock: 1\n");
    check(&[A, empty], "", "order", r#"["b","a"]"#);
}

#[test]
fn failed_nodes_and_retries_count_when_they_are_asked_for() {
    let failed = ("b.snap", "alive: b 10.0.0.2:1\n#@failed: a 10.0.0.1:1 5\n");
    check(&[A, failed], "", "verdict", r#""order""#);
    check(&[A, failed], "--with-failed", "verdict", r#""whole""#);
    check(&[A, failed], "--as serf --with-failed", "verdict", r#""order""#);
    check(&[A, failed], "--retrying", "verdict", r#""whole""#);
    let alone = ("b.snap", "alive: b 10.0.0.2:1\n");
    let c = ("c.snap", "alive: c 10.0.0.3:1\n");
    check(&[A, alone, c], "--retrying", "verdict", r#""split""#);
    check(&[A, alone, c], "--retrying", "islands", r#"[["a","b"],["c"]]"#);
    check(&[A, alone, c], "--retrying", "islands_in_order", "2");
}

#[test]
fn files_that_begin_alike_are_clones() {
    let same = "alive: x 10.0.0.1:1\n";
    let fleet = Files::new(&[("1/p", same), ("2/q", same), A, ("3/empty.snap", "")]).read("");
    let names = |clones: &Vec<usize>| -> Vec<_> {
        clones.iter().map(|agent| fleet.owners[*agent].node.clone()).collect()
    };
    assert_eq!(fleet.clones.iter().map(names).collect::<Vec<_>>(), [[b"x", b"x"]]);
    let long = |end: &str| format!("{}{end}", "clock: 1\n".repeat(456)).into_bytes();
    let long = ["alive: a 1.1.1.1:1\n", "alive: b 1.1.1.1:1\n"].map(long);
    assert!(long[0].len() > 4096 && long[0][..4096] == long[1][..4096]);
    let long = long.map(|text| String::from_utf8(text).unwrap());
    check(&[("a", &long[0]), ("b", &long[1])], "", "clones", r#"[["a","b"]]"#);
}

#[test]
fn two_files_of_one_node_are_two_agents() {
    let fleet = Files::new(&[("1/a.snap", A.1), ("2/a.snap", A.1), B]).read("");
    let object = object(&fleet);
    assert_eq!(object["files"], 3);
    let kinds: Vec<_> = object["findings"].as_array().unwrap().iter().map(|f| &f["kind"]).collect();
    assert_eq!(kinds, ["same-name", "same-address"]);
    assert_eq!(object["islands"].as_array().unwrap().len(), 1, "b reaches both by their address");
}

#[test]
fn a_clock_far_ahead_is_told() {
    let with = |name: &str, time: u64| format!("alive: {name} 10.0.0.1:1\nevent-clock: {time}\n");
    let files = ["a", "b", "c", "w7"]
        .map(|name| with(name, if name == "w7" { 4_000_000_000_000 } else { 1204 }));
    let names = ["a.snap", "b.snap", "c.snap", "w7.snap"];
    let files: Vec<_> = names.into_iter().zip(files.iter().map(String::as_str)).collect();
    let expect = r#"[{"node":"w7","event_clock":4000000000000,"median":1204}]"#;
    check(&files, "", "clock_outliers", expect);
    // One that was away is behind, and who is a little ahead is in order.
    let files = ["a", "b", "c", "d"].map(|name| with(name, if name == "d" { 900_000 } else { 7 }));
    let files: Vec<_> = names.into_iter().zip(files.iter().map(String::as_str)).collect();
    check(&files, "", "clock_outliers", "[]");
}

/// Numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A log of joins and failures, and whom it has alive in the end.
fn log(own: u64, agents: u64, chance: &mut Chance) -> (String, BTreeSet<u64>) {
    let mut text = format!("alive: n{own} 10.0.0.{own}:1\n");
    let mut alive = BTreeSet::new();
    for _ in 0..chance.below(8) {
        let other = chance.below(agents);
        if other == own {
            continue;
        }
        if chance.below(3) > 0 {
            writeln!(text, "alive: n{other} 10.0.0.{other}:1").unwrap();
            alive.insert(other);
        } else {
            writeln!(text, "not-alive: n{other}").unwrap();
            alive.remove(&other);
        }
    }
    (text, alive)
}

#[test]
fn with_the_hints_an_order_makes_one_cluster() {
    let mut chance = Chance(11);
    let mut by_log = 0;
    for _ in 0..300 {
        let agents = 2 + chance.below(6);
        let logs: Vec<_> = (0..agents).map(|own| log(own, agents, &mut chance)).collect();
        let names: Vec<_> = (0..agents).map(|own| format!("n{own}.snap")).collect();
        let texts: Vec<_> =
            names.iter().zip(&logs).map(|(name, (text, _))| (&**name, &**text)).collect();
        let files = Files::new(&texts);
        let fleet = files.read("");
        for (agent, (_, alive)) in logs.iter().enumerate() {
            let tried: BTreeSet<u64> =
                fleet.graph.tried_by(agent).map(|other| other as u64).collect();
            assert_eq!(tried, *alive, "n{agent} of {logs:?}");
        }
        let sinks = fleet.islands_in_order();
        if fleet.islands.len() == 1 {
            assert!(fleet.hints.is_empty());
            continue;
        }
        assert_eq!(fleet.hints.len(), sinks, "one for each: {logs:?}");
        for hint in &fleet.hints {
            let line = format!("alive: n{0} 10.0.0.{0}:1\n", hint.of);
            let path = &fleet.owners[hint.agent].path;
            if hint.revive.is_some() {
                by_log += 1;
                assert!(fs::read_to_string(path).unwrap().contains(&line));
            }
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(files.read("").islands_in_order(), 1, "{:?} of {logs:?}", fleet.hints);
    }
    assert!(by_log > 20, "some were in the logs: {by_log}");
}

#[test]
fn what_left_twice_is_not_revived() {
    let a = ("a.snap", "alive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\n");
    let b = |gone: &str| format!("alive: b 10.0.0.2:1\nalive: a 10.0.0.1:1\n{gone}");
    let check = |gone: &str, expect: Option<Revive>| {
        let text = b(gone);
        let fleet = Files::new(&[a, ("b.snap", &text)]).read("");
        assert_eq!(fleet.hints, [Hint { agent: 1, of: 0, revive: expect }], "{gone}");
    };
    check("not-alive: a\n", Some(Revive::Alive));
    check("not-alive: a\nnot-alive: a\n", None);
    check("not-alive: a\n#@failed: a 10.0.0.1:1 5\n", Some(Revive::WithFailed));
    check("alive: a 10.0.0.7:1\nnot-alive: a\n", None);
}

#[test]
fn every_reader_of_many_files_gives_the_same() {
    let names: Vec<_> = (0..200).map(|number| format!("n{number}.snap")).collect();
    let text = |number: u64| {
        format!(
            "alive: n{number} 10.0.0.1:{}\nalive: n{} 10.0.0.1:{}\n",
            number + 1,
            (number + 1) % 200,
            (number + 1) % 200 + 1
        )
    };
    let texts: Vec<_> = (0..200).map(text).collect();
    let files: Vec<_> =
        names.iter().map(|name| &**name).zip(texts.iter().map(|text| &**text)).collect();
    let files = Files::new(&files);
    let first = object(&files.read(""));
    assert_eq!(first["verdict"], "whole");
    for _ in 0..5 {
        assert_eq!(object(&files.read("")), first);
    }
}
