//! The same under tokio.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use snapshot_io::{Durability, Event, LamportTime, Options, Recovery, Rejoiner, Snapshotter};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

pub async fn open(path: PathBuf) -> Result<(Snapshotter, Recovery), Box<dyn Error>> {
    let options = Options::new().durability(Durability::Always);
    // It reads the file and waits for the disk.
    Ok(spawn_blocking(move || options.open(path)).await??)
}

/// Records a user event that must not be handled twice, and says whether to handle it.
pub async fn take(log: &Snapshotter, time: LamportTime) -> Result<bool, Box<dyn Error>> {
    if time <= log.clocks().event_clock {
        return Ok(false);
    }
    let position = log.record(Event::User(time));
    timeout(Duration::from_secs(5), log.durable(position)).await??;
    Ok(true)
}

pub fn rejoin(
    log: &Snapshotter,
    contact: impl Fn(&str) -> bool + Send + 'static,
) -> (Rejoiner, JoinHandle<()>) {
    let rejoiner = log.rejoin();
    let run = rejoiner.clone();
    (rejoiner, spawn_blocking(move || run.run(|_name, addr| contact(addr))))
}

pub async fn shut_down(log: Snapshotter, rejoiner: &Rejoiner) -> Result<(), Box<dyn Error>> {
    rejoiner.cancel();
    Ok(timeout(Duration::from_secs(5), log.close()).await??)
}
