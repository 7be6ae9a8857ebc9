//! The asynchronous twin of `embed.rs`: events come through a channel, and what must be durable is awaited.
//!
//! `cargo run -p snapshot-io --example embed_tokio`

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use snapshot_io::{Durability, Event, LamportTime, Member, Options};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What the network tells. A host has a type of its own and borrows the [`Event`] from it.
enum Heard {
    Join { name: String, addr: String },
    Deploy(LamportTime),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    run(&dir.path().join("serf.snapshot"), &mut io::stdout()).await
}

/// Two lives of one agent; after its restart it hears of an old event once more.
pub(crate) async fn run(path: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let join = Heard::Join { name: "web-2".into(), addr: "10.0.0.2:7946".into() };
    let [first, second] = [41, 42].map(|time| Heard::Deploy(LamportTime(time)));
    live(path, vec![join, first], out).await?;
    live(path, vec![Heard::Deploy(LamportTime(41)), second], out).await
}

/// One life, from the start of the process to its end.
async fn live(path: &Path, heard: Vec<Heard>, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // This reads the file, so it belongs before the work of the runtime begins.
    let (log, _) = Options::new().durability(Durability::Always).open(path)?;
    let addrs: Vec<_> = log.rejoin_candidates(16).into_iter().map(|node| node.addr).collect();
    writeln!(out, "starts and tries {addrs:?}")?;
    let (network, mut inbox) = mpsc::unbounded_channel();
    heard.into_iter().try_for_each(|message| network.send(message))?;
    drop(network);
    while let Some(heard) = inbox.recv().await {
        match heard {
            Heard::Join { name, addr } => {
                log.record(Event::MemberJoin(Member::new(name.as_bytes(), addr.as_bytes())?));
            }
            Heard::Deploy(time) if time > log.clocks().event_clock => {
                // A deploy must not run twice, not even where the power fails in the middle of it.
                let position = log.record(Event::User(time));
                timeout(Duration::from_secs(5), log.durable(position)).await??;
                writeln!(out, "  handles deploy {time}")?;
            }
            Heard::Deploy(time) => writeln!(out, "  has handled deploy {time}")?,
        }
    }
    Ok(timeout(Duration::from_secs(5), log.close()).await??)
}
