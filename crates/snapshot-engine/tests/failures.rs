//! Calls that fail: what the log is then, what happens next, and when it is tried again.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::Duration;

use common::disk::Call::{
    self, Check, Create, Discard, Replace, SyncDir, SyncLog, SyncNext, WriteLog, WriteNext,
};
use common::disk::Fault;
use common::driver::Driver;
use common::{policy, sealed};
use snapshot_engine::Outcome::{self, Busy, Failed, NoSpace};
use snapshot_engine::{Cause, Durability, Event, LamportTime, LogFile, Policy, Warning};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const NEVER: [u64; 0] = [];

/// No sync and no check but where one is needed.
fn quiet() -> Policy {
    policy(|policy| {
        policy.durability = Durability::Os;
        policy.check_interval = Duration::ZERO;
    })
}

const LOG: &[u8] =
    b"#@format: 1\nclock: 4\n#@failed: f 1.1.1.1:1 1763866999999\nalive: a 1.1.1.1:1\n";

fn open(policy: &Policy, stale: bool) -> Driver {
    let mut log = sealed(LOG);
    log.truncate(log.len() - usize::from(stale));
    Driver::open(policy, &log)
}

/// A rewrite of which the `nth` call fails so, while something is recorded before and during each call; the call that
/// failed, if there are so many.
fn rewrite_with(policy: &Policy, stale: bool, nth: usize, fault: Fault) -> Option<(Driver, Call)> {
    let mut driver = open(policy, stale);
    driver.engine.request_rewrite();
    let mut records = 0;
    let mut record = |driver: &mut Driver| {
        records += 1;
        driver.join(&format!("n{records}"), "2.2.2.2:2");
    };
    for number in 0.. {
        record(&mut driver);
        driver.wait(200 * MS);
        let call = driver.begin()?;
        record(&mut driver);
        if number == nth {
            driver.disk.fail(call, fault);
            driver.end();
            return Some((driver, call));
        }
        driver.end();
        if call == SyncDir {
            return None;
        }
    }
    None
}

const fn fault(outcome: Outcome, done: usize) -> Fault {
    Fault { outcome, done, lasting: false }
}

/// What the log is after a call that failed, where it was good before.
fn cause_of(call: Call) -> Option<Cause> {
    match call {
        WriteLog => Some(Cause::WriteFailed),
        SyncLog => Some(Cause::SyncFailed),
        SyncDir => Some(Cause::DirSyncFailed),
        _ => None,
    }
}

#[test]
fn any_call_of_a_rewrite_may_fail() {
    let mut failed = Vec::new();
    for durability in [Durability::Os, Durability::Always] {
        for (stale, outcome) in [(false, Failed), (false, NoSpace), (true, Failed), (true, NoSpace)]
        {
            let mut policy = quiet();
            policy.durability = durability;
            for nth in 0.. {
                for done in [0, 30, usize::MAX] {
                    let found = rewrite_with(&policy, stale, nth, fault(outcome, done));
                    let Some((driver, call)) = found else { break };
                    failed.push((nth, call));
                    check_after_failure(driver, call, stale, done > 0);
                }
                if failed.last().is_none_or(|last| last.0 != nth) {
                    break;
                }
            }
        }
    }
    for call in Call::ALL {
        let is_there = failed.iter().any(|(_, failed)| *failed == call);
        assert!(is_there || call == Discard, "{call:?} never failed");
    }
}

