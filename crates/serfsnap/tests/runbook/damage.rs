//! Entries about files that are damaged, or that say what never was.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::common::wait_until;
use crate::stage::{CHILD, Stage, have_the_network};

#[test]
fn a_torn_tail_after_a_power_cut() {
    let stage = Stage::with_hosts("a_torn_tail_after_a_power_cut", 91, &["n1", "n2"]);
    let Some(mut stage) = stage else { return };
    stage.start_cluster();
    stage.wait_idle();
    stage.host("n1").serf(&["event", "flush"]);
    stage.wait_idle();
    stage.host("n2").end(Signal::KILL);
    // The end of the last line has not reached the disk.
    truncate(&stage.host("n2").snapshot(), 6);
    stage.play();
    stage.play();
    stage.play();
    stage.end();
}

#[test]
fn an_unrecognized_snapshot_line() {
    let stage = Stage::with_hosts("an_unrecognized_snapshot_line", 96, &["n1", "n2"]);
    let Some(mut stage) = stage else { return };
    stage.start_cluster();
    stage.wait_idle();
    stage.host("n1").serf(&["event", "flush"]);
    stage.wait_idle();
    stage.host("n2").end(Signal::KILL);
    truncate(&stage.host("n2").snapshot(), 8);
    // It appends to the torn line, and stumbles over it at its next start.
    stage.host("n2").start();
    stage.host("n2").wait_knows(&["n1", "n2"]);
    stage.host("n2").end(Signal::TERM);
    stage.host("n2").start();
    stage.play();
    stage.play();
    stage.play();
    stage.play();
    stage.end();
}

#[test]
fn a_poisoned_clock() {
    let names = ["n1", "n2"];
    let Some(mut stage) = Stage::with_hosts("a_poisoned_clock", 101, &names) else { return };
    stage.start_cluster();
    stage.wait_idle();
    stage.host("n1").serf(&["event", "flush"]);
    stage.wait_idle();
    // One file is poisoned, and its agent tells the other.
    stage.host("n2").end(Signal::TERM);
    let path = stage.host("n2").snapshot();
    append(&path, "event-clock: 18446744073709551614\n");
    stage.host("n2").start();
    stage.host("n1").wait_knows(&names);
    stage.wait_idle();
    // The last event for which the clock has a time.
    stage.host("n1").serf(&["event", "-coalesce=false", "last"]);
    for name in names {
        stage.host(name).wait_said("user-event: last");
    }
    stage.wait_idle();
    stage.play();
    stage.play();
    // It does not only take its time.
    stage.host("n1").serf(&["query", "-timeout=500ms", "later"]);
    for name in names {
        stage.host(name).wait_said("query: later");
        assert!(!stage.host(name).said().contains("user-event: deploy"));
    }
    stage.play();
    stage.play();
    stage.end();
}

#[test]
fn the_disk_was_full() {
    let name = "the_disk_was_full";
    if std::env::var_os(CHILD).is_none() {
        return in_namespace(name);
    }
    let Some(mut stage) = Stage::with_hosts(name, 81, &["n1", "n2", "n3"]) else { return };
    let disk = stage.host("n3").dir.clone();
    let mount = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
    let status = Command::new("mount").args(mount).arg(&disk).status().unwrap();
    assert!(status.success(), "a tmpfs is mounted");
    // Its last block is nearly full: what is left of it can be written, however full the disk is.
    stage.host("n3").has_seen_events(235);
    stage.start_cluster_of(&["n1", "n3"]);
    stage.host("n1").serf(&["event", "flush"]);
    stage.wait_idle();
    fill(&disk);
    wait_until("the disk is full for the agent", || {
        stage.host("n1").serf(&["event", "while-full"]);
        stage.host("n3").said().contains("no space left on device")
    });
    // What happens now is in no file of n3.
    stage.start_joining("n2", "n1");
    stage.host("n3").wait_knows(&["n1", "n2", "n3"]);
    stage.play();
    stage.play();
    stage.play();
    stage.play();
    stage.host("n3").wait_knows(&["n1", "n2", "n3"]);
    stage.wait_idle();
    stage.play();
    stage.end();
}

fn truncate(path: &Path, bytes: u64) {
    let size = format!("--size=-{bytes}");
    assert!(Command::new("truncate").arg(size).arg(path).status().unwrap().success());
}

fn append(path: &Path, text: &str) {
    let script = "printf %s \"$1\" >> \"$2\"";
    let status = Command::new("sh").args(["-c", script, "sh", text]).arg(path).status();
    assert!(status.unwrap().success());
}

/// Another program takes all there is.
fn fill(disk: &Path) {
    let of = format!("of={}", disk.join("hog").display());
    let mut dd = Command::new("dd");
    let output = dd.args(["if=/dev/zero", &of, "bs=512"]).output().unwrap();
    assert!(!output.status.success(), "the disk is full");
}

/// Runs the test in a mount namespace of its own, as the only one of another process.
fn in_namespace(test: &str) {
    have_the_network();
    let unshare = ["--mount", "--propagation", "private"];
    let can = Command::new("unshare").args(unshare).arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("skipped: {test}: mounting is not allowed here");
        return;
    }
    let mut child = Command::new("unshare");
    child.args(unshare).arg(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("damage::{test}"), "--nocapture"]).env(CHILD, "1");
    let output = child.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
    print!("{said}");
}
