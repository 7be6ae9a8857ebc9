//! What a line says, and what is wrong with one that says nothing.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use proptest::prelude::*;
use snapshot_format::{
    Addr, Coordinate, InvalidCoordinate, LamportTime, Name, Problem, Record, Seal, Text,
    UnixMillis, salvage,
};

fn alive<'a>(name: &'a [u8], addr: &'a [u8]) -> Record<'a> {
    Record::Alive { name: Name::new(name).unwrap(), addr: Addr::new(addr).unwrap() }
}

fn not_alive(name: &[u8]) -> Record<'_> {
    Record::NotAlive { name: Name::new(name).unwrap() }
}

fn failed<'a>(name: &'a [u8], addr: &'a [u8], at: u64) -> Record<'a> {
    Record::Failed {
        name: Name::new(name).unwrap(),
        addr: Addr::new(addr).unwrap(),
        at: UnixMillis(at),
    }
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    record.encode(&mut line);
    line
}

#[test]
fn lines_are_read_and_written_alike() {
    let check = |line: &[u8], expect: Record<'_>| {
        assert_eq!(Record::parse(line), Ok(expect), "{}", line.escape_ascii());
        assert_eq!(encoded(&expect), [line, b"\n"].concat());
    };
    check(b"alive: foo 1.2.3.4:5", alive(b"foo", b"1.2.3.4:5"));
    check(b"alive: foo bar 1.2.3.4:5", alive(b"foo bar", b"1.2.3.4:5"));
    check(b"alive:  1.2.3.4:5", alive(b"", b"1.2.3.4:5"));
    check(b"alive: foo ", alive(b"foo", b""));
    check(b"alive:  ", alive(b"", b""));
    check(b"alive: a 1.1.1.1:1\r", alive(b"a", b"1.1.1.1:1\r"));
    check(b"alive: clock: 5 1.1.1.1:1", alive(b"clock: 5", b"1.1.1.1:1"));
    check(b"alive: \xff\x00 x", alive(b"\xff\x00", b"x"));
    check(b"not-alive: foo bar", not_alive(b"foo bar"));
    check(b"not-alive: ", not_alive(b""));
    check(b"not-alive: a ", not_alive(b"a "));
    check(b"clock: 0", Record::Clock(LamportTime(0)));
    check(b"clock: 18446744073709551615", Record::Clock(LamportTime(u64::MAX)));
    check(b"event-clock: 12", Record::EventClock(LamportTime(12)));
    check(b"query-clock: 13", Record::QueryClock(LamportTime(13)));
    check(b"leave", Record::Leave);
    check(b"#@format: 1", Record::Format(1));
    check(b"#@cluster: eu west", Record::Cluster(Text::new(b"eu west").unwrap()));
    check(b"#@node: web 1", Record::Node(Name::new(b"web 1").unwrap()));
    check(
        b"#@failed: web 1 10.0.0.1:7946 1763867000000",
        failed(b"web 1", b"10.0.0.1:7946", 1_763_867_000_000),
    );
    check(b"#@failed:   7", failed(b"", b"", 7));
    let seal = Seal { len: 104, at: UnixMillis(1_763_867_000_000), crc: 0x00c0_ffee };
    check(b"#@seal: 104 1763867000000 00c0ffee", Record::Seal(seal));
    let numbers = [0.5, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1e-300];
    let coordinate = Record::Coordinate(Coordinate::new(numbers, 1.5, 0.0, 1e-5).unwrap());
    check(
        b"coordinate: {\"Vec\":[0.5,0.0,-1.0,0.0,0.0,0.0,0.0,1e-300],\"Error\":1.5,\"Adjustment\":0.0,\"Height\":0.00001}",
        coordinate,
    );
}

#[test]
fn numbers_may_have_leading_zeros() {
    assert_eq!(Record::parse(b"clock: 007"), Ok(Record::Clock(LamportTime(7))));
    let many = [&b"clock: "[..], &[b'0'; 5000], b"9"].concat();
    assert_eq!(Record::parse(&many), Ok(Record::Clock(LamportTime(9))));
}

