//! What is durable after which call.

use super::*;

#[test]
fn without_a_sync_anything_may_be_lost() {
    let storage = SimStorage::new();
    write(&mut *create(&storage, LOG), "ab");
    assert_eq!(beginnings(&storage, LOG), set([None, Some(""), Some("a"), Some("ab")]));
    assert_eq!(storage.unsynced(), 2);
}

#[test]
fn a_synced_file_may_have_no_name() {
    let storage = SimStorage::new();
    let mut file = create(&storage, LOG);
    write(&mut *file, "ab");
    file.sync().unwrap();
    assert_eq!(contents(&storage, LOG), set([None, Some("ab")]));
}

#[test]
fn a_synced_name_may_lead_to_an_empty_file() {
    let storage = SimStorage::new();
    write(&mut *create(&storage, LOG), "a");
    sync_root(&storage);
    assert_eq!(beginnings(&storage, LOG), set([Some(""), Some("a")]));
}

#[test]
fn both_syncs_together_keep_everything() {
    for file_first in [true, false] {
        let storage = SimStorage::new();
        let mut file = create(&storage, LOG);
        write(&mut *file, "ab");
        if file_first {
            file.sync().unwrap();
            sync_root(&storage);
        } else {
            sync_root(&storage);
            file.sync().unwrap();
        }
        assert_eq!(contents(&storage, LOG), set([Some("ab")]));
        assert_eq!(storage.unsynced(), 0);
    }
}

#[test]
fn a_sync_is_for_one_file_and_for_one_directory() {
    let storage = SimStorage::new();
    storage.create_dir("/other");
    storage.plant("/planted", "");
    let (mut one, mut two) = (create(&storage, LOG), create(&storage, "/other/log"));
    let mut planted = append(&storage, "/planted");
    for file in [&mut one, &mut two, &mut planted] {
        write(&mut **file, "a");
    }
    one.sync().unwrap();
    two.sync().unwrap();
    sync_root(&storage);
    assert_eq!(contents(&storage, LOG), set([Some("a")]));
    assert_eq!(contents(&storage, "/other/log"), set([None, Some("a")]));
    assert_eq!(beginnings(&storage, "/planted"), set([Some(""), Some("a")]));
}

#[test]
fn a_rename_is_durable_with_its_directory_and_not_before() {
    let storage = SimStorage::new();
    storage.plant(LOG, "old");
    let mut next = create(&storage, NEXT);
    write(&mut *next, "new");
    next.sync().unwrap();
    rename(&storage, NEXT, LOG);
    next.sync().unwrap();
    assert_eq!(contents(&storage, LOG), set([Some("old"), Some("new")]));
    sync_root(&storage);
    assert_eq!(contents(&storage, LOG), set([Some("new")]));
    assert_eq!(contents(&storage, NEXT), set([None]));
}

#[test]
fn a_rename_before_the_sync_may_lose_both_files() {
    let storage = SimStorage::new();
    storage.plant(LOG, "old");
    write(&mut *create(&storage, NEXT), "n");
    rename(&storage, NEXT, LOG);
    assert_eq!(beginnings(&storage, LOG), set([Some("old"), Some(""), Some("n")]));
}

#[test]
fn a_file_lives_as_long_as_a_crash_could_bring_back_its_name() {
    let storage = SimStorage::new();
    for (path, bytes) in [(LOG, "1"), (NEXT, "2")] {
        let mut file = create(&storage, path);
        write(&mut *file, bytes);
        file.sync().unwrap();
    }
    rename(&storage, NEXT, LOG);
    assert_eq!(contents(&storage, LOG), set([None, Some("1"), Some("2")]));
}

#[test]
fn half_a_rename_leaves_both_names_and_never_none() {
    let storage = SimStorage::new();
    storage.plant(NEXT, "new");
    rename(&storage, NEXT, LOG);
    let names: BTreeSet<_> =
        storage.crash_images(0, 0).map(|image| image.storage.paths()).collect();
    let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(names, BTreeSet::from([paths(&[LOG]), paths(&[LOG, NEXT]), paths(&[NEXT])]));
}

#[test]
fn the_old_directory_of_a_rename_takes_the_new_name_with_it() {
    let storage = SimStorage::new();
    storage.create_dir("/other");
    storage.plant(LOG, "a");
    rename(&storage, LOG, "/other/log");
    sync_root(&storage);
    assert_eq!(contents(&storage, LOG), set([None]));
    assert_eq!(contents(&storage, "/other/log"), set([Some("a")]));
}

#[test]
fn removed_and_linked_names_wait_for_their_directory() {
    let storage = SimStorage::new();
    storage.plant(LOG, "a");
    storage.link(Path::new(LOG), Path::new("/backup")).unwrap();
    storage.remove(Path::new(LOG)).unwrap();
    assert_eq!(contents(&storage, LOG), set([None, Some("a")]));
    assert_eq!(contents(&storage, "/backup"), set([None, Some("a")]));
    sync_root(&storage);
    assert_eq!(contents(&storage, LOG), set([None]));
    assert_eq!(contents(&storage, "/backup"), set([Some("a")]));
}

#[test]
fn owner_and_mode_wait_for_the_sync_of_the_file() {
    let storage = SimStorage::new();
    storage.plant(LOG, "");
    let model = Attributes { mode: 0o640, uid: 7, gid: 8 };
    storage.set_attributes(LOG, model);
    let mut next = storage.create(Path::new(NEXT), Path::new(LOG), 0o644).unwrap();
    sync_root(&storage);
    let found = |storage: &SimStorage| -> BTreeSet<_> {
        let images = storage.crash_images(0, 0);
        images.map(|image| image.storage.attributes(NEXT).unwrap().mode).collect()
    };
    assert_eq!(storage.attributes(NEXT), Some(model));
    assert_eq!(found(&storage), BTreeSet::from([0o600, 0o640]));
    next.sync().unwrap();
    assert_eq!(found(&storage), BTreeSet::from([0o640]));
}

#[test]
fn a_killed_process_loses_its_files_and_locks_and_nothing_else() {
    let storage = SimStorage::new();
    let lock = storage.lock(Path::new("/log.lock"), Path::new(LOG), 0o644).unwrap();
    let mut file = create(&storage, LOG);
    write(&mut *file, "ab");
    assert_eq!((lock.is_some(), storage.open_files()), (true, 2));
    let after = storage.process_crash();
    write(&mut *file, "too late");
    assert_eq!(after.contents(LOG).unwrap(), b"ab");
    assert_eq!((after.open_files(), after.calls()), (0, 0));
    assert!(after.lock(Path::new("/log.lock"), Path::new(LOG), 0o644).unwrap().is_some());
    assert!(contents(&after, LOG).contains(&None), "it is still in the cache only");
}

#[test]
fn a_killed_process_frees_what_it_held_without_a_name() {
    let storage = SimStorage::new();
    storage.plant(LOG, "held");
    let file = storage.open(Path::new(LOG), Access::Read).unwrap();
    storage.remove(Path::new(LOG)).unwrap();
    sync_root(&storage);
    assert_eq!(storage.world.lock().disk.inodes.len(), 1);
    let after = storage.process_crash();
    assert_eq!(after.world.lock().disk.inodes.len(), 0);
    drop(file);
    assert_eq!(storage.world.lock().disk.inodes.len(), 0, "as closing it does");
}
