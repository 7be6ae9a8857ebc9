use std::sync::Arc;

use snapshot_engine::{Coordinate, LamportTime};

use super::*;

/// What the thread does after a minute, without the minute.
#[test]
fn both_sources_are_read_when_they_are_due() {
    let coordinate = Coordinate::new([0.5; 8], 1.5, 0.25, 1e-5).unwrap();
    let sources = Sources {
        clock: Some(Arc::new(|| LamportTime(8))),
        coordinate: Some(Arc::new(move || coordinate)),
    };
    let policy = Policy::default();
    let engine = Engine::new(policy.clone(), State::new(&policy, 1), LogStart::Missing);
    let mut shared = Shared::new(engine, sources, false);
    for (seconds, clock, expected) in [(0, 0, None), (59, 7, None), (2, 7, Some(coordinate))] {
        shared.origin = shared.origin.checked_sub(Duration::from_secs(seconds)).unwrap();
        let inner = shared.sample(shared.lock());
        let state = inner.engine.state();
        assert_eq!((state.clocks().clock.0, state.coordinate()), (clock, expected));
    }
}
