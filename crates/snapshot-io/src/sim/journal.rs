//! What was called, with which result.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::storage::Place;

/// A kind of call; the names are those of the methods of [`Storage`](crate::Storage) and
/// [`StorageFile`](crate::StorageFile).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is explained where the method is")]
pub enum Call {
    Resolve,
    Lock,
    Open,
    Create,
    Rename,
    Link,
    Remove,
    SyncDir,
    Read,
    Write,
    Sync,
    Size,
    Compare,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Resolve => "resolve",
            Self::Lock => "lock",
            Self::Open => "open",
            Self::Create => "create",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Remove => "remove",
            Self::SyncDir => "sync_dir",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Size => "size",
            Self::Compare => "compare",
        })
    }
}

/// One call. Its `Display` is one line without the end of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the call, from 1.
    pub number: u64,
    /// What was called.
    pub call: Call,
    /// The file or the directory; of an open file the name it was opened by.
    pub path: PathBuf,
    /// The second path of a rename, a link or a comparison.
    pub to: Option<PathBuf>,
    /// What came of it, or the error, in words.
    pub outcome: Result<String, String>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:4} {:8} {}", self.number, self.call, self.path.display())?;
        if let Some(to) = &self.to {
            write!(f, " {}", to.display())?;
        }
        match &self.outcome {
            Ok(words) => write!(f, ": {words}"),
            Err(words) => write!(f, ": failed, {words}"),
        }
    }
}

/// The calls in their order, with numbers from 1. Its `Display` is one line a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    entries: Vec<Entry>,
}

impl Journal {
    /// The calls, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many calls of this kind there were, failed ones included.
    #[must_use]
    pub fn count(&self, call: Call) -> usize {
        self.entries.iter().filter(|entry| entry.call == call).count()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

/// The result of a call, in the words of the journal.
pub(super) trait Words {
    fn words(&self) -> String;
}

pub(super) fn outcome<T: Words>(result: &io::Result<T>) -> Result<String, String> {
    result.as_ref().map(Words::words).map_err(ToString::to_string)
}

impl Words for () {
    fn words(&self) -> String {
        "done".to_owned()
    }
}

impl Words for usize {
    fn words(&self) -> String {
        format!("{self} bytes")
    }
}

impl Words for u64 {
    fn words(&self) -> String {
        format!("{self} bytes")
    }
}

/// An inode, or a lock that another holds.
impl Words for Option<u64> {
    fn words(&self) -> String {
        self.map_or_else(|| "held by another".to_owned(), |ino| format!("file {ino}"))
    }
}

impl Words for PathBuf {
    fn words(&self) -> String {
        self.display().to_string()
    }
}

impl Words for Place {
    fn words(&self) -> String {
        match self {
            Self::Same => "same",
            Self::Missing => "missing",
            Self::Replaced => "replaced",
            Self::Shorter => "shorter",
            Self::Longer => "longer",
        }
        .to_owned()
    }
}
