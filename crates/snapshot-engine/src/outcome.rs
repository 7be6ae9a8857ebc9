//! What the end of a system call means: the rules of failing.
//!
//! There is one rule for trouble. A log that may have a gap, or may not be ours any more, goes *stale*: it holds a
//! prefix of what was accepted and gets not one byte more, and the way back is a new file written from memory.

use alloc::vec::Vec;
use core::time::Duration;

use crate::effect::{Effect, LogFile, Outcome};
use crate::files::{Flight, Phase};
use crate::health::{Cause, Warning};
use crate::pending::Piece;
use crate::rewrite::{Cursor, clocks, header};
use crate::{Engine, Now, Position};

/// The waits between two tries of a rewrite that fails: they double from the first to the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(30);
/// How long a good log that met a full disk is left alone unless it grows by half: trying costs others the space.
const NO_SPACE_WAIT: Duration = Duration::from_secs(600);
/// This many foreign writes within this time, and looking for them does more harm than good.
const FOREIGN_TIMES: usize = 3;
const FOREIGN_WITHIN: Duration = Duration::from_secs(60);

impl Engine {
    /// Takes in how an effect ended; the effect comes back with its bytes.
    pub fn handle_outcome(&mut self, now: Now, effect: Effect, outcome: Outcome) {
        let Some(flight) = self.flight.take() else { return };
        let done = outcome == Outcome::Done;
        if !done && effect != Effect::Check {
            self.stats.failures += 1;
        }
        match effect {
            Effect::Check => self.checked(now, outcome),
            Effect::Write(LogFile::Log, bytes) => self.written(bytes, &flight, done),
            Effect::Sync(LogFile::Log) if done => {
                self.stats.syncs += 1;
                self.progress.durable = flight.end.unwrap_or_default().max(self.progress.durable);
                self.forget_sync_at(self.progress.durable);
            }
            Effect::Sync(LogFile::Log) => self.go_stale(Cause::SyncFailed),
            Effect::Discard => self.rewrite.discard = false,
            // It was thrown away while the call was under way.
            _ if self.rewrite.is_idle() => {}
            Effect::SyncDir => self.replaced(now, done),
            Effect::Write(LogFile::Next, bytes) if !done => {
                // Should the log be good, it still gets the piece.
                self.keep_last(bytes, &flight);
                self.fail_rewrite(now, outcome);
            }
            Effect::Replace if !done => self.not_replaced(now, outcome),
            _ if !done => self.fail_rewrite(now, outcome),
            Effect::Create => self.begin_scan(now),
            Effect::Write(LogFile::Next, bytes) => {
                self.rewrite.bytes += bytes.len() as u64;
                self.rewrite.unsynced += bytes.len() as u64;
                self.keep_last(bytes, &flight);
            }
            Effect::Sync(LogFile::Next) => {
                self.rewrite.unsynced = 0;
                match self.rewrite.phase {
                    Phase::Ending => self.rewrite.phase = Phase::Confirming,
                    Phase::Confirming => self.rewrite.phase = Phase::Replacing,
                    _ => {}
                }
            }
            Effect::Replace => self.rewrite.phase = Phase::SyncingDir,
        }
    }

    /// Keeps a piece of the last swap until the new file is in place: a good log would need it back.
    fn keep_last(&mut self, bytes: Vec<u8>, flight: &Flight) {
        if let (Some(end), None) = (flight.end, self.health.stale) {
            self.rewrite.written_last.push_back(Piece { bytes, end });
        }
    }

    /// The rename failed; but for a mount point it may have happened all the same. Only a comparison can tell, and
    /// without one the log at the path may not be the file that is open.
    fn not_replaced(&mut self, now: Now, outcome: Outcome) {
        self.fail_rewrite(now, outcome);
        if outcome == Outcome::Busy {
            return;
        }
        self.log.in_doubt = true;
        if !self.checks() {
            self.go_stale(Cause::InDoubt);
        }
    }

    /// The path was compared with the log.
    fn checked(&mut self, now: Now, outcome: Outcome) {
        self.log.check_at = self.next_check(now);
        // It counts for what waits to be written; who comes later is to look again.
        self.log.checked = self.pending.has_sealed();
        let just_replaced = core::mem::take(&mut self.log.just_replaced);
        let in_doubt = core::mem::take(&mut self.log.in_doubt);
        match outcome {
            Outcome::Gone => {}
            Outcome::Done => return,
            // A comparison that failed says nothing: that is too little where the path is in doubt.
            _ if in_doubt => return self.go_stale(Cause::InDoubt),
            _ => return,
        }
        if just_replaced {
            // Nobody is that quick: the file system gives other numbers than it gave a moment ago.
            self.warn(Warning::CheckOff, true);
            return;
        }
        self.stats.foreign_writes += 1;
        let foreign = &mut self.log.foreign;
        foreign.push_back(now.instant);
        foreign.retain(|at| *at + FOREIGN_WITHIN >= now.instant);
        if foreign.len() >= FOREIGN_TIMES {
            self.warn(Warning::CheckOff, true);
        }
        // Whoever waits does not wait for the back-off. A rewrite that is under way will do.
        self.rewrite.requested |= self.rewrite.is_idle() && self.wanted > self.progress.durable;
        // What is there is not what was written, so whoever asks must wait for the new file.
        self.progress.written = Position::default();
        self.progress.durable = Position::default();
        self.go_stale(Cause::ForeignWriter);
    }

