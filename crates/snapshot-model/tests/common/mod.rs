//! A state as one line of text, so that an expectation reads like the state it means.

use snapshot_model::Model;

/// `NAME=ADDR` for each node, `failed NAME=ADDR@MS`, and the clocks that are not zero.
pub(crate) fn render(model: &Model) -> String {
    let node =
        |name: &[u8], addr: &[u8]| format!("{}={}", name.escape_ascii(), addr.escape_ascii());
    let alive = model.alive.iter().map(|(name, addr)| node(name, addr));
    let failed = model.failed.iter();
    let failed = failed.map(|(name, (addr, at))| format!("failed {}@{at}", node(name, addr)));
    let clocks =
        [("clock", model.clock), ("event", model.event_clock), ("query", model.query_clock)];
    let clocks = clocks.into_iter().filter(|(_, time)| *time > 0);
    let clocks = clocks.map(|(clock, time)| format!("{clock} {time}"));
    let parts: Vec<_> = alive.chain(failed).chain(clocks).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
