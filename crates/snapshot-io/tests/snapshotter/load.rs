//! Many threads, many events, and a disk that takes its time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use snapshot_io::sim::SimStorage;
use snapshot_io::{Cause, Event, LamportTime, Options, OsStorage, Snapshotter};
use snapshot_model::Model;

use crate::common::gate::Gate;
use crate::common::{ADDR, DEADLINE, child, join, member, model_of, read_at};
use crate::{LEVELS, place};

#[test]
fn threads_record_while_the_file_is_rewritten() {
    const THREADS: u64 = 6;
    const EVENTS: u64 = 3000;
    for durability in LEVELS {
        let (_dir, path) = place();
        let options = Options::new().durability(durability).min_compact_size(16 * 1024);
        let (log, _) = options.open(&path).unwrap();
        let stop = AtomicBool::new(false);
        let expected = thread::scope(|scope| {
            let compactor = scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    log.compact().wait(DEADLINE).unwrap();
                }
            });
            let recorders: Vec<_> = (0..THREADS)
                .map(|thread| {
                    scope.spawn({
                        let log = log.clone();
                        move || record_many(&log, thread, EVENTS)
                    })
                })
                .collect();
            let mut expected = Model::default();
            for recorder in recorders {
                expected.alive.extend(recorder.join().unwrap());
            }
            stop.store(true, Ordering::SeqCst);
            compactor.join().unwrap();
            expected
        });
        let expected = Model { event_clock: THREADS * EVENTS, ..expected };
        assert_eq!(log.with_state(model_of), expected, "{durability:?}");
        assert!(log.stats().rewrites > 2);
        log.close().wait(DEADLINE).unwrap();
        assert_eq!(read_at(&path), expected, "{durability:?}");
    }
}

/// Joins, moves and leaves of one thread's own nodes; who is alive in the end.
fn record_many(log: &Snapshotter, thread: u64, events: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut alive = std::collections::BTreeMap::new();
    for number in 0..events {
        let name = format!("node-{thread}-{}", number % 97);
        let addr = format!("10.0.{thread}.1:{}", 1 + number);
        if number % 5 == 4 {
            log.record(Event::MemberLeave(member(&name, ADDR)));
            alive.remove(&name);
        } else {
            log.record(Event::MemberUpdate(member(&name, &addr)));
            alive.insert(name, addr);
        }
        log.record(Event::User(LamportTime(thread * events + number + 1)));
        if number % 500 == 0 {
            log.sync().wait(DEADLINE).unwrap();
        }
    }
    alive.into_iter().map(|(name, addr)| (name.into_bytes(), addr.into_bytes())).collect()
}

const BURST: usize = 1 << 20;

/// How long the disk does not answer, at least.
const BLOCKED: Duration = Duration::from_secs(5);

#[test]
fn a_million_events_wait_for_nobody_and_for_little_memory() {
    const TEST: &str = "load::a_million_events_wait_for_nobody_and_for_little_memory";
    match child::given().as_deref() {
        Some("in memory") => return report_growth(|| burst(&Snapshotter::disabled(), BURST)),
        Some("on a stuck disk") => return report_growth(burst_on_a_stuck_disk),
        _ => {}
    }
    if child::peak_memory().is_none() {
        return println!("skipped: this system does not tell the peak of memory");
    }
    let growth = |what: &str| {
        let said = child::passed(&child::command(TEST, what).output().unwrap());
        let number = said.lines().find_map(|line| line.split("grown by ").nth(1)).unwrap();
        number.parse::<u64>().unwrap()
    };
    // What the state alone takes, by the same events.
    let alone = growth("in memory");
    let stuck = growth("on a stuck disk");
    let pending = snapshot_io::Policy::default().max_pending as u64;
    println!("{alone} bytes for the state alone, {stuck} on a stuck disk");
    // The last term is what a process takes that reads, writes and waits at all.
    assert!(
        stuck <= alone + 2 * pending + (4 << 20),
        "{stuck}, where the state alone takes {alone}"
    );
}

fn report_growth(run: impl FnOnce()) {
    let before = child::peak_memory().unwrap();
    run();
    println!("grown by {}", child::peak_memory().unwrap() - before);
}

fn burst(log: &Snapshotter, events: usize) {
    for number in 0..events {
        log.record(join(&format!("node-{number}")));
        if number % 10_000 == 0 {
            assert!(log.stats().pending_bytes <= 8 << 20);
        }
    }
    assert!(log.stats().records >= events as u64);
}

fn burst_on_a_stuck_disk() {
    let ((_dir, path), gate) = (place(), Gate::default());
    let (log, _) = Options::new().storage(gate.before(OsStorage)).open(&path).unwrap();
    gate.shut();
    log.record(Event::User(LamportTime(1)));
    drop(log.sync());
    gate.wait_for_caller();
    // Whoever waits with a bound comes back by himself, and before that the disk does not answer.
    let waiting = {
        let log = log.clone();
        thread::spawn(move || log.sync().wait(BLOCKED))
    };
    // If one of them waited for the disk, it would wait for ever.
    burst(&log, BURST);
    assert_eq!(log.health().stale, Some(Cause::Overflow));
    let error = waiting.join().unwrap().expect_err("the disk has not answered");
    assert!(error.is_timeout(), "{error}");
    gate.open();
    log.sync().wait(DEADLINE).unwrap();
    assert!(log.health().is_good());
    log.close().wait(DEADLINE).unwrap();
    let (log, recovery) = Options::new().open(&path).unwrap();
    assert_eq!((recovery.alive, recovery.report.findings_total), (BURST, 0));
    let all_there = log.with_state(|state| {
        (0..BURST).step_by(997).all(|number| {
            let name = format!("node-{number}");
            let name = member(&name, ADDR).name();
            state.addr_of(name).is_some()
        })
    });
    assert!(all_there);
}

#[test]
fn a_disk_that_stops_in_the_middle_of_a_rewrite_stops_nobody() {
    // It stops before every call of a rewrite in turn, while more is recorded than may wait.
    for calls in 0..7 {
        let (storage, gate) = (SimStorage::new(), Gate::default());
        let options = Options::new().storage(gate.before(storage.clone())).max_pending(20_000);
        let (log, _) = options.open("/snapshot").unwrap();
        for number in 0..500 {
            log.record(join(&format!("old-{number}")));
        }
        log.sync().wait(DEADLINE).unwrap();
        gate.shut();
        drop(log.compact());
        for _ in 0..calls {
            gate.wait_for_caller();
            gate.let_one_through();
            log.record(Event::MemberLeave(member(&format!("old-{calls}"), ADDR)));
        }
        gate.wait_for_caller();
        for number in 0..3000 {
            log.record(join(&format!("new-{number}")));
            assert!(log.stats().pending_bytes <= 20_000);
        }
        let killed = snapshot_model::replay(
            &storage.process_crash().contents("/snapshot").unwrap(),
            &snapshot_model::Rules::hardened(false),
        );
        assert!(killed.alive.len() >= 499, "after {calls} calls: {}", killed.alive.len());
        gate.open();
        log.sync().wait(DEADLINE).unwrap();
        let expected = log.with_state(model_of);
        assert_eq!(expected.alive.len(), 3500 - usize::from(calls > 0));
        log.close().wait(DEADLINE).unwrap();
        let found = crate::common::read(&storage.contents("/snapshot").unwrap());
        assert_eq!(found, expected, "after {calls} calls");
    }
}
