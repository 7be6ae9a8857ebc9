//! Open files.

use std::io::ErrorKind;

use snapshot_io::{Access, Place};

use crate::{Bed, assert_kind, read_all, write_all};

pub(crate) fn appends_and_reads(bed: &impl Bed) {
    let mut file = bed.create("log");
    assert_eq!(file.size().unwrap(), 0);
    write_all(&mut *file, b"alive: a 1.1.1.1:1\n");
    write_all(&mut *file, b"");
    write_all(&mut *file, b"clock: 7\n");
    file.sync().unwrap();
    assert_eq!(file.size().unwrap(), 28);
    let mut reader = bed.open("log", Access::Read).unwrap();
    assert_eq!(read_all(&mut *reader), b"alive: a 1.1.1.1:1\nclock: 7\n");
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0, "the end stays the end");
    write_all(&mut *file, b"more");
    assert_eq!(read_all(&mut *reader), b"more", "until the file grows");
}

pub(crate) fn appends_where_the_end_is(bed: &impl Bed) {
    bed.plant("log", b"old.");
    let mut one = bed.open("log", Access::Append).unwrap();
    let mut other = bed.open("log", Access::Append).unwrap();
    write_all(&mut *one, b"1");
    write_all(&mut *other, b"2");
    write_all(&mut *one, b"1");
    assert_eq!(bed.contents("log").unwrap(), b"old.121");
    bed.truncate("log", 2);
    write_all(&mut *one, b"!");
    assert_eq!(bed.contents("log").unwrap(), b"ol!");
}

pub(crate) fn each_handle_does_its_own_thing(bed: &impl Bed) {
    bed.plant("log", b"old");
    let mut reader = bed.open("log", Access::Read).unwrap();
    let mut appender = bed.open("log", Access::Append).unwrap();
    reader.write(b"x").unwrap_err();
    appender.read(&mut [0; 1]).unwrap_err();
    assert_eq!(bed.contents("log").unwrap(), b"old");
    assert_eq!(read_all(&mut *reader), b"old");
}

pub(crate) fn opens_only_what_exists(bed: &impl Bed) {
    for access in [Access::Read, Access::Append] {
        assert_kind(bed.open("log", access), ErrorKind::NotFound);
        assert_kind(bed.open("no/log", access), ErrorKind::NotFound);
    }
    assert!(bed.contents("log").is_none(), "opening makes nothing");
}

pub(crate) fn opens_only_regular_files(bed: &impl Bed) {
    bed.plant("log", b"old");
    bed.plant_dir("directory");
    bed.plant_link("log", "link");
    bed.plant_link("nowhere", "dangling");
    for access in [Access::Read, Access::Append] {
        for (name, noun) in
            [("directory", "a directory"), ("link", "a symbolic link"), ("dangling", "link")]
        {
            let error = bed.open(name, access).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(noun), "{error}");
        }
    }
}

pub(crate) fn creates_only_what_is_missing(bed: &impl Bed) {
    bed.plant("log", b"old");
    bed.plant_dir("directory");
    bed.plant_link("log", "link");
    bed.plant_link("nowhere", "dangling");
    for model in ["log", "no model"] {
        let create =
            |name: &str| bed.storage().create(&bed.at(name), &bed.at(model), 0o644).map(drop);
        for name in ["log", "directory", "link", "dangling"] {
            assert_kind(create(name), ErrorKind::AlreadyExists);
        }
        assert_kind(create("no/log"), ErrorKind::NotFound);
    }
    assert_eq!(bed.contents("log").unwrap(), b"old");
    assert!(bed.contents("nowhere").is_none());
}

pub(crate) fn a_new_file_has_the_given_mode(bed: &impl Bed) {
    drop(bed.create("log"));
    assert_eq!(bed.mode("log"), bed.default_mode());
    let create = bed.storage().create(&bed.at("private"), &bed.at("no model"), 0o600);
    drop(create.unwrap());
    assert_eq!(bed.mode("private"), 0o600);
}

pub(crate) fn a_file_with_a_model_has_its_mode(bed: &impl Bed) {
    for (mode, expected) in
        [(0o600, 0o600), (0o644, 0o644), (0o755, 0o644), (0o666, 0o666), (0o6750, 0o640)]
    {
        bed.plant("log", b"old");
        bed.set_mode("log", mode);
        let create = bed.storage().create(&bed.at("next"), &bed.at("log"), 0o604);
        write_all(&mut *create.unwrap(), b"new");
        assert_eq!(bed.mode("next"), expected, "like {mode:o}");
        assert_eq!(bed.mode("log"), mode);
        bed.storage().remove(&bed.at("next")).unwrap();
    }
}

pub(crate) fn a_model_is_a_regular_file(bed: &impl Bed) {
    bed.plant("log", b"old");
    bed.set_mode("log", 0o604);
    bed.plant_dir("directory");
    bed.plant_link("log", "link");
    for model in ["directory", "link"] {
        drop(bed.storage().create(&bed.at("next"), &bed.at(model), 0o600).unwrap());
        assert_eq!(bed.mode("next"), 0o600, "like {model}");
        bed.storage().remove(&bed.at("next")).unwrap();
    }
}

pub(crate) fn compares(bed: &impl Bed) {
    let mut file = bed.create("log");
    write_all(&mut *file, b"12345");
    let compare = |name: &str| file.compare(&bed.at(name), 5).unwrap();
    assert_eq!(compare("log"), Place::Same);
    bed.open("log", Access::Append).unwrap().write(b"6").unwrap();
    assert_eq!(compare("log"), Place::Longer);
    bed.truncate("log", 4);
    assert_eq!(compare("log"), Place::Shorter);
    bed.plant("log", b"12345");
    assert_eq!(compare("log"), Place::Replaced, "as long and as good as it is");
    bed.storage().remove(&bed.at("log")).unwrap();
    assert_eq!(compare("log"), Place::Missing);
    assert_eq!(compare("no/log"), Place::Missing, "with its directory");
}

pub(crate) fn compares_with_another_file(bed: &impl Bed) {
    let mut file = bed.create("next");
    write_all(&mut *file, b"12345");
    bed.plant("log", b"old");
    bed.plant_dir("directory");
    bed.plant_link("next", "link");
    let compare = |name: &str| file.compare(&bed.at(name), 5).unwrap();
    for name in ["log", "directory", "link"] {
        assert_eq!(compare(name), Place::Replaced, "{name}");
    }
    bed.storage().link(&bed.at("next"), &bed.at("second name")).unwrap();
    assert_eq!(compare("second name"), Place::Same);
    bed.storage().rename(&bed.at("next"), &bed.at("log")).unwrap();
    assert_eq!(compare("log"), Place::Same);
    assert_eq!(compare("next"), Place::Missing);
}
