//! A file system in memory, with bytes that are only in the cache and bytes that are on the disk.
//!
//! [`SimStorage`] behaves like [`OsStorage`](crate::OsStorage), and knows of every write, every
//! owner and mode, and every name whether a crash would spare it:
//!
//! - [`sync`](crate::StorageFile::sync) makes the bytes, the owner and the mode of one file durable,
//!   and nothing else: not its name.
//! - [`sync_dir`](crate::Storage::sync_dir) makes the names in one directory durable, and nothing
//!   else: not the bytes behind them.
//!
//! [`SimStorage::crash_images`] gives the disks that a power cut could leave behind,
//! [`SimStorage::process_crash`] what a killed process leaves behind,
//! [`SimStorage::kill_after`] stops a run at any call, and [`SimStorage::fail`] lets calls fail.
//! Every call has a number, from 1, and is in the [`Journal`], whose `Display` is the listing to
//! print when a test has failed.
//! Nothing depends on time or on a random source without a seed: the same calls give the same
//! numbers and the same images.
//!
//! # What the simulated disk may do
//!
//! It writes in blocks of [`BLOCK`] bytes and in any order: each block's share of each write, each
//! change of owner and mode and each change of a name is an *operation*, and a power cut keeps any
//! subset of those that no sync has covered.
//! It is held to this much: synced bytes stay, also where a later write shares their block; a lost
//! write moves nothing, so what follows it stays at its offset; a name is the old or the new one,
//! and a rename may leave both names but never none.
//! The length of a file may be on the disk before its bytes, see [`Fill`].
//!
//! Permissions are not checked: the simulated process is root with the umask 022.

mod calls;
mod crash;
mod disk;
mod fault;
mod file;
mod images;
mod inode;
mod journal;
mod random;
mod stepper;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

pub use crash::{CrashImage, Fill};
pub use fault::{At, Fault, SyncFailure};
pub use images::{CrashImages, EXHAUSTIVE};
pub use inode::{Attributes, BLOCK};
pub use journal::{Call, Entry, Journal};
pub use stepper::Stepper;

use disk::Disk;
use fault::{Faults, Killed};

/// The simulated file system: a handle, whose clones share one disk.
///
/// The calls of [`Storage`](crate::Storage) are numbered, journaled and may be made to fail.
/// The methods here are the test's own hand: they are none of these, and what they change is
/// durable at once.
/// Relative paths count from `/`, the only directory there is at first.
#[derive(Clone, Default)]
pub struct SimStorage {
    world: Arc<Mutex<World>>,
}

#[derive(Default)]
struct World {
    disk: Disk,
    faults: Faults,
    journal: Journal,
}

impl SimStorage {
    /// An empty file system.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the directory `path`, and those above it.
    pub fn create_dir(&self, path: impl AsRef<Path>) {
        self.world.lock().disk.plant_dir(path.as_ref());
    }

    /// Puts a new file with these bytes at `path`, with the mode 0644 and the owner root.
    ///
    /// A file that was there is replaced, as by another program's rename.
    pub fn plant(&self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) {
        self.world.lock().disk.plant(path.as_ref(), bytes.into());
    }

    /// Puts a symbolic link to `target` at `path`.
    pub fn plant_link(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) {
        self.world.lock().disk.plant_link(target.as_ref(), path.as_ref());
    }

    /// Takes the name `path` away, as another program's unlink; a missing one is no error.
    pub fn unplant(&self, path: impl AsRef<Path>) {
        self.world.lock().disk.unplant(path.as_ref());
    }

    /// Changes the bytes of the file at `path` in place, as a foreign writer would.
    ///
    /// # Panics
    ///
    /// There is no file at `path`.
    pub fn edit(&self, path: impl AsRef<Path>, edit: impl FnOnce(&mut Vec<u8>)) {
        self.world.lock().disk.inode_at(path.as_ref()).edit(edit);
    }

    /// Gives the file at `path` an owner and a mode.
    ///
    /// # Panics
    ///
    /// There is no file at `path`.
    pub fn set_attributes(&self, path: impl AsRef<Path>, attributes: Attributes) {
        self.world.lock().disk.inode_at(path.as_ref()).plant_attributes(attributes);
    }

