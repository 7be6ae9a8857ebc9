//! The only door to the file system.
//!
//! Everything this crate does with files is one of the calls below, so that a test can stand in for
//! the disk, fail any call, and cut the power between any two of them.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file system, as far as a snapshot needs one.
///
/// Every path but the argument of [`resolve`](Storage::resolve) is taken as it stands: a symbolic
/// link in its last component is never followed, and an open call refuses it.
/// A call blocks until the operating system answers.
/// An implementation repeats a read or a write that a signal has interrupted before a byte moved;
/// to the caller [`io::ErrorKind::Interrupted`] is an error like any other.
pub trait Storage: Debug + Send + Sync {
    /// Makes `path` absolute and follows the symbolic links of its directory and of the file itself.
    ///
    /// The file may be missing, its directory may not.
    /// A dangling link resolves to the path it points to.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] where `path` names no file (`/`, `..`, the empty path),
    /// `ELOOP` where links run in a circle, else what the system says about the directory.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;

    /// Takes the exclusive lock of the lock file `path`, without waiting.
    ///
    /// The file is opened for reading only, and created as [`create`](Storage::create) does with
    /// `like` and `mode` where it is missing.
    /// It is never written and never unlinked: a second process could then lock another inode of
    /// the same name, which is also why the name is compared with the inode once more after the
    /// lock has been taken.
    ///
    /// `None` means that another open lock holds it, in this process or in another.
    /// The lock lasts until the returned file is dropped; it is good for nothing else.
    ///
    /// # Errors
    ///
    /// Locking is impossible here: no permission, no lock calls on this file system, a link or
    /// another special file at `path` ([`io::ErrorKind::InvalidInput`]), a name that another
    /// process keeps replacing.
    /// Nothing is locked then; an empty lock file may have been made.
    fn lock(&self, path: &Path, like: &Path, mode: u32)
    -> io::Result<Option<Box<dyn StorageFile>>>;

    /// Opens the regular file at `path`, which has to exist.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`], or [`io::ErrorKind::InvalidInput`] and a sentence where
    /// something is there that is no regular file, without ever waiting for the other end of a FIFO.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>>;

    /// Creates an empty file at `path`, to be appended to, with the owner and the mode of the
    /// regular file at `like`; where there is none, with `mode` less the umask of the process.
    ///
    /// Execute and set-id bits are not taken over, access lists and labels neither.
    /// The owner, the group and the mode are kept as far as this process may and the file system
    /// can; where the group cannot be kept, the new one may do no more than everybody.
    /// Until then nobody but the owner can open the file.
    /// Its name is not durable before [`sync_dir`](Storage::sync_dir).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] where anything has that name, dangling links included.
    /// After any other error the file may have been left behind, empty.
    fn create(&self, path: &Path, like: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>>;

    /// `rename(2)`: gives the file at `from` the name `to` in one step and replaces what was there.
    ///
    /// # Errors
    ///
    /// After an error `to` is the old file or the new one, never missing.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// `link(2)`: gives the file at `from` a second name.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] where `to` exists; it is not touched.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// `unlink(2)`: takes the name `path` away; open files go on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] where there is none; directories are refused.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// `fsync(2)` on a directory: its created, renamed and removed names are on the disk afterwards.
    ///
    /// A file system that does not know the call at all (`EINVAL`, `ENOTSUP`) gives `Ok`.
    ///
    /// # Errors
    ///
    /// Each change of a name since the last success may be durable or not, and no later call
    /// can be trusted to repair that.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// What an existing file is opened for.
///
/// Exhaustive: the log is read once and then only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading, from the beginning.
    Read,
    /// Writing at the end, wherever that is at the time of the call (`O_APPEND`).
    Append,
}

/// An open file.
///
/// Dropping it closes it. An error of `close(2)` is nobody's business here: whoever needs the
/// bytes on the disk has called [`sync`](StorageFile::sync).
pub trait StorageFile: Debug + Send {
    /// `read(2)`: fills the beginning of `buffer` and tells how many bytes; 0 is the end of the file.
    ///
    /// # Errors
    ///
    /// What the disk says. A file that was not opened for reading gives `EBADF`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// `write(2)`, once: appends the beginning of `bytes` and tells how many bytes that was.
    ///
    /// # Errors
    ///
    /// Some of the bytes may be in the file all the same.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// `fsync(2)`: contents, length, owner and mode are on the disk afterwards, the name is not.
    ///
    /// # Errors
    ///
    /// Any byte since the last success may be lost, even where reading still shows it, and a later
    /// success says nothing about those bytes.
    fn sync(&mut self) -> io::Result<()>;

    /// `fstat(2)`: the length in bytes.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn size(&self) -> io::Result<u64>;

    /// Is the name `at` still this file, and has it `len` bytes? Links are not followed.
    ///
    /// # Errors
    ///
    /// What the system says about the name; one that does not exist is no error.
    fn compare(&self, at: &Path, len: u64) -> io::Result<Place>;
}

/// What [`StorageFile::compare`] found at the name.
///
/// Exhaustive: every combination of name, inode and length is one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This file, as long as expected.
    Same,
    /// Nothing.
    Missing,
    /// Another file, or something that is no file.
    Replaced,
    /// This file, but somebody has cut it.
    Shorter,
    /// This file, but somebody else has appended to it.
    Longer,
}

impl<S: Storage + ?Sized> Storage for Arc<S> {
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        (**self).resolve(path)
    }

    fn lock(
        &self,
        path: &Path,
        like: &Path,
        mode: u32,
    ) -> io::Result<Option<Box<dyn StorageFile>>> {
        (**self).lock(path, like, mode)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        (**self).open(path, access)
    }

    fn create(&self, path: &Path, like: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>> {
        (**self).create(path, like, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        (**self).remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        (**self).sync_dir(dir)
    }
}

/// The error of opening something that is no regular file; `what` is a noun with its article.
pub(crate) fn not_regular(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("this is {what}, not a regular file"))
}

/// The error of a path that cannot be that of a file.
pub(crate) fn names_no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the path names no file")
}
