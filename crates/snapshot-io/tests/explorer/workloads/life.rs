//! What every snapshot goes through: it is created, appended to, rewritten, left, closed and opened again.

use super::{CALLS, INTERVAL, Workload};
use crate::events::LONG;
use crate::explore::prove;
use crate::run::Run;
use snapshot_io::Durability;

pub(crate) const FIRST_CREATION: Workload = Workload::new("first-creation", first_creation);
pub(crate) const APPEND: Workload = Workload::new("append", append);
pub(crate) const BLOCKS: Workload = Workload::new("blocks", blocks).at(&[INTERVAL]).drawn();
pub(crate) const REWRITE: Workload = Workload::new("rewrite", rewrite);
pub(crate) const REWRITE_MOMENTS: Workload =
    Workload::new("rewrite-moments", rewrite_moments).at(&[INTERVAL, Durability::Always]);
pub(crate) const LEAVE: Workload =
    Workload::new("leave", leave).at(&[INTERVAL]).under_both_settings();
pub(crate) const REOPEN: Workload = Workload::new("reopen", reopen);

fn first_creation(run: &mut Run) {
    run.open();
    run.drain();
    run.join(1, 1);
    run.advance(600);
    run.close();
}

fn append(run: &mut Run) {
    run.open();
    run.joins(0..4);
    run.advance(600);
    run.burst(0);
    run.sync();
    run.burst(1);
    run.advance(500);
    run.join(6, 9);
    run.advance(5000);
    run.lose(6);
    run.begin();
    run.user(90);
    run.finish();
    run.advance(700);
    run.close();
}

/// Batches of several blocks: what is lost of them is in the middle of a line.
fn blocks(run: &mut Run) {
    run.open();
    run.joins(LONG..LONG + 9);
    run.advance(600);
    run.burst(0);
    run.joins(LONG + 9..LONG + 14);
    run.part(LONG + 2);
    run.join(LONG + 1, 5);
    run.advance(600);
    run.burst(1);
    run.ask_rewrite();
    run.close();
}

/// Something is recorded between any two calls of a rewrite, and while each is under way.
fn rewrite(run: &mut Run) {
    run.open();
    run.joins(0..6);
    run.lose(5);
    run.sync();
    run.ask_rewrite();
    for seed in 0..CALLS {
        run.begin();
        run.burst(2 * seed);
        run.finish();
        run.burst(2 * seed + 1);
    }
    run.advance(600);
    run.close();
}

/// As `rewrite`, but something comes at one moment alone: nothing later says it again.
fn rewrite_moments(run: &mut Run) {
    run.open();
    run.joins(0..4);
    run.lose(3);
    run.sync();
    for moment in 0..2 * CALLS {
        run.ask_rewrite();
        for _ in 0..moment / 2 {
            run.step();
        }
        if moment % 2 == 0 {
            run.begin();
        }
        run.burst(moment);
        run.finish();
        run.drain();
    }
    run.close();
}

/// A new life for each call of a rewrite, in which the node leaves there and then.
fn leave(run: &mut Run) {
    for moment in 0..CALLS {
        run.open();
        run.joins(0..3);
        run.burst(moment);
        run.advance(600);
        if moment > 0 {
            run.ask_rewrite();
        }
        for _ in 1..moment {
            run.step();
        }
        run.begin();
        run.leave();
        run.finish();
        run.clock(40 + u64::from(moment));
        run.join(7, 7);
        run.advance(600);
        if moment % 2 == 0 {
            // What has left is written anew.
            run.ask_rewrite();
        }
        run.close();
        // Who reads with the other setting does not know what this one has forgotten.
        run.rebase();
    }
}

/// Processes that die at one moment or another, and the next ones.
fn reopen(run: &mut Run) {
    run.open();
    run.joins(0..3);
    run.advance(600);
    run.burst(0);
    run.kill();
    run.open();
    run.burst(1);
    run.advance(600);
    run.burst(2);
    run.ask_rewrite();
    (0..4).for_each(|_| _ = run.step());
    run.kill();
    run.open();
    run.burst(3);
    run.ask_rewrite();
    while run.step().is_some_and(|call| call != "replace") {}
    run.kill();
    run.open();
    run.burst(4);
    run.close();
    run.open();
    run.close();
    // The last batch is torn.
    run.edit(|file| file.truncate(file.len() - 10));
    run.open();
    run.burst(5);
    run.advance(600);
    run.close();
}

#[test]
fn a_creation_survives_every_crash() {
    prove(&FIRST_CREATION);
}

#[test]
fn appending_survives_every_crash() {
    prove(&APPEND);
}

#[test]
fn batches_of_several_blocks_survive_every_crash() {
    prove(&BLOCKS);
}

#[test]
fn a_rewrite_with_concurrent_events_survives_every_crash() {
    prove(&REWRITE);
}

#[test]
fn an_event_at_any_moment_of_a_rewrite_survives_every_crash() {
    prove(&REWRITE_MOMENTS);
}

#[test]
fn leaving_at_any_moment_survives_every_crash() {
    prove(&LEAVE);
}

#[test]
fn every_next_process_survives_every_crash() {
    prove(&REOPEN);
}
