//! What no real agent has written yet: extensions, damage, and lines, runs and names around their limits.

use serfsnap_fuzz::RUN;

use crate::Seeds;

/// Three batches, and a `leave` that is behind them.
const SEALED: &[u8] = b"\
#@format: 1
#@cluster: east
#@node: me
#@seal
clock: 7
event-clock: 2
query-clock: 9
#@seal
# a person's
#@failed: f 10.0.0.5:7946 1763867000000
alive: a [::1]:7946
not-alive: a
#@failed: a [::1]:7946 1763867000001
#@seal
leave
clock: 8
#@seal
";

/// The end of a batch, and one more behind it.
const NEXT: &[u8] = b"#@seal\nclock: 3\n#@seal\n";

pub(crate) fn seeds() -> Seeds {
    let seeds = batches().into_iter().chain(lines()).chain(lengths()).chain(long_lines());
    seeds.map(|(name, bytes)| (format!("made-{name}"), bytes)).collect()
}

fn batches() -> Vec<(&'static str, Vec<u8>)> {
    let behind = |lines: &[u8]| [SEALED, lines].concat();
    vec![
        ("all", behind(b"")),
        ("torn-batch", SEALED[..SEALED.len() - 10].to_vec()),
        ("false-crc", behind(b"event-clock: 9\n#@seal: 15 1 00000000\nclock: 10\n")),
        ("false-length", behind(b"event-clock: 9\n#@seal: 14 1 00000000\nclock: 10\n")),
        ("false-remove", behind(b"alive: a h:1\n#@seal\nnot-alive: a\n#@seal: 13 1 00000000\n")),
        (
            "foreign-lines",
            behind(&[b"alive: b h:1\nx\xef\xbb\xbfalive: c d:1\r\n", SEALED].concat()),
        ),
    ]
}

fn lines() -> Vec<(&'static str, Vec<u8>)> {
    let joined = |lines: &[&str]| lines.concat().into_bytes();
    vec![
        ("marked-comment", joined(&["\u{feff}# a person's\n", "alive: a h:1\n", "# more\r\n"])),
        // The inner node is known, at another address.
        (
            "glued",
            joined(&["alive: a h:1\n", "alive: b 10.alive: a h:2\n", "clock: 1alive: a h:3\n"]),
        ),
        ("marked-clock", joined(&["\u{feff}clock: 5\n", "\u{feff}clock: 6\n"])),
        (
            "cr-known",
            joined(&["alive: a\r h:1\n", "alive: a h:1\n", "not-alive: a\r\n", "not-alive: a\r\n"]),
        ),
        ("cr", joined(&["alive: a h:1\r\n", "leave\r\n", "#@failed: a h:1 5\r\n"])),
        (
            "max-clock",
            joined(&[
                "clock: 281474976710656\n",
                "event-clock: 281474976710657\n",
                "query-clock: 1000\n",
            ]),
        ),
        (
            "max-failed",
            joined(&[
                "#@failed: a h:1 5\n",
                "#@failed: b h:1 9\n",
                "#@failed: c h:1 7\n",
                "#@failed: d h:1 7\n",
            ]),
        ),
        (
            "port",
            joined(&[
                "alive: a h:0\n",
                "alive: b h:1\n",
                "alive: c h:65535\n",
                "alive: d h:65536\n",
            ]),
        ),
    ]
}

fn lengths() -> Vec<(&'static str, Vec<u8>)> {
    let longest = run(b'n', 5);
    let name = |more: &[u8]| alive(&[&longest[..], more].concat());
    let host = |more: &[u8]| [b"alive: a ", &run(b'h', 2)[..], more, b":1\n"].concat();
    vec![
        (
            "nul-run",
            [alive(&run(0, 0)), alive(b"a"), run(0, 0), b"\0".to_vec(), alive(b"b")].concat(),
        ),
        ("name", [name(b""), name(b"nnnn"), name(b"nnnnn")].concat()),
        // More than a batch of them, and not sorted.
        ("names", (b'a'..b'r').rev().flat_map(|byte| alive(&run(byte, 5))).collect()),
        ("host", [host(b"hhh"), host(b"hhhh")].concat()),
        ("json", [&br#"coordinate: {"Vec":["#[..], &run(b'[', 4), b"\n"].concat()),
    ]
}

fn long_lines() -> Vec<(&'static str, Vec<u8>)> {
    let comment = |length: u8, more: &[u8]| [b"#", &run(b'x', length)[..], more, b"\n"].concat();
    let longest = comment(9, &[b'x'; 19]);
    let too_long = comment(9, &run(b'x', 4));
    // What is kept of this line ends like a record.
    let like_alive = [b"xalive: ", &run(b'n', 3)[..], b" h:", &run(b'1', 9), &run(b'1', 1), b"\n"];
    vec![
        ("batch", [&comment(7, b"")[..], &alive(b"a"), NEXT].concat()),
        ("no-batch", [&comment(8, b"")[..], &alive(b"a").repeat(30), NEXT].concat()),
        ("line", [&longest[..], NEXT].concat()),
        ("no-line", [&alive(b"a")[..], &too_long, NEXT].concat()),
        ("no-line-first", [&too_long[..], b"clock: 2\n", NEXT].concat()),
        ("kept-of-line", like_alive.concat()),
    ]
}

/// The index is one of `RUN_LENGTHS`.
fn run(byte: u8, index: u8) -> Vec<u8> {
    vec![RUN, byte, index]
}

fn alive(name: &[u8]) -> Vec<u8> {
    [b"alive: ", name, b" 10.0.0.1:7946\n"].concat()
}
