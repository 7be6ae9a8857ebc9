//! Lamport clocks: assigned from anything, unbounded, and wrapped at zero.

use std::time::Duration;

use snapshot_io::sim::SimStorage;
use snapshot_io::{Clocks, Event, LamportTime, Options};

use crate::common::{join, read, stepper};
use crate::{PATH, record_durably};

const MAX: u64 = 1 << 48;

#[test]
fn a_clock_out_of_bounds_is_not_believed() {
    // What stands in the file, and what a clock that stood at 7 is afterwards.
    let cases = [
        ("0", 0),
        ("5", 5),
        ("007", 7),
        ("281474976710656", MAX),
        ("281474976710657", 7),
        ("18446744073709551615", 7),
        ("18446744073709551616", 7),
        ("99999999999999999999999999", 7),
        ("-1", 7),
        ("+9", 7),
        ("0x10", 7),
        ("", 7),
        ("9 ", 7),
    ];
    for keyword in ["clock", "event-clock", "query-clock"] {
        for (value, expected) in cases {
            let storage = SimStorage::new();
            storage
                .plant(PATH, format!("{keyword}: 7\n{keyword}: {value}\nalive: a 10.0.0.1:7946\n"));
            let (mut stepper, recovery) = stepper(&storage, PATH, Options::new());
            let Clocks { clock, event_clock, query_clock } = recovery.clocks;
            assert_eq!(
                clock.0.max(event_clock.0).max(query_clock.0),
                expected,
                "{keyword}: {value}"
            );
            let refused = u64::from(expected == 7 && value != "007");
            assert_eq!(recovery.report.findings_total, refused, "{keyword}: {value}");
            // Neither is it in the file that follows.
            record_durably(&mut stepper, &[join("b")]);
            let found = read(&storage.contents(PATH).unwrap());
            assert_eq!(found.clock.max(found.event_clock).max(found.query_clock), expected);
        }
    }
}

#[test]
fn an_event_out_of_bounds_is_refused_and_counted() {
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new());
    let before = stepper.engine().progress().accepted;
    let events: [fn(LamportTime) -> Event<'static>; 3] = [Event::User, Event::Query, Event::Clock];
    for (count, event) in (1..).zip(events) {
        assert!(stepper.engine().policy().admit(&event(LamportTime(u64::MAX))).is_err());
        assert_eq!(stepper.record(event(LamportTime(u64::MAX))), before);
        assert_eq!(stepper.engine().stats().refused, count);
    }
    stepper.record(Event::User(LamportTime(MAX)));
    stepper.record(Event::Query(LamportTime(MAX)));
    // The clock is written less one, so its bound is one higher.
    stepper.record(Event::Clock(LamportTime(MAX + 1)));
    stepper.record(Event::Clock(LamportTime(MAX + 2)));
    stepper.advance(Duration::from_millis(500));
    let found = read(&storage.contents(PATH).unwrap());
    assert_eq!((found.clock, found.event_clock, found.query_clock), (MAX, MAX, MAX));
    assert_eq!(stepper.engine().stats().refused, 4);
}

#[test]
fn a_clock_at_zero_does_not_wrap() {
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new());
    let before = stepper.engine().progress().accepted;
    for event in
        [Event::Clock(LamportTime(0)), Event::Clock(LamportTime(1)), Event::User(LamportTime(0))]
    {
        assert_eq!(stepper.record(event), before, "{event:?} says nothing new");
    }
    stepper.record(join("a"));
    stepper.record(Event::Leave);
    stepper.run();
    let file = String::from_utf8(storage.contents(PATH).unwrap()).unwrap();
    assert!(file.contains("\nleave\n") && !file.contains("clock: "), "{file}");
}

#[test]
fn an_old_clock_is_not_written_again() {
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new());
    let events: [fn(LamportTime) -> Event<'static>; 3] = [Event::User, Event::Query, Event::Clock];
    for event in events {
        let position = stepper.record(event(LamportTime(9)));
        for old in [9, 8, 0] {
            assert_eq!(
                stepper.record(event(LamportTime(old))),
                position,
                "{:?}",
                event(LamportTime(old))
            );
        }
        assert!(stepper.record(event(LamportTime(10))) > position);
    }
    stepper.advance(Duration::from_millis(500));
    let found = read(&storage.contents(PATH).unwrap());
    assert_eq!((found.clock, found.event_clock, found.query_clock), (9, 10, 10));
}
