//! Seals: what they cover, what breaks them, and what is believed then.

mod common;

use snapshot_model::{Rules, crc32c, replay, warnings};

use crate::common::render;

const MAX_BATCH: usize = 256 << 10;

#[track_caller]
fn check(file: &[u8], expected: &str) {
    assert_eq!(render(&replay(file, &Rules::hardened(false))), expected);
}

/// Some lines and the seal that covers them.
fn batch(lines: &str) -> Vec<u8> {
    let covered = format!("{lines}#@seal: {} 1763000000000", lines.len());
    format!("{covered} {:08x}\n", crc32c(covered.as_bytes())).into_bytes()
}

/// A file in which the first `old` is replaced.
#[track_caller]
fn edit(file: &[u8], old: &str, new: &str) -> Vec<u8> {
    let at = file.windows(old.len()).position(|bytes| bytes == old.as_bytes());
    let at = at.expect("nothing to replace");
    [&file[..at], new.as_bytes(), &file[at + old.len()..]].concat()
}

#[test]
fn the_checksum_is_crc_32c() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283, "the check value of the catalogue of CRCs");
    assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA, "RFC 3720, appendix B.4");
    assert_eq!(crc32c(b""), 0);
    let sealed = "alive: a 10.0.0.1:7946\nclock: 7\n#@seal: 32 1763000000000 c06adc60\n";
    assert_eq!(batch("alive: a 10.0.0.1:7946\nclock: 7\n"), sealed.as_bytes());
}

/// In sealed bytes nothing is salvaged and no CR dropped, but the limits hold there as well.
#[test]
fn a_valid_seal_means_what_it_says() {
    check(&batch("alive: aalive: b h:1\nalive: c h:2\n"), "aalive: b=h:1, c=h:2");
    check(&batch("xalive: b h:1\nclock: 5\r\nalive: c h:2\r\n"), "nothing");
    check(&batch("alive: a h:1\nnot-alive: a\r\n"), "a=h:1");
    check(&batch("#@failed: a h:1 5\r\n"), "nothing");
    check(&batch("clock: 5\nclock: 281474976710657\n"), "clock 5");
    check(&batch("alive: a h:1\nalive: a h:0\nalive:  h:1\n"), "a=h:1");
    check(&batch("clock: 5\nleave\nevent-clock: 6\n"), "event 6");
    check(&batch(""), "nothing");
    check(&[batch("clock: 5\n"), batch("event-clock: 6\n")].concat(), "clock 5, event 6");
}

/// Whether the bytes before a seal line count as sealed shows in a line that only sealed bytes
/// keep as it is; whether they count as damaged shows in a clock.
const PROBE: &str = "alive: aalive: b h:1\nclock: 5\n";
const SEALED: &str = "aalive: b=h:1, clock 5";
const UNSEALED: &str = "b=h:1, clock 5";
const DAMAGED: &str = "b=h:1";

#[test]
fn a_seal_line_has_one_form_only() {
    let good = batch(PROBE);
    check(&good, SEALED);
    check(PROBE.as_bytes(), UNSEALED);
    let crc = str::from_utf8(&good[good.len() - 9..good.len() - 1]).expect("digits").to_owned();
    let no_seal = [
        (crc.as_str(), crc.to_uppercase()),
        (&crc, format!("0{crc}")),
        (&crc, crc[1..].to_owned()),
        (&crc, "0000000g".to_owned()),
        (&crc, format!("{crc} ")),
        (&crc, format!("{crc}\r")),
        ("#@seal: ", "#@seal:  ".to_owned()),
        ("#@seal: ", "#@Seal: ".to_owned()),
        ("#@seal: ", " #@seal: ".to_owned()),
        ("#@seal: 30", "#@seal: +30".to_owned()),
        ("#@seal: 30", "#@seal: ".to_owned()),
        ("30 1763000000000", "30  1763000000000".to_owned()),
        ("1763000000000", "x".to_owned()),
        ("1763000000000", "18446744073709551616".to_owned()),
    ];
    assert!(crc != crc.to_uppercase(), "the example must have a letter");
    for (old, new) in no_seal {
        check(&edit(&good, old, &new), UNSEALED);
    }
    check(good.strip_suffix(b"\n").expect("an LF"), UNSEALED);
}

#[test]
fn a_seal_that_does_not_match_marks_damage() {
    let good = batch(PROBE);
    check(&edit(&good, "aalive", "xalive"), DAMAGED);
    check(&edit(&good, "#@seal: 30", "#@seal: 31"), DAMAGED);
    check(&edit(&good, "#@seal: 30", "#@seal: 030"), DAMAGED);
    check(&edit(&good, "1763000000000", "1763000000001"), DAMAGED);
    check(&[b"# more\n", &good[..]].concat(), DAMAGED);
    check(&["\u{feff}".as_bytes(), &good[..]].concat(), DAMAGED);
}

/// LEN has to match by itself: here the checksum is right and only the length is wrong.
#[test]
fn a_length_that_does_not_reach_back_marks_damage() {
    for length in [0, 29, 31, u64::MAX] {
        let covered = format!("{PROBE}#@seal: {length} 1763000000000");
        let file = format!("{covered} {:08x}\n", crc32c(covered.as_bytes()));
        check(file.as_bytes(), DAMAGED);
    }
    let short = batch("clock: 5\n");
    check(&[b"alive: aalive: b h:1\n", &short[..]].concat(), DAMAGED);
}

