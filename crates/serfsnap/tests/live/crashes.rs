//! Three agents that are killed at once, the fault that isolates whole clusters.

use crate::cluster::{Case, Said};
use crate::common::alone;
use crate::common::follow::Follower;

use rustix::process::Signal;

#[test]
fn all_agents_are_killed_while_idle() {
    let _alone = alone();
    let Some(case) = Case::begin("killed") else { return };
    let agents = case.cluster();
    let ours = ["1", "2", "3"].map(|n| case.path(&format!("ours-{n}.snap")));
    let followers: Vec<_> = agents
        .iter()
        .zip(&ours)
        .map(|(agent, path)| Follower::start(path, &agent.rpc(), &[]))
        .collect();
    for (agent, path) in agents.iter().zip(&ours) {
        case.wait("all three and the clocks are recorded", || {
            let said = Said::of(path);
            said.alive.len() == 3 && said.clocks == agent.clocks()
        });
    }
    let snapshots = agents.each_ref().map(|agent| agent.snapshot.clone());
    let ports = agents.map(crate::cluster::Agent::kill);
    for follower in followers {
        follower.signal(Signal::KILL);
        follower.ended();
    }
    let kept = |paths: &[std::path::PathBuf]| -> usize {
        paths.iter().map(|path| Said::of(path).alive.len()).sum()
    };
    let (of_serf, of_ours) = (kept(&snapshots), kept(&ours));
    case.check("ours have kept everybody", of_ours == 9);
    case.check("no file of Serf's can have more", of_serf <= 9);

    // Each agent tries those it knows once, so the last to start finds the others and the cluster is whole.
    let mut ports = ports.into_iter().zip(&ours).zip(["n1", "n2", "n3"]);
    let agents = [(); 3].map(|()| {
        let ((ports, path), name) = ports.next().unwrap();
        case.start_again(name, path, ports)
    });
    case.wait_whole(&agents);
    case.proof(&format!(" nodes=9 serf_kept={of_serf} ours_kept={of_ours}"));
}
