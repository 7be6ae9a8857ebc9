//! A snapshot in the middle of a pipeline of events.

use std::ops::ControlFlow;

use crate::Snapshotter;

/// Passes items on in order and unchanged, each recorded before it is passed on; nothing is dropped.
///
/// A consumer that stops (`ControlFlow::Break`) stops the intake: the item it refused is recorded, no later one is
/// taken. A slow consumer slows the intake; hosts that cannot allow that call [`Snapshotter::record`] where the event
/// arises.
///
/// ```
/// use std::ops::ControlFlow;
/// use snapshot_io::{Event, LamportTime, Snapshotter, tee};
///
/// let log = Snapshotter::disabled();
/// let mut passed = Vec::new();
/// tee(&log, 1..=3, |log, time| { log.record(Event::User(LamportTime(*time))); }, |time| {
///     passed.push(time);
///     ControlFlow::Continue(())
/// });
/// assert_eq!((passed, log.clocks().event_clock), (vec![1, 2, 3], LamportTime(3)));
/// ```
pub fn tee<T>(
    log: &Snapshotter,
    input: impl IntoIterator<Item = T>,
    record: impl Fn(&Snapshotter, &T),
    mut output: impl FnMut(T) -> ControlFlow<()>,
) {
    for item in input {
        record(log, &item);
        if output(item).is_break() {
            return;
        }
    }
}
