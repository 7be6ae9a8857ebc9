//! Opening, recording, waiting, closing, and opening again.

use std::fs;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::time::Duration;

use snapshot_io::sim::SimStorage;
use snapshot_io::{
    Cause, Coordinate, Durability, Event, Health, LamportTime, Options, Position, Snapshotter,
    State, Verdict, tee,
};

use crate::common::{ADDR, DEADLINE, alive, health_until, join, member, model_of, read, read_at};
use crate::{LEVELS, open, place};

#[test]
fn what_was_recorded_is_there_after_a_restart() {
    let (_dir, path) = place();
    let coordinate = Coordinate::new([0.5; 8], 1.5, 0.25, 1e-5).unwrap();
    for round in 0..4_u64 {
        let (log, recovery) = open(&path);
        let created = if round == 0 { Verdict::Clean } else { recovery.report.verdict() };
        assert_eq!((created, recovery.report.findings_total), (Verdict::Clean, 0));
        assert_eq!((recovery.kept_aside, recovery.adopted_orphan), (None, false));
        assert_eq!(recovery.path, path.canonicalize().unwrap());
        let expected = log.with_state(model_of);
        assert_eq!(expected, read_at(&path), "round {round}");
        assert_eq!((recovery.alive, recovery.clocks), (expected.alive.len(), log.clocks()));
        assert_eq!(expected.clock, round * 10, "round {round}");
        assert_eq!(log.with_state(|state| state.coordinate().is_some()), round > 0);

        for name in ["a", "b", "c", "d"] {
            log.record(join(name));
        }
        log.record(Event::MemberFailed(member("b", ADDR)));
        log.record(Event::MemberLeave(member("c", ADDR)));
        log.record(Event::MemberReap(member("d", ADDR)));
        log.record(Event::MemberUpdate(member("a", &format!("10.0.0.7:{}", 1 + round))));
        log.record(Event::Clock(LamportTime(round * 10 + 11)));
        log.record(Event::User(LamportTime(round + 5)));
        log.record(Event::Query(LamportTime(round + 6)));
        log.record(Event::Coordinate(coordinate));
        log.close().wait(DEADLINE).unwrap();
    }
    let (log, _) = open(&path);
    assert_eq!(log.with_state(State::coordinate), Some(coordinate));
    let candidates: Vec<_> =
        log.rejoin_candidates(9).into_iter().map(|it| (it.addr, it.failed.is_some())).collect();
    assert_eq!(candidates, [("10.0.0.7:4".to_owned(), false), (ADDR.to_owned(), true)]);
    assert_eq!(log.rejoin_candidates(1).len(), 1);
}

#[test]
fn a_new_file_is_there_with_its_name_when_open_returns() {
    let storage = SimStorage::new();
    let (log, recovery) = Options::new().storage(storage.clone()).open("/snapshot").unwrap();
    assert_eq!((recovery.alive, log.health().is_good()), (0, true));
    for image in storage.crash_images(1, 100) {
        assert!(image.storage.contents("/snapshot").is_some(), "{image}");
    }
}

#[test]
fn durable_means_what_the_level_says() {
    for durability in LEVELS {
        let storage = SimStorage::new();
        let options = Options::new().storage(storage.clone()).durability(durability);
        let (log, _) = options.flush_interval(Duration::from_millis(10)).open("/snapshot").unwrap();
        for round in 0..5 {
            let position = log.record(Event::User(LamportTime(round + 1)));
            log.durable(position).wait(DEADLINE).unwrap();
            let written = read(&storage.process_crash().contents("/snapshot").unwrap());
            assert_eq!(written.event_clock, round + 1, "{durability:?}");
            if durability == Durability::Os {
                continue;
            }
            for image in storage.crash_images(round, 50) {
                let found = read(&image.storage.contents("/snapshot").unwrap());
                assert_eq!(found.event_clock, round + 1, "{durability:?}: {image}");
            }
        }
    }
}

#[test]
fn a_position_stands_after_all_that_came_before() {
    let (_dir, path) = place();
    let (log, _) = open(&path);
    let first = log.record(join("a"));
    let again = log.record(join("a"));
    assert_eq!(first, again, "nothing changed");
    let refused = log.record(Event::User(LamportTime(u64::MAX)));
    assert_eq!((refused, log.stats().refused), (first, 1));
    let mut last = first;
    for name in ["b", "c", "d"] {
        let position = log.record(join(name));
        assert!(position > last);
        last = position;
    }
    log.sync().wait(DEADLINE).unwrap();
    // An old position, and one that stands before everything.
    for position in [last, first, Position::default()] {
        log.durable(position).wait(Duration::ZERO).unwrap();
    }
    assert!(log.progress().durable >= last);
}

#[test]
fn sync_leave_and_compact_mean_synced_under_every_level() {
    for durability in LEVELS {
        let storage = SimStorage::new();
        let options = Options::new().storage(storage.clone()).durability(durability);
        let (log, _) = options.rejoin_after_leave(true).open("/snapshot").unwrap();
        let all_found = |names: &[&str], left: bool| {
            for image in storage.crash_images(1, 50) {
                let file = image.storage.contents("/snapshot").unwrap();
                let found = snapshot_model::replay(&file, &snapshot_model::Rules::hardened(true));
                assert_eq!(alive(&found), names, "{durability:?}: {image}");
                assert_eq!(read(&file).alive.is_empty(), left, "{durability:?}: {image}");
            }
        };
        log.record(join("a"));
        log.sync().wait(DEADLINE).unwrap();
        all_found(&["a"], false);
        log.record(join("b"));
        log.compact().wait(DEADLINE).unwrap();
        all_found(&["a", "b"], false);
        log.record(join("c"));
        log.leave().wait(DEADLINE).unwrap();
        all_found(&["a", "b", "c"], true);
        assert_eq!(log.record(join("d")), log.progress().accepted);
        log.leave().wait(DEADLINE).unwrap();
        all_found(&["a", "b", "c"], true);
    }
}

