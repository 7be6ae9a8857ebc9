//! Many threads on one snapshot: whoever was told finds it again, and in the end file and memory say the same.
//!
//! What is told durable is held against a power cut at that very moment, while all the others go on.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "the figures are what the proof is read by")]

#[path = "../common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use snapshot_io::sim::{At, Call, EXHAUSTIVE, Fault, SimStorage};
use snapshot_io::{Durability, Event, LamportTime, Options, Snapshotter};
use snapshot_model::{Model, Rules};

use common::{ADDR, DEADLINE, join, member, model_of, read};

const PATH: &str = "/snapshot";
const THREADS: u64 = 6;
const ROUNDS: u64 = 120;

const LEVELS: [Durability; 3] =
    [Durability::Always, Durability::Interval(Duration::from_millis(5)), Durability::Os];

/// What the oracle finds in the worst that a power cut at this moment leaves; in what a killed process leaves, where
/// the level promises no more.
fn survives(storage: &SimStorage, durability: Durability) -> Model {
    if durability == Durability::Os {
        return read(&storage.process_crash().contents(PATH).unwrap());
    }
    let frozen = storage.process_crash();
    let skip = usize::from(frozen.unsynced() > EXHAUSTIVE);
    let worst = frozen.crash_images(0, 2).nth(skip).unwrap();
    snapshot_model::replay(&worst.storage.contents(PATH).unwrap(), &Rules::hardened(true))
}

#[test]
fn whoever_was_told_finds_it_again() {
    for durability in LEVELS {
        let storage = SimStorage::new();
        let options = Options::new().storage(storage.clone()).durability(durability);
        let (log, _) = options.min_compact_size(4096).max_pending(20_000).open(PATH).unwrap();
        let (stop, told) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            let compactor = scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    log.compact().wait(DEADLINE).unwrap();
                }
            });
            let recorders: Vec<_> = (0..THREADS)
                .map(|thread| {
                    // Each has a handle of its own, which it drops in the middle of everything.
                    let (log, storage, told) = (log.clone(), &storage, &told);
                    scope.spawn(move || record_and_wait(&log, storage, durability, thread, told))
                })
                .collect();
            for recorder in recorders {
                recorder.join().unwrap();
            }
            stop.store(true, Ordering::SeqCst);
            compactor.join().unwrap();
        });
        let expected = Model {
            alive: (0..THREADS).map(|thread| node(thread, ROUNDS)).collect(),
            event_clock: THREADS * ROUNDS,
            ..Model::default()
        };
        assert_eq!(log.with_state(model_of), expected);
        let rewrites = log.stats().rewrites;
        drop(log);
        assert_eq!(read(&storage.contents(PATH).unwrap()), expected, "{durability:?}");
        assert_eq!(storage.open_files(), 0);
        println!(
            "proof: concurrency test=told level={} threads={THREADS} promises={} rewrites={rewrites} violations=0",
            format!("{durability:?}").split('(').next().unwrap(),
            told.load(Ordering::SeqCst)
        );
    }
}

fn node(thread: u64, round: u64) -> (Vec<u8>, Vec<u8>) {
    (format!("node-{thread}").into_bytes(), format!("10.0.0.1:{round}").into_bytes())
}

