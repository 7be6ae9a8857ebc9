//! Which system call comes next: the rules of flushing, syncing and rewriting.

use core::time::Duration;

use crate::effect::{Effect, LogFile};
use crate::files::{Flight, Phase};
use crate::health::{Cause, Warning};
use crate::pending::Piece;
use crate::rewrite::{header, leave};
use crate::{Durability, Engine, Instant, Now, Position};

/// How much of a new file is written between two syncs of it, in bytes, so that the last one does not stall.
const SYNC_EVERY: u64 = 4 * 1024 * 1024;
impl Engine {
    /// The next system call, if one is due and none is under way.
    ///
    /// To be called after every `handle_*` and `request_*`, and when [`poll_timeout`](Self::poll_timeout) has come,
    /// until it returns `None`.
    #[must_use]
    pub fn poll_effect(&mut self, now: Now) -> Option<Effect> {
        if self.flight.is_some() || self.health.stale == Some(Cause::Disabled) {
            return None;
        }
        self.bound_loss(now);
        if self.log.check_at.is_none() {
            self.log.check_at = self.next_check(now);
        }
        let (effect, end) = self.next_effect(now)?;
        let bytes = if let Effect::Write(_, bytes) = &effect { bytes.len() } else { 0 };
        self.flight = Some(Flight { end, bytes });
        Some(effect)
    }