    /// A piece went to the log, or did not.
    fn written(&mut self, bytes: Vec<u8>, flight: &Flight, done: bool) {
        if done {
            self.stats.writes += 1;
            self.log.bytes += bytes.len() as u64;
            self.progress.written = flight.end.unwrap_or_default().max(self.progress.written);
        } else {
            self.go_stale(Cause::WriteFailed);
        }
        // Between slices every piece goes to both files; a log that has just failed holds a prefix without it.
        if matches!(self.rewrite.phase, Phase::Scanning { .. }) {
            self.rewrite.queue.push_back(bytes);
        }
    }

    /// The new file exists: header and clocks of this moment go first, and from now on every record goes to it too.
    fn begin_scan(&mut self, now: Now) {
        self.rewrite.bytes = 0;
        self.rewrite.unsynced = 0;
        self.rewrite.queue.push_back(header(&self.policy.identity, now.wall));
        self.rewrite.queue.extend(clocks(&self.state, now.wall));
        let cursor = Cursor::new(&self.state);
        self.rewrite.phase = Phase::Scanning { cursor, logs_turn: false };
    }

    /// The directory was synced after the rename, or was not: that counts as a failed sync of the new log.
    fn replaced(&mut self, now: Now, done: bool) {
        self.log.bytes = self.rewrite.bytes;
        // Whatever became of an earlier rename, this one happened.
        self.log.in_doubt = false;
        self.progress.written = self.rewrite.cut.max(self.progress.written);
        self.rewrite.written_last.clear();
        self.rewrite.phase = Phase::Idle;
        let overflowed = core::mem::take(&mut self.rewrite.overflowed);
        if !done {
            self.health.stale = None;
            self.go_stale(Cause::DirSyncFailed);
            self.back_off(now);
            return;
        }
        self.stats.rewrites += 1;
        self.progress.durable = self.rewrite.cut.max(self.progress.durable);
        self.forget_sync_at(self.rewrite.cut);
        self.health.stale = overflowed.then_some(Cause::Overflow);
        for warning in [Warning::RewriteFailed, Warning::NoSpace, Warning::MountTheDirectory] {
            self.warn(warning, false);
        }
        self.rewrite.wait = None;
        self.rewrite.retry_at = None;
        self.rewrite.retry_size = 0;
        self.rewrite.retry_size_until = None;
        self.log.just_replaced = true;
        self.log.check_at = Some(now.instant);
        self.log.checked = false;
    }

    /// Nobody need wake for a sync where nothing came after what has just become durable.
    fn forget_sync_at(&mut self, durable: Position) {
        self.log.sync_at = self.log.sync_at.filter(|_| self.progress.accepted > durable);
    }

    /// Throws the new file away. A good log gets what would have gone to the new one; a stale one waits for the next.
    fn fail_rewrite(&mut self, now: Now, outcome: Outcome) {
        let rewrite = &mut self.rewrite;
        rewrite.discard = true;
        rewrite.phase = Phase::Idle;
        rewrite.overflowed = false;
        rewrite.queue.clear();
        rewrite.tail = None;
        let written = core::mem::take(&mut rewrite.written_last);
        let last = core::mem::take(&mut rewrite.last);
        if self.health.stale.is_none() {
            for piece in written.into_iter().chain(last).rev() {
                self.pending.put_back(piece, true);
            }
        } else {
            self.pending.clear();
            self.flush_at = None;
        }
        let good = self.health.stale.is_none();
        match outcome {
            Outcome::NoSpace if good => {
                self.warn(Warning::NoSpace, true);
                self.rewrite.retry_size = (self.log.bytes + self.log.bytes / 2).max(1);
                self.rewrite.retry_size_until = Some(now.instant + NO_SPACE_WAIT);
            }
            Outcome::Busy => {
                self.warn(Warning::MountTheDirectory, true);
                self.rewrite.retry_size = self.log.bytes.saturating_mul(2);
                self.rewrite.retry_size_until = None;
                self.rewrite.retry_at = Some(now.instant + LAST_WAIT);
            }
            _ => {
                self.warn(
                    if outcome == Outcome::NoSpace {
                        Warning::NoSpace
                    } else {
                        Warning::RewriteFailed
                    },
                    true,
                );
                self.back_off(now);
            }
        }
        // A rename that failed may have happened all the same: the path is to be looked at, and what is found there is
        // no oddity of the file system.
        self.log.just_replaced = false;
        self.log.check_at = Some(now.instant);
        self.log.checked = false;
        self.check_overflow(now);
    }

    fn back_off(&mut self, now: Now) {
        let wait = self.rewrite.wait.map_or(FIRST_WAIT, |wait| (wait * 2).min(LAST_WAIT));
        self.rewrite.wait = Some(wait);
        self.rewrite.retry_at = Some(now.instant + wait);
    }

    /// From now on the log gets not one byte more; what waits for it is in the state.
    fn go_stale(&mut self, cause: Cause) {
        self.health.stale.get_or_insert(cause);
        self.log.sync_at = None;
        if !self.rewrite.takes_records() {
            self.pending.clear();
            self.flush_at = None;
        }
    }

    /// Gives the log up where more waits for it than may.
    pub(crate) fn check_overflow(&mut self, now: Now) {
        let under_way = self.flight.as_ref().map_or(0, |flight| flight.bytes);
        if self.pending.bytes() + under_way <= self.policy.max_pending {
            return;
        }
        self.stats.overflows += 1;
        self.pending.clear();
        self.flush_at = None;
        self.go_stale(Cause::Overflow);
        match self.rewrite.phase {
            Phase::Scanning { .. } => self.fail_rewrite(now, Outcome::Failed),
            Phase::Ending | Phase::Confirming | Phase::Replacing | Phase::SyncingDir => {
                self.rewrite.overflowed = true;
            }
            Phase::Idle | Phase::Creating => {}
        }
    }
}
