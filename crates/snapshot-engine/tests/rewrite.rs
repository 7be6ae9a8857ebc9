//! Rewriting a log while it goes on: what the new file holds, and when it is written.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::Duration;

use common::disk::Call::{
    Check, Create, Discard, Replace, SyncDir, SyncLog, SyncNext, WriteLog, WriteNext,
};
use common::driver::{Driver, Mark, START, lines, member};
use common::{Dice, decode, model_of, policy, sealed};
use snapshot_engine::{
    Cause, Coordinate, Durability, Event, Identity, LamportTime, LogFile, Mode, Outcome, Policy,
};

const MS: Duration = Duration::from_millis(1);
const KIB: usize = 1024;

/// No sync and no check but where one is needed.
fn quiet() -> Policy {
    policy(|policy| {
        policy.durability = Durability::Os;
        policy.check_interval = Duration::ZERO;
    })
}

/// A name of this length that sorts by its number.
fn name(number: usize, len: usize) -> String {
    format!("{number:05}{}", "n".repeat(len - 5))
}

/// A good log of so many failed nodes and so many alive ones behind them, with names of this length.
fn populated(policy: &Policy, failed: usize, alive: usize, len: usize) -> Driver {
    let mut log = sealed(b"#@format: 1\nclock: 4\nevent-clock: 5\n");
    for number in 0..failed {
        let line = format!("#@failed: {} 1.1.1.1:1 {}\n", name(number, len), START.0 - 1000);
        log.extend(sealed(line.as_bytes()));
    }
    for number in failed..failed + alive {
        log.extend(sealed(format!("alive: {} 1.1.1.1:1\n", name(number, len)).as_bytes()));
    }
    Driver::open(policy, &log)
}

/// The new file, write by write, without seals.
fn new_file(driver: &Driver) -> Vec<String> {
    let writes = driver.writes.iter().filter(|(file, _)| *file == LogFile::Next);
    writes.map(|(_, bytes)| lines(bytes)).collect()
}

