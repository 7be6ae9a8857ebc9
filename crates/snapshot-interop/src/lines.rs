//! The words that generated files are made of: chance, names, addresses and numbers.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use snapshot_format::MAX_NAME;

/// Everything random of one file comes from one number.
#[derive(Debug)]
pub(crate) struct Chance(SmallRng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// A number below this one, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.random()
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.random()
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// Names that any reader takes as they are; few, so that they meet again.
const PLAIN_NAMES: [&[u8]; 16] = [
    b"a",
    b"b",
    b"c",
    b"web-1",
    b"web-1.dc1",
    b"web 1",
    b" b",
    b"dc1/rack-2",
    b"cr\r",
    b"#leave clock: 9",
    b"leave",
    b"clock: 7",
    b"not-alive:",
    b"z\xc3\xbcrich",
    b"\xff\xfe latin",
    b"nul\0nul",
];

/// Names that only Serf takes, and some on which readers fall out.
const ODD_NAMES: [&[u8]; 11] = [
    b"",
    b" ",
    b"alive: a",
    b"x alive: a 1.1.1.1:1 y",
    b"not-alive: a",
    b"a\r",
    b"cr",
    b"\r",
    b"b\0\0\0\0\0\0\0\0a",
    b"\xef\xbb\xbfa",
    b"alive: alive: b",
];

const DIALABLE: [&[u8]; 9] = [
    b"10.0.0.1:7946",
    b"10.0.0.2:7946",
    b"127.0.0.1:17946",
    b"[::1]:17946",
    b"[fe80::1%eth0]:7946",
    b"[2001:db8::7]:1",
    b"db-7.example_1.org:65535",
    b"255.255.255.255:65535",
    b"10.0.0.3:08",
];

const ODD_ADDRESSES: [&[u8]; 17] = [
    b"",
    b":1",
    b":7946",
    b"10.0.0.1",
    b"10.0.0.1:",
    b"10.0.0.1:0",
    b"10.0.0.1:65536",
    b"10.0.0.1:000001",
    b"10.0.0.1:7946\r",
    b"10.0.0.1:79\x0046",
    b"[::1]",
    b"[::1:7946",
    b"[::g]:7946",
    b"[::1%]:7946",
    b"::1:7946",
    b"h\xc3\xb6st:7946",
    b"10.0.0.1:+7946",
];

const ODD_NUMBERS: [&[u8]; 18] = [
    b"",
    b"-1",
    b"+1",
    b"0x10",
    b"1_0",
    b" 5",
    b"5 ",
    b"5\r",
    b"5\0",
    b"007",
    b"0",
    b"00000000000000000000000000000000000000000000000000000000000000000012",
    b"281474976710656",
    b"281474976710657",
    b"18446744073709551614",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999999999999999",
];

/// A name that our writer takes, too.
pub(crate) fn plain_name(chance: &mut Chance) -> Vec<u8> {
    match chance.below(40) {
        0 => vec![b'n'; 200 + chance.below(200)],
        1 => format!("node-{}", chance.below(1000)).into_bytes(),
        2 if chance.one_in(20) => vec![b'm'; MAX_NAME - chance.below(2)],
        _ => chance.pick(&PLAIN_NAMES).to_vec(),
    }
}

pub(crate) fn any_name(chance: &mut Chance) -> Vec<u8> {
    match chance.below(12) {
        0 => chance.pick(&ODD_NAMES).to_vec(),
        1 if chance.one_in(30) => vec![b'l'; MAX_NAME + chance.below(3)],
        2 => {
            let len = chance.below(12);
            (0..len).map(|_| chance.byte()).filter(|byte| *byte != b'\n').collect()
        }
        _ => plain_name(chance),
    }
}

pub(crate) fn dialable(chance: &mut Chance) -> Vec<u8> {
    chance.pick(&DIALABLE).to_vec()
}

pub(crate) fn any_address(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(6) { chance.pick(&ODD_ADDRESSES).to_vec() } else { dialable(chance) }
}

pub(crate) fn any_number(chance: &mut Chance) -> Vec<u8> {
    match chance.below(8) {
        0 => chance.pick(&ODD_NUMBERS).to_vec(),
        1 => chance.number().to_string().into_bytes(),
        _ => chance.below(50).to_string().into_bytes(),
    }
}
