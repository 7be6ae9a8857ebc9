//! Nothing but what was shown has changed: random files, random edits, and the oracle before and after.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use common::changes::{said, with_changes};
use common::{alone, contents, serfsnap, stderr};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::Value;
use snapshot_format::{Record, Sealer, UnixMillis};
use snapshot_model::{Model, Rules, replay, warnings};

type Nodes = BTreeMap<Vec<u8>, Vec<u8>>;

const NAMES: [&str; 6] = ["a", "b", "c c", "d\r", "#e", "leave"];

fn line() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(NAMES.to_vec());
    let addr = || {
        prop_oneof![
            4 => (0_u8..3, 0_u8..3, 1_u8..3).prop_map(|(net, host, port)| format!("10.0.{net}.{host}:{port}")),
            1 => (0_u8..3).prop_map(|host| format!("[fd00::{host}]:1")),
            1 => Just("web-1:1".to_owned()),
        ]
    };
    prop_oneof![
        8 => (name(), addr()).prop_map(|(name, addr)| format!("alive: {name} {addr}\n")),
        4 => name().prop_map(|name| format!("not-alive: {name}\n")),
        3 => (name(), addr(), 0_u8..9).prop_map(|(name, addr, at)| format!("#@failed: {name} {addr} {at}\n")),
        1 => (0_u8..9).prop_map(|time| format!("clock: {time}\n")),
        1 => (0_u8..9).prop_map(|time| format!("event-clock: {time}\n")),
        1 => (0_u8..9).prop_map(|time| format!("query-clock: {time}\n")),
        2 => Just("leave\n".to_owned()),
        1 => "[a-z]{0,3}".prop_map(|text| format!("# {text}\n")),
    ]
}

fn seal(lines: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new();
    sealer.update(lines);
    let mut batch = lines.to_vec();
    Record::Seal(sealer.seal(UnixMillis(1_763_867_000_000))).encode(&mut batch);
    batch
}

/// As agents and our recorder write them, with people's comments between, perhaps with a torn end.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::collection::vec(line(), 0..12).prop_map(|lines| lines.concat().into_bytes());
    let batch = (lines, any::<bool>())
        .prop_map(|(lines, sealed)| if sealed { seal(&lines) } else { lines });
    let torn = prop::sample::select(vec![&b""[..], b"", b"alive: x 10.0.0"]);
    (prop::collection::vec(batch, 0..4), torn)
        .prop_map(|(batches, torn)| [&batches.concat()[..], torn].concat())
}

/// The same with damage of all kinds.
fn odd_file() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(vec![
        &b"\r\n"[..],
        b"alive: x nowhere\n",
        b"alive: y 10.0.0alive: z 10.0.0.1:1\n",
        b"alive: a 10.0.0alive: b 10.0.2.2:1\n",
        b"\0\0\0\0\0\0\0\0\0alive: c c 10.0.0.1:1\n",
        b"clock: x\n",
        b"event-clock: 18446744073709551615\n",
        b"leave\r\n",
        b"\xef\xbb\xbf",
        b"#@what: ever\n",
        b"not-alive: a\r\n",
        b"alive: \xff\x1b[2J 10.0.0.1:1\n",
    ]);
    let part = prop_oneof![2 => file(), 1 => odd.prop_map(<[u8]>::to_vec)];
    prop::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
}

fn command() -> impl Strategy<Value = Vec<String>> {
    let one = |options: Vec<&'static str>| {
        let options: Vec<Vec<String>> =
            options.iter().map(|one| one.split(' ').map(str::to_owned).collect()).collect();
        prop::sample::select(options)
    };
    let name = prop::sample::select(NAMES.to_vec())
        .prop_map(|name| vec!["prune".to_owned(), "--name".to_owned(), name.to_owned()]);
    let allow = any::<bool>();
    let prune = one(vec![
        "prune --cidr 10.0.1.0/24",
        "prune --cidr 10.0.0.0/16 --port 2",
        "prune --cidr fd00::/8,10.0.2.0/24",
        "prune --port 1",
        "prune --drop-failed",
        "prune --drop-failed --cidr 10.0.1.0/24",
        "prune --keep-cidr 10.0.0.0/23",
    ]);
    let prune = (prop_oneof![prune, name], allow).prop_map(|(mut command, allow)| {
        command.extend(allow.then(|| "--allow-empty".to_owned()));
        command
    });
    let others = one(vec![
        "compact",
        "repair",
        "readdress --map 10.0.0.0/24=10.0.9.0/24",
        "readdress --map 10.0.1.0/24=10.0.2.0/24 --map 10.0.1.1=web-7 --map [fd00::1]:1=10.0.0.1:9",
        "revive",
        "revive --with-failed",
        "revive --since-line 5",
        "set-clock --clock 2",
        "set-clock --clock 0 --event-clock 3 --query-clock 7",
    ]);
    prop_oneof![2 => prune, 3 => others]
}

