//! How a snapshot ends: closed, dropped, or dropped while the disk does not answer.

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use snapshot_io::sim::{At, Call, Fault, SimStorage};
use snapshot_io::{Durability, Event, LamportTime, OpenError, Options, OsStorage};

use crate::common::gate::Gate;
use crate::common::{ADDR, DEADLINE, alive, join, member, read, read_at};
use crate::{open, place};

#[test]
fn the_last_drop_writes_and_syncs() {
    let storage = SimStorage::new();
    let options = Options::new().storage(storage.clone()).durability(Durability::Os);
    let (log, _) = options.open("/snapshot").unwrap();
    let clone = log.clone();
    log.record(join("a"));
    drop(log);
    clone.record(join("b"));
    let dropped = thread::spawn(move || drop(clone));
    dropped.join().unwrap();
    for image in storage.crash_images(1, 50) {
        let found = read(&image.storage.contents("/snapshot").unwrap());
        assert_eq!(alive(&found), ["a", "b"], "{image}");
    }
    assert_eq!(storage.open_files(), 0, "files and lock are let go");
}

#[test]
fn the_last_drop_rewrites_a_stale_log() {
    let storage = SimStorage::new();
    storage.plant("/snapshot", "alive: a 10.0.0.1:7946\ntorn");
    let (log, _) = Options::new().storage(storage.clone()).open("/snapshot").unwrap();
    log.record(join("b"));
    drop(log);
    for image in storage.crash_images(1, 50) {
        let found = read(&image.storage.contents("/snapshot").unwrap());
        assert_eq!(alive(&found), ["a", "b"], "{image}");
    }
    assert_eq!(storage.open_files(), 0);
}

#[test]
fn a_drop_on_a_stuck_disk_ends_nevertheless() {
    let ((_dir, path), gate) = (place(), Gate::default());
    let (log, _) = Options::new().storage(gate.before(OsStorage)).open(&path).unwrap();
    gate.shut();
    log.record(join("a"));
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        drop(log);
        done.send(()).unwrap();
    });
    gate.wait_for_caller();
    ended.recv_timeout(DEADLINE).expect("the drop has a bound of 5 s");
    assert!(
        matches!(Options::new().open(&path), Err(OpenError::Locked { .. })),
        "the writer still has the file"
    );
    gate.open();
    // The writer ends by itself, and what was recorded comes with it.
    let deadline = Instant::now() + DEADLINE;
    let (_, recovery) = loop {
        match Options::new().open(&path) {
            Ok(opened) => break opened,
            Err(OpenError::Locked { .. }) => assert!(Instant::now() < deadline, "it never let go"),
            Err(error) => panic!("{error}"),
        }
        thread::yield_now();
    };
    assert_eq!(recovery.alive, 1);
}

