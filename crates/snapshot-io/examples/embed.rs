//! An agent in small: it records what it hears of its cluster, stops, and finds its way back.
//!
//! `cargo run -p snapshot-io --example embed`

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use snapshot_io::{Event, Identity, LamportClock, LamportTime, Member, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    run(&dir.path().join("serf.snapshot"), &mut io::stdout())
}

/// Two lives of one agent; after its restart it hears of an old event once more.
pub(crate) fn run(path: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let web_2 = Member::new(b"web-2", b"10.0.0.2:7946")?;
    let web_3 = Member::new(b"web-3", b"10.0.0.3:7946")?;
    let joins = [web_2, web_3].map(Event::MemberJoin);
    let deploys = [41, 42].map(|time| Event::User(LamportTime(time)));
    live(path, &[joins[0], joins[1], deploys[0], Event::MemberFailed(web_3)], out)?;
    live(path, &deploys, out)
}

/// One life, from the start of the process to its end.
fn live(path: &Path, heard: &[Event<'_>], out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(LamportClock::default());
    let source = Arc::clone(&clock);
    let (log, recovery) = Options::new()
        .identity(Identity::new(None, Some(b"web-1"))?)
        .clock_source(move || source.time())
        .open(path)?;
    clock.witness(recovery.clocks.clock);
    writeln!(out, "web-1 starts at Lamport time {}", clock.time())?;
    for node in log.rejoin_candidates(16) {
        let name = String::from_utf8_lossy(&node.name);
        let last_resort = if node.failed.is_some() { ", a last resort: it had failed" } else { "" };
        writeln!(out, "  tries {name} at {}{last_resort}", node.addr)?;
    }
    for event in heard {
        let last = log.clocks().event_clock;
        if !matches!(event, Event::User(_)) {
            // Messages about members move the clock.
            clock.increment();
        }
        log.record(*event);
        if let Event::User(time) = *event {
            let handles = if time > last { "handles" } else { "has handled" };
            writeln!(out, "  {handles} deploy {time}")?;
        }
    }
    // Without this, a crash would cost what came in the last half second.
    Ok(log.close().wait(Duration::from_secs(5))?)
}
