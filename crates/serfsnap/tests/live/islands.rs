//! Three agents that went one after the other, each seen by those that were left; then all start again.
//!
//! The corpus has their files.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cluster::{Agent, Case, Ports};
use crate::common::{alone, corpus, serfsnap, stderr, stdout};

const NAMES: [&str; 3] = ["q1", "q2", "q3"];
/// Where the agents of the files listen, but for the network.
const PORT: u16 = 17946;
/// A network of their own, so that no other agents of this machine are met.
const NETWORK: [u8; 3] = [127, 0, 62];

const FOUND: &str = "Re-joined to previously known node";
const FOUND_NOBODY: &str = "Failed to re-join any previously known node";

#[test]
fn the_order_of_fleet_makes_one_cluster_and_the_opposite_three() {
    let _alone = alone();
    let Some(case) = Case::begin("order") else { return };
    let fleet = fleet(&files(&case, "told"));
    case.check("it takes an order", fleet["verdict"] == "order");
    let mut order: Vec<_> =
        fleet["order"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    case.check("the last to go comes first", order == ["q3", "q2", "q1"]);
    let ours = clusters(&case, &files(&case, "ours"), &order);
    order.reverse();
    let opposite = clusters(&case, &files(&case, "opposite"), &order);
    case.check(&format!("{ours} clusters in our order"), ours == 1);
    case.check(&format!("{opposite} clusters in the opposite one"), opposite == 3);
    case.proof(&format!(" ours={ours} opposite={opposite}"));
}

#[test]
fn once_everybody_is_revived_any_order_makes_one_cluster() {
    let _alone = alone();
    let Some(case) = Case::begin("revived") else { return };
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        .map(|order| order.map(|at| NAMES[at]));
    for order in orders {
        let files = files(&case, &order.concat());
        for path in &files {
            revive(&case, path);
        }
        let fleet = fleet(&files);
        case.check("everybody knows everybody", fleet["islands_in_random_order"] == 1.0);
        case.check(&format!("{order:?}"), clusters(&case, &files, &order) == 1);
    }
    case.proof(&format!(" orders={}", orders.len()));
}

#[test]
fn with_the_hint_each_finds_each_and_the_order_still_counts() {
    let _alone = alone();
    let Some(case) = Case::begin("hint") else { return };
    let hinted = |of: &str| {
        let files = files(&case, of);
        let hints = fleet(&files)["hints"].clone();
        case.check("one hint", hints.as_array().unwrap().len() == 1 && hints[0]["node"] == "q3");
        let add = format!("alive: q1 {}\n", hints[0]["add"].as_str().unwrap());
        case.check("its log still knows it", fs::read_to_string(&files[2]).unwrap().contains(&add));
        revive(&case, &files[2]);
        files
    };
    let said = fleet(&hinted("told"));
    case.check("it is whole", said["verdict"] == "whole");
    case.check("one cluster", clusters(&case, &hinted("ours"), &["q3", "q2", "q1"]) == 1);
    let others = clusters(&case, &hinted("others"), &["q1", "q2", "q3"]);
    case.check("the last finds the first, and the second nobody", others == 2);
    case.proof("");
}

/// Whoever is gone from this file is alive once more.
fn revive(case: &Case, path: &Path) {
    let output = serfsnap().args(["revive", "--yes"]).arg(path).output().unwrap();
    case.check(&stderr(&output), output.status.code() == Some(0));
}

/// Copies of the three files, their addresses in our network.
fn files(case: &Case, directory: &str) -> [PathBuf; 3] {
    let directory = case.path(directory);
    fs::create_dir(&directory).unwrap();
    NAMES.map(|name| {
        let text = fs::read_to_string(corpus(&format!("60-{name}-sequential-shutdown.snap")));
        let network = NETWORK.map(|part| part.to_string()).join(".");
        let text = text.unwrap().replace(" 127.0.0.", &format!(" {network}."));
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    })
}

fn fleet(files: &[PathBuf; 3]) -> Value {
    let output = serfsnap().args(["fleet", "--format", "json"]).args(files).output().unwrap();
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// Starts the agents one after the other, each when the one before it has tried whom it knows; the number of
/// clusters that they make.
fn clusters(case: &Case, files: &[PathBuf; 3], order: &[&str]) -> usize {
    let agents: Vec<(&str, Agent)> = order
        .iter()
        .map(|name| {
            let at = NAMES.iter().position(|known| known == name).unwrap();
            let [a, b, c] = NETWORK;
            let host = Ipv4Addr::new(a, b, c, u8::try_from(at + 1).unwrap());
            let agent = case.start_again(name, &files[at], Ports::at(host, PORT));
            case.wait("it has tried", || agent.said(FOUND) || agent.said(FOUND_NOBODY));
            (*name, agent)
        })
        .collect();
    let begun = agents.iter().filter(|(_, agent)| agent.said(FOUND_NOBODY)).count();
    // Nobody ever joins two clusters, so each of those that found nobody has one of its own. Who found somebody has
    // joined before it said so; how far the news have come is another matter.
    if begun == 1 {
        for (_, agent) in &agents {
            case.wait("each knows all three", || agent.knows(&NAMES));
        }
    } else if begun == 3 {
        for (name, agent) in &agents {
            case.check("each knows itself alone", agent.knows(&[name]));
        }
    }
    for (_, agent) in agents {
        agent.kill();
    }
    begun
}
