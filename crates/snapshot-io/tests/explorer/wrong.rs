//! The explorer can fail: each wrong protocol, put between the snapshot and its disk, is caught.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snapshot_io::sim::SimStorage;
use snapshot_io::{Access, Place, Storage, StorageFile};

use crate::budget::Budget;
use crate::explore::{Figures, explore};
use crate::proof;
use crate::run::{Door, NEXT, PATH};
use crate::workloads::Workload;
use crate::workloads::life::{APPEND, FIRST_CREATION, REWRITE};
use crate::workloads::others::{FOREIGN, LEFTOVER, SERFS_ORPHAN};
use crate::workloads::syncs::{DROPPED, REVERTED};
use crate::workloads::trouble::FAILED_WRITES;

/// What a protocol does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    NoFileSync,
    NoDirectorySync,
    DirectorySyncBeforeRename,
    UnlinkBeforeRename,
    RenameBeforeSync,
    SyncRetriedOnTheSameFile,
    SyncErrorHidden,
    DirectorySyncErrorHidden,
    WritesKeptInMemory,
    ShortWriteHidden,
    WriteErrorHidden,
    ForeignWriterUnseen,
    LeftoverAppendedTo,
}

/// A storage that makes one mistake.
#[derive(Clone, Debug)]
struct Wrong {
    disk: SimStorage,
    mistake: Mistake,
}

#[derive(Debug)]
struct WrongFile {
    file: Box<dyn StorageFile>,
    mistake: Mistake,
    is_new: bool,
    kept: Vec<u8>,
}

impl Wrong {
    fn wrap(&self, file: Box<dyn StorageFile>, is_new: bool) -> Box<dyn StorageFile> {
        Box::new(WrongFile { file, mistake: self.mistake, is_new, kept: Vec::new() })
    }
}

impl Storage for Wrong {
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.disk.resolve(path)
    }

    fn lock(
        &self,
        path: &Path,
        like: &Path,
        mode: u32,
    ) -> io::Result<Option<Box<dyn StorageFile>>> {
        self.disk.lock(path, like, mode)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        self.disk.open(path, access).map(|file| self.wrap(file, false))
    }

    fn create(&self, path: &Path, like: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>> {
        let reuses = self.mistake == Mistake::LeftoverAppendedTo;
        match self.disk.create(path, like, mode) {
            Err(error) if reuses && error.kind() == io::ErrorKind::AlreadyExists => {
                self.open(path, Access::Append)
            }
            file => file.map(|file| self.wrap(file, true)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.mistake {
            Mistake::DirectorySyncBeforeRename => self.disk.sync_dir(Path::new("/"))?,
            Mistake::UnlinkBeforeRename => drop(self.disk.remove(to)),
            _ => {}
        }
        self.disk.rename(from, to)?;
        if self.mistake == Mistake::RenameBeforeSync {
            self.disk.open(to, Access::Append)?.sync()?;
        }
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.mistake == Mistake::LeftoverAppendedTo && path == Path::new(NEXT) {
            return Ok(());
        }
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match self.mistake {
            Mistake::NoDirectorySync | Mistake::DirectorySyncBeforeRename => Ok(()),
            Mistake::DirectorySyncErrorHidden => {
                let _ = self.disk.sync_dir(dir);
                Ok(())
            }
            _ => self.disk.sync_dir(dir),
        }
    }
}

impl StorageFile for WrongFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.mistake {
            Mistake::WritesKeptInMemory => {
                self.kept.extend(bytes);
                Ok(bytes.len())
            }
            Mistake::ShortWriteHidden => self.file.write(bytes).map(|_| bytes.len()),
            Mistake::WriteErrorHidden => {
                let _ = self.file.write(bytes);
                Ok(bytes.len())
            }
            _ => self.file.write(bytes),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        if !self.kept.is_empty() {
            self.file.write(&std::mem::take(&mut self.kept))?;
        }
        match self.mistake {
            Mistake::NoFileSync => Ok(()),
            // Before it has its name.
            Mistake::RenameBeforeSync
                if self.is_new
                    && matches!(
                        self.file.compare(Path::new(PATH), 0)?,
                        Place::Missing | Place::Replaced
                    ) =>
            {
                Ok(())
            }
            Mistake::SyncRetriedOnTheSameFile => self.file.sync().or_else(|_| self.file.sync()),
            Mistake::SyncErrorHidden => {
                let _ = self.file.sync();
                Ok(())
            }
            _ => self.file.sync(),
        }
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size().map(|size| size + self.kept.len() as u64)
    }

    fn compare(&self, at: &Path, len: u64) -> io::Result<Place> {
        match self.mistake {
            Mistake::ForeignWriterUnseen => Ok(Place::Same),
            _ => self.file.compare(at, len - self.kept.len() as u64),
        }
    }
}

/// Which workload fails.
fn caught(mistake: Mistake, by: &Workload) -> String {
    let door: Door = Arc::new(move |disk| Arc::new(Wrong { disk, mistake }));
    let explored = explore(by, &door, &Budget::QUICK, &mut Figures::default());
    let violation = explored.expect_err("nothing was found wrong");
    format!("explorer:{}", violation.state.workload)
}

#[test]
fn each_wrong_protocol_is_caught() {
    let table: [(Mistake, &[&Workload]); 13] = [
        (Mistake::NoFileSync, &[&FIRST_CREATION, &APPEND, &REWRITE]),
        (Mistake::NoDirectorySync, &[&FIRST_CREATION, &REWRITE, &SERFS_ORPHAN]),
        (Mistake::DirectorySyncBeforeRename, &[&FIRST_CREATION, &REWRITE]),
        (Mistake::UnlinkBeforeRename, &[&REWRITE]),
        (Mistake::RenameBeforeSync, &[&REWRITE]),
        (Mistake::SyncRetriedOnTheSameFile, &[&DROPPED, &REVERTED]),
        (Mistake::SyncErrorHidden, &[&DROPPED, &REVERTED]),
        (Mistake::DirectorySyncErrorHidden, &[&DROPPED]),
        (Mistake::WritesKeptInMemory, &[&APPEND]),
        (Mistake::ShortWriteHidden, &[&FAILED_WRITES]),
        (Mistake::WriteErrorHidden, &[&FAILED_WRITES]),
        (Mistake::ForeignWriterUnseen, &[&FOREIGN]),
        (Mistake::LeftoverAppendedTo, &[&LEFTOVER]),
    ];
    for (mistake, workloads) in table {
        let by: Vec<_> = workloads.iter().map(|workload| caught(mistake, workload)).collect();
        proof(&format!("mutant name={mistake:?} caught_by={}", by.join(",")));
    }
}
