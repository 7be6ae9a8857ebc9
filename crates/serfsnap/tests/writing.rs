//! What the commands that write refuse, and what they leave as it was.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{Killed, alone, assert_code, contents, corpus, serfsnap, stderr, stdout};

const WRITERS: [&[&str]; 8] = [
    &["record"],
    &["compact"],
    &["compact", "--yes"],
    &["repair", "--yes"],
    &["prune", "--name", "a", "--yes"],
    &["readdress", "--map", "a=b", "--yes"],
    &["revive", "--yes"],
    &["set-clock", "--clock", "0", "--yes"],
];

fn run(command: &[&str], path: &Path) -> Output {
    serfsnap().args(command).arg(path).stdin(Stdio::null()).output().unwrap()
}

fn inspect(path: &Path, rejoins: bool) -> serde_json::Value {
    let rejoins = format!("--rejoin-after-leave={rejoins}");
    let output = run(&["inspect", "--format", "json", &rejoins], path);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn backups(path: &Path) -> Vec<PathBuf> {
    let begin = format!("{}.bak-", path.file_name().unwrap().to_str().unwrap());
    let files = contents(path.parent().unwrap()).into_iter().map(|(path, _)| path);
    files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&begin)).collect()
}

#[test]
fn what_is_no_snapshot_is_left_alone() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        fs::write(directory.path().join(name), bytes).unwrap();
        name.to_owned()
    };
    let mut tar = [0; 1024];
    tar[..9].copy_from_slice(b"meta.json");
    tar[148..156].copy_from_slice(b"        ");
    let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let cases = [
        (file("raft.snap", b"\x1f\x8b\x08\0\0\0\0\0"), "Raft archive"),
        (file("state.tar", &tar), "inside of a Raft archive"),
        (file("a.zst", b"\x28\xb5\x2f\xfd\0\0"), "zstd"),
        (file("a.zip", b"PK\x03\x04\x14\0"), "zip archive"),
        (file("a.db", b"SQLite format 3\0\x10\0"), "SQLite"),
        (file("prog", b"\x7fELF\x02\x01\x01\0"), "a program"),
        (file("nginx.conf", b"# of people\nlisten 80;\n"), "left alone"),
        (".".to_owned(), "this is a directory"),
        (String::new(), "the path of FILE is empty"),
        ("-".to_owned(), "cannot be standard input"),
        ("/dev/null".to_owned(), "a pipe or a device"),
        ("no/such/directory".to_owned(), "there is no directory no/such"),
    ];
    let before = contents(directory.path());
    for command in WRITERS {
        for (path, why) in &cases {
            let mut line = serfsnap();
            line.args(command).arg(path).current_dir(&directory).stdin(Stdio::null());
            let output = line.output().unwrap();
            assert_code(&output, 2);
            assert!(stderr(&output).contains(why), "{command:?} {path}: {}", stderr(&output));
        }
    }
    assert!(contents(directory.path()) == before, "no lock is put beside them either");
}

#[test]
fn a_file_that_a_process_has_open_is_left_alone() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("live.snap");
    fs::copy(corpus("06-c-graceful-leave.snap"), &path).unwrap();
    let before = contents(directory.path());
    let sleep = Command::new("sleep").arg("600").stdin(File::open(&path).unwrap()).spawn().unwrap();
    let holder = Killed(sleep);
    for command in [WRITERS[0], WRITERS[2]] {
        let output = run(command, &path);
        assert_code(&output, 2);
        let who = format!("process {} (sleep) has it open", holder.0.id());
        assert!(stderr(&output).contains(&who), "{command:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("--assume-stopped"));
    }
    assert_code(&run(&["compact"], &path), 1);
    assert!(contents(directory.path()) == before, "and no lock is left behind either");
    assert_code(&run(&["compact", "--yes", "--assume-stopped"], &path), 0);
    assert_eq!(backups(&path).len(), 1);
}

