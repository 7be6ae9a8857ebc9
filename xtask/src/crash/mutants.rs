//! Protocols that are wrong: a copy of the tree is broken in one way after another, and the tests must see each.
//!
//! A mutant is a file of `xtask/mutants`: one sentence, a line `Test:` with what is asked of `cargo test`, and a patch.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::proof::Proof;
use crate::Outcome;
use crate::process::{output, root};

/// Where the mutants are.
const MUTANTS: &str = "xtask/mutants";
/// Where the copy of the tree is, and what is built from it.
const TREE: &str = "target/mutants/tree";
const BUILD: &str = "target/mutants/build";

/// A wrong protocol may wait for what never comes; by then every test has long passed on the right one.
const PATIENCE: Duration = Duration::from_secs(300);

struct Mutant {
    name: String,
    path: PathBuf,
    /// What is wrong with it, in one sentence.
    about: String,
    /// What is asked of `cargo test`.
    test: Vec<String>,
}

/// Breaks the tree in every way, or in those wanted, and tells which test saw it.
pub(super) fn hunt(wanted: &[String], proof: &mut Proof) -> Outcome {
    let mut mutants = read_all(&root().join(MUTANTS))?;
    if let Some(unknown) = wanted.iter().find(|name| mutants.iter().all(|of| of.name != **name)) {
        return Err(format!("no mutant is called {unknown:?}; see {MUTANTS}").into());
    }
    mutants.retain(|mutant| wanted.is_empty() || wanted.contains(&mutant.name));
    let tree = Tree::copy()?;
    let start = Instant::now();
    // What fails on the right protocol proves nothing about a wrong one.
    let tests: BTreeSet<_> = mutants.iter().map(|mutant| mutant.test.clone()).collect();
    for test in tests {
        println!("without a mutant: {}", test.join(" "));
        if let Verdict::Failed(names) = tree.test(&test)? {
            let names = names.join(", ");
            return Err(format!("{} fails without any mutant: {names}", test.join(" ")).into());
        }
    }
    let mut trouble = Vec::new();
    for mutant in &mutants {
        match tree.try_out(mutant) {
            Ok(Verdict::Failed(names)) => {
                let by = names.first().map_or("nothing that has a name", String::as_str);
                println!("{}: caught by {by} ({})", mutant.name, mutant.about);
                proof.caught(&mutant.name, by);
            }
            Ok(Verdict::Passed) => trouble.push(format!("{} survives", mutant.name)),
            Err(error) => trouble.push(format!("{}: {error}", mutant.name)),
        }
    }
    proof.took("mutants", start.elapsed());
    if trouble.is_empty() { Ok(()) } else { Err(trouble.join("\n").into()) }
}

fn read_all(directory: &Path) -> Outcome<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "patch") {
            let text = fs::read_to_string(&path)?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (about, words) = header(&text).ok_or_else(|| {
                format!("{} does not begin with a sentence and a line `Test:`", path.display())
            })?;
            mutants.push(Mutant { name, path, about, test: words });
        }
    }
    mutants.sort_by(|one, other| one.name.cmp(&other.name));
    if mutants.is_empty() { Err("there are no mutants".into()) } else { Ok(mutants) }
}

/// The sentence and the words behind `Test:`.
fn header(text: &str) -> Option<(String, Vec<String>)> {
    let mut lines = text.lines();
    let about = lines.next().filter(|line| line.ends_with('.'))?;
    let asked = lines.next()?.strip_prefix("Test: ")?;
    let words: Vec<_> = asked.split_whitespace().map(str::to_owned).collect();
    (!words.is_empty()).then(|| (about.to_owned(), words))
}

/// A copy of every file that belongs to the project.
struct Tree {
    path: PathBuf,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    /// The tests that failed.
    Failed(Vec<String>),
}