#[test]
fn damage_ends_with_its_batch() {
    let first = "clock: 5\nevent-clock: 6\nalive: a h:1\nalive: q h:9\nnot-alive: q\n";
    let file = [batch(first), batch("query-clock: 7\nalive: b h:2\n")].concat();
    check(&file, "a=h:1, b=h:2, clock 5, event 6, query 7");
    check(&edit(&file, "a h:1", "c h:1"), "b=h:2, c=h:1, query 7");
    check(&edit(&file, "b h:2", "d h:2"), "a=h:1, d=h:2, clock 5, event 6");
    check(&edit(&file, "#@seal: ", "#Pseal: "), "a=h:1, b=h:2");
}

#[test]
fn a_damaged_batch_still_names_members() {
    let lines = "alive: a h:1\r\nalive: x h:alive: b h:2\n#@failed: c h:3 5\nnot-alive: a\r\n";
    let file = batch(lines);
    check(&edit(&file, "1763", "1764"), "b=h:2, failed c=h:3@5");
    let left = batch("alive: a h:1\n#@failed: c h:3 5\nleave\nclock: 3\n");
    check(&edit(&left, "1763", "1764"), "nothing");
    let later = [batch("clock: 4\nalive: a h:1\n"), edit(&left, "1763", "1764")].concat();
    check(&later, "nothing");
}

#[test]
fn lines_behind_the_last_seal_are_unsealed() {
    let mut file = batch("alive: s h:1\nclock: 2\n");
    file.extend(PROBE.as_bytes());
    check(&file, "b=h:1, s=h:1, clock 5");
    file.extend(b"clock: 9");
    check(&file, "b=h:1, s=h:1, clock 5");
}

/// `lines` with a comment in front that makes a batch of `size` bytes, seal line included.
fn batch_of(size: usize, lines: &str) -> Vec<u8> {
    let commented = |filler| batch(&format!("#{}\n{lines}", "-".repeat(filler)));
    // LEN has as many digits in the first try as in the second.
    let filler = size - 1_000;
    let file = commented(filler + size - commented(filler).len());
    assert_eq!(file.len(), size);
    file
}

#[test]
fn a_batch_may_have_256_kib() {
    check(&batch_of(MAX_BATCH, PROBE), SEALED);
    check(&edit(&batch_of(MAX_BATCH, PROBE), "1763", "1764"), DAMAGED);
    check(&batch_of(MAX_BATCH + 1, PROBE), UNSEALED);
    check(&edit(&batch_of(MAX_BATCH + 1, PROBE), "1763", "1764"), UNSEALED);
}

/// The seal at the end of such a run covers nothing, but the next run begins behind it.
#[test]
fn a_run_that_is_too_long_ends_at_its_seal() {
    let long = batch_of(MAX_BATCH + 1, "alive: calive: d h:4\n");
    check(&[&long[..], &batch(PROBE)[..]].concat(), "aalive: b=h:1, d=h:4, clock 5");
    let long_line = ["x".repeat(2 << 20).as_bytes(), b"\n", &batch("clock: 2\n")[..]].concat();
    check(&[&long_line[..], &batch(PROBE)[..]].concat(), SEALED);
}

/// A line over `MAX_LINE` is not read at all, so it is no seal either.
#[test]
fn a_line_over_1_mib_is_no_seal() {
    let long = format!("#@seal: {}1 1 01234567\n", "0".repeat(1 << 20));
    check(&[long.as_bytes(), &batch(PROBE)[..]].concat(), UNSEALED);
    let long = format!("#@seal: {}1 1 01234567\n", "0".repeat(1 << 19));
    check(&[long.as_bytes(), &batch(PROBE)[..]].concat(), SEALED);
}

#[test]
fn serf_sees_comments_where_we_see_seals() {
    let file = [
        batch("#@format: 1\n#@cluster: c\n#@node: n\n"),
        batch("clock: 5\nevent-clock: 6\nquery-clock: 7\n"),
        batch("alive: a h:1\nalive: b h:2\nnot-alive: b\n#@failed: b h:2 5\n"),
    ]
    .concat();
    check(&file, "a=h:1, failed b=h:2@5, clock 5, event 6, query 7");
    for at in [file.len(), file.len() - 3] {
        let model = replay(&file[..at], &Rules::serf(false));
        assert_eq!(render(&model), "a=h:1, clock 5, event 6, query 7");
    }
    assert_eq!(warnings(&file), 0);
    let damaged = edit(&file, "clock: 5", "clock: 4");
    check(&damaged, "a=h:1, failed b=h:2@5");
    let model = replay(&damaged, &Rules::serf(false));
    assert_eq!(render(&model), "a=h:1, clock 4, event 6, query 7");
}

/// Whichever bit flips, no clock is made up.
#[test]
fn no_flipped_bit_changes_a_clock() {
    let file = [
        batch("clock: 5\nevent-clock: 6\nquery-clock: 7\n"),
        batch("alive: a h:1\nclock: 8\n"),
        batch("query-clock: 9\n#@failed: b h:2 5\n"),
    ]
    .concat();
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let model = replay(&flipped, &Rules::hardened(true));
        let times = (model.clock, model.event_clock, model.query_clock);
        assert!(matches!(times, (0 | 5 | 8, 0 | 6, 0 | 7 | 9)), "bit {bit}: {times:?}");
    }
}