#[test]
fn comments_and_unknown_extensions_always_parse() {
    let check = |line: &[u8], extension: bool| {
        let record = Record::parse(line).unwrap();
        assert_eq!(matches!(record, Record::Extension(_)), extension, "{}", line.escape_ascii());
        assert_eq!(matches!(record, Record::Comment(_)), !extension);
        assert_eq!(encoded(&record), [line, b"\n"].concat());
    };
    check(b"#", false);
    check(b"# @format: 1", false);
    check(b"#alive: b 2.2.2.2:2", false);
    for line in [
        &b"#@"[..],
        b"#@what: ever",
        b"#@format:1",
        b"#@format: x",
        b"#@format: ",
        b"#@format: 1 ",
        b"#@format: 18446744073709551616",
        b"#@failed: a",
        b"#@failed: a b",
        b"#@failed: a b c",
        b"#@failed: a b 1 ",
        b"#@seal: 1 2 00c0ffe",
        b"#@seal: 1 2 00c0ffeee",
        b"#@seal: 1 2 00C0FFEE",
        b"#@seal: 1  2 00c0ffee",
        b"#@seal: -1 2 00c0ffee",
        b"#@seal: 1 2 00c0ffee ",
        b"#@seal: 00000000 10 1763000000000",
    ] {
        check(line, true);
    }
}

#[test]
fn what_is_no_record_has_a_problem_and_a_place() {
    let check = |line: &[u8], problem: Problem, span: core::ops::Range<usize>| {
        let error = Record::parse(line).unwrap_err();
        assert_eq!((error.problem, error.span), (problem, span), "{}", line.escape_ascii());
    };
    let unrecognized: [&[u8]; 15] = [
        b"",
        b" ",
        b"alive:foo 1.2.3.4:5",
        b" alive: foo 1.2.3.4:5",
        b"Alive: foo 1.2.3.4:5",
        b"LEAVE",
        b"leave ",
        b"leave\r",
        b"leaves",
        b"coordinate:{}",
        b"alive",
        b"not-alive:a",
        b"\xef\xbb\xbfclock: 1",
        b" # x",
        b"\0\0\0",
    ];
    for line in unrecognized {
        check(line, Problem::Unrecognized, 0..line.len());
    }
    check(b"alive: foo", Problem::MissingAddress, 10..10);
    check(b"alive: ", Problem::MissingAddress, 7..7);
    for prefix in ["clock: ", "event-clock: ", "query-clock: "] {
        let at = prefix.len();
        for (body, problem, from) in [
            ("-1", Problem::NotANumber, 0),
            ("+1", Problem::NotANumber, 0),
            ("0x10", Problem::NotANumber, 1),
            ("1_0", Problem::NotANumber, 1),
            (" 5", Problem::NotANumber, 0),
            ("5 ", Problem::NotANumber, 1),
            ("5\r", Problem::NotANumber, 1),
            ("", Problem::NotANumber, 0),
            ("\u{661}", Problem::NotANumber, 0),
            ("1e3", Problem::NotANumber, 1),
            ("18446744073709551616", Problem::NumberTooLarge, 0),
            ("99999999999999999999999", Problem::NumberTooLarge, 0),
        ] {
            let line = format!("{prefix}{body}");
            check(line.as_bytes(), problem, at + from..line.len());
        }
    }
    check(b"coordinate: nope", Problem::NotACoordinate, 12..16);
    let error = Record::parse(b"clock: 1x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "bytes 8 to 9 of the line: a clock is written in decimal digits alone"
    );
}

