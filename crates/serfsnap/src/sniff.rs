//! Files that are something else, told by their first bytes.

use snapshot_format::Record;

use crate::import::records;

/// How many bytes are looked at.
pub(crate) const HEAD: usize = 512;

/// What the first bytes show a file to be, where that is no snapshot; a sentence that goes on "this is …".
pub(crate) fn recognise(head: &[u8]) -> Option<&'static str> {
    let known = AT_START.iter().find(|(magic, _)| head.starts_with(magic));
    let known = known.map(|(_, what)| *what);
    known.or_else(|| BY_SHAPE.iter().find(|(is, _)| is(head)).map(|(_, what)| *what))
}

/// Bytes that nothing else begins with.
const AT_START: [(&[u8], &str); 23] = [
    (
        b"\x1f\x8b",
        "gzip data; unpack it first (zcat FILE | serfsnap …) if it is a packed snapshot; a Raft archive of `consul \
         snapshot save` or `nomad operator snapshot save` is one too, and holds no member list: the file wanted is \
         serf/local.snapshot in the agent's data directory",
    ),
    (b"\x28\xb5\x2f\xfd", "zstd data; unpack it first: zstdcat FILE | serfsnap …"),
    (b"\xfd7zXZ\0", "xz data; unpack it first: xzcat FILE | serfsnap …"),
    (b"\x04\x22\x4d\x18", "lz4 data; unpack it first: lz4cat FILE | serfsnap …"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (
        b"\x0d\x6b\xeb\x58",
        "a segment of a Raft log, such as raft/wal/*.wal of Consul; the file wanted is serf/local.snapshot in the \
         agent's data directory",
    ),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"LPKSHHRH", "a journal of systemd; an agent's log is read with journalctl --file FILE"),
    (b"\x7fELF", "a program (ELF)"),
    (b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (b"MZ\x90\0", "a program (Windows)"),
    (b"!<arch>\n", "a package of Debian, or another ar archive"),
    (b"\xed\xab\xee\xdb", "a package (RPM)"),
    (b"-----BEGIN ", "a certificate or a key (PEM)"),
    (b"<?xml", "an XML document"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\xff\xfe", "UTF-16 text; an editor may have saved it so: store it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; an editor may have saved it so: store it as UTF-8"),
];

type Shape = fn(&[u8]) -> bool;

/// What only a closer look tells.
const BY_SHAPE: [(Shape, &str); 6] = [
    (is_bzip2, "bzip2 data; unpack it first: bzcat FILE | serfsnap …"),
    (
        is_bolt,
        "a BoltDB database, such as raft.db of Consul and Nomad; the file wanted is serf/local.snapshot in the \
         agent's data directory",
    ),
    (
        is_raft_archive,
        "the inside of a Raft archive of `consul snapshot save` or `nomad operator snapshot save`, which holds no \
         member list; the file wanted is serf/local.snapshot in the agent's data directory",
    ),
    (is_tar, "a tar archive; unpack it first if a snapshot is in it"),
    (
        is_json,
        "a JSON document; in an agent's data directory, local.keyring is one, and the file wanted is local.snapshot \
         beside it",
    ),
    (
        records::is_begin,
        "a binary snapshot of the serf crate for Rust; `serfsnap import FILE -o OUT` makes one of it that can be read",
    ),
];

fn is_bzip2(head: &[u8]) -> bool {
    head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY")
}

/// The first page: 16 bytes of header, then the magic number in the byte order of the machine.
fn is_bolt(head: &[u8]) -> bool {
    let magic = 0xed0c_daed_u32;
    head.get(16..20).is_some_and(|at| at == magic.to_le_bytes() || at == magic.to_be_bytes())
}

/// A header block whose checksum holds: the sum of its bytes, its own eight counted as spaces, in octal.
fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.first_chunk::<512>() else { return false };
    let written = block[148..156].iter().skip_while(|byte| **byte == b' ');
    let written = written
        .take_while(|byte| (b'0'..=b'7').contains(byte))
        .fold(0, |sum: u32, digit| sum * 8 + u32::from(digit - b'0'));
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let found = sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..]);
    block[0] != 0 && written == found
}

/// A tar archive whose first file is one of those that Raft's snapshots are made of.
fn is_raft_archive(head: &[u8]) -> bool {
    let name = head.split(|&byte| byte == 0).next().unwrap_or_default();
    [&b"meta.json"[..], b"state.bin", b"SHA256SUMS"].contains(&name) && is_tar(head)
}

/// An array or an object from the first byte on, and no line that a snapshot could have: one whose first block was
/// overwritten is worth reading.
fn is_json(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    let inside = text.get(1..).unwrap_or_default().trim_ascii_start();
    let begins = match text.first() {
        Some(b'{') => inside.first().is_some_and(|byte| b"\"}".contains(byte)),
        Some(b'[') => inside.first().is_some_and(|byte| b"\"{[]".contains(byte)),
        _ => false,
    };
    let is_record = |line: &[u8]| Record::parse(line).is_ok();
    begins && !head.split(|&byte| byte == b'\n').any(is_record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_known_by_their_first_bytes() {
        let check = |head: &[u8], what: &str| {
            let said = recognise(head).unwrap_or_default();
            assert!(said.contains(what), "{head:?}: {said:?}");
        };
        check(b"\x1f\x8b\x08\0\0", "Raft archive");
        check(b"\x28\xb5\x2f\xfd\0", "zstd");
        check(b"PK\x03\x04\x14", "zip");
        check(b"SQLite format 3\0\x10", "SQLite");
        check(b"\x7fELF\x02", "ELF");
        check(b"BZh91AY&SY", "bzip2");
        let mut bolt = [0; 64];
        bolt[16..20].copy_from_slice(b"\xed\xda\x0c\xed");
        check(&bolt, "BoltDB");
        check(b"\x0d\x6b\xeb\x58\0\0\0\0", "Raft log");
        check(b"LPKSHHRH\0", "journalctl");
        check(b"-----BEGIN CERTIFICATE-----\n", "certificate");
        check(b"!<arch>\ndebian-binary   ", "Debian");
        check(b"[\"c2VjcmV0IG9mIDMyIGJ5dGVzIGZvciBhIGtleS4=\"]", "local.keyring");
        check(b"\n { \"retry_join\" : [] }\n", "JSON");
        check(b"[]\n", "JSON");
        check(b"\x02\x05\0\0\0\0\0\0\0\x03", "serf crate");
    }

    #[test]
    fn a_tar_archive_is_known_by_its_checksum() {
        let mut block = [0; 512];
        block[..9].copy_from_slice(b"meta.json");
        block[257..262].copy_from_slice(b"ustar");
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(recognise(&block).is_some_and(|what| what.contains("inside of a Raft archive")));
        block[0] = b'M';
        assert_eq!(recognise(&block), None, "the checksum is wrong");
    }

    #[test]
    fn text_of_any_kind_is_read() {
        for text in [
            "",
            "alive: a 1.1.1.1:1\n",
            "\u{feff}clock: 1\n",
            "BZh bees\n",
            "PK\n",
            "[server]\n",
            "{x}",
        ] {
            assert_eq!(recognise(text.as_bytes()), None, "{text}");
        }
        let overwritten = b"{\"level\":\"error\"}\nalive: a 1.1.1.1:1\n";
        assert_eq!(recognise(overwritten), None, "a record is in it");
        assert_eq!(recognise(b"\x02\x05 control characters"), None);
        assert_eq!(recognise(&[0; HEAD]), None, "zeros are what a lost block leaves");
    }
}
