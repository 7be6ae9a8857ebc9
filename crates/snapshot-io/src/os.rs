//! The file system of the operating system (Unix).

use std::fs::{self, File, FileType, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Path, PathBuf};

use crate::offline::MAX_INTERRUPTIONS;
use crate::storage::{Access, Place, Storage, StorageFile, names_no_file, not_regular};

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;

/// A lock file is never unlinked by us. Whoever cleans up does it once, so a name that has changed
/// this often under our hands belongs to somebody who means harm.
const MAX_LOCK_ATTEMPTS: usize = 16;

/// Never follow a planted link, never wait for the other end of a FIFO, never take a terminal over.
const CAREFUL: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;

/// Only the owner: what a file has until it is given the mode of the one it replaces.
const PRIVATE: u32 = 0o600;

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsStorage;

impl Storage for OsStorage {
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let mut path = path.to_path_buf();
        for _ in 0..=MAX_LINKS {
            let name = path.file_name().ok_or_else(names_no_file)?;
            let dir = match path.parent() {
                Some(dir) if !dir.as_os_str().is_empty() => fs::canonicalize(dir)?,
                _ => fs::canonicalize(".")?,
            };
            let resolved = dir.join(name);
            match fs::read_link(&resolved) {
                Ok(target) => path = dir.join(target),
                // Missing, or EINVAL: there, and no link.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                    ) =>
                {
                    return Ok(resolved);
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from_raw_os_error(libc::ELOOP))
    }

    fn lock(
        &self,
        path: &Path,
        like: &Path,
        mode: u32,
    ) -> io::Result<Option<Box<dyn StorageFile>>> {
        let file =
            lock_current(path, || match open_regular(path, OpenOptions::new().read(true)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    create_like(path, OpenOptions::new().read(true).write(true), like, mode)
                }
                result => result,
            })?;
        Ok(file.map(|file| Box::new(OsFile { file, is_lock: true }) as Box<dyn StorageFile>))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        match access {
            Access::Read => options.read(true),
            Access::Append => options.append(true),
        };
        Ok(Box::new(OsFile::new(open_regular(path, &mut options)?)))
    }

    fn create(&self, path: &Path, like: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>> {
        let file = create_like(path, OpenOptions::new().append(true), like, mode)?;
        Ok(Box::new(OsFile::new(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(dir)?;
        match dir.sync_all() {
            // Some network file systems have no such call; a log there must not be stale for ever.
            Err(error) if is_any_of(&error, &[libc::EINVAL, libc::ENOTSUP, libc::EOPNOTSUPP]) => {
                Ok(())
            }
            result => result,
        }
    }
}

#[derive(Debug)]
struct OsFile {
    file: File,
    is_lock: bool,
}

impl OsFile {
    const fn new(file: File) -> Self {
        Self { file, is_lock: false }
    }
}

impl Drop for OsFile {
    fn drop(&mut self) {
        if self.is_lock {
            // Closing alone would leave the lock with a child that the host has just forked, until that one executes
            // its program; whoever opens the path meanwhile would be refused.
            let _ = self.file.unlock();
        }
    }
}

impl StorageFile for OsFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| self.file.read(buffer))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| self.file.write(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        // Not sync_data: the mode and the owner of a new file have to be there as well, and an
        // append changes the length, so the cheaper call would save nothing.
        self.file.sync_all()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn compare(&self, at: &Path, len: u64) -> io::Result<Place> {
        let Some(there) = metadata_where_present(at)? else {
            return Ok(Place::Missing);
        };
        if !is_same_inode(&self.file.metadata()?, &there) {
            return Ok(Place::Replaced);
        }
        Ok(match there.len().cmp(&len) {
            std::cmp::Ordering::Less => Place::Shorter,
            std::cmp::Ordering::Equal => Place::Same,
            std::cmp::Ordering::Greater => Place::Longer,
        })
    }
}

/// Locks what `open` finds or makes at `path`, and makes sure that the name still leads there.
///
/// Between opening and locking another process may have replaced the file. Its lock would then be
/// on another inode than ours, and both would write.
fn lock_current(
    path: &Path,
    mut open: impl FnMut() -> io::Result<File>,
) -> io::Result<Option<File>> {
    for _ in 0..MAX_LOCK_ATTEMPTS {
        let file = match open() {
            Ok(file) => file,
            // Made by another between our look and our attempt.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let here = file.metadata()?;
        if metadata_where_present(path)?.is_some_and(|there| is_same_inode(&here, &there)) {
            return Ok(Some(file));
        }
    }
    Err(io::Error::other("the lock file is being replaced all the time"))
}

fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // The error of opening a socket or a FIFO (ENXIO) or a link (ELOOP) explains nothing, so
    // whatever went wrong, first see what is there.
    let (opened, kind) = match options.custom_flags(CAREFUL).open(path) {
        Ok(file) => {
            let kind = file.metadata()?.file_type();
            (Ok(file), kind)
        }
        Err(error) => match fs::symlink_metadata(path) {
            Ok(there) => (Err(error), there.file_type()),
            Err(_) => return Err(error),
        },
    };
    if kind.is_file() { opened } else { Err(not_regular(noun(kind))) }
}

fn create_like(path: &Path, options: &mut OpenOptions, like: &Path, mode: u32) -> io::Result<File> {
    options.create_new(true).custom_flags(CAREFUL);
    // There is no safe way to ask for the umask, so a file without a model gets its final mode
    // from the one call that respects it.
    let Some(model) = metadata_where_present(like)?.filter(Metadata::is_file) else {
        return options.mode(mode).open(path);
    };
    let file = options.mode(PRIVATE).open(path)?;
    if let Err(error) = take_after(&file, &model) {
        // Best effort: the next rewrite removes leftovers too.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// Group, mode, owner, in this order: the mode must not open the file to a wrong group, and once
/// it belongs to another, a process may need a privilege to change its mode.
fn take_after(file: &File, model: &Metadata) -> io::Result<()> {
    let mut mode = model.mode() & 0o666;
    if !kept(fchown(file, None, Some(model.gid())))? {
        mode = (mode & 0o606) | ((mode & 0o006) << 3);
    }
    kept(file.set_permissions(fs::Permissions::from_mode(mode)))?;
    kept(fchown(file, Some(model.uid()), None))?;
    Ok(())
}

/// `false` where this process may not, or this file system cannot: no reason to do without a log.
fn kept(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error)
            if is_any_of(
                &error,
                &[libc::EPERM, libc::EINVAL, libc::ENOSYS, libc::ENOTSUP, libc::EOPNOTSUPP],
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// A signal that comes before anything has happened is not a failure of the disk. One that always comes is.
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    for _ in 0..MAX_INTERRUPTIONS {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
    call()
}

/// What has the name `path`, links not followed; `None` where nothing has.
fn metadata_where_present(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn is_same_inode(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn is_any_of(error: &io::Error, codes: &[i32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

fn noun(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests;
