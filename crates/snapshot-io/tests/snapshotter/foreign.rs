//! Somebody else writes the file: noticed within the check's interval, and put right.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use snapshot_io::sim::{At, Call, Fault, SimStorage};
use snapshot_io::{Cause, Event, Health, LamportTime, Options, Snapshotter, Warning};

use crate::common::{
    DEADLINE, alive, health_until, join, model_of, policy, read, read_at, stepper,
};
use crate::place;

const GHOST: &str = "alive: ghost 6.6.6.6:6\n";

type Hand = fn(&Path);

/// What somebody else may do to a file.
const HANDS: [(&str, Hand); 7] = [
    ("append", |path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(GHOST.as_bytes()).unwrap();
    }),
    ("replace", |path| {
        let other = path.with_extension("other");
        fs::write(&other, GHOST).unwrap();
        fs::rename(other, path).unwrap();
    }),
    ("replace by the same bytes", |path| {
        let other = path.with_extension("other");
        fs::copy(path, &other).unwrap();
        fs::rename(other, path).unwrap();
    }),
    ("truncate", |path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    }),
    ("truncate to nothing", |path| {
        OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
    }),
    ("delete", |path| fs::remove_file(path).unwrap()),
    ("replace by a link", |path| {
        let other = path.with_extension("other");
        fs::rename(path, &other).unwrap();
        std::os::unix::fs::symlink(&other, path).unwrap();
    }),
];

fn open(path: &Path, check_interval: Duration) -> (Snapshotter, Receiver<Health>) {
    let (tell, changes) = mpsc::channel();
    let options = Options::new().policy(policy(|policy| policy.check_interval = check_interval));
    let (log, _) = options.on_health(move |health| tell.send(health).unwrap()).open(path).unwrap();
    log.record(join("a"));
    log.record(join("b"));
    log.sync().wait(DEADLINE).unwrap();
    (log, changes)
}

#[test]
fn a_foreign_hand_is_noticed_while_nothing_happens() {
    for (hand, act) in HANDS {
        let (_dir, path) = place();
        let (log, changes) = open(&path, Duration::from_millis(10));
        act(&path);
        let seen = health_until(&changes, Health::is_good);
        let causes: Vec<_> = seen.iter().map(|health| health.stale).collect();
        assert_eq!(causes, [Some(Cause::ForeignWriter), None], "{hand}");
        assert_eq!(log.stats().foreign_writes, 1, "{hand}");
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{hand}");
        assert_eq!(alive(&read_at(&path)), ["a", "b"], "{hand}: as if nothing had been");
        log.record(join("c"));
        log.close().wait(DEADLINE).unwrap();
        assert_eq!(alive(&read_at(&path)), ["a", "b", "c"], "{hand}");
    }
}

#[test]
fn a_foreign_hand_is_noticed_before_the_next_write() {
    for (hand, act) in HANDS {
        let (_dir, path) = place();
        let (log, _changes) = open(&path, Duration::from_secs(3600));
        act(&path);
        log.record(join("c"));
        log.sync().wait(DEADLINE).unwrap();
        assert_eq!(log.stats().foreign_writes, 1, "{hand}");
        assert_eq!(alive(&read_at(&path)), ["a", "b", "c"], "{hand}: nothing was glued to it");
        assert!(log.health().is_good());
    }
}

#[test]
fn a_look_while_idle_does_not_count_for_the_next_write() {
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, "/snapshot", Options::new());
    stepper.record(join("a"));
    // The path has been looked at many times, the last time just now.
    stepper.advance(Duration::from_secs(60));
    storage.edit("/snapshot", |bytes| bytes.extend(b"alive: torn 6.6"));
    stepper.record(join("b"));
    stepper.advance(Duration::from_secs(1));
    assert_eq!(stepper.engine().stats().foreign_writes, 1);
    assert_eq!(alive(&read(&storage.contents("/snapshot").unwrap())), ["a", "b"]);
    // Neither does the look after a rewrite that has failed.
    let nth = storage.journal().count(Call::Create) as u64 + 1;
    storage.fail(At::Nth(Call::Create, nth), Fault::error(libc::EACCES));
    stepper.engine().request_rewrite();
    stepper.run();
    storage.edit("/snapshot", |bytes| bytes.extend(b"alive: torn 6.6"));
    stepper.record(join("c"));
    stepper.advance(Duration::from_secs(31));
    assert_eq!(stepper.engine().stats().foreign_writes, 2);
    assert_eq!(alive(&read(&storage.contents("/snapshot").unwrap())), ["a", "b", "c"]);
}

