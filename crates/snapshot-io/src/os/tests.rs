use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::*;

/// Tells the test that starts itself again where to work without privileges.
const UNPRIVILEGED: &str = "SNAPSHOT_IO_UNPRIVILEGED_DIR";

const NOBODY: u32 = 65534;

fn is_root(dir: &Path) -> bool {
    fs::metadata(dir).unwrap().uid() == 0
}

fn fifo(path: &Path) -> bool {
    Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success())
}

fn plant(path: &Path, mode: u32) {
    fs::write(path, "old").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn special_files_are_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(dir.path().join("socket")).unwrap();
    let mut cases = vec![
        (dir.path().join("socket"), "a socket"),
        (PathBuf::from("/dev/null"), "a device"),
        (dir.path().to_path_buf(), "a directory"),
    ];
    if fifo(&dir.path().join("fifo")) {
        cases.push((dir.path().join("fifo"), "a FIFO"));
    } else {
        println!("skipped: FIFOs, there is no mkfifo here");
    }
    for (path, noun) in cases {
        let read = OsStorage.open(&path, Access::Read).map(drop);
        let append = OsStorage.open(&path, Access::Append).map(drop);
        let lock = OsStorage.lock(&path, &path, 0o644).map(drop);
        for error in [read, append, lock].map(Result::unwrap_err) {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{noun}: {error}");
            assert!(error.to_string().contains(noun), "{noun}: {error}");
        }
    }
}

#[test]
fn the_owner_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    if !is_root(dir.path()) {
        println!("skipped: only root may give files away");
        return;
    }
    let (log, next, lock) =
        (dir.path().join("log"), dir.path().join("next"), dir.path().join("log.lock"));
    plant(&log, 0o660);
    chown(&log, Some(1234), Some(4321)).unwrap();
    drop(OsStorage.create(&next, &log, 0o644).unwrap());
    drop(OsStorage.lock(&lock, &log, 0o644).unwrap());
    for path in [next, lock] {
        let made = fs::metadata(path).unwrap();
        assert_eq!((made.uid(), made.gid(), made.mode() & 0o7777), (1234, 4321, 0o660));
    }
}

#[test]
fn an_owner_that_cannot_be_kept_opens_the_file_to_nobody_new() {
    if let Some(dir) = std::env::var_os(UNPRIVILEGED) {
        return create_as_nobody(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    if !is_root(dir.path()) {
        println!("skipped: only root has files of others to show");
        return;
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for mode in [0o600, 0o644, 0o664, 0o660, 0o666] {
        plant(&dir.path().join(format!("{mode:o}")), mode);
    }
    let test = "os::tests::an_owner_that_cannot_be_kept_opens_the_file_to_nobody_new";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test]).env(UNPRIVILEGED, dir.path()).uid(NOBODY).gid(NOBODY);
    match child.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        Err(error) => println!("skipped: nobody may not start this test: {error}"),
    }
}

fn create_as_nobody(dir: &Path) {
    for (like, expected) in
        [("600", 0o600), ("644", 0o644), ("664", 0o644), ("660", 0o600), ("666", 0o666)]
    {
        let next = dir.join("next");
        drop(OsStorage.create(&next, &dir.join(like), 0o644).unwrap());
        assert_eq!(mode(&next), expected, "like {like}");
        assert_eq!(fs::metadata(&next).unwrap().uid(), NOBODY);
        OsStorage.remove(&next).unwrap();
    }
    plant(&dir.join("mine"), 0o640);
    drop(OsStorage.create(&dir.join("next"), &dir.join("mine"), 0o644).unwrap());
    assert_eq!(mode(&dir.join("next")), 0o640, "one's own group can be kept");
}

#[test]
fn a_lock_on_a_replaced_file_is_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.lock");
    let mut opened = 0;
    let lock = lock_current(&path, || {
        opened += 1;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        match opened {
            1 => fs::remove_file(&path)?,
            2 => {
                fs::write(dir.path().join("foreign"), "")?;
                fs::rename(dir.path().join("foreign"), &path)?;
            }
            _ => {}
        }
        Ok(file)
    });
    let lock = lock.unwrap().expect("the third attempt has the file that stays");
    assert_eq!(opened, 3);
    assert!(is_same_inode(&lock.metadata().unwrap(), &fs::metadata(&path).unwrap()));
    assert!(OsStorage.lock(&path, &path, 0o644).unwrap().is_none());
}

