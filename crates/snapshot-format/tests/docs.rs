//! The worked example of `docs/FORMAT.md`: its bytes are what its words say.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use snapshot_format::{Decoder, Record, Sealer, Trust};

const PAGE: &str = include_str!("../../../docs/FORMAT.md");

/// The file as a person reads it.
fn listing() -> &'static str {
    let start = PAGE.find("#@format: 1\n#@seal: ").unwrap();
    PAGE[start..].split("```").next().unwrap()
}

/// The bytes of the dump, and what stands beside them.
fn dump() -> (Vec<u8>, String) {
    let (mut bytes, mut beside) = (Vec::new(), String::new());
    let rows = PAGE.lines().filter_map(|line| line.strip_suffix('|')?.split_once("  |"));
    for (row, text) in rows {
        let (offset, digits) = row.split_once("  ").unwrap();
        assert_eq!(usize::from_str_radix(offset, 16).unwrap(), bytes.len(), "{row}");
        let row = digits.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
        bytes.extend(row);
        beside.push_str(text);
    }
    (bytes, beside)
}

#[test]
fn the_dump_is_the_listing() {
    let (bytes, beside) = dump();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), listing());
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { *byte } else { b'.' };
    assert_eq!(beside.as_bytes(), bytes.iter().map(shown).collect::<Vec<_>>());
}

#[test]
fn the_seals_of_the_example_hold_and_it_is_written_as_it_is_read() {
    let (bytes, _) = dump();
    let mut decoder = Decoder::new();
    decoder.space()[..bytes.len()].copy_from_slice(&bytes);
    decoder.filled(bytes.len());
    let (mut batches, mut written) = (0, Vec::new());
    while let Some(block) = decoder.next_block() {
        assert!(matches!(block.trust, Trust::Sealed(_)), "{:?}", block.trust);
        batches += 1;
        let start = written.len();
        for line in block.lines {
            match line.record().unwrap() {
                Record::Seal(seal) => {
                    let mut sealer = Sealer::new();
                    sealer.update(&written[start..]);
                    Record::Seal(sealer.seal(seal.at)).encode(&mut written);
                }
                record => record.encode(&mut written),
            }
        }
    }
    assert_eq!((batches, written), (2, bytes));
}
