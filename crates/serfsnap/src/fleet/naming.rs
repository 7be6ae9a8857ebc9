//! Whose file it is.

use std::ffi::OsStr;
use std::path::{Component, Path};

use snapshot_engine::State;
use snapshot_format::Name;

/// Of a longer file name not every piece is looked up.
const MAX_WORDS: usize = 16;

/// How the owner of a file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    /// NODE=PATH on the command line.
    Argument,
    /// Its #@node line.
    File,
    /// A component of its path is the name of a node.
    Path,
    /// One node in it has a name that is a part of its path.
    PartOfPath,
    /// It holds no other node.
    Only,
    /// By nothing: the name is that of the file.
    FileName,
}

impl By {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::File => "file",
            Self::Path => "path",
            Self::PartOfPath => "part-of-path",
            Self::Only => "only-node",
            Self::FileName => "file-name",
        }
    }
}

/// The owner as far as its own file and path tell.
pub(crate) fn name(path: &Path, state: &State, named: Option<&[u8]>) -> (Vec<u8>, By) {
    let holds = |name: &[u8]| Name::new(name).is_ok_and(|name| state.addr_of(name).is_some());
    if let Some(name) = named {
        return (name.to_vec(), By::File);
    }
    if let Some(name) = components(path).find(|name| holds(name)) {
        return (name.to_vec(), By::Path);
    }
    let part = normal(path).find_map(|whole| only(parts(whole).filter(|part| holds(part))));
    if let Some(name) = part {
        return (name.to_vec(), By::PartOfPath);
    }
    if let Some((name, _)) = only(state.alive()) {
        return (name.as_bytes().to_vec(), By::Only);
    }
    (file_name(path), By::FileName)
}

/// The components of a path and their stems, the last first.
pub(crate) fn components(path: &Path) -> impl Iterator<Item = &[u8]> {
    normal(path).flat_map(|whole| {
        let stem = Path::new(whole).file_stem().unwrap_or(whole);
        [whole, stem].map(OsStr::as_encoded_bytes)
    })
}

fn normal(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().rev().filter_map(|component| match component {
        Component::Normal(whole) => Some(whole),
        _ => None,
    })
}

fn file_name(path: &Path) -> Vec<u8> {
    let name = path.file_stem().unwrap_or(path.as_os_str());
    name.as_encoded_bytes().to_vec()
}

/// What a name may be made of whole words of, such as `web-1` of `backup-web-1-may.snap`.
fn parts(whole: &OsStr) -> impl Iterator<Item = &[u8]> {
    let bytes = whole.as_encoded_bytes();
    let is_word = move |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let before = move |at: usize| at > 0 && is_word(at - 1);
    let starts = (0..bytes.len()).filter(move |at| is_word(*at) && !before(*at)).take(MAX_WORDS);
    starts.flat_map(move |start| {
        let ends = (start + 1..=bytes.len()).filter(move |end| before(*end) && !is_word(*end));
        ends.take(MAX_WORDS).map(move |end| &bytes[start..end])
    })
}

/// The one there is.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapshot_engine::Policy;
    use snapshot_format::Record;

    fn check(path: &str, nodes: &str, expect: (&str, By)) {
        let mut state = State::new(&Policy::default(), 1);
        for node in nodes.split_whitespace() {
            let line = format!("alive: {node} 10.0.0.1:7946");
            state.apply(&Record::parse(line.as_bytes()).unwrap());
        }
        let (found, by) = name(Path::new(path), &state, None);
        assert_eq!((&*String::from_utf8_lossy(&found), by), expect, "{path} with {nodes}");
    }

    #[test]
    fn the_owner_is_found_by_path_or_as_the_only_node() {
        check("/backup/web-1/serf/local.snapshot", "web-1 web-2", ("web-1", By::Path));
        check("/backup/web-1/web-2.snap", "web-1 web-2", ("web-2", By::Path));
        check("60-q1-sequential.snap", "q1 q2 q3", ("q1", By::PartOfPath));
        check("web-1-and-web-2.snap", "web-1 web-2", ("web-1-and-web-2", By::FileName));
        check("backup-web-1.1.old", "web-1 web-10 web", ("backup-web-1.1", By::FileName));
        check("backup-web-1.1.old", "web-1 web-10", ("web-1", By::PartOfPath));
        check("web-11.snap", "web-1 b", ("web-11", By::FileName));
        check("dir/snapshot", "a", ("a", By::Only));
        check("dir/snapshot", "a b", ("snapshot", By::FileName));
        check("dir/snapshot", "", ("snapshot", By::FileName));
    }

    #[test]
    fn the_file_speaks_for_itself() {
        let state = State::new(&Policy::default(), 1);
        assert_eq!(name(Path::new("x"), &state, Some(b"y")), (b"y".to_vec(), By::File));
    }
}
