//! Everything continuous integration runs, as named steps.

use std::io::{self, Write};
use std::process;
use std::time::{Duration, Instant};

use crate::process::{cargo, run};
use crate::{Command, Outcome, crash, dist, fleet, fuzz, interop, readme, tidy};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    arguments: "[STEP…] [--seconds N] [--list]",
    about: "Run every step of continuous integration, or those named.\n\
            It stops at the first step that fails.\n\
            --seconds N  fuzz each target for N seconds, 30 where it is not given\n\
            --list       print the steps instead",
    run: from_arguments,
};

/// The steps in their order: what fails most often and is known soonest comes first.
const STEPS: &[Step] = &[
    Step { name: "fmt", about: "the code is formatted", run: fmt },
    Step { name: "tidy", about: "the house rules hold", run: |_| tidy::tidy() },
    Step { name: "clippy", about: "no lint speaks up", run: clippy },
    Step { name: "test", about: "the README's second command", run: test },
    Step { name: "tour", about: "the README's first command", run: tour },
    Step {
        name: "test-features",
        about: "format and engine with every feature",
        run: test_features,
    },
    Step { name: "model", about: "every interleaving of the hand-off to the writer", run: model },
    Step { name: "mutants", about: "the tests see every protocol that is wrong", run: mutants },
    Step { name: "doc", about: "the documentation builds, private items too", run: doc },
    Step { name: "bare-metal", about: "format and engine build without std", run: bare_metal },
    Step { name: "deny", about: "dependencies, licences and sources", run: deny },
    Step { name: "interop", about: "the real Serf library reads and writes alike", run: interop },
    Step { name: "dist", about: "the package installs, runs and goes", run: |_| dist::try_out() },
    Step { name: "fleet", about: "a large fleet is understood within a minute", run: large_fleet },
    Step { name: "fuzz", about: "each fuzz target for a while", run: fuzz_all },
];

/// A processor without an operating system: there is no std for it to fall back on.
const BARE_METAL: &str = "thumbv7m-none-eabi";

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Options) -> Outcome,
}

struct Options {
    fuzz_seconds: u64,
}

/// Whether `cargo xtask ci NAME` runs something.
pub(crate) fn has_step(name: &str) -> bool {
    STEPS.iter().any(|step| step.name == name)
}

fn from_arguments(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument == "--list") {
        for step in STEPS {
            println!("{:<14}{}", step.name, step.about);
        }
        return Ok(());
    }
    let (fuzz_seconds, names) = fuzz::take_seconds(arguments)?;
    if let Some(unknown) = names.iter().find(|name| !has_step(name)) {
        return Err(format!("no step is called {unknown:?}; see `cargo xtask ci --list`").into());
    }
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|step| names.is_empty() || names.iter().any(|name| name == step.name))
        .collect();
    run_steps(&chosen, &Options { fuzz_seconds })
}

/// Runs the steps up to the first that fails, and sums up.
fn run_steps(steps: &[&Step], options: &Options) -> Outcome {
    let mut took: Vec<Duration> = Vec::new();
    let mut failure = None;
    for step in steps {
        println!("\n== {}: {}", step.name, step.about);
        let start = Instant::now();
        let outcome = (step.run)(options);
        took.push(start.elapsed());
        if let Err(error) = outcome {
            failure = Some(format!("step {} failed: {error}", step.name));
            break;
        }
    }
    println!();
    print!("{}", summary(steps, &took, failure.is_some()));
    io::stdout().flush()?;
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// One line a step and a line of totals. Where one failed, it is the last that took time.
fn summary(steps: &[&Step], took: &[Duration], failed: bool) -> String {
    let mut text = String::new();
    let passed = took.len() - usize::from(failed);
    for (index, step) in steps.iter().enumerate() {
        let word = if index < passed { "ok" } else { "FAILED" };
        let line = took.get(index).map_or_else(
            || format!("{:<14}not run\n", step.name),
            |took| format!("{:<14}{word:<8}{:>7.1} s\n", step.name, took.as_secs_f64()),
        );
        text.push_str(&line);
    }
    let skipped = steps.len() - took.len();
    text + &format!("steps: {passed} passed, {} failed, {skipped} skipped\n", u8::from(failed))
}

fn fmt(_: &Options) -> Outcome {
    run(&mut cargo(["fmt", "--all", "--check"]))
}

fn clippy(_: &Options) -> Outcome {
    let workspace = ["clippy", "--workspace", "--all-targets"];
    let deny_warnings = ["--", "-D", "warnings"];
    run(cargo(workspace).arg("--all-features").args(deny_warnings))?;
    // What only a feature uses is dead code for those who build without it.
    run(cargo(workspace).args(deny_warnings))
}

fn test(_: &Options) -> Outcome {
    run(&mut cargo(readme::commands()?.test.iter().map(String::as_str)))
}

fn tour(_: &Options) -> Outcome {
    run(&mut cargo(readme::commands()?.tour.iter().map(String::as_str)))
}

/// Format and engine with the features that are off by default. The others' tests have them all.
fn test_features(_: &Options) -> Outcome {
    run(&mut cargo(["test", "-p", "snapshot-format", "-p", "snapshot-engine", "--all-features"]))
}

fn model(_: &Options) -> Outcome {
    crash::prove_quickly("model")
}

fn mutants(_: &Options) -> Outcome {
    crash::prove_quickly("mutants")
}

fn doc(_: &Options) -> Outcome {
    let workspace = ["doc", "--workspace", "--no-deps", "--all-features"];
    let deny_warnings =
        |command: &mut process::Command| run(command.env("RUSTDOCFLAGS", "-D warnings"));
    // First as users see it: a link from a public to a private item is broken only there.
    deny_warnings(&mut cargo(workspace))?;
    deny_warnings(cargo(workspace).arg("--document-private-items"))
}

fn bare_metal(_: &Options) -> Outcome {
    run(process::Command::new("rustup").args(["target", "add", BARE_METAL]))?;
    let core = ["-p", "snapshot-format", "-p", "snapshot-engine"];
    run(cargo(["build", "--target", BARE_METAL]).args(core))
}

fn deny(_: &Options) -> Outcome {
    run(&mut cargo(["deny", "check", "-D", "warnings", "bans", "licenses", "sources"]))
}

fn interop(_: &Options) -> Outcome {
    /// Half a minute's worth; `cargo xtask interop` alone compares ten times as many.
    const FILES: u64 = 20_000;
    if let Some(missing) = interop::missing() {
        println!("skipped: {missing}");
        return Ok(());
    }
    interop::interop(FILES, interop::SEED)
}

fn large_fleet(_: &Options) -> Outcome {
    fleet::measure(2000, 2000)
}

fn fuzz_all(options: &Options) -> Outcome {
    fuzz::fuzz(&[], options.fuzz_seconds)
}

#[cfg(test)]
mod tests {
    use super::{Duration, STEPS, Step, summary};

    #[test]
    fn the_summary_tells_passed_failed_and_never_run_apart() {
        let steps: Vec<&Step> = STEPS.iter().take(3).collect();
        let took = [Duration::from_millis(400), Duration::from_secs(12)];
        let expect = "fmt           ok          0.4 s\n\
                      tidy          FAILED     12.0 s\n\
                      clippy        not run\n\
                      steps: 1 passed, 1 failed, 1 skipped\n";
        assert_eq!(summary(&steps, &took, true), expect);
    }
}