#[test]
fn coordinates_are_finite_and_have_eight_dimensions() {
    let check = |json: &str, expect: Result<f64, InvalidCoordinate>| {
        assert_eq!(
            Coordinate::from_json(json.as_bytes()).map(|coordinate| coordinate.height()),
            expect,
            "{json}"
        );
    };
    check(r#"{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":1e-05}"#, Ok(1e-5));
    check(
        r#" { "Height" : 2, "Error":1, "Other":[], "Adjustment":-0.5,"Vec":[1,2,3,4,5,6,7,8.5] } "#,
        Ok(2.0),
    );
    check(
        r#"{"Vec":[0,0,0],"Error":1,"Adjustment":0,"Height":0}"#,
        Err(InvalidCoordinate::Dimensions { found: 3 }),
    );
    for json in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0}"#,
        r#"{"Vec":[0,0,0,0,0,0,0,"0"],"Error":1,"Adjustment":0,"Height":0}"#,
        r#"{"Vec":[0,0,0,0,0,0,0,0],"Error":1e999,"Adjustment":0,"Height":0}"#,
        r#"{"Vec":[0,0,0,0,0,0,0,0],"Error":NaN,"Adjustment":0,"Height":0}"#,
        r#"{"Vec":[0,0,0,0,0,0,0,0],"Error":1,"Adjustment":0,"Height":0}x"#,
    ] {
        check(json, Err(InvalidCoordinate::Json));
    }
    let nested = "[".repeat(1 << 20);
    check(&nested, Err(InvalidCoordinate::Json));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Coordinate::new([0.0; 8], 0.0, bad, 0.0), Err(InvalidCoordinate::NotFinite));
        assert_eq!(Coordinate::new([bad; 8], 0.0, 0.0, 0.0), Err(InvalidCoordinate::NotFinite));
    }
}

#[test]
fn salvage_finds_the_innermost_record_first() {
    let check = |line: &[u8], expect: &[(usize, Record<'_>)]| {
        assert_eq!(salvage(line).collect::<Vec<_>>(), expect, "{}", line.escape_ascii());
    };
    check(b"alive: foo 10.0.0alive: new 10.0.0.9:7946", &[(17, alive(b"new", b"10.0.0.9:7946"))]);
    check(b"clock: 12alive: new 10.0.0.9:7946", &[(9, alive(b"new", b"10.0.0.9:7946"))]);
    check(
        b"alive: a 1alive: b 2alive: c 3",
        &[(20, alive(b"c", b"3")), (10, alive(b"b 2alive: c", b"3"))],
    );
    check(b"\0\0\0\0\0\0\0\0alive: a 1.1.1.1:1", &[(8, alive(b"a", b"1.1.1.1:1"))]);
    check(b"alive: a 1.1.1.1:1", &[]);
    check(b"not-alive: a b", &[]);
    check(b"xnot-alive: a b", &[]);
    check(b"xalive: a", &[]);
    check(b"clock: 5event-clock: 6", &[]);
}

fn text(pattern: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(vec![
        &b"alive: "[..],
        b"not-alive: ",
        b"#@seal: 1 2 ",
        b" ",
        b"\r",
        b"\0",
        b"leave",
        b"9",
    ]);
    prop::collection::vec(
        prop_oneof![odd.prop_map(<[u8]>::to_vec), prop::collection::vec(any::<u8>(), 0..4)],
        0..6,
    )
    .prop_map(move |parts| {
        parts.concat().into_iter().filter(|byte| !pattern.contains(byte)).collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(name in text(b"\n"), addr in text(b"\n "), number in any::<u64>(), crc in any::<u32>(), floats in any::<[f64; 11]>()) {
        let name_of = Name::new(&name).unwrap();
        let addr_of = Addr::new(&addr).unwrap();
        let time = LamportTime(number);
        let mut records = vec![
            Record::Alive { name: name_of, addr: addr_of }, Record::NotAlive { name: name_of }, Record::Clock(time),
            Record::EventClock(time), Record::QueryClock(time), Record::Leave, Record::Format(number),
            Record::Cluster(Text::new(&name).unwrap()), Record::Node(name_of),
            Record::Failed { name: name_of, addr: addr_of, at: UnixMillis(number) },
            Record::Seal(Seal { len: number, at: UnixMillis(number), crc }),
        ];
        let vec = <[f64; 8]>::try_from(&floats[..8]).unwrap();
        records.extend(Coordinate::new(vec, floats[8], floats[9], floats[10]).ok().map(Record::Coordinate));
        for record in records {
            let line = encoded(&record);
            prop_assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1));
            prop_assert_eq!(Record::parse(&line[..line.len() - 1]), Ok(record));
        }
    }

    #[test]
    fn any_line_that_parses_is_written_as_one_that_reads_the_same(line in text(b"\n")) {
        if let Ok(record) = Record::parse(&line) {
            let again = encoded(&record);
            prop_assert_eq!(Record::parse(&again[..again.len() - 1]), Ok(record));
        }
    }
}
