//! Comparing the path with the log that is open: when, and what follows where somebody else was there.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::Duration;

use common::disk::Call::{Check, Create, Discard, Replace, SyncDir, SyncLog, WriteLog};
use common::disk::Fault;
use common::driver::{Driver, Mark, lines};
use common::policy;
use snapshot_engine::Outcome::{self, Done, Failed, Gone};
use snapshot_engine::{Cause, Durability, LogFile, Policy, Warning};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn quiet() -> Policy {
    policy(|policy| policy.durability = Durability::Os)
}

#[test]
fn a_log_is_compared_before_each_write_and_every_five_seconds_without_one() {
    let mut driver = Driver::new(&quiet());
    assert_eq!(driver.advance(4999 * MS), []);
    assert_eq!(driver.advance(MS), [Check]);
    assert_eq!(driver.advance(10 * SECOND), [Check, Check]);
    // A comparison of a moment ago is not one before this write.
    driver.join("a", "1.1.1.1:1");
    assert_eq!(driver.advance(500 * MS), [Check, WriteLog]);
    driver.join("b", "1.1.1.1:1");
    driver.engine.request_sync();
    assert_eq!(driver.run(), [Check, WriteLog, SyncLog]);
    driver.join("c", "1.1.1.1:1");
    driver.engine.request_sync();
    assert_eq!(driver.run(), [Check, WriteLog, SyncLog]);
    // The five seconds count from the last comparison.
    assert_eq!(driver.advance(4999 * MS), []);
    assert_eq!(driver.advance(MS), [Check]);
}

/// What somebody else may do to a file.
type Hand = fn(&mut Driver);

const HANDS: [(&str, Hand); 5] = [
    ("appends", |driver| driver.disk.edit(|bytes| bytes.extend(b"alive: ghost 6.6.6.6:6\n"))),
    ("cuts", |driver| driver.disk.edit(|bytes| bytes.truncate(20))),
    ("empties", |driver| driver.disk.edit(Vec::clear)),
    ("replaces", |driver| {
        let copy = driver.disk.at_path().unwrap().to_vec();
        driver.disk.plant(Some(&copy));
    }),
    ("removes", |driver| driver.disk.plant(None)),
];

#[test]
fn a_foreign_hand_makes_the_log_stale_and_it_is_written_anew() {
    for (what, hand) in HANDS {
        for writes in [false, true] {
            let mut driver = Driver::new(&quiet());
            driver.join("a", "1.1.1.1:1");
            driver.assert_settled();
            driver.foreign = true;
            hand(&mut driver);
            let from = driver.mark();
            if writes {
                driver.join("b", "1.1.1.1:1");
                driver.engine.request_sync();
            } else {
                driver.wait(5 * SECOND);
            }
            assert_eq!(driver.begin(), Some(Check), "{what}");
            driver.end();
            assert_eq!(driver.engine.health().stale, Some(Cause::ForeignWriter), "{what}");
            assert_eq!(driver.engine.stats().foreign_writes, 1, "{what}");
            assert_eq!(driver.engine.stats().failures, 0, "a comparison is no attempt");
            assert_eq!(driver.begin(), Some(Create), "{what}");
            driver.end();
            driver.run();
            assert_eq!(driver.written(LogFile::Log, from), b"", "{what}: nothing to that file");
            driver.assert_settled();
            assert!(driver.engine.health().is_good(), "{what}");
            assert!(!lines(driver.disk.at_path().unwrap()).contains("ghost"));
        }
    }
}

#[test]
fn a_hand_that_comes_during_a_rewrite_is_noticed_too() {
    let mut driver = Driver::new(&quiet());
    driver.engine.request_rewrite();
    driver.run_to(Create);
    driver.join("a", "1.1.1.1:1");
    driver.engine.request_sync();
    driver.foreign = true;
    driver.disk.plant(Some(b"alive: ghost 6.6.6.6:6\n"));
    driver.end();
    driver.run();
    assert_eq!(driver.engine.stats().foreign_writes, 1);
    assert_eq!(driver.written(LogFile::Log, Mark::default()), b"");
    assert_eq!(driver.engine.stats().rewrites, 1, "the rewrite under way puts it right");
    driver.assert_settled();
}

/// Rewrites the log and answers the comparison after it so.
fn rewritten(policy: &Policy, answer: Outcome) -> Driver {
    let mut driver = Driver::new(policy);
    driver.engine.request_rewrite();
    if answer != Done {
        driver.fail(Check, answer);
    }
    let calls = driver.run();
    assert_eq!(calls[calls.len() - 2..], [SyncDir, Check], "at once, and not at the next write");
    driver
}

#[test]
fn what_differs_right_after_our_own_rename_is_the_file_systems_doing() {
    let mut driver = rewritten(&quiet(), Gone);
    let health = driver.engine.health();
    assert_eq!(
        (health.stale, health.warnings().collect::<Vec<_>>()),
        (None, vec![Warning::CheckOff])
    );
    assert_eq!(driver.engine.stats().foreign_writes, 0);
    // From now on nobody looks.
    let from = driver.mark();
    driver.fail_always(Check, Gone);
    driver.join("a", "1.1.1.1:1");
    assert_eq!(driver.advance(3600 * SECOND), [WriteLog]);
    driver.engine.request_rewrite();
    driver.run();
    assert_eq!(driver.count(Check, from), 0);
    driver.assert_settled();
    // Once it has been right, or nothing was said, a difference is somebody else's.
    for answer in [Done, Failed] {
        let mut driver = rewritten(&quiet(), answer);
        driver.fail(Check, Gone);
        driver.advance(5 * SECOND);
        assert_eq!(driver.engine.stats().foreign_writes, 1, "{answer:?}");
        assert!(driver.engine.health().is_good(), "{}", driver.engine.health());
        driver.assert_settled();
    }
}