#[test]
fn a_name_that_never_rests_cannot_be_locked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.lock");
    let mut opened = 0;
    let lock = lock_current(&path, || {
        opened += 1;
        let file = File::create_new(&path)?;
        fs::remove_file(&path)?;
        Ok(file)
    });
    assert_eq!(lock.unwrap_err().to_string(), "the lock file is being replaced all the time");
    assert_eq!(opened, MAX_LOCK_ATTEMPTS);
}

#[test]
fn a_lock_file_made_by_another_in_between_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.lock");
    let mut opened = 0;
    let lock = lock_current(&path, || {
        opened += 1;
        if opened == 1 {
            fs::write(&path, "")?;
            return create_like(&path, OpenOptions::new().write(true), &path, 0o644);
        }
        open_regular(&path, OpenOptions::new().read(true))
    });
    assert!(lock.unwrap().is_some());
}

#[test]
fn a_lock_file_need_not_be_writable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.lock");
    plant(&path, 0o444);
    let lock = OsStorage.lock(&path, &path, 0o644).unwrap();
    lock.unwrap().write(b"x").unwrap_err();
}

#[test]
fn a_lock_does_not_stay_with_a_child() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.lock");
    plant(&path, 0o600);
    let file = lock_current(&path, || File::open(&path)).unwrap().unwrap();
    // What a child has from the fork on, until it executes its program.
    let inherited = file.try_clone().unwrap();
    let lock = OsFile { file, is_lock: true };
    assert!(OsStorage.lock(&path, &path, 0o600).unwrap().is_none());
    drop(lock);
    assert!(OsStorage.lock(&path, &path, 0o600).unwrap().is_some());
    drop(inherited);
}

#[test]
fn relative_paths_count_from_the_working_directory() {
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    for path in ["Cargo.toml", "./Cargo.toml", "src/../Cargo.toml"] {
        assert_eq!(OsStorage.resolve(Path::new(path)).unwrap(), here.join("Cargo.toml"));
    }
}

#[test]
fn a_long_chain_of_links_is_followed_as_far_as_the_system_would() {
    let dir = tempfile::tempdir().unwrap();
    let at = |number: usize| dir.path().join(number.to_string());
    fs::write(at(0), "").unwrap();
    for number in 1..=MAX_LINKS + 1 {
        symlink(at(number - 1), at(number)).unwrap();
    }
    let end = at(0).canonicalize().unwrap();
    assert_eq!(OsStorage.resolve(&at(MAX_LINKS)).unwrap(), end);
    assert_eq!(
        OsStorage.resolve(&at(MAX_LINKS + 1)).unwrap_err().raw_os_error(),
        Some(libc::ELOOP)
    );
}

#[test]
fn a_file_system_without_directory_syncs_is_no_failure() {
    let unsupported = File::open("/proc/self").and_then(|dir| dir.sync_all());
    if unsupported.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)) {
        OsStorage.sync_dir(Path::new("/proc/self")).unwrap();
    } else {
        println!("skipped: no file system here refuses to sync a directory");
    }
}

#[test]
fn a_disk_that_is_full_says_so() {
    match OpenOptions::new().append(true).open("/dev/full") {
        Ok(full) => {
            let error = OsFile::new(full).write(b"x").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        }
        Err(error) => println!("skipped: no /dev/full: {error}"),
    }
}

#[test]
fn an_interrupted_call_is_repeated() {
    let mut left = 3;
    let result = uninterrupted(|| {
        left -= 1;
        if left == 0 { Ok(7) } else { Err(io::ErrorKind::Interrupted.into()) }
    });
    assert_eq!(result.unwrap(), 7);
    uninterrupted(|| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
    let for_ever = uninterrupted(|| Err(io::ErrorKind::Interrupted.into()));
    assert_eq!(for_ever.unwrap_err().kind(), io::ErrorKind::Interrupted, "but not for ever");
}
