//! Records that stand inside a damaged line.

use memchr::memmem;

use crate::Record;

const ALIVE: &[u8] = b"alive: ";

/// The `alive` records that begin inside a line and end with it, the innermost first, each with its place in the line.
///
/// Such a line comes about where a record was appended onto a torn one (`alive: b 10.0.0.alive: c 10.0.0.3:7946`) or
/// behind the zeros of a lost block.
/// The innermost one is the record that was written last and whole.
/// An `alive: ` that is the end of `not-alive: ` is none.
/// Clocks, `not-alive` and `leave` are never looked for: names are chosen by members, some of them hostile, and a node
/// is a hint that costs one dial.
pub fn salvage(line: &[u8]) -> impl Iterator<Item = (usize, Record<'_>)> {
    memmem::rfind_iter(line, ALIVE)
        .filter(|&at| at > 0 && !line[..at].ends_with(b"not-"))
        .filter_map(|at| Some((at, Record::parse(&line[at..]).ok()?)))
}
