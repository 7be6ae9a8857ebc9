//! Runs the fuzz targets, each for some seconds.

use std::fs;
use std::path::Path;

use crate::process::{cargo, root, run};
use crate::{Command, Outcome};

pub(crate) const COMMAND: Command = Command {
    name: "fuzz",
    arguments: "[TARGET…] [--seconds N]",
    about: "Fuzz every target of fuzz/fuzz_targets, or those named, for 30 seconds each.\n\
            The inputs it finds go to target/fuzz-corpus, a failing one to fuzz/artifacts.\n\
            It needs cargo-fuzz: `cargo install cargo-fuzz --locked`.",
    run: from_arguments,
};

/// Long enough to replay the corpus and try some hundred thousand variations on a slow machine.
pub(crate) const SECONDS: u64 = 30;

fn from_arguments(arguments: &[String]) -> Outcome {
    let (seconds, names) = take_seconds(arguments)?;
    fuzz(&names, seconds)
}

/// Takes `--seconds N` out of the arguments; without it, [`SECONDS`].
pub(crate) fn take_seconds(arguments: &[String]) -> Outcome<(u64, Vec<String>)> {
    let mut seconds = SECONDS;
    let mut others = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let value = arguments.next().ok_or("--seconds needs a number")?;
            seconds =
                value.parse().ok().filter(|&seconds| seconds > 0).ok_or_else(|| {
                    format!("--seconds needs a whole number from 1, not {value:?}")
                })?;
        } else if argument.starts_with('-') {
            return Err(format!("no option is called {argument:?}").into());
        } else {
            others.push(argument.clone());
        }
    }
    Ok((seconds, others))
}

/// Fuzzes the targets named, or all of them where none is, for so many seconds each.
pub(crate) fn fuzz(names: &[String], seconds: u64) -> Outcome {
    let known = targets(&root().join("fuzz/fuzz_targets"))?;
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        return Err(format!("no fuzz target is called {unknown:?}; there are {known}").into());
    }
    let chosen = if names.is_empty() { &known } else { names };
    // All at once, so that no target's seconds are spent on the compiler.
    run(cargo(["fuzz", "build", "--features", "libfuzzer"]).env("RUSTC_BOOTSTRAP", "1"))?;
    chosen.iter().try_for_each(|target| fuzz_one(target, seconds))
}

/// The names of the targets, sorted: each is a file of the directory.
fn targets(directory: &Path) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| {
        format!("the fuzz targets in {} cannot be listed: {error}", directory.display())
    })? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    if names.is_empty() {
        return Err(format!("{} holds no fuzz target", directory.display()).into());
    }
    names.sort();
    Ok(names)
}

fn fuzz_one(target: &str, seconds: u64) -> Outcome {
    // libFuzzer writes what it finds to the first directory and only reads the second, so the
    // committed corpus stays as it is.
    let found = format!("target/fuzz-corpus/{target}");
    let committed = format!("fuzz/corpus/{target}");
    fs::create_dir_all(root().join(&found))?;
    if !root().join(&committed).is_dir() {
        return Err(format!("the fuzz target {target} has no corpus in {committed}").into());
    }
    let limit = format!("-max_total_time={seconds}");
    run(cargo(["fuzz", "run", "--features", "libfuzzer", target, &found, &committed, "--"])
        .args([limit.as_str(), "-print_final_stats=1"])
        // The address sanitizer's flag is for nightly compilers only, yet every compiler has it.
        // It is worth it: it shows libFuzzer what the target compares with, and limits allocations.
        .env("RUSTC_BOOTSTRAP", "1"))
}

#[cfg(test)]
mod tests {
    use super::{SECONDS, take_seconds};

    fn check(arguments: &str, expect: Result<(u64, &str), &str>) {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let outcome = take_seconds(&arguments)
            .map(|(seconds, others)| (seconds, others.join(" ")))
            .map_err(|error| error.to_string());
        let expect =
            expect.map(|(seconds, others)| (seconds, others.to_owned())).map_err(str::to_owned);
        assert_eq!(outcome, expect, "{arguments:?}");
    }

    #[test]
    fn seconds_are_taken_out_of_the_arguments() {
        check("", Ok((SECONDS, "")));
        check("parse --seconds 5 replay", Ok((5, "parse replay")));
        check("--seconds", Err("--seconds needs a number"));
        check("--seconds 0", Err("--seconds needs a whole number from 1, not \"0\""));
        check("--minutes 5", Err("no option is called \"--minutes\""));
    }
}