fn run(command: &[String], options: &[&str], path: &Path) -> Output {
    let mut line = serfsnap();
    line.args(command).args(options).args(["--format", "json"]).arg(path);
    line.stdin(Stdio::null()).output().unwrap()
}

fn comments(file: &[u8]) -> Vec<&[u8]> {
    let whole = &file[..file.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)];
    let whole = whole.strip_prefix(b"\xef\xbb\xbf").unwrap_or(whole);
    let lines = whole.split(|byte| *byte == b'\n');
    lines.filter(|line| line.starts_with(b"#") && !line.starts_with(b"#@")).collect()
}

/// What a command is for, told once more in the simplest words.
fn check_purpose(command: &[String], file: &[u8], before: &Model, after: &Model) {
    let is = |words: &str| command.join(" ").trim_end_matches(" --allow-empty") == words;
    let nodes = |model: &Model| -> Nodes {
        let failed = model.failed.iter().map(|(name, (addr, _))| (name.clone(), addr.clone()));
        failed.chain(model.alive.clone()).collect()
    };
    let kept = |goes: fn(&str) -> bool| -> Nodes {
        let mut nodes = nodes(before);
        nodes.retain(|_, addr| !goes(str::from_utf8(addr).unwrap()));
        nodes
    };
    if is("prune --cidr 10.0.1.0/24") {
        assert!(nodes(after).values().all(|addr| !addr.starts_with(b"10.0.1.")));
    } else if is("prune --keep-cidr 10.0.0.0/23") {
        assert!(
            nodes(after)
                .values()
                .all(|addr| addr.starts_with(b"10.0.0.") || addr.starts_with(b"10.0.1."))
        );
    } else if is("prune --cidr 10.0.0.0/16 --port 2") {
        let goes = |addr: &str| addr.starts_with("10.") && addr.ends_with(":2");
        assert!(nodes(after).values().all(|addr| !goes(str::from_utf8(addr).unwrap())));
        // A node may be somewhere else to another reader, so more than these may go, but nobody comes.
        assert!(nodes(after).keys().all(|name| kept(goes).contains_key(name)));
    } else if is("prune --drop-failed") {
        assert!(after.failed.is_empty() && after.alive == before.alive);
    } else if command[0] == "readdress" {
        assert!(nodes(after).keys().eq(nodes(before).keys()));
        let old: &[u8] = if command.len() == 3 { b"10.0.0." } else { b"10.0.1." };
        assert!(nodes(after).values().all(|addr| !addr.starts_with(old)));
    } else if is("set-clock --clock 2") {
        assert_eq!(after.clock, before.clock.min(2));
    } else if command[0] == "revive" {
        assert!(!is("revive --with-failed") || after.failed.is_empty());
        check_revived(file, before, after, command.len() == 1);
    } else if command[0] == "prune" && command[1] == "--name" {
        let name = command[2].as_bytes();
        let mut expect = before.clone();
        _ = (expect.alive.remove(name), expect.failed.remove(name));
        assert_eq!(&expect, after);
    } else if command[0] == "compact" {
        assert_eq!(before, after);
    }
}