#[test]
fn compact_replaces_the_file_by_the_shortest() {
    let (_dir, path) = place();
    let (log, _) = open(&path);
    for round in 1..2000 {
        log.record(Event::User(LamportTime(round)));
    }
    log.record(join("a"));
    log.sync().wait(DEADLINE).unwrap();
    let (before, rewrites) = (fs::metadata(&path).unwrap().len(), log.stats().rewrites);
    log.compact().wait(DEADLINE).unwrap();
    let after = fs::read(&path).unwrap();
    assert!(before > 20_000 && after.len() < 300, "{before}, {}", after.len());
    assert_eq!(log.stats().log_bytes, after.len() as u64);
    assert_eq!(read(&after), log.with_state(model_of));
    // Each asks for one of its own, and one may serve several.
    let promises: Vec<_> = (0..5).map(|_| log.compact()).collect();
    for promise in promises {
        promise.wait(DEADLINE).unwrap();
    }
    let more = log.stats().rewrites - rewrites;
    assert!((2..=6).contains(&more), "{more}");
}

#[test]
fn clones_are_one_snapshot() {
    let (_dir, path) = place();
    let (log, _) = open(&path);
    let other = log.clone();
    let position = other.record(join("a"));
    assert_eq!(log.progress().accepted, position);
    drop(log);
    other.record(join("b"));
    other.sync().wait(DEADLINE).unwrap();
    assert_eq!(alive(&read_at(&path)), ["a", "b"]);
}

#[test]
fn a_file_of_serf_is_rewritten_at_once() {
    let (_dir, path) = place();
    fs::write(&path, "alive: a 10.0.0.1:7946\nclock: 3\n").unwrap();
    let (tell, changes) = mpsc::channel();
    let options = Options::new().on_health(move |health| tell.send(health).unwrap());
    let (log, recovery) = options.open(&path).unwrap();
    assert_eq!((recovery.alive, recovery.report.verdict()), (1, Verdict::Clean));
    // Nobody asks for it, nothing is recorded.
    assert_eq!(health_until(&changes, Health::is_good).len(), 1);
    let file = fs::read(&path).unwrap();
    assert!(file.starts_with(b"#@format: 1\n"));
    assert_eq!(read(&file), log.with_state(model_of));
}

#[test]
fn each_change_of_health_is_told_once() {
    let (_dir, path) = place();
    let (tell, changes) = mpsc::channel();
    let options = Options::new().on_health(move |health| tell.send(health).unwrap());
    let (log, _) = options.open(&path).unwrap();
    for round in 0..3 {
        log.record(Event::User(LamportTime(round + 1)));
        log.sync().wait(DEADLINE).unwrap();
    }
    assert!(changes.try_recv().is_err(), "it was good and stayed so");
    fs::remove_file(&path).unwrap();
    log.record(join("a"));
    log.sync().wait(DEADLINE).unwrap();
    let seen = health_until(&changes, Health::is_good);
    assert_eq!(
        seen.iter().map(|health| health.stale).collect::<Vec<_>>(),
        [Some(Cause::ForeignWriter), None]
    );
    log.close().wait(DEADLINE).unwrap();
    assert!(changes.try_recv().is_err());
}

#[test]
fn a_snapshot_without_a_disk_works_in_memory() {
    let log = Snapshotter::disabled();
    assert_eq!(log.health().stale, Some(Cause::Disabled));
    let position = log.record(join("a"));
    log.record(Event::User(LamportTime(7)));
    assert_eq!((log.rejoin_candidates(9).len(), log.clocks().event_clock), (1, LamportTime(7)));
    for promise in
        [log.durable(position), log.sync(), log.compact(), log.leave(), log.clone().close()]
    {
        let error = promise.wait(Duration::ZERO).unwrap_err();
        assert_eq!(error.source.kind(), std::io::ErrorKind::Unsupported, "{error}");
    }
    // It takes events for as long as one likes.
    for number in 0..100_000 {
        log.record(Event::Clock(LamportTime(number)));
    }
    assert_eq!(log.stats().pending_bytes, 0);
}

#[test]
fn tee_passes_on_in_order_what_it_has_recorded() {
    let (_dir, path) = place();
    let (log, _) = open(&path);
    let (sender, receiver) = mpsc::sync_channel(0);
    let consumer = std::thread::spawn(move || receiver.into_iter().collect::<Vec<u64>>());
    let record = |log: &Snapshotter, time: &u64| _ = log.record(Event::User(LamportTime(*time)));
    tee(&log, 1..=10_000, record, |time| {
        assert_eq!(log.clocks().event_clock.0, time, "recorded before it is passed on");
        sender.send(time).unwrap();
        ControlFlow::Continue(())
    });
    drop(sender);
    assert_eq!(consumer.join().unwrap(), (1..=10_000).collect::<Vec<_>>());
    assert_eq!(log.stats().records, 10_000);

    // A consumer that stops: what it refused is recorded, and nothing is taken from the source any more.
    let mut taken = 0;
    let source = (10_001..).inspect(|_| taken += 1);
    let mut passed = 0;
    tee(&log, source, record, |_| {
        passed += 1;
        if passed == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((taken, log.clocks().event_clock.0), (3, 10_003));
}