fn check_after_failure(mut driver: Driver, call: Call, stale: bool, done: bool) {
    let before = driver.engine.progress();
    let from = driver.mark();
    let health = driver.engine.health();
    let of_the_rewrite = matches!(call, Create | WriteNext | SyncNext | Replace);
    let expect = if stale && call != SyncDir { Some(Cause::NotSealed) } else { cause_of(call) };
    assert_eq!(health.stale, expect, "{call:?}");
    let warned = [Warning::RewriteFailed, Warning::NoSpace];
    let no_space = health.warnings().any(|warning| warning == Warning::NoSpace);
    let warned = health.warnings().filter(|warning| warned.contains(warning)).count();
    assert_eq!(warned, usize::from(of_the_rewrite), "{call:?}: {health}");
    assert_eq!(driver.engine.stats().failures, u64::from(call != Check), "{call:?}");
    // A sync of the directory that failed makes nothing durable.
    assert!(call != SyncDir || before.durable < before.written, "{before:?}");
    if of_the_rewrite {
        assert_eq!(driver.begin(), Some(Discard), "the new file goes at once: {call:?}");
        driver.end();
    }
    if of_the_rewrite && !stale && !(call == Replace && done) {
        // The good log gets what the new one had, and nothing else happens before the back-off is over.
        let accepted = driver.engine.progress().accepted;
        driver.advance(500 * MS);
        assert_eq!(driver.engine.progress().written, accepted, "{call:?}");
        // So short a log has soon grown by half.
        assert!(no_space || driver.count(Create, from) == 0, "{call:?}");
        assert_eq!(driver.engine.health().stale, None);
    }
    driver.join("last", "2.2.2.2:2");
    driver.advance(2 * SECOND);
    driver.assert_settled();
    // A failed call makes the state no worse than before.
    driver.engine.request_rewrite();
    driver.assert_settled();
    assert!(driver.engine.health().is_good(), "{}", driver.engine.health());
}

#[test]
fn a_log_that_failed_gets_not_one_byte_more() {
    for (call, cause) in [(WriteLog, Cause::WriteFailed), (SyncLog, Cause::SyncFailed)] {
        for done in [0, 1, 40, usize::MAX] {
            for outcome in [Failed, NoSpace] {
                let mut driver = open(&quiet(), false);
                driver.fail_always(Create, Failed);
                driver.join("b", "2.2.2.2:2");
                driver.disk.fail(call, fault(outcome, done));
                driver.engine.request_sync();
                driver.run();
                let len = driver.disk.at_path().unwrap().len();
                let progress = driver.engine.progress();
                assert_eq!(driver.engine.health().stale, Some(cause));
                for number in 0..50 {
                    driver.join(&number.to_string(), "2.2.2.2:2");
                    driver.engine.request_sync();
                    driver.record(Event::Clock(LamportTime(10 + number)));
                    driver.advance(SECOND);
                }
                assert_eq!(driver.disk.at_path().unwrap().len(), len, "{call:?}");
                assert_eq!(driver.engine.stats().pending_bytes, 0, "nothing is kept for it");
                let now = driver.engine.progress();
                assert_eq!((now.written, now.durable), (progress.written, progress.durable));
                assert_eq!(driver.engine.health().stale, Some(cause), "the first cause stands");
                driver.disk.heal();
                driver.record(Event::Leave);
                driver.assert_settled();
            }
        }
    }
}

#[test]
fn after_a_failed_sync_the_file_is_written_anew() {
    let mut driver = open(&quiet(), false);
    driver.join("b", "2.2.2.2:2");
    driver.fail(SyncLog, Failed);
    driver.engine.request_sync();
    let expect = [Check, WriteLog, SyncLog, Create, WriteNext, WriteNext, WriteNext, WriteNext];
    assert_eq!(
        driver.run(),
        [&expect[..], &[SyncNext, SyncNext, Replace, SyncDir, Check]].concat()
    );
    driver.assert_settled();
    assert!(driver.engine.health().is_good());
    // The same where it comes in the middle of a rewrite: that one carries on, without the old log.
    let mut driver = open(&quiet(), false);
    driver.engine.request_rewrite();
    driver.join("b", "2.2.2.2:2");
    driver.engine.request_sync();
    driver.step();
    driver.fail(SyncLog, Failed);
    driver.engine.request_rewrite();
    driver.run();
    assert_eq!(driver.calls.iter().filter(|call| **call == SyncLog).count(), 1);
    driver.assert_settled();
}

/// When a call of this kind begins, in seconds from now, within that time.
fn times(driver: &mut Driver, call: Call, within: Duration) -> Vec<u64> {
    let (start, mut times) = (driver.now.instant, Vec::new());
    let mut next = Some(start);
    while let Some(due) = next.filter(|due| *due <= start + within) {
        driver.wait_until(due);
        while let Some(begun) = driver.step() {
            if begun == call {
                times.push(driver.now.instant.0.as_secs() - start.0.as_secs());
            }
        }
        next = driver.engine.poll_timeout();
    }
    driver.wait_until(start + within);
    times
}

