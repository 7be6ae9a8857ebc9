use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Usual;
use crate::{MAX_NAME, Record};

/// What the grammar makes of a line, if it is as [`Usual`] says.
fn judged(line: &[u8]) -> Option<Usual<'_>> {
    match Record::parse(line).ok()? {
        Record::Alive { name, addr } => {
            let is_usual = (1..=MAX_NAME).contains(&name.as_bytes().len())
                && name.is_plain()
                && addr.is_dialable();
            is_usual.then_some(Usual::Alive { name, addr })
        }
        Record::NotAlive { name } => {
            (!name.as_bytes().ends_with(b"\r")).then_some(Usual::NotAlive { name })
        }
        Record::Clock(time) => Some(Usual::Clock(time)),
        Record::EventClock(time) => Some(Usual::EventClock(time)),
        Record::QueryClock(time) => Some(Usual::QueryClock(time)),
        _ => None,
    }
}

/// Whether these are lines that must not be missed.
fn is_promised(usual: Usual<'_>, line: &[u8]) -> bool {
    match usual {
        Usual::Alive { addr, .. } => addr.as_bytes().len() < 32 && !addr.as_bytes().contains(&b'['),
        Usual::NotAlive { .. } => true,
        _ => line.rsplit(|&byte| byte == b' ').next().unwrap().len() <= 8,
    }
}

fn check(line: &[u8]) -> Result<(), TestCaseError> {
    match (Usual::read(line), judged(line)) {
        (None, Some(usual)) => prop_assert!(!is_promised(usual, line), "missed: {usual:?}"),
        (read, judged) => prop_assert_eq!(read, judged),
    }
    Ok(())
}

/// Addresses of all lengths around those of the parts that are looked at together, most of them dialable.
fn addrs() -> impl Strategy<Value = Vec<u8>> {
    let host = prop_oneof![
        4 => "[0-9.]{1,15}",
        4 => "[a-zA-Z0-9._-]{0,34}",
        1 => Just(String::from("[fe80::1%eth0]")),
        1 => "[ -~]{0,8}",
    ];
    let port = prop_oneof![8 => "[0-9]{1,5}", 2 => "[0-9]{0,9}", 1 => "[ -~]{0,3}"];
    (host, port).prop_map(|(host, port)| format!("{host}:{port}").into_bytes())
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    let plain = vec(prop_oneof![9 => b'!'..=b'~', 1 => Just(b' ')], 0..70);
    prop_oneof![4 => plain, 1 => vec(any::<u8>(), 0..40)]
}

const KEYWORDS: &[&[u8]] = &[
    b"alive: ",
    b"not-alive: ",
    b"clock: ",
    b"event-clock: ",
    b"query-clock: ",
    b"#@failed: ",
    b"leave",
    b"",
];

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let keyword = prop::sample::select(KEYWORDS);
    let body = prop_oneof![
        6 => (names(), addrs()).prop_map(|(name, addr)| [&name[..], b" ", &addr].concat()),
        2 => names(),
        3 => "[0-9]{0,10}".prop_map(String::into_bytes),
        1 => "[0-:]{0,9}".prop_map(String::into_bytes),
    ];
    (keyword, body).prop_map(|(keyword, body)| [keyword, &body].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_usual_line_is_what_the_grammar_says(line in lines()) {
        check(&line)?;
    }

    /// One byte of a usual line is another one.
    #[test]
    fn no_other_line_is_taken_for_one(
        name in "[a-z0-9-]{1,60}",
        host in "[0-9.]{1,15}",
        port in 1_u16..,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut line = format!("alive: {name} {host}:{port}").into_bytes();
        prop_assert!(Usual::read(&line).is_some());
        let at = at.index(line.len());
        line[at] = byte;
        check(&line)?;
    }
}

#[test]
fn every_clock_of_eight_digits_is_read() {
    for digits in ["0", "00000000", "00000001", "12345678", "99999999", "90807060", "7", "10"] {
        for keyword in ["clock: ", "event-clock: ", "query-clock: "] {
            let line = format!("{keyword}{digits}");
            let read = Usual::read(line.as_bytes());
            assert!(read.is_some() && read == judged(line.as_bytes()), "{line}");
        }
    }
    for odd in ["clock: ", "clock: 123456789", "clock: /", "clock: :", "clock: 1\r", "clock:1"] {
        assert_eq!(Usual::read(odd.as_bytes()), None, "{odd}");
    }
}

#[test]
fn every_port_is_read() {
    for port in 0..=99_999_u32 {
        let line = format!("alive: a b:{port}");
        assert_eq!(Usual::read(line.as_bytes()).is_some(), (1..=65_535).contains(&port), "{line}");
    }
}

#[test]
fn a_name_of_any_length_may_be_plain() {
    for len in 1..100 {
        let mut line = format!("alive: {} 10.0.0.1:7946", "n".repeat(len)).into_bytes();
        assert!(Usual::read(&line).is_some());
        for at in 7..7 + len {
            for odd in [b':', 0] {
                line[at] = odd;
                assert_eq!(Usual::read(&line), None, "{at} of {len}");
            }
            line[at] = b'n';
        }
    }
    let long = |len| format!("alive: {} 10.0.0.1:7946", "n".repeat(len));
    assert!(Usual::read(long(MAX_NAME).as_bytes()).is_some());
    assert_eq!(Usual::read(long(MAX_NAME + 1).as_bytes()), None);
}