#[test]
fn three_foreign_hands_within_a_minute_end_the_looking() {
    // A hand at each of these seconds, and after how many of them nobody looks any more.
    let check = |hands: &[u64], expect: Option<usize>| {
        let mut driver = Driver::new(&quiet());
        driver.foreign = true;
        let mut off = None;
        for (number, second) in hands.iter().enumerate() {
            let now = driver.now.instant.0;
            driver.advance(Duration::from_secs(*second).checked_sub(now).unwrap());
            driver.disk.edit(|bytes| bytes.extend(b"#\n"));
            // Found at the next write.
            driver.join("a", &format!("h:{}", number + 1));
            driver.engine.request_sync();
            driver.run();
            assert_eq!(driver.engine.health().stale, None);
            let is_off =
                driver.engine.health().warnings().any(|warning| warning == Warning::CheckOff);
            if is_off && off.is_none() {
                off = Some(number + 1);
            }
        }
        assert_eq!(off, expect, "{hands:?}");
        // The last one made the log stale all the same, and it was put right.
        assert_eq!(driver.engine.stats().rewrites, hands.len().min(expect.unwrap_or(99)) as u64);
    };
    check(&[1, 2, 3], Some(3));
    check(&[1, 30, 61], Some(3));
    check(&[1, 30, 62], None);
    check(&[1, 30, 62, 80], Some(4));
    check(&[1, 100, 200, 300], None);
}

#[test]
fn a_comparison_that_fails_says_nothing() {
    let mut driver = Driver::new(&quiet());
    driver.fail_always(Check, Failed);
    for number in 0..20 {
        driver.join("a", &format!("h:{}", number + 1));
        driver.advance(7 * SECOND);
    }
    assert!(driver.engine.health().is_good());
    assert_eq!((driver.engine.stats().failures, driver.engine.stats().rewrites), (0, 0));
    driver.assert_settled();
}

/// A rename of a good log that fails, with something recorded.
fn rename_failed(done: usize, outcome: Outcome) -> Driver {
    let mut driver = Driver::new(&quiet());
    driver.engine.request_rewrite();
    driver.join("a", "1.1.1.1:1");
    driver.run_to(Replace);
    driver.disk.fail(Replace, Fault { outcome, done, lasting: false });
    driver.join("b", "1.1.1.1:1");
    driver.end();
    driver
}

#[test]
fn after_a_failed_rename_only_a_comparison_can_tell() {
    // It did not happen: the log is good.
    let mut driver = rename_failed(0, Failed);
    assert_eq!(driver.run(), [Discard, Check, WriteLog]);
    assert_eq!(driver.engine.health().stale, None);
    driver.advance(500 * MS);
    assert_eq!(driver.reopened().len(), 2);
    driver.assert_settled();
    // It happened all the same: the log has no name any more.
    let mut driver = rename_failed(1, Failed);
    let calls = driver.run();
    assert_eq!(calls, [Discard, Check]);
    assert!(driver.engine.health().stale.is_some());
    driver.advance(SECOND);
    driver.assert_settled();
    // Nobody can tell.
    for done in [0, 1] {
        let mut driver = rename_failed(done, Failed);
        driver.fail(Check, Failed);
        assert_eq!(driver.run(), [Discard, Check]);
        assert_eq!(driver.engine.health().stale, Some(Cause::InDoubt));
        driver.advance(SECOND);
        driver.assert_settled();
        // The doubt ends with the rewrite: a comparison that fails says nothing again.
        driver.fail(Check, Failed);
        driver.advance(5 * SECOND);
        assert_eq!(driver.engine.health().stale, None);
    }
    // A mount point is never replaced: there is no doubt.
    let mut driver = rename_failed(0, Outcome::Busy);
    driver.fail(Check, Failed);
    assert_eq!(driver.run(), [Discard, Check, WriteLog]);
    assert_eq!(driver.engine.health().stale, None);
    driver.assert_settled();
}

#[test]
fn a_rewrite_that_follows_ends_the_doubt() {
    let mut driver = Driver::new(&quiet());
    driver.engine.request_rewrite();
    driver.run_to(Replace);
    driver.fail(Replace, Failed);
    driver.end();
    // Before anybody has looked another rewrite goes through.
    driver.engine.request_rewrite();
    assert_eq!((driver.step(), driver.step()), (Some(Discard), Some(Create)));
    driver.fail_always(Check, Failed);
    driver.advance(20 * SECOND);
    assert_eq!(driver.engine.stats().rewrites, 1, "{:?}", driver.calls);
    assert_eq!(driver.engine.health().stale, None);
    driver.assert_settled();
}

#[test]
fn who_does_not_look_is_in_doubt_at_once() {
    let mut driver = rewritten(&quiet(), Gone);
    driver.engine.request_rewrite();
    for done in [0, 1] {
        driver.join("a", &format!("h:{}", done + 1));
        driver.run_to(Replace);
        driver.disk.fail(Replace, Fault { outcome: Failed, done, lasting: false });
        driver.end();
        assert_eq!(driver.engine.health().stale, Some(Cause::InDoubt));
        assert_eq!(driver.engine.stats().pending_bytes, 0);
        driver.wait(2 * SECOND);
    }
    driver.run();
    driver.assert_settled();
}
