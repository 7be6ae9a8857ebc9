//! Syncs that fail, in the three ways in which file systems have been seen to fail (G8).
//!
//! The file whose sync failed is neither synced again nor trusted, the state goes from memory to a new file, and what
//! was durable before stays so.
//! Where the error comes with the next call only, one sync of the log says what is not so, and nobody can know before
//! that call; of a new file it is known before the old one goes.

use snapshot_io::Durability;
use snapshot_io::sim::{Call, Fault, SyncFailure};

use super::trouble::fail_next;
use super::{INTERVAL, Workload};
use crate::explore::prove;
use crate::run::{BACK_OFF, Run};

pub(crate) const DROPPED: Workload = at("sync-dropped", |run| syncs(run, SyncFailure::Dropped));
pub(crate) const REVERTED: Workload = at("sync-reverted", |run| syncs(run, SyncFailure::Reverted));
pub(crate) const DEFERRED: Workload = at("sync-deferred", |run| syncs(run, SyncFailure::Deferred));

const fn at(name: &'static str, play: fn(&mut Run)) -> Workload {
    Workload::new(name, play).at(&[INTERVAL, Durability::Always])
}

/// The syncs of the log, of the new file and of the directory behind the rename fail in turn, once and twice.
fn syncs(run: &mut Run, failure: SyncFailure) {
    let fault = Fault::error(libc::EIO).pages(failure);
    if failure == SyncFailure::Deferred {
        run.disk_may_lie();
    }
    run.open();
    run.joins(0..3);
    run.sync();
    for times in 1..=2 {
        // The log's.
        run.burst(times);
        (1..=u64::from(times)).for_each(|nth| fail_next(run, Call::Sync, nth, fault));
        run.sync();
        run.burst(times + 2);
        run.drain();
        run.advance(BACK_OFF);
        run.sync();
        // The new file's.
        (1..=u64::from(times)).for_each(|nth| fail_next(run, Call::Sync, nth, fault));
        run.ask_rewrite();
        run.begin();
        run.burst(times + 4);
        run.finish();
        run.drain();
        run.burst(times + 5);
        run.advance(BACK_OFF);
        run.sync();
        // The directory's.
        (1..=u64::from(times)).for_each(|nth| fail_next(run, Call::SyncDir, nth, fault));
        run.ask_rewrite();
        run.burst(times + 6);
        run.drain();
        run.burst(times + 7);
        run.advance(BACK_OFF);
    }
    run.storage.clear_faults();
    run.close();
}

#[test]
fn a_failed_sync_that_drops_its_pages_survives_every_crash() {
    prove(&DROPPED);
}

#[test]
fn a_failed_sync_that_reverts_the_file_survives_every_crash() {
    prove(&REVERTED);
}

#[test]
fn a_failed_sync_that_is_told_by_the_next_call_survives_every_crash() {
    prove(&DEFERRED);
}
