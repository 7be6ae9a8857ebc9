//! `Storage` and `StorageFile` over the simulated disk: count, fail, act, note.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, Ino, absolute, errno};
use super::fault::Fault;
use super::journal::{Call, Entry, Words, outcome};
use super::{SimStorage, World};
use crate::storage::{Access, Place, Storage, StorageFile};

impl World {
    /// One call from its number to its line in the journal. A dead process calls nothing.
    fn call<T: Words>(
        &mut self,
        call: Call,
        path: &Path,
        to: Option<&Path>,
        act: impl FnOnce(&mut Disk, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        let fault = self.faults.begin(call)?;
        let result = act(&mut self.disk, fault);
        self.journal.push(Entry {
            number: self.faults.calls(),
            call,
            path: path.to_path_buf(),
            to: to.map(Path::to_path_buf),
            outcome: outcome(&result),
        });
        result
    }
}

impl SimStorage {
    /// A call that gives an open file. It is attached before anybody else can sweep it away.
    fn opening(
        &self,
        call: Call,
        path: &Path,
        use_for: Use,
        act: impl FnOnce(&mut Disk, &Path) -> io::Result<Option<Ino>>,
    ) -> io::Result<Option<Box<dyn StorageFile>>> {
        let path = absolute(path);
        let ino = self.world.lock().call(call, &path, None, |disk, fault| {
            let ino = Fault::of(fault, || act(disk, &path))?;
            if let Some(ino) = ino {
                disk.attach(ino, use_for == Use::Lock);
            }
            Ok(ino)
        })?;
        let world = Arc::clone(&self.world);
        Ok(ino.map(|ino| -> Box<dyn StorageFile> {
            Box::new(SimFile { world, ino, path, use_for, position: 0 })
        }))
    }

    /// A call on one or two names.
    fn naming(
        &self,
        call: Call,
        path: &Path,
        to: Option<&Path>,
        act: impl FnOnce(&mut Disk, &Path, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let (path, to) = (absolute(path), to.map(absolute));
        self.world.lock().call(call, &path, to.as_deref(), |disk, fault| {
            Fault::of(fault, || act(disk, &path, to.as_deref().unwrap_or(&path)))
        })
    }
}

impl Storage for SimStorage {
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.world
            .lock()
            .call(Call::Resolve, path, None, |disk, fault| Fault::of(fault, || disk.resolve(path)))
    }

    fn lock(
        &self,
        path: &Path,
        like: &Path,
        mode: u32,
    ) -> io::Result<Option<Box<dyn StorageFile>>> {
        self.opening(Call::Lock, path, Use::Lock, |disk, path| {
            disk.lock(path, &absolute(like), mode)
        })
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let use_for = match access {
            Access::Read => Use::Read,
            Access::Append => Use::Append,
        };
        self.opening(Call::Open, path, use_for, |disk, path| disk.open(path).map(Some)).map(opened)
    }

    fn create(&self, path: &Path, like: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>> {
        let act = |disk: &mut Disk, path: &Path| disk.create(path, &absolute(like), mode).map(Some);
        self.opening(Call::Create, path, Use::Append, act).map(opened)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.naming(Call::Rename, from, Some(to), Disk::rename)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.naming(Call::Link, from, Some(to), Disk::link)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.naming(Call::Remove, path, None, |disk, path, _| disk.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = absolute(dir);
        self.world.lock().call(Call::SyncDir, &dir, None, |disk, fault| {
            if let Some(Fault { error: Some(_), done: false, sync, .. }) = fault {
                disk.fail_sync_dir(&dir, sync);
            }
            Fault::of(fault, || disk.sync_dir(&dir))
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Read,
    Append,
    Lock,
}

struct SimFile {
    world: Arc<Mutex<World>>,
    ino: Ino,
    path: PathBuf,
    use_for: Use,
    /// Of the next read, in bytes.
    position: usize,
}

impl StorageFile for SimFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.world.lock().call(Call::Read, &self.path, None, |disk, fault| {
            let error = if self.use_for == Use::Read { fault } else { Some(NOT_FOR_THIS) };
            Fault::of(error, || {
                let live = &disk.inodes[&self.ino].live;
                let rest = &live[self.position.min(live.len())..];
                let most = fault.map_or(buffer.len(), |fault| fault.bytes.min(buffer.len()));
                let count = most.min(rest.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            })
        })?;
        self.position += count;
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.world.lock().call(Call::Write, &self.path, None, |disk, fault| {
            if self.use_for != Use::Append {
                return Err(errno(libc::EBADF));
            }
            let Some(fault) = fault else { return disk.write(self.ino, bytes) };
            let count = if fault.done { bytes.len() } else { fault.bytes.min(bytes.len()) };
            let written = disk.write(self.ino, &bytes[..count])?;
            fault.error.map_or(Ok(written), |error| Err(errno(error)))
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.world.lock().call(Call::Sync, &self.path, None, |disk, fault| match fault {
            Some(Fault { error: Some(error), done: false, sync, .. }) => {
                disk.fail_sync(self.ino, sync, error)
            }
            fault => Fault::of(fault, || disk.sync(self.ino)),
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.world.lock().call(Call::Size, &self.path, None, |disk, fault| {
            Fault::of(fault, || Ok(disk.inodes[&self.ino].size()))
        })
    }

    fn compare(&self, at: &Path, len: u64) -> io::Result<Place> {
        let at = absolute(at);
        self.world.lock().call(Call::Compare, &self.path, Some(&at), |disk, fault| {
            Fault::of(fault, || Ok(disk.compare(self.ino, &at, len)))
        })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.world.lock().disk.detach(self.ino, self.use_for == Use::Lock);
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile")
            .field("path", &self.path)
            .field("ino", &self.ino)
            .field("use_for", &self.use_for)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// Reading what was opened for writing, and the reverse.
const NOT_FOR_THIS: Fault = Fault::error(libc::EBADF);

fn opened(file: Option<Box<dyn StorageFile>>) -> Box<dyn StorageFile> {
    file.expect("only a lock can be held by another")
}
