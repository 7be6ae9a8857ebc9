//! The examples are run as a user runs them, and print what they promise; the README shows the first of them.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../examples/embed.rs"]
#[expect(dead_code, reason = "its `main` is for `cargo run`")]
mod embed;
#[path = "../examples/embed_tokio.rs"]
#[expect(dead_code, reason = "its `main` is for `cargo run`")]
mod embed_tokio;

use std::fs;
use std::path::Path;

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
fn the_readme_shows_the_example() {
    let example = read("examples/embed.rs");
    let (_, host_loop) = example.split_once("/// One life").unwrap();
    assert_eq!(readme_block("embed"), format!("/// One life{host_loop}"));
}

#[test]
fn the_examples_are_short() {
    for example in ["embed.rs", "embed_tokio.rs"] {
        let text = read(&format!("examples/{example}"));
        let lines = text.lines().count();
        assert!(lines <= 60, "{example} has {lines} lines, 60 are the most");
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
