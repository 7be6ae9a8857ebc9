//! A test as a host would write it.

use std::time::Duration;

use snapshot_io::sim::SimStorage;
use snapshot_io::{Durability, Event, LamportTime, Options};

#[test]
fn no_deploy_runs_twice_after_a_power_cut() {
    let disk = SimStorage::new();
    let options = || Options::new().durability(Durability::Always);
    let (log, _) = options().storage(disk.clone()).open("/serf.snapshot").unwrap();
    let position = log.record(Event::User(LamportTime(41)));
    log.durable(position).wait(Duration::from_secs(5)).unwrap();
    // The agent is in the middle of the next one when the power fails: any of these disks may be left.
    log.record(Event::User(LamportTime(42)));
    for image in disk.process_crash().crash_images(1, 64) {
        let (log, _) = options().storage(image.storage).open("/serf.snapshot").unwrap();
        assert!(log.clocks().event_clock >= LamportTime(41));
    }
}

#[test]
fn the_agent_goes_on_when_the_disk_is_full() {
    let disk = SimStorage::new();
    let (log, _) = Options::new().storage(disk.clone()).open("/serf.snapshot").unwrap();
    disk.limit_space(Some(0));
    log.record(Event::User(LamportTime(41)));
    assert!(log.sync().wait(Duration::from_secs(5)).is_err());
    assert!(!log.health().is_good());
    disk.limit_space(None);
    // Nothing is lost: it is written from memory.
    while log.sync().wait(Duration::from_secs(5)).is_err() {}
    assert!(log.health().is_good());
}
