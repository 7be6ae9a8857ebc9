//! Random lives of a log: events, calls that end in all ways, time. The driver holds every moment of them against the
//! oracle.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::Duration;

use common::disk::{Call, Fault};
use common::driver::{Driver, member};
use common::{policy, sealed};
use proptest::prelude::*;
use snapshot_engine::{Coordinate, Durability, Event, LamportTime, Outcome, Policy};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
enum Op {
    /// What happens, to which node, with which number.
    Event(u8, u8, u64),
    /// Many joins at once.
    Flood(u8),
    /// The next call begins, or the one under way ends.
    Half,
    Steps(u8),
    Advance(u32),
    Sync,
    Rewrite,
    Break(Call, Fault),
    Heal,
    /// The process dies and the next one opens what is there.
    Kill,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        16 => (0_u8..10, 0_u8..6, 0_u64..40).prop_map(|(what, node, number)| Op::Event(what, node, number)),
        1 => any::<u8>().prop_map(Op::Flood),
        10 => Just(Op::Half),
        5 => (1_u8..9).prop_map(Op::Steps),
        4 => prop_oneof![Just(1), Just(499), Just(500), Just(5000), Just(31_000), 0_u32..2000].prop_map(Op::Advance),
        2 => Just(Op::Sync),
        2 => Just(Op::Rewrite),
        4 => fault().prop_map(|(call, fault)| Op::Break(call, fault)),
        2 => Just(Op::Heal),
        1 => Just(Op::Kill),
    ]
}

fn fault() -> impl Strategy<Value = (Call, Fault)> {
    let call = prop::sample::select(Call::ALL.to_vec());
    let done = prop_oneof![Just(0), Just(usize::MAX), 1_usize..90];
    (call, 0_u8..4, done, any::<bool>()).prop_map(|(call, kind, done, lasting)| {
        let outcome = match (call, kind) {
            (Call::Check, 0) => Outcome::Gone,
            (Call::Replace, 0) => Outcome::Busy,
            (Call::Check, _) | (_, 1..) => Outcome::Failed,
            _ => Outcome::NoSpace,
        };
        // What cannot be replaced was not.
        let done = if outcome == Outcome::Busy { 0 } else { done };
        (call, Fault { outcome, done, lasting })
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let durability = prop::sample::select(vec![
        Durability::Always,
        Durability::Os,
        Durability::Interval(100 * MS),
        Durability::Interval(5000 * MS),
    ]);
    let sizes = prop::sample::select(vec![(0, 300), (600, 4000), (4000, 200_000)]);
    let intervals = prop::sample::select(vec![(500, 5000), (500, 0), (0, 5000)]);
    (durability, sizes, intervals, any::<bool>(), 0_usize..4).prop_map(
        |(durability, (min_compact_size, max_pending), (flush, check), rejoin, max_failed)| {
            policy(|policy| {
                policy.durability = durability;
                policy.min_compact_size = min_compact_size;
                policy.max_pending = max_pending;
                policy.flush_interval = flush * MS;
                policy.check_interval = check * MS;
                policy.rejoin_after_leave = rejoin;
                policy.max_failed = max_failed;
                // A wall clock that stands at the beginning after each restart makes nobody old.
                policy.failed_retention = Duration::MAX;
            })
        },
    )
}

/// What the process finds that opens the log first.
fn first() -> impl Strategy<Value = Option<Vec<u8>>> {
    let good = sealed(b"#@format: 1\nclock: 3\n#@failed: n5 1.1.1.1:1 7\nalive: n1 1.1.1.1:1\n");
    let torn = good[..good.len() - 3].to_vec();
    prop::sample::select(vec![None, Some(vec![]), Some(good), Some(torn)])
}

fn apply(driver: &mut Driver, op: &Op) {
    match *op {
        Op::Event(what, node, number) => happen(driver, what, node, number),
        Op::Flood(seed) => {
            for number in 0..40 {
                let name = format!("n{}", 10 + seed.wrapping_add(number) % 60);
                driver.join(&name, &format!("1.1.1.1:{}", 1 + number % 3));
            }
        }
        Op::Half if driver.is_busy() => _ = driver.end(),
        Op::Half => _ = driver.begin(),
        Op::Steps(times) => {
            finish(driver);
            (0..times).for_each(|_| _ = driver.step());
        }
        Op::Advance(ms) => {
            finish(driver);
            let accepted = driver.engine.progress().accepted;
            driver.advance(ms * MS);
            // What was recorded before waits for the flush interval and no longer.
            let healthy = driver.engine.health().stale.is_none();
            let written = driver.engine.progress().written;
            assert!(!healthy || ms < 500 || written >= accepted, "{accepted:?} after {ms} ms");
        }
        Op::Sync => _ = driver.engine.request_sync(),
        Op::Rewrite => _ = driver.engine.request_rewrite(),
        Op::Break(call, fault) => driver.disk.fail(call, fault),
        Op::Heal => driver.disk.heal(),
        Op::Kill => {
            let policy = driver.engine.policy().clone();
            let log = driver.disk.at_path().map(<[u8]>::to_vec);
            *driver = start(&policy, log.as_deref());
        }
    }
}

fn happen(driver: &mut Driver, what: u8, node: u8, number: u64) {
    let (name, addr) = (format!("n{node}"), format!("1.1.1.1:{}", 1 + number % 3));
    let (member, time) = (member(&name, &addr), LamportTime(number));
    driver.record(match what {
        0 | 1 => Event::MemberJoin(member),
        2 => Event::MemberUpdate(member),
        3 | 4 => Event::MemberFailed(member),
        5 => Event::MemberLeave(member),
        6 => Event::MemberReap(member),
        7 => Event::User(time),
        8 if number == 0 => Event::Leave,
        8 if number < 5 => {
            Event::Coordinate(Coordinate::new([0.0; 8], f64::from(node), 0.0, 0.0).unwrap())
        }
        8 => Event::Query(time),
        _ => Event::Clock(time),
    });
}

fn start(policy: &Policy, log: Option<&[u8]>) -> Driver {
    match log {
        Some(log) => Driver::open(policy, log),
        None => Driver::missing(policy),
    }
}

fn finish(driver: &mut Driver) {
    if driver.is_busy() {
        driver.end();
    }
}

/// Once the disk is well the log is, within one back-off, and nothing goes on for ever.
fn heal(driver: &mut Driver) {
    finish(driver);
    driver.disk.heal();
    driver.advance(31_000 * MS);
    assert_eq!(driver.engine.health().stale, None);
    driver.assert_settled();
    let idle = driver.mark();
    driver.advance(3_600_000 * MS);
    let checks = driver.count(Call::Check, idle);
    let calls: usize = Call::ALL.iter().map(|call| driver.count(*call, idle)).sum();
    // A log that found no space for a new one tries once more.
    let again = driver.count(Call::Create, idle);
    assert!(checks <= 721 && again <= 1, "{calls} calls of an idle log");
    assert!(again == 1 || calls == checks, "{calls} calls of an idle log");
    driver.assert_settled();
}

/// Lives tried by `cargo test`; `PROPTEST_CASES` asks for more.
const CASES: u32 = 200;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = cases.unwrap_or(CASES);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_log_is_a_prefix_of_what_was_accepted(
        policy in any_policy(),
        log in first(),
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut driver = start(&policy, log.as_deref());
        for op in &ops {
            apply(&mut driver, op);
        }
        heal(&mut driver);
    }
}
