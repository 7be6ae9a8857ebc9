//! Agents on files that we have written, and files that agents are writing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use crate::cluster::{Case, Said};
use crate::common::follow::Follower;
use crate::common::{alone, inspect, serfsnap, stderr};

const REJOINED: &str = "serf: Re-joined to previously known node";

#[test]
fn an_agent_rejoins_by_itself_after_its_file_was_compacted() {
    let _alone = alone();
    let Some(case) = Case::begin("compacted") else { return };
    let [first, second, third] = case.cluster();
    let path = third.snapshot.clone();
    let ports = third.stop();
    let before = Said::of(&path);
    case.check("its file has all three", before.alive.len() == 3);
    let output = serfsnap().args(["compact", "--yes"]).arg(&path).output().unwrap();
    case.check(&stderr(&output), output.status.code() == Some(0));
    case.check("nothing is lost", Said::of(&path) == before);
    case.check("it is sealed", inspect(&path, &[]).unwrap()["sealed"] == true);
    for agent in [&first, &second] {
        case.wait("it is missed", || agent.knows(&["n1", "n2"]));
    }
    let third = case.start_again("n3", &path, ports);
    case.wait("it finds somebody by its file", || third.said(REJOINED));
    case.wait_whole(&[first, second, third]);
    case.proof("");
}

#[test]
fn an_agent_rejoins_by_a_file_of_our_recorder_and_keeps_its_clocks() {
    let _alone = alone();
    let Some(case) = Case::begin("recorded") else { return };
    let [first, second, third] = case.cluster();
    let ours = case.path("ours.snap");
    let follower = Follower::start(&ours, &first.rpc(), &["--node", "n3"]);
    for number in 0..5 {
        first.serf("event", &["-coalesce=false", "deploy", &number.to_string()]).unwrap();
    }
    first.serf("query", &["-timeout=200ms", "uptime"]).unwrap();
    let mut said = Said::of(&ours);
    case.wait("all of it is recorded", || {
        said = Said::of(&ours);
        said.alive.len() == 3 && said.clocks == first.clocks()
    });
    case.check("events and a query were", said.clocks[1] >= 5 && said.clocks[2] >= 1);
    let (code, stderr) = follower.stop();
    case.check(&stderr, code == Some(0) && stderr.is_empty());
    let ports = third.stop();
    let (first_ports, second_ports) = (first.stop(), second.stop());

    // Alone, it can know its clocks from nobody else.
    let copy = case.path("copy.snap");
    fs::copy(&ours, &copy).unwrap();
    let third = case.start_again("n3", &copy, ports);
    let [clock, events, queries] = third.clocks();
    case.check("its clock goes on", clock >= said.clocks[0]);
    case.check("no event is handled again", [events, queries] == said.clocks[1..]);
    third.stop();

    // The others have forgotten everything.
    let first = case.start_again("n1", &case.path("new-1.snap"), first_ports);
    let second = case.start_again("n2", &case.path("new-2.snap"), second_ports);
    let third = case.start_again("n3", &ours, ports);
    case.wait("it finds somebody by our file", || third.said(REJOINED));
    case.check("without a warning", !third.said("[WARN] serf: Failed to") && !third.said("[ERR]"));
    second.serf("join", &[&first.node("").replace(' ', "")]).unwrap();
    case.wait_whole(&[first, second, third]);
    case.proof(&format!(" clocks={}", said.clocks.map(|clock| clock.to_string()).join("/")));
}

#[test]
fn the_file_of_a_running_agent_is_refused() {
    let _alone = alone();
    let Some(case) = Case::begin("running") else { return };
    let path = case.path("n1.snap");
    let agent = case.start("n1", &path, None);
    let inode = fs::metadata(&path).unwrap().ino();
    let rpc = agent.rpc();
    for arguments in [&["compact", "--yes"][..], &["record"], &["record", "--serf-rpc", &rpc]] {
        let mut command = serfsnap();
        command.args(arguments).arg(&path).stdin(Stdio::null());
        let output = command.output().unwrap();
        let expect = format!("process {} (serf) has it open", agent.id());
        let said = stderr(&output);
        let refused = output.status.code() == Some(2) && said.contains(&expect);
        case.check(&format!("{arguments:?}: {said}"), refused);
        case.check("it is the agent's still", fs::metadata(&path).unwrap().ino() == inode);
    }
    agent.stop();
    case.check("once it has stopped it is anybody's", {
        let output = serfsnap().args(["compact", "--yes"]).arg(&path).output().unwrap();
        output.status.code() == Some(0)
    });
    case.proof("");
}
