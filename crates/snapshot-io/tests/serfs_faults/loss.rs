//! What Serf loses: behind a torn tail, in an idle cluster, in a burst, and with the power.

use std::time::Duration;

use snapshot_io::sim::{At, Call, Fault, SimStorage, Stepper, SyncFailure};
use snapshot_io::{Cause, Durability, Event, LamportTime, Options, Policy};
use snapshot_model::Model;

use crate::common::{ADDR, alive, join, member, model_of, read, stepper};
use crate::{PATH, heal, names, record_durably, record_joins};

const LEVELS: [Durability; 3] =
    [Durability::Always, Durability::Interval(Duration::from_secs(5)), Durability::Os];

#[test]
fn a_torn_tail_is_never_appended_to() {
    let sealed = {
        let storage = SimStorage::new();
        record_durably(&mut stepper(&storage, PATH, Options::new()).0, &[join("a"), join("b")]);
        storage.contents(PATH).unwrap()
    };
    let plain = b"alive: a 10.0.0.1:7946\nalive: b 10.0.0.1:7946\n".to_vec();
    // Each of ours cut anywhere but behind a seal, and Serf's with every kind of end.
    let whole = |length: &usize| {
        let last = sealed[..*length].split_inclusive(|byte| *byte == b'\n').next_back();
        last.is_some_and(|line| line.starts_with(b"#@seal: ") && line.ends_with(b"\n"))
    };
    let cuts = (1..sealed.len()).filter(|length| !whole(length));
    let mut files: Vec<_> = cuts.map(|length| sealed[..length].to_vec()).collect();
    for tail in [
        "a",
        "alive: ",
        "alive: foo 10.0.0",
        "alive: c 10.0.0.3:7946",
        "not-alive: a",
        "leave",
        "clock: 9",
        "\0\0\0\0\0\0\0\0\0",
    ] {
        files.push([&plain, tail.as_bytes()].concat());
        files.push([&sealed, tail.as_bytes()].concat());
    }
    for file in files {
        let what = file.escape_ascii().to_string();
        let storage = SimStorage::new();
        storage.plant(PATH, file.clone());
        let before = read(&file);
        let (mut stepper, _) = stepper(&storage, PATH, Options::new());
        assert_eq!(model_of(stepper.engine().state()), before, "{what}");
        let calls = storage.journal().entries().len();
        record_durably(&mut stepper, &[join("new")]);
        let mut expected = before;
        expected.alive.insert(b"new".to_vec(), ADDR.as_bytes().to_vec());
        assert_eq!(read(&storage.contents(PATH).unwrap()), expected, "{what}");
        // The torn file itself got not one byte: the first thing that happened is a new file.
        let first = storage.journal().entries()[calls..]
            .iter()
            .find(|entry| entry.call == Call::Create)
            .cloned();
        let first = first.unwrap_or_else(|| panic!("{what}: no new file\n{}", storage.journal()));
        let early = |entry: &&snapshot_io::sim::Entry| {
            entry.call == Call::Write && entry.number < first.number
        };
        assert_eq!(storage.journal().entries().iter().find(early), None, "{what}");
    }
}

#[test]
fn a_wholly_sealed_file_is_appended_to() {
    let storage = SimStorage::new();
    record_durably(&mut stepper(&storage, PATH, Options::new()).0, &[join("a")]);
    let (before, creations) =
        (storage.contents(PATH).unwrap(), storage.journal().count(Call::Create));
    let after = storage.process_crash();
    let (mut second, _) = stepper(&after, PATH, Options::new());
    record_durably(&mut second, &[join("b")]);
    assert!(after.contents(PATH).unwrap().starts_with(&before));
    assert_eq!((creations, after.journal().count(Call::Create)), (1, 0));
}

#[test]
fn an_idle_cluster_loses_nothing_to_a_kill() {
    for durability in LEVELS {
        let storage = SimStorage::new();
        let (mut stepper, _) = stepper(&storage, PATH, Options::new().durability(durability));
        let names = names(10);
        record_joins(&mut stepper, &names);
        // Nothing follows: nobody calls in, only the time passes.
        let flush = Policy::default().flush_interval;
        stepper.advance(flush);
        let left = storage.process_crash().contents(PATH).unwrap();
        assert_eq!(alive(&read(&left)), names, "{durability:?}");
        // The next one, too, and it waits no longer than the first did.
        stepper.advance(flush / 2);
        stepper.record(join("late"));
        stepper.advance(flush);
        let left = storage.process_crash().contents(PATH).unwrap();
        assert_eq!(read(&left).alive.len(), 11, "{durability:?}");
    }
}

