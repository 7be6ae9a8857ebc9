//! Names and inodes, as a process sees them and as the disk has them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::inode::{Attributes, Inode, next};

pub(super) type Ino = u64;

/// What a name leads to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    File(Ino),
    Link(PathBuf),
}

/// An unsynced change of one name.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) operation: u64,
    pub(super) path: PathBuf,
    /// `None` takes the name away.
    pub(super) node: Option<Node>,
    /// The old name of a rename does not go before the new one is there.
    pub(super) needs: Option<u64>,
    /// As in [`Piece`](super::inode::Piece).
    pub(super) dropped: bool,
}

impl Change {
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match &self.node {
            Some(node) => names.insert(self.path.clone(), node.clone()),
            None => names.remove(&self.path),
        };
    }

    pub(super) fn is_in(&self, dir: &Path) -> bool {
        self.path.parent() == Some(dir)
    }
}

/// An unsynced operation, by its number and in words.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) number: u64,
    pub(super) words: String,
    /// Where it is one block's share of a write.
    pub(super) part: Option<Part>,
}

#[derive(Debug)]
pub(super) struct Part {
    /// The first operation of the write.
    pub(super) write: u64,
    /// Where in the write it begins.
    pub(super) start: usize,
    pub(super) len: usize,
}

#[derive(Clone)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<Ino, Inode>,
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) names: BTreeMap<PathBuf, Node>,
    pub(super) durable: BTreeMap<PathBuf, Node>,
    pub(super) changes: Vec<Change>,
    /// The bytes of the file that was freed last: what a block given out anew may still hold.
    pub(super) freed: Arc<Vec<u8>>,
    pub(super) operations: u64,
    next_ino: Ino,
    space: Option<u64>,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            inodes: BTreeMap::new(),
            dirs: BTreeSet::from([PathBuf::from("/")]),
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            changes: Vec::new(),
            freed: Arc::default(),
            operations: 0,
            next_ino: 1,
            space: None,
        }
    }
}

/// The test's own hand.
impl Disk {
    pub(super) fn plant_dir(&mut self, path: &Path) {
        self.dirs.extend(absolute(path).ancestors().map(PathBuf::from));
    }

    pub(super) fn plant(&mut self, path: &Path, bytes: Vec<u8>) {
        let ino = self.new_inode(bytes, 0o644);
        self.plant_node(path, Some(Node::File(ino)));
    }

    pub(super) fn plant_link(&mut self, target: &Path, path: &Path) {
        self.plant_node(path, Some(Node::Link(target.to_path_buf())));
    }

    pub(super) fn unplant(&mut self, path: &Path) {
        self.plant_node(path, None);
    }

    fn plant_node(&mut self, path: &Path, node: Option<Node>) {
        let path = absolute(path);
        self.changes.retain(|earlier| earlier.path != path);
        let change = Change { operation: 0, path, node, needs: None, dropped: false };
        change.apply(&mut self.names);
        change.apply(&mut self.durable);
        self.sweep();
    }

    pub(super) fn inode_at(&mut self, path: &Path) -> &mut Inode {
        let ino = self.file_at(path).expect("there is a file at the path");
        inode(&mut self.inodes, ino)
    }

    pub(super) fn limit_space(&mut self, bytes: Option<u64>) {
        self.space = bytes;
    }

    pub(super) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.file_at(path).map(|ino| self.inodes[&ino].live.to_vec())
    }

    pub(super) fn attributes(&self, path: &Path) -> Option<Attributes> {
        self.file_at(path).map(|ino| self.inodes[&ino].attributes)
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn open_files(&self) -> usize {
        self.inodes.values().map(|inode| inode.handles).sum()
    }

    fn file_at(&self, path: &Path) -> Option<Ino> {
        match self.names.get(&absolute(path)) {
            Some(Node::File(ino)) => Some(*ino),
            _ => None,
        }
    }
}

