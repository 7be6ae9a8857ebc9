//! What every [`Storage`] has to do alike: the same tests over the operating system and over the
//! simulation. What one of them does beyond that is tested beside it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod files;
mod locks;
mod names;

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snapshot_io::sim::{Attributes, SimStorage};
use snapshot_io::{Access, OsStorage, Storage, StorageFile};

/// One empty directory on one file system, and a hand in it that goes past the storage.
trait Bed {
    fn new() -> Self;
    /// Behind an `Arc`, so that its `Storage` is tested with the others.
    fn storage(&self) -> Box<dyn Storage>;
    fn dir(&self) -> PathBuf;
    fn plant(&self, name: &str, bytes: &[u8]);
    fn plant_dir(&self, name: &str);
    fn plant_link(&self, target: &str, name: &str);
    fn truncate(&self, name: &str, len: usize);
    fn set_mode(&self, name: &str, mode: u32);
    fn mode(&self, name: &str) -> u32;
    /// `None`: no file, whatever else.
    fn contents(&self, name: &str) -> Option<Vec<u8>>;
    /// The mode of a file that is created with 0644.
    fn default_mode(&self) -> u32;

    fn at(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn create(&self, name: &str) -> Box<dyn StorageFile> {
        self.storage().create(&self.at(name), &self.at("no model"), 0o644).unwrap()
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn StorageFile>> {
        self.storage().open(&self.at(name), access)
    }
}

struct OsBed(tempfile::TempDir);

impl Bed for OsBed {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn storage(&self) -> Box<dyn Storage> {
        Box::new(Arc::new(OsStorage))
    }

    fn dir(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn plant(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at("planted"), bytes).unwrap();
        fs::rename(self.at("planted"), self.at(name)).unwrap();
    }

    fn plant_dir(&self, name: &str) {
        fs::create_dir_all(self.at(name)).unwrap();
    }

    fn plant_link(&self, target: &str, name: &str) {
        symlink(target, self.at(name)).unwrap();
    }

    fn truncate(&self, name: &str, len: usize) {
        let file = fs::OpenOptions::new().write(true).open(self.at(name)).unwrap();
        file.set_len(len.try_into().unwrap()).unwrap();
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.at(name)).unwrap().permissions().mode() & 0o7777
    }

    fn contents(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.at(name)).ok()
    }

    fn default_mode(&self) -> u32 {
        let name = "with the default mode";
        let mut options = fs::OpenOptions::new();
        drop(options.write(true).create(true).mode(0o644).open(self.at(name)).unwrap());
        self.mode(name)
    }
}

struct SimBed(SimStorage);

impl Bed for SimBed {
    fn new() -> Self {
        let storage = SimStorage::new();
        storage.create_dir("/bed");
        Self(storage)
    }

    fn storage(&self) -> Box<dyn Storage> {
        Box::new(Arc::new(self.0.clone()))
    }

    fn dir(&self) -> PathBuf {
        Path::new("/bed").to_path_buf()
    }

    fn plant(&self, name: &str, bytes: &[u8]) {
        self.0.plant(self.at(name), bytes);
    }

    fn plant_dir(&self, name: &str) {
        self.0.create_dir(self.at(name));
    }

    fn plant_link(&self, target: &str, name: &str) {
        self.0.plant_link(target, self.at(name));
    }

    fn truncate(&self, name: &str, len: usize) {
        self.0.edit(self.at(name), |bytes| bytes.truncate(len));
    }

    fn set_mode(&self, name: &str, mode: u32) {
        self.0.set_attributes(self.at(name), Attributes { mode, uid: 0, gid: 0 });
    }

    fn mode(&self, name: &str) -> u32 {
        self.0.attributes(self.at(name)).unwrap().mode
    }

    fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.0.contents(self.at(name))
    }

    fn default_mode(&self) -> u32 {
        0o644
    }
}

fn read_all(file: &mut dyn StorageFile) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 7]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return all,
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

fn write_all(file: &mut dyn StorageFile, bytes: &[u8]) {
    assert_eq!(file.write(bytes).unwrap(), bytes.len());
}

#[track_caller]
fn assert_kind<T>(result: io::Result<T>, kind: io::ErrorKind) {
    match result {
        Ok(_) => panic!("a success instead of {kind:?}"),
        Err(error) => assert_eq!(error.kind(), kind, "{error}"),
    }
}

/// Each test once for each file system.
macro_rules! on_both {
    ($($module:ident: $($test:ident),+;)+) => {
        mod os_storage {
            $($(#[test] fn $test() { $crate::$module::$test(&<$crate::OsBed as $crate::Bed>::new()); })+)+
        }
        mod sim_storage {
            $($(#[test] fn $test() { $crate::$module::$test(&<$crate::SimBed as $crate::Bed>::new()); })+)+
        }
    };
}

on_both! {
    files: appends_and_reads, appends_where_the_end_is, each_handle_does_its_own_thing,
        opens_only_what_exists, opens_only_regular_files, creates_only_what_is_missing,
        a_new_file_has_the_given_mode, a_file_with_a_model_has_its_mode,
        a_model_is_a_regular_file, compares, compares_with_another_file;
    locks: one_at_a_time, a_lock_file_is_made_like_the_model, a_lock_file_is_left_as_it_is,
        planted_lock_files_are_refused;
    names: renames, renames_nothing_else, links, removes, syncs_directories, resolves, resolves_links,
        refuses_to_resolve;
}
