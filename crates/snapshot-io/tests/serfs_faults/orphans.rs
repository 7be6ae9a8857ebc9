//! Compaction that unlinks the old file before it renames the new one, and what a crash between leaves behind.

use snapshot_io::sim::{Attributes, SimStorage};
use snapshot_io::{Options, Verdict};

use crate::common::{START, alive, join, read, stepper};
use crate::{NEXT, ORPHAN, PATH, record_durably};

/// What Serf's compaction writes, whole.
const WHOLE: &str =
    "alive: a 10.0.0.1:7946\nalive: b 10.0.0.2:7946\nclock: 7\nevent-clock: 0\nquery-clock: 3\n";

#[test]
fn a_whole_orphan_of_serf_is_adopted() {
    let storage = SimStorage::new();
    storage.plant(ORPHAN, WHOLE);
    storage.set_attributes(ORPHAN, Attributes { mode: 0o755, uid: 7, gid: 8 });
    let (mut stepper, recovery) = stepper(&storage, PATH, Options::new());
    assert!(recovery.adopted_orphan);
    assert_eq!((recovery.alive, recovery.clocks.clock.0, recovery.clocks.query_clock.0), (2, 7, 3));
    // It is ours from here on, whatever happens to the machine.
    for image in storage.crash_images(1, 500) {
        let file = image.storage.contents(PATH).unwrap_or_else(|| panic!("no file: {image}"));
        assert_eq!(file, WHOLE.as_bytes(), "{image}");
    }
    record_durably(&mut stepper, &[join("c")]);
    assert_eq!(alive(&read(&storage.contents(PATH).unwrap())), ["a", "b", "c"]);
    let expected = Attributes { mode: 0o644, uid: 7, gid: 8 };
    assert_eq!(
        storage.attributes(PATH),
        Some(expected),
        "the owner stays, the execute bits do not"
    );
    assert_eq!(storage.contents(ORPHAN), None);
}

#[test]
fn anything_else_of_that_name_is_not_adopted() {
    let cases = [
        ("nothing", ""),
        ("without clocks", "alive: a 10.0.0.1:7946\n"),
        ("without the last clock", "alive: a 10.0.0.1:7946\nclock: 7\nevent-clock: 0\n"),
        ("cut inside the last line", WHOLE.trim_end()),
        ("going on behind the clocks", &format!("{WHOLE}alive: c 10.0.0.3:7946\n")),
        ("torn behind the clocks", &format!("{WHOLE}ali")),
        ("clocks in another order", "event-clock: 0\nclock: 7\nquery-clock: 3\n"),
        ("one clock invalid", "alive: a 10.0.0.1:7946\nclock: 7\nevent-clock: x\nquery-clock: 3\n"),
        ("a line of ours at the begin", &format!("#@format: 1\n{WHOLE}")),
        (
            "a line of ours inside",
            &WHOLE.replace("alive: b", "#@failed: c 10.0.0.3:7946 1\nalive: b"),
        ),
    ];
    for (what, bytes) in cases {
        let storage = SimStorage::new();
        storage.plant(ORPHAN, bytes);
        let (_, recovery) = stepper(&storage, PATH, Options::new());
        assert!(!recovery.adopted_orphan, "{what}");
        assert_eq!(recovery.alive, 0, "{what}");
        assert_eq!(storage.contents(ORPHAN).unwrap(), bytes.as_bytes(), "{what}: it is not ours");
        assert_eq!(
            read(&storage.contents(PATH).unwrap()),
            snapshot_model::Model::default(),
            "{what}"
        );
    }
}

#[test]
fn a_directory_or_a_link_of_that_name_is_not_adopted() {
    let directory = SimStorage::new();
    directory.create_dir(ORPHAN);
    let link = SimStorage::new();
    link.plant("/elsewhere", WHOLE);
    link.plant_link("/elsewhere", ORPHAN);
    for storage in [directory, link] {
        let (_, recovery) = stepper(&storage, PATH, Options::new());
        assert!(!recovery.adopted_orphan);
        assert_eq!(recovery.alive, 0);
    }
}

#[test]
fn an_orphan_beside_the_file_is_left_alone() {
    for file in ["", "alive: main 10.0.0.9:7946\n"] {
        let storage = SimStorage::new();
        storage.plant(PATH, file);
        storage.plant(ORPHAN, WHOLE);
        let (mut stepper, recovery) = stepper(&storage, PATH, Options::new());
        assert!(!recovery.adopted_orphan);
        record_durably(&mut stepper, &[join("c")]);
        let expected: &[&str] = if file.is_empty() { &["c"] } else { &["c", "main"] };
        assert_eq!(alive(&read(&storage.contents(PATH).unwrap())), expected);
        assert_eq!(storage.contents(ORPHAN).unwrap(), WHOLE.as_bytes());
    }
}

#[test]
fn our_own_leftover_is_never_adopted_and_goes_with_the_next_rewrite() {
    // The main file missing: the rewrite is that of the creation.
    let storage = SimStorage::new();
    storage.plant(NEXT, WHOLE);
    let (_, recovery) = stepper(&storage, PATH, Options::new());
    assert_eq!((recovery.alive, recovery.adopted_orphan), (0, false));
    assert_eq!(storage.contents(NEXT), None);

    // The main file good: nothing to do until a rewrite is due.
    let storage = storage.process_crash();
    let (mut first, _) = stepper(&storage, PATH, Options::new());
    record_durably(&mut first, &[join("c")]);
    drop(first);
    storage.plant(NEXT, WHOLE);
    let (mut second, recovery) = stepper(&storage, PATH, Options::new());
    assert_eq!((recovery.alive, recovery.report.verdict()), (1, Verdict::Clean));
    record_durably(&mut second, &[join("d")]);
    assert_eq!(storage.contents(NEXT).unwrap(), WHOLE.as_bytes());
    second.engine().request_rewrite();
    second.run();
    assert_eq!(second.engine().stats().rewrites, 1);
    assert_eq!(storage.contents(NEXT), None);
    assert_eq!(alive(&read(&storage.contents(PATH).unwrap())), ["c", "d"]);
    assert_eq!(second.now().wall, START, "no time was needed");
}
