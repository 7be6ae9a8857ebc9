//! When what was recorded is handed to the system, and when it is synced.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::Duration;

use common::disk::Call::{self, Check, SyncLog, WriteLog};
use common::driver::{Driver, Mark, lines};
use common::policy;
use snapshot_engine::{Durability, Event, Identity, LamportTime, LogFile, Policy, Position};

const MS: Duration = Duration::from_millis(1);
const PIECE: usize = 64 * 1024;
/// The longest seal line, and a record with the shortest name that the tests use.
const SEAL: usize = snapshot_format::MAX_SEAL_LINE;
const RECORD: usize = "alive: 10 1.1.1.1:1\n".len();

fn at(durability: Durability) -> Policy {
    policy(|policy| policy.durability = durability)
}

fn interval(ms: u32) -> Policy {
    at(Durability::Interval(ms * MS))
}

/// A log whose recovered part is known to be durable, so that every call is for what is recorded next.
fn fresh(policy: &Policy) -> Driver {
    let mut driver = Driver::new(policy);
    driver.engine.request_sync();
    assert_eq!(driver.run(), [SyncLog]);
    driver
}

#[test]
fn nothing_is_written_before_the_flush_interval_and_everything_at_it() {
    for ms in [0, 1, 500, 3000] {
        let mut policy = at(Durability::Os);
        policy.flush_interval = ms * MS;
        policy.check_interval = Duration::ZERO;
        let mut driver = fresh(&policy);
        driver.join("a", "1.1.1.1:1");
        if ms > 0 {
            assert_eq!(driver.advance((ms - 1) * MS), [], "{ms} ms");
            driver.join("b", "1.1.1.1:1");
            driver.advance(MS);
        }
        driver.run();
        assert_eq!(driver.calls, [SyncLog, Check, WriteLog], "{ms} ms");
        assert_eq!(driver.engine.progress().written, driver.engine.progress().accepted);
        // The next record has an interval of its own.
        driver.wait(10 * MS);
        driver.join("c", "1.1.1.1:1");
        assert_eq!(driver.advance(ms * MS), [Check, WriteLog], "{ms} ms");
        assert_eq!(driver.engine.poll_timeout(), None, "nothing more will happen by itself");
    }
}

#[test]
fn an_empty_file_gets_its_header_first() {
    let mut policy = at(Durability::Os);
    policy.identity = Identity::new(Some(b"east"), Some(b"web 1")).unwrap();
    let mut driver = Driver::open(&policy, b"");
    assert_eq!(driver.run(), []);
    driver.join("a", "1.1.1.1:1");
    assert_eq!(driver.advance(500 * MS), [Check, WriteLog, Check, WriteLog]);
    let header = "#@format: 1\n#@cluster: east\n#@node: web 1";
    assert_eq!(lines(&driver.writes[0].1), header, "a batch of its own");
    assert_eq!(lines(&driver.writes[1].1), "alive: a 1.1.1.1:1");
    driver.join("b", "1.1.1.1:1");
    driver.advance(500 * MS);
    driver.assert_settled();
    assert_eq!(
        lines(driver.disk.at_path().unwrap()),
        format!("{header}\nalive: a 1.1.1.1:1\nalive: b 1.1.1.1:1")
    );
    // A node that belongs to nobody says so by saying nothing.
    let mut driver = Driver::open(&at(Durability::Os), b"");
    driver.record(Event::Leave);
    driver.assert_settled();
    assert_eq!(lines(driver.disk.at_path().unwrap()), "#@format: 1\nleave");
}

#[test]
fn an_idle_log_is_left_alone_but_for_the_check() {
    let hour = Duration::from_secs(3600);
    for (policy, syncs) in
        [(at(Durability::Os), 0), (interval(5000), 1), (at(Durability::Always), 1)]
    {
        let mut driver = Driver::new(&policy);
        let calls = driver.advance(hour);
        assert_eq!(calls.iter().filter(|call| **call == SyncLog).count(), syncs, "{policy:?}");
        let checks = calls.iter().filter(|call| **call == Check).count();
        assert_eq!((checks, calls.len()), (720, 720 + syncs), "one each 5 s");
    }
    // An interval of zero asks for no checks by the clock, not for a loop without an end.
    let mut never = at(Durability::Os);
    never.check_interval = Duration::ZERO;
    let mut driver = Driver::new(&never);
    assert_eq!(driver.advance(hour), []);
    driver.join("a", "1.1.1.1:1");
    assert_eq!(driver.advance(hour), [Check, WriteLog]);
}

/// How much waits for the disk, in bytes.
fn waiting_bytes(driver: &Driver) -> usize {
    usize::try_from(driver.engine.stats().pending_bytes).unwrap()
}

