//! Syncs that fail.

use super::*;

/// Writes "a", fails to sync it, writes "b" where that works, and syncs again.
fn sync_twice(failure: SyncFailure) -> (SimStorage, [bool; 2], Vec<u8>) {
    let storage = SimStorage::new();
    storage.plant(LOG, "-");
    storage.fail(At::Nth(Call::Sync, 1), EIO.pages(failure));
    let mut file = append(&storage, LOG);
    write(&mut *file, "a");
    let first = file.sync().is_ok();
    let live = storage.contents(LOG).unwrap();
    if failure != SyncFailure::Deferred {
        write(&mut *file, "b");
    }
    let second = file.sync().is_ok();
    (storage, [first, second], live)
}

#[test]
fn a_failed_sync_does_one_of_five_things() {
    use SyncFailure::{Deferred, Dropped, Retained, Reverted, Zeroed};
    let lost_or_not = [Some("-ab"), Some("-\0b")];
    for (failure, syncs, live, later, images) in [
        (Retained, [false, true], "-a", "-ab", &[Some("-ab")][..]),
        (Dropped, [false, true], "-a", "-ab", &lost_or_not),
        (Zeroed, [false, true], "-\0", "-\0b", &lost_or_not),
        (Reverted, [false, true], "-", "-b", &[Some("-b")]),
        (Deferred, [true, false], "-a", "-a", &[Some("-a"), Some("-"), Some("-\0")]),
    ] {
        let (storage, succeeded, seen) = sync_twice(failure);
        assert_eq!(succeeded, syncs, "{failure:?}");
        assert_eq!(seen, live.as_bytes(), "{failure:?}");
        assert_eq!(storage.contents(LOG).unwrap(), later.as_bytes(), "{failure:?}");
        let found: BTreeSet<_> = storage
            .crash_images(0, 0)
            .filter(|image| matches!(image.fill, Fill::Missing | Fill::Zeros))
            .map(|image| image.storage.contents(LOG))
            .collect();
        let expected = images.iter().map(|text| text.map(|text| text.as_bytes().to_vec()));
        assert_eq!(found, expected.collect(), "{failure:?}");
    }
}

#[test]
fn a_kept_back_error_comes_with_the_next_write_too() {
    let storage = SimStorage::new();
    storage.plant(LOG, "");
    storage.fail(At::Nth(Call::Sync, 1), EIO.pages(SyncFailure::Deferred));
    let mut file = append(&storage, LOG);
    write(&mut *file, "a");
    file.sync().unwrap();
    assert_eq!(file.write(b"b").unwrap_err().raw_os_error(), Some(libc::EIO));
    write(&mut *file, "c");
    file.sync().unwrap();
    assert_eq!(storage.contents(LOG).unwrap(), b"ac", "it comes once, and nothing was written");
}

#[test]
fn a_failed_sync_of_a_directory_may_lose_its_names_for_good() {
    for (failure, lost) in [(SyncFailure::Retained, false), (SyncFailure::Dropped, true)] {
        let storage = SimStorage::new();
        storage.plant(LOG, "old");
        storage.plant(NEXT, "new");
        storage.fail(At::Nth(Call::SyncDir, 1), EIO.pages(failure));
        rename(&storage, NEXT, LOG);
        storage.sync_dir(Path::new("/")).unwrap_err();
        sync_root(&storage);
        let old_or_new = contents(&storage, LOG);
        assert_eq!(old_or_new.contains(&Some(b"old".to_vec())), lost, "{failure:?}");
        assert!(old_or_new.contains(&Some(b"new".to_vec())));
        storage.plant(NEXT, "newer");
        rename(&storage, NEXT, LOG);
        sync_root(&storage);
        assert_eq!(contents(&storage, LOG), set([Some("newer")]), "another rename is another");
    }
}

#[test]
fn a_kept_back_error_comes_with_a_sync_that_fails_again() {
    let storage = SimStorage::new();
    storage.plant(LOG, "");
    let deferred = EIO.pages(SyncFailure::Deferred);
    storage.fail(At::Nth(Call::Sync, 1), deferred);
    storage.fail(At::Nth(Call::Sync, 2), deferred);
    let mut file = append(&storage, LOG);
    write(&mut *file, "a");
    assert!(!storage.is_in_doubt());
    file.sync().unwrap();
    assert!(storage.is_in_doubt(), "nobody was told, and the bytes may be lost");
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(libc::EIO), "the first one's");
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(libc::EIO), "the second one's");
    file.sync().unwrap();
    storage.unplant(LOG);
    drop(file);
    assert!(!storage.is_in_doubt(), "what has no name is of no use");
}
