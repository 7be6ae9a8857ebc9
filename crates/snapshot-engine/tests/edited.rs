//! What a tool writes in place of a file: it reads the same under either setting of `rejoin_after_leave`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{decode, document, model_of, policy};
use snapshot_engine::{Mode, UnixMillis};

fn rewrite(file: &[u8]) -> Vec<u8> {
    let (document, _) = document(file, Mode::Hardened, &policy(|_| ()));
    document.batches(UnixMillis(1_763_867_000_000)).flatten().collect()
}

#[test]
fn a_rewritten_file_reads_the_same_under_either_setting() {
    for file in [
        &b"alive: a 1.1.1.1:1\nclock: 3\n"[..],
        b"alive: a 1.1.1.1:1\nclock: 3\nleave\nclock: 4\nalive: b 2.2.2.2:2\n",
        b"alive: a 1.1.1.1:1\n#@failed: f 3.3.3.3:3 5\nevent-clock: 3\nleave\n#@failed: a 1.1.1.1:1 6\n",
        // An editor has changed the line ends, that of the `leave` too.
        b"alive: a 1.1.1.1:1\r\nclock: 3\r\nleave\r\n",
    ] {
        let rewritten = rewrite(file);
        for rejoin in [false, true] {
            let read = |file: &[u8]| model_of(&decode(file, Mode::Hardened, rejoin).0);
            assert_eq!(read(&rewritten), read(file), "{} with rejoin {rejoin}", file.escape_ascii());
        }
        assert_eq!(rewrite(&rewritten), rewritten, "{}", file.escape_ascii());
    }
}

#[test]
fn what_people_wrote_is_kept() {
    let written = String::from_utf8(rewrite(
        b"\xef\xbb\xbf# the first\nalive: a 1.1.1.1:1\n#second\n#@third: an extension is not theirs\n",
    ));
    let written = written.unwrap();
    let comments: Vec<_> =
        written.lines().filter(|line| line.starts_with('#') && !line.starts_with("#@")).collect();
    assert_eq!(comments, ["# the first", "#second"]);
}
