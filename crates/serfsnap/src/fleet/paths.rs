//! Which files a fleet is read from.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::input::why_not_open;
use crate::show::shown_path;

/// A file to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// The owner, where the command line says it.
    pub(crate) node: Option<Vec<u8>>,
    /// Found in a directory: it may be something else than a snapshot.
    pub(crate) found: bool,
    /// In bytes, as far as it is known.
    pub(crate) size: u64,
}

/// What PATH… stands for.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) files: Vec<Source>,
    /// Backups, locks and temporary files.
    pub(crate) skipped: u64,
    /// What an interrupted compaction of Serf has left where the file itself is missing.
    pub(crate) orphans: Vec<PathBuf>,
    /// Directories in them that cannot be read, and why.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
    seen: BTreeSet<PathBuf>,
}

impl Sources {
    /// Every file that is named or lies in a named directory, in the order of the arguments.
    pub(crate) fn new(paths: &[OsString]) -> Result<Self, Failure> {
        let mut sources = Self::default();
        for argument in paths {
            let (node, path) = split(argument);
            let is_directory = path.is_dir();
            if let Some(node) = node.filter(|_| is_directory) {
                let node = crate::show::shown(node);
                let path = shown_path(path.as_os_str());
                return Err(Failure::told(format!(
                    "{node}={path}: this is a directory; name the one file of {node} in it"
                )));
            }
            if is_directory {
                sources.walk(path);
            } else {
                sources.take(path.to_owned(), node, false);
            }
        }
        Ok(sources)
    }

    fn walk(&mut self, directory: &Path) {
        let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let why = why_not_open(directory.as_os_str(), &error);
                return self.unreadable.push((directory.to_owned(), why));
            }
        };
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            match entry.file_type() {
                // A link to a directory may lead back up.
                Ok(kind) if kind.is_dir() => self.walk(&path),
                Ok(_) if path.is_file() => self.take(path, None, true),
                _ => {}
            }
        }
    }

    fn take(&mut self, path: PathBuf, node: Option<&[u8]>, found: bool) {
        if node.is_none() && is_aside(&path) {
            self.skipped += 1;
            let owner = path.with_extension("");
            if path.extension().is_some_and(|extension| extension == "compact") && !owner.exists() {
                self.orphans.push(path);
            }
            return;
        }
        // One that is not there is told when it is opened; standard input has no other name.
        let real = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if self.seen.insert(real) || node.is_some() {
            let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            self.files.push(Source { path, node: node.map(<[u8]>::to_vec), found, size });
        }
    }
}

/// `NODE=PATH`, unless there is a file of that very name.
fn split(argument: &OsStr) -> (Option<&[u8]>, &Path) {
    use std::os::unix::ffi::OsStrExt;
    let whole = Path::new(argument);
    let bytes = argument.as_bytes();
    match memchr::memchr(b'=', bytes) {
        Some(at) if at > 0 && !bytes[..at].contains(&b'/') && !whole.exists() => {
            (Some(&bytes[..at]), Path::new(OsStr::from_bytes(&bytes[at + 1..])))
        }
        _ => (None, whole),
    }
}

/// Whether it lies beside a snapshot and is none that an agent reads: a backup, a lock, a temporary file.
fn is_aside(path: &Path) -> bool {
    const ENDS: [&str; 13] = [
        ".lock", ".rewrite", ".compact", ".tmp", ".temp", ".swp", ".part", ".bak", ".old", ".orig",
        ".foreign", ".newer", "~",
    ];
    /// With a time or a number behind them.
    const MARKS: [&str; 4] = [".bak-", ".bak.", ".foreign.", ".newer."];
    let Some(name) = path.file_name().map(OsStr::to_string_lossy) else { return false };
    name.starts_with('.')
        || ENDS.iter().any(|end| name.ends_with(end))
        || MARKS.iter().any(|mark| name.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_stand_before_the_path() {
        let check = |argument: &str, node: Option<&str>, path: &str| {
            let expect = (node.map(str::as_bytes), Path::new(path));
            assert_eq!(split(OsStr::new(argument)), expect, "{argument}");
        };
        check("a.snap", None, "a.snap");
        check("web-1=a.snap", Some("web-1"), "a.snap");
        check("web-1=x=1/a.snap", Some("web-1"), "x=1/a.snap");
        check("dir/x=1/a.snap", None, "dir/x=1/a.snap");
        check("=a.snap", None, "=a.snap");
    }

    #[test]
    fn what_lies_beside_a_snapshot_is_left_alone() {
        for name in [
            "a.lock",
            "a.rewrite",
            "a.compact",
            "a.bak-20251123T030320Z",
            "a.foreign.1",
            ".a.swp",
            "a~",
            "a.bak-20251123T030320Z.1",
            "a.newer",
        ] {
            assert!(is_aside(&Path::new("dir.bak-1").join(name)), "{name}");
        }
        for name in ["a", "a.snap", "local.snapshot", "a.bakery", "lock", "foreign.snap"] {
            assert!(!is_aside(&Path::new("dir.lock").join(name)), "{name}");
        }
    }

    #[test]
    fn directories_are_walked_and_files_taken_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("b/serf")).unwrap();
        for name in ["a.snap", "a.snap.lock", "b/serf/local.snapshot", "gone.compact"] {
            fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink("..", path("b/up")).unwrap();
        let arguments = [path(""), path("b/../a.snap")].map(PathBuf::into_os_string);
        let sources = Sources::new(&arguments).unwrap();
        let found: Vec<_> = sources.files.iter().map(|source| source.path.clone()).collect();
        assert_eq!(found, [path("a.snap"), path("b/serf/local.snapshot")]);
        assert_eq!((sources.skipped, sources.orphans), (2, vec![path("gone.compact")]));
    }
}
