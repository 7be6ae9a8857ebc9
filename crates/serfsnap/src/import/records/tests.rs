use std::fs;
use std::io::Read;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A record as it is kept beyond the buffer it was read from.
type Owned = (u64, usize, String);

/// As the crate encodes it: tag, length, name, address.
pub(crate) fn encoded(tag: u8, name: &[u8], addr: SocketAddr) -> Vec<u8> {
    let mut octets = match addr {
        SocketAddr::V4(addr) => [&[0], &addr.ip().octets()[..]].concat(),
        SocketAddr::V6(addr) => [&[1], &addr.ip().octets()[..]].concat(),
    };
    octets.extend(addr.port().to_be_bytes());
    let mut body = vec![0x11];
    let mut rest = name.len();
    while rest > 0x7f {
        body.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    body.push(u8::try_from(rest).unwrap());
    body.extend(name);
    body.extend([0x12, u8::try_from(octets.len()).unwrap()]);
    body.extend(octets);
    let mut record = vec![tag];
    record.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    record.extend(body);
    record
}

/// The real files, by name.
pub(crate) fn real_files() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/serf-crate");
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "bin"));
    let files: Vec<_> =
        files.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect();
    assert!(files.len() >= 9);
    files
}

fn read(source: impl Read) -> (Vec<Owned>, End) {
    let mut records = Vec::new();
    let end = for_each(source, |offset, len, record| {
        records.push((offset, len, format!("{record:?}")));
    });
    (records, end.unwrap())
}

/// Gives so many bytes at a time.
struct Dripping<'a>(&'a [u8], usize);

impl Read for Dripping<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let len = self.1.min(space.len());
        self.0.read(&mut space[..len])
    }
}

#[test]
fn records_are_read_as_the_page_says() {
    let v4: SocketAddr = "127.0.65.1:17946".parse().unwrap();
    let v6: SocketAddr = "[::1]:7946".parse().unwrap();
    let check = |bytes: &[u8], expect: Record<'_>| {
        assert_eq!(first(bytes), Ok((expect, bytes.len())));
        assert_eq!(first(&[bytes, b"\x09"].concat()), Ok((expect, bytes.len())));
        for len in 0..bytes.len() {
            assert_eq!(first(&bytes[..len]), Err(Stop::Short), "{len} bytes");
        }
    };
    let literal = b"\0\x0c\0\0\0\x11\x01a\x12\x07\0\x7f\0\x41\x01\x46\x1a";
    check(literal, Record::Alive(Node { name: b"a", addr: v4 }));
    check(&encoded(0, b"a", v4), Record::Alive(Node { name: b"a", addr: v4 }));
    check(&encoded(1, b"", v6), Record::NotAlive(Node { name: b"", addr: v6 }));
    let long = [b'n'; 300];
    check(&encoded(0, &long, v4), Record::Alive(Node { name: &long, addr: v4 }));
    check(b"\x02\x01\x02\0\0\0\0\0\0", Record::Clock(0x201));
    check(b"\x03\0\0\0\0\0\0\0\x01", Record::EventClock(1 << 56));
    check(b"\x04\xff\xff\xff\xff\xff\xff\xff\xff", Record::QueryClock(u64::MAX));
    check(b"\x05", Record::Coordinate);
    check(b"\x06", Record::Leave);
    check(b"\x07", Record::Comment);
}

#[test]
fn fields_stand_in_any_order_and_unknown_ones_are_skipped() {
    let addr = "1.2.3.4:5".parse().unwrap();
    let others = b"\x01\xff\x0a\xff\x01\x1b1234\x2312345678\x13\x02xx";
    let body = [&b"\x12\x07\0\x01\x02\x03\x04\0\x05"[..], others, b"\x11\x01a"].concat();
    let len = u32::try_from(body.len()).unwrap().to_le_bytes();
    let record = [&b"\0"[..], &len, &body].concat();
    assert_eq!(first(&record), Ok((Record::Alive(Node { name: b"a", addr }), record.len())));
}

