//! Compares what we read and write with what the real Serf library reads and writes.
//!
//! It ships nothing and is no part of any crate that does: `cargo xtask interop` and `cargo xtask judge` start it.
//! The library stands behind a small Go program, `xtask/judge`; what we ask it is in [`judge`].
//!
//! * [`reading`]: generated files, both settings, both of our readers.
//! * [`corpus`]: the committed files and the answers kept of them.
//! * [`writing`]: what our recorder leaves, after each batch.
//! * [`twins`]: the same events, recorded by both.
//! * [`handover`]: one file that both libraries open, append to and compact in turns.
//! * [`suite`]: the edge cases, put to any program.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table is what it is for")]

mod corpus;
mod damage;
mod events;
mod excuse;
mod generate;
mod handover;
mod hex;
mod judge;
mod lines;
mod reading;
mod suite;
mod twins;
mod view;
mod writing;

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use tempfile::TempDir;

use crate::judge::Judge;

/// What a part gives back: its figures, or what went wrong.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: snapshot-interop compare JUDGE FILES SEED, or snapshot-interop suite COMMAND [ARGUMENT…]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["compare", judge, files, seed] => compare(judge, files, seed),
        ["suite", command, ..] => suite::run(command, &words[2..]),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("interop: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every comparison with the judge and prints the table.
fn compare(judge: &str, files: &str, seed: &str) -> Outcome {
    let (files, seed): (u64, u64) = (files.parse()?, seed.parse()?);
    let judge = Path::new(judge);
    let directory = memory_directory()?;
    let mut ask = Judge::start(judge, directory.path())?;

    let begin = Instant::now();
    let told = corpus::compare(&mut ask)?;
    print_part("corpus", begin, &told.to_string());

    let begin = Instant::now();
    let told = reading::compare(judge, files, seed)?;
    print_part("reading", begin, &told.to_string());

    let begin = Instant::now();
    let told = writing::compare(&mut ask, directory.path(), seed, writing::streams(files))?;
    print_part("writing", begin, &told.to_string());

    let begin = Instant::now();
    let told = twins::compare(&mut ask, directory.path(), seed, twins::pairs(files))?;
    print_part("twins", begin, &told.to_string());

    let begin = Instant::now();
    let told = handover::compare(&mut ask, directory.path(), seed, handover::chains(files))?;
    print_part("hand-overs", begin, &told.to_string());
    Ok(())
}

fn print_part(name: &str, begin: Instant, figures: &str) {
    println!("{name} ({:.1} s)", begin.elapsed().as_secs_f64());
    for line in figures.lines() {
        println!("  {line}");
    }
}

/// A directory that goes with the value, in memory where the system has such a place: the judge writes every file.
fn memory_directory() -> Outcome<TempDir> {
    const SHARED_MEMORY: &str = "/dev/shm";
    let place = Path::new(SHARED_MEMORY);
    let place = if place.is_dir() { place.to_owned() } else { env::temp_dir() };
    Ok(tempfile::Builder::new().prefix("snapshot-interop-").tempdir_in(place)?)
}

/// A file of the corpus.
fn corpus_path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "corpus", name].iter().collect()
}
