//! A file whose sync has failed is neither written nor synced again (G8), whatever else the disk has kept of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use snapshot_io::sim::SimStorage;
use snapshot_io::{Access, Place, Storage, StorageFile};

use crate::proof;
use crate::run::Run;
use crate::workloads::syncs::{DEFERRED, DROPPED, REVERTED};

/// Counts the syncs that fail, and the calls on their files afterwards.
#[derive(Clone, Debug)]
struct Watch {
    disk: SimStorage,
    failed: Arc<AtomicU64>,
    touched: Arc<AtomicU64>,
}

#[derive(Debug)]
struct WatchedFile {
    file: Box<dyn StorageFile>,
    watch: Watch,
    has_failed: bool,
}

impl Watch {
    fn file(&self, file: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        Box::new(WatchedFile { file, watch: self.clone(), has_failed: false })
    }
}

impl Storage for Watch {
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
        self.disk.open(path, access).map(|file| self.file(file))
    }

    fn create(&self, path: &Path, like: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>> {
        self.disk.create(path, like, mode).map(|file| self.file(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
}

impl WatchedFile {
    fn touch(&self) {
        self.watch.touched.fetch_add(u64::from(self.has_failed), Ordering::Relaxed);
    }
}

impl StorageFile for WatchedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.touch();
        let written = self.file.write(bytes);
        // It may be the sync before it that has failed.
        self.has_failed |= written.is_err();
        written
    }

    fn sync(&mut self) -> io::Result<()> {
        self.touch();
        let synced = self.file.sync();
        if synced.is_err() {
            self.has_failed = true;
            self.watch.failed.fetch_add(1, Ordering::Relaxed);
        }
        synced
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn compare(&self, at: &Path, len: u64) -> io::Result<Place> {
        self.file.compare(at, len)
    }
}

#[test]
fn a_file_whose_sync_failed_is_not_touched_again() {
    for workload in [&DROPPED, &REVERTED, &DEFERRED] {
        for settings in workload.settings() {
            let (failed, touched) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let (all, after) = (Arc::clone(&failed), Arc::clone(&touched));
            let door = move |disk| -> Arc<dyn Storage> {
                Arc::new(Watch { disk, failed: Arc::clone(&all), touched: Arc::clone(&after) })
            };
            let mut run = Run::new(settings, SimStorage::new(), Arc::new(door), None);
            (workload.play)(&mut run);
            assert_eq!(run.failure, None);
            let (failed, touched) =
                (failed.load(Ordering::Relaxed), touched.load(Ordering::Relaxed));
            assert!(failed > 0, "{}: no sync has failed", workload.name);
            assert_eq!(touched, 0, "{}: {settings:?}", workload.name);
            proof(&format!(
                "failed-syncs workload={} faults={failed} touched={touched}",
                workload.name
            ));
        }
    }
}
