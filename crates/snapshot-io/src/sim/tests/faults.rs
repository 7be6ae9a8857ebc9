//! Calls that fail, and what they leave.

use std::io::ErrorKind;

use super::*;
use crate::storage::Place;

/// Makes one call of the kind, in a world where it would succeed and change something.
fn make(call: Call, storage: &SimStorage) -> io::Result<()> {
    let (log, new) = (Path::new(LOG), Path::new("/new"));
    let open = |access| storage.open(log, access);
    match call {
        Call::Resolve => storage.resolve(log).map(drop),
        Call::Lock => storage.lock(new, log, 0o644).map(drop),
        Call::Open => open(Access::Read).map(drop),
        Call::Create => storage.create(new, log, 0o644).map(drop),
        Call::Rename => storage.rename(log, new),
        Call::Link => storage.link(log, new),
        Call::Remove => storage.remove(log),
        Call::SyncDir => storage.sync_dir(Path::new("/")),
        Call::Read => open(Access::Read)?.read(&mut [0; 9]).map(drop),
        Call::Write => open(Access::Append)?.write(b"!").map(drop),
        Call::Sync => open(Access::Append)?.sync(),
        Call::Size => open(Access::Read)?.size().map(drop),
        Call::Compare => open(Access::Read)?.compare(log, 3).map(drop),
    }
}

const CALLS: [Call; 13] = [
    Call::Resolve,
    Call::Lock,
    Call::Open,
    Call::Create,
    Call::Rename,
    Call::Link,
    Call::Remove,
    Call::SyncDir,
    Call::Read,
    Call::Write,
    Call::Sync,
    Call::Size,
    Call::Compare,
];

/// A synced file with three bytes, an unsynced one behind them, and an unsynced name.
fn world() -> SimStorage {
    let storage = SimStorage::new();
    storage.plant(LOG, "old");
    append(&storage, LOG).write(b"+").unwrap();
    drop(create(&storage, "/unsynced"));
    storage
}

/// All that a call could change.
fn state(storage: &SimStorage) -> impl PartialEq + fmt::Debug {
    let live: Vec<_> =
        storage.paths().iter().map(|path| (path.clone(), storage.contents(path))).collect();
    (live, storage.unsynced(), storage.open_files())
}

#[test]
fn every_call_can_fail_without_an_effect() {
    for call in CALLS {
        let storage = world();
        let before = state(&storage);
        storage.fail(
            At::Nth(call, storage.journal().count(call) as u64 + 1),
            EIO.pages(SyncFailure::Retained),
        );
        let error = make(call, &storage).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO), "{call}");
        assert_eq!(state(&storage), before, "{call}");
        let line = storage.journal().entries().last().unwrap().to_string();
        assert!(line.contains(&format!("{call} ")) && line.contains("failed, Input"), "{line}");
        make(call, &storage).unwrap_or_else(|error| panic!("{call} fails once: {error}"));
    }
}

#[test]
fn every_call_can_fail_although_it_is_done() {
    for call in CALLS {
        let (expected, storage) = (world(), world());
        make(call, &expected).unwrap();
        storage.fail(At::Nth(call, storage.journal().count(call) as u64 + 1), EIO.although_done());
        make(call, &storage).unwrap_err();
        assert_eq!(state(&storage), state(&expected), "{call}");
    }
}

#[test]
fn faults_are_counted_by_number_and_by_kind() {
    let storage = SimStorage::new();
    storage.plant(LOG, "");
    storage.fail(At::Number(3), Fault::error(libc::ENOSPC));
    storage.fail(At::Nth(Call::Write, 3), Fault::error(libc::EDQUOT));
    storage.fail(At::Nth(Call::Write, 2), EIO);
    let mut file = append(&storage, LOG);
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(file.write(b"x").map_err(|error| error.raw_os_error().unwrap()).ok());
    }
    file.sync().unwrap();
    assert_eq!(outcomes, [Some(1), None, None, Some(1)]);
    let errors: Vec<_> = storage
        .journal()
        .entries()
        .iter()
        .filter_map(|entry| entry.outcome.clone().err())
        .collect();
    assert!(errors[0].contains("os error 28"), "the first planned one counts: {errors:?}");
    assert!(errors[1].contains("os error 122"), "{errors:?}");
}

#[test]
fn a_lasting_fault_lasts_until_it_is_cleared() {
    for at in [At::Number(3), At::Nth(Call::Write, 2)] {
        let storage = SimStorage::new();
        storage.plant(LOG, "");
        storage.fail(at, EIO.lasting());
        let mut file = append(&storage, LOG);
        write(&mut *file, "x");
        for _ in 0..3 {
            file.write(b"x").unwrap_err();
        }
        assert_eq!(file.sync().is_err(), at == At::Number(3), "of one kind or of all");
        storage.clear_faults();
        write(&mut *file, "x");
        assert_eq!(storage.contents(LOG).unwrap(), b"xx");
    }
}

