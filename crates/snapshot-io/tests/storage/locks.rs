//! Lock files.

use std::io::{self, ErrorKind};

use snapshot_io::{Access, StorageFile};

use crate::{Bed, assert_kind};

fn lock(bed: &impl Bed, name: &str) -> io::Result<Option<Box<dyn StorageFile>>> {
    bed.storage().lock(&bed.at(name), &bed.at("log"), 0o644)
}

pub(crate) fn one_at_a_time(bed: &impl Bed) {
    let held = lock(bed, "log.lock").unwrap().expect("nobody has it yet");
    assert!(lock(bed, "log.lock").unwrap().is_none());
    assert!(lock(bed, "log.lock").unwrap().is_none(), "a failed attempt frees nothing");
    drop(bed.open("log.lock", Access::Read).unwrap());
    assert!(lock(bed, "log.lock").unwrap().is_none(), "whoever looks at the file frees nothing");
    let other = lock(bed, "other.lock").unwrap().expect("another file, another lock");
    drop(other);
    assert!(lock(bed, "log.lock").unwrap().is_none());
    drop(held);
    assert_eq!(bed.contents("log.lock").unwrap(), b"", "the file stays");
    let held = lock(bed, "log.lock").unwrap().expect("it is free again");
    bed.storage().remove(&bed.at("log.lock")).unwrap();
    let foreign = lock(bed, "log.lock").unwrap();
    assert!(foreign.is_some(), "a lock belongs to the file and not to its name");
    drop(held);
    assert!(lock(bed, "log.lock").unwrap().is_none(), "nor does letting go of the old file");
}

pub(crate) fn a_lock_file_is_made_like_the_model(bed: &impl Bed) {
    drop(lock(bed, "new.lock").unwrap());
    assert_eq!(bed.mode("new.lock"), bed.default_mode());
    bed.plant("log", b"old");
    bed.set_mode("log", 0o750);
    drop(lock(bed, "log.lock").unwrap());
    assert_eq!(bed.mode("log.lock"), 0o640);
}

pub(crate) fn a_lock_file_is_left_as_it_is(bed: &impl Bed) {
    bed.plant("log", b"old");
    bed.plant("log.lock", b"12345");
    bed.set_mode("log.lock", 0o400);
    assert!(lock(bed, "log.lock").unwrap().is_some());
    assert_eq!(bed.mode("log.lock"), 0o400);
    assert_eq!(bed.contents("log.lock").unwrap(), b"12345");
}

pub(crate) fn planted_lock_files_are_refused(bed: &impl Bed) {
    bed.plant("victim", b"");
    bed.plant_link("victim", "link.lock");
    bed.plant_link("nowhere", "dangling.lock");
    bed.plant_dir("directory.lock");
    for name in ["link.lock", "dangling.lock", "directory.lock"] {
        assert_kind(lock(bed, name), ErrorKind::InvalidInput);
    }
    assert!(bed.contents("nowhere").is_none());
    assert!(lock(bed, "victim").unwrap().is_some(), "nobody has locked it through the link");
    assert_kind(lock(bed, "no/log.lock"), ErrorKind::NotFound);
}
