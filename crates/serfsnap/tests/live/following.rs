//! A recorder that follows an agent through all that happens in a cluster has what the agent's own file has.

use std::path::Path;

use crate::cluster::{Agent, Case, Said};
use crate::common::follow::Follower;
use crate::common::{alone, inspect, nodes};

/// Waits until both files say the same. Ours does so by itself; Serf writes down what waits in its memory only when
/// something else happens, so something does.
#[track_caller]
fn wait_equal(case: &Case, what: &str, agent: &Agent, ours: &Path, alive: &[String]) {
    case.wait(&format!("{what}, in ours"), || Said::of(ours).alive == alive);
    case.wait(&format!("{what}, in both"), || {
        agent.serf("event", &["-coalesce=false", "tick"]).unwrap();
        let theirs = Said::of(&agent.snapshot);
        theirs.alive == alive && Said::of(ours).is_as_good_as(&theirs)
    });
}

#[test]
fn the_script_of_a_cluster() {
    let _alone = alone();
    let Some(case) = Case::begin("script") else { return };
    let ours = case.path("ours.snap");
    let first = case.start("n1", &case.path("n1.snap"), None);
    let follower = Follower::start(&ours, &first.rpc(), &["--node", "n1"]);
    let own = first.node("n1");
    let equal = |what: &str, agent: &Agent, alive: &[&String]| {
        let alive: Vec<_> = alive.iter().copied().cloned().collect();
        wait_equal(&case, what, agent, &ours, &alive);
    };
    equal("itself", &first, &[&own]);
    let second = case.start("n2", &case.path("n2.snap"), Some(&first));
    let third = case.start("n3 \u{e9} x", &case.path("n3.snap"), Some(&first));
    let (second_is, third_is) = (second.node("n2"), third.node("n3 \u{e9} x"));
    equal("joins", &first, &[&own, &second_is, &third_is]);
    first.serf("query", &["-timeout=200ms", "uptime"]).unwrap();
    second.serf("event", &["deploy", "one"]).unwrap();
    second.serf("event", &["deploy", "two"]).unwrap();
    third.serf("tags", &["-set", "role=db"]).unwrap();
    equal("events, a query and tags", &first, &[&own, &second_is, &third_is]);
    case.wait("the query counts", || Said::of(&ours).clocks[2] >= 1);

    third.kill();
    equal("a failure", &first, &[&own, &second_is]);
    let failed = nodes(&inspect(&ours, &[]).unwrap(), "failed");
    case.check("it is a last resort", failed == [third_is.clone()]);
    first.serf("force-leave", &["n3 \u{e9} x"]).unwrap();
    case.wait("it is told to have left", || {
        let object = inspect(&ours, &[]).unwrap();
        nodes(&object, "failed").is_empty()
    });
    equal("a forced leave", &first, &[&own, &second_is]);
    second.serf("leave", &[]).unwrap();
    second.ended();
    equal("a leave", &first, &[&own]);
    // The same name at another address.
    let second = case.start("n2", &case.path("new-2.snap"), Some(&first));
    let second_is = second.node("n2");
    equal("a return elsewhere", &first, &[&own, &second_is]);

    // The agent stops, and comes back where it was.
    let snapshot = first.snapshot.clone();
    let ports = first.stop();
    follower.wait_said("it is tried again");
    let first = case.start_again("n1", &snapshot, ports);
    follower.wait_said("connected");
    let fourth = case.start("n4", &case.path("n4.snap"), Some(&first));
    let fourth_is = fourth.node("n4");
    equal("a join after a restart", &first, &[&own, &second_is, &fourth_is]);

    // It leaves on purpose, and comes back to stay.
    first.serf("leave", &[]).unwrap();
    first.ended();
    case.wait("its leave is recorded", || Said::of(&ours).is_as_good_as(&Said::of(&snapshot)));
    case.check("as a leave", Said::of(&ours).left && Said::of(&ours).alive.is_empty());
    let first = case.start_again("n1", &snapshot, ports);
    second.serf("join", &[own.split_once(' ').unwrap().1]).unwrap();
    equal("a life after the leave", &first, &[&own, &second_is, &fourth_is]);
    let (code, said) = follower.stop();
    case.check(&said, code == Some(0));
    case.check("it is whole", inspect(&ours, &[]).unwrap()["verdict"] == "clean");
    let clocks = Said::of(&ours).clocks.map(|clock| clock.to_string()).join("/");
    case.proof(&format!(" clocks={clocks}"));
}
