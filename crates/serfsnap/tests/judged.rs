//! The real Serf library on what the commands that write leave: it recovers exactly what they have shown.
//!
//! The library stands behind the Go program `xtask/judge`.
//! Where that cannot be built the test says so and passes.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::changes::{bytes, said, with_changes};
use common::{alone, assert_code, corpus, serfsnap};
use serde_json::Value;
use snapshot_model::Model;
use tempfile::TempDir;

/// Where Debian puts the sources of Go packages.
const GOPATH: &str = "/usr/share/gocode";
const LIBRARY: &str = "src/github.com/hashicorp/serf/serf/snapshot.go";

const EDITS: [&[&str]; 9] = [
    &["compact"],
    &["repair"],
    &["prune", "--cidr", "127.0.0.3,10.0.0.0/8", "--allow-empty"],
    &["prune", "--keep-cidr", "127.0.0.0/31,10.0.0.2", "--allow-empty"],
    &["prune", "--drop-failed"],
    &["readdress", "--map", "127.0.0.0/24=10.0.0.0/24", "--map", "::1=fd00::1"],
    &["revive"],
    &["revive", "--with-failed"],
    &["set-clock", "--clock", "1", "--event-clock", "0", "--query-clock", "0"],
];

/// Files that no agent of the corpus has left.
const MADE: [&[u8]; 4] = [
    b"alive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\nnot-alive: b\nclock: 7\nleave\nclock: 7\nalive: a 10.0.0.1:1\n#@failed: c 10.0.0.3:1 5\n",
    b"# by hand\n#@failed: c c 10.0.0.3:1 5\nalive: \xff\r 10.0.0.2:1\nalive: d 10.0.0.4:1\nnot-alive: d\nevent-clock: 9\ntorn",
    b"clock: 4\nevent-clock: 18446744073709551615\nquery-clock: 3\nleave\nevent-clock: 281474976710657\n",
    b"alive: a 10.0.0alive: b 10.0.0.2:1\r\nalive: x nowhere\nclock: 12\r\nnot-alive: b\r\nleave\r\nalive: a 10.0.0.1:1\n\0\0\0\0\0\0\0\0alive: e 10.0.0.5:1\n",
];

struct Judge {
    dir: TempDir,
}

impl Judge {
    /// # Errors
    /// Why it cannot be built here.
    fn build() -> Result<Self, &'static str> {
        let go = Command::new("go").arg("version").stdout(Stdio::null()).status();
        if !go.is_ok_and(|status| status.success()) {
            return Err("there is no go here");
        }
        if !Path::new(GOPATH).join(LIBRARY).is_file() {
            return Err("golang-github-hashicorp-serf-dev is not installed");
        }
        let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect();
        let root = root.canonicalize().unwrap();
        let judge = Self { dir: tempfile::tempdir().unwrap() };
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(judge.program()).arg("./xtask/judge");
        // The packages of the distribution, whatever the user has set up, and nothing from the network.
        build.env("GO111MODULE", "off").env("GOPATH", GOPATH).env("GOFLAGS", "");
        build.env("GOCACHE", root.join("target/judge/cache")).current_dir(root);
        assert!(build.status().unwrap().success(), "the judge does not build");
        Ok(judge)
    }

    fn program(&self) -> PathBuf {
        self.dir.path().join("judge")
    }

    /// What the library recovers, and how many lines it warns of.
    fn replay(&self, path: &Path, rejoins: bool) -> (Model, Value) {
        let mut judge = Command::new(self.program());
        judge.arg("replay").arg(format!("--rejoin-after-leave={rejoins}")).arg(path);
        let output = judge.output().unwrap();
        assert_code(&output, 0);
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        (recovered(&object), object["warnings"].clone())
    }
}

/// Who is alive and the clocks, as the judge and the tool both tell them.
fn recovered(object: &Value) -> Model {
    let alive = object["alive"].as_array().unwrap().iter();
    // 2^64 - 1 is told as it is.
    let clock = |key: &str| object[key].as_u64().unwrap();
    Model {
        alive: alive.map(|node| (bytes(node, "name"), bytes(node, "addr"))).collect(),
        clock: clock("clock"),
        event_clock: clock("event_clock"),
        query_clock: clock("query_clock"),
        ..Model::default()
    }
}

fn files() -> Vec<Vec<u8>> {
    let entries = fs::read_dir(corpus("")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "snap"))
        .collect();
    paths.sort();
    let made = MADE.iter().map(|file| file.to_vec());
    paths.iter().map(|path| fs::read(path).unwrap()).chain(made).collect()
}

#[test]
fn the_library_recovers_what_an_edit_has_shown() {
    let judge = match Judge::build() {
        Ok(judge) => judge,
        Err(why) => return println!("skipped: {why}"),
    };
    let _alone = alone();
    let (mut written, mut readings) = (0, 0);
    for file in files() {
        for edit in EDITS {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("judged.snap");
            fs::write(&path, &file).unwrap();
            let before = [false, true].map(|rejoins| Model {
                failed: said(&file, rejoins).failed,
                ..judge.replay(&path, rejoins).0
            });
            let mut command = serfsnap();
            command.args(edit).args(["--yes", "--format", "json"]).arg(&path);
            let output = command.stdin(Stdio::null()).output().unwrap();
            // What is refused is left alone, as is what needs no change.
            if output.status.code() == Some(2) {
                assert!(fs::read(&path).unwrap() == file);
                continue;
            }
            let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
            if shown["written"] == false {
                assert!(fs::read(&path).unwrap() == file);
                continue;
            }
            written += 1;
            for (before, rejoins) in before.into_iter().zip([false, true]) {
                let mut expect = with_changes(before, &shown, rejoins);
                expect.failed.clear();
                let (found, warned) = judge.replay(&path, rejoins);
                assert_eq!(
                    found,
                    expect,
                    "{edit:?} with rejoin {rejoins} on {}",
                    file.escape_ascii()
                );
                assert_eq!(warned, 0, "{edit:?} on {}", file.escape_ascii());
                readings += 1;
            }
        }
    }
    assert!(written > 100, "{written} files were written");
    println!("proof: judged edits={written} readings={readings} violations=0");
}

#[test]
fn the_library_recovers_what_an_import_has_shown() {
    let judge = match Judge::build() {
        Ok(judge) => judge,
        Err(why) => return println!("skipped: {why}"),
    };
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let mut readings = 0;
    for entry in fs::read_dir(corpus("serf-crate")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        let out = dir.path().join(file.file_name().unwrap());
        let mut command = serfsnap();
        command.arg("import").arg(&file).args(["--format", "json", "-o"]).arg(&out);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert_code(&output, 0);
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        for rejoins in [false, true] {
            let left = rejoins && shown["rejoining"].is_object();
            let expect = if left { &shown["rejoining"] } else { &shown };
            let (found, warned) = judge.replay(&out, rejoins);
            assert_eq!(found, recovered(expect), "with rejoin {rejoins} from {}", file.display());
            assert_eq!(warned, 0);
            readings += 1;
        }
    }
    assert!(readings >= 18, "{readings} readings");
}
