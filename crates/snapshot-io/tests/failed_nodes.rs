//! Failed nodes through restarts and rewrites, whatever the wall clock says.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::Duration;

use snapshot_io::sim::{SimStorage, Stepper};
use snapshot_io::{Event, Identity, Member, Options, Policy, UnixMillis};

const PATH: &str = "/snapshot";
const NOW: UnixMillis = UnixMillis(1_763_867_000_000);

fn open(storage: &SimStorage, wall: UnixMillis) -> Stepper {
    let identity = Identity::new(None, Some(b"own")).unwrap();
    let options = Options::new().storage(storage.clone()).identity(identity);
    Stepper::open(&options, PATH, wall).unwrap().0
}

fn member(name: &str) -> Member<'_> {
    Member::new(name.as_bytes(), b"10.0.0.1:7946").unwrap()
}

/// Ends the process cleanly; what it leaves is what the next one finds.
fn end(mut stepper: Stepper, storage: &SimStorage) -> SimStorage {
    stepper.engine().request_sync();
    stepper.run();
    drop(stepper);
    storage.process_crash()
}

/// The names of the failed nodes, in the order in which they would be tried.
fn last_resorts(stepper: &mut Stepper) -> Vec<String> {
    let candidates = stepper.engine().state().rejoin_candidates(None, 7);
    candidates
        .filter(|candidate| candidate.failed.is_some())
        .map(|candidate| candidate.name.to_string())
        .collect()
}

#[test]
fn wall_clocks_of_1970_and_2106_change_nothing_at_open() {
    let mut storage = SimStorage::new();
    let mut stepper = open(&storage, NOW);
    for name in ["a", "b", "c"] {
        stepper.record(Event::MemberJoin(member(name)));
    }
    for name in ["b", "a"] {
        stepper.record(Event::MemberFailed(member(name)));
        stepper.advance(Duration::from_secs(1));
    }
    storage = end(stepper, &storage);
    for wall in [0, 4_294_967_295_000, u64::MAX] {
        let mut stepper = open(&storage, UnixMillis(wall));
        assert_eq!(last_resorts(&mut stepper), ["a", "b"], "the newest first, at {wall}");
        // Time passes, the file is rewritten, the owner itself joins: nobody else has been seen alive.
        stepper.record(Event::MemberJoin(member("own")));
        stepper.engine().request_rewrite();
        stepper.advance(Duration::from_secs(3600));
        assert_eq!(last_resorts(&mut stepper), ["a", "b"], "at {wall}");
        storage = end(stepper, &storage);
    }
}

#[test]
fn who_returns_leaves_or_is_reaped_is_no_last_resort_after_a_restart() {
    let mut storage = SimStorage::new();
    let mut stepper = open(&storage, NOW);
    for name in ["a", "b", "c", "d"] {
        stepper.record(Event::MemberJoin(member(name)));
        stepper.record(Event::MemberFailed(member(name)));
    }
    storage = end(stepper, &storage);
    let mut stepper = open(&storage, NOW);
    stepper.record(Event::MemberJoin(Member::new(b"a", b"10.0.0.9:7946").unwrap()));
    stepper.record(Event::MemberLeave(member("b")));
    stepper.record(Event::MemberReap(member("c")));
    storage = end(stepper, &storage);
    let mut stepper = open(&storage, NOW);
    assert_eq!(last_resorts(&mut stepper), ["d"]);
    let state = stepper.engine().state();
    let alive: Vec<_> = state.alive().map(|(name, addr)| format!("{name}@{addr}")).collect();
    assert_eq!(alive, ["a@10.0.0.9:7946"]);
}

#[test]
fn who_was_dropped_for_a_lower_limit_does_not_come_back() {
    let with_limit = |storage: &SimStorage, max_failed| {
        let mut policy = Policy::default();
        policy.max_failed = max_failed;
        let options = Options::new().storage(storage.clone()).policy(policy);
        Stepper::open(&options, PATH, NOW).unwrap().0
    };
    let mut storage = SimStorage::new();
    let mut stepper = with_limit(&storage, 2);
    for name in ["old", "new"] {
        stepper.record(Event::MemberFailed(member(name)));
        stepper.advance(Duration::from_secs(1));
    }
    storage = end(stepper, &storage);
    let mut stepper = with_limit(&storage, 1);
    assert_eq!(last_resorts(&mut stepper), ["new"]);
    stepper.record(Event::MemberReap(member("new")));
    assert!(last_resorts(&mut stepper).is_empty());
    storage = end(stepper, &storage);
    assert!(
        last_resorts(&mut with_limit(&storage, 1)).is_empty(),
        "the file says what memory said"
    );
}