/// A good log that is longer than it should be, and could not be rewritten just now.
fn grown(outcome: Outcome) -> Driver {
    let mut policy = quiet();
    policy.min_compact_size = 1500;
    let mut driver = open(&policy, false);
    driver.fail_always(if outcome == Busy { Replace } else { WriteNext }, outcome);
    assert_eq!(grow(&mut driver, 1501), 1);
    driver
}

/// Records until the log has this size; how many rewrites began meanwhile. No time passes.
fn grow(driver: &mut Driver, size: u64) -> usize {
    let from = driver.mark();
    let mut time = driver.engine.state().clocks().event_clock.0;
    while driver.engine.stats().log_bytes < size {
        time += 1;
        driver.record(Event::User(LamportTime(time)));
        driver.engine.request_sync();
        // The log alone: what is due beside it comes later.
        while driver.engine.progress().durable < driver.engine.progress().accepted {
            driver.step().unwrap();
        }
    }
    driver.run();
    driver.count(Create, from)
}

#[test]
fn a_rewrite_that_fails_is_tried_again_after_one_second_and_up_to_thirty() {
    let doubling = [0, 1, 3, 7, 15, 31, 61, 91, 121];
    for failing in [Create, WriteNext, SyncNext, SyncDir] {
        let mut driver = open(&quiet(), true);
        driver.fail_always(failing, Failed);
        assert_eq!(times(&mut driver, Create, 130 * SECOND), doubling, "{failing:?}");
        // One that succeeds begins the series anew.
        driver.disk.heal();
        driver.advance(30 * SECOND);
        assert_eq!(driver.engine.health().stale, None);
        assert!(driver.engine.health().is_good(), "{}", driver.engine.health());
        driver.fail_always(failing, Failed);
        driver.fail(WriteLog, Failed);
        driver.join("b", "2.2.2.2:2");
        driver.engine.request_sync();
        driver.run_to(WriteLog);
        driver.end();
        assert_eq!(times(&mut driver, Create, 130 * SECOND), doubling, "{failing:?} again");
    }
    // A good log waits as long, and stays good.
    let mut driver = grown(Failed);
    assert_eq!(times(&mut driver, Create, 130 * SECOND), doubling[1..]);
    assert_eq!(driver.engine.health().stale, None);
    driver.disk.heal();
    driver.advance(30 * SECOND);
    assert_eq!(driver.engine.stats().rewrites, 1);
    assert!(driver.engine.health().is_good());
    driver.assert_settled();
}

#[test]
fn a_rewrite_that_was_asked_for_is_tried_again_too() {
    for failing in [Create, WriteNext, SyncNext, Replace] {
        let mut driver = open(&quiet(), false);
        driver.fail_always(failing, Failed);
        driver.engine.request_rewrite();
        assert_eq!(times(&mut driver, Create, 40 * SECOND), [0, 1, 3, 7, 15, 31], "{failing:?}");
        assert_eq!(driver.engine.health().warnings().collect::<Vec<_>>(), [Warning::RewriteFailed]);
        driver.disk.heal();
        driver.advance(30 * SECOND);
        assert_eq!(driver.engine.stats().rewrites, 1, "{failing:?}");
        assert!(driver.engine.health().is_good(), "{failing:?}: {}", driver.engine.health());
        assert_eq!(times(&mut driver, Create, 3600 * SECOND), NEVER, "once is enough");
        driver.assert_settled();
    }
    // Where there is no space it waits as long as one that is due for its size.
    let mut driver = open(&quiet(), false);
    driver.fail_always(WriteNext, NoSpace);
    driver.engine.request_rewrite();
    assert_eq!(times(&mut driver, Create, 1250 * SECOND), [0, 600, 1200]);
}

#[test]
fn a_stale_log_for_which_there_is_no_space_waits_no_longer() {
    let mut driver = open(&quiet(), true);
    driver.fail_always(WriteNext, NoSpace);
    assert_eq!(times(&mut driver, Create, 100 * SECOND), [0, 1, 3, 7, 15, 31, 61, 91]);
    let warnings: Vec<_> = driver.engine.health().warnings().collect();
    assert_eq!(warnings, [Warning::NoSpace]);
    driver.disk.heal();
    driver.advance(30 * SECOND);
    driver.assert_settled();
    assert!(driver.engine.health().is_good());
}

