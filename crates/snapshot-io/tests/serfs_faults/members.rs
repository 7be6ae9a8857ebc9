//! Names that members choose, and nodes that failed.

use std::time::Duration;

use snapshot_io::sim::{SimStorage, Stepper};
use snapshot_io::{Event, Identity, InvalidMember, Member, Options};

use crate::common::{ADDR, join, member, model_of, policy, read, stepper};
use crate::{PATH, record_durably};

#[test]
fn a_name_that_would_inject_lines_is_refused() {
    type Expected = fn(&InvalidMember) -> bool;
    let long = "n".repeat(16 * 1024 + 1);
    let cases: [(&[u8], &str, Expected); 17] = [
        (b"ghost\nalive: evil 6.6.6.6:6", ADDR, |why| matches!(why, InvalidMember::Name(_))),
        (b"\n", ADDR, |why| matches!(why, InvalidMember::Name(_))),
        (b"a\n", ADDR, |why| matches!(why, InvalidMember::Name(_))),
        (b"a\nleave", ADDR, |why| matches!(why, InvalidMember::Name(_))),
        (b"", ADDR, |why| *why == InvalidMember::EmptyName),
        (long.as_bytes(), ADDR, |why| *why == InvalidMember::LongName { len: 16 * 1024 + 1 }),
        (b"alive: evil", ADDR, |why| *why == InvalidMember::KeywordInName),
        (b"a not-alive: b", ADDR, |why| *why == InvalidMember::KeywordInName),
        (b"a\0\0\0\0\0\0\0\0b", ADDR, |why| *why == InvalidMember::NulRun),
        (b"a", "", |why| *why == InvalidMember::Address),
        (b"a", "10.0.0.1", |why| *why == InvalidMember::Address),
        (b"a", "10.0.0.1:0", |why| *why == InvalidMember::Address),
        (b"a", "10.0.0.1:65536", |why| *why == InvalidMember::Address),
        (b"a", "10.0.0.1:7946\n", |why| *why == InvalidMember::Address),
        (b"a", "10.0.0.1 :7946", |why| *why == InvalidMember::Address),
        (b"a", "::1:7946", |why| *why == InvalidMember::Address),
        (b"a", ":7946", |why| *why == InvalidMember::Address),
    ];
    for (name, addr, expected) in cases {
        let why = Member::new(name, addr.as_bytes()).unwrap_err();
        assert!(expected(&why), "{} at {addr}: {why:?}", name[..name.len().min(40)].escape_ascii());
        assert!(why.to_string().starts_with("the member's "), "{why}");
    }
}

#[test]
fn an_odd_name_that_is_accepted_comes_back_as_it_was() {
    let longest = "n".repeat(16 * 1024);
    let names: [&[u8]; 16] = [
        b"with some spaces",
        b" ",
        b"trailing ",
        b"cr\r",
        b"\r",
        b"leave",
        b"#leave",
        b"clock: 9",
        b"not-",
        b"alive:",
        b"\xff\xfe latin",
        b"tab\tbell\x07\x1b[31m",
        b"nul\0\0\0\0\0\0\0",
        b"#@seal: 1 2 00000000",
        b"\xef\xbb\xbf",
        longest.as_bytes(),
    ];
    let storage = SimStorage::new();
    let (mut first, _) = stepper(&storage, PATH, Options::new());
    for name in names {
        first.record(Event::MemberJoin(Member::new(name, ADDR.as_bytes()).unwrap()));
    }
    first.advance(Duration::from_secs(1));
    let expected = model_of(first.engine().state());
    assert_eq!(expected.alive.len(), names.len());
    // Appended, rewritten, failed, and left: each line by each of them.
    for round in 0..4 {
        let storage = storage.process_crash();
        let (mut stepper, recovery) = stepper(&storage, PATH, Options::new());
        assert_eq!(model_of(stepper.engine().state()), expected, "{:?}", recovery.report.findings);
        let event = match round {
            0 => Event::MemberJoin,
            1 => Event::MemberFailed,
            _ => Event::MemberLeave,
        };
        for name in names {
            stepper.record(event(Member::new(name, ADDR.as_bytes()).unwrap()));
        }
        if round == 3 {
            stepper.engine().request_rewrite();
        }
        stepper.advance(Duration::from_secs(1));
        let found = read(&storage.contents(PATH).unwrap());
        assert_eq!(found, model_of(stepper.engine().state()));
        let lens = (found.alive.len(), found.failed.len());
        assert_eq!(lens, [(names.len(), 0), (0, names.len()), (0, 0), (0, 0)][round]);
    }
}

