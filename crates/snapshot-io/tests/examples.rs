//! The examples are run as a user runs them, and print what they promise; the README shows the first of them.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../examples/embed.rs"]
#[expect(dead_code, reason = "its `main` is for `cargo run`")]
mod embed;
#[path = "../examples/embed_tokio.rs"]
#[expect(dead_code, reason = "its `main` is for `cargo run`")]
mod embed_tokio;
#[path = "../examples/foca.rs"]
#[expect(dead_code, reason = "its `main` is for `cargo run`")]
mod swim;

use std::fs;
use std::path::Path;

use snapshot_io::{LamportTime, Options, Recovery};

#[test]
fn an_agent_finds_its_cluster_again_and_handles_no_event_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    embed::run(&dir.path().join("serf.snapshot"), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), readme_block("embedded"));
}

#[tokio::test]
async fn the_asynchronous_twin_does_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    embed_tokio::run(&dir.path().join("serf.snapshot"), &mut out).await.unwrap();
    let expect = "\
starts and tries []
  handles deploy 41
starts and tries [\"10.0.0.2:7946\"]
  has handled deploy 41
  handles deploy 42
";
    assert_eq!(String::from_utf8(out).unwrap(), expect);
}

#[test]
fn a_node_of_another_engine_finds_its_cluster_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    swim::run(dir.path(), &mut out).unwrap();
    let expect = "\
three nodes have found each other
node-3 has crashed, and the others know
node-3 starts again and looks for 2 nodes
all three are together
";
    assert_eq!(String::from_utf8(out).unwrap(), expect);
    let [crashed, last] = ["3-crashed", "1"].map(|file| read_back(&dir.path().join(file)));
    assert_eq!((crashed.alive, last.alive), (2, 2));
    assert!(crashed.clocks.clock >= LamportTime(2), "the second life is a later one");
}

/// What the next life of a node would recover.
fn read_back(path: &Path) -> Recovery {
    Options::new().open(path).unwrap().1
}

#[test]
fn the_readme_shows_the_example() {
    let example = read("examples/embed.rs");
    let (_, host_loop) = example.split_once("/// One life").unwrap();
    assert_eq!(readme_block("embed"), format!("/// One life{host_loop}"));
}

#[test]
fn the_examples_are_short() {
    for (example, most) in [("embed.rs", 60), ("embed_tokio.rs", 60), ("foca.rs", 150)] {
        let text = read(&format!("examples/{example}"));
        let lines = text.lines().count();
        assert!(lines <= most, "{example} has {lines} lines, {most} are the most");
    }
}

/// What stands in the README's code fence behind `<!-- NAME -->`.
fn readme_block(name: &str) -> String {
    let readme = read("../../README.md");
    let (_, from) = readme.split_once(&format!("<!-- {name} -->\n```")).unwrap();
    let (_, text) = from.split_once('\n').unwrap();
    text.split("```").next().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
