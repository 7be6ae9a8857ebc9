//! Who may do what, and where: locks of root, directories nobody may write, and a working directory that moves.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use snapshot_model::Model;

use crate::common::recorder::{Recorder, command};
use crate::common::story::{Chance, Story, read_at};
use crate::common::wait_until;
use crate::cuts::{Ext4, PROGRAMS};
use crate::ground::{Case, Mount, run, seed};

const NOBODY: u32 = 65_534;

fn story(base: &Model) -> Story {
    Story::by_chance(base, 40, &mut Chance::new(seed()))
}

/// The recorder of a user without privileges; its program may lie where that user cannot go, so it is copied.
fn as_nobody(program: &Path, path: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(["record", "--ack", "--durability", "always"]).args(options).arg(path);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

#[test]
fn a_lock_that_root_has_made() {
    let case = Case("lock-of-root");
    if !rustix::process::geteuid().is_root() {
        return case.skip("only root can become another user");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let program = dir.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_serfsnap"), &program).unwrap();
    // Nobody may open the one, and everybody the other.
    for (mode, complaint) in [(0o600, "the path cannot be locked"), (0o644, "")] {
        let path = dir.path().join(format!("{mode:o}.snap"));
        let lock = path.with_extension("snap.lock");
        fs::write(&path, "").unwrap();
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, Permissions::from_mode(mode)).unwrap();
        let story = story(&Model::default());
        let mut recorder = Recorder::start(&mut as_nobody(&program, &path, &[]));
        recorder.send(&story.input);
        recorder.wait_acked(story.len());
        if mode == 0o644 {
            let second = Recorder::start(&mut command(&path, &["--assume-stopped"])).close();
            second.assert_code(2);
            assert!(second.stderr.contains("holds its lock"), "{}", second.stderr);
        }
        let ended = recorder.close();
        ended.assert_code(0);
        assert!(ended.stderr.contains(complaint), "{mode:o}: {}", ended.stderr);
        assert_eq!(ended.stderr.is_empty(), complaint.is_empty(), "{}", ended.stderr);
        assert_eq!(&read_at(&path), story.model());
    }
    // And with root at work.
    let path = dir.path().join("644.snap");
    let more = story(&read_at(&path));
    let options = ["--durability", "always", "--assume-stopped"];
    let mut recorder = Recorder::start(&mut command(&path, &options));
    recorder.send(&more.input);
    recorder.wait_acked(more.len());
    let second = Recorder::start(&mut as_nobody(&program, &path, &["--assume-stopped"])).close();
    second.assert_code(2);
    assert!(second.stderr.contains("holds its lock"), "{}", second.stderr);
    recorder.close().assert_code(0);
    assert_eq!(&read_at(&path), more.model());
    case.proof("checks=3");
}

#[test]
fn a_read_only_file_system_is_refused_and_left_alone() {
    let case = Case("read-only-mount");
    case.in_namespace(
        "rights::a_read_only_file_system_is_refused_and_left_alone",
        &["umount"],
        |case| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("old.snap");
            let mut recorder = Recorder::start(&mut command(&path, &[]));
            recorder.send(&story(&Model::default()).input);
            recorder.close().assert_code(0);
            let before = fs::read(&path).unwrap();
            let mounted = match Mount::new(&["--bind", dir.path().to_str().unwrap()]) {
                Ok(mounted) => mounted,
                Err(why) => return case.skip(&why),
            };
            run("mount", &["-o", "remount,bind,ro", mounted.at.to_str().unwrap()]).unwrap();
            for name in ["old.snap", "new.snap"] {
                let mut recorder = Recorder::start(&mut command(&mounted.at.join(name), &[]));
                recorder.send(&story(&Model::default()).input);
                let ended = recorder.close();
                ended.assert_code(2);
                assert!(ended.stderr.contains("Read-only file system"), "{name}: {}", ended.stderr);
                assert_eq!(ended.acked, 0, "{name}");
            }
            assert!(fs::read(&path).unwrap() == before && !dir.path().join("new.snap").exists());
            case.proof("checks=2");
        },
    );
}

