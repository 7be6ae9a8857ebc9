//! A disk that fails: who knows, how often it is tried, and what comes when it is well again.

use std::sync::mpsc;
use std::time::Duration;

use snapshot_io::sim::{At, Call, Fault, SimStorage};
use snapshot_io::{Cause, Durability, Event, Health, Options, Warning};

use crate::common::{DEADLINE, alive, health_until, join, member, read, stepper};
use crate::{PATH, heal, names, record_durably};

#[test]
fn two_hundred_failing_appends_are_one_change_of_health() {
    let storage = SimStorage::new();
    let (tell, changes) = mpsc::channel();
    let options =
        Options::new().storage(storage.clone()).on_health(move |health| tell.send(health).unwrap());
    let (log, _) = options.open(PATH).unwrap();
    log.record(join("first"));
    log.sync().wait(DEADLINE).unwrap();
    let nth = storage.journal().count(Call::Write) as u64 + 1;
    storage.fail(At::Nth(Call::Write, nth), Fault::error(libc::EIO).lasting());
    let names = names(200);
    for name in &names {
        log.record(join(name));
        let error = log.sync().wait(DEADLINE).unwrap_err();
        assert_eq!(error.source.raw_os_error(), Some(libc::EIO), "{error}");
    }
    assert_eq!(log.health().stale, Some(Cause::WriteFailed));
    let stats = log.stats();
    assert!(stats.failures >= 200, "each was tried and counted: {stats:?}");
    storage.clear_faults();
    log.sync().wait(DEADLINE).unwrap();
    assert!(log.health().is_good());
    let seen: Vec<_> =
        health_until(&changes, Health::is_good).iter().map(ToString::to_string).collect();
    assert_eq!(
        seen,
        ["stale: a write failed", "stale: a write failed; the last rewrite failed", "good"]
    );
    assert!(changes.try_recv().is_err());
    assert_eq!(read(&storage.contents(PATH).unwrap()).alive.len(), 201);
}

#[test]
fn a_dead_disk_is_tried_less_and_less_often() {
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new());
    record_durably(&mut stepper, &[join("a")]);
    storage.fail(At::Number(1), Fault::error(libc::EIO).lasting());
    stepper.record(join("b"));
    let mut attempts = Vec::new();
    for second in 0..300_u64 {
        let before = storage.journal().count(Call::Create);
        stepper.record(Event::MemberUpdate(member("b", &format!("10.0.0.1:{}", second + 1))));
        stepper.advance(Duration::from_secs(1));
        attempts.extend((storage.journal().count(Call::Create) > before).then_some(second));
    }
    let waits: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits[..5], [1, 2, 4, 8, 16], "{attempts:?}");
    assert!(waits[5..].iter().all(|wait| *wait == 30), "{attempts:?}");
    heal(&storage, &mut stepper);
    // Once well, it begins with the short wait again.
    storage.fail(At::Number(1), Fault::error(libc::EIO).lasting());
    stepper.record(join("c"));
    stepper.advance(Duration::from_secs(1));
    storage.clear_faults();
    stepper.advance(Duration::from_secs(2));
    assert!(stepper.engine().health().is_good());
    assert_eq!(alive(&read(&storage.contents(PATH).unwrap())), ["a", "b", "c"]);
}

#[test]
fn a_dead_disk_costs_no_memory() {
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new().max_pending(10_000));
    storage.fail(At::Number(1), Fault::error(libc::EIO).lasting());
    for round in 0..20_000_u32 {
        let addr = format!("10.0.0.1:{}", 1 + round);
        stepper.record(Event::MemberUpdate(member("a", &addr)));
        let waiting = stepper.engine().stats().pending_bytes;
        assert!(waiting <= 10_000, "{waiting} bytes wait");
        if round % 100 == 0 {
            stepper.advance(Duration::from_millis(100));
        }
    }
    heal(&storage, &mut stepper);
    assert_eq!(
        read(&storage.contents(PATH).unwrap()),
        crate::common::model_of(stepper.engine().state())
    );
}

#[test]
fn a_good_log_outlives_a_rewrite_without_space() {
    for error in [libc::ENOSPC, libc::EDQUOT] {
        for call in [Call::Create, Call::Write, Call::Sync] {
            let storage = SimStorage::new();
            let options = Options::new().min_compact_size(2000).durability(Durability::Os);
            let (mut stepper, _) = stepper(&storage, PATH, options);
            for round in 0.. {
                if stepper.engine().stats().log_bytes > 1900 {
                    break;
                }
                let addr = format!("10.0.0.1:{}", 1 + round);
                stepper.record(Event::MemberUpdate(member("a", &addr)));
                stepper.advance(Duration::from_millis(500));
            }
            stepper.engine().request_rewrite();
            let created = storage.journal().count(Call::Create);
            let nth = storage.journal().count(call) as u64 + 1;
            storage.fail(At::Nth(call, nth), Fault::error(error));
            stepper.run();
            let what = format!("{error} {call}");
            let health = stepper.engine().health();
            assert_eq!(
                (health.stale, health.warnings().collect::<Vec<_>>()),
                (None, vec![Warning::NoSpace]),
                "{what}"
            );
            assert_eq!(storage.paths().len(), 2, "{what}: log and lock, the space is given back");
            // What is recorded goes on to the old log, and the next try waits for it to grow by half.
            let before = stepper.engine().stats().log_bytes;
            for round in 0..300 {
                stepper
                    .record(Event::MemberUpdate(member("a", &format!("10.0.0.2:{}", 1 + round))));
                stepper.advance(Duration::from_millis(500));
                if storage.journal().count(Call::Create) > created + 1 {
                    break;
                }
                assert!(
                    stepper.engine().stats().log_bytes < before * 2,
                    "{what}: never tried again"
                );
            }
            assert!(stepper.engine().health().is_good(), "{what}");
        }
    }
}

#[test]
fn a_failing_rewrite_does_not_fail_those_who_wait_for_a_good_log() {
    // The directory may not be written, as after dropping privileges: appending is all that is left.
    let storage = SimStorage::new();
    let (log, _) = Options::new().storage(storage.clone()).open(PATH).unwrap();
    log.record(join("a"));
    log.sync().wait(DEADLINE).unwrap();
    let nth = storage.journal().count(Call::Create) as u64 + 1;
    storage.fail(At::Nth(Call::Create, nth), Fault::error(libc::EACCES).lasting());
    for name in names(20) {
        let compacted = log.compact();
        log.record(join(&name));
        log.sync().wait(DEADLINE).expect("the log is good");
        compacted.wait(DEADLINE).expect_err("no new file can be made");
    }
    assert_eq!(log.health().stale, None);
    log.record(join("last"));
    drop(log.compact());
    log.close().wait(DEADLINE).expect("the log is good");
    assert_eq!(read(&storage.contents(PATH).unwrap()).alive.len(), 22);
}
