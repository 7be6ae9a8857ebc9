//! What an edit has shown, made to what a file said before.

use serde_json::Value;
use snapshot_model::{Model, Rules, replay};

/// Bytes of a node in JSON.
pub fn bytes(object: &Value, key: &str) -> Vec<u8> {
    match object[format!("{key}_hex")].as_str() {
        Some(hex) => (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect(),
        None => object[key].as_str().unwrap().as_bytes().to_vec(),
    }
}

/// What a file says to Serf, and who failed as we read it.
pub fn said(file: &[u8], rejoins: bool) -> Model {
    let mut model = replay(file, &Rules::serf(rejoins));
    model.failed = replay(file, &Rules::hardened(rejoins)).failed;
    model.failed.retain(|name, _| !model.alive.contains_key(name));
    model
}

/// The same once the changes that were shown are made.
pub fn with_changes(mut model: Model, shown: &Value, rejoins: bool) -> Model {
    let reading = if rejoins { "rejoining" } else { "leaving" };
    let is_seen =
        |change: &&Value| [reading, "both"].contains(&change["reading"].as_str().unwrap());
    for change in shown["nodes"].as_array().unwrap().iter().filter(is_seen) {
        let name = bytes(change, "name");
        let was = model.alive.remove(&name).map(|addr| (addr, None));
        let was = was.or_else(|| model.failed.remove(&name).map(|(addr, at)| (addr, Some(at))));
        let place = |place: &Value| (bytes(place, "addr"), place["failed_at_ms"].as_u64());
        let shown = |key: &str| Some(&change[key]).filter(|place| !place.is_null()).map(place);
        assert_eq!(was, shown("was"), "{change}");
        match shown("becomes") {
            Some((addr, None)) => _ = model.alive.insert(name, addr),
            Some((addr, Some(at))) => _ = model.failed.insert(name, (addr, at)),
            None => {}
        }
    }
    for change in shown["clocks"].as_array().unwrap().iter().filter(is_seen) {
        let clock = match change["clock"].as_str().unwrap() {
            "clock" => &mut model.clock,
            "event_clock" => &mut model.event_clock,
            _ => &mut model.query_clock,
        };
        assert_eq!(*clock, change["was"], "{change}");
        *clock = change["becomes"].as_u64().unwrap();
    }
    model
}
