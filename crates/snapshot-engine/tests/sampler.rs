//! When the host's clocks and coordinate are read.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::Duration;

use common::driver::member;
use snapshot_engine::Sample::{Clock, Coordinate};
use snapshot_engine::{Event, Instant, LamportTime, Sample, Sampler};

fn at(ms: u64) -> Instant {
    Instant(Duration::from_millis(ms))
}

/// What is read within the time, in milliseconds, where these events happen at their times.
fn check(
    (clock, coordinate): (bool, bool),
    within: u64,
    events: &[(u64, Event<'_>)],
    expect: &[(u64, Sample)],
) {
    let mut sampler = Sampler::new(clock, coordinate, at(0));
    let (mut events, mut found) = (events.iter(), Vec::new());
    let mut event = events.next();
    let mut now = 0;
    loop {
        while let Some((_, what)) = event.filter(|(when, _)| *when <= now) {
            sampler.handle_event(at(now), what);
            event = events.next();
        }
        while let Some(sample) = sampler.poll(at(now)) {
            found.push((now, sample));
            assert!(found.len() < 1000, "a loop without an end");
        }
        let due = sampler.poll_timeout().map(|due| u64::try_from(due.0.as_millis()).unwrap());
        assert!(due.is_none_or(|due| due > now), "nothing more is due at {now}");
        let next = due.into_iter().chain(event.map(|(when, _)| *when)).min();
        match next.filter(|next| *next <= within) {
            Some(next) => now = next,
            None => break,
        }
    }
    assert_eq!(found, expect);
}

#[test]
fn the_clock_is_read_every_half_second_and_the_coordinate_every_minute() {
    check((false, false), 100_000, &[], &[]);
    check((true, false), 1700, &[], &[(500, Clock), (1000, Clock), (1500, Clock)]);
    check((false, true), 130_000, &[], &[(60_000, Coordinate), (120_000, Coordinate)]);
    let both: Vec<_> = (1..=120).map(|number| (500 * number, Clock)).collect();
    check((true, true), 60_000, &[], &[&both[..], &[(60_000, Coordinate)]].concat());
}

#[test]
fn the_clock_is_read_after_each_member_event() {
    let a = member("a", "1.1.1.1:1");
    for event in [
        Event::MemberJoin(a),
        Event::MemberUpdate(a),
        Event::MemberFailed(a),
        Event::MemberLeave(a),
        Event::MemberReap(a),
    ] {
        check((true, false), 1000, &[(100, event)], &[(100, Clock), (600, Clock)]);
        check((true, false), 600, &[(100, event), (100, event)], &[(100, Clock), (600, Clock)]);
        check((false, true), 1000, &[(100, event)], &[]);
    }
    let time = LamportTime(7);
    for event in [Event::User(time), Event::Query(time), Event::Clock(time), Event::Leave] {
        check((true, false), 600, &[(100, event)], &[(500, Clock)]);
    }
}

#[test]
fn who_comes_late_reads_once() {
    let mut sampler = Sampler::new(true, true, at(0));
    assert_eq!(sampler.poll(at(500_000)), Some(Clock));
    assert_eq!(sampler.poll(at(500_000)), Some(Coordinate));
    assert_eq!(sampler.poll(at(500_000)), None);
    assert_eq!(sampler.poll_timeout(), Some(at(500_500)));
}