#[test]
fn a_record_does_not_wait_for_those_behind_it() {
    // A stream that never pauses must not push the flush before itself.
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new());
    for name in names(50) {
        stepper.record(join(&name));
        stepper.advance(Duration::from_millis(100));
    }
    let left = read(&storage.process_crash().contents(PATH).unwrap());
    assert!(left.alive.len() >= 45, "{} of 50 after 5 s", left.alive.len());
}

#[test]
fn a_burst_of_a_million_joins_drops_nothing() {
    const BURST: usize = 1_000_000;
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new());
    let most = stepper.engine().policy().max_pending as u64;
    for number in 0..BURST {
        let name = format!("node-{number}");
        stepper.record(join(&name));
        if number % 1000 == 0 {
            let stats = stepper.engine().stats();
            assert!(
                stats.pending_bytes <= most,
                "{} bytes wait after {number}",
                stats.pending_bytes
            );
        }
    }
    let stats = stepper.engine().stats();
    assert_eq!((stats.records, stats.refused), (BURST as u64, 0));
    assert_eq!(stepper.engine().health().stale, Some(Cause::Overflow), "it was more than may wait");
    stepper.engine().request_sync();
    stepper.run();
    assert!(stepper.engine().health().is_good());
    let file = storage.contents(PATH).unwrap();
    let lines = || file.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"alive: "));
    assert_eq!(lines().count(), BURST);
    let last = format!("alive: node-{} {ADDR}", BURST - 1);
    assert!(lines().any(|line| line == last.as_bytes()));
}

#[test]
fn an_overflow_at_any_moment_drops_nothing() {
    // The burst comes when so many calls of a rewrite, or of plain appending, have been made.
    for rewriting in [false, true] {
        for steps in 0..14 {
            let storage = SimStorage::new();
            let options = Options::new().max_pending(2000).min_compact_size(1 << 20);
            let (mut stepper, _) = stepper(&storage, PATH, options);
            record_durably(&mut stepper, &[join("first")]);
            stepper.record(join("second"));
            if rewriting {
                stepper.engine().request_rewrite();
            }
            stepper.engine().request_sync();
            for _ in 0..steps {
                stepper.step();
            }
            for name in names(200) {
                stepper.record(join(&name));
                assert!(stepper.engine().stats().pending_bytes <= 2000);
            }
            assert!(stepper.engine().stats().overflows > 0, "{rewriting} {steps}");
            // A crash at this moment leaves what was synced; afterwards everything comes.
            let left = read(&storage.process_crash().contents(PATH).unwrap());
            assert!(left.alive.contains_key(&b"first"[..]), "{rewriting} {steps}");
            heal(&storage, &mut stepper);
            let found = read(&storage.contents(PATH).unwrap());
            assert_eq!(found.alive.len(), 202, "{rewriting} {steps}");
            assert_eq!(found, model_of(stepper.engine().state()));
        }
    }
}

#[test]
fn power_loss_takes_no_more_than_the_level_says() {
    let interval = Duration::from_secs(5);
    // How long after the record a power cut must find it.
    let bounds = [
        (Durability::Always, Duration::ZERO),
        (Durability::Interval(interval), interval),
        (Durability::Interval(Duration::from_millis(100)), Duration::from_millis(100)),
    ];
    for (durability, bound) in bounds {
        // Records come at any time, also just before and after a sync that others caused.
        for gap in [0, 1, 50, 99, 100, 101, 400, 499, 500, 501, 3000, 4499, 4501, 5001] {
            let storage = SimStorage::new();
            let (mut stepper, _) = stepper(&storage, PATH, Options::new().durability(durability));
            stepper.run();
            stepper.record(join("first"));
            stepper.advance(Duration::from_millis(gap));
            stepper.record(join("second"));
            stepper.advance(bound);
            for image in storage.crash_images(gap, 50) {
                let found = alive(&read(&image.storage.contents(PATH).unwrap()));
                assert_eq!(found, ["first", "second"], "{durability:?}, {gap} ms apart\n{image}");
            }
        }
    }
}

#[test]
fn without_a_level_the_ends_are_synced_all_the_same() {
    type End = fn(&mut Stepper);
    let ends: [(&str, End); 3] = [
        ("sync", |stepper| _ = stepper.engine().request_sync()),
        ("rewrite", |stepper| _ = stepper.engine().request_rewrite()),
        ("leave", |stepper| _ = stepper.record(Event::Leave)),
    ];
    for (what, end) in ends {
        let storage = SimStorage::new();
        let options = Options::new().durability(Durability::Os).rejoin_after_leave(true);
        let (mut stepper, _) = stepper(&storage, PATH, options);
        record_joins(&mut stepper, &names(3));
        stepper.advance(Duration::from_secs(3600));
        assert!(storage.unsynced() > 0, "{what}: this level leaves it to the system");
        end(&mut stepper);
        stepper.run();
        for image in storage.crash_images(0, 50) {
            let found = snapshot_model::replay(
                &image.storage.contents(PATH).unwrap(),
                &snapshot_model::Rules::hardened(true),
            );
            assert_eq!(alive(&found), names(3), "{what}: {image}");
        }
    }
}