#[test]
fn a_rewrite_does_not_take_its_own_rename_for_a_foreign_hand() {
    let (_dir, path) = place();
    let (log, changes) = open(&path, Duration::from_millis(1));
    for round in 0..20 {
        log.record(Event::User(LamportTime(round + 1)));
        log.compact().wait(DEADLINE).unwrap();
    }
    log.sync().wait(DEADLINE).unwrap();
    assert_eq!(log.stats().foreign_writes, 0);
    assert!(log.health().is_good() && changes.try_recv().is_err());
}

#[test]
fn three_times_a_minute_is_enough() {
    let (_dir, path) = place();
    let (log, changes) = open(&path, Duration::from_millis(10));
    for round in 1..=3 {
        fs::write(&path, GHOST).unwrap();
        let seen = health_until(&changes, |health| health.stale.is_none());
        assert_eq!(seen[0].stale, Some(Cause::ForeignWriter), "{round}: {seen:?}");
        assert_eq!(log.stats().foreign_writes, round);
        // A difference that shows before we have looked once ourselves is no other's hand.
        log.record(Event::User(LamportTime(round)));
        log.sync().wait(DEADLINE).unwrap();
    }
    // The third was still put right; a fourth is not looked for.
    assert_eq!(alive(&read_at(&path)), ["a", "b"]);
    assert_eq!(log.health().warnings().collect::<Vec<_>>(), [Warning::CheckOff]);
    fs::remove_file(&path).unwrap();
    log.record(join("c"));
    log.sync().wait(DEADLINE).unwrap();
    assert_eq!((log.stats().foreign_writes, log.health().stale), (3, None));
    log.compact().wait(DEADLINE).unwrap();
    assert_eq!(read_at(&path), log.with_state(model_of));
}

#[test]
fn what_somebody_else_has_taken_is_not_durable() {
    let storage = SimStorage::new();
    let (tell, changes) = mpsc::channel();
    let options =
        Options::new().policy(policy(|policy| policy.check_interval = Duration::from_millis(10)));
    let options =
        options.storage(storage.clone()).on_health(move |health| tell.send(health).unwrap());
    let (log, _) = options.open("/snapshot").unwrap();
    let position = log.record(join("a"));
    log.sync().wait(DEADLINE).unwrap();
    let nth = storage.journal().count(Call::Create) as u64 + 1;
    storage.fail(At::Nth(Call::Create, nth), Fault::error(libc::EROFS).lasting());
    storage.unplant("/snapshot");
    health_until(&changes, |health| health.stale.is_some());
    assert!(log.durable(position).wait(Duration::ZERO).is_err(), "the file is gone");
    assert!(log.sync().wait(DEADLINE).is_err(), "and no other can be made");
    storage.clear_faults();
    log.sync().wait(DEADLINE).unwrap();
    assert!(storage.contents("/snapshot").is_some());
}

#[test]
fn whoever_waits_does_not_wait_for_a_back_off() {
    let (_dir, path) = place();
    let (log, _changes) = open(&path, Duration::from_secs(3600));
    // Rewrites fail for a while, so that the wait between them grows.
    let next = path.with_extension("snapshot.rewrite");
    fs::create_dir(&next).unwrap();
    for _ in 0..8 {
        log.compact().wait(DEADLINE).unwrap_err();
    }
    fs::remove_dir(&next).unwrap();
    fs::remove_file(&path).unwrap();
    // That it is gone is found out after the call.
    log.record(join("c"));
    log.sync().wait(Duration::from_secs(20)).expect("it would be 30 s to the next try");
    assert_eq!(alive(&read_at(&path)), ["a", "b", "c"]);
}
