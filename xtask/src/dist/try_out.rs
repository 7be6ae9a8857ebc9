//! Installs what users are given, runs it, and takes it away again.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::Outcome;
use crate::dist::{directory, dist};
use crate::process::{output, root, run};

/// What the package installs that is looked at.
const BINARY: &str = "usr/bin/serfsnap";
const PAGE: &str = "usr/share/man/man1/serfsnap-inspect.1.gz";

/// Builds everything and tries it out.
pub(crate) fn try_out() -> Outcome {
    dist()?;
    let directory = directory();
    run(Command::new("sh").args(["-c", "cd target/dist && sha256sum --check SHA256SUMS"]))?;
    let scratch = Scratch::new()?;
    run(Command::new("tar")
        .args(["-xzf"])
        .arg(found(&directory, "gz")?)
        .arg("-C")
        .arg(&scratch.0))?;
    let unpacked = fs::read_dir(&scratch.0)?.next().ok_or("the archive is empty")??.path();
    check_binary(&unpacked.join("serfsnap"))?;
    check_page(&unpacked.join("man/man1/serfsnap-inspect.1"))?;
    let package = found(&directory, "deb")?;
    let Some(why) = why_not_install() else { return install(&package) };
    println!("not installed, but unpacked: {why}");
    if !has("dpkg-deb") {
        println!("skipped: no dpkg-deb to unpack it");
        return Ok(());
    }
    let system = scratch.0.join("system");
    run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&system))?;
    check_binary(&system.join(BINARY))?;
    check_page(&system.join(PAGE))
}

/// Installs the package, looks at it, and removes it whatever it looked like.
fn install(package: &Path) -> Outcome {
    let installed = run(Command::new("dpkg").arg("-i").arg(package)).and_then(|()| {
        check_binary(&Path::new("/").join(BINARY))?;
        let page = Path::new("/").join(PAGE);
        if page.exists() {
            return check_page(&page);
        }
        println!("skipped: this system is set not to install manual pages");
        Ok(())
    });
    let removed = run(Command::new("dpkg").args(["-P", "serfsnap"]));
    installed.and(removed)?;
    if Path::new("/").join(BINARY).exists() {
        return Err("the package was removed and its binary is still there".into());
    }
    Ok(())
}

fn why_not_install() -> Option<&'static str> {
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !has("dpkg") {
        Some("no dpkg here")
    } else if !is_root {
        Some("only root can install")
    } else if Path::new("/").join(BINARY).exists() {
        Some("a serfsnap is installed already, and it is not ours to replace")
    } else {
        None
    }
}

/// It is static, starts, and reads a real file as it should.
fn check_binary(binary: &Path) -> Outcome {
    if needs_libraries(&fs::read(binary)?) {
        return Err(format!("{} is not static", binary.display()).into());
    }
    for tool in ["file", "ldd"] {
        if has(tool) {
            // ldd fails for a static binary of the old kind.
            run(Command::new(tool).arg(binary))
                .or_else(|error| if tool == "ldd" { Ok(()) } else { Err(error) })?;
        }
    }
    run(Command::new(binary).arg("--version"))?;
    let corpus = root().join("corpus/05-c-events-queries.snap");
    let said = output(Command::new(binary).arg("inspect").arg(corpus))?;
    if said.contains("3 alive, 0 failed") { Ok(()) } else { Err(format!("it says: {said}").into()) }
}

/// A manual page that a formatter takes without a word.
fn check_page(page: &Path) -> Outcome {
    let mut formatter = if has("mandoc") {
        let mut mandoc = Command::new("mandoc");
        mandoc.args(["-T", "lint", "-W", "error"]);
        mandoc
    } else if has("man") {
        let mut man = Command::new("man");
        man.args(["--warnings", "-l"]);
        man
    } else {
        println!("skipped: neither mandoc nor man to look at the manual page");
        return Ok(());
    };
    let shown = formatter.arg(page).env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8").output()?;
    let complaint = String::from_utf8_lossy(&shown.stderr);
    if shown.status.success() && complaint.is_empty() {
        println!("{} is a manual page", page.display());
        return Ok(());
    }
    Err(format!("{}: {complaint}", page.display()).into())
}

/// Whether a program is an ELF file that names an interpreter, the loader of shared libraries.
pub(super) fn needs_libraries(elf: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    let number = |at: usize, len: usize| {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(elf.get(at..at + len)?);
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    // Where the program headers are, how long each is, and how many.
    let table = || Some((number(32, 8)?, number(54, 2)?, number(56, 2)?));
    let Some((start, len, count)) = table().filter(|_| elf.starts_with(b"\x7fELF\x02\x01")) else {
        // Nothing is known of it.
        return true;
    };
    (0..count).any(|at| number(start + at * len, 4) == Some(INTERPRETER as usize))
}

fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn found(directory: &Path, extension: &str) -> Outcome<PathBuf> {
    let paths = fs::read_dir(directory)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths = paths.filter(|path| path.extension() == Some(OsStr::new(extension)));
    paths.next().ok_or_else(|| format!("no .{extension} in {}", directory.display()).into())
}

/// A directory that goes with the step.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Outcome<Self> {
        let path = env::temp_dir().join(format!("serfsnap-dist-{}", process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_needs_libraries_and_text_is_not_known_to_be_static() {
        let this = fs::read(env::current_exe().unwrap()).unwrap();
        assert_eq!(needs_libraries(&this), !cfg!(target_feature = "crt-static"));
        assert!(needs_libraries(b"#!/bin/sh\n"));
        assert!(needs_libraries(b"\x7fELF\x02\x01"), "cut off");
    }
}
