//! Leaving on purpose: the node must not find its way back by accident.

use std::time::Duration;

use snapshot_io::sim::{At, Call, Fault, SimStorage};
use snapshot_io::{Durability, Event, LamportTime, Options};
use snapshot_model::{Rules, replay};

use crate::common::{ADDR, alive, join, member, stepper};
use crate::{PATH, names, record_joins};

#[test]
fn leave_is_durable_after_all_that_was_recorded_before() {
    let levels = [Durability::Always, Durability::Interval(Duration::from_secs(5)), Durability::Os];
    // A good log, and one that is stale and has to be rewritten first.
    for (durability, old) in levels.iter().flat_map(|level| [(*level, false), (*level, true)]) {
        let storage = SimStorage::new();
        let mut expected = names(50);
        if old {
            storage.plant(PATH, "alive: old 10.0.0.9:7946\n");
            expected.push("old".to_owned());
        }
        // It is the other setting that shows what came before the leave.
        let options = Options::new().durability(durability).rejoin_after_leave(true);
        let (mut stepper, _) = stepper(&storage, PATH, options);
        record_joins(&mut stepper, &expected[..50]);
        expected.sort();
        stepper.record(Event::Clock(LamportTime(12)));
        let position = stepper.record(Event::Leave);
        // The other members' farewells come too late to count.
        stepper.record(Event::MemberLeave(member("node-0", ADDR)));
        stepper.record(join("too-late"));
        // Every step on the way: durable is not said too early.
        loop {
            let said = stepper.engine().progress().durable >= position;
            for image in (0..40).map(|seed| storage.crash_image(seed)) {
                let Some(file) = image.storage.contents(PATH) else { continue };
                let without = replay(&file, &Rules::hardened(false));
                let left = without.alive.is_empty() && without.clock == 11;
                assert!(left || !said, "durable, and then: {image}");
                if left {
                    let with = replay(&file, &Rules::hardened(true));
                    assert_eq!((alive(&with), with.clock), (expected.clone(), 11), "{image}");
                }
            }
            if said {
                break;
            }
            stepper.step().expect("it goes on until the leave is durable");
        }
    }
}

#[test]
fn a_failed_attempt_to_leave_is_repeated_until_it_is_durable() {
    for call in [Call::Write, Call::Sync] {
        let storage = SimStorage::new();
        let (mut stepper, _) = stepper(&storage, PATH, Options::new());
        record_joins(&mut stepper, &names(3));
        stepper.run();
        let nth = storage.journal().count(call) as u64 + 1;
        storage.fail(At::Nth(call, nth), Fault::error(libc::EIO).lasting());
        let position = stepper.record(Event::Leave);
        stepper.advance(Duration::from_secs(100));
        assert!(stepper.engine().progress().durable < position, "{call}");
        crate::heal(&storage, &mut stepper);
        assert!(stepper.engine().progress().durable >= position, "{call}");
        for image in storage.crash_images(1, 40) {
            let found = replay(&image.storage.contents(PATH).unwrap(), &Rules::hardened(false));
            assert!(found.alive.is_empty(), "{call}: {image}");
        }
    }
}

#[test]
fn after_the_leave_only_higher_clocks_are_recorded() {
    for rejoin in [false, true] {
        let storage = SimStorage::new();
        let (mut stepper, _) = stepper(&storage, PATH, Options::new().rejoin_after_leave(rejoin));
        record_joins(&mut stepper, &names(2));
        stepper.record(Event::Clock(LamportTime(5)));
        stepper.record(Event::Leave);
        let left = stepper.engine().progress().accepted;
        for event in [
            join("c"),
            Event::MemberFailed(member("node-0", ADDR)),
            Event::User(LamportTime(9)),
            Event::Query(LamportTime(9)),
            Event::Clock(LamportTime(5)),
            Event::Leave,
        ] {
            assert_eq!(stepper.record(event), left, "{event:?}");
        }
        assert!(stepper.record(Event::Clock(LamportTime(6))) > left);
        stepper.advance(Duration::from_secs(6));
        let nodes = if rejoin { names(2) } else { vec![] };
        // The same once more from a rewritten file.
        for _ in 0..2 {
            let found = replay(&storage.contents(PATH).unwrap(), &Rules::hardened(rejoin));
            assert_eq!((alive(&found), found.clock, found.event_clock), (nodes.clone(), 5, 0));
            let other = replay(&storage.contents(PATH).unwrap(), &Rules::hardened(false));
            assert_eq!((alive(&other), other.clock), (vec![], 5), "whoever does not rejoin");
            stepper.engine().request_rewrite();
            stepper.run();
        }
    }
}
