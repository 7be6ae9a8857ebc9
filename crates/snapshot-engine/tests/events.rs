//! What each event means: its lines, the state after it, and what is refused.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::Duration;

use common::driver::{Driver, Mark, START, lines, member, without_seals};
use common::{decode, model_of, policy, sealed};
use proptest::prelude::*;
use snapshot_engine::{
    Coordinate, Event, Identity, InvalidEvent, InvalidMember, LamportTime, LogFile, Member, Mode,
    Policy, UnixMillis,
};

const HOUR: Duration = Duration::from_secs(3600);

fn join(member: Member<'_>) -> Event<'_> {
    Event::MemberJoin(member)
}

fn user(time: u64) -> Event<'static> {
    Event::User(LamportTime(time))
}

fn query(time: u64) -> Event<'static> {
    Event::Query(LamportTime(time))
}

fn clock(time: u64) -> Event<'static> {
    Event::Clock(LamportTime(time))
}

fn coordinate(error: f64) -> Event<'static> {
    Event::Coordinate(Coordinate::new([0.0; 8], error, 0.0, 0.5).unwrap())
}

/// On a log of these lines the events add those lines, and a new process recovers the state that the engine has.
fn check_with(policy: &Policy, before: &str, events: &[Event<'_>], expect: &str) {
    let batch = sealed(format!("#@format: 1\n{before}").as_bytes());
    let mut driver = Driver::open(policy, &batch);
    for event in events {
        driver.record(*event);
    }
    driver.advance(policy.flush_interval);
    let written = lines(&driver.written(LogFile::Log, Mark::default()));
    let expect = expect.replace("NOW", &START.0.to_string());
    assert_eq!(written, expect, "{events:?} after {before:?}");
    driver.assert_settled();
}

fn check(before: &str, events: &[Event<'_>], expect: &str) {
    for rejoin in [false, true] {
        let policy = policy(|policy| policy.rejoin_after_leave = rejoin);
        check_with(&policy, before, events, expect);
    }
}

#[test]
fn members() {
    let (a, moved) = (member("a", "1.1.1.1:1"), member("a", "2.2.2.2:2"));
    let alive = "alive: a 1.1.1.1:1\n";
    let failed = "#@failed: a 1.1.1.1:1 7\n";
    check("", &[join(a)], "alive: a 1.1.1.1:1");
    check("", &[join(a), join(a)], "alive: a 1.1.1.1:1");
    check(alive, &[join(a)], "");
    check(alive, &[join(moved)], "alive: a 2.2.2.2:2");
    check(alive, &[Event::MemberUpdate(moved)], "alive: a 2.2.2.2:2");
    check(alive, &[Event::MemberUpdate(a)], "");
    // Serf merges a join and an update into an update: the member is alive.
    check("", &[Event::MemberUpdate(a)], "alive: a 1.1.1.1:1");
    check(failed, &[join(a)], "alive: a 1.1.1.1:1");
    check(failed, &[Event::MemberUpdate(moved)], "alive: a 2.2.2.2:2");
    // Where it was alive counts, not what the event says.
    check(alive, &[Event::MemberFailed(moved)], "not-alive: a\n#@failed: a 1.1.1.1:1 NOW");
    check("", &[Event::MemberFailed(moved)], "#@failed: a 2.2.2.2:2 NOW");
    check(failed, &[Event::MemberFailed(moved)], "");
    check(
        alive,
        &[Event::MemberFailed(a), Event::MemberFailed(moved)],
        "not-alive: a\n#@failed: a 1.1.1.1:1 NOW",
    );
    check(
        alive,
        &[Event::MemberFailed(a), join(a), Event::MemberFailed(moved)],
        "not-alive: a\n#@failed: a 1.1.1.1:1 NOW\nalive: a 1.1.1.1:1\nnot-alive: a\n#@failed: a 1.1.1.1:1 NOW",
    );
    for gone in [Event::MemberLeave(moved), Event::MemberReap(moved)] {
        check(alive, &[gone], "not-alive: a");
        check(failed, &[gone], "not-alive: a");
        check("", &[gone], "");
        check(alive, &[gone, gone], "not-alive: a");
        check(
            alive,
            &[Event::MemberFailed(a), gone],
            "not-alive: a\n#@failed: a 1.1.1.1:1 NOW\nnot-alive: a",
        );
    }
}

#[test]
fn clocks_are_raised_and_never_lowered() {
    check("", &[user(5)], "event-clock: 5");
    check("event-clock: 5\n", &[user(5), user(4), user(0), user(6)], "event-clock: 6");
    check("", &[user(0)], "");
    check("", &[query(5)], "query-clock: 5");
    check("query-clock: 5\n", &[query(5), query(4), query(0), query(6)], "query-clock: 6");
    check("", &[query(0)], "");
    // The clock stands one beyond the last time that was seen; it never underflows, and 0 is not written.
    check("", &[clock(0), clock(1)], "");
    check("", &[clock(2), clock(2), clock(1), clock(0)], "clock: 1");
    check("clock: 5\n", &[clock(5), clock(6)], "");
    check("clock: 5\n", &[clock(7)], "clock: 6");
    // Three clocks that know nothing of each other.
    check("clock: 9\nevent-clock: 9\n", &[query(1)], "query-clock: 1");
    check("event-clock: 9\nquery-clock: 9\n", &[clock(2)], "clock: 1");
    check("clock: 9\nquery-clock: 9\n", &[user(1)], "event-clock: 1");
}

#[test]
fn a_coordinate_is_written_when_it_changes() {
    let line = r#"coordinate: {"Vec":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],"Error":1.5,"Adjustment":0.0,"Height":0.5}"#;
    check("", &[coordinate(1.5)], line);
    check("", &[coordinate(1.5), coordinate(1.5)], line);
    check(
        "",
        &[coordinate(1.5), coordinate(2.5), coordinate(1.5)],
        &format!("{line}\n{}\n{line}", line.replace("1.5", "2.5")),
    );
}

#[test]
fn after_a_leave_only_higher_clocks_count() {
    let a = member("a", "1.1.1.1:1");
    check("", &[Event::Leave], "leave");
    check("clock: 4\n", &[Event::Leave], "leave\nclock: 4");
    check("event-clock: 4\nquery-clock: 3\nalive: a 1.1.1.1:1\n", &[Event::Leave], "leave");
    let late = [
        join(a),
        Event::MemberUpdate(a),
        Event::MemberFailed(a),
        Event::MemberLeave(a),
        Event::MemberReap(a),
        user(100),
        query(100),
        coordinate(1.0),
        Event::Leave,
        clock(5),
        clock(4),
    ];
    for before in
        ["clock: 4\n", "clock: 4\nalive: a 1.1.1.1:1\n", "clock: 4\n#@failed: a 1.1.1.1:1 7\n"]
    {
        let events: Vec<_> = [Event::Leave].into_iter().chain(late).collect();
        check(before, &events, "leave\nclock: 4");
    }
    check(
        "clock: 4\n",
        &[Event::Leave, clock(6), clock(6), clock(5), clock(9)],
        "leave\nclock: 4\nclock: 5\nclock: 8",
    );
}

#[test]
fn a_leave_takes_the_nodes_along_unless_the_node_rejoins() {
    let before = sealed(
        b"clock: 4\nevent-clock: 5\nquery-clock: 6\n#@failed: f 2.2.2.2:2 7\nalive: a 1.1.1.1:1\n",
    );
    for rejoin in [false, true] {
        let mut driver =
            Driver::open(&policy(|policy| policy.rejoin_after_leave = rejoin), &before);
        driver.record(Event::Leave);
        let (state, clocks) = (driver.engine.state(), driver.engine.state().clocks());
        let found = (state.len(), state.failed_len(), clocks.event_clock.0, clocks.query_clock.0);
        assert_eq!(found, if rejoin { (1, 1, 5, 6) } else { (0, 0, 0, 0) });
        assert_eq!(clocks.clock, LamportTime(4));
        driver.assert_settled();
        // Whoever reads the file with the other setting finds what that setting makes of it.
        let (other, _) = decode(driver.disk.at_path().unwrap(), Mode::Hardened, !rejoin);
        let clocks = other.clocks();
        let found = (other.len(), other.failed_len(), clocks.event_clock.0, clocks.clock.0);
        assert_eq!(found, if rejoin { (0, 0, 0, 4) } else { (1, 1, 5, 4) });
    }
}

#[test]
fn a_refused_event_is_counted_and_changes_nothing() {
    let policy = Policy::default();
    let max = policy.max_clock.0;
    let mut driver = Driver::new(&policy);
    let check = |driver: &mut Driver, event: Event<'_>, refused: bool| {
        let before = (driver.engine.progress().accepted, driver.engine.stats().refused);
        let position = driver.record(event);
        let expect = refused.then_some(InvalidEvent::ClockTooHigh(match event {
            Event::User(time) | Event::Query(time) | Event::Clock(time) => time,
            _ => LamportTime(0),
        }));
        assert_eq!(policy.admit(&event).err(), expect, "{event:?}");
        assert_eq!(driver.engine.stats().refused - before.1, u64::from(refused), "{event:?}");
        assert_eq!(position == before.0, refused, "{event:?}");
    };
    check(&mut driver, user(max + 1), true);
    check(&mut driver, query(max + 1), true);
    check(&mut driver, clock(max + 2), true);
    check(&mut driver, user(u64::MAX), true);
    check(&mut driver, clock(u64::MAX), true);
    check(&mut driver, user(max), false);
    check(&mut driver, query(max), false);
    check(&mut driver, clock(max + 1), false);
    driver.record(Event::Leave);
    check(&mut driver, clock(max + 2), true);
    driver.assert_settled();
    assert_eq!(driver.engine.stats().records, 3 + 2);
}

#[test]
fn what_cannot_be_written_is_no_member() {
    use InvalidMember as E;
    let addr = b"1.1.1.1:1";
    let check = |name: &[u8], addr: &[u8], expect: Option<InvalidMember>| {
        assert_eq!(Member::new(name, addr).err(), expect, "{}", name.escape_ascii());
    };
    for name in [
        &b"a"[..],
        b" ",
        b"a b ",
        b"#leave",
        b"leave",
        b"a\r",
        b"\xff\0x",
        b"\0\0\0\0\0\0\0a",
        b"\0",
        b"alive:",
        b"not-alive:a",
        &[b'n'; 16 * 1024],
    ] {
        check(name, addr, None);
    }
    check(b"", addr, Some(E::EmptyName));
    check(&vec![b'n'; 16 * 1024 + 1], addr, Some(E::LongName { len: 16 * 1024 + 1 }));
    check(b"alive: ", addr, Some(E::KeywordInName));
    check(b"x not-alive: y", addr, Some(E::KeywordInName));
    check(b"a\0\0\0\0\0\0\0\0b", addr, Some(E::NulRun));
    let Err(E::Name(found)) = Member::new(b"a\nalive: ghost 6.6.6.6:6", addr) else { panic!() };
    assert_eq!((found.at, found.byte), (1, b'\n'));
    for addr in [&b""[..], b"1.1.1.1", b"1.1.1.1:0", b"1.1.1.1:65536", b"a b:1", b"a:1\n", b"::1:1"]
    {
        check(b"a", addr, Some(E::Address));
    }
    for addr in [&b"[::1]:1"[..], b"[fe80::1%eth0]:7946", b"web-1.dc_1:65535"] {
        check(b"a", addr, None);
    }
}

proptest! {
    /// Whatever is let in is read back as it is, by Serf and by us, also where a crash took the seal.
    #[test]
    fn whoever_is_let_in_is_read_back(
        name in prop::collection::vec(prop::sample::select(b"a: \r\0#@\xffliv-e".to_vec()), 1..24),
        rejoin in any::<bool>(),
    ) {
        let Ok(member) = Member::new(&name, b"h:1") else { return Ok(()) };
        let policy = policy(|policy| policy.rejoin_after_leave = rejoin);
        let mut driver = Driver::new(&policy);
        driver.record(join(member));
        driver.record(Event::MemberFailed(member));
        driver.record(join(member));
        driver.assert_settled();
        let bytes = driver.written(LogFile::Log, Mark::default());
        let unsealed = without_seals(&bytes);
        for (file, mode) in
            [(&bytes, Mode::Serf), (&bytes, Mode::Hardened), (&unsealed, Mode::Hardened)]
        {
            let (state, report) = decode(file, mode, rejoin);
            let alive: Vec<_> = state.alive().map(|(name, _)| name.as_bytes().to_vec()).collect();
            prop_assert_eq!(&alive, std::slice::from_ref(&name), "{}", file.escape_ascii());
            prop_assert_eq!(report.findings_total, 0);
        }
    }
}

/// A log with failed nodes of these ages in hours, the oldest first by name, and the last one alive.
fn with_failed(ages: &[u64]) -> Vec<u8> {
    let failed = ages.iter().enumerate().map(|(number, hours)| {
        let at = START.0 - hours * 3_600_000;
        format!("#@failed: f{number} 1.1.1.1:1 {at}\n")
    });
    sealed(failed.collect::<String>().as_bytes())
}

/// The lines that these events add to a log with failed nodes of ages up to 100 hours.
fn check_retention(identity: Identity, ages: &[u64], events: &[Event<'_>], expect: &[&str]) {
    let policy = policy(|policy| {
        policy.identity = identity;
        policy.failed_retention = 72 * HOUR;
    });
    let mut driver = Driver::open(&policy, &with_failed(ages)).unwitnessed();
    assert_eq!(driver.engine.state().failed_len(), ages.len(), "opening a log ages nobody");
    for event in events {
        driver.record(*event);
    }
    driver.advance(policy.flush_interval);
    assert_eq!(
        lines(&driver.written(LogFile::Log, Mark::default())),
        expect.join("\n"),
        "{events:?}"
    );
    driver.assert_settled();
}

#[test]
fn a_failed_node_is_old_only_for_who_sees_another_alive() {
    let (me, you) = (member("me", "1.1.1.1:1"), member("you", "2.2.2.2:2"));
    let mine = || Identity::new(None, Some(b"me")).unwrap();
    let nobodys = Identity::default;
    let (i, join_you) = ("alive: me 1.1.1.1:1", "alive: you 2.2.2.2:2");
    let ages = [100, 73, 72, 1];
    let gone = ["not-alive: f0", "not-alive: f1"];
    let lonely = [join(me), user(5), query(5), clock(5), join(me)];
    let alone = [i, "event-clock: 5", "query-clock: 5", "clock: 4"];
    check_retention(mine(), &ages, &lonely, &alone);
    check_retention(nobodys(), &ages, &lonely, &alone);
    check_retention(mine(), &ages, &[join(you)], &[join_you, gone[0], gone[1]]);
    check_retention(mine(), &ages, &[Event::MemberUpdate(you)], &[join_you, gone[0], gone[1]]);
    // Without a name of its own the first that joins may be the node itself.
    check_retention(nobodys(), &ages, &[join(you)], &[join_you]);
    check_retention(nobodys(), &ages, &[join(you), join(me)], &[join_you, i, gone[0], gone[1]]);
    // A member that fails, leaves or is reaped is not seen alive.
    for unseen in [Event::MemberLeave(you), Event::MemberReap(you)] {
        check_retention(mine(), &ages, &[unseen, join(me)], &[i]);
    }
    let failed = format!("#@failed: you 2.2.2.2:2 {}", START.0);
    check_retention(mine(), &ages, &[Event::MemberFailed(you), join(me)], &[&failed, i]);
    // A join that says nothing new is a sign of life all the same.
    check_retention(
        mine(),
        &ages,
        &[join(me), join(you), join(you)],
        &[i, join_you, gone[0], gone[1]],
    );
    // Whoever is back is not dropped, and no event has to tell of many.
    let back = join(member("f0", "1.1.1.1:1"));
    check_retention(mine(), &ages, &[back], &["alive: f0 1.1.1.1:1", gone[1]]);
    let f = |number: usize| format!("not-alive: f{number}");
    let old = (0..6).map(f).collect::<Vec<_>>();
    let old: Vec<_> = old.iter().map(String::as_str).collect();
    check_retention(
        mine(),
        &[100, 99, 98, 97, 96, 95],
        &[join(you)],
        &[&[join_you], &old[..4]].concat(),
    );
    check_retention(
        mine(),
        &[100, 99, 98, 97, 96, 95],
        &[join(you), join(you)],
        &[&[join_you], &old[..]].concat(),
    );
    check_retention(mine(), &ages, &[Event::Leave, join(you)], &["leave"]);
}

#[test]
fn a_clock_that_jumps_makes_nobody_old() {
    let policy = policy(|policy| policy.identity = Identity::new(None, Some(b"me")).unwrap());
    let mut driver = Driver::open(&policy, &with_failed(&[0])).unwitnessed();
    driver.now.wall = UnixMillis(0);
    driver.join("you", "2.2.2.2:2");
    assert_eq!(driver.engine.state().failed_len(), 1);
    driver.now.wall = UnixMillis(u64::MAX);
    driver.join("you", "2.2.2.2:2");
    assert_eq!(driver.engine.state().failed_len(), 0, "by this clock it is long ago");
}

#[test]
fn the_oldest_failed_nodes_make_room_and_are_told_so() {
    let limited = |max_failed| policy(|policy| policy.max_failed = max_failed);
    let failed = |name| Event::MemberFailed(member(name, "1.1.1.1:1"));
    let at = |name: &str, ms: u64| format!("#@failed: {name} 1.1.1.1:1 {ms}\n");
    let two = at("b", 8) + &at("a", 7);
    check_with(&limited(2), &two, &[failed("c")], "#@failed: c 1.1.1.1:1 NOW\nnot-alive: a");
    check_with(
        &limited(2),
        &(two.clone() + "alive: c 1.1.1.1:1\n"),
        &[failed("c")],
        "not-alive: c\n#@failed: c 1.1.1.1:1 NOW\nnot-alive: a",
    );
    check_with(&limited(3), &two, &[failed("c")], "#@failed: c 1.1.1.1:1 NOW");
    check_with(&limited(2), &two, &[failed("a")], "");
    // Of two that failed at the same time the first by name goes.
    check_with(
        &limited(2),
        "",
        &[failed("z"), failed("y"), failed("x")],
        "#@failed: z 1.1.1.1:1 NOW\n#@failed: y 1.1.1.1:1 NOW\n#@failed: x 1.1.1.1:1 NOW\nnot-alive: x",
    );
    // Where the wall clock has gone back the new one is the oldest.
    let later = at("b", START.0 + 1) + &at("a", START.0 + 2);
    check_with(&limited(2), &later, &[failed("c")], "#@failed: c 1.1.1.1:1 NOW\nnot-alive: c");
    check_with(&limited(0), "", &[failed("c")], "#@failed: c 1.1.1.1:1 NOW\nnot-alive: c");
}

#[test]
fn an_event_that_says_nothing_new_stands_where_the_last_one_stands() {
    let mut driver = Driver::new(&Policy::default());
    let first = driver.join("a", "1.1.1.1:1");
    assert_eq!(driver.join("a", "1.1.1.1:1"), first);
    assert_eq!(driver.record(user(0)), first);
    assert_eq!(driver.record(user(u64::MAX)), first, "a refused one too");
    let second = driver.fail_member("a");
    assert!(second > first);
    assert_eq!(driver.fail_member("a"), second);
    driver.advance(Duration::from_millis(500));
    assert_eq!(driver.engine.progress().written, second);
    assert_eq!(driver.join("a", "1.1.1.1:1"), driver.engine.progress().accepted);
    let left = driver.record(Event::Leave);
    assert_eq!(driver.join("b", "1.1.1.1:1"), left);
    assert_eq!(model_of(driver.engine.state()).alive.len(), 0);
}
