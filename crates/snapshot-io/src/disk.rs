//! Effects carried out on a storage: what to do is decided elsewhere.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snapshot_engine::{Effect, LogFile, Outcome};

use crate::storage::{Place, Storage, StorageFile};

/// The files of one snapshot.
#[derive(Debug)]
pub(crate) struct Disk {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    next_path: PathBuf,
    mode: u32,
    log: Option<Open>,
    next: Option<Open>,
    /// The log that was replaced, held until its successor's name is durable.
    old: Option<Open>,
    /// Held as long as the files are.
    lock: Option<Box<dyn StorageFile>>,
}

#[derive(Debug)]
struct Open {
    file: Box<dyn StorageFile>,
    /// How long we left it.
    len: u64,
}

impl Open {
    /// Writes in one call as much as it takes; what is left.
    fn write<'a>(&mut self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let written = self.file.write(bytes)?;
        self.len += written as u64;
        Ok(bytes.get(written..).unwrap_or_default())
    }
}

impl Disk {
    /// `log` is the file at the path, opened for appending, with its length; `None` where there is none to append to.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        path: PathBuf,
        mode: u32,
        log: Option<(Box<dyn StorageFile>, u64)>,
        lock: Option<Box<dyn StorageFile>>,
    ) -> Self {
        let next_path = beside(&path, ".rewrite");
        let log = log.map(|(file, len)| Open { file, len });
        Self { storage, path, next_path, mode, log, next: None, old: None, lock }
    }

    /// Carries an effect out; the error is there where the outcome is not `Done`.
    pub(crate) fn carry_out(&mut self, effect: &Effect) -> (Outcome, Option<io::Error>) {
        if *effect == Effect::Check {
            return self.check();
        }
        match self.call(effect) {
            Ok(()) => (Outcome::Done, None),
            Err(error) => (outcome_of(effect, &error), Some(error)),
        }
    }

    /// Removes the new file of a rewrite that will not be ended; where that fails, the next rewrite does it.
    pub(crate) fn abandon_rewrite(&mut self) {
        if self.next.is_some() {
            let _ = self.carry_out(&Effect::Discard);
        }
    }

    /// Removes the new log of a path where there was none, so that the next open creates it, and its name, anew.
    pub(crate) fn take_back(&mut self) {
        if self.log.take().is_some() {
            let _ = self.storage.remove(&self.path);
        }
    }

    /// Whether the snapshot is locked against other snapshotters.
    pub(crate) const fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    fn call(&mut self, effect: &Effect) -> io::Result<()> {
        match effect {
            Effect::Check => Ok(()),
            Effect::Create => {
                // A leftover of an interrupted rewrite; what matters is whether the next call succeeds.
                let _ = self.storage.remove(&self.next_path);
                let file = self.storage.create(&self.next_path, &self.path, self.mode)?;
                self.next = Some(Open { file, len: 0 });
                Ok(())
            }
            Effect::Write(file, bytes) => {
                let open = self.file(*file)?;
                let mut rest = open.write(bytes)?;
                // A disk that took a part of a new file is asked for the rest, because it knows why: a full one is to be
                // treated otherwise than a broken one. The log gets not one byte more.
                if !rest.is_empty() && *file == LogFile::Next {
                    rest = open.write(rest)?;
                }
                if rest.is_empty() {
                    return Ok(());
                }
                Err(io::Error::new(
                    io::ErrorKind::WriteZero,
                    "the disk took only a part of the bytes",
                ))
            }
            Effect::Sync(file) => self.file(*file)?.file.sync(),
            Effect::Replace => {
                self.storage.rename(&self.next_path, &self.path)?;
                self.old = std::mem::replace(&mut self.log, self.next.take());
                Ok(())
            }
            Effect::SyncDir => {
                let synced = self.storage.sync_dir(parent(&self.path));
                self.old = None;
                synced
            }
            Effect::Discard => {
                self.next = None;
                match self.storage.remove(&self.next_path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
        }
    }

    fn check(&self) -> (Outcome, Option<io::Error>) {
        match self.log.as_ref().map(|log| log.file.compare(&self.path, log.len)) {
            Some(Ok(Place::Same)) => (Outcome::Done, None),
            Some(Err(error)) => (Outcome::Failed, Some(error)),
            Some(Ok(_)) | None => (Outcome::Gone, None),
        }
    }

    fn file(&mut self, file: LogFile) -> io::Result<&mut Open> {
        let open = match file {
            LogFile::Log => &mut self.log,
            LogFile::Next => &mut self.next,
        };
        open.as_mut().ok_or_else(|| io::Error::other("the file is not open"))
    }
}

/// `path` with something behind its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The directory of a resolved path.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn outcome_of(effect: &Effect, error: &io::Error) -> Outcome {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => Outcome::NoSpace,
        Some(libc::EBUSY | libc::EXDEV) if *effect == Effect::Replace => Outcome::Busy,
        _ => Outcome::Failed,
    }
}