#[test]
fn a_new_file_is_header_clocks_failed_nodes_and_alive_ones() {
    let mut policy = quiet();
    policy.identity = Identity::new(Some(b"east"), Some(b"me")).unwrap();
    let mut driver = Driver::missing(&policy);
    driver.record(Event::User(LamportTime(5)));
    driver.record(Event::Clock(LamportTime(8)));
    driver.record(Event::Coordinate(Coordinate::new([0.5; 8], 1.5, 0.5, 0.5).unwrap()));
    driver.join("b", "1.1.1.1:1");
    driver.join("a", "1.1.1.1:1");
    for gone in ["f2", "f3", "f1"] {
        driver.fail_member(gone);
    }
    let calls = driver.run();
    let begin = [Create, WriteNext, WriteNext, WriteNext, WriteNext];
    assert_eq!(calls, [&begin[..], &[SyncNext, SyncNext, Replace, SyncDir, Check]].concat());
    let vec = "[0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5]";
    let coordinate = format!(r#"{{"Vec":{vec},"Error":1.5,"Adjustment":0.5,"Height":0.5}}"#);
    let failed = |name| format!("#@failed: {name} 9.9.9.9:9 {}", START.0);
    assert_eq!(
        new_file(&driver),
        [
            "#@format: 1\n#@cluster: east\n#@node: me".to_owned(),
            format!("clock: 7\nevent-clock: 5\ncoordinate: {coordinate}"),
            [failed("f1"), failed("f2"), failed("f3")].join("\n"),
            "alive: b 1.1.1.1:1\nalive: a 1.1.1.1:1".to_owned(),
        ]
    );
    driver.assert_settled();
    // Whatever there is not takes no batch.
    let mut driver = Driver::missing(&quiet());
    driver.run();
    assert_eq!(new_file(&driver), ["#@format: 1"]);
    driver.assert_settled();
}

#[test]
fn a_log_that_may_not_be_appended_to_is_rewritten_first() {
    let good = sealed(b"#@format: 1\nalive: a 1.1.1.1:1\n");
    for (log, cause) in [
        (None, Some(Cause::Missing)),
        (Some(&good[..]), None),
        (Some(b""), None),
        (Some(&good[..good.len() - 1]), Some(Cause::NotSealed)),
        (Some(b"alive: a 1.1.1.1:1\n"), Some(Cause::NotSealed)),
        (Some(b"alive: a 1.1.1.1:1\nalive: tor"), Some(Cause::NotSealed)),
    ] {
        let mut driver = match log {
            Some(log) => Driver::open(&quiet(), log),
            None => Driver::missing(&quiet()),
        };
        assert_eq!(driver.engine.health().stale, cause);
        let before = driver.engine.progress();
        assert_eq!(before.written == before.accepted, log.is_some(), "what was read is there");
        assert!(before.durable < before.accepted, "nobody knows whether it was synced");
        let calls = driver.run();
        assert_eq!(calls.first() == Some(&Create), cause.is_some(), "{calls:?}");
        driver.join("b", "1.1.1.1:1");
        driver.assert_settled();
        assert_eq!(driver.engine.stats().rewrites, u64::from(cause.is_some()));
    }
}

#[test]
fn slices_are_short_and_hold_each_node_once() {
    for (failed, alive, len) in
        [(3000, 5000, 20), (100, 300, 1000), (20, 40, 16 * KIB), (1, 1, 16 * KIB)]
    {
        let mut driver = populated(&quiet(), failed, alive, len).unwitnessed();
        driver.engine.request_rewrite();
        driver.run();
        let file = new_file(&driver);
        let least = 2 + (alive + failed) * len / (64 * KIB);
        assert!(file.len() > least, "{} writes, {least} are the least", file.len());
        let nodes = file.iter().flat_map(|slice| slice.lines());
        let nodes = nodes.filter(|line| line.contains(" 1.1.1.1:1")).count();
        assert_eq!(nodes, alive + failed);
        assert_eq!(driver.count(WriteLog, Mark::default()), 0);
        driver.assert_settled();
    }
}

#[test]
fn who_stays_is_in_the_new_file_whoever_goes_while_it_is_written() {
    let mut driver = populated(&quiet(), 0, 5000, 20);
    driver.engine.request_rewrite();
    // Those whose slices are written go while the others wait for theirs.
    for number in 0.. {
        if driver.count(Replace, Mark::default()) > 0 {
            assert!(number > 8, "only {number} slices");
            break;
        }
        driver.reap(&name(number, 20));
        driver.wait(500 * MS);
        driver.step().unwrap();
    }
    driver.run();
    driver.assert_settled();
}

#[test]
fn between_slices_every_batch_goes_to_both_files() {
    let mut driver = populated(&quiet(), 12, 12, 16 * KIB);
    driver.engine.request_rewrite();
    assert_eq!(driver.step(), Some(Create));
    let mut records = 0;
    while driver.count(Replace, Mark::default()) == 0 {
        driver.join(&format!("x{records}"), "1.1.1.1:1");
        driver.wait(500 * MS);
        records += 1;
        driver.step().unwrap();
        assert!(driver.calls.len() < 200, "the rewrite does not end");
    }
    let to_log: Vec<_> = driver.writes.iter().filter(|(file, _)| *file == LogFile::Log).collect();
    assert!(to_log.len() > 4, "{} batches", to_log.len());
    // Directly behind its write to the log, so that both files have them in one order.
    for (at, (_, bytes)) in
        driver.writes.iter().enumerate().filter(|(_, (file, _))| *file == LogFile::Log)
    {
        assert!(driver.writes[at + 1] == (LogFile::Next, bytes.clone()));
    }
    // The log and the slices take turns.
    let mut turns = driver.writes.iter().map(|(file, _)| *file).collect::<Vec<_>>();
    turns.dedup();
    assert!(turns.len() > 8, "{turns:?}");
    driver.assert_settled();
}

#[test]
fn a_stale_log_leaves_its_batches_to_the_new_file() {
    let mut driver = populated(&quiet(), 0, 0, 5);
    driver.disk.edit(|bytes| bytes.truncate(9));
    let mut driver = Driver::open(&quiet(), driver.disk.at_path().unwrap());
    let mut records = 0;
    while driver.engine.health().stale.is_some() {
        for _ in 0..3 {
            driver.join(&name(records, 8 * KIB), "1.1.1.1:1");
            records += 1;
        }
        driver.step().unwrap();
        assert!(driver.calls.len() < 200, "the rewrite does not end");
    }
    assert!(records > 3 * 6);
    assert_eq!(driver.count(WriteLog, Mark::default()), 0);
    driver.assert_settled();
}

#[test]
fn the_last_swap_is_the_new_files_alone_and_what_comes_after_is_the_new_logs_first_batch() {
    let mut driver = populated(&quiet(), 3, 3, 16 * KIB);
    driver.engine.request_rewrite();
    driver.join("early", "1.1.1.1:1");
    driver.run_to(SyncNext);
    let from = driver.mark();
    assert_eq!(driver.count(WriteLog, Mark::default()), 0);
    assert!(new_file(&driver).last().unwrap().contains("alive: early"));
    driver.join("late", "1.1.1.1:1");
    driver.engine.request_sync();
    driver.wait(10_000 * MS);
    driver.end();
    for call in [SyncNext, Replace, SyncDir] {
        assert_eq!(driver.begin(), Some(call));
        driver.join(&format!("during {call:?}"), "1.1.1.1:1");
        driver.engine.request_sync();
        driver.end();
    }
    assert_eq!(driver.run(), [Check, WriteLog, SyncLog]);
    assert_eq!(
        lines(&driver.written(LogFile::Log, from)),
        "alive: late 1.1.1.1:1\nalive: during SyncNext 1.1.1.1:1\nalive: during Replace 1.1.1.1:1\n\
         alive: during SyncDir 1.1.1.1:1"
    );
    assert_eq!(driver.written(LogFile::Next, from), b"");
    driver.assert_settled();
}

#[test]
fn a_new_file_replaces_nothing_before_a_second_sync_of_it_says_the_same() {
    let mut driver = populated(&quiet(), 3, 3, 16 * KIB);
    driver.engine.request_rewrite();
    driver.run_to(SyncNext);
    driver.end();
    driver.fail(SyncNext, Outcome::Failed);
    assert_eq!(driver.run(), [SyncNext, Discard, Check]);
    assert_eq!(driver.engine.health().stale, None, "the log is as good as before");
    driver.advance(1000 * MS);
    assert_eq!(driver.engine.stats().rewrites, 1, "what was asked for is tried again");
    driver.join("late", "1.1.1.1:1");
    driver.assert_settled();
}

#[test]
fn a_rewrite_makes_durable_what_its_last_swap_took() {
    let mut driver = populated(&quiet(), 3, 3, 16 * KIB);
    driver.engine.request_rewrite();
    driver.join("early", "1.1.1.1:1");
    driver.run_to(SyncNext);
    let cut = driver.engine.progress().accepted;
    driver.join("late", "1.1.1.1:1");
    driver.run_to_end_of(SyncDir, |progress| assert!(progress.durable < cut));
    let progress = driver.engine.progress();
    assert_eq!((progress.written, progress.durable), (cut, cut));
    assert_eq!(driver.engine.stats().rewrites, 1);
}

/// One random event about one of 40 nodes, or about a clock.
fn happen(driver: &mut Driver, dice: &mut Dice, len: usize) {
    let name = name(dice.roll(40), len);
    let addr = format!("1.1.1.1:{}", 1 + dice.roll(3));
    let member = member(&name, &addr);
    let time = LamportTime(dice.roll(100) as u64);
    driver.record(match dice.roll(8) {
        0..3 => Event::MemberJoin(member),
        3..5 => Event::MemberFailed(member),
        5 => Event::MemberLeave(member),
        6 => Event::MemberReap(member),
        _ if dice.roll(2) == 0 => Event::User(time),
        _ => Event::Clock(time),
    });
}

#[test]
fn nodes_may_come_and_go_while_they_are_scanned() {
    for seed in 0..16 {
        let mut dice = Dice(seed);
        let mut policy = quiet();
        policy.max_failed = [3, 10_000][dice.roll(2)];
        policy.rejoin_after_leave = dice.roll(2) == 0;
        policy.durability = [Durability::Os, Durability::Always][dice.roll(2)];
        let mut driver = populated(&policy, policy.max_failed.min(14), 14, 8 * KIB);
        if dice.roll(2) == 0 {
            let mut log = driver.disk.at_path().unwrap().to_vec();
            log.pop();
            driver = Driver::open(&policy, &log);
        }
        driver.engine.request_rewrite();
        let many = dice.roll(6);
        while driver.engine.stats().rewrites == 0 {
            for _ in 0..dice.roll(many + 1) {
                happen(&mut driver, &mut dice, 8 * KIB);
            }
            driver.wait(u32::try_from(dice.roll(300)).unwrap() * MS);
            driver.begin().unwrap();
            assert!(driver.calls.len() < 400, "the rewrite does not end");
            for _ in 0..dice.roll(many + 1) {
                happen(&mut driver, &mut dice, 8 * KIB);
            }
            driver.end();
        }
        driver.assert_settled();
    }
}

/// A rewrite of a good or a stale log, with a leave before or during the `at`th call; whether there was one so late.
fn leave_during_call(at: usize, rejoin: bool, stale: bool) -> bool {
    let mut policy = quiet();
    policy.rejoin_after_leave = rejoin;
    let mut driver = populated(&policy, 5, 5, 12 * KIB);
    if stale {
        let mut log = driver.disk.at_path().unwrap().to_vec();
        log.pop();
        driver = Driver::open(&policy, &log);
    }
    driver.engine.request_rewrite();
    driver.join("x", "1.1.1.1:1");
    let mut moments = 0;
    let mut moment = |driver: &mut Driver| {
        if moments == at {
            driver.record(Event::Leave);
            driver.join("too late", "1.1.1.1:1");
        } else if moments == at + 3 {
            driver.record(Event::Clock(LamportTime(10)));
        }
        moments += 1;
    };
    while driver.begin().is_some() {
        moment(&mut driver);
        driver.end();
        moment(&mut driver);
    }
    let reached = moments > at;
    driver.record(Event::Leave);
    driver.record(Event::Clock(LamportTime(10)));
    driver.assert_settled();
    // Who does not rejoin finds nobody, whatever the owner's setting was.
    let (read, report) = decode(driver.disk.at_path().unwrap(), Mode::Hardened, false);
    let found = (read.len(), read.failed_len(), read.clocks().clock, read.clocks().event_clock);
    assert_eq!(found, (0, 0, LamportTime(9), LamportTime(0)), "a leave at {at}");
    assert!(report.left);
    let nodes = model_of(&driver.reopened()).alive.len();
    assert_eq!(nodes, if rejoin { 6 } else { 0 });
    // A rewrite after the leave says the same.
    driver.engine.request_rewrite();
    driver.assert_settled();
    let again = decode(driver.disk.at_path().unwrap(), Mode::Hardened, false).0;
    assert!(again == read);
    reached
}

#[test]
fn a_leave_may_come_at_any_moment_of_a_rewrite() {
    for (rejoin, stale) in [(false, false), (false, true), (true, false), (true, true)] {
        let moments = (0..1000).take_while(|at| leave_during_call(*at, rejoin, stale)).count();
        assert!(moments > 18, "{moments} moments");
    }
}

#[test]
fn a_new_file_is_synced_every_four_mebibytes() {
    let mut driver = populated(&quiet(), 0, 800, 16 * KIB).unwitnessed();
    driver.engine.request_rewrite();
    let (mut unsynced, mut most) = (0, 0);
    while let Some(call) = driver.step() {
        if call == WriteNext {
            unsynced += driver.writes.last().unwrap().1.len();
            most = most.max(unsynced);
        } else if call == SyncNext {
            unsynced = 0;
        }
    }
    assert_eq!(driver.count(SyncNext, Mark::default()), 800 * 16 / (4 * KIB) + 2);
    assert!((4096 * KIB..(4096 + 64) * KIB).contains(&most), "{most} bytes without a sync");
    driver.assert_settled();
}

#[test]
fn a_rewrite_that_is_asked_for_holds_what_was_recorded_before() {
    let mut driver = populated(&quiet(), 3, 3, 16 * KIB);
    assert_eq!(driver.engine.request_rewrite(), 1);
    assert_eq!(driver.engine.request_rewrite(), 1, "two who ask at once share it");
    driver.run_to(SyncNext);
    driver.join("late", "1.1.1.1:1");
    assert_eq!(driver.engine.request_rewrite(), 2, "this one does not hold it");
    driver.end();
    let calls = driver.run();
    assert_eq!(calls.iter().filter(|call| **call == Create).count(), 1);
    assert_eq!(driver.engine.stats().rewrites, 2);
    assert!(new_file(&driver).last().unwrap().contains("late"));
    driver.assert_settled();
}

#[test]
fn who_waits_for_a_stale_log_waits_for_one_rewrite() {
    let policy = quiet();
    let mut driver = Driver::open(&policy, b"alive: a 1.1.1.1:1\n");
    let position = driver.engine.request_sync();
    while driver.begin().is_some() {
        assert!(driver.calls.len() < 200, "a rewrite after the other");
        driver.engine.request_sync();
        driver.end();
    }
    assert!(driver.engine.progress().durable >= position);
    assert_eq!(driver.engine.stats().rewrites, 1, "{:?}", driver.calls);
}

/// What a host may do during each call of the disk.
type Load = fn(&mut Driver, usize);

/// Each with its name.
const LOADS: [(&str, Load); 5] = [
    ("a new node", |driver, number| _ = driver.join(&name(number, 500), "1.1.1.1:1")),
    ("the same node", |driver, number| _ = driver.join("a", &format!("h:{}", 1 + number % 9000))),
    ("a node that fails for the first time", |driver, number| {
        _ = driver.fail_member(&name(number, 500));
    }),
    ("a sync is asked for", |driver, number| {
        driver.join("a", &format!("h:{}", 1 + number % 9000));
        driver.engine.request_sync();
    }),
    ("half a piece", |driver, number| {
        for half in 0..2 {
            driver.join(&name(number % 9, 16 * KIB), &format!("h:{}", 1 + half));
        }
    }),
];

#[test]
fn a_rewrite_begins_and_ends_under_any_load() {
    for durability in [Durability::Always, Durability::Interval(MS), Durability::Os] {
        for (load, happen) in LOADS {
            let mut policy = quiet();
            policy.durability = durability;
            policy.min_compact_size = 0;
            policy.max_pending = 64 * KIB * KIB;
            let mut driver = populated(&policy, 1, 1, 5).unwitnessed();
            let mut rewrites = [0; 2];
            for number in 0..200 {
                driver.wait(MS);
                let begun = driver.begin();
                happen(&mut driver, 10 + number);
                if begun.is_some() {
                    driver.end();
                }
                if number == 100 {
                    // Whether one is due by size or not.
                    rewrites[0] = driver.engine.stats().rewrites;
                    driver.engine.request_rewrite();
                }
            }
            rewrites[1] = driver.engine.stats().rewrites;
            assert!(rewrites[1] > rewrites[0], "{load} at {durability:?}: {rewrites:?}");
            driver.assert_settled();
        }
    }
}

#[test]
fn a_new_file_may_hold_more_failed_nodes_than_are_kept() {
    let (mut policy, len) = (quiet(), 16 * KIB);
    policy.max_failed = 4;
    policy.failed_retention = Duration::MAX;
    // The oldest comes first by name, another one last; those between fail and come back, ever further on.
    let failed = |name: &str, at| format!("#@failed: {name} 1.1.1.1:1 {at}\n");
    let mut log = sealed(failed(&name(0, len), 1).as_bytes());
    log.extend(sealed(failed(&name(99_999, len), 2).as_bytes()));
    let mut driver = Driver::open(&policy, &log);
    driver.engine.request_rewrite();
    for round in 1..20 {
        let two = [name(2 * round, len), name(2 * round + 1, len)];
        for name in &two {
            driver.fail_member(name);
        }
        let written = driver.count(WriteNext, Mark::default());
        while driver.count(WriteNext, Mark::default()) == written {
            driver.step().unwrap();
        }
        for name in &two {
            driver.join(name, "1.1.1.1:1");
        }
        // More is recorded than is written between two slices.
        for more in 0..6 {
            driver.join(&name(100 * round + more, len), "1.1.1.1:1");
        }
    }
    driver.run();
    assert_eq!(driver.engine.stats().rewrites, 1);
    assert_eq!(driver.engine.state().failed_len(), 2);
    driver.assert_settled();
}
