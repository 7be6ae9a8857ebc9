//! The proof that nothing recorded is lost: every part of it, one after another, and a table of what it went through.

mod mutants;
mod proof;

use std::io::{BufRead, BufReader, Write};
use std::process::{self, Stdio};
use std::time::Instant;

use crate::process::{cargo, command_line, root};
use crate::{Command, Outcome};
use proof::Proof;

pub(crate) const COMMAND: Command = Command {
    name: "crash",
    arguments: "[PART…] [--kills N] [--samples N] [--histories N] [--mutant NAME]… [--quick] [--list]",
    about: "Prove the promises of docs/DURABILITY.md: crashes, failures, kills, a real kernel, and protocols that are wrong.\n\
            It goes through every part, or those named, and fails where a promise does not hold or a mutant survives.\n\
            --kills N      kill the real recorder N times, 1,000 where it is not given\n\
            --samples N    look at N disks where a crash could leave more than can be listed, 10,000: an hour\n\
            --histories N  try N random histories, 20,000\n\
            --mutant NAME  hunt this mutant only; may be repeated\n\
            --quick        as much of it as continuous integration runs\n\
            --list         print the parts instead",
    run: from_arguments,
};

/// One part, as much of it as continuous integration runs.
pub(crate) fn prove_quickly(part: &str) -> Outcome {
    from_arguments(&["--quick".to_owned(), part.to_owned()])
}

/// How much of what has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Volume {
    kills: u64,
    /// 0 for the share that `cargo test` has time for.
    samples: u64,
    histories: u64,
}

const FULL: Volume = Volume { kills: 1000, samples: 10_000, histories: 20_000 };
const QUICK: Volume = Volume { kills: 100, samples: 0, histories: 2000 };

/// One program that proves something.
struct Part {
    name: &'static str,
    about: &'static str,
    /// What is asked of cargo.
    test: &'static [&'static str],
    /// Tells it how much to do, in its own words.
    prepare: fn(&mut process::Command, Volume),
}

const PARTS: &[Part] = &[
    Part {
        name: "explorer",
        about: "every disk that a power cut could leave, at every call of every workload",
        test: &["--release", "-p", "snapshot-io", "--test", "explorer"],
        prepare: |command, volume| {
            if volume.samples > 0 {
                command.env("EXPLORE_SAMPLES", volume.samples.to_string());
            }
        },
    },
    Part {
        name: "faults",
        about: "every call fails, in every way, once and for a while, and in pairs",
        test: &["--release", "-p", "snapshot-io", "--test", "faults"],
        prepare: |command, volume| {
            if volume != QUICK {
                command.env("FAULTS", "all");
            }
        },
    },
    Part {
        name: "concurrency",
        about: "many threads, and a disk that blocks",
        test: &["--release", "-p", "snapshot-io", "--test", "concurrency"],
        prepare: |_, _| {},
    },
    Part {
        name: "model",
        about: "every interleaving of the hand-off between those who record and the writer",
        test: &["-p", "snapshot-io", "--test", "model"],
        prepare: |command, _| {
            // Everything is built anew for it, so it has a place of its own.
            command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", "target/model");
        },
    },
    Part {
        name: "machine",
        about: "random histories of events, failures, kills and power cuts",
        test: &["--release", "-p", "snapshot-io", "--test", "machine"],
        prepare: |command, volume| {
            command.env("PROPTEST_CASES", volume.histories.to_string());
        },
    },
    Part {
        name: "kills",
        about: "the real recorder is killed at any moment",
        test: &["--release", "-p", "serfsnap", "--test", "kills"],
        prepare: |command, volume| {
            command.env("KILLS", volume.kills.to_string());
        },
    },
    Part {
        name: "kernel",
        about: "a real kernel: power cuts, full disks, failing calls, other hands",
        test: &["--release", "-p", "serfsnap", "--test", "kernel"],
        prepare: |_, _| {},
    },
];

/// The part that is no test of the tree as it is.
const MUTANTS: &str = "mutants";
const MUTANTS_ABOUT: &str = "protocols that are wrong, each of which the tests must catch";

