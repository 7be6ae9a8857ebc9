//! A disk that stops answering.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use snapshot_io::{Access, Place, Storage, StorageFile};

use super::DEADLINE;

/// A storage whose writing calls wait before a gate while it is shut.
#[derive(Clone, Debug)]
pub struct Gated<S> {
    disk: S,
    gate: Gate,
}

/// The gate; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<Turnstile>, Condvar)>);

#[derive(Debug, Default)]
struct Turnstile {
    shut: bool,
    waiting: usize,
    /// How many may pass although it is shut.
    passes: usize,
}

impl Gate {
    pub fn before<S: Storage>(&self, disk: S) -> Gated<S> {
        Gated { disk, gate: self.clone() }
    }

    pub fn shut(&self) {
        self.0.0.lock().unwrap().shut = true;
    }

    pub fn open(&self) {
        self.0.0.lock().unwrap().shut = false;
        self.0.1.notify_all();
    }

    /// Lets the call that stands before the gate through, and waits until it has gone.
    pub fn let_one_through(&self) {
        let mut turnstile = self.0.0.lock().unwrap();
        turnstile.passes += 1;
        self.0.1.notify_all();
        drop(self.0.1.wait_while(turnstile, |it| it.passes > 0).unwrap());
    }

    /// Waits until somebody stands before the gate.
    pub fn wait_for_caller(&self) {
        let turnstile = self.0.0.lock().unwrap();
        let (turnstile, result) =
            self.0.1.wait_timeout_while(turnstile, DEADLINE, |it| it.waiting == 0).unwrap();
        // Not while it is locked: a poisoned gate would never open again.
        drop(turnstile);
        assert!(!result.timed_out(), "no call came to the gate");
    }

    fn pass(&self) {
        let mut turnstile = self.0.0.lock().unwrap();
        turnstile.waiting += 1;
        self.0.1.notify_all();
        turnstile = self.0.1.wait_while(turnstile, |it| it.shut && it.passes == 0).unwrap();
        turnstile.waiting -= 1;
        turnstile.passes = turnstile.passes.saturating_sub(1);
        self.0.1.notify_all();
    }
}

impl<S: Storage> Storage for Gated<S> {
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
        let file = self.disk.open(path, access)?;
        Ok(Box::new(GatedFile { file, gate: self.gate.clone() }))
    }

    fn create(&self, path: &Path, like: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>> {
        self.gate.pass();
        let file = self.disk.create(path, like, mode)?;
        Ok(Box::new(GatedFile { file, gate: self.gate.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate.pass();
        self.disk.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.gate.pass();
        self.disk.sync_dir(dir)
    }
}

#[derive(Debug)]
struct GatedFile {
    file: Box<dyn StorageFile>,
    gate: Gate,
}

impl StorageFile for GatedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gate.pass();
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn compare(&self, at: &Path, len: u64) -> io::Result<Place> {
        self.file.compare(at, len)
    }
}