    /// When [`poll_effect`](Self::poll_effect) is to be called next, if nothing happens before; zero means at once.
    ///
    /// `None` while an effect is under way: its outcome is what happens next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        const AT_ONCE: Option<Instant> = Some(Instant(Duration::ZERO));
        if self.flight.is_some() || self.health.stale == Some(Cause::Disabled) {
            return None;
        }
        if self.rewrite.discard || self.rewrite.requested || !self.rewrite.is_idle() {
            return AT_ONCE;
        }
        if self.health.stale.is_some() {
            return self.rewrite.retry_at.or(AT_ONCE);
        }
        if self.pending.has_sealed() || self.wanted > self.progress.durable || self.must_sync() {
            return AT_ONCE;
        }
        let check_at = self.log.check_at.filter(|_| self.checks());
        let times = [self.flush_at, self.log.sync_at, check_at, self.good_rewrite_at()];
        times.into_iter().flatten().min()
    }

    fn next_effect(&mut self, now: Now) -> Option<(Effect, Option<Position>)> {
        if self.rewrite.discard {
            return Some((Effect::Discard, None));
        }
        match self.rewrite.phase {
            Phase::Scanning { .. } => return Some(self.scan(now)),
            Phase::Ending => return Some(self.end_rewrite()),
            Phase::Confirming => return Some((Effect::Sync(LogFile::Next), None)),
            Phase::Replacing => return Some((Effect::Replace, None)),
            Phase::SyncingDir => return Some((Effect::SyncDir, None)),
            // Handled by its outcome.
            Phase::Creating => return None,
            Phase::Idle => {}
        }
        // Before the log's own business, which may never end; once begun, a rewrite takes turns with it.
        if self.is_rewrite_due(now.instant) {
            self.rewrite.phase = Phase::Creating;
            self.rewrite.requested = false;
            return Some((Effect::Create, None));
        }
        let stale = self.health.stale.is_some();
        if !stale && let Some(effect) = self.log_effect(now) {
            return Some(effect);
        }
        let check =
            !stale && self.checks() && self.log.check_at.is_some_and(|at| at <= now.instant);
        check.then_some((Effect::Check, None))
    }

    /// What a good log needs: a sync, a comparison, a write.
    fn log_effect(&mut self, now: Now) -> Option<(Effect, Option<Position>)> {
        if self.log.sync_at.is_some_and(|at| at <= now.instant) {
            // What waits in memory may be as old as what waits in the cache.
            self.want_all();
        }
        let waited_for = self.is_waited_for();
        if waited_for || self.must_sync() {
            return Some((Effect::Sync(LogFile::Log), Some(self.progress.written)));
        }
        let flush = self.flush_at.is_some_and(|at| at <= now.instant)
            || self.wanted > self.progress.written;
        if flush {
            self.flush_at = None;
            self.pending.seal(now.wall);
        }
        if !self.pending.has_sealed() {
            return None;
        }
        if self.checks() && !self.log.checked {
            return Some((Effect::Check, None));
        }
        if self.log.bytes == 0 {
            let bytes = header(&self.policy.identity, now.wall);
            self.pending.put_back(Piece { bytes, end: self.progress.written }, true);
        }
        let piece = self.pending.pop()?;
        self.log.checked = false;
        Some((Effect::Write(LogFile::Log, piece.bytes), Some(piece.end)))
    }

    /// Slice after slice to the new file, and between them the log's own business; then the last swap.
    fn scan(&mut self, now: Now) -> (Effect, Option<Position>) {
        if let Some(bytes) = self.rewrite.queue.pop_front() {
            return (Effect::Write(LogFile::Next, bytes), None);
        }
        if self.rewrite.unsynced >= SYNC_EVERY {
            return (Effect::Sync(LogFile::Next), None);
        }
        if self.is_logs_turn() {
            let stale = self.health.stale.is_some();
            let effect = if stale { None } else { self.log_effect(now) };
            if let Some(effect) = effect {
                return effect;
            }
            // A stale log gets nothing: whole pieces go to the new file alone.
            if stale && let Some(piece) = self.pending.pop() {
                return (Effect::Write(LogFile::Next, piece.bytes), None);
            }
        }
        if let Phase::Scanning { cursor, .. } = &mut self.rewrite.phase
            && let Some(slice) = cursor.slice(&self.state, now.wall)
        {
            return (Effect::Write(LogFile::Next, slice), None);
        }
        self.last_swap(now);
        self.end_rewrite()
    }

    /// The log and the slices take turns, so that neither waits long for the other.
    fn is_logs_turn(&mut self) -> bool {
        let Phase::Scanning { logs_turn, .. } = &mut self.rewrite.phase else { return false };
        *logs_turn = !*logs_turn;
        *logs_turn
    }

    /// Everything recorded so far goes to the new file; what comes after is the first batch of the new log.
    fn last_swap(&mut self, now: Now) {
        self.pending.seal(now.wall);
        self.flush_at = None;
        self.rewrite.last = core::iter::from_fn(|| self.pending.pop()).collect();
        self.rewrite.tail = self.left.then(|| leave(&self.state, now.wall));
        self.rewrite.cut = self.progress.accepted;
        self.rewrite.phase = Phase::Ending;
    }

    fn end_rewrite(&mut self) -> (Effect, Option<Position>) {
        if let Some(piece) = self.rewrite.last.pop_front() {
            return (Effect::Write(LogFile::Next, piece.bytes), Some(piece.end));
        }
        if let Some(tail) = self.rewrite.tail.take() {
            return (Effect::Write(LogFile::Next, tail), None);
        }
        (Effect::Sync(LogFile::Next), None)
    }

    /// Whether what is recorded must be kept for a file; else the state alone knows it, and a rewrite carries it.
    pub(crate) const fn is_buffering(&self) -> bool {
        self.health.stale.is_none() || self.rewrite.takes_records()
    }

    /// Whether what somebody waits for is written and not durable. Who asks later does not move it: else those who ask
    /// during each write would put the sync off for ever.
    fn is_waited_for(&mut self) -> bool {
        if self.first_wanted <= self.progress.durable {
            self.first_wanted = self.wanted;
        }
        self.first_wanted > self.progress.durable && self.first_wanted <= self.progress.written
    }

    /// Whether every batch is synced, and one is not.
    fn must_sync(&self) -> bool {
        self.policy.durability == Durability::Always
            && self.progress.written > self.progress.durable
    }

    /// Asks for a sync of everything accepted so far.
    pub(crate) const fn want_all(&mut self) {
        self.wanted = self.progress.accepted;
        self.log.sync_at = None;
    }

    /// Sets the time at which the oldest record that nobody has asked a sync for must be durable.
    pub(crate) fn bound_loss(&mut self, now: Now) {
        let Durability::Interval(interval) = self.policy.durability else { return };
        let asked = self.wanted.max(self.progress.durable);
        if self.health.stale.is_none() && self.progress.accepted > asked {
            self.log.sync_at.get_or_insert(now.instant + interval);
        }
    }

    /// When an idle log is compared again.
    pub(crate) fn next_check(&self, now: Now) -> Option<Instant> {
        let interval = self.policy.check_interval;
        (!interval.is_zero()).then(|| now.instant + interval)
    }

    pub(crate) const fn checks(&self) -> bool {
        !self.health.has(Warning::CheckOff)
    }

    fn is_rewrite_due(&self, now: Instant) -> bool {
        let due = |at: Option<Instant>| at.is_none_or(|at| at <= now);
        if self.rewrite.requested {
            return true;
        }
        if self.health.stale.is_some() {
            return due(self.rewrite.retry_at);
        }
        self.good_rewrite_at().is_some_and(|at| at <= now)
    }

    /// When a good log is rewritten for its size, if it has it, or because the last rewrite failed, whoever wanted it.
    fn good_rewrite_at(&self) -> Option<Instant> {
        let rewrite = &self.rewrite;
        if self.log.bytes <= self.max_log_bytes() && !rewrite.has_failed() {
            return None;
        }
        let after = rewrite.retry_at.unwrap_or_default();
        if rewrite.retry_size == 0 || self.log.bytes >= rewrite.retry_size {
            return Some(after);
        }
        rewrite.retry_size_until.map(|until| until.max(after))
    }

    /// Beyond this size the log is rewritten: twice what the new one would take, so that the cost stays constant for
    /// each byte recorded.
    fn max_log_bytes(&self) -> u64 {
        let identity = &self.policy.identity;
        let header = 64
            + identity.cluster().map_or(0, |id| id.as_bytes().len())
            + identity.node().map_or(0, |name| name.as_bytes().len());
        let live = self.state.live_bytes() + header as u64;
        // A seal for each slice of about 32 KiB, and those of header, clocks and leave.
        let seals = (live / (32 * 1024) + 4) * snapshot_format::MAX_SEAL_LINE as u64;
        self.policy.min_compact_size.max(2 * (live + seals))
    }
}