#[test]
fn a_good_log_for_which_there_is_no_space_is_left_alone_for_a_while() {
    let mut driver = grown(NoSpace);
    assert_eq!(times(&mut driver, Create, 1250 * SECOND), [600, 1200]);
    assert_eq!(times(&mut driver, Create, 500 * SECOND), NEVER);
    let size = driver.engine.stats().log_bytes;
    assert_eq!(grow(&mut driver, size + size / 2 - 100), 0, "it has not grown by half");
    assert_eq!(times(&mut driver, Create, SECOND), NEVER);
    assert_eq!(grow(&mut driver, size + size / 2), 1);
    assert_eq!(times(&mut driver, Create, 600 * SECOND), [600]);
    assert_eq!(driver.engine.health().stale, None);
    // Space alone is no reason to try: only time or growth tells. One who asks is served.
    driver.disk.heal();
    assert_eq!(times(&mut driver, Create, 500 * SECOND), NEVER);
    driver.engine.request_rewrite();
    assert_eq!(times(&mut driver, Create, SECOND), [0]);
    assert!(driver.engine.health().is_good());
    driver.assert_settled();
    // The next time it is too long it is rewritten at once.
    assert_eq!(grow(&mut driver, 1501), 1);
}

#[test]
fn a_path_that_cannot_be_replaced_keeps_its_good_log_until_it_has_doubled() {
    let mut driver = grown(Busy).unwitnessed();
    let size = driver.engine.stats().log_bytes;
    assert_eq!(times(&mut driver, Create, 3600 * SECOND), NEVER);
    let warnings: Vec<_> = driver.engine.health().warnings().collect();
    assert_eq!(warnings, [Warning::MountTheDirectory]);
    assert_eq!(driver.engine.health().stale, None, "the log is good");
    assert_eq!(grow(&mut driver, 2 * size - 100), 0);
    assert_eq!(times(&mut driver, Create, 3600 * SECOND), NEVER);
    assert_eq!(grow(&mut driver, 2 * size), 1);
    // A host that fills it within seconds does not make it try without a pause.
    let size = driver.engine.stats().log_bytes;
    assert_eq!(grow(&mut driver, 2 * size), 0);
    assert_eq!(times(&mut driver, Create, 100 * SECOND), [30]);
    driver.assert_settled();
    driver.disk.heal();
    driver.engine.request_rewrite();
    driver.assert_settled();
    assert!(driver.engine.health().is_good());
}

#[test]
fn a_path_that_cannot_be_replaced_under_a_stale_log_is_tried_every_thirty_seconds() {
    let mut driver = open(&quiet(), true);
    driver.fail_always(Replace, Busy);
    assert_eq!(times(&mut driver, Create, 100 * SECOND), [0, 30, 60, 90]);
    assert_eq!(driver.engine.health().stale, Some(Cause::NotSealed));
    driver.disk.heal();
    driver.advance(30 * SECOND);
    driver.assert_settled();
    assert!(driver.engine.health().is_good());
}

#[test]
fn who_asks_does_not_wait_for_the_back_off() {
    for what in ["a rewrite", "a sync", "a leave"] {
        let mut driver = open(&quiet(), true);
        driver.fail_always(Create, Failed);
        assert_eq!(times(&mut driver, Create, 40 * SECOND), [0, 1, 3, 7, 15, 31]);
        match what {
            "a rewrite" => _ = driver.engine.request_rewrite(),
            "a sync" => _ = driver.engine.request_sync(),
            _ => _ = driver.record(Event::Leave),
        }
        assert_eq!(times(&mut driver, Create, 25 * SECOND), [0], "{what}: one try more");
        driver.disk.heal();
        driver.engine.request_sync();
        assert_eq!(times(&mut driver, Create, SECOND), [0]);
        driver.assert_settled();
    }
    // A good log is synced, not rewritten, whatever became of the last rewrite.
    let mut driver = grown(Failed);
    driver.advance(SECOND / 2);
    driver.join("b", "2.2.2.2:2");
    driver.engine.request_sync();
    assert_eq!(driver.run(), [Check, WriteLog, SyncLog]);
    driver.engine.request_rewrite();
    assert_eq!(driver.begin(), Some(Create));
}

