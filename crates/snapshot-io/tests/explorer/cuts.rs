//! Files that lie beside the path, cut at every byte.

use snapshot_io::Durability;
use snapshot_io::sim::SimStorage;
use snapshot_model::Model;

use crate::reopen::reopen;
use crate::run::{NEXT, ORPHAN, PATH, Run, Settings};
use crate::workloads::others::orphan;
use crate::{plain, proof};

const SETTINGS: Settings =
    Settings { durability: Durability::Always, rejoin_after_leave: false, max_pending: 1 << 20 };

/// A log that was written anew, and what it says.
fn log() -> (Vec<u8>, Model) {
    let mut run = Run::new(SETTINGS, SimStorage::new(), plain(), None);
    run.open();
    run.joins(0..4);
    run.burst(0);
    run.ask_rewrite();
    run.close();
    assert_eq!(run.failure, None);
    (run.storage.contents(PATH).unwrap(), run.model().clone())
}

/// Every beginning of `file` beside `log`: what is recovered, and the disk.
fn cut(file: &[u8], beside: &str, log: Option<&[u8]>, check: impl Fn(usize, &Model, &SimStorage)) {
    for length in 0..=file.len() {
        let storage = SimStorage::new();
        if let Some(log) = log {
            storage.plant(PATH, log);
        }
        storage.plant(beside, &file[..length]);
        match reopen(&storage, SETTINGS) {
            Ok(found) => check(length, &found.models[0], &storage),
            Err(why) => panic!("{beside} cut at {length}: {why}"),
        }
    }
    let (log, states) = (log.is_some(), file.len() + 1);
    proof(&format!("cuts file={beside} log={log} states={states} violations=0"));
}

#[test]
fn a_leftover_cut_at_any_byte_is_nothing() {
    let (log, says) = log();
    cut(&log, NEXT, Some(&log), |length, found, storage| {
        assert_eq!(*found, says, "cut at {length}");
        let mut run = Run::new(SETTINGS, storage.process_crash(), plain(), None);
        run.open();
        run.ask_rewrite();
        run.close();
        assert_eq!(run.failure, None);
        assert_eq!(run.storage.contents(NEXT), None, "it goes with the next rewrite");
    });
    cut(&log, NEXT, None, |length, found, _| {
        assert_eq!(*found, Model::default(), "cut at {length}");
    });
}

#[test]
fn serfs_orphan_cut_at_any_byte_is_adopted_whole_or_not_at_all() {
    let whole = orphan();
    let (log, says) = log();
    cut(&whole, ORPHAN, None, |length, found, _| {
        let nodes = if length == whole.len() { 2 } else { 0 };
        assert_eq!(found.alive.len(), nodes, "cut at {length}");
    });
    cut(&whole, ORPHAN, Some(&log), |length, found, storage| {
        assert_eq!(*found, says, "cut at {length}");
        assert!(storage.contents(ORPHAN).is_some(), "it is not ours to remove");
    });
}
