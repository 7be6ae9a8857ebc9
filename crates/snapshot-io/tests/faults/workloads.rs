//! What is done to a snapshot while its disk fails.

use std::time::Duration;

use snapshot_format::{Record, Sealer, UnixMillis};
use snapshot_io::sim::SimStorage;
use snapshot_io::{Durability, Identity, Policy};

use crate::run::{PATH, Run};

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// The name under which the pairs are reported.
    pub(crate) pairs: &'static str,
    pub(crate) policy: fn(&mut Policy),
    pub(crate) plant: fn(&SimStorage),
    pub(crate) script: fn(&mut Run),
    /// Whether the calls that open it are its point; they are the same where the file is.
    pub(crate) opens: bool,
}

const DEFAULT: Workload =
    Workload { name: "", pairs: "", policy: |_| {}, plant: sealed, script: |_| {}, opens: false };

const OPEN: Workload = Workload { opens: true, ..DEFAULT };

const SECOND: Duration = Duration::from_secs(1);

pub(crate) const REWRITES: [Workload; 3] = [
    Workload { name: "rewrite", pairs: "rewrite-pairs", script: rewrite, ..DEFAULT },
    Workload {
        name: "rewrite-always",
        pairs: "rewrite-always-pairs",
        policy: |policy| policy.durability = Durability::Always,
        script: rewrite,
        ..DEFAULT
    },
    Workload {
        name: "rewrite-of-a-torn-file",
        pairs: "rewrite-of-a-torn-file-pairs",
        plant: torn,
        script: rewrite,
        ..DEFAULT
    },
];

pub(crate) const OVERFLOW: Workload = Workload {
    name: "overflow",
    pairs: "overflow-pairs",
    policy: |policy| policy.max_pending = 400,
    script: overflow,
    ..DEFAULT
};

pub(crate) const RECORDING: [Workload; 9] = [
    Workload { name: "append", script: append, ..DEFAULT },
    Workload {
        name: "append-always",
        policy: |policy| policy.durability = Durability::Always,
        script: append,
        ..DEFAULT
    },
    Workload {
        name: "append-os",
        policy: |policy| policy.durability = Durability::Os,
        script: append,
        ..DEFAULT
    },
    Workload { name: "leave", script: leave, ..DEFAULT },
    Workload {
        name: "leave-and-rejoin",
        policy: |policy| policy.rejoin_after_leave = true,
        script: leave,
        ..DEFAULT
    },
    Workload { name: "close", script: close, ..DEFAULT },
    Workload { name: "foreign-append", script: |run| foreign(run, append_a_line), ..DEFAULT },
    Workload {
        name: "foreign-replace",
        script: |run| foreign(run, |storage| storage.plant(PATH, "alive: ghost 6.6.6.6:6\n")),
        ..DEFAULT
    },
    Workload {
        name: "foreign-remove",
        script: |run| foreign(run, |storage| storage.unplant(PATH)),
        ..DEFAULT
    },
];

pub(crate) const OPENING: [Workload; 6] = [
    Workload { name: "creation", plant: |_| {}, script: append, ..OPEN },
    Workload { name: "reopen-torn", plant: torn, script: append, ..OPEN },
    Workload {
        name: "reopen-empty",
        plant: |storage| storage.plant(PATH, ""),
        script: append,
        ..OPEN
    },
    Workload {
        name: "reopen-without-identity",
        policy: |policy| policy.identity = Identity::new(Some(b"blue"), Some(b"old-0")).unwrap(),
        script: append,
        ..OPEN
    },
    Workload { name: "reopen-a-left-over", plant: left_over, script: rewrite, ..OPEN },
    Workload { name: "adoption", plant: orphan, script: append, ..OPEN },
];

const LINES: &str = "#@format: 1\nclock: 4\nevent-clock: 2\nquery-clock: 3\n\
    #@failed: lost 10.0.0.9:7946 1763866999999\n\
    alive: old-0 10.0.0.1:7946\nalive: old-1 10.0.0.1:7946\nalive: old-2 10.0.0.1:7946\n";

fn bytes() -> Vec<u8> {
    let mut sealer = Sealer::new();
    sealer.update(LINES.as_bytes());
    let mut file = LINES.as_bytes().to_vec();
    Record::Seal(sealer.seal(UnixMillis(1_763_866_999_999))).encode(&mut file);
    file
}

fn sealed(storage: &SimStorage) {
    storage.plant(PATH, bytes());
}

fn torn(storage: &SimStorage) {
    let mut file = bytes();
    file.extend(b"alive: torn-of");
    storage.plant(PATH, file);
}

fn left_over(storage: &SimStorage) {
    sealed(storage);
    storage.plant("/data/snapshot.rewrite", "alive: ghost 6.6.6.6:6\n");
}

/// What Serf leaves when it dies between its unlink and its rename.
fn orphan(storage: &SimStorage) {
    let lines = "alive: old-0 10.0.0.1:7946\nalive: old-1 10.0.0.1:7946\nalive: old-2 10.0.0.1:7946\n\
        clock: 4\nevent-clock: 2\nquery-clock: 3\n";
    storage.plant("/data/snapshot.compact", lines);
}

fn append(run: &mut Run) {
    for round in 10..13 {
        run.mixed(round);
        run.advance(SECOND);
    }
    run.join("synced");
    run.sync();
    run.mixed(20);
    run.advance(6 * SECOND);
}

fn rewrite(run: &mut Run) {
    run.mixed(10);
    run.rewrite();
    run.busy = 1;
    run.run_due();
    run.mixed(20);
    run.advance(SECOND);
    run.busy = 0;
    run.sync();
    run.advance(6 * SECOND);
}

/// Before, in and after a rewrite.
fn overflow(run: &mut Run) {
    run.flood(60);
    run.advance(2 * SECOND);
    run.rewrite();
    run.busy = 40;
    run.run_due();
    run.busy = 0;
    run.advance(2 * SECOND);
    for call in ["replace", "sync-dir"] {
        run.rewrite();
        run.flood_at = Some(call);
        run.run_due();
        run.advance(2 * SECOND);
    }
    run.mixed(90);
    run.sync();
    assert!(run.overflows().is_none_or(|overflows| overflows >= 4));
}

fn leave(run: &mut Run) {
    run.mixed(10);
    run.advance(SECOND);
    run.join("just before");
    run.leave();
    run.run_due();
    run.mixed(20);
    run.advance(6 * SECOND);
}

/// The last that a host does; whoever drives it stops there.
fn close(run: &mut Run) {
    run.mixed(10);
    run.rewrite();
    run.run_due();
    run.mixed(20);
    run.sync();
}

fn foreign(run: &mut Run, act: fn(&SimStorage)) {
    run.mixed(10);
    run.sync();
    run.foreign(act);
    run.mixed(20);
    run.advance(2 * SECOND);
    run.sync();
}

fn append_a_line(storage: &SimStorage) {
    if storage.contents(PATH).is_some() {
        storage.edit(PATH, |bytes| bytes.extend(b"alive: ghost 6.6.6.6:6\n"));
    }
}
