//! Sessions with the tool over the corpus, held against `tests/cmd/*.txt`.
//!
//! A line that begins with `$ ` is run by a shell in a fresh copy of the corpus; what follows is what it printed, on
//! both outputs, and `? N` where it ended with another code than 0.
//! `UPDATE_GOLDEN=1 cargo test -p serfsnap --test golden` writes the files anew.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

#[test]
fn sessions() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut sessions: Vec<_> = fs::read_dir(package.join("tests/cmd"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    sessions.sort();
    assert!(!sessions.is_empty());
    let mut differ = Vec::new();
    for path in sessions {
        let expect = fs::read_to_string(&path).unwrap();
        let found = run(&expect, package, &copy_of_corpus(package));
        if found == expect {
            continue;
        }
        if update {
            fs::write(&path, found).unwrap();
        } else {
            differ.push(format!("{}:\n{}", path.display(), first_difference(&expect, &found)));
        }
    }
    assert!(differ.is_empty(), "{}\nUPDATE_GOLDEN=1 writes them anew", differ.join("\n"));
}

/// Runs every command of a session; the session as it should be.
fn run(session: &str, package: &Path, corpus: &TempDir) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_serfsnap"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut found = String::new();
    for line in session.lines() {
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(corpus)
            .env("PATH", &path)
            .env_remove("NO_COLOR")
            .env("COLUMNS", "100")
            .env("CORPUS", corpus_of(package))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).expect("the output is text");
        let _ = write!(found, "{}$ {command}\n{text}", if found.is_empty() { "" } else { "\n" });
        match output.status.code() {
            Some(0) => {}
            Some(code) => writeln!(found, "? {code}").unwrap(),
            None => writeln!(found, "? {}", output.status).unwrap(),
        }
    }
    found
}

/// Its other files are copied by the sessions that are about them, from `$CORPUS`.
fn corpus_of(package: &Path) -> PathBuf {
    package.join("../../corpus")
}

fn copy_of_corpus(package: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(corpus_of(package)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "snap") {
            fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    copy
}

fn first_difference(expect: &str, found: &str) -> String {
    let pair = expect.lines().zip(found.lines()).enumerate().find(|(_, (a, b))| a != b);
    match pair {
        Some((line, (expect, found))) => {
            format!("line {}\n  expected {expect}\n  found    {found}", line + 1)
        }
        None => {
            format!("{} lines expected, {} found", expect.lines().count(), found.lines().count())
        }
    }
}