#[test]
fn a_directory_that_becomes_immutable_is_got_over() {
    let case = Case("immutable-directory");
    let programs = [PROGRAMS, &["chattr"]].concat();
    case.in_namespace(
        "rights::a_directory_that_becomes_immutable_is_got_over",
        &programs,
        |case| {
            let Some(disk) = Ext4::for_case(case) else { return };
            let path = disk.at().join("fixed.snap");
            let story = Story::by_chance(&Model::default(), 600, &mut Chance::new(seed()));
            let options = ["--durability", "always", "--min-compact-size", "1KiB"];
            let mut recorder = Recorder::start(&mut command(&path, &options));
            recorder.send(&story.input[..20]);
            recorder.wait_acked(20);
            let directory = disk.at().to_str().unwrap();
            if let Err(why) = run("chattr", &["+i", directory]) {
                return case.skip(&why);
            }
            // The log itself may still be written: it only cannot be replaced.
            let mut sent = 20;
            while !recorder.stderr().contains("the last rewrite failed") {
                recorder.send(&story.input[sent..sent + 20]);
                sent += 20;
                recorder.wait_acked(sent);
            }
            assert!(!recorder.stderr().contains("stale"), "{}", recorder.stderr());
            story.judge(sent..=sent, &read_at(&path)).unwrap();
            run("chattr", &["-i", directory]).unwrap();
            wait_until("it is well again", || recorder.stderr().ends_with(": good\n"));
            recorder.send(&story.input[sent..sent + 20]);
            let ended = recorder.close();
            ended.assert_code(0);
            story.judge(sent + 20..=sent + 20, &read_at(&path)).unwrap();
            case.proof("checks=2");
        },
    );
}

#[test]
fn a_directory_nobody_may_write_gets_no_file_and_keeps_the_one_it_has() {
    let case = Case("read-only-directory");
    if !rustix::process::geteuid().is_root() {
        return case.skip("only root can become another user");
    }
    let outer = tempfile::tempdir().unwrap();
    fs::set_permissions(outer.path(), Permissions::from_mode(0o755)).unwrap();
    let program = outer.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_serfsnap"), &program).unwrap();
    let dir = outer.path().join("closed");
    fs::create_dir(&dir).unwrap();
    let path = dir.join("old.snap");
    Recorder::start(&mut command(&path, &[])).close().assert_code(0);
    fs::remove_file(path.with_extension("snap.lock")).unwrap();
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    let missing = Recorder::start(&mut as_nobody(&program, &dir.join("new.snap"), &[])).close();
    missing.assert_code(2);
    assert!(missing.stderr.contains("Permission denied"), "{}", missing.stderr);
    let story = Story::by_chance(&Model::default(), 200, &mut Chance::new(seed()));
    let options = ["--min-compact-size", "1KiB"];
    let mut recorder = Recorder::start(&mut as_nobody(&program, &path, &options));
    recorder.send(&story.input);
    recorder.wait_acked(story.len());
    let ended = recorder.close();
    ended.assert_code(0);
    for complaint in ["the path cannot be locked", "the last rewrite failed"] {
        assert!(ended.stderr.contains(complaint), "{}", ended.stderr);
    }
    assert_eq!(&read_at(&path), story.model());
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "nothing beside it");
    case.proof("checks=2");
}

#[test]
fn a_relative_path_whose_directory_moves_away_and_comes_back() {
    let case = Case("relative-path");
    let outer = tempfile::tempdir().unwrap();
    let (here, there) = (outer.path().join("here"), outer.path().join("there"));
    fs::create_dir(&here).unwrap();
    let mut chance = Chance::new(seed());
    let mut story = Story::by_chance(&Model::default(), 20, &mut chance);
    // A line that changes nothing would be acknowledged at once.
    story.user(1_000_000);
    story.go_on(19, &mut chance);
    let mut recorder = command(Path::new("relative.snap"), &["--durability", "always"]);
    let mut recorder = Recorder::start(recorder.current_dir(&here));
    recorder.send(&story.input[..20]);
    recorder.wait_acked(20);
    fs::rename(&here, &there).unwrap();
    recorder.send(&story.input[20..30]);
    wait_until("it tells", || recorder.stderr().contains("stale: somebody else"));
    assert_eq!(recorder.acked(), 20, "nothing is where the path leads");
    fs::rename(&there, &here).unwrap();
    recorder.wait_acked(30);
    recorder.send(&story.input[30..]);
    let ended = recorder.close();
    ended.assert_code(0);
    assert_eq!(&read_at(&here.join("relative.snap")), story.model());
    assert!(!there.exists());
    case.proof("checks=2");
}
