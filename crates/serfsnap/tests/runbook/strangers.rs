//! Entries about agents that find whom they should not.

use std::process::Command;

use rustix::process::Signal;

use crate::stage::Stage;

#[test]
fn nodes_of_another_cluster_keep_coming_back() {
    let names = ["n1", "n2", "x1"];
    let stage = Stage::with_hosts("nodes_of_another_cluster_keep_coming_back", 61, &names);
    let Some(mut stage) = stage else { return };
    stage.start_cluster_of(&["n1", "n2"]);
    stage.host("x1").start();
    stage.wait_idle();
    // The file of the other cluster is put where that of n2 was; where n1 is stands in its configuration.
    stage.host("n2").end(Signal::TERM);
    copy(&mut stage, "x1", "n2");
    stage.start_joining("n2", "n1");
    for name in names {
        stage.host(name).wait_knows(&names);
    }
    stage.wait_idle();
    stage.play();
    stage.play();
    stage.play();
    // The name of a backup has the second, and would have a number behind it if one of this second were there.
    stage.wait_idle();
    stage.play();
    stage.play();
    // Each has tried those whom it knows, so nobody finds anybody any more.
    stage.host("n2").wait_knows(&["n1", "n2"]);
    stage.host("x1").wait_knows(&["x1"]);
    stage.end();
}

#[test]
fn a_cloned_image() {
    let Some(mut stage) = Stage::with_hosts("a_cloned_image", 71, &["n1", "n2", "n3"]) else {
        return;
    };
    // A file with some history, as that of an agent which has run for weeks.
    stage.host("n1").has_seen_events(300);
    stage.start_cluster_of(&["n1", "n2"]);
    stage.wait_idle();
    stage.host("n1").serf(&["event", "flush"]);
    stage.wait_idle();
    copy(&mut stage, "n1", "n3");
    stage.host("n3").start();
    stage.host("n1").wait_knows(&["n1", "n2", "n3"]);
    stage.wait_idle();
    stage.play();
    stage.play();
    stage.play();
    // An address of its own, as the page says: to the old one the others go on talking for a while.
    stage.host("n3").addr = "127.0.65.78".to_owned();
    stage.play();
    stage.host("n1").wait_knows(&["n1", "n2"]);
    stage.end();
}

fn copy(stage: &mut Stage, from: &str, to: &str) {
    let (from, to) = (stage.host(from).snapshot(), stage.host(to).snapshot());
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}
