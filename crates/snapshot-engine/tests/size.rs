//! When a log is rewritten for its size, and what that costs in the long run.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::Duration;

use common::disk::Call::Create;
use common::driver::{Driver, Mark, member};
use common::{Dice, policy};
use snapshot_engine::{Durability, Event, Identity, LamportTime, LogFile, Policy, State};
use snapshot_format::Record;

const MS: Duration = Duration::from_millis(1);

/// Below this a log is never rewritten for its size.
const MIN: u64 = 4096;

fn small() -> Policy {
    policy(|policy| {
        policy.durability = Durability::Os;
        policy.check_interval = Duration::ZERO;
        policy.min_compact_size = MIN;
    })
}

/// The bytes that a new file of this state takes, without seals.
fn live(state: &State) -> u64 {
    let mut lines = Vec::new();
    state.records().for_each(|record| record.encode(&mut lines));
    Record::Format(1).encode(&mut lines);
    lines.len() as u64
}

#[test]
fn a_log_is_rewritten_when_it_is_longer_than_the_smallest_that_is() {
    let mut driver = Driver::new(&small());
    let mut before = 0;
    for time in 1.. {
        driver.record(Event::User(LamportTime(time)));
        let calls = driver.advance(500 * MS);
        let bytes = driver.engine.stats().log_bytes;
        if calls.contains(&Create) {
            let last =
                driver.writes.iter().rposition(|write| write.1.starts_with(b"event-clock: "));
            assert!(last.is_some() && bytes < 500, "rewritten to {bytes} bytes");
            break;
        }
        assert!(bytes <= MIN, "{bytes} bytes are too many");
        before = bytes;
    }
    assert!(before + 100 > MIN, "{before} bytes are not too many");
    driver.assert_settled();
}

#[test]
fn a_log_of_many_nodes_is_rewritten_at_twice_what_the_new_one_takes() {
    for (nodes, len) in [(300, 10), (300, 260), (2000, 30), (3, 16_000)] {
        let mut policy = small();
        policy.identity = Identity::new(Some(&[b'c'; 300]), Some(b"me")).unwrap();
        let mut driver = Driver::missing(&policy).unwitnessed();
        for number in 0..nodes {
            driver.join(&format!("{number:05}{}", "n".repeat(len - 5)), "10.20.30.40:7946");
        }
        driver.run();
        let new = driver.engine.stats().log_bytes;
        // The same two nodes go and come: the state stays as it is.
        for number in 0.. {
            let bytes = driver.engine.stats().log_bytes;
            let from = driver.mark();
            let name = format!("{:05}{}", number / 2 % 2, "n".repeat(len - 5));
            if number % 2 == 0 {
                driver.reap(&name);
            } else {
                driver.join(&name, "10.20.30.40:7946");
            }
            driver.advance(500 * MS);
            if driver.count(Create, from) > 0 {
                assert!(bytes + 2 * (len as u64 + 100) > 2 * new, "{bytes} is not twice {new}");
                break;
            }
            assert!(bytes <= (2 * new + 2000).max(MIN), "{bytes} is more than twice {new}");
        }
        driver.assert_settled();
    }
}

/// A long life of a log on a disk that carries calls out at once, or one for each event: what is written for each byte
/// recorded.
fn check_churn(nodes: usize, len: usize, slow: bool) {
    let mut dice = Dice(nodes as u64);
    let mut driver = Driver::missing(&small()).unwitnessed();
    for number in 0..nodes {
        driver.join(&format!("{number:05}{}", "n".repeat(len - 5)), "10.20.30.40:7946");
    }
    driver.run();
    let from = driver.mark();
    let (mut time, mut most) = (1, 0);
    for _ in 0..3000 {
        let name = format!("{:05}{}", dice.roll(nodes), "n".repeat(len - 5));
        let addr = format!("10.20.30.{}:7946", dice.roll(200));
        match dice.roll(6) {
            0 | 1 => _ = driver.join(&name, &addr),
            2 => _ = driver.fail_member(&name),
            3 => _ = driver.record(Event::MemberLeave(member(&name, &addr))),
            4 => _ = driver.record(Event::User(LamportTime(time))),
            _ => _ = driver.record(Event::Clock(LamportTime(time))),
        }
        time += 1;
        driver.wait(30 * MS);
        if slow {
            driver.step();
        } else {
            driver.run();
        }
        let live = live(driver.engine.state());
        // The seals of a file, and what its size is estimated from.
        let seals = 1000 + live / 400;
        let bound = MIN.max(2 * (live + seals));
        most = most.max(driver.engine.stats().log_bytes.saturating_sub(bound));
    }
    driver.run();
    // Beside that bound there is what was recorded while one rewrite ran.
    let slack = if slow { 40 * len as u64 + 4000 } else { 200 };
    assert!(most < slack, "{most} bytes more than twice the live ones");
    let recorded = driver.written(LogFile::Log, from).len();
    let rewritten = driver.written(LogFile::Next, from).len();
    assert!(driver.engine.stats().rewrites > 3, "too few rewrites to tell");
    // What is written twice while a rewrite runs, and what a state that shrinks leaves to be written once more.
    assert!(rewritten <= 2 * recorded, "{rewritten} bytes rewritten for {recorded} recorded");
    driver.assert_settled();
}

#[test]
fn rewriting_costs_a_constant_for_each_byte_recorded() {
    for slow in [false, true] {
        check_churn(1, 10, slow);
        check_churn(30, 260, slow);
        check_churn(300, 20, slow);
    }
}

/// The rule that a new log would follow is kept by a state that only shrinks, or only grows.
#[test]
fn growing_and_shrinking_cost_no_more() {
    let mut driver = Driver::missing(&small()).unwitnessed();
    driver.run();
    let from = Mark::default();
    let name = |number: usize| format!("{number:05}{}", "n".repeat(95));
    for number in 0..3000 {
        driver.join(&name(number), "10.20.30.40:7946");
        driver.advance(100 * MS);
    }
    assert!(driver.engine.stats().rewrites <= 2, "growing needs no rewrite");
    for number in 0..3000 {
        driver.reap(&name(number));
        driver.advance(100 * MS);
    }
    let recorded = driver.written(LogFile::Log, from).len();
    let rewritten = driver.written(LogFile::Next, from).len();
    assert!(rewritten <= recorded, "{rewritten} bytes rewritten for {recorded} recorded");
    assert!(driver.engine.stats().log_bytes <= MIN);
    driver.assert_settled();
}