impl Tree {
    /// Brings the copy up to date. What is the same keeps its time, so that little is built again.
    fn copy() -> Outcome<Self> {
        let path = root().join(TREE);
        let list = output(Command::new("git").args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let files: BTreeSet<_> = list
            .split('\0')
            .filter(|file| !file.is_empty() && root().join(file).is_file())
            .collect();
        for file in &files {
            let (from, to) = (root().join(file), path.join(file));
            let bytes = fs::read(&from)?;
            if fs::read(&to).is_ok_and(|old| old == bytes) {
                continue;
            }
            fs::create_dir_all(to.parent().unwrap_or(&path))?;
            fs::write(&to, bytes)?;
        }
        let known = |file: &Path| {
            file.strip_prefix(&path).is_ok_and(|file| files.contains(&*file.to_string_lossy()))
        };
        remove_others(&path, &known)?;
        Ok(Self { path })
    }

    fn try_out(&self, mutant: &Mutant) -> Outcome<Verdict> {
        self.apply(mutant, &[])?;
        let verdict = self.test(&mutant.test);
        self.apply(mutant, &["--reverse"])?;
        verdict
    }

    fn apply(&self, mutant: &Mutant, options: &[&str]) -> Outcome {
        let ceiling = self.path.parent().unwrap_or(&self.path);
        let applied = Command::new("git")
            .arg("apply")
            .args(options)
            .arg(&mutant.path)
            .current_dir(&self.path)
            // Else git finds the project around the copy, and patches nothing.
            .env("GIT_CEILING_DIRECTORIES", ceiling)
            .output()?;
        if applied.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&applied.stderr);
        Err(format!("the patch does not apply any more: {}", why.trim()).into())
    }

    /// Builds and runs tests; an error where they cannot be built.
    fn test(&self, words: &[String]) -> Outcome<Verdict> {
        let cargo = |options: &[&str]| {
            let mut command = Command::new("cargo");
            command.arg("test").args(options).args(words);
            command.current_dir(&self.path).env("CARGO_TARGET_DIR", root().join(BUILD));
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.process_group(0);
            command
        };
        let built = cargo(&["--no-run", "--quiet"]).output()?;
        if !built.status.success() {
            return Err(
                format!("does not compile:\n{}", String::from_utf8_lossy(&built.stderr)).into()
            );
        }
        let mut child = cargo(&[]).spawn()?;
        let (sender, lines) = mpsc::channel();
        for stream in streams(&mut child) {
            let sender = sender.clone();
            thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| {
                    // Who waited for the lines may have given up.
                    let _ = sender.send(line);
                });
            });
        }
        drop(sender);
        let end = Instant::now() + PATIENCE;
        let mut failed = Vec::new();
        loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => failed.extend(failed_test(&line)),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // Cargo, and the test that it has started.
                    Command::new("kill")
                        .args(["-KILL", "--", &format!("-{}", child.id())])
                        .status()?;
                    child.wait()?;
                    return Ok(Verdict::Failed(vec!["the limit of time".to_owned()]));
                }
            }
        }
        Ok(if child.wait()?.success() { Verdict::Passed } else { Verdict::Failed(failed) })
    }
}

fn streams(child: &mut Child) -> Vec<Box<dyn Read + Send>> {
    let out = child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>);
    let err = child.stderr.take().map(|err| Box::new(err) as Box<dyn Read + Send>);
    out.into_iter().chain(err).collect()
}

/// The name in `test NAME ... FAILED`, or in the heading over its output.
fn failed_test(line: &str) -> Option<String> {
    let name = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED"));
    name.map(|name| name.trim_end_matches(" - should panic").to_owned())
}

/// Removes what was copied earlier and is not a file of the project any more.
fn remove_others(directory: &Path, known: &impl Fn(&Path) -> bool) -> Outcome {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, known)?;
        } else if !known(&path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{failed_test, header, read_all};
    use crate::process::root;

    #[test]
    fn every_mutant_says_what_is_wrong_and_who_should_see_it() {
        let mutants = read_all(&root().join(super::MUTANTS)).unwrap();
        assert!(mutants.len() >= 15, "only {}", mutants.len());
    }

    #[test]
    fn a_mutant_begins_with_a_sentence_and_a_test() {
        let (about, test) = header("Wrong.\nTest: -p a --test b\n\n--- a/x\n").unwrap();
        assert_eq!((about.as_str(), test.join(" ").as_str()), ("Wrong.", "-p a --test b"));
        assert!(header("Wrong\nTest: -p a\n").is_none());
        assert!(header("Wrong.\n--- a/x\n").is_none());
    }

    #[test]
    fn the_name_of_a_failed_test_is_found() {
        assert_eq!(failed_test("test a::b ... FAILED").as_deref(), Some("a::b"));
        assert_eq!(failed_test("test a::b ... ok"), None);
        assert_eq!(failed_test("test result: FAILED. 1 passed"), None);
    }
}