#[test]
fn what_cannot_be_read_is_named() {
    const ADDRESS: &[u8] = b"\x12\x07\0\x01\x02\x03\x04\0\x05";
    let check = |body: &[u8], expect: Fault, words: &str| {
        let len = u32::try_from(body.len()).unwrap().to_le_bytes();
        assert_eq!(first(&[&b"\0"[..], &len, body].concat()), Err(Stop::Fault(expect)));
        assert!(expect.to_string().contains(words), "{expect}");
    };
    check(b"", Fault::EmptyNode, "zeros");
    check(b"\x11\x05abc", Fault::Overrun, "ends behind it");
    check(b"\x11\x80", Fault::Overrun, "ends behind it");
    check(b"\x2f", Fault::WireType(0x2f), "0x2f");
    check(b"\x11\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", Fault::Varint, "64 bits");
    check(b"\x11\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Fault::Overrun, "ends behind it");
    check(b"\x11\x01a\x11\x01b", Fault::Twice(0x11), "two fields 0x11");
    check(&[ADDRESS, ADDRESS].concat(), Fault::Twice(0x12), "two fields 0x12");
    check(ADDRESS, Fault::NoName, "without a name");
    check(b"\x11\x01a", Fault::NoAddress, "without an address");
    check(b"\x11\x01a\x12\x07\x01\x01\x02\x03\x04\0\x05", Fault::Address(7, 1), "family 1");
    check(b"\x11\x01a\x12\x07\x02\x01\x02\x03\x04\0\x05", Fault::Address(7, 2), "family 2");
    check(b"\x11\x01a\x12\0", Fault::Address(0, 0), "0 bytes");
    assert_eq!(first(b"\x08"), Err(Stop::Fault(Fault::Tag(8))));
    assert_eq!(first(b"alive: a"), Err(Stop::Fault(Fault::Tag(b'a'))));
}

/// Two gibibytes are promised, and sixty-four kibibytes of them are there.
#[test]
fn a_length_reserves_nothing() {
    let promised = [&b"\0\xff\xff\xff\x7f"[..], &*vec![0; MAX_NODE]].concat();
    let (records, end) = read(&*promised);
    assert_eq!(records, []);
    assert_eq!((end.offset, end.rest), (0, promised.len() as u64));
    assert_eq!(end.ending, Ending::Damaged(Fault::LongNode(0x7fff_ffff)));
    let most = encoded(0, &vec![b'n'; MAX_NODE - 13], "1.2.3.4:5".parse().unwrap());
    assert_eq!(most.len(), NODE_HEAD + MAX_NODE);
    assert_eq!(read(&*most.repeat(3)).0.len(), 3);
}

#[test]
fn the_beginning_of_a_real_file_gives_the_beginning_of_its_records() {
    for (name, bytes) in real_files() {
        let (all, _) = read(&*bytes);
        assert!(all.len() >= 3, "{name}");
        for len in 0..=bytes.len() {
            let (records, end) = read(&bytes[..len]);
            let whole = all.iter().filter(|(at, of, _)| at + *of as u64 <= len as u64).count();
            assert_eq!(records, all[..whole], "{name} up to {len}");
            let at = all[..whole].last().map_or(0, |(at, of, _)| at + *of as u64);
            assert_eq!((end.offset, end.rest), (at, len as u64 - at), "{name} up to {len}");
            let torn = bytes.get(usize::try_from(at).unwrap()).copied().unwrap_or_default();
            let expect = if end.rest == 0 { Ending::Whole } else { Ending::Torn(torn) };
            assert_eq!(end.ending, expect, "{name} up to {len}");
        }
    }
}

/// Bytes that look like records more often than chance would have it.
fn odd_bytes() -> impl Strategy<Value = Vec<u8>> {
    let node = (0u8..2, vec(any::<u8>(), 0..20), any::<[u8; 4]>(), any::<u16>());
    let node = node.prop_map(|(tag, name, ip, port)| encoded(tag, &name, (ip, port).into()));
    let time = (2u8..5, any::<u64>());
    let time = time.prop_map(|(tag, time)| [&[tag], &time.to_le_bytes()[..]].concat());
    let bare = (5u8..8).prop_map(|tag| vec![tag]);
    let len = any::<u32>().prop_map(|len| [&[0], &len.to_le_bytes()[..]].concat());
    let piece = prop_oneof![4 => node, 4 => time, 1 => bare, 1 => len, 1 => vec(any::<u8>(), 0..9)];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_to_the_last_and_alike_in_any_pieces(
        bytes in prop_oneof![odd_bytes(), vec(any::<u8>(), 0..200)],
        piece in 1usize..40,
    ) {
        let (records, end) = read(&*bytes);
        prop_assert_eq!(end.offset + end.rest, bytes.len() as u64);
        let mut next = 0;
        for (offset, len, _) in &records {
            prop_assert_eq!(*offset, next);
            next += *len as u64;
        }
        prop_assert_eq!(next, end.offset);
        prop_assert_eq!(end.rest == 0, end.ending == Ending::Whole);
        prop_assert_eq!(read(Dripping(&bytes, piece)), (records, end));
    }

    #[test]
    fn the_beginning_of_any_file_gives_the_beginning_of_its_records(
        bytes in odd_bytes(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (all, _) = read(&*bytes);
        let (records, _) = read(&bytes[..cut.index(bytes.len() + 1)]);
        prop_assert!(all.starts_with(&records));
    }
}
