//! Blocks, their trust, and their independence of the pieces a file is read in.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use proptest::prelude::*;
use snapshot_format::{
    Decoder, Line, Lines, MAX_BATCH, MAX_LINE, Record, SealFault, Sealer, Trust, UnixMillis,
};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    number: u64,
    offset: u64,
    len: u64,
    bytes: Vec<u8>,
    trust: Option<Trust>,
}

fn seen(line: &Line<'_>, trust: Option<Trust>) -> Seen {
    Seen {
        number: line.number,
        offset: line.offset,
        len: line.len,
        bytes: line.bytes.to_vec(),
        trust,
    }
}

/// All lines with their trust, the torn end last, read in pieces of the sizes given in turn.
fn decode(mut file: &[u8], pieces: &[usize]) -> Vec<Seen> {
    let mut decoder = Decoder::new();
    let mut lines = Vec::new();
    for piece in pieces.iter().cycle() {
        let space = decoder.space();
        assert!(!space.is_empty());
        let n = file.len().min(space.len()).min(*piece);
        space[..n].copy_from_slice(&file[..n]);
        file = &file[n..];
        decoder.filled(n);
        while let Some(block) = decoder.next_block() {
            lines.extend(block.lines.map(|line| seen(&line, Some(block.trust))));
        }
        if n == 0 {
            break;
        }
    }
    lines.extend(decoder.torn().map(|line| seen(&line, None)));
    lines
}

fn sealed(lines: &[u8], at: u64) -> Vec<u8> {
    let mut sealer = Sealer::new();
    sealer.update(lines);
    let mut batch = lines.to_vec();
    Record::Seal(sealer.seal(UnixMillis(at))).encode(&mut batch);
    batch
}

fn trusts(file: &[u8]) -> Vec<&'static str> {
    decode(file, &[usize::MAX])
        .iter()
        .map(|seen| match seen.trust {
            Some(Trust::Sealed(_)) => "sealed",
            Some(Trust::Unsealed) => "unsealed",
            Some(Trust::Damaged(SealFault::Length)) => "length",
            Some(Trust::Damaged(SealFault::Checksum)) => "checksum",
            None => "torn",
        })
        .collect()
}

#[test]
fn a_seal_is_what_docs_format_shows() {
    // Computed by hand with another implementation of CRC-32C.
    let batch = sealed(b"alive: a 10.0.0.1:7946\n", 1_763_867_000_000);
    assert_eq!(
        String::from_utf8(batch).unwrap(),
        "alive: a 10.0.0.1:7946\n#@seal: 23 1763867000000 7ef66268\n"
    );
}

#[test]
fn seals_are_judged() {
    let first = sealed(b"clock: 1\n", 5);
    let second = sealed(b"clock: 2\nalive: a 1.1.1.1:1\n", 6);
    let check = |parts: &[&[u8]], expect: &[&str]| assert_eq!(trusts(&parts.concat()), expect);
    check(&[], &[]);
    check(&[&first, &second], &["sealed"; 5]);
    check(&[&first, b"clock: 9\n", b"cl"], &["sealed", "sealed", "unsealed", "torn"]);
    check(
        &[&first, &second[..second.len() - 1]],
        &["sealed", "sealed", "unsealed", "unsealed", "torn"],
    );
    check(
        &[&first, b"clock: 9\n", &second],
        &["sealed", "sealed", "length", "length", "length", "length"],
    );
    check(&[&first[..8], b"\nx\n", &second], &["length"; 5]);
    check(&[b"clock: 2\n", &first[9..]], &["checksum"; 2]);
    check(&[b"clock: 1\n", b"#@seal: 9 6", &first[20..]], &["checksum"; 2]);
    check(&[b"clock: 1\n", b"#@seal: 8 5", &first[20..]], &["length"; 2]);
    check(&[&sealed(b"", 0)], &["sealed"]);
}

#[test]
fn a_run_longer_than_a_batch_is_unsealed() {
    let line = b"alive: aaaaaaaaaaaaaa 10.0.0.1:7946\n";
    let batch_of = |lines: usize| sealed(&line.repeat(lines), 1_763_867_000_000);
    let mut lines = MAX_BATCH / line.len();
    while batch_of(lines).len() > MAX_BATCH {
        lines -= 1;
    }
    assert_eq!(trusts(&batch_of(lines)), vec!["sealed"; lines + 1]);
    let mut expect = vec!["unsealed"; lines + 3];
    expect.push("length");
    expect.extend(["sealed"; 2]);
    let file = [batch_of(lines + 3), sealed(b"clock: 1\n", 1)].concat();
    assert_eq!(trusts(&file), expect);
}

