//! The host's clock and coordinate: when they are read, and that what they say reaches the file.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use snapshot_engine::{Instant, Sample, Sampler};
use snapshot_io::{Coordinate, Event, LamportClock, LamportTime, Options};

use crate::common::{ADDR, DEADLINE, join, member, read_at};
use crate::place;

#[test]
fn the_clock_is_read_after_each_member_event() {
    let (_dir, path) = place();
    let calls = Arc::new(AtomicU64::new(0));
    let source = {
        let calls = Arc::clone(&calls);
        move || LamportTime(100 + calls.fetch_add(1, Ordering::SeqCst))
    };
    let (log, _) = Options::new().clock_source(source).open(&path).unwrap();
    let node = member("a", ADDR);
    let events = [
        Event::MemberJoin(node),
        Event::MemberUpdate(node),
        Event::MemberFailed(node),
        Event::MemberLeave(node),
        Event::MemberReap(node),
    ];
    for event in events {
        let before = calls.load(Ordering::SeqCst);
        log.record(event);
        assert!(calls.load(Ordering::SeqCst) > before, "{event:?}");
        // The time is that of the next message, so one less was seen.
        assert!(log.clocks().clock.0 >= 99 + before, "{event:?}: {:?}", log.clocks());
    }
    log.close().wait(DEADLINE).unwrap();
    let last = calls.load(Ordering::SeqCst);
    assert!((103..99 + last).contains(&read_at(&path).clock), "{last} calls");
}

#[test]
fn the_clock_is_read_while_nothing_happens() {
    let (_dir, path) = place();
    let clock = Arc::new(LamportClock::after(LamportTime(41)));
    let (called, calls) = mpsc::channel();
    let source = {
        let clock = Arc::clone(&clock);
        move || {
            let _ = called.send(());
            clock.time()
        }
    };
    let (log, _) = Options::new().clock_source(source).open(&path).unwrap();
    for _ in 0..2 {
        calls.recv_timeout(DEADLINE).unwrap();
    }
    // No event, and yet it is known.
    clock.increment();
    let seen = || log.clocks().clock.0 == 42;
    while !seen() {
        calls.recv_timeout(DEADLINE).unwrap();
    }
    log.close().wait(DEADLINE).unwrap();
    assert_eq!(read_at(&path).clock, 42);
}

#[test]
fn a_source_may_use_the_snapshot() {
    let (_dir, path) = place();
    let log = Arc::new(std::sync::OnceLock::<snapshot_io::Snapshotter>::new());
    let source = {
        let log = Arc::clone(&log);
        move || LamportTime(log.get().map_or(0, |log| log.clocks().clock.0 + 2))
    };
    let (opened, _) = Options::new().clock_source(source).open(&path).unwrap();
    let log = log.get_or_init(|| opened);
    let before = log.clocks().clock.0;
    log.record(join("a"));
    assert!(log.clocks().clock.0 > before);
    log.clone().close().wait(DEADLINE).unwrap();
}

#[test]
fn a_clock_that_runs_back_or_away_is_not_believed() {
    let (_dir, path) = place();
    let times = std::sync::Mutex::new(vec![7, u64::MAX, 3, 0, 9]);
    let source = move || LamportTime(times.lock().unwrap().pop().unwrap_or(0));
    let (log, _) = Options::new().clock_source(source).open(&path).unwrap();
    for port in 1..6 {
        log.record(Event::MemberUpdate(member("a", &format!("10.0.0.1:{port}"))));
    }
    assert_eq!(log.clocks().clock, LamportTime(8));
    assert_eq!(log.stats().refused, 1);
}

#[test]
fn the_times_of_reading_are_those_of_serf() {
    let at = |ms| Instant(Duration::from_millis(ms));
    let mut sampler = Sampler::new(true, true, at(0));
    let mut read = Vec::new();
    for ms in (0..=125_000).step_by(100) {
        let event = (ms == 1300).then(|| join("a"));
        if let Some(event) = &event {
            sampler.handle_event(at(ms), event);
        }
        assert_eq!(sampler.poll_timeout().is_some_and(|due| due <= at(ms)), {
            let mut any = false;
            while let Some(sample) = sampler.poll(at(ms)) {
                read.push((ms, sample));
                any = true;
            }
            any
        });
    }
    let of = |wanted| read.iter().filter(move |(_, sample)| *sample == wanted).map(|(ms, _)| *ms);
    assert_eq!(of(Sample::Clock).take(5).collect::<Vec<_>>(), [500, 1000, 1300, 1800, 2300]);
    assert_eq!(of(Sample::Coordinate).collect::<Vec<_>>(), [60_000, 120_000]);
    // Events that are not about a member do not count, and neither does what the host has not.
    let mut sampler = Sampler::new(true, false, at(0));
    sampler.handle_event(at(10), &Event::User(LamportTime(3)));
    assert_eq!((sampler.poll(at(10)), sampler.poll_timeout()), (None, Some(at(500))));
    let mut none = Sampler::new(false, false, at(0));
    none.handle_event(at(10), &join("a"));
    assert_eq!((none.poll(at(1_000_000)), none.poll_timeout()), (None, None));
}

#[test]
fn a_coordinate_source_is_not_read_before_its_time() {
    let (_dir, path) = place();
    let coordinate = Coordinate::new([0.25; 8], 1.5, 0.0, 1e-5).unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let source = {
        let calls = Arc::clone(&calls);
        move || {
            calls.fetch_add(1, Ordering::SeqCst);
            coordinate
        }
    };
    let (log, _) = Options::new().coordinate_source(source).open(&path).unwrap();
    for number in 0..100 {
        log.record(join(&format!("node-{number}")));
    }
    log.close().wait(DEADLINE).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 0, "it is read every 60 s, whatever the members do");
}