/// Records of about `len` bytes until more than a piece waits.
fn fill_a_piece(driver: &mut Driver, len: usize) -> usize {
    let name = "n".repeat(len - "alive: 12345 1.1.1.1:1\n".len());
    let mut records = 0;
    while waiting_bytes(driver) + len + SEAL <= PIECE {
        driver.join(&format!("{name}{records:05}"), "1.1.1.1:1");
        records += 1;
    }
    records
}

#[test]
fn a_full_piece_goes_at_once() {
    for len in [40, 1000, 16 * 1024] {
        let mut driver = fresh(&at(Durability::Os)).unwitnessed();
        let records = fill_a_piece(&mut driver, len);
        assert_eq!(driver.run(), [], "{records} of {len} bytes fit");
        driver.join(&"x".repeat(len), "1.1.1.1:1");
        assert_eq!(driver.run(), [Check, WriteLog], "a record more does not");
        assert_eq!(lines(&driver.writes[0].1).lines().count(), records);
        assert!(driver.engine.progress().written < driver.engine.progress().accepted);
        assert_eq!(driver.advance(500 * MS), [Check, WriteLog], "the rest has time");
        driver.assert_settled();
    }
    // Ten pieces at once are ten writes, each compared before.
    let mut driver = fresh(&at(Durability::Os)).unwitnessed();
    for number in 0..10 * PIECE / 64 {
        driver.join(&format!("{number:044}"), "1.1.1.1:1");
    }
    let calls = driver.run();
    assert_eq!(calls.len(), 2 * (calls.len() / 2));
    assert!(calls.chunks(2).all(|pair| pair == [Check, WriteLog]) && calls.len() >= 18);
    driver.assert_settled();
}

#[test]
fn a_leave_is_one_batch_at_once_and_synced_at_every_level() {
    for durability in [Durability::Os, Durability::Interval(60_000 * MS), Durability::Always] {
        // Whatever waits before it: nothing, or a piece that is full but for some bytes.
        for room in (0..150).step_by(7).chain([PIECE]) {
            let mut driver = fresh(&at(durability)).unwitnessed();
            driver.record(Event::Clock(LamportTime(1 << 40)));
            driver.run();
            fill_but_for(&mut driver, room);
            let position = driver.record(Event::Leave);
            let calls = driver.run();
            assert_eq!(calls.last(), Some(&SyncLog), "{durability:?}, room for {room}");
            let last = &driver.writes.last().unwrap().1;
            let text = lines(last);
            assert!(
                text.ends_with(&format!("leave\nclock: {}", (1_u64 << 40) - 1)),
                "{durability:?}, room for {room}: {}",
                &text[text.len().saturating_sub(100)..]
            );
            let progress = driver.engine.progress();
            assert_eq!((progress.durable, progress.accepted), (position, position));
            driver.assert_settled();
        }
    }
}

/// Records until the piece that waits has room for this many bytes and a seal.
fn fill_but_for(driver: &mut Driver, room: usize) {
    let goal = (PIECE - SEAL).saturating_sub(room);
    for number in 10.. {
        let more = goal.saturating_sub(waiting_bytes(driver));
        if more < RECORD {
            break;
        }
        // The last but one leaves enough for one more.
        let len = if more < 2 * 16_000 { more / 2 } else { 16_000 };
        let len = if more < 2 * RECORD { more } else { len };
        driver.join(&format!("{number}{}", "n".repeat(len - RECORD)), "1.1.1.1:1");
    }
    let waiting = waiting_bytes(driver);
    assert!(room == PIECE || (goal - RECORD..=goal).contains(&waiting), "{waiting} of {goal}");
}

/// What happens to two records 300 ms apart at this level, in steps of 100 ms.
fn check_level(policy: &Policy, expect: &[(u32, &[Call])]) {
    let mut policy = policy.clone();
    policy.check_interval = Duration::ZERO;
    let mut driver = fresh(&policy);
    let mut found = Vec::new();
    for step in 0..200 {
        match step {
            0 => _ = driver.join("a", "1.1.1.1:1"),
            3 => _ = driver.join("b", "1.1.1.1:1"),
            _ => {}
        }
        let calls = driver.run();
        if !calls.is_empty() {
            found.push((step * 100, calls));
        }
        assert_eq!(driver.advance(99 * MS), [], "at {step}");
        driver.wait(MS);
    }
    let found: Vec<_> = found.iter().map(|(ms, calls)| (*ms, &calls[..])).collect();
    assert_eq!(found, expect, "{policy:?}");
}

