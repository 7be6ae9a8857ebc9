//! The seeds of every target, made from the files of real agents and the inputs that the real library judged.
//!
//! `BLESS=1 cargo test -p serfsnap-fuzz --test seeds` writes them; without it the committed ones must be those.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod made;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serfsnap_fuzz::{SEAL_MARK, TARGETS};
use snapshot_format::{Coordinate, Lines, Record};
use snapshot_model::crc32c;

/// A seed above this size slows every mutation of it down.
const MAX_SEED: usize = 4096;
/// Of a file that is larger, this many bytes of each end; its lines are much alike.
const CUT: usize = 1500;
/// All of them together stay small enough to be cloned by everybody.
const MAX_TOTAL: usize = 300 * 1024;
/// What the names of seeds begin with; other files of the corpus were found by a fuzzer.
const PREFIXES: [&str; 3] = ["edge-", "made-", "snap-"];

/// Bytes by name.
type Seeds = BTreeMap<String, Vec<u8>>;

#[test]
fn the_committed_seeds_are_those_that_are_made_here() {
    let made = seeds();
    assert!(made.values().map(Vec::len).sum::<usize>() < MAX_TOTAL);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    if std::env::var_os("BLESS").is_some() {
        write(&dir, &made);
    }
    let committed = read(&dir);
    let names = |seeds: &Seeds| seeds.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&committed), names(&made));
    for (name, bytes) in committed {
        assert!(bytes == made[&name], "{name} differs");
    }
}

/// Every seed by target and name.
fn seeds() -> Seeds {
    let files = files();
    let made = made::seeds();
    let mut seeds = Seeds::new();
    let mut lines = BTreeSet::new();
    for (name, file) in files.iter().chain(&made) {
        let mut add = |target: &str, variant: &str, bytes: Vec<u8>| {
            // The same bytes under two names would be worth nothing.
            let new = !seeds.iter().any(|(other, seed): (&String, _)| {
                other.starts_with(&format!("{target}/")) && *seed == bytes
            });
            if new && !bytes.is_empty() {
                seeds.insert(format!("{target}/{name}{variant}"), bytes);
            }
        };
        if file.split(|&byte| byte == b'\n').fold(false, |new, line| lines.insert(line) | new) {
            add("parse", "", file.clone());
        }
        add("replay", "", file.clone());
        // Which of the three clocks it is makes a difference only to a reader.
        if name.starts_with("edge-event-clock") || name.starts_with("edge-query-clock") {
            continue;
        }
        let marked = marked(file);
        if !name.starts_with("edge-") {
            add("replay", "-sealed", marked.clone());
        }
        add("decoder_chunks", "", [&[2, 7, 0, 100, 0][..], &marked].concat());
        if file.windows(7).any(|window| window == b"alive: ") {
            add("sealed", "", [&crc32c(name.as_bytes()).to_le_bytes()[..], &marked].concat());
        }
        add("roundtrip", "", fields(file));
    }
    seeds
}

/// The files of real agents, and the inputs that the real library judged.
fn files() -> Seeds {
    let dir: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "corpus"].iter().collect();
    let mut files = Seeds::new();
    let judged = fs::read_to_string(dir.join("edge-cases.jsonl")).unwrap();
    for row in judged.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let input = unhex(row["input_hex"].as_str().unwrap());
        if input.len() <= MAX_SEED {
            files.insert(format!("edge-{}", row["id"].as_str().unwrap()), input);
        }
    }
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "snap") {
            continue;
        }
        // Two parts of the name tell them apart: `05-c-events-queries` is `05-c`.
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = stem.split('-').take(2).collect::<Vec<_>>().join("-");
        let file = fs::read(&path).unwrap();
        let halves = if file.len() <= MAX_SEED {
            vec![("", &file[..])]
        } else {
            vec![("-head", &file[..CUT]), ("-tail", &file[file.len() - CUT..])]
        };
        for (half, bytes) in halves {
            let known = files.insert(format!("snap-{name}{half}"), bytes.to_vec());
            assert!(known.is_none(), "two files are called {name}");
        }
    }
    files
}

/// The same lines in batches of at most four.
fn marked(file: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = file.split_inclusive(|&byte| byte == b'\n').collect();
    let batches = lines.chunks(4).map(|batch| {
        let whole = batch.concat().ends_with(b"\n");
        let mark = if whole { [SEAL_MARK, b"\n"].concat() } else { Vec::new() };
        [batch.concat(), mark].concat()
    });
    batches.collect::<Vec<_>>().concat()
}

/// The records of a file as the fields that `roundtrip` reads.
fn fields(file: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    for record in Lines::new(file).filter_map(|line| line.record().ok()) {
        let (kind, parts): (u8, Vec<Vec<u8>>) = match record {
            Record::Alive { name, addr } => {
                (b'a', vec![text(name.as_bytes()), text(addr.as_bytes())])
            }
            Record::NotAlive { name } => (b'n', vec![text(name.as_bytes())]),
            Record::Clock(time) => (b'c', vec![number(time.0)]),
            Record::EventClock(time) => (b'e', vec![number(time.0)]),
            Record::QueryClock(time) => (b'q', vec![number(time.0)]),
            Record::Coordinate(coordinate) => (b'o', numbers(&coordinate)),
            Record::Leave => (b'l', vec![]),
            Record::Comment(comment) => (b'x', vec![text(&[b"#", comment.as_bytes()].concat())]),
            Record::Format(version) => (b'v', vec![number(version)]),
            Record::Cluster(id) => (b'C', vec![text(id.as_bytes())]),
            Record::Node(name) => (b'N', vec![text(name.as_bytes())]),
            Record::Failed { name, addr, at } => {
                (b'F', vec![text(name.as_bytes()), text(addr.as_bytes()), number(at.0)])
            }
            // A mark that is not replaced is an extension: it ends a batch here too.
            _ => (b'.', vec![]),
        };
        fields.push(kind);
        fields.extend(parts.concat());
    }
    fields
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [bytes, b"\n"].concat()
}

fn number(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn numbers(coordinate: &Coordinate) -> Vec<Vec<u8>> {
    let terms = [coordinate.error(), coordinate.adjustment(), coordinate.height()];
    coordinate.vec().iter().chain(&terms).map(|value| number(value.to_bits())).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn write(dir: &Path, seeds: &Seeds) {
    for name in read(dir).into_keys() {
        fs::remove_file(dir.join(name)).unwrap();
    }
    for (target, _) in TARGETS {
        fs::create_dir_all(dir.join(target)).unwrap();
    }
    for (name, bytes) in seeds {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// The committed seeds, without what a fuzzer found.
fn read(dir: &Path) -> Seeds {
    let mut seeds = Seeds::new();
    for (target, _) in TARGETS {
        let Ok(entries) = fs::read_dir(dir.join(target)) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                seeds.insert(format!("{target}/{name}"), fs::read(&path).unwrap());
            }
        }
    }
    seeds
}
