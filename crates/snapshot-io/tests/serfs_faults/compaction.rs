//! Compaction: when it crashes, when its rename fails, and how often it comes.

use std::time::Duration;

use snapshot_io::sim::{At, Call, Fault, SimStorage};
use snapshot_io::{Durability, Event, Options, Warning};

use crate::common::{alive, join, member, policy, read, stepper};
use crate::{NEXT, PATH, heal, names, record_durably, record_joins};

#[test]
fn a_crash_anywhere_in_a_compaction_loses_nothing() {
    let calls_of_a_rewrite = {
        let storage = SimStorage::new();
        rewrite_until(&storage, u64::MAX)
    };
    assert!(calls_of_a_rewrite >= 8, "only {calls_of_a_rewrite} calls");
    for last in 0..=calls_of_a_rewrite {
        let storage = SimStorage::new();
        rewrite_until(&storage, last);
        let killed = storage.process_crash().contents(PATH).unwrap();
        assert_eq!(alive(&read(&killed)), names(4), "killed after {last} calls");
        for image in storage.crash_images(last, 300) {
            let file = image.storage.contents(PATH).unwrap_or_else(|| panic!("gone: {image}"));
            assert_eq!(alive(&read(&file)), names(4), "{image}");
        }
    }
}

/// Makes four nodes durable and rewrites the file, in a process that dies after so many calls; how many there were.
fn rewrite_until(storage: &SimStorage, last: u64) -> u64 {
    let (mut stepper, _) = stepper(storage, PATH, Options::new());
    let names = names(4);
    record_durably(&mut stepper, &names.iter().map(|name| join(name)).collect::<Vec<_>>());
    let before = storage.calls();
    storage.kill_after(before.saturating_add(last));
    stepper.engine().request_rewrite();
    stepper.run();
    storage.calls() - before
}

#[test]
fn a_failed_rename_leaves_the_old_handle_in_use() {
    let faults = [
        (libc::EACCES, false),
        (libc::EIO, false),
        (libc::EBUSY, false),
        (libc::EXDEV, false),
        (libc::ENOENT, false),
        (libc::ENOSPC, false),
        (libc::EIO, true),
    ];
    for (error, done) in faults {
        let storage = SimStorage::new();
        let (mut stepper, _) = stepper(&storage, PATH, Options::new());
        record_durably(&mut stepper, &[join("a")]);
        let nth = storage.journal().count(Call::Rename) as u64 + 1;
        let fault = Fault::error(error);
        let fault = if done { fault.although_done() } else { fault };
        storage.fail(At::Nth(Call::Rename, nth), fault);
        stepper.engine().request_rewrite();
        stepper.run();
        let what = format!("error {error}, done {done}");
        assert_eq!(storage.contents(NEXT), None, "{what}: the new file is let go");
        // The very next event is where Serf's nil handles panic.
        record_durably(
            &mut stepper,
            &[join("b"), Event::MemberLeave(member("a", crate::common::ADDR))],
        );
        assert_eq!(alive(&read(&storage.contents(PATH).unwrap())), ["b"], "{what}");
        let busy = matches!(error, libc::EBUSY | libc::EXDEV);
        let warnings: Vec<_> = stepper.engine().health().warnings().collect();
        if !done {
            assert_eq!(
                warnings.contains(&Warning::MountTheDirectory),
                busy,
                "{what}: {warnings:?}"
            );
        }
        stepper.engine().request_rewrite();
        heal(&storage, &mut stepper);
        assert_eq!(alive(&read(&storage.contents(PATH).unwrap())), ["b"], "{what}");
    }
}

#[test]
fn a_leftover_that_cannot_be_unlinked_stops_only_the_compaction() {
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new());
    record_durably(&mut stepper, &[join("a")]);
    storage.plant(NEXT, "leftover");
    let nth = storage.journal().count(Call::Remove) as u64 + 1;
    storage.fail(At::Nth(Call::Remove, nth), Fault::error(libc::EACCES).lasting());
    stepper.engine().request_rewrite();
    stepper.run();
    assert_eq!(stepper.engine().health().warnings().collect::<Vec<_>>(), [Warning::RewriteFailed]);
    record_durably(&mut stepper, &[join("b")]);
    assert_eq!(stepper.engine().health().stale, None);
    assert_eq!(alive(&read(&storage.contents(PATH).unwrap())), ["a", "b"]);
    stepper.engine().request_rewrite();
    heal(&storage, &mut stepper);
    assert_eq!(storage.contents(NEXT), None);
}

#[test]
fn long_names_do_not_compact_on_every_append() {
    for length in [4, 260, 1000] {
        let storage = SimStorage::new();
        let (mut stepper, _) = stepper(&storage, PATH, Options::new().durability(Durability::Os));
        let names: Vec<_> = (0..1000).map(|number| format!("{number:x<length$}")).collect();
        record_joins(&mut stepper, &names);
        stepper.advance(Duration::from_secs(1));
        let (mut appended, mut rewritten) = (0, stepper.engine().stats().rewrites);
        let live = stepper.engine().state().live_bytes();
        // Each node moves about; the log would hold each of its lines.
        for round in 0..3 {
            for name in &names {
                let addr = format!("10.0.0.2:{}", 1000 + round);
                stepper.record(Event::MemberUpdate(member(name, &addr)));
                stepper.advance(Duration::from_millis(500));
                appended += 20 + length as u64;
                let stats = stepper.engine().stats();
                let most =
                    (2 * live + live / 10).max(stepper.engine().policy().min_compact_size) + 8192;
                assert!(
                    stats.log_bytes <= most,
                    "{} bytes in the log for {live} live ones",
                    stats.log_bytes
                );
            }
        }
        rewritten = stepper.engine().stats().rewrites - rewritten;
        assert!(rewritten > 0 || length < 260, "names of {length} bytes: never");
        assert!(
            rewritten * live <= 2 * appended,
            "names of {length} bytes: {rewritten} for {appended} bytes"
        );
    }
}

#[test]
fn a_small_file_is_not_compacted_at_all() {
    let storage = SimStorage::new();
    let (mut stepper, _) = stepper(&storage, PATH, Options::new());
    let name = "n".repeat(300);
    while stepper.engine().stats().log_bytes < 120 * 1024 {
        for event in [join(&name), Event::MemberLeave(member(&name, crate::common::ADDR))] {
            stepper.record(event);
            stepper.advance(Duration::from_millis(500));
        }
    }
    assert_eq!(stepper.engine().stats().rewrites, 1, "the creation is the only one");
}

#[test]
fn a_busy_writer_compacts_all_the_same() {
    // Something is always waiting to be written: the turn of the rewrite must come nevertheless.
    for durability in
        [Durability::Always, Durability::Interval(Duration::from_secs(5)), Durability::Os]
    {
        let storage = SimStorage::new();
        let options = Options::new().policy(policy(|policy| {
            policy.durability = durability;
            policy.min_compact_size = 4096;
            policy.flush_interval = Duration::ZERO;
        }));
        let (mut stepper, _) = stepper(&storage, PATH, options);
        let mut largest = 0;
        for round in 0..6000_u32 {
            let addr = format!("10.0.0.1:{}", 1 + round % 60_000);
            stepper.record(Event::MemberUpdate(member("a", &addr)));
            stepper.step();
            largest = largest.max(stepper.engine().stats().log_bytes);
        }
        assert!(largest <= 2 * 4096, "{durability:?}: {largest} bytes for one node");
    }
}
