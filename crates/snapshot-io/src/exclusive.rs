//! A snapshot that a tool holds alone: read it, back it up, replace it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snapshot_engine::{Document, DocumentReader, Report};

use crate::disk::{beside, parent};
use crate::offline::read_document;
use crate::open::{Reader, failed, keep_aside, lock, write_all};
use crate::os::OsStorage;
use crate::storage::{Access, Storage, StorageFile};
use crate::{OpenError, time};

/// A snapshot that nobody else of this project has open, for offline work.
///
/// Serf, Consul and Nomad take no lock: that their agent is stopped is for the caller to know.
#[derive(Debug)]
pub struct Exclusive {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    /// Whose owner and mode a new file gets.
    model: PathBuf,
    _lock: Option<Box<dyn StorageFile>>,
}

/// The mode of a file made where there was none to take it from.
const MODE: u32 = 0o644;

impl Exclusive {
    /// Takes the lock of the snapshot at `path`, which is resolved first.
    ///
    /// # Errors
    /// [`OpenError::Locked`] where a snapshotter holds it, [`OpenError::Io`] where the path leads nowhere.
    pub fn lock(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::lock_on(OsStorage, path)
    }

    /// The same on another file system, for tests.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn lock_on(
        storage: impl Storage + 'static,
        path: impl AsRef<Path>,
    ) -> Result<Self, OpenError> {
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let path = path.as_ref();
        let path = storage.resolve(path).map_err(failed("find", path))?;
        let lock = lock(&storage, &path, &path, MODE)?;
        Ok(Self { storage, model: path.clone(), path, _lock: lock })
    }

    /// Takes the lock of a snapshot that may not be there yet: it and its lock then get the owner and mode of the file
    /// `model`, so that whoever owns that can go on with this.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn lock_like(path: impl AsRef<Path>, model: impl AsRef<Path>) -> Result<Self, OpenError> {
        let storage: Arc<dyn Storage> = Arc::new(OsStorage);
        let path = path.as_ref();
        let path = storage.resolve(path).map_err(failed("find", path))?;
        let exists = storage.open(&path, Access::Read).is_ok();
        let model = if exists { path.clone() } else { model.as_ref().to_owned() };
        let lock = lock(&storage, &path, &model, MODE)?;
        Ok(Self { storage, path, model, _lock: lock })
    }

    /// The resolved path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file under both settings.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self, reader: DocumentReader) -> io::Result<(Document, Report)> {
        read_document(Reader(self.storage.open(&self.path, Access::Read)?), reader)
    }

    /// Gives the file a second name, `path` with `suffix` behind it (and a number where that exists), durably: a hard
    /// link, which works on a full disk, or a copy where links are impossible.
    ///
    /// # Errors
    /// [`OpenError::Io`]; the file itself is as it was.
    pub fn back_up(&self, suffix: &str) -> Result<PathBuf, OpenError> {
        keep_aside(&self.storage, &self.path, suffix, MODE)
    }

    /// Replaces the file by a document, atomically and durably, with the old file's owner and mode; its size in bytes.
    ///
    /// # Errors
    /// What the system says. The file at the path is then the old one, or, where only the last step failed, the new
    /// one, whose name may not be durable; the temporary file is removed.
    pub fn replace(&self, document: &Document) -> io::Result<u64> {
        let next = beside(&self.path, ".rewrite");
        let _ = self.storage.remove(&next);
        let written = self.write(document, &next).and_then(|bytes| {
            self.storage.rename(&next, &self.path)?;
            Ok(bytes)
        });
        if written.is_err() {
            // Held space makes other programs fail.
            let _ = self.storage.remove(&next);
        }
        let bytes = written?;
        self.storage.sync_dir(parent(&self.path))?;
        Ok(bytes)
    }

    fn write(&self, document: &Document, next: &Path) -> io::Result<u64> {
        let mut file = self.storage.create(next, &self.model, MODE)?;
        let mut bytes = 0;
        for batch in document.batches(time::wall()) {
            write_all(&mut *file, &batch)?;
            bytes += batch.len() as u64;
        }
        file.sync()?;
        Ok(bytes)
    }
}