fn from_arguments(arguments: &[String]) -> Outcome {
    let (wanted, arguments) = take_mutants(arguments)?;
    let Some((volume, names)) = take_volume(&arguments)? else {
        for part in PARTS {
            println!("{:<10}{}", part.name, part.about);
        }
        println!("{MUTANTS:<10}{MUTANTS_ABOUT}");
        return Ok(());
    };
    let known = |name: &String| name == MUTANTS || PARTS.iter().any(|part| part.name == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        return Err(format!("no part is called {unknown:?}; see `cargo xtask crash --list`").into());
    }
    let is_chosen = |name: &str| names.is_empty() || names.iter().any(|chosen| chosen == name);
    let mut proof = Proof::default();
    let mut failed = Vec::new();
    for part in PARTS.iter().filter(|part| is_chosen(part.name)) {
        println!("\n== {}: {}", part.name, part.about);
        if let Err(error) = prove(part, volume, &mut proof) {
            println!("{error}");
            failed.push(part.name);
        }
    }
    if is_chosen(MUTANTS) {
        println!("\n== {MUTANTS}: {MUTANTS_ABOUT}");
        if let Err(error) = mutants::hunt(&wanted, &mut proof) {
            println!("{error}");
            failed.push(MUTANTS);
        }
    }
    println!("\n{proof}");
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("not proved: {}", failed.join(", ")).into())
    }
}

/// Takes every `--mutant NAME` out of the arguments.
fn take_mutants(arguments: &[String]) -> Outcome<(Vec<String>, Vec<String>)> {
    let (mut wanted, mut others) = (Vec::new(), Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--mutant" {
            wanted.push(arguments.next().ok_or("--mutant needs a name")?.clone());
        } else {
            others.push(argument.clone());
        }
    }
    Ok((wanted, others))
}

/// What to do and how much of it; `None` where only a list is wanted.
fn take_volume(arguments: &[String]) -> Outcome<Option<(Volume, Vec<String>)>> {
    let mut volume = FULL;
    if arguments.iter().any(|argument| argument == "--quick") {
        volume = QUICK;
    }
    let mut names = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let number = match argument.as_str() {
            "--list" => return Ok(None),
            "--quick" => continue,
            "--kills" => &mut volume.kills,
            "--samples" => &mut volume.samples,
            "--histories" => &mut volume.histories,
            option if option.starts_with('-') => {
                return Err(format!("no option is called {option:?}").into());
            }
            name => {
                names.push(name.to_owned());
                continue;
            }
        };
        let value = arguments.next().map(String::as_str).unwrap_or_default();
        *number = value
            .parse()
            .ok()
            .filter(|&number| number > 0)
            .ok_or_else(|| format!("{argument} needs a whole number from 1, not {value:?}"))?;
    }
    Ok(Some((volume, names)))
}

/// Runs a part, shows what it prints, and takes its figures in.
fn prove(part: &Part, volume: Volume, proof: &mut Proof) -> Outcome {
    let mut command = cargo(["test"]);
    command.args(part.test).args(["--", "--nocapture"]);
    (part.prepare)(&mut command, volume);
    println!("$ {}", command_line(&command));
    let start = Instant::now();
    let mut child = command.current_dir(root()).stdout(Stdio::piped()).spawn()?;
    let lines = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
    let mut figures = 0;
    for line in lines {
        let line = line?;
        println!("{line}");
        figures += usize::from(proof.take(part.name, &line));
    }
    std::io::stdout().flush()?;
    let status = child.wait()?;
    proof.took(part.name, start.elapsed());
    check(part, status, figures)
}

/// A part that passes and shows no figures has proved nothing: its tests may have been renamed.
fn check(part: &Part, status: process::ExitStatus, figures: usize) -> Outcome {
    if !status.success() {
        return Err(format!("part {} ended with {status}", part.name).into());
    }
    if figures == 0 {
        return Err(format!("part {} printed no figures", part.name).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FULL, QUICK, Volume, take_volume};

    fn check(arguments: &str, expect: Result<(Volume, &str), &str>) {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let outcome = take_volume(&arguments)
            .map(|taken| taken.map(|(volume, names)| (volume, names.join(" "))))
            .map_err(|error| error.to_string());
        let expect =
            expect.map(|(volume, names)| Some((volume, names.to_owned()))).map_err(str::to_owned);
        assert_eq!(outcome, expect, "{arguments:?}");
    }

    #[test]
    fn the_volume_is_taken_out_of_the_arguments() {
        check("", Ok((FULL, "")));
        check("--quick kills", Ok((QUICK, "kills")));
        check("--kills 5 --quick faults", Ok((Volume { kills: 5, ..QUICK }, "faults")));
        check("--kills", Err("--kills needs a whole number from 1, not \"\""));
        check("--samples 0", Err("--samples needs a whole number from 1, not \"0\""));
        check("--lots", Err("no option is called \"--lots\""));
    }
}