fn record_and_wait(
    log: &Snapshotter,
    storage: &SimStorage,
    durability: Durability,
    thread: u64,
    told: &AtomicU64,
) {
    for round in 1..=ROUNDS {
        let (name, addr) = node(thread, round);
        let (name, addr) = (String::from_utf8(name).unwrap(), String::from_utf8(addr).unwrap());
        log.record(Event::MemberUpdate(member(&name, &addr)));
        log.record(Event::User(LamportTime(thread * ROUNDS + round)));
        // What changes nothing stands behind all that came before.
        let position = log.record(Event::MemberUpdate(member(&name, &addr)));
        if round % 4 == thread % 4 {
            // Nobody waits for this one.
            drop(log.sync());
        }
        if round % 3 == 0 {
            log.durable(position).wait(DEADLINE).unwrap();
            let found = survives(storage, durability);
            assert_eq!(found.alive.get(name.as_bytes()).unwrap(), addr.as_bytes(), "{name}");
            assert!(found.event_clock >= thread * ROUNDS + round);
            told.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_leave_among_many_is_the_last_word() {
    for round in 0..20 {
        let storage = SimStorage::new();
        let options = Options::new().storage(storage.clone()).rejoin_after_leave(round % 2 == 0);
        let (log, _) = options.min_compact_size(1024).open(PATH).unwrap();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let log = log.clone();
                scope.spawn(move || {
                    for number in 0..200 {
                        log.record(join(&format!("node-{thread}-{number}")));
                        log.record(Event::Clock(LamportTime(thread * 200 + number)));
                        if number % 50 == 0 {
                            drop(log.compact());
                        }
                    }
                });
            }
            let before = log.record(join("before"));
            log.leave().wait(DEADLINE).unwrap();
            let frozen = storage.process_crash();
            let skip = usize::from(frozen.unsynced() > EXHAUSTIVE);
            let worst = frozen.crash_images(0, 2).nth(skip).unwrap();
            let file = worst.storage.contents(PATH).unwrap();
            let both = [false, true].map(|it| snapshot_model::replay(&file, &Rules::hardened(it)));
            assert!(both[0].alive.is_empty(), "who has left has left everybody");
            // Where nobody rejoins, a rewrite after the leave holds nobody.
            let rejoins = round % 2 == 0;
            assert!(!rejoins || both[1].alive.contains_key(&b"before"[..]), "what came before");
            log.durable(before).wait(DEADLINE).unwrap();
        });
        let expected = log.with_state(model_of);
        log.close().wait(DEADLINE).unwrap();
        let rules = Rules::hardened(round % 2 == 0);
        let found = snapshot_model::replay(&storage.contents(PATH).unwrap(), &rules);
        assert_eq!(found, expected, "round {round}");
    }
}

/// What a host does that waits for everything; the calls it took.
fn host(storage: &SimStorage) -> u64 {
    let options = Options::new().storage(storage.clone()).durability(Durability::Always);
    let (log, _) = options.open(PATH).unwrap();
    for round in 0..4 {
        let name = format!("node-{round}");
        let position = log.record(join(&name));
        match log.durable(position).wait(DEADLINE) {
            Ok(()) => {
                let found = survives(storage, Durability::Always);
                assert!(found.alive.contains_key(name.as_bytes()), "{name} was said to be durable");
            }
            Err(error) => assert!(!error.is_timeout(), "nobody answers: {error}"),
        }
        if round == 1 {
            let ended = log.compact().wait(DEADLINE);
            assert!(!ended.is_err_and(|error| error.is_timeout()), "nobody answers");
        }
    }
    let calls = storage.calls();
    storage.clear_faults();
    // The disk is well again, and whoever asks need not wait for the back-off. What was under way may still have failed.
    let ends = [log.sync(), log.sync()].map(|promise| promise.wait(DEADLINE));
    assert!(ends[1].is_ok() || log.sync().wait(DEADLINE).is_ok(), "{ends:?}");
    log.record(Event::MemberLeave(member("node-0", ADDR)));
    let expected = log.with_state(model_of);
    log.close().wait(DEADLINE).unwrap();
    assert_eq!(read(&storage.contents(PATH).unwrap()), expected);
    assert_eq!(storage.open_files(), 0);
    calls
}

#[test]
fn with_its_thread_each_call_may_fail() {
    let (mut injected, storage) = (0, SimStorage::new());
    let calls = host(&storage);
    // The creation ends with the first sync of the directory.
    let journal = storage.journal();
    let created = journal.entries().iter().find(|entry| entry.call == Call::SyncDir).unwrap();
    for number in created.number + 1..=calls {
        for error in [libc::EIO, libc::ENOSPC, libc::EBUSY] {
            for fault in [Fault::error(error), Fault::error(error).lasting()] {
                let storage = SimStorage::new();
                storage.fail(At::Number(number), fault);
                host(&storage);
                injected += 1;
            }
        }
    }
    println!(
        "proof: concurrency test=failing-calls calls={calls} injected={injected} violations=0"
    );
}