    /// Lets all files together hold at most so many bytes; `None` lifts the limit.
    ///
    /// A write beyond it is short, and fails with `ENOSPC` where not one byte fits.
    pub fn limit_space(&self, bytes: Option<u64>) {
        self.world.lock().disk.limit_space(bytes);
    }

    /// Lets the call `at` go wrong as `fault` says; of two faults for one call the first planned
    /// counts.
    pub fn fail(&self, at: At, fault: Fault) {
        self.world.lock().faults.plan(at, fault);
    }

    /// Forgets every planned fault; what a sync has lost stays lost.
    pub fn clear_faults(&self) {
        self.world.lock().faults.clear();
    }

    /// Lets every call with a number above `calls` fail without an effect, for good: at this
    /// moment the process is dead, and the test goes on with one of the crashes.
    ///
    /// [`SimStorage::is_killed`] knows the error. The calls are no longer numbered or journaled.
    pub fn kill_after(&self, calls: u64) {
        self.world.lock().faults.kill_after(calls);
    }

    /// Is this the error that follows [`kill_after`](SimStorage::kill_after)?
    #[must_use]
    pub fn is_killed(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Killed>)
    }

    /// Whether a call has come after the last one that [`kill_after`](SimStorage::kill_after) lets
    /// through: what the process has done since is not part of the run any more.
    #[must_use]
    pub fn has_died(&self) -> bool {
        self.world.lock().faults.has_died()
    }

    /// What is there after the process has died and the system has not: every written byte and
    /// every name, no open file and no lock.
    ///
    /// The new file system still knows what is not durable, and begins a journal without faults.
    /// This one and its open files stay as they are, and do not reach the new one.
    #[must_use]
    pub fn process_crash(&self) -> Self {
        self.world.lock().disk.after_process_crash().into()
    }

    /// The file systems that a power cut at this moment could leave behind, each one once.
    ///
    /// Up to [`EXHAUSTIVE`] unsynced operations give all of them: every subset, times every
    /// [`Fill`]; and once more with the last unsynced write cut at every byte, which is tried with
    /// every subset of the others where that is some 16,000 images or fewer, else with those before
    /// any moment.
    /// Above that, `samples` draws from `seed`, of which those that come out alike are left out;
    /// the first two are *all kept* and *all lost*.
    /// This file system and its open files stay as they are, and do not reach the images.
    #[must_use]
    pub fn crash_images(&self, seed: u64, samples: usize) -> CrashImages {
        CrashImages::new(self.world.lock().disk.clone(), seed, samples)
    }

    /// One random draw of the [crash images](SimStorage::crash_images), however many there are.
    #[must_use]
    pub fn crash_image(&self, seed: u64) -> CrashImage {
        CrashImage::random(self.world.lock().disk.clone(), seed)
    }

    /// How many operations a power cut could still undo.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.world.lock().disk.unsynced().len()
    }

    /// Whether a failed sync has left operations that no later sync will make durable. Only the process that saw the
    /// failure knows.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.world.lock().disk.is_in_doubt()
    }

    /// The bytes that reading the file at `path` would show; `None` where there is no file.
    #[must_use]
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.world.lock().disk.contents(path.as_ref())
    }

    /// The owner and the mode of the file at `path`; `None` where there is no file.
    #[must_use]
    pub fn attributes(&self, path: impl AsRef<Path>) -> Option<Attributes> {
        self.world.lock().disk.attributes(path.as_ref())
    }

    /// Every name, sorted; directories are left out.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.world.lock().disk.paths()
    }

    /// How many files are open, held locks included.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.world.lock().disk.open_files()
    }

    /// The number of the last call, which is how many there were.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.world.lock().faults.calls()
    }

    /// The calls so far.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.world.lock().journal.clone()
    }
}

impl From<Disk> for SimStorage {
    fn from(disk: Disk) -> Self {
        Self { world: Arc::new(Mutex::new(World { disk, ..World::default() })) }
    }
}

impl fmt::Debug for SimStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimStorage")
            .field("calls", &self.calls())
            .field("paths", &self.paths())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