/// Nobody is lost, nobody comes from nowhere, and whoever went once and has not come back does come back.
fn check_revived(file: &[u8], before: &Model, after: &Model, all: bool) {
    let lines: Vec<_> = file.split(|byte| *byte == b'\n').collect();
    for (name, addr) in &after.alive {
        let said = |line: &&[u8]| {
            let alive = [b"alive: ", &name[..], b" ", addr].concat();
            let failed = [b"#@failed: ", &name[..], b" ", addr, b" "].concat();
            *line == alive || line.starts_with(&failed)
        };
        assert!(
            lines.iter().any(said),
            "{} is nowhere at {}",
            name.escape_ascii(),
            addr.escape_ascii()
        );
    }
    assert!(before.alive.iter().all(|(name, addr)| after.alive.get(name) == Some(addr)));
    let is_plain = !lines.iter().any(|line| *line == b"leave" || line.starts_with(b"#@seal"));
    if !all || !is_plain {
        return;
    }
    for name in NAMES.map(str::as_bytes) {
        let alive = [b"alive: ", name, b" "].concat();
        let gone = [b"not-alive: ", name].concat();
        let last = lines[..lines.len() - 1].iter().rposition(|line| line.starts_with(&alive));
        let times = last.map_or(0, |at| lines[at..].iter().filter(|line| **line == gone).count());
        let is_back = last.is_some() && times < 2;
        assert_eq!(after.alive.contains_key(name), is_back, "{}", name.escape_ascii());
    }
}

fn check(file: &[u8], command: &[String]) -> TestCaseResult {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("snapshot");
    fs::write(&path, file).unwrap();
    let dry = run(command, &[], &path);
    prop_assert!(contents(directory.path()) == [(path.clone(), file.to_vec())], "a dry run");
    let done = run(command, &["--yes"], &path);
    let after = fs::read(&path).unwrap();
    if dry.status.code() == Some(2) {
        prop_assert_eq!(stderr(&dry), stderr(&done));
        prop_assert!(after == file, "refused and written: {}", stderr(&done));
        return Ok(());
    }
    prop_assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let mut shown: Value = serde_json::from_slice(&done.stdout).unwrap();
    let would: Value = serde_json::from_slice(&dry.stdout).unwrap();
    let changes = would["changes"] == true;
    prop_assert_eq!(dry.status.code(), Some(i32::from(changes)));
    let is_damaged = would["findings_total"] != 0;
    if !is_damaged {
        for rejoins in [false, true] {
            check_purpose(command, file, &said(file, rejoins), &said(&after, rejoins));
        }
    }
    if !changes {
        prop_assert!(contents(directory.path()) == [(path.clone(), file.to_vec())]);
        return Ok(());
    }
    let backup = PathBuf::from(shown["backup"].as_str().unwrap());
    prop_assert!(fs::read(backup).unwrap() == file);
    shown["backup"] = Value::Null;
    shown["written"] = false.into();
    prop_assert_eq!(&shown, &would, "a dry run shows what will be done");
    prop_assert_eq!(&shown["new_bytes"], after.len());
    check_after(file, &after, &shown)?;
    let again = run(command, &[], &path);
    prop_assert_eq!(again.status.code(), Some(0), "there is nothing left to do");
    Ok(())
}

fn check_after(before: &[u8], after: &[u8], shown: &Value) -> TestCaseResult {
    for rejoins in [false, true] {
        let expect = with_changes(said(before, rejoins), shown, rejoins);
        let found = said(after, rejoins);
        prop_assert_eq!(&found, &expect, "with rejoin {}: {}", rejoins, after.escape_ascii());
        let ours = replay(after, &Rules::hardened(rejoins));
        prop_assert_eq!(&ours, &found, "both readers agree on what we write");
    }
    let (old, new) = (said(before, false).alive, said(after, false).alive);
    let kept = old.iter().filter(|(name, addr)| new.get(*name) == Some(*addr)).count();
    prop_assert_eq!(&shown["kept"], kept);
    prop_assert_eq!(warnings(after), 0);
    prop_assert_eq!(comments(after), comments(before));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_but_what_was_shown_has_changed(file in file(), command in command()) {
        let _alone = alone();
        check(&file, &command)?;
    }

    #[test]
    fn nor_in_a_damaged_file(file in odd_file(), command in command()) {
        let _alone = alone();
        check(&file, &command)?;
    }
}