#[test]
fn after_the_close_nothing_is_kept_and_nobody_waits() {
    let (_dir, path) = place();
    let (log, _) = open(&path);
    let clone = log.clone();
    let kept = log.record(join("a"));
    log.close().wait(DEADLINE).unwrap();
    clone.durable(kept).wait(Duration::ZERO).unwrap();
    let lost = clone.record(join("b"));
    for promise in [clone.durable(lost), clone.sync(), clone.compact(), clone.leave()] {
        let error = promise.wait(Duration::ZERO).unwrap_err();
        assert_eq!(error.source.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
        assert!(!error.is_timeout());
    }
    clone.clone().close().wait(Duration::ZERO).unwrap();
    // As much as one likes, and no memory for it.
    for round in 0..200_000 {
        clone.record(Event::User(LamportTime(round)));
    }
    assert!(clone.stats().pending_bytes <= 8 << 20);
    let (again, _) = open(&path);
    assert_eq!(alive(&read_at(&path)), ["a"]);
    drop(clone);
    again.record(join("c"));
    again.close().wait(DEADLINE).unwrap();
    assert_eq!(alive(&read_at(&path)), ["a", "c"], "the old clone touched nothing");
}

#[test]
fn a_leave_that_comes_after_the_close_is_not_promised() {
    let ((_dir, path), gate) = (place(), Gate::default());
    let (log, _) = Options::new().storage(gate.before(OsStorage)).open(&path).unwrap();
    log.record(join("a"));
    gate.shut();
    let closing = log.clone().close();
    gate.wait_for_caller();
    let leave = log.leave();
    gate.open();
    closing.wait(DEADLINE).unwrap();
    assert!(leave.wait(DEADLINE).is_err(), "it is not in the file");
    assert_eq!(alive(&read_at(&path)), ["a"]);
}

#[test]
fn a_close_reports_an_attempt_that_fails() {
    for (call, count) in [(Call::Write, 2), (Call::Sync, 2)] {
        let storage = SimStorage::new();
        let (log, _) = Options::new().storage(storage.clone()).open("/snapshot").unwrap();
        let clone = log.clone();
        storage.fail(At::Nth(call, count), Fault::error(libc::EIO).lasting());
        log.record(join("a"));
        let promise = clone.sync();
        let error = log.close().wait(DEADLINE).unwrap_err();
        assert_eq!(error.source.raw_os_error(), Some(libc::EIO), "{error}");
        promise.wait(Duration::ZERO).unwrap_err();
        let late = clone.record(join("b"));
        clone.durable(late).wait(Duration::ZERO).unwrap_err();
        assert_eq!(storage.open_files(), 0, "the files are let go all the same");
        storage.clear_faults();
        let (again, _) = Options::new().storage(storage).open("/snapshot").unwrap();
        again.record(join("c"));
        again.close().wait(DEADLINE).unwrap();
    }
}

#[test]
fn a_rewrite_that_fails_takes_nothing_from_a_good_log_that_closes() {
    // The rewrite is under way when the close comes: the log still gets what waits for it.
    for fail in [Call::Create, Call::Write] {
        let (storage, gate) = (SimStorage::new(), Gate::default());
        let options = Options::new().storage(gate.before(storage.clone()));
        let (log, _) = options.open("/snapshot").unwrap();
        log.record(join("a"));
        log.sync().wait(DEADLINE).unwrap();
        gate.shut();
        drop(log.compact());
        gate.wait_for_caller();
        // The writer stands before the creation of the new file, which needs more than the disk has.
        let nth = storage.journal().count(fail) as u64 + 1;
        storage.fail(At::Nth(fail, nth), Fault::error(libc::ENOSPC));
        log.record(join("b"));
        let closing = log.close();
        gate.open();
        closing
            .wait(DEADLINE)
            .unwrap_or_else(|error| panic!("{fail}: {error}\n{}", storage.journal()));
        assert_eq!(alive(&read(&storage.contents("/snapshot").unwrap())), ["a", "b"], "{fail}");
    }
}

#[test]
fn a_close_leaves_no_temporary_file() {
    for steps in 0..6 {
        let (storage, gate) = (SimStorage::new(), Gate::default());
        let (log, _) =
            Options::new().storage(gate.before(storage.clone())).open("/snapshot").unwrap();
        log.record(join("a"));
        log.sync().wait(DEADLINE).unwrap();
        gate.shut();
        drop(log.compact());
        for _ in 0..steps {
            gate.wait_for_caller();
            gate.let_one_through();
        }
        gate.wait_for_caller();
        let closing = log.close();
        gate.open();
        closing.wait(DEADLINE).unwrap();
        let names: Vec<_> = storage.paths().iter().map(|path| path.display().to_string()).collect();
        assert_eq!(names, ["/snapshot", "/snapshot.lock"], "after {steps} calls");
        assert_eq!(alive(&read(&storage.contents("/snapshot").unwrap())), ["a"]);
    }
}

#[test]
fn reopening_right_after_the_close_works() {
    let (_dir, path) = place();
    for round in 0..50_u64 {
        let (log, recovery) = open(&path);
        assert_eq!(recovery.clocks.event_clock.0, round);
        log.record(Event::User(LamportTime(round + 1)));
        // Both ways of ending.
        if round % 2 == 0 {
            log.close().wait(DEADLINE).unwrap();
        } else {
            drop(log);
        }
    }
    let leftovers: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(leftovers.len(), 2, "{leftovers:?}");
}

#[test]
fn leave_is_in_the_file_when_it_returns() {
    let (_dir, path) = place();
    let (log, _) = open(&path);
    for number in 0..1000 {
        log.record(join(&format!("node-{number}")));
    }
    log.record(Event::Clock(LamportTime(9)));
    log.leave().wait(DEADLINE).unwrap();
    log.record(Event::MemberLeave(member("node-1", ADDR)));
    let file = fs::read(&path).unwrap();
    let without = read(&file);
    assert_eq!((without.alive.len(), without.clock), (0, 8));
    let with = snapshot_model::replay(&file, &snapshot_model::Rules::hardened(true));
    assert_eq!(with.alive.len(), 1000, "after all that was recorded before");
}
