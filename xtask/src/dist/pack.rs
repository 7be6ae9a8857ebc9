//! Archives that are the same, bit for bit, wherever they are made.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};

use crate::Outcome;

/// A file in an archive.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    path: String,
    bytes: Cow<'a, [u8]>,
    mode: u32,
}

impl<'a> Entry<'a> {
    pub(super) fn file(path: impl Into<String>, bytes: impl IntoBytes<'a>) -> Self {
        Self { path: path.into(), bytes: bytes.into_bytes(), mode: 0o644 }
    }

    pub(super) fn program(path: impl Into<String>, bytes: &'a [u8]) -> Self {
        Self { mode: 0o755, ..Self::file(path, bytes) }
    }

    pub(super) fn below(self, directory: &str) -> Self {
        Self { path: format!("{directory}/{}", self.path), ..self }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// What a file may be made of.
pub(super) trait IntoBytes<'a> {
    fn into_bytes(self) -> Cow<'a, [u8]>;
}

impl<'a> IntoBytes<'a> for &'a [u8] {
    fn into_bytes(self) -> Cow<'a, [u8]> {
        self.into()
    }
}

impl<'a> IntoBytes<'a> for &'a Vec<u8> {
    fn into_bytes(self) -> Cow<'a, [u8]> {
        self.into()
    }
}

impl<'a> IntoBytes<'a> for Vec<u8> {
    fn into_bytes(self) -> Cow<'a, [u8]> {
        self.into()
    }
}

impl<'a> IntoBytes<'a> for String {
    fn into_bytes(self) -> Cow<'a, [u8]> {
        self.into_bytes().into()
    }
}

/// A tar archive of these files and the directories they need, in the order of their paths, all of root.
pub(super) fn tar(mut entries: Vec<Entry<'_>>, time: u64) -> Outcome<Vec<u8>> {
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let mut archive = tar::Builder::new(Vec::new());
    let mut directories = BTreeSet::new();
    for Entry { path, bytes, mode } in &entries {
        let above: Vec<_> = Path::new(path).ancestors().skip(1).collect();
        for directory in above.into_iter().rev().filter(|path| !path.as_os_str().is_empty()) {
            if directories.insert(directory.to_owned()) {
                let mut header = header(0o755, time);
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, directory, &[][..])?;
            }
        }
        let mut header = header(*mode, time);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, &**bytes)?;
    }
    Ok(archive.into_inner()?)
}

fn header(mode: u32, time: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_mtime(time);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

/// Compressed, without a name and a time.
pub(super) fn gzip(bytes: &[u8]) -> Outcome<Vec<u8>> {
    let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
    packed.write_all(bytes)?;
    Ok(packed.finish()?)
}

/// An ar archive, in the order given: dpkg looks at the first members by their place.
pub(super) fn ar(members: &[(&str, Vec<u8>)], time: u64) -> Outcome<Vec<u8>> {
    let mut archive = ar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100_644);
        header.set_mtime(time);
        archive.append(&header, &**bytes)?;
    }
    Ok(archive.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_order_of_the_files_does_not_matter_and_the_time_does() {
        let entries = || vec![Entry::file("a/b", vec![1]), Entry::program("a/a", b"x")];
        let reversed = entries().into_iter().rev().collect();
        let archive = tar(entries(), 7).unwrap();
        assert_eq!(archive, tar(reversed, 7).unwrap());
        assert_ne!(archive, tar(entries(), 8).unwrap());
        let mut read = tar::Archive::new(&*archive);
        let found: Vec<_> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let mode = header.mode().unwrap();
                (header.path().unwrap().display().to_string(), mode, header.mtime().unwrap())
            })
            .collect();
        let expect = [("a", 0o755), ("a/a", 0o755), ("a/b", 0o644)];
        assert_eq!(found, expect.map(|(path, mode)| (path.to_owned(), mode, 7)));
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let packed = gzip(b"text").unwrap();
        assert_eq!(packed[4..8], [0; 4], "no time");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        let archive = ar(&[("one", vec![1]), ("two", vec![2, 3])], 5).unwrap();
        let mut read = ar::Archive::new(&*archive);
        let mut names = Vec::new();
        while let Some(entry) = read.next_entry() {
            names.push(String::from_utf8(entry.unwrap().header().identifier().to_vec()).unwrap());
        }
        assert_eq!(names, ["one", "two"]);
    }
}
