//! What several tests need: events, the oracle's view of a state, a disk that stops answering, and a process of one's
//! own.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

pub mod child;
pub mod gate;

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use snapshot_io::sim::{SimStorage, Stepper};
use snapshot_io::{Event, Health, Member, Options, Policy, Recovery, State, UnixMillis};
use snapshot_model::{Model, Rules};

/// Only a hang takes this long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// When every simulated process starts.
pub const START: UnixMillis = UnixMillis(1_763_867_000_000);

pub const ADDR: &str = "10.0.0.1:7946";

/// The default policy with some changes.
pub fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

pub fn member<'a>(name: &'a str, addr: &'a str) -> Member<'a> {
    Member::new(name.as_bytes(), addr.as_bytes()).unwrap()
}

pub fn join(name: &str) -> Event<'_> {
    Event::MemberJoin(member(name, ADDR))
}

/// Opens the snapshot at `path` without its thread.
pub fn stepper(storage: &SimStorage, path: &str, options: Options) -> (Stepper, Recovery) {
    Stepper::open(&options.storage(storage.clone()), path, START).unwrap()
}

pub fn model_of(state: &State) -> Model {
    let clocks = state.clocks();
    let bytes = |text: &[u8]| text.to_vec();
    Model {
        alive: state
            .alive()
            .map(|(name, addr)| (bytes(name.as_bytes()), bytes(addr.as_bytes())))
            .collect(),
        failed: state
            .failed()
            .map(|(name, addr, at)| (bytes(name.as_bytes()), (bytes(addr.as_bytes()), at.0)))
            .collect(),
        clock: clocks.clock.0,
        event_clock: clocks.event_clock.0,
        query_clock: clocks.query_clock.0,
    }
}

/// What the oracle makes of a file's bytes.
pub fn read(bytes: &[u8]) -> Model {
    snapshot_model::replay(bytes, &Rules::hardened(false))
}

/// What the oracle makes of the file at a real path.
pub fn read_at(path: &Path) -> Model {
    read(&fs::read(path).unwrap())
}

/// The names of the alive nodes, sorted.
pub fn alive(model: &Model) -> Vec<String> {
    model.alive.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Waits for a change of health that is as wanted, and gives all that came until then.
pub fn health_until(changes: &Receiver<Health>, wanted: impl Fn(Health) -> bool) -> Vec<Health> {
    let (deadline, mut seen) = (Instant::now() + DEADLINE, Vec::new());
    loop {
        match changes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(health) => seen.push(health),
            Err(RecvTimeoutError::Timeout) => panic!("the health never came: {seen:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("nobody tells any more: {seen:?}"),
        }
        if seen.last().is_some_and(|health| wanted(*health)) {
            return seen;
        }
    }
}
