//! Where the file is: links, relative paths, modes, owners, and directories that may not be written.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use snapshot_io::{Options, Warning};

use crate::common::{DEADLINE, alive, child, join, read_at};
use crate::{open, place};

const NOBODY: u32 = 65_534;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn lock_of(path: &Path) -> std::path::PathBuf {
    path.with_extension("snapshot.lock")
}

#[test]
fn a_link_stays_a_link() {
    let (dir, path) = place();
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let target = elsewhere.join("serf.snapshot");
    // First dangling, then leading to a file.
    symlink("elsewhere/serf.snapshot", &path).unwrap();
    for names in [&["a"][..], &["a", "b"]] {
        let (log, recovery) = open(&path);
        assert_eq!(recovery.path, target.canonicalize().unwrap());
        for name in names {
            log.record(join(name));
        }
        log.compact().wait(DEADLINE).unwrap();
        log.close().wait(DEADLINE).unwrap();
        assert_eq!(alive(&read_at(&target)), names);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 2, "the lock is beside the file");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}

#[test]
fn a_link_that_moves_does_not_move_the_log() {
    let (dir, path) = place();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    symlink(&one, &path).unwrap();
    let (log, _) = open(&path);
    fs::remove_file(&path).unwrap();
    symlink(&two, &path).unwrap();
    log.record(join("a"));
    log.compact().wait(DEADLINE).unwrap();
    log.close().wait(DEADLINE).unwrap();
    assert_eq!(alive(&read_at(&one)), ["a"]);
    assert!(!two.exists());
}

#[test]
fn a_relative_path_stays_where_it_was() {
    if let Some(dir) = child::given() {
        let dir = Path::new(&dir);
        std::env::set_current_dir(dir.join("one")).unwrap();
        let (log, recovery) = open(Path::new("serf.snapshot"));
        std::env::set_current_dir(dir.join("two")).unwrap();
        assert!(recovery.path.is_absolute());
        log.record(join("a"));
        log.compact().wait(DEADLINE).unwrap();
        log.record(join("b"));
        return log.close().wait(DEADLINE).unwrap();
    }
    let (dir, _) = place();
    fs::create_dir(dir.path().join("one")).unwrap();
    fs::create_dir(dir.path().join("two")).unwrap();
    child::run("places::a_relative_path_stays_where_it_was", dir.path().to_str().unwrap());
    assert_eq!(alive(&read_at(&dir.path().join("one/serf.snapshot"))), ["a", "b"]);
    assert_eq!(fs::read_dir(dir.path().join("two")).unwrap().count(), 0);
}

#[test]
fn mode_and_owner_are_kept_through_rewrites() {
    let (is_root, cases) = {
        let (dir, _) = place();
        (
            fs::metadata(dir.path()).unwrap().uid() == 0,
            [(0o640, 0o640), (0o600, 0o600), (0o755, 0o644), (0o666, 0o666)],
        )
    };
    if !is_root {
        println!("skipped: other owners, only root may give files away");
    }
    for (before, after) in cases {
        let (_dir, path) = place();
        // What a real Serf agent leaves after a compaction has 0755.
        fs::write(&path, "alive: a 10.0.0.1:7946\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
        if is_root {
            chown(&path, Some(1234), Some(4321)).unwrap();
        }
        let owner = |path: &Path| fs::metadata(path).map(|it| (it.uid(), it.gid())).unwrap();
        let expected = owner(&path);
        let (log, _) = open(&path);
        assert_eq!(
            (mode(&lock_of(&path)), owner(&lock_of(&path))),
            (after, expected),
            "the lock file"
        );
        for _ in 0..2 {
            log.compact().wait(DEADLINE).unwrap();
            assert_eq!((mode(&path), owner(&path)), (after, expected), "from {before:o}");
        }
        log.record(join("b"));
        log.close().wait(DEADLINE).unwrap();
        let (log, _) = open(&path);
        log.compact().wait(DEADLINE).unwrap();
        assert_eq!((mode(&path), owner(&path)), (after, expected), "from {before:o}");
    }
}

#[test]
fn a_new_file_has_the_mode_that_was_asked_for() {
    for asked in [0o600, 0o640, 0o644] {
        let (dir, path) = place();
        // The umask of the process is not ours to choose: a file made beside shows it.
        let beside = dir.path().join("beside");
        let mut options = fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, asked);
        drop(options.write(true).create(true).open(&beside).unwrap());
        let options = if asked == 0o644 { Options::new() } else { Options::new().file_mode(asked) };
        let (log, _) = options.open(&path).unwrap();
        assert_eq!(
            (mode(&path), mode(&lock_of(&path))),
            (mode(&beside), mode(&beside)),
            "{asked:o}"
        );
        log.compact().wait(DEADLINE).unwrap();
        assert_eq!(mode(&path), mode(&beside), "{asked:o}");
    }
}

#[test]
fn an_agent_that_may_not_write_the_directory_still_appends() {
    const TEST: &str = "places::an_agent_that_may_not_write_the_directory_still_appends";
    if let Some(path) = child::given() {
        return append_only(Path::new(&path));
    }
    let (dir, path) = place();
    if fs::metadata(dir.path()).unwrap().uid() != 0 {
        return println!("skipped: only root can become somebody who may not write here");
    }
    let (log, _) = open(&path);
    log.record(join("a"));
    log.close().wait(DEADLINE).unwrap();
    fs::remove_file(lock_of(&path)).unwrap();
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let mut child = child::command(TEST, path.to_str().unwrap());
    match child.uid(NOBODY).gid(NOBODY).output() {
        Ok(output) => drop(child::passed(&output)),
        Err(error) => return println!("skipped: nobody may not start this test: {error}"),
    }
    let (log, recovery) = open(&path);
    assert_eq!(recovery.alive, 2);
    drop(log);
}

fn append_only(path: &Path) {
    let (log, recovery) = open(path);
    assert_eq!(recovery.alive, 1);
    assert_eq!(log.health().warnings().collect::<Vec<_>>(), [Warning::Unlocked]);
    log.record(join("b"));
    log.sync().wait(DEADLINE).expect("the file may be written");
    let error = log.compact().wait(DEADLINE).unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::PermissionDenied);
    assert_eq!(log.health().stale, None);
    assert!(log.health().warnings().any(|warning| warning == Warning::RewriteFailed));
    log.close().wait(DEADLINE).expect("the log is good");
}