#[test]
fn failed_nodes_stay_last_resorts_through_a_restart() {
    let storage = SimStorage::new();
    let identity = Identity::new(None, Some(b"me")).unwrap();
    let options = || Options::new().identity(identity.clone());
    let (mut stepper, _) = stepper(&storage, PATH, options());
    for (name, port) in ["me", "b", "c", "d", "left", "reaped", "back"].iter().zip(1..) {
        stepper.record(Event::MemberJoin(member(name, &format!("10.0.0.{port}:7946"))));
    }
    for name in ["c", "b", "back", "left", "reaped"] {
        stepper.advance(Duration::from_secs(10));
        stepper.record(Event::MemberFailed(member(name, "192.0.2.1:1")));
    }
    stepper.record(Event::MemberLeave(member("left", ADDR)));
    stepper.record(Event::MemberReap(member("reaped", ADDR)));
    stepper.record(Event::MemberUpdate(member("back", "10.0.0.70:7946")));
    stepper.advance(Duration::from_secs(1));
    // The addresses of the failed are those at which they were alive.
    let expected = ["b 10.0.0.2:7946", "c 10.0.0.3:7946"];
    let mut storage = storage;
    for restart in 0..3 {
        storage = storage.process_crash();
        let (mut stepper, recovery) = self::stepper(&storage, PATH, options());
        let all = candidates(&mut stepper);
        let (alive, failed): (Vec<_>, Vec<_>) = all.iter().partition(|(_, failed)| !failed);
        assert!(
            all.iter().position(|(_, failed)| *failed) == Some(alive.len()),
            "first the alive: {all:?}"
        );
        let mut alive: Vec<_> = alive.iter().map(|(text, _)| text.as_str()).collect();
        alive.sort_unstable();
        assert_eq!(alive, ["back 10.0.0.70:7946", "d 10.0.0.4:7946"], "never oneself");
        let failed: Vec<_> = failed.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(failed, expected, "the newest first, restart {restart}");
        assert_eq!(recovery.alive, 3);
        // From a rewritten file as from an appended one.
        if restart == 1 {
            stepper.engine().request_rewrite();
            stepper.run();
        }
    }
}

#[test]
fn an_outage_ages_nobody() {
    let storage = SimStorage::new();
    let options = || {
        Options::new().policy(policy(|policy| {
            policy.identity = Identity::new(None, Some(b"me")).unwrap();
            policy.check_interval = Duration::from_secs(24 * 3600);
        }))
    };
    let (mut first, _) = stepper(&storage, PATH, options());
    record_durably(&mut first, &[join("me"), join("b"), Event::MemberFailed(member("b", ADDR))]);
    // Alone for a month, then restarted: the only address that is left is still there.
    let month = Duration::from_secs(30 * 24 * 3600);
    first.advance(month);
    drop(first);
    let later = snapshot_io::UnixMillis(crate::common::START.0 + 2 * 30 * 24 * 3_600_000);
    let storage = storage.process_crash();
    let (mut second, _) = Stepper::open(&options().storage(storage.clone()), PATH, later).unwrap();
    record_durably(&mut second, &[Event::MemberUpdate(member("me", "10.0.0.2:7946"))]);
    assert_eq!(candidates(&mut second), [("b 10.0.0.1:7946".to_owned(), true)]);
    // Another node is alive: now its time has come.
    record_durably(&mut second, &[join("c")]);
    assert_eq!(candidates(&mut second), [("c 10.0.0.1:7946".to_owned(), false)]);
    assert!(read(&storage.contents(PATH).unwrap()).failed.is_empty());
}

#[test]
fn failed_nodes_are_bounded_and_the_oldest_go() {
    let storage = SimStorage::new();
    let options = || Options::new().policy(policy(|policy| policy.max_failed = 3));
    let (mut stepper, _) = stepper(&storage, PATH, options());
    for name in ["a", "b", "c", "d", "e"] {
        stepper.record(join(name));
        stepper.advance(Duration::from_secs(1));
        stepper.record(Event::MemberFailed(member(name, ADDR)));
    }
    stepper.advance(Duration::from_secs(1));
    let names = |found: snapshot_model::Model| found.failed.into_keys().collect::<Vec<_>>();
    assert_eq!(names(read(&storage.contents(PATH).unwrap())), [b"c", b"d", b"e"]);
    let (mut again, _) = self::stepper(&storage.process_crash(), PATH, options());
    assert_eq!(names(model_of(again.engine().state())), [b"c", b"d", b"e"]);
}

/// Name and address of each, and whether it is a last resort.
fn candidates(stepper: &mut Stepper) -> Vec<(String, bool)> {
    let own = stepper.engine().policy().identity.clone();
    let candidates = stepper.engine().state().rejoin_candidates(own.node(), 1);
    candidates
        .map(|candidate| {
            (format!("{} {}", candidate.name, candidate.addr), candidate.failed.is_some())
        })
        .collect()
}
