//! Entries about agents that do not find each other.

use std::fs;

use rustix::process::Signal;

use crate::stage::Stage;

const NAMES: [&str; 3] = ["n1", "n2", "n3"];

#[test]
fn an_event_makes_every_agent_flush() {
    let stage = Stage::with_hosts("an_event_makes_every_agent_flush", 1, &NAMES);
    let Some(mut stage) = stage else { return };
    stage.start_cluster();
    stage.wait_idle();
    // Whoever hears of the others in two goes, on a busy machine, writes down the first of them.
    while stage.host("n3").file_knows() != 1 {
        stage.host("n3").end(Signal::TERM);
        fs::remove_file(stage.host("n3").snapshot()).unwrap();
        stage.start_joining("n3", "n1");
        stage.host("n3").wait_knows(&NAMES);
        stage.wait_idle();
    }
    stage.play();
    stage.play();
    stage.play();
    // With an event behind them all are killed, which no agent can answer by writing.
    for name in NAMES {
        stage.host(name).end(Signal::KILL);
    }
    stage.play();
    stage.end();
}

#[test]
fn islands_after_an_outage() {
    let Some(mut stage) = Stage::with_hosts("islands_after_an_outage", 11, &NAMES) else { return };
    one_after_another(&mut stage);
    for name in NAMES {
        stage.host(name).start();
    }
    stage.play();
    stage.play();
    stage.play();
    stage.play();
    stage.end();
}

#[test]
fn islands_before_the_start() {
    let Some(mut stage) = Stage::with_hosts("islands_before_the_start", 16, &NAMES) else { return };
    one_after_another(&mut stage);
    stage.play();
    stage.play();
    stage.play();
    stage.end();
}

/// The agents go one after the other, and those that are left see it.
fn one_after_another(stage: &mut Stage) {
    stage.start_cluster();
    stage.wait_idle();
    stage.host("n1").serf(&["event", "flush"]);
    stage.wait_idle();
    stage.host("n1").end(Signal::KILL);
    for other in ["n2", "n3"] {
        stage.host(other).wait_said("EventMemberFailed: n1");
    }
    stage.wait_idle();
    stage.host("n2").end(Signal::KILL);
    stage.host("n3").wait_said("EventMemberFailed: n2");
    stage.host("n3").end(Signal::TERM);
}

#[test]
fn no_known_node_answers() {
    let Some(mut stage) = Stage::with_hosts("no_known_node_answers", 21, &NAMES) else { return };
    stage.start_cluster();
    stage.wait_idle();
    stage.host("n1").serf(&["event", "flush"]);
    for name in ["n3", "n2", "n1"] {
        stage.host(name).end(Signal::TERM);
    }
    // Two of them are somewhere else.
    stage.host("n1").addr = "127.0.65.26".to_owned();
    stage.host("n2").addr = "127.0.65.27".to_owned();
    stage.start_cluster_of(&["n1", "n2"]);
    stage.host("n3").start();
    stage.play();
    stage.play();
    stage.play();
    stage.play();
    stage.end();
}

#[test]
fn a_network_that_moved() {
    let Some(mut stage) = Stage::with_hosts("a_network_that_moved", 33, &NAMES) else { return };
    stage.start_cluster();
    stage.wait_idle();
    stage.host("n1").serf(&["event", "flush"]);
    stage.wait_idle();
    for name in NAMES {
        stage.host(name).end(Signal::TERM);
    }
    for (name, last) in NAMES.into_iter().zip(49..) {
        stage.host(name).addr = format!("127.0.65.{last}");
        stage.host(name).start();
    }
    stage.play();
    stage.play();
    stage.play();
    stage.play();
    stage.end();
}

#[test]
fn an_agent_that_left_comes_back_alone() {
    let stage = Stage::with_hosts("an_agent_that_left_comes_back_alone", 41, &["n1", "n2"]);
    let Some(mut stage) = stage else { return };
    stage.start_cluster();
    stage.wait_idle();
    // Serf leaves when it is interrupted.
    stage.host("n2").end(Signal::INT);
    stage.play();
    stage.play();
    stage.play();
    stage.end();
}
