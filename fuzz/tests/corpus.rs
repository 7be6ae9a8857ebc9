//! Every property over its committed corpus, and over simple mutations of it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use serfsnap_fuzz::{Property, TARGETS, expand};

/// How many mutations of each file: together they take a few seconds in a debug build.
const MUTATIONS: u32 = 8;
/// An input that stands for more bytes than this is not mutated: checking one takes a tenth of a second.
const MAX_MUTATED: usize = 32 * 1024;

#[test]
fn parse() {
    check("parse");
}

#[test]
fn decoder_chunks() {
    check("decoder_chunks");
}

#[test]
fn roundtrip() {
    check("roundtrip");
}

#[test]
fn replay() {
    check("replay");
}

#[test]
fn sealed() {
    check("sealed");
}

#[test]
fn every_target_has_a_binary_and_a_corpus() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let manifest = manifest.unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    for (target, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        assert!(!corpus(target).is_empty(), "{target}");
    }
}

fn check(target: &str) {
    let (_, property) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let corpus = corpus(target);
    holds(property, "the empty input", b"");
    for (index, (name, input)) in corpus.iter().enumerate() {
        holds(property, name, input);
        if expand(input).len() > MAX_MUTATED {
            continue;
        }
        // The same on every machine and in every run, another for every file.
        let mut random = Random(index as u64 + 1);
        for mutation in 0..MUTATIONS {
            let other = &corpus[random.below(corpus.len())].1;
            let mutant = mutate(input, other, mutation, &mut random);
            if expand(&mutant).len() <= MAX_MUTATED {
                holds(property, &format!("mutation {mutation} of {name}"), &mutant);
            }
        }
    }
}

/// The property's own panic says what is wrong; this one says with which input.
fn holds(property: Property, name: &str, input: &[u8]) {
    let held = catch_unwind(|| property(input));
    assert!(held.is_ok(), "{name}: {}", input.escape_ascii());
}

/// Every file of the corpus with its name, in the order of names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", dir.display());
    files
}

fn mutate(input: &[u8], other: &[u8], mutation: u32, random: &mut Random) -> Vec<u8> {
    let cut = random.below(input.len() + 1);
    let mut mutant = input.to_vec();
    match mutation % 4 {
        0 if !input.is_empty() => {
            let at = random.below(input.len());
            mutant[at] ^= 1 << random.below(8);
        }
        // The end is missing, as after a crash.
        1 => mutant.truncate(cut),
        // The end of another one.
        2 => {
            mutant.truncate(cut);
            mutant.extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
        // A piece of it again, somewhere else.
        _ => {
            let piece = &input[cut..input.len().min(cut + 1 + random.below(40))];
            let at = random.below(input.len() + 1);
            mutant.splice(at..at, piece.iter().copied());
        }
    }
    mutant
}

/// Xorshift: as good as is needed here.
struct Random(u64);

impl Random {
    /// Below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}
