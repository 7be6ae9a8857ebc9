//! The code of docs/EMBEDDING.md, compiled and run: every block of the page stands in one of these files.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(unreachable_pub, reason = "the page shows functions as a host's crate has them")]

mod agent;
mod asynchronous;
mod metrics;
mod power;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use snapshot_io::{Durability, Health, LamportClock, LamportTime, Options};

const CODE: [&str; 4] = [
    include_str!("agent.rs"),
    include_str!("asynchronous.rs"),
    include_str!("metrics.rs"),
    include_str!("power.rs"),
];

fn page() -> String {
    fs::read_to_string(root().join("docs/EMBEDDING.md")).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_page_shows_code_that_runs() {
    let page = page();
    let mut blocks = 0;
    for block in page.split("```rust\n").skip(1) {
        let code = block.split("```").next().unwrap();
        assert!(CODE.iter().any(|file| file.contains(code)), "this runs nowhere:\n{code}");
        blocks += 1;
    }
    for file in CODE {
        for function in file.split("\npub ").skip(1) {
            let name = function.lines().next().unwrap();
            assert!(page.contains(name), "the page does not show {name}");
        }
    }
    assert!(blocks >= 8, "{blocks} blocks");
}

/// The words behind `begin` in a file, up to the end of its braces, which begin a line with a capital letter.
fn variants(file: &str, begin: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (_, body) = text.split_once(begin).unwrap();
    let lines =
        body.split("\n}").next().unwrap().lines().filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let end = |c: char| !c.is_ascii_alphanumeric();
    names.map(|line| line.split(end).next().unwrap().to_owned()).collect()
}

#[test]
fn the_page_says_what_to_do_with_each_error_and_finding() {
    let page = page();
    let lists = [
        ("crates/snapshot-io/src/error.rs", "pub enum OpenError {", 4),
        ("crates/snapshot-io/src/options.rs", "pub enum OnForeignCluster {", 3),
        ("crates/snapshot-engine/src/event.rs", "pub enum InvalidMember {", 6),
        ("crates/snapshot-engine/src/health.rs", "pub enum Cause {", 9),
        ("crates/snapshot-engine/src/health.rs", "pub enum Warning {", 5),
        ("crates/snapshot-engine/src/finding.rs", "pub enum FindingKind {", 21),
        ("crates/snapshot-engine/src/policy.rs", "pub enum Durability {", 3),
    ];
    for (file, begin, least) in lists {
        let found = variants(file, begin);
        assert!(found.len() >= least, "{begin} {found:?}");
        for variant in found {
            assert!(page.contains(&format!("`{variant}`")), "{begin} {variant} is not on the page");
        }
    }
}

#[test]
fn an_agent_lives_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serf.snapshot");
    let (alarms, _heard) = mpsc::channel::<Health>();
    let live = |time| {
        let clock = Arc::new(LamportClock::default());
        let options = agent::options("prod", "web-1", Arc::clone(&clock), alarms.clone()).unwrap();
        let (log, recovery) = agent::open(options, &path).unwrap();
        let words = agent::restore(&recovery, &clock);
        assert!(agent::joined(&log, b"evil\nalive: x 10.0.0.9:1", "10.0.0.9:1").is_err());
        let (contacts, contacted) = mpsc::channel();
        let contact = move |addr: &str| contacts.send(addr.to_owned()).is_ok();
        let (rejoiner, thread) = agent::rejoin(&log, contact);
        if recovery.alive > 0 {
            assert_eq!(contacted.recv().unwrap(), "10.0.0.2:7946");
        }
        agent::is_member(&rejoiner, b"web-2");
        thread.join().unwrap();
        agent::joined(&log, b"web-2", "10.0.0.2:7946").unwrap();
        clock.witness(LamportTime(time));
        let is_new = agent::is_new(&log, LamportTime(41));
        (log, rejoiner, words, is_new)
    };
    let (log, _, words, is_new) = live(7);
    assert_eq!((words, is_new), (vec!["clean, alive: 0".to_owned()], true));
    drop(log);
    let (log, rejoiner, words, is_new) = live(9);
    assert_eq!((words, is_new), (vec!["clean, alive: 1".to_owned()], false));
    agent::leave(log, &rejoiner).unwrap();
    let (log, recovery) = Options::new().open(&path).unwrap();
    assert_eq!((recovery.alive, log.rejoin_candidates(8).len()), (0, 0));
}

#[test]
fn a_path_that_cannot_be_used_is_told_or_lived_with() {
    let dir = tempfile::tempdir().unwrap();
    let held = dir.path().join("held");
    let (_log, _) = Options::new().open(&held).unwrap();
    assert!(agent::open(Options::new(), &held).is_err(), "two agents on one file");
    let (log, recovery) = agent::open(Options::new(), &dir.path().join("no/such/dir")).unwrap();
    assert!(agent::is_new(&log, LamportTime(1)) && recovery.alive == 0);
}

#[test]
fn what_was_found_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serf.snapshot");
    fs::write(&path, "alive: a 10.0.0.1:1\nclock: soon\nclock: 7\n").unwrap();
    let (_log, recovery) = Options::new().open(&path).unwrap();
    let clock = LamportClock::default();
    let words = agent::restore(&recovery, &clock);
    assert_eq!(words, ["damaged, alive: 1", "line 2 at byte 20: invalid-clock"]);
    assert_eq!(clock.time(), LamportTime(8));
}

#[tokio::test]
async fn the_asynchronous_agent_lives_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serf.snapshot");
    for is_new in [true, false] {
        let (log, _) = asynchronous::open(path.clone()).await.unwrap();
        let (rejoiner, task) = asynchronous::rejoin(&log, |_| true);
        assert_eq!(asynchronous::take(&log, LamportTime(41)).await.unwrap(), is_new);
        asynchronous::shut_down(log, &rejoiner).await.unwrap();
        task.await.unwrap();
    }
}

#[test]
fn every_counter_is_a_figure() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().durability(Durability::Always);
    let (log, _) = options.open(dir.path().join("serf.snapshot")).unwrap();
    agent::joined(&log, b"web-2", "10.0.0.2:7946").unwrap();
    log.sync().wait(Duration::from_secs(5)).unwrap();
    let text = metrics::metrics(&log);
    for line in ["snapshot_healthy 1", "snapshot_durable 1", "snapshot_records_total 1"] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let stats = fs::read_to_string(root().join("crates/snapshot-engine/src/engine.rs")).unwrap();
    let (_, fields) = stats.split_once("pub struct Stats {").unwrap();
    let fields = fields.split("\n}").next().unwrap().lines();
    let fields: Vec<_> = fields.filter_map(|line| line.strip_prefix("    pub ")).collect();
    assert!(fields.len() >= 10);
    for field in fields {
        let name = field.split(':').next().unwrap();
        assert!(text.contains(&format!("snapshot_{name}")), "{name} is not told");
    }
}
