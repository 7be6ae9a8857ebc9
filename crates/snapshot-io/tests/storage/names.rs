//! Names and directories.

use std::io::ErrorKind;
use std::path::Path;

use snapshot_io::Access;

use crate::{Bed, assert_kind, read_all, write_all};

pub(crate) fn renames(bed: &impl Bed) {
    bed.plant("log", b"old");
    let mut old = bed.open("log", Access::Read).unwrap();
    let mut next = bed.create("next");
    write_all(&mut *next, b"new");
    bed.storage().rename(&bed.at("next"), &bed.at("log")).unwrap();
    assert!(bed.contents("next").is_none());
    assert_eq!(bed.contents("log").unwrap(), b"new");
    assert_eq!(read_all(&mut *old), b"old", "an open file outlives its name");
    write_all(&mut *next, b"er");
    assert_eq!(bed.contents("log").unwrap(), b"newer", "an open file follows its name");
}

pub(crate) fn renames_nothing_else(bed: &impl Bed) {
    let rename = |from: &str, to: &str| bed.storage().rename(&bed.at(from), &bed.at(to));
    bed.plant("log", b"old");
    bed.plant_dir("directory");
    assert_kind(rename("next", "log"), ErrorKind::NotFound);
    assert_kind(rename("log", "no/log"), ErrorKind::NotFound);
    assert_kind(rename("log", "directory"), ErrorKind::IsADirectory);
    assert_eq!(bed.contents("log").unwrap(), b"old");
    bed.storage().link(&bed.at("log"), &bed.at("second")).unwrap();
    rename("log", "second").unwrap();
    rename("log", "log").unwrap();
    assert!(bed.contents("log").is_some(), "of two names of one file both stay");
}

pub(crate) fn links(bed: &impl Bed) {
    let link = |from: &str, to: &str| bed.storage().link(&bed.at(from), &bed.at(to));
    bed.plant("log", b"old");
    bed.plant_dir("directory");
    link("log", "backup").unwrap();
    write_all(&mut *bed.open("log", Access::Append).unwrap(), b"!");
    assert_eq!(bed.contents("backup").unwrap(), b"old!", "the same file");
    bed.storage().remove(&bed.at("log")).unwrap();
    assert_eq!(bed.contents("backup").unwrap(), b"old!");
    bed.plant("log", b"new");
    for taken in ["backup", "log", "directory"] {
        assert_kind(link("log", taken), ErrorKind::AlreadyExists);
    }
    assert_kind(link("missing", "other"), ErrorKind::NotFound);
    assert_kind(link("log", "no/other"), ErrorKind::NotFound);
    assert_eq!(bed.contents("backup").unwrap(), b"old!");
}

pub(crate) fn removes(bed: &impl Bed) {
    bed.plant("log", b"old");
    bed.plant_dir("directory");
    bed.plant_link("log", "link");
    let mut reader = bed.open("log", Access::Read).unwrap();
    let mut appender = bed.open("log", Access::Append).unwrap();
    bed.storage().remove(&bed.at("link")).unwrap();
    assert!(bed.contents("log").is_some(), "a link goes alone");
    bed.storage().remove(&bed.at("log")).unwrap();
    assert!(bed.contents("log").is_none());
    write_all(&mut *appender, b"!");
    assert_eq!(read_all(&mut *reader), b"old!", "open files live on");
    assert_kind(bed.storage().remove(&bed.at("log")), ErrorKind::NotFound);
    bed.storage().remove(&bed.at("directory")).unwrap_err();
    bed.storage().sync_dir(&bed.at("directory")).expect("the directory is still there");
}

pub(crate) fn syncs_directories(bed: &impl Bed) {
    bed.plant("log", b"old");
    bed.storage().sync_dir(&bed.dir()).unwrap();
    assert_kind(bed.storage().sync_dir(&bed.at("missing")), ErrorKind::NotFound);
    assert_kind(bed.storage().sync_dir(&bed.at("log")), ErrorKind::NotADirectory);
}

pub(crate) fn resolves(bed: &impl Bed) {
    bed.plant("log", b"old");
    bed.plant_dir("sub");
    for (name, expected) in [
        ("log", "log"),
        ("missing", "missing"),
        ("./log", "log"),
        ("sub/../log", "log"),
        ("sub/missing", "sub/missing"),
        ("sub", "sub"),
    ] {
        assert_eq!(bed.storage().resolve(&bed.at(name)).unwrap(), bed.at(expected), "{name}");
    }
}

pub(crate) fn resolves_links(bed: &impl Bed) {
    bed.plant_dir("real/sub");
    bed.plant("real/log", b"old");
    bed.plant_link("real/log", "to file");
    bed.plant_link("to file", "to link");
    bed.plant_link("real", "to directory");
    bed.plant_link("real/missing", "dangling");
    bed.plant_link("../../real/log", "real/sub/upwards");
    bed.plant_link(bed.at("to directory/log").to_str().unwrap(), "absolute");
    for (name, expected) in [
        ("to file", "real/log"),
        ("to link", "real/log"),
        ("to directory/log", "real/log"),
        ("to directory/missing", "real/missing"),
        ("dangling", "real/missing"),
        ("to directory/sub/upwards", "real/log"),
        ("absolute", "real/log"),
    ] {
        assert_eq!(bed.storage().resolve(&bed.at(name)).unwrap(), bed.at(expected), "{name}");
    }
}

pub(crate) fn refuses_to_resolve(bed: &impl Bed) {
    bed.plant("log", b"old");
    bed.plant_link("there", "back");
    bed.plant_link("back", "there");
    bed.plant_link("no/log", "nowhere");
    let resolve = |path: &Path| bed.storage().resolve(path);
    for path in ["", "/", "..", "/.."] {
        assert_kind(resolve(Path::new(path)), ErrorKind::InvalidInput);
    }
    assert_kind(resolve(&bed.at("no/log")), ErrorKind::NotFound);
    assert_kind(resolve(&bed.at("nowhere")), ErrorKind::NotFound);
    assert_kind(resolve(&bed.at("log/log")), ErrorKind::NotADirectory);
    let circle = resolve(&bed.at("back")).unwrap_err();
    assert_eq!(circle.raw_os_error(), Some(libc::ELOOP));
}
