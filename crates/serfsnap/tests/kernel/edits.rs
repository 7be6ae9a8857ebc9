//! Commands that edit: on a full disk, as root, beside a recorder, and under the eyes of a process that has the file.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::recorder::{Recorder, command};
use crate::common::{Killed, alone, assert_code, contents, serfsnap, stderr};
use crate::ground::{Case, Mount, run};

const NOBODY: u32 = 65_534;

/// Each command has something to do in it.
const FILE: &[u8] = b"# by hand\nalive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\nalive: c 10.0.0.3:1\nnot-alive: b\nevent-clock: 9\nalive: to";

const EDITS: [&[&str]; 6] = [
    &["compact"],
    &["repair"],
    &["prune", "--name", "c"],
    &["readdress", "--map", "10.0.0.0/24=10.0.9.0/24"],
    &["revive"],
    &["set-clock", "--event-clock", "2"],
];

fn edit(edit: &[&str], path: &Path) -> Output {
    serfsnap().args(edit).arg("--yes").arg(path).stdin(Stdio::null()).output().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let names = contents(dir).into_iter().map(|(path, _)| path);
    names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn backup(path: &Path) -> PathBuf {
    let dir = path.parent().unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let of_it = |other: &String| other.starts_with(&format!("{name}.bak-"));
    dir.join(names(dir).into_iter().find(of_it).unwrap())
}

#[test]
fn an_edit_on_a_full_disk_leaves_the_old_file_and_says_so() {
    let case = Case("edit-full");
    let test = "edits::an_edit_on_a_full_disk_leaves_the_old_file_and_says_so";
    case.in_namespace(test, &["umount", "dd"], |case| {
        let disk = match Mount::new(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"]) {
            Ok(disk) => disk,
            Err(why) => return case.skip(&why),
        };
        let path = disk.at.join("full.snap");
        let hog = disk.at.join("hog");
        for what in EDITS {
            fs::write(&path, FILE).unwrap();
            let inode = fs::metadata(&path).unwrap().ino();
            let of = format!("of={}", hog.display());
            assert!(run("dd", &["if=/dev/zero", &of, "bs=4096"]).is_err(), "the disk is full");
            let output = edit(what, &path);
            assert_code(&output, 2);
            for words in ["No space left on device", "the file is as it was, nothing was changed"] {
                assert!(stderr(&output).contains(words), "{what:?}: {}", stderr(&output));
            }
            assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
            assert!(fs::read(&path).unwrap() == FILE);
            // Neither a half-written file nor a second name of the old one.
            assert_eq!(names(&disk.at), ["full.snap", "full.snap.lock", "hog"], "{what:?}");
            fs::remove_file(&hog).unwrap();
            assert_code(&edit(what, &path), 0);
            assert!(fs::read(backup(&path)).unwrap() == FILE);
            fs::remove_file(backup(&path)).unwrap();
        }
        case.proof(&format!("checks={}", 2 * EDITS.len()));
    });
}

#[test]
fn an_edit_of_root_leaves_a_file_that_its_agent_can_open_and_replace() {
    let case = Case("edit-rights");
    if !rustix::process::geteuid().is_root() {
        return case.skip("only root can become another user");
    }
    let _alone = alone();
    let outer = tempfile::tempdir().unwrap();
    fs::set_permissions(outer.path(), Permissions::from_mode(0o755)).unwrap();
    let program = outer.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_serfsnap"), &program).unwrap();
    for (number, what) in EDITS.iter().enumerate() {
        // As agents make it, and as Serf's compaction leaves it.
        for (mode, after) in [(0o600, 0o600), (0o755, 0o644)] {
            let dir = outer.path().join(format!("{number}-{mode:o}"));
            fs::create_dir(&dir).unwrap();
            let path = dir.join("owned.snap");
            fs::write(&path, FILE).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            for path in [&dir, &path] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            assert_code(&edit(what, &path), 0);
            let lock = dir.join("owned.snap.lock");
            for (path, mode) in [(&path, after), (&lock, after), (&backup(&path), mode)] {
                let metadata = fs::metadata(path).unwrap();
                let found = (metadata.uid(), metadata.gid(), metadata.mode() & 0o777);
                assert_eq!(found, (NOBODY, NOBODY, mode), "{what:?} {}", path.display());
            }
            assert_eq!(names(&dir).len(), 3, "{what:?}: {:?}", names(&dir));
            // The agent's next start: it takes the lock, appends, and replaces the file.
            let mut next = Command::new(&program);
            next.args(["record", "--ack", "--durability", "always"]).arg(&path);
            next.uid(NOBODY).gid(NOBODY).current_dir("/");
            let mut recorder = Recorder::start(&mut next);
            let join =
                r#"{"event":"member-join","members":[{"name":"z","addr":"10.0.0.9","port":1}]}"#;
            recorder.send(&[format!("{join}\n")]);
            recorder.wait_acked(1);
            let ended = recorder.close();
            ended.assert_code(0);
            assert!(ended.stderr.is_empty(), "{what:?}: {}", ended.stderr);
            let mut compact = Command::new(&program);
            compact.args(["revive", "--yes"]).arg(&path).uid(NOBODY).gid(NOBODY).current_dir("/");
            assert_code(&compact.stdin(Stdio::null()).output().unwrap(), 0);
        }
    }
    case.proof(&format!("checks={}", 2 * EDITS.len()));
}

#[test]
fn an_edit_leaves_a_file_alone_that_somebody_has() {
    let case = Case("edit-in-use");
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("used.snap");
    fs::write(&path, FILE).unwrap();
    let before = contents(dir.path());
    let sleep = Command::new("sleep").arg("600").stdin(File::open(&path).unwrap()).spawn().unwrap();
    let holder = Killed(sleep);
    for what in EDITS {
        let output = edit(what, &path);
        assert_code(&output, 2);
        let who = format!("process {} (sleep) has it open", holder.0.id());
        assert!(stderr(&output).contains(&who), "{what:?}: {}", stderr(&output));
        assert!(contents(dir.path()) == before, "{what:?}: no lock is left behind either");
    }
    drop(holder);
    // One of our recorders is found by its lock as well.
    let recorder = Recorder::start(&mut command(&path, &[]));
    recorder.wait_acked(0);
    crate::common::wait_until("it has the lock", || dir.path().join("used.snap.lock").exists());
    let mut sealed = fs::read(&path).unwrap();
    crate::common::wait_until("it has rewritten the file", || {
        sealed = fs::read(&path).unwrap();
        sealed != FILE
    });
    for what in [EDITS[2], EDITS[3], EDITS[5]] {
        let what = [what, &["--assume-stopped"]].concat();
        let output = edit(&what, &path);
        assert_code(&output, 2);
        let told = stderr(&output);
        assert!(told.contains("another recorder holds its lock"), "{what:?}: {told}");
        assert!(fs::read(&path).unwrap() == sealed);
    }
    recorder.close().assert_code(0);
    case.proof(&format!("checks={}", EDITS.len() + 3));
}