#[test]
fn each_level_syncs_when_it_says() {
    let both: &[Call] = &[Check, WriteLog, SyncLog];
    let write: &[Call] = &[Check, WriteLog];
    let sync: &[Call] = &[SyncLog];
    check_level(&at(Durability::Os), &[(500, write)]);
    check_level(&at(Durability::Always), &[(0, both), (300, both)]);
    // The interval counts from the record: what was recorded at 0 is safe at 5000.
    check_level(&interval(5000), &[(500, write), (5000, sync)]);
    check_level(&interval(500), &[(500, both)]);
    check_level(&interval(200), &[(200, both), (500, both)]);
    check_level(&interval(0), &[(0, both), (300, both)]);
}

#[test]
fn what_is_older_than_the_interval_is_durable() {
    for (ms, every) in [(100, 70), (100, 7), (500, 130), (700, 499), (5000, 70), (5000, 1700)] {
        let mut driver = fresh(&interval(ms));
        let mut waiting: Vec<(u32, Position)> = Vec::new();
        for number in 0..(5 * ms).div_ceil(every).min(300) {
            let now = number * every;
            let durable = driver.engine.progress().durable;
            waiting.retain(|(_, position)| *position > durable);
            for (recorded, position) in &waiting {
                assert!(now <= recorded + ms, "{position:?} of {recorded} at {now}, {durable:?}");
            }
            waiting.push((now, driver.join("a", &format!("1.1.1.1:{}", number + 1))));
            driver.advance(every * MS);
        }
    }
}

#[test]
fn a_sync_that_is_asked_for_comes_at_once_and_once() {
    for durability in [Durability::Os, Durability::Interval(5000 * MS), Durability::Always] {
        let mut driver = fresh(&at(durability));
        driver.engine.request_sync();
        assert_eq!(driver.run(), [], "all is durable");
        let position = driver.join("a", "1.1.1.1:1");
        assert_eq!(driver.engine.request_sync(), position);
        assert_eq!(driver.run(), [Check, WriteLog, SyncLog], "{durability:?}");
        assert_eq!(driver.engine.progress().durable, position);
        // What was written and not synced needs no write.
        if durability != Durability::Always {
            driver.join("b", "1.1.1.1:1");
            driver.advance(500 * MS);
            driver.engine.request_sync();
            assert_eq!(driver.run(), [SyncLog], "{durability:?}");
        }
        driver.assert_settled();
    }
}

#[test]
fn those_who_wait_share_a_write_and_a_sync() {
    for durability in [Durability::Os, Durability::Interval(5000 * MS), Durability::Always] {
        for busy in [WriteLog, SyncLog] {
            let mut driver = fresh(&at(durability));
            driver.join("first", "1.1.1.1:1");
            driver.engine.request_sync();
            driver.run_to(busy);
            for number in 0..100 {
                driver.join(&number.to_string(), "1.1.1.1:1");
                driver.engine.request_sync();
            }
            let from = driver.mark();
            driver.end();
            driver.run();
            let count = |call| driver.count(call, from);
            let own = usize::from(busy == WriteLog);
            assert_eq!((count(WriteLog), count(SyncLog)), (1, 1 + own), "{durability:?} {busy:?}");
            driver.assert_settled();
        }
    }
}

#[test]
fn nobody_waits_for_those_who_ask_later() {
    for durability in [Durability::Os, Durability::Interval(3_600_000 * MS), Durability::Always] {
        let mut driver = fresh(&at(durability));
        let first = driver.join("first", "1.1.1.1:1");
        driver.engine.request_sync();
        // Another one asks during each call that the disk makes.
        for number in 0..12 {
            driver.begin().expect("somebody always waits");
            driver.join(&number.to_string(), "1.1.1.1:1");
            driver.engine.request_sync();
            driver.end();
        }
        assert!(driver.engine.progress().durable >= first, "{durability:?}: {:?}", driver.calls);
        driver.assert_settled();
    }
}

#[test]
fn without_a_disk_nothing_is_due() {
    let policy = Policy::default();
    let state = snapshot_engine::State::new(&policy, 7);
    let start = snapshot_engine::LogStart::Disabled;
    let mut driver = Driver::with(&policy, state, start, None);
    driver.join("a", "1.1.1.1:1");
    driver.engine.request_sync();
    driver.engine.request_rewrite();
    driver.record(Event::Leave);
    assert_eq!(driver.advance(Duration::from_secs(3600)), []);
    assert_eq!(driver.engine.poll_timeout(), None);
    assert_eq!(driver.engine.stats().pending_bytes, 0);
    assert_eq!(driver.written(LogFile::Log, Mark::default()), b"");
}