#[test]
fn a_line_too_long_is_never_held() {
    for extra in [0, 1, 70_000, 5 << 20] {
        let long = vec![b'z'; MAX_LINE + extra];
        let file = [&b"clock: 1\n"[..], &long, b"\nclock: 2\n"].concat();
        let lines = decode(&file, &[64 * 1024]);
        assert_eq!(lines, decode(&file, &[usize::MAX]));
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[1].number, lines[1].offset, lines[1].len), (2, 9, long.len() as u64));
        assert_eq!(lines[1].bytes.len() == long.len(), extra == 0);
        assert_eq!((lines[2].number, lines[2].offset), (3, 9 + long.len() as u64 + 1));
        let torn = [&b"clock: 1\n"[..], &long].concat();
        let lines = decode(&torn, &[100_000]);
        assert_eq!((lines.len(), lines[1].len, lines[1].trust), (2, long.len() as u64, None));
    }
}

#[test]
fn a_hundred_mebibytes_without_a_newline_take_little_memory() {
    let mut decoder = Decoder::new();
    let mut left = 100 << 20;
    let mut largest = 0;
    while left > 0 {
        let space = decoder.space();
        largest = largest.max(space.len());
        let n = space.len().min(left);
        space[..n].fill(b'x');
        decoder.filled(n);
        left -= n;
        assert!(decoder.next_block().is_none());
    }
    assert!(largest <= 2 * MAX_LINE, "{largest}");
    assert_eq!(decoder.torn().unwrap().len, 100 << 20);
}

#[test]
fn every_flipped_bit_of_a_sealed_file_is_noticed() {
    let batches = [
        sealed(b"#@format: 1\n", 5),
        sealed(b"clock: 1\nevent-clock: 22\n", 9),
        sealed(b"alive: a 1.1.1.1:1\n", 77),
    ];
    let file = batches.concat();
    assert!(trusts(&file).iter().all(|trust| *trust == "sealed"));
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(trusts(&flipped).iter().any(|trust| *trust != "sealed"), "bit {bit}");
    }
}

/// Lines, some sealed, some damaged, some long, with a torn end.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => Just(b"alive: a 10.0.0.1:7946\n".to_vec()),
        2 => Just(b"\n".to_vec()),
        1 => Just(b"#@seal: 0000000000000000000000000000000000000000000000000000000 1 1\n".to_vec()),
        1 => (1_usize..3, 0_usize..9000).prop_map(|(kind, len)| [&vec![b"xy"[kind - 1]; len * 40][..], b"\n"].concat()),
        1 => Just([&vec![b'l'; MAX_LINE + 9][..], b"\n"].concat()),
    ];
    let batch = (prop::collection::vec(line, 0..12), 0_u8..8).prop_map(|(lines, seal)| {
        let lines = lines.concat();
        let mut batch = sealed(&lines, 7);
        match seal {
            0 => batch.truncate(lines.len()),
            1 => batch[lines.len()] ^= 1,
            2 => batch[lines.len() + 8] ^= 1,
            _ => {}
        }
        batch
    });
    (prop::collection::vec(batch, 0..6), "[a-z #@:]{0,20}")
        .prop_map(|(batches, torn)| [batches.concat(), torn.into_bytes()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_gives_the_same_lines_with_the_same_trust(file in file(), pieces in prop::collection::vec(1_usize..200_000, 1..6)) {
        let whole = decode(&file, &[usize::MAX]);
        prop_assert_eq!(&decode(&file, &pieces), &whole);
        let mut lines = Lines::new(&file);
        let plain: Vec<_> = lines.by_ref().map(|line| Seen { trust: None, ..seen(&line, None) }).collect();
        let torn = usize::from(!lines.remainder().is_empty());
        prop_assert_eq!(plain.len() + torn, whole.len());
        for (plain, seen) in plain.iter().zip(&whole) {
            prop_assert_eq!(&Seen { trust: seen.trust, ..plain.clone() }, seen);
        }
    }
}

#[test]
fn single_bytes_give_the_same_lines() {
    let file = [
        sealed(b"clock: 1\n", 5),
        b"#@seal: x\n".to_vec(),
        sealed(b"clock: 2\n", 6),
        b"#@seal: 9 6 ".to_vec(),
    ]
    .concat();
    assert_eq!(decode(&file, &[1]), decode(&file, &[usize::MAX]));
}