#[test]
fn a_failed_sync_is_neither_trusted_nor_repeated() {
    let failures =
        [SyncFailure::Retained, SyncFailure::Dropped, SyncFailure::Zeroed, SyncFailure::Reverted];
    for failure in failures {
        for durability in LEVELS {
            let storage = SimStorage::new();
            let (mut stepper, _) = stepper(&storage, PATH, Options::new().durability(durability));
            record_durably(&mut stepper, &[join("a"), Event::User(LamportTime(3))]);
            let nth = storage.journal().count(Call::Sync) as u64 + 1;
            storage.fail(At::Nth(Call::Sync, nth), Fault::error(libc::EIO).pages(failure));
            stepper.record(join("b"));
            let position = stepper.engine().request_sync();
            while stepper.engine().health().stale.is_none() {
                stepper.step().expect("the sync fails");
            }
            let what = format!("{failure:?} {durability:?}");
            assert_eq!(stepper.engine().health().stale, Some(Cause::SyncFailed), "{what}");
            assert!(stepper.engine().progress().durable < position, "{what}");
            let calls = storage.journal().entries().len();
            stepper.record(join("c"));
            stepper.advance(Duration::from_secs(1));
            // The old file is not touched any more; from memory a new one came.
            let journal = storage.journal();
            let later = &journal.entries()[calls..];
            let created = later.iter().position(|entry| entry.call == Call::Create).unwrap();
            let touched = |call| later[..created].iter().any(|entry| entry.call == call);
            assert!(!touched(Call::Write) && !touched(Call::Sync), "{what}\n{}", storage.journal());
            assert!(stepper.engine().health().is_good(), "{what}");
            stepper.engine().request_sync();
            stepper.run();
            let expected = model_of(stepper.engine().state());
            assert_eq!(expected.alive.len(), 3);
            for image in storage.crash_images(1, 100) {
                assert_eq!(
                    read(&image.storage.contents(PATH).unwrap()),
                    expected,
                    "{what}: {image}"
                );
            }
        }
    }
}

#[test]
fn a_failed_sync_of_the_directory_counts_as_a_failed_sync() {
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new());
    record_durably(&mut stepper, &[join("a")]);
    let nth = storage.journal().count(Call::SyncDir) as u64 + 1;
    storage.fail(At::Nth(Call::SyncDir, nth), Fault::error(libc::EIO));
    stepper.record(join("b"));
    stepper.engine().request_rewrite();
    while stepper.engine().health().stale.is_none() {
        stepper.step().expect("the sync fails");
    }
    assert_eq!(stepper.engine().health().stale, Some(Cause::DirSyncFailed));
    let progress = stepper.engine().progress();
    assert!(progress.durable < progress.accepted, "{progress:?}");
    for image in storage.crash_images(1, 100) {
        let found = alive(&read(&image.storage.contents(PATH).unwrap()));
        assert!(found == ["a"] || found == ["a", "b"], "{found:?} in {image}");
    }
    stepper.advance(Duration::from_secs(2));
    assert!(stepper.engine().health().is_good());
    for image in storage.crash_images(1, 100) {
        assert_eq!(alive(&read(&image.storage.contents(PATH).unwrap())), ["a", "b"], "{image}");
    }
}

#[test]
fn a_short_write_ends_the_log_there() {
    for bytes in [0, 1, 20, 60] {
        for fault in [Fault::short(bytes), Fault::error(libc::EIO).leaving(bytes)] {
            let storage = SimStorage::new();
            let (mut stepper, _) = stepper(&storage, PATH, Options::new());
            record_durably(&mut stepper, &[join("a")]);
            let nth = storage.journal().count(Call::Write) as u64 + 1;
            storage.fail(At::Nth(Call::Write, nth), fault);
            stepper.record(Event::MemberLeave(member("a", ADDR)));
            stepper.advance(Duration::from_millis(500));
            stepper.record(join("b"));
            let left = read(&storage.process_crash().contents(PATH).unwrap());
            let names = alive(&left);
            assert!(names == ["a"] || names.is_empty() || names == ["b"], "no prefix: {names:?}");
            heal(&storage, &mut stepper);
            let found = read(&storage.contents(PATH).unwrap());
            assert_eq!(found, Model { alive: found.alive.clone(), ..Model::default() });
            assert_eq!(alive(&found), ["b"]);
        }
    }
}
