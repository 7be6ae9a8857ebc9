//! Every kind of finding, with a file that shows it: where it is, and what of the file is recovered all the same.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::collections::BTreeSet;
use std::ops::Range;

use common::{corpus, decode_with, edge_case, policy, sealed};
use snapshot_engine::{Identity, Mode, State};

enum From {
    /// The id of an edge case.
    Edge(&'static str),
    /// A file that a real agent left.
    Corpus(&'static str),
    /// Neither shows it: no Serf agent writes such a file.
    Made(Vec<u8>),
}

use From::{Corpus, Edge, Made};

struct Example {
    kind: &'static str,
    file: From,
    line: u64,
    bytes: Range<u64>,
    /// Who is alive afterwards, and the three clocks.
    left: &'static str,
}

fn example(
    kind: &'static str,
    file: From,
    line: u64,
    bytes: Range<u64>,
    left: &'static str,
) -> Example {
    Example { kind, file, line, bytes, left }
}

/// With one bit of the body turned over, so that its seal does not hold.
fn damaged(lines: &[u8], at: usize) -> Vec<u8> {
    let mut file = sealed(lines);
    file[at] ^= 1;
    file
}

fn too_long() -> Vec<u8> {
    [&b"alive: a 1.1.1.1:1\n"[..], &vec![b'x'; 1024 * 1024 + 1], b"\nclock: 4\n"].concat()
}

/// A seal line that was turned into a comment: the next seal covers less than it should.
fn broken_chain() -> Vec<u8> {
    let first = sealed(b"alive: a 1.1.1.1:1\nclock: 7\n");
    let mut file = [first, sealed(b"alive: b 1.1.1.1:2\nclock: 4\n")].concat();
    file[29] = b'!';
    file
}

fn examples() -> Vec<Example> {
    let of = |lines: &[u8]| Made(sealed(lines));
    vec![
        example("unrecognized", Edge("capital"), 1, 0..20, "; 0 0 0"),
        example("nul-run", Made(b"clock: 4\n\0\0\0\0\0\0\0\0\0\n".to_vec()), 2, 9..18, "; 4 0 0"),
        example("missing-address", Edge("alive-no-addr"), 1, 0..10, "; 0 0 0"),
        example("invalid-address", Edge("not-an-address"), 1, 0..25, "; 0 0 0"),
        example("empty-name", Edge("empty-name"), 1, 0..17, "; 0 0 0"),
        example("name-too-long", Edge("long-line"), 1, 0..70_017, "a; 0 0 0"),
        example("invalid-clock", Edge("clock-value-0"), 2, 9..18, "; 7 0 0"),
        example("clock-too-high", Edge("clock-value-10"), 2, 9..36, "; 7 0 0"),
        example("invalid-coordinate", Edge("coordinate-bad"), 1, 0..16, "; 0 0 0"),
        example("line-too-long", Made(too_long()), 2, 19..1_048_596, "a; 4 0 0"),
        example("salvaged", Edge("torn-alive-glued"), 1, 0..41, "new; 0 0 0"),
        example(
            "glued",
            Corpus("42-torn-alive-line-glued-by-real-serf.snap"),
            2,
            25..70,
            "a; 0 1 0",
        ),
        example("byte-order-mark", Edge("bom"), 1, 0..23, "foo; 3 0 0"),
        example("carriage-return", Edge("crlf"), 1, 0..21, "; 0 0 0"),
        example("seal-mismatch", Made(damaged(b"alive: a 1.1.1.1:1\n", 7)), 2, 0..52, "`; 0 0 0"),
        example("seal-length", Made(broken_chain()), 6, 0..123, "a,b; 0 0 0"),
        example("clock-in-damage", Made(damaged(b"clock: 4\n", 7)), 1, 0..8, "; 0 0 0"),
        example("unknown-extension", Edge("extension-lines"), 5, 80..113, "; 0 0 0"),
        example("newer-format", of(b"#@format: 2\nclock: 4\n"), 1, 0..11, "; 4 0 0"),
        example("other-node", of(b"#@node: elsewhere\nclock: 4\n"), 1, 0..17, "; 4 0 0"),
        example("foreign-cluster", of(b"#@cluster: west\nclock: 4\n"), 1, 0..15, "; 4 0 0"),
    ]
}

fn left(state: &State) -> String {
    let names: Vec<_> = state.alive().map(|(name, _)| name.to_string()).collect();
    let names: BTreeSet<_> = names.iter().map(String::as_str).collect();
    let clocks = state.clocks();
    format!(
        "{}; {} {} {}",
        names.into_iter().collect::<Vec<_>>().join(","),
        clocks.clock,
        clocks.event_clock,
        clocks.query_clock
    )
}

#[test]
fn every_kind_of_finding_has_a_file_that_shows_it() {
    let policy =
        policy(|policy| policy.identity = Identity::new(Some(b"east"), Some(b"here")).unwrap());
    for Example { kind, file, line, bytes, left: expected } in examples() {
        let file = match file {
            Edge(id) => edge_case(id),
            Corpus(name) => corpus(name),
            Made(file) => file,
        };
        let (state, report) = decode_with(&file, Mode::Hardened, &policy);
        let found = report
            .findings
            .iter()
            .find(|finding| finding.kind.as_str() == kind)
            .unwrap_or_else(|| panic!("{kind}: {:?}", report.findings));
        let place = (found.line, found.offset..found.offset + found.len);
        println!("{kind} {place:?} {}", left(&state));
        assert_eq!(place, (line, bytes), "{kind}");
        assert_eq!(left(&state), expected, "{kind}");
    }
}

#[test]
fn no_kind_of_finding_is_without_an_example_and_a_line_of_the_format_page() {
    let shown: BTreeSet<_> = examples().iter().map(|example| example.kind).collect();
    let source = include_str!("../src/finding.rs");
    let words: BTreeSet<_> = source
        .lines()
        .filter_map(|line| line.trim().split_once(" => \"")?.1.split('"').next())
        .collect();
    assert_eq!(shown, words);
    let page = include_str!("../../../docs/FORMAT.md");
    for word in words {
        assert!(page.contains(&format!("\n| `{word}` |")), "{word}");
    }
}