/// A log that overflows while this call is under way.
fn overflow_during(call: Option<Call>, stale: bool) -> Driver {
    let mut policy = quiet();
    policy.max_pending = 3000;
    let mut driver = open(&policy, stale);
    driver.join("b", "2.2.2.2:2");
    if let Some(call) = call {
        driver.engine.request_rewrite();
        driver.run_to(call);
    }
    for number in 0..150 {
        driver.join(&format!("x{number}"), "2.2.2.2:2");
    }
    if call.is_some() {
        driver.end();
    }
    driver
}

#[test]
fn an_overflow_gives_the_log_up_and_the_state_is_written_instead() {
    for (call, stale) in
        [None, Some(Create), Some(WriteNext), Some(SyncNext), Some(Replace), Some(SyncDir)]
            .into_iter()
            .flat_map(|call| [(call, false), (call, true)])
    {
        if call.is_none() && stale {
            continue;
        }
        let mut driver = overflow_during(call, stale);
        let what = format!("during {call:?} of a stale log: {stale}");
        let stats = driver.engine.stats();
        // A stale log takes nothing in, so before the rewrite takes records nothing can flow over.
        let expect = u64::from(!(stale && call == Some(Create)));
        assert_eq!(stats.overflows, expect, "{what}");
        assert_eq!(stats.pending_bytes, 0, "{what}");
        let first = if stale { Cause::NotSealed } else { Cause::Overflow };
        let in_place = call == Some(SyncDir);
        assert_eq!(
            driver.engine.health().stale,
            Some(if in_place { Cause::Overflow } else { first }),
            "{what}"
        );
        assert_eq!(stats.rewrites, u64::from(in_place), "{what}");
        let len = driver.disk.at_path().unwrap().len();
        let from = driver.mark();
        // What is scanned is thrown away; what has been scanned is put in place, and rewritten at once.
        if call == Some(WriteNext) {
            assert_eq!(driver.run(), [Discard], "{what}");
            assert_eq!(driver.disk.at_path().unwrap().len(), len);
            driver.advance(SECOND);
        } else {
            driver.run();
        }
        let in_file = matches!(call, Some(SyncNext | Replace));
        assert_eq!(
            driver.count(SyncDir, from),
            1 + usize::from(in_file),
            "{what}: {:?}",
            driver.calls
        );
        assert_eq!(driver.engine.health().stale, None, "{what}");
        assert_eq!(driver.count(WriteLog, from), 0, "{what}");
        driver.assert_settled();
        assert!(driver.engine.health().is_good(), "{what}");
    }
}

#[test]
fn nothing_waits_for_a_log_that_is_given_up() {
    let mut policy = quiet();
    policy.max_pending = 3000;
    let mut driver = open(&policy, false);
    driver.fail_always(Create, Failed);
    for number in 0..200 {
        driver.join(&format!("x{number}"), "2.2.2.2:2");
        driver.step();
    }
    assert!(driver.engine.stats().overflows <= 1);
    assert_eq!(driver.engine.stats().pending_bytes, 0);
    driver.disk.heal();
    driver.advance(31 * SECOND);
    driver.assert_settled();
}

#[test]
fn what_a_failed_rewrite_took_goes_to_the_good_log_in_its_order() {
    // More than one piece, in the new file and still to come, and behind them what came after the last swap.
    for failing in [WriteNext, SyncNext, Replace] {
        for fail_at in 0..4 {
            let mut driver = open(&quiet(), false).unwitnessed();
            driver.engine.request_rewrite();
            driver.run_to(Create);
            let long = |number: usize| format!("{number:03}{}", "n".repeat(9000));
            for number in 0..25 {
                driver.join(&long(number), "2.2.2.2:2");
                driver.join(&long(number % 3), &format!("h:{}", number + 1));
            }
            // Without a flush of the log, so that all of it is in the last swap.
            driver.end();
            for _ in 0..fail_at {
                driver.step();
            }
            driver.disk.fail(failing, fault(Failed, 0));
            while driver.engine.stats().failures == 0 {
                driver.join("late", &format!("h:{}", driver.calls.len()));
                driver.step().unwrap();
            }
            assert_eq!(driver.engine.health().stale, None);
            driver.advance(500 * MS);
            let progress = driver.engine.progress();
            assert_eq!(progress.written, progress.accepted, "{failing:?} {fail_at}");
            assert!(driver.reopened() == *driver.engine.state(), "{failing:?} {fail_at}");
            assert!(driver.written(LogFile::Log, common::driver::Mark::default()).len() > 400_000);
            driver.assert_settled();
        }
    }
}
