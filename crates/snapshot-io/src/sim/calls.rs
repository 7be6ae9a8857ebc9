//! The calls of a process on the [`Disk`]. Every path is absolute.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::disk::{Change, Disk, Ino, Node, absolute, errno, inode};
use super::fault::SyncFailure;
use super::inode::Attributes;
use crate::storage::{Place, names_no_file, not_regular};

/// Of the simulated process.
const UMASK: u32 = 0o022;

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;

impl Disk {
    pub(super) fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        path.file_name().ok_or_else(names_no_file)?;
        let mut ahead = components(&absolute(path));
        let (mut here, mut links) = (PathBuf::from("/"), 0);
        while let Some(component) = ahead.pop() {
            if component == ".." {
                here.pop();
                continue;
            }
            let there = here.join(&component);
            match self.names.get(&there) {
                Some(Node::Link(_)) if links == MAX_LINKS => return Err(errno(libc::ELOOP)),
                Some(Node::Link(target)) => {
                    links += 1;
                    ahead.extend(components(&here.join(target)));
                    here = PathBuf::from("/");
                }
                _ if ahead.is_empty() || self.dirs.contains(&there) => here = there,
                Some(Node::File(_)) => return Err(errno(libc::ENOTDIR)),
                None => return Err(errno(libc::ENOENT)),
            }
        }
        Ok(here)
    }

    /// `None`: another holds it.
    pub(super) fn lock(&mut self, path: &Path, like: &Path, mode: u32) -> io::Result<Option<Ino>> {
        let ino = match self.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(path, like, mode),
            result => result,
        }?;
        Ok(Some(ino).filter(|ino| !self.inodes[ino].locked))
    }

    pub(super) fn open(&self, path: &Path) -> io::Result<Ino> {
        match self.names.get(path) {
            Some(Node::File(ino)) => Ok(*ino),
            Some(Node::Link(_)) => Err(not_regular("a symbolic link")),
            None if self.dirs.contains(path) => Err(not_regular("a directory")),
            None => Err(errno(libc::ENOENT)),
        }
    }

    pub(super) fn create(&mut self, path: &Path, like: &Path, mode: u32) -> io::Result<Ino> {
        self.vacant(path)?;
        let model = self.open(like).ok().map(|ino| self.inodes[&ino].attributes);
        let mode = if model.is_some() { 0o600 } else { mode & !UMASK };
        let ino = self.new_inode(Vec::new(), mode);
        self.change(path, Some(Node::File(ino)), None);
        if let Some(model) = model {
            let attributes = Attributes { mode: model.mode & 0o666, ..model };
            inode(&mut self.inodes, ino).set_attributes(attributes, &mut self.operations);
        }
        Ok(ino)
    }

    pub(super) fn attach(&mut self, ino: Ino, lock: bool) {
        let inode = inode(&mut self.inodes, ino);
        inode.handles += 1;
        inode.locked |= lock;
    }

    pub(super) fn detach(&mut self, ino: Ino, lock: bool) {
        let inode = inode(&mut self.inodes, ino);
        inode.handles -= 1;
        inode.locked &= !lock;
        self.sweep();
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.named(from)?;
        if self.dirs.contains(to) {
            return Err(errno(libc::EISDIR));
        }
        self.parent_exists(to)?;
        // Two names of one file: POSIX wants both left alone.
        if self.names.get(to) != Some(&node) {
            let set = self.change(to, Some(node), None);
            self.change(from, None, Some(set));
            self.sweep();
        }
        Ok(())
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.named(from)?;
        self.vacant(to)?;
        self.change(to, Some(node), None);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.named(path)?;
        self.change(path, None, None);
        self.sweep();
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.is_dir(dir)?;
        let synced = |change: &Change| change.is_in(dir) && !change.dropped;
        // A disk that takes the old name of a rename away has the new one.
        let needed: BTreeSet<u64> =
            self.changes.iter().filter(|change| synced(change)).filter_map(|c| c.needs).collect();
        for change in std::mem::take(&mut self.changes) {
            if synced(&change) || needed.contains(&change.operation) {
                // What the disk may have made of the name before does not matter any more.
                self.changes.retain(|earlier| earlier.path != change.path);
                change.apply(&mut self.durable);
            } else {
                self.changes.push(change);
            }
        }
        self.sweep();
        Ok(())
    }

    pub(super) fn fail_sync_dir(&mut self, dir: &Path, failure: SyncFailure) {
        if failure != SyncFailure::Retained {
            let changes = self.changes.iter_mut().filter(|change| change.is_in(dir));
            changes.for_each(|change| change.dropped = true);
        }
    }

    /// Appends as much as there is space for.
    pub(super) fn write(&mut self, ino: Ino, bytes: &[u8]) -> io::Result<usize> {
        let fitting = self.free_space().map_or(bytes.len(), |space| bytes.len().min(space));
        let inode = inode(&mut self.inodes, ino);
        inode.report_deferred()?;
        if fitting == 0 && !bytes.is_empty() {
            return Err(errno(libc::ENOSPC));
        }
        inode.append(&bytes[..fitting], &mut self.operations);
        Ok(fitting)
    }

    pub(super) fn sync(&mut self, ino: Ino) -> io::Result<()> {
        let inode = inode(&mut self.inodes, ino);
        inode.report_deferred()?;
        inode.sync();
        Ok(())
    }

    pub(super) fn fail_sync(&mut self, ino: Ino, how: SyncFailure, error: i32) -> io::Result<()> {
        inode(&mut self.inodes, ino).fail_sync(how, error)
    }

    pub(super) fn compare(&self, ino: Ino, at: &Path, len: u64) -> Place {
        let size = self.inodes[&ino].size();
        match self.names.get(at) {
            None if self.dirs.contains(at) => Place::Replaced,
            None => Place::Missing,
            Some(node) if *node != Node::File(ino) => Place::Replaced,
            Some(_) if size < len => Place::Shorter,
            Some(_) if size > len => Place::Longer,
            Some(_) => Place::Same,
        }
    }

    fn named(&self, path: &Path) -> io::Result<Node> {
        match self.names.get(path) {
            Some(node) => Ok(node.clone()),
            None if self.dirs.contains(path) => Err(errno(libc::EISDIR)),
            None => Err(errno(libc::ENOENT)),
        }
    }

    fn vacant(&self, path: &Path) -> io::Result<()> {
        self.parent_exists(path)?;
        if self.names.contains_key(path) || self.dirs.contains(path) {
            return Err(errno(libc::EEXIST));
        }
        Ok(())
    }

    fn parent_exists(&self, path: &Path) -> io::Result<()> {
        self.is_dir(path.parent().ok_or_else(names_no_file)?)
    }

    fn is_dir(&self, path: &Path) -> io::Result<()> {
        if self.dirs.contains(path) {
            return Ok(());
        }
        let there = self.names.contains_key(path);
        Err(errno(if there { libc::ENOTDIR } else { libc::ENOENT }))
    }
}

/// The components of an absolute path, the first one last.
fn components(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|component| !matches!(component, Component::RootDir | Component::CurDir))
        .map(|component| component.as_os_str().to_owned())
        .collect()
}