#[test]
fn writes_and_reads_can_be_short() {
    let storage = SimStorage::new();
    storage.plant(LOG, "");
    storage.fail(At::Nth(Call::Write, 1), Fault::short(2));
    storage.fail(At::Nth(Call::Write, 2), EIO.leaving(1));
    storage.fail(At::Nth(Call::Write, 3), Fault::short(0));
    storage.fail(At::Nth(Call::Read, 1), Fault::short(1));
    let mut file = append(&storage, LOG);
    assert_eq!(file.write(b"abc").unwrap(), 2);
    file.write(b"def").unwrap_err();
    assert_eq!(file.write(b"ghi").unwrap(), 0);
    assert_eq!(file.write(b"jkl").unwrap(), 3);
    assert_eq!(storage.contents(LOG).unwrap(), b"abdjkl");
    let mut reader = storage.open(Path::new(LOG), Access::Read).unwrap();
    let mut buffer = [0; 9];
    assert_eq!(reader.read(&mut buffer).unwrap(), 1);
    assert_eq!(reader.read(&mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"bdjkl");
}

#[test]
fn after_the_kill_no_call_does_anything() {
    let storage = world();
    let mut file = append(&storage, LOG);
    let (calls, before) = (storage.calls(), state(&storage));
    storage.kill_after(calls + 1);
    write(&mut *file, "!");
    assert!(!storage.has_died(), "the last call is over, and no other has come");
    let error = file.write(b"?").unwrap_err();
    assert!(storage.has_died());
    assert!(SimStorage::is_killed(&error), "{error}");
    for call in CALLS {
        assert!(SimStorage::is_killed(&make(call, &storage).unwrap_err()), "{call}");
    }
    assert_eq!(storage.calls(), calls + 1, "nor is it counted");
    assert_eq!(storage.contents(LOG).unwrap(), b"old+!");
    assert_ne!(state(&storage), before);
    assert!(!SimStorage::is_killed(&io::Error::from_raw_os_error(libc::EIO)));
    assert!(!SimStorage::is_killed(&io::Error::other("dead")));
}

#[test]
fn a_full_disk_takes_what_fits() {
    let storage = SimStorage::new();
    storage.plant("/other", "12345");
    storage.limit_space(Some(10));
    let mut file = create(&storage, LOG);
    assert_eq!(file.write(b"abcdefgh").unwrap(), 5);
    assert_eq!(file.write(b"fgh").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.write(b"").unwrap(), 0);
    let held = storage.open(Path::new("/other"), Access::Read).unwrap();
    storage.remove(Path::new("/other")).unwrap();
    file.write(b"fgh").unwrap_err();
    drop(held);
    write(&mut *file, "fgh");
    assert_eq!(storage.contents(LOG).unwrap(), b"abcdefgh");
    storage.limit_space(None);
    write(&mut *file, "ijk");
}

#[test]
fn open_files_are_counted() {
    let storage = world();
    storage.fail(At::Nth(Call::Open, 3), EIO.although_done());
    assert_eq!(storage.open_files(), 0);
    let one = append(&storage, LOG);
    let lock = storage.lock(Path::new("/log.lock"), Path::new(LOG), 0o644).unwrap().unwrap();
    assert!(storage.lock(Path::new("/log.lock"), Path::new(LOG), 0o644).unwrap().is_none());
    storage.open(Path::new(LOG), Access::Read).unwrap_err();
    assert_eq!(storage.open_files(), 2);
    assert_eq!(one.compare(Path::new(LOG), 4).unwrap(), Place::Same);
    drop((one, lock));
    assert_eq!(storage.open_files(), 0);
}

#[test]
fn the_journal_is_a_readable_listing() {
    let storage = SimStorage::new();
    storage.plant(LOG, "old");
    storage.fail(At::Nth(Call::Write, 2), Fault::error(libc::ENOSPC));
    storage.resolve(Path::new("log")).unwrap();
    let held = storage.lock(Path::new("log.lock"), Path::new(LOG), 0o644).unwrap();
    assert!(storage.lock(Path::new("log.lock"), Path::new(LOG), 0o644).unwrap().is_none());
    let mut next = create(&storage, NEXT);
    write(&mut *next, "new");
    next.write(b"er").unwrap_err();
    next.sync().unwrap();
    assert_eq!(next.size().unwrap(), 3);
    rename(&storage, NEXT, LOG);
    sync_root(&storage);
    next.compare(Path::new(LOG), 4).unwrap();
    storage.open(Path::new("/"), Access::Read).unwrap_err();
    drop(held);
    assert_eq!(
        storage.journal().to_string(),
        "   1 resolve  log: /log
   2 lock     /log.lock: file 2
   3 lock     /log.lock: held by another
   4 create   /log.rewrite: file 3
   5 write    /log.rewrite: 3 bytes
   6 write    /log.rewrite: failed, No space left on device (os error 28)
   7 sync     /log.rewrite: done
   8 size     /log.rewrite: 3 bytes
   9 rename   /log.rewrite /log: done
  10 sync_dir /: done
  11 compare  /log.rewrite /log: shorter
  12 open     /: failed, this is a directory, not a regular file
"
    );
    assert_eq!(storage.journal().count(Call::Write), 2);
    assert_eq!(storage.calls(), 12);
}
