mod barriers;
mod crashes;
mod faults;
mod images;
mod syncs;

use std::collections::BTreeSet;

use super::*;
use crate::storage::{Access, Storage, StorageFile};

const LOG: &str = "/log";
const NEXT: &str = "/log.rewrite";
const EIO: Fault = Fault::error(libc::EIO);

fn create(storage: &SimStorage, path: &str) -> Box<dyn StorageFile> {
    storage.create(Path::new(path), Path::new("/no model"), 0o644).unwrap()
}

fn append(storage: &SimStorage, path: &str) -> Box<dyn StorageFile> {
    storage.open(Path::new(path), Access::Append).unwrap()
}

fn write(file: &mut dyn StorageFile, bytes: impl AsRef<[u8]>) {
    assert_eq!(file.write(bytes.as_ref()).unwrap(), bytes.as_ref().len());
}

fn sync_root(storage: &SimStorage) {
    storage.sync_dir(Path::new("/")).unwrap();
}

fn rename(storage: &SimStorage, from: &str, to: &str) {
    storage.rename(Path::new(from), Path::new(to)).unwrap();
}

/// What the images have at `path`; `None` where one has nothing.
fn contents(storage: &SimStorage, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    storage.crash_images(0, 100).map(|image| image.storage.contents(path)).collect()
}

/// As `contents`, of the images in which every file is a beginning of what was written to it.
fn beginnings(storage: &SimStorage, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    storage
        .crash_images(0, 100)
        .filter(|image| image.fill == Fill::Missing)
        .map(|image| image.storage.contents(path))
        .collect()
}

fn set<const N: usize>(contents: [Option<&str>; N]) -> BTreeSet<Option<Vec<u8>>> {
    contents.into_iter().map(|text| text.map(|text| text.as_bytes().to_vec())).collect()
}
