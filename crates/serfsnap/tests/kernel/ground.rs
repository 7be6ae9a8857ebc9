//! Where these tests stand: programs of the system, file systems of their own, and what is lacking here.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use tempfile::TempDir;

use crate::common::{Killed, wait_until};

/// No program of the system takes so long, in seconds.
const LIMIT_SECONDS: &str = "30";

/// Tells a test that it runs in a namespace of its own.
const CHILD: &str = "SERFSNAP_TEST_NAMESPACE";

/// How many power cuts the unmodified binary gets in all.
pub(crate) const CUTS: &str = "CUTS";

/// Puts the seed of a run to be repeated into the place of one by chance.
const SEED: &str = "KERNEL_SEED";

/// What a case has found.
#[derive(Debug)]
pub(crate) struct Case(pub(crate) &'static str);

impl Case {
    pub(crate) fn proof(&self, figures: &str) {
        println!("proof: kernel case={} {figures} violations=0", self.0);
    }

    pub(crate) fn skip(&self, why: &str) {
        println!(
            "proof: kernel case={} skipped=\"{}\"",
            self.0,
            why.trim().replace(['"', '\n'], " ")
        );
    }

    /// Whether all of these programs are there; says so where one is not.
    pub(crate) fn has(&self, programs: &[&str]) -> bool {
        let lacks = programs.iter().find(|program| !is_program(program));
        if let Some(program) = lacks {
            self.skip(&format!("there is no {program} here"));
        }
        lacks.is_none()
    }

    /// Runs a test in a mount namespace of its own, as the only test of another process.
    pub(crate) fn in_namespace(&self, test: &str, programs: &[&str], body: impl FnOnce(&Self)) {
        if env::var_os(CHILD).is_some() {
            return body(self);
        }
        if !rustix::process::geteuid().is_root() {
            return self.skip("only root may mount");
        }
        if !self.has(&["timeout", "unshare", "mount"]) || !self.has(programs) {
            return;
        }
        if let Err(why) = run("unshare", &["--mount", "true"]) {
            return self.skip(&why);
        }
        let said = TempDir::new().unwrap();
        let said = said.path().join("said");
        let out = fs::File::create(&said).unwrap();
        let mut child = Command::new("timeout");
        child.args(["--kill-after=5", &limit_of_test(), "unshare", "--mount"]);
        child.args(["--propagation", "private", "--"]).arg(env::current_exe().unwrap());
        child.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
        child.stdin(Stdio::null()).stderr(out.try_clone().unwrap()).stdout(out);
        let mut child = Killed(child.spawn().unwrap());
        let status = child.0.wait().unwrap();
        let said = fs::read_to_string(&said).unwrap();
        assert!(status.success() && said.contains("1 passed"), "{status}\n{said}");
        let figures = said.lines().filter_map(|line| line.find("proof: ").map(|at| &line[at..]));
        for line in figures {
            println!("{line}");
        }
    }
}

/// A file system that is unmounted, whatever happens.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) at: PathBuf,
    _dir: TempDir,
    what: Vec<String>,
}

impl Mount {
    /// `mount ARGUMENTS… DIRECTORY`, at a new directory.
    ///
    /// # Errors
    /// Why it cannot be mounted here.
    pub(crate) fn new(arguments: &[&str]) -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("mounted");
        fs::create_dir(&at).unwrap();
        let what = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mount = Self { at, _dir: dir, what };
        mount.mount()?;
        Ok(mount)
    }

    fn mount(&self) -> Result<(), String> {
        let mut arguments: Vec<_> = self.what.iter().map(String::as_str).collect();
        arguments.push(self.at.to_str().unwrap());
        run("mount", &arguments).map(drop)
    }

    /// Takes it off and puts it on again, once nobody has a file open there.
    pub(crate) fn again(&self) {
        let mut why = String::new();
        wait_until("it can be unmounted", || {
            run("umount", &[self.at.to_str().unwrap()]).map_err(|error| why = error).is_ok()
        });
        self.mount().unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, should a child of a failed test still be there. The loop device goes with the mount.
        let _ = run("umount", &["--lazy", self.at.to_str().unwrap()]);
    }
}

/// Runs a program of the system to its end; what it has printed.
///
/// # Errors
/// What it has complained about.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", LIMIT_SECONDS, program]).args(arguments);
    command.stdin(Stdio::null()).env("PATH", path());
    let output = command.output().map_err(|error| format!("timeout: {error}"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    Err(format!("{program} {arguments:?}: {}: {}", output.status, said(&output.stderr).trim()))
}

/// A seed by chance, or the one to be repeated.
pub(crate) fn seed() -> u64 {
    let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let asked = env::var(SEED).ok().map(|asked| asked.parse().unwrap());
    asked.unwrap_or_else(|| u64::try_from(now()).unwrap())
}

/// The number that an environment variable asks for, or this one.
pub(crate) fn volume(variable: &str, usual: usize) -> usize {
    env::var(variable).ok().map_or(usual, |asked| asked.parse().unwrap())
}

/// In seconds: a test of the usual volume takes a fifth of a minute.
fn limit_of_test() -> String {
    (100 + 2 * volume(CUTS, 0)).to_string()
}

/// With the directories of root's programs, which are not on every root's path.
fn path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

fn is_program(name: &str) -> bool {
    env::split_paths(&path()).any(|dir| is_file(&dir.join(name)))
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}
