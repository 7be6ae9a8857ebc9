//! Two writers, silent damage, bridged clusters, and a lost owner and mode.

use snapshot_io::sim::{At, Call, Fault};
use snapshot_io::sim::{Attributes, SimStorage, Stepper};
use snapshot_io::{
    Event, Identity, LamportTime, OnForeignCluster, OpenError, Options, Verdict, Warning,
};

use crate::common::{START, alive, join, member, model_of, read, stepper};
use crate::{NEXT, PATH, record_durably};

const LOCK: &str = "/snapshot.lock";

#[test]
fn a_second_writer_is_locked_out() {
    let storage = SimStorage::new();
    storage.plant_link(PATH, "/link");
    let (mut first, _) = stepper(&storage, PATH, Options::new());
    record_durably(&mut first, &[join("a")]);
    let before = storage.contents(PATH);
    for path in [PATH, "/link", "/./snapshot"] {
        let second = Stepper::open(&Options::new().storage(storage.clone()), path, START);
        let Err(OpenError::Locked { path: locked }) = second else { panic!("{path}: {second:?}") };
        assert_eq!(locked.to_str(), Some(PATH));
    }
    assert_eq!(storage.contents(PATH), before);
    // Through a rewrite, which gives the path another inode, and until the end.
    first.engine().request_rewrite();
    first.run();
    Stepper::open(&Options::new().storage(storage.clone()), PATH, START).unwrap_err();
    drop(first);
    Stepper::open(&Options::new().storage(storage.clone()), PATH, START).unwrap();
    assert!(storage.contents(LOCK).is_some(), "the lock file stays");
}

#[test]
fn where_locking_is_impossible_the_log_is_kept_all_the_same() {
    let storage = SimStorage::new();
    storage.fail(At::Nth(Call::Lock, 1), Fault::error(libc::ENOLCK).lasting());
    let options = Options::new().storage(storage.clone());
    let (log, _) = options.open(PATH).unwrap();
    assert_eq!(log.health().warnings().collect::<Vec<_>>(), [Warning::Unlocked]);
    log.record(join("a"));
    log.close().wait(crate::common::DEADLINE).unwrap();
    assert_eq!(alive(&read(&storage.contents(PATH).unwrap())), ["a"]);
}

#[test]
fn every_flipped_bit_is_noticed() {
    let storage = SimStorage::new();
    let (mut first, _) = stepper(&storage, PATH, Options::new());
    let failed = Event::MemberFailed(member("b", crate::common::ADDR));
    record_durably(&mut first, &[join("a"), join("b"), Event::User(LamportTime(12))]);
    record_durably(&mut first, &[failed, Event::Clock(LamportTime(7))]);
    drop(first);
    let file = storage.contents(PATH).unwrap();
    let (mut intact, recovery) = stepper(&storage, PATH, Options::new());
    assert_eq!(recovery.report.verdict(), Verdict::Clean);
    let intact = model_of(intact.engine().state());
    for (at, bit) in (0..file.len()).flat_map(|at| [0, 2, 5, 7].map(|bit| (at, bit))) {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << bit;
        let what = damaged.escape_ascii().to_string();
        let storage = SimStorage::new();
        storage.plant(PATH, damaged.clone());
        let (mut stepper, recovery) = stepper(&storage, PATH, Options::new());
        assert_ne!(recovery.report.verdict(), Verdict::Clean, "{at}.{bit}: {what}");
        let found = model_of(stepper.engine().state());
        assert_eq!(found, read(&damaged), "{at}.{bit}: {what}");
        let higher = found.clock > intact.clock
            || found.event_clock > intact.event_clock
            || found.query_clock > 0;
        assert!(!higher, "{at}.{bit}: {what}");
        // Nothing is glued to it: it is written anew, and clean.
        record_durably(&mut stepper, &[join("c")]);
        drop(stepper);
        let (_, again) = self::stepper(&storage.process_crash(), PATH, Options::new());
        assert_eq!(again.report.verdict(), Verdict::Clean, "{at}.{bit}: {what}");
    }
}

#[test]
fn clusters_are_not_bridged() {
    let own = |cluster: &str| {
        Options::new().identity(Identity::new(Some(cluster.as_bytes()), None).unwrap())
    };
    let storage = SimStorage::new();
    let (mut first, _) = stepper(&storage, PATH, own("blue"));
    record_durably(&mut first, &[join("a"), Event::User(LamportTime(99))]);
    drop(first);
    let file = storage.contents(PATH).unwrap();
    assert!(file.starts_with(b"#@format: 1\n#@cluster: blue\n"), "{}", file.escape_ascii());

    let refused =
        own("green").on_foreign_cluster(OnForeignCluster::Refuse).storage(storage.clone());
    let error = Stepper::open(&refused, PATH, START).unwrap_err();
    assert!(
        matches!(&error, OpenError::ForeignCluster { found, expected, .. } if found == "blue" && expected == "green")
    );
    assert_eq!(storage.contents(PATH).unwrap(), file);

    let (mut afresh, recovery) = stepper(&storage, PATH, own("green"));
    assert_eq!((recovery.alive, recovery.clocks), (0, snapshot_io::Clocks::default()));
    let aside = recovery.kept_aside.unwrap();
    record_durably(&mut afresh, &[join("b")]);
    drop(afresh);
    assert_eq!(storage.contents(&aside).unwrap(), file, "every byte of it is kept");
    assert_eq!(alive(&read(&storage.contents(PATH).unwrap())), ["b"]);
    for image in storage.crash_images(1, 200) {
        assert_eq!(image.storage.contents(&aside).unwrap(), file, "{image}");
    }
    // A host without a cluster of its own reads what there is.
    let (mut any, recovery) = stepper(&storage, PATH, Options::new());
    assert_eq!((any.engine().state().len(), recovery.kept_aside), (1, None));
}

