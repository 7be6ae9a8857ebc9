//! Compares what we read and write with the real Serf library.

use std::path::Path;
use std::process::{Command as Process, Stdio};

use crate::process::{cargo, root, run};
use crate::{Command, Outcome, judge};

pub(crate) const COMMAND: Command = Command {
    name: "interop",
    arguments: "[--files N] [--seed S]",
    about: "Compare what we read and write with what the real Serf library reads and writes.\n\
            It builds xtask/judge with Debian's packages golang-go and golang-github-hashicorp-serf-dev,\n\
            and fails where they are missing.\n\
            --files N  generate N files, 200,000 where it is not given; streams and hand-overs grow with them\n\
            --seed S   take other files than those of seed 1",
    run: from_arguments,
};

/// What one run should compare before a release.
const FILES: u64 = 200_000;
/// Any number; the same one gives the same files.
pub(crate) const SEED: u64 = 1;
/// A build with optimisation takes longer than it saves on fewer files than this.
const MANY_FILES: u64 = 100_000;

/// Where Debian puts the sources of Go packages.
const GOPATH: &str = "/usr/share/gocode";
const LIBRARY: &str = "src/github.com/hashicorp/serf/serf/snapshot.go";
const JUDGE: &str = "target/judge/judge";

fn from_arguments(arguments: &[String]) -> Outcome {
    let (mut files, mut seed) = (FILES, SEED);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = match argument.as_str() {
            "--files" => &mut files,
            "--seed" => &mut seed,
            _ => return Err(format!("interop takes --files and --seed, not {argument:?}").into()),
        };
        let given = arguments.next().ok_or_else(|| format!("{argument} needs a number"))?;
        *value = given.parse().map_err(|_| format!("{given:?} is no whole number"))?;
    }
    interop(files, seed)
}

/// Builds the judge and runs every comparison on so many files.
pub(crate) fn interop(files: u64, seed: u64) -> Outcome {
    if let Some(missing) = missing() {
        return Err(missing.into());
    }
    build_judge()?;
    let (files, seed) = (files.to_string(), seed.to_string());
    let many = files.parse::<u64>().is_ok_and(|files| files >= MANY_FILES);
    let mut compare = cargo(["run", "--quiet", "--package", "snapshot-interop"]);
    compare.args(many.then_some("--release"));
    run(compare.args(["--", "compare", JUDGE, &files, &seed]))?;
    // The suite on two programs that must pass it: the library that it was taken from, and our tool.
    judge::judge(JUDGE, &["replay"])?;
    judge::serfsnap()
}

/// What keeps the judge from being built here, in one sentence.
pub(crate) fn missing() -> Option<String> {
    let go = Process::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has_go = go.is_ok_and(|status| status.success());
    let has_library = Path::new(GOPATH).join(LIBRARY).is_file();
    let packages = match (has_go, has_library) {
        (true, true) => return None,
        (false, true) => "golang-go",
        (true, false) => "golang-github-hashicorp-serf-dev",
        (false, false) => "golang-go golang-github-hashicorp-serf-dev",
    };
    Some(format!("the real Serf library cannot be built without `apt-get install {packages}`"))
}

fn build_judge() -> Outcome {
    let mut go = Process::new("go");
    go.args(["build", "-o", JUDGE, "./xtask/judge"])
        // The packages of the distribution, whatever the user has set up, and nothing from the network.
        .env("GO111MODULE", "off")
        .env("GOPATH", GOPATH)
        .env("GOFLAGS", "")
        .env("GOCACHE", root().join("target/judge/cache"));
    run(&mut go)
}
