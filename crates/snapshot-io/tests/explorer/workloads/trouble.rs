//! Too much at once, and calls that fail.

use snapshot_io::sim::{At, Call, Fault};

use super::{CALLS, INTERVAL, Workload};
use crate::explore::prove;
use crate::run::{BACK_OFF, Run};
use snapshot_io::Durability;

pub(crate) const OVERFLOW: Workload =
    Workload::new("overflow", overflow).at(&[INTERVAL, Durability::Always]).max_pending(200);
pub(crate) const FAILED_WRITES: Workload =
    Workload::new("failed-writes", failed_writes).at(&[Durability::Always, Durability::Os]);

const FAULTS: [Fault; 6] = [
    Fault::error(libc::EIO),
    Fault::error(libc::ENOSPC),
    Fault::short(0),
    Fault::short(1),
    Fault::short(30),
    Fault::error(libc::EIO).leaving(40),
];

/// More than may wait comes before, in and after a rewrite.
fn overflow(run: &mut Run) {
    run.open();
    run.joins(0..3);
    run.lose(2);
    run.sync();
    for moment in 0..=CALLS {
        if moment > 0 {
            run.ask_rewrite();
        }
        for _ in 1..moment {
            run.step();
        }
        run.begin();
        (0..8).for_each(|node| run.join(node, 10 + moment));
        run.finish();
        run.user(u64::from(moment) + 1);
        run.drain();
        run.advance(BACK_OFF);
    }
    run.close();
}

/// A write fails or is cut short: one to the log, then each one of a rewrite.
fn failed_writes(run: &mut Run) {
    run.open();
    run.joins(0..3);
    run.lose(2);
    run.sync();
    for (seed, fault) in (0..).zip(FAULTS) {
        fail_next(run, Call::Write, 1, fault);
        run.burst(seed);
        run.sync();
        run.burst(seed + 1);
        run.advance(BACK_OFF);
        fail_next(run, Call::Write, u64::from(seed) % 4 + 1, fault);
        run.ask_rewrite();
        run.step();
        run.burst(seed + 2);
        run.drain();
        run.storage.clear_faults();
        run.advance(BACK_OFF);
    }
    run.close();
}

/// Of the calls of this kind to come the `nth` fails.
pub(crate) fn fail_next(run: &Run, call: Call, nth: u64, fault: Fault) {
    run.storage.fail(At::Nth(call, run.storage.journal().count(call) as u64 + nth), fault);
}

#[test]
fn an_overflow_at_any_moment_survives_every_crash() {
    prove(&OVERFLOW);
}

#[test]
fn failed_and_short_writes_survive_every_crash() {
    prove(&FAILED_WRITES);
}