/// What the calls and the crashes are made of.
impl Disk {
    /// The unsynced operations, oldest first, without those of files that no crash could give a
    /// name.
    pub(super) fn unsynced(&self) -> Vec<Operation> {
        let mut all: Vec<Operation> = self.changes.iter().map(describe_change).collect();
        for ino in self.nameable() {
            let inode = &self.inodes[&ino];
            all.extend(inode.attributes_operation.map(|number| Operation {
                number,
                words: format!("owner and mode of file {ino}"),
                part: None,
            }));
            let mut start = 0;
            for piece in &inode.pieces {
                if piece.write == piece.operation {
                    start = piece.offset;
                }
                let (offset, end) = (piece.offset, piece.end());
                all.push(Operation {
                    number: piece.operation,
                    words: format!("bytes {offset} to {end} of file {ino}"),
                    part: Some(Part {
                        write: piece.write,
                        start: offset - start,
                        len: end - offset,
                    }),
                });
            }
        }
        all.sort_by_key(|operation| operation.number);
        all
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        let dropped = |ino| self.inodes[&ino].pieces.iter().any(|piece| piece.dropped);
        self.changes.iter().any(|change| change.dropped) || self.nameable().into_iter().any(dropped)
    }

    pub(super) fn new_inode(&mut self, bytes: Vec<u8>, mode: u32) -> Ino {
        let ino = self.next_ino;
        self.next_ino += 1;
        self.inodes.insert(ino, Inode::durable(bytes, Attributes { mode, uid: 0, gid: 0 }));
        ino
    }

    /// Changes a live name and gives the number of the operation.
    pub(super) fn change(&mut self, path: &Path, node: Option<Node>, needs: Option<u64>) -> u64 {
        let operation = next(&mut self.operations);
        let change = Change { operation, path: path.to_path_buf(), node, needs, dropped: false };
        change.apply(&mut self.names);
        self.changes.push(change);
        operation
    }

    pub(super) fn free_space(&self) -> Option<usize> {
        let space = self.space?;
        let named: BTreeSet<Ino> = files(self.names.values()).collect();
        let held = |(ino, inode): &(&Ino, &Inode)| inode.handles > 0 || named.contains(ino);
        let used: usize = self.inodes.iter().filter(held).map(|(_, inode)| inode.live.len()).sum();
        Some(usize::try_from(space).unwrap_or(usize::MAX).saturating_sub(used))
    }

    /// Frees what nobody can open any more, now or after a crash.
    pub(super) fn sweep(&mut self) {
        let nameable = self.nameable();
        let freed = &mut self.freed;
        self.inodes.retain(|ino, inode| {
            let stays = inode.handles > 0 || nameable.contains(ino);
            if !stays && !inode.live.is_empty() {
                *freed = Arc::clone(&inode.live);
            }
            stays
        });
    }

    pub(super) fn after_process_crash(&self) -> Self {
        let mut after = self.clone();
        for inode in after.inodes.values_mut() {
            (inode.handles, inode.locked) = (0, false);
        }
        after.sweep();
        after
    }

    /// The same disk with other names and files, all of them durable.
    pub(super) fn with(
        &self,
        names: BTreeMap<PathBuf, Node>,
        inodes: BTreeMap<Ino, Inode>,
    ) -> Self {
        Self {
            inodes,
            dirs: self.dirs.clone(),
            durable: names.clone(),
            names,
            changes: Vec::new(),
            freed: Arc::clone(&self.freed),
            ..*self
        }
    }

    fn nameable(&self) -> BTreeSet<Ino> {
        let pending = self.changes.iter().filter_map(|change| change.node.as_ref());
        files(self.names.values().chain(self.durable.values()).chain(pending)).collect()
    }
}

pub(super) fn inode(inodes: &mut BTreeMap<Ino, Inode>, ino: Ino) -> &mut Inode {
    inodes.get_mut(&ino).expect("an inode with a name or a handle is never swept")
}

fn files<'a>(nodes: impl Iterator<Item = &'a Node>) -> impl Iterator<Item = Ino> {
    nodes.filter_map(|node| match node {
        Node::File(ino) => Some(*ino),
        Node::Link(_) => None,
    })
}

fn describe_change(change: &Change) -> Operation {
    let path = change.path.display();
    let words = match &change.node {
        Some(Node::File(ino)) => format!("name {path} to file {ino}"),
        Some(Node::Link(target)) => format!("name {path} to link {}", target.display()),
        None => format!("no name {path}"),
    };
    Operation { number: change.operation, words, part: None }
}

pub(super) fn absolute(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}

pub(super) fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}