#[test]
fn whoever_cannot_look_is_refused() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    if fs::metadata(directory.path()).unwrap().uid() != 0 {
        println!("skipped: only root can become another user");
        return;
    }
    let path = directory.path().join("other.snap");
    fs::copy(corpus("06-c-graceful-leave.snap"), &path).unwrap();
    let open =
        |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    open(&path, 0o666);
    open(directory.path(), 0o777);
    // The binary may lie where other users cannot go.
    let program = directory.path().join("serfsnap");
    fs::copy(env!("CARGO_BIN_EXE_serfsnap"), &program).unwrap();
    let as_nobody = |command: &[&str]| {
        let mut line = Command::new(&program);
        line.args(command).arg(&path).current_dir("/").stdin(Stdio::null());
        line.uid(65_534).gid(65_534).output()
    };
    let Ok(output) = as_nobody(&["compact", "--yes"]) else {
        println!("skipped: cannot run as another user here");
        return;
    };
    assert_code(&output, 2);
    assert!(
        stderr(&output).contains("this is neither root nor the owner of the file"),
        "{}",
        stderr(&output)
    );
    assert_code(&as_nobody(&["record"]).unwrap(), 2);
    // Its owner can look.
    chown(&path, Some(65_534), Some(65_534)).unwrap();
    let output = as_nobody(&["compact", "--yes"]).unwrap();
    assert_code(&output, 0);
    let backup = backups(&path).remove(0);
    for path in [&path, &backup] {
        assert_eq!(fs::metadata(path).unwrap().uid(), 65_534);
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dry.snap");
    fs::copy(corpus("12-a-just-before-compaction.snap"), &path).unwrap();
    let before = contents(directory.path());
    let output = run(&["compact"], &path);
    assert_code(&output, 1);
    assert!(stdout(&output).contains("would become"), "{}", stdout(&output));
    assert!(contents(directory.path()) == before);
}

#[test]
fn a_closed_pipe_does_not_change_the_exit_code() {
    let _alone = alone();
    let path = corpus("06-c-graceful-leave.snap");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut compact = serfsnap();
    compact.arg("compact").arg(&path).stdout(writer).stderr(Stdio::piped());
    let output = compact.spawn().unwrap().wait_with_output().unwrap();
    assert_code(&output, 1);
    assert_eq!(stderr(&output), "");
}

/// Checks that a file says what it said, under both settings.
fn assert_says(path: &Path, before: &[serde_json::Value; 2]) {
    for (before, rejoins) in before.iter().zip([false, true]) {
        let after = inspect(path, rejoins);
        for key in ["alive", "failed", "clock", "event_clock", "query_clock", "candidates"] {
            assert_eq!(after[key], before[key], "{key} of {}", path.display());
        }
        assert_eq!(after["verdict"], "clean");
    }
}

#[test]
fn both_readings_survive_a_compaction() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut compacted = 0;
    for entry in fs::read_dir(corpus("")).unwrap() {
        let original = entry.unwrap().path();
        if original.extension().is_none_or(|extension| extension != "snap") {
            continue;
        }
        let path = directory.path().join(original.file_name().unwrap());
        fs::copy(&original, &path).unwrap();
        let before = [false, true].map(|rejoins| inspect(&path, rejoins));
        let inode = fs::metadata(&path).unwrap().ino();
        let output = run(&["compact", "--yes"], &path);
        if before[0]["verdict"] == "damaged" {
            assert_code(&output, 2);
            assert!(stderr(&output).contains("serfsnap repair"), "{}", stderr(&output));
            assert!(fs::read(&path).unwrap() == fs::read(&original).unwrap());
            assert_code(&run(&["repair", "--yes"], &path), 0);
            assert_says(&path, &before);
            continue;
        }
        assert_code(&output, 0);
        assert_says(&path, &before);
        let backup = backups(&path).remove(0);
        assert_eq!(
            fs::metadata(&backup).unwrap().ino(),
            inode,
            "the backup is the old file itself"
        );
        assert!(fs::read(&backup).unwrap() == fs::read(&original).unwrap());
        assert_code(&run(&["compact"], &path), 0);
        let again = run(&["compact", "--yes"], &path);
        assert!(stdout(&again).contains("compact already"), "{}", stdout(&again));
        assert_eq!(backups(&path).len(), 1, "nothing to do, nothing to keep");
        compacted += 1;
    }
    assert!(compacted > 20);
}

#[test]
fn comments_modes_and_links_survive_a_compaction() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("real.snap");
    fs::write(&path, "# do not touch\nalive: a 10.0.0.1:1\nalive: a 10.0.0.2:1\n").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let link = directory.path().join("link.snap");
    std::os::unix::fs::symlink("real.snap", &link).unwrap();
    assert_code(&run(&["compact", "--yes"], &link), 0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let file = fs::read_to_string(&path).unwrap();
    assert!(file.contains("# do not touch\n") && !file.contains("10.0.0.1"), "{file}");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
}
