//! The agent of docs/EMBEDDING.md on threads.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use snapshot_io::{
    Durability, Event, Health, Identity, InvalidMember, LamportClock, LamportTime, Member,
    Membership, OpenError, Options, Recovery, Rejoiner, Snapshotter,
};

pub fn options(
    cluster: &str,
    name: &str,
    clock: Arc<LamportClock>,
    alarms: Sender<Health>,
) -> Result<Options, Box<dyn Error>> {
    Ok(Options::new()
        .identity(Identity::new(Some(cluster.as_bytes()), Some(name.as_bytes()))?)
        .durability(Durability::Interval(Duration::from_secs(5)))
        .rejoin_after_leave(false)
        .clock_source(move || clock.time())
        .on_health(move |health| _ = alarms.send(health)))
}

pub fn open(options: Options, path: &Path) -> Result<(Snapshotter, Recovery), OpenError> {
    match options.open(path) {
        // The disk is broken. An agent without a memory is better than none.
        Err(OpenError::Io { .. }) => Ok((Snapshotter::disabled(), Recovery::default())),
        // Whatever else it is, somebody has to look.
        opened => opened,
    }
}

pub fn restore(recovery: &Recovery, clock: &LamportClock) -> Vec<String> {
    clock.witness(recovery.clocks.clock);
    let verdict = recovery.report.verdict().as_str();
    let mut words = vec![format!("{verdict}, alive: {}", recovery.alive)];
    for found in &recovery.report.findings {
        words.push(format!("line {} at byte {}: {}", found.line, found.offset, found.kind));
    }
    words.extend(recovery.kept_aside.iter().map(|path| format!("kept aside: {}", path.display())));
    words
}

pub fn joined(log: &Snapshotter, name: &[u8], addr: &str) -> Result<(), InvalidMember> {
    let member = Member::new(name, addr.as_bytes())?;
    log.record(Event::MemberJoin(member));
    Ok(())
}

/// Whether this user event is new; from now on it is not.
pub fn is_new(log: &Snapshotter, time: LamportTime) -> bool {
    let is_new = time > log.clocks().event_clock;
    log.record(Event::User(time));
    is_new
}

pub fn rejoin(
    log: &Snapshotter,
    contact: impl Fn(&str) -> bool + Send + 'static,
) -> (Rejoiner, thread::JoinHandle<()>) {
    let rejoiner = log.rejoin();
    let run = rejoiner.clone();
    // The gossip engine says through `run.member` who has become a member; the contact alone proves nothing.
    let thread = thread::spawn(move || run.run(|_name, addr| contact(addr)));
    (rejoiner, thread)
}

pub fn is_member(rejoiner: &Rejoiner, name: &[u8]) {
    rejoiner.member(name, Membership::Alive);
}

pub fn leave(log: Snapshotter, rejoiner: &Rejoiner) -> Result<(), Box<dyn Error>> {
    const PATIENCE: Duration = Duration::from_secs(5);
    rejoiner.cancel();
    // First the file, then the cluster: who is told that we have left must not see us come back.
    log.leave().wait(PATIENCE)?;
    // Here the gossip engine leaves.
    Ok(log.close().wait(PATIENCE)?)
}