#[test]
fn an_adopted_file_is_ours_from_then_on() {
    let own = |cluster: &str| {
        Options::new().identity(Identity::new(Some(cluster.as_bytes()), None).unwrap())
    };
    let storage = SimStorage::new();
    let (mut first, _) = stepper(&storage, PATH, own("old"));
    record_durably(&mut first, &[join("a"), Event::User(LamportTime(99))]);
    drop(first);
    // The cluster was renamed: for one start the host says so.
    let adopt = own("new").on_foreign_cluster(OnForeignCluster::Adopt);
    let (mut second, recovery) = stepper(&storage, PATH, adopt);
    assert_eq!((recovery.alive, recovery.kept_aside), (1, None));
    record_durably(&mut second, &[join("b")]);
    drop(second);
    let (mut third, recovery) = stepper(&storage, PATH, own("new"));
    assert_eq!(recovery.kept_aside, None, "it is not foreign any more");
    assert_eq!(alive(&model_of(third.engine().state())), ["a", "b"]);
}

#[test]
fn an_identity_that_is_new_reaches_the_file() {
    // Until it does, the file protects nobody.
    let cases: [(Option<&str>, Option<&str>); 3] =
        [(None, None), (Some("blue"), None), (Some("blue"), Some("other"))];
    for (cluster, node) in cases {
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let before = Identity::new(bytes(cluster).as_deref(), bytes(node).as_deref()).unwrap();
        let storage = SimStorage::new();
        let (mut first, _) = stepper(&storage, PATH, Options::new().identity(before));
        record_durably(&mut first, &[join("a")]);
        drop(first);
        let now = Identity::new(Some(b"blue"), Some(b"me")).unwrap();
        let (mut second, _) = stepper(&storage, PATH, Options::new().identity(now.clone()));
        record_durably(&mut second, &[join("b")]);
        second.run();
        drop(second);
        let file = storage.contents(PATH).unwrap();
        let header = b"#@format: 1\n#@cluster: blue\n#@node: me\n";
        assert!(file.starts_with(header), "{cluster:?} {node:?}: {}", file.escape_ascii());
        let (mut third, recovery) = stepper(&storage, PATH, Options::new().identity(now));
        assert_eq!((recovery.alive, recovery.report.verdict()), (2, Verdict::Clean));
        third.run();
        assert_eq!(third.engine().stats().rewrites, 0, "one that is not new costs nothing");
    }
}

#[test]
fn a_file_of_another_node_is_a_finding() {
    let own =
        |node: &str| Options::new().identity(Identity::new(None, Some(node.as_bytes())).unwrap());
    let storage = SimStorage::new();
    record_durably(&mut stepper(&storage, PATH, own("one")).0, &[join("a")]);
    let (_, recovery) = stepper(&storage, PATH, own("two"));
    assert_eq!(recovery.alive, 1, "it is read");
    let kinds: Vec<_> =
        recovery.report.findings.iter().map(|finding| finding.kind.as_str()).collect();
    assert_eq!(kinds, ["other-node"]);
}

#[test]
fn owner_and_mode_are_kept() {
    for (mode, kept) in
        [(0o640, 0o640), (0o600, 0o600), (0o664, 0o664), (0o755, 0o644), (0o4750, 0o640)]
    {
        let storage = SimStorage::new();
        storage.plant(PATH, "alive: a 10.0.0.1:7946\n");
        storage.set_attributes(PATH, Attributes { mode, uid: 12, gid: 34 });
        let (mut stepper, _) = stepper(&storage, PATH, Options::new());
        let expected = Attributes { mode: kept, uid: 12, gid: 34 };
        assert_eq!(storage.attributes(LOCK), Some(expected), "the lock is as the data");
        for _ in 0..2 {
            stepper.engine().request_rewrite();
            stepper.step();
            assert_eq!(
                storage.attributes(NEXT),
                Some(expected),
                "mode {mode:o}, before it is in place"
            );
            stepper.run();
            assert_eq!(storage.attributes(PATH), Some(expected), "mode {mode:o}");
        }
        for image in storage.crash_images(1, 100) {
            assert_eq!(image.storage.attributes(PATH), Some(expected), "mode {mode:o}: {image}");
        }
    }
}
