//! The alive nodes: numbered slots that never change hands while a node is alive, and an index by name.
//!
//! A rewrite scans the slots while nodes come and go, so a node keeps its slot for as long as it is alive, wherever the
//! [arena](Arena) has its bytes.
//!
//! What a change costs is memory that is not in the cache: the index, then the node. So changes are made in groups,
//! [`Table::change`]: each step is taken for the whole group before the next one, and the misses of one step do not
//! wait for each other.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use core::hint::black_box;

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use snapshot_format::{Addr, Name};

use crate::arena::{Arena, Place};
use crate::index::{Hash, Index};

/// How many changes are made together: enough to keep the memory busy, few enough to stay in the nearest cache.
pub(crate) const GROUP: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct Table {
    index: Index,
    slots: Vec<Option<Place>>,
    /// Slots that are empty.
    free: Vec<u32>,
    arena: Arena,
    /// Names come from the network: the seed keeps them from being chosen to collide.
    hasher: SeedableRandomState,
    /// The bytes of all names and addresses.
    text: usize,
}

/// A node that is at an address from now on, or nowhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    name: &'a [u8],
    addr: Option<&'a [u8]>,
    hash: Hash,
}

impl<'a> Change<'a> {
    /// Of whom.
    pub(crate) const fn name(&self) -> &'a [u8] {
        self.name
    }
}

impl Table {
    pub(crate) fn new(seed: u64) -> Self {
        let hasher = SeedableRandomState::with_seed(seed, SharedSeed::global_fixed());
        let (index, arena) = (Index::new(), Arena::new());
        Self { index, slots: Vec::new(), free: Vec::new(), arena, hasher, text: 0 }
    }

    /// The node is alive at this address.
    pub(crate) fn alive<'a>(&self, name: Name<'a>, addr: Addr<'a>) -> Change<'a> {
        let name = name.as_bytes();
        Change { name, addr: Some(addr.as_bytes()), hash: hash(&self.hasher, name) }
    }

    /// The node is not alive.
    pub(crate) fn gone<'a>(&self, name: Name<'a>) -> Change<'a> {
        let name = name.as_bytes();
        Change { name, addr: None, hash: hash(&self.hasher, name) }
    }

    /// Makes changes in their order.
    pub(crate) fn change(&mut self, changes: &[Change<'_>]) {
        for changes in changes.chunks(GROUP) {
            let touched = changes.iter().map(|change| self.index.touch(change.hash));
            black_box(touched.fold(0, |sum, hash| sum ^ hash));
            let mut places = [None; GROUP];
            let touched = places.iter_mut().zip(changes).map(|(place, change)| {
                *place = self.index.guess(change.hash);
                self.arena.touch(*place)
            });
            black_box(touched.fold(0, |sum, byte| sum ^ byte));
            let moves = self.arena.moves();
            for (change, place) in changes.iter().zip(places) {
                // Unless the nodes have moved, what was a node's place is one or a hole.
                let place = place.filter(|&place| {
                    self.arena.moves() == moves && self.arena.is_of(place, change.name)
                });
                self.change_at(place.or_else(|| self.find(change.hash, change.name)), change);
            }
        }
    }

    /// Makes one change; whether it was one.
    pub(crate) fn change_one(&mut self, change: &Change<'_>) -> bool {
        self.change_at(self.find(change.hash, change.name), change)
    }

    /// Makes a change of the node that is here, or nowhere.
    #[inline]
    fn change_at(&mut self, place: Option<Place>, change: &Change<'_>) -> bool {
        match (place, change.addr) {
            (Some(place), Some(addr)) => self.move_to(place, change, addr),
            (None, Some(addr)) => {
                self.insert(change, addr);
                true
            }
            (Some(place), None) => {
                self.remove(place, change.hash);
                true
            }
            (None, None) => false,
        }
    }

    /// Gives a node another address; whether it is another one.
    fn move_to(&mut self, place: Place, change: &Change<'_>, addr: &[u8]) -> bool {
        let node = self.arena.node(place);
        if node.addr == addr {
            return false;
        }
        let slot = node.slot;
        self.text = self.text - node.addr.len() + addr.len();
        if !self.arena.replace(place, addr) {
            let new = self.arena.add(slot, change.name, addr);
            self.slots[slot as usize] = Some(new);
            self.index.replace(change.hash, place, new);
            self.drop_node(place);
        }
        true
    }

    fn insert(&mut self, change: &Change<'_>, addr: &[u8]) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the arena has no place for four billion nodes"
            )]
            let slot = (self.slots.len() - 1) as u32;
            slot
        });
        let place = self.arena.add(slot, change.name, addr);
        self.slots[slot as usize] = Some(place);
        self.index.insert(change.hash, place);
        self.text += change.name.len() + addr.len();
    }

    fn remove(&mut self, place: Place, hash: Hash) {
        let node = self.arena.node(place);
        self.text -= node.name.len() + node.addr.len();
        self.slots[node.slot as usize] = None;
        self.free.push(node.slot);
        self.index.remove(hash, place);
        self.drop_node(place);
    }

    fn drop_node(&mut self, place: Place) {
        let Self { index, slots, arena, hasher, .. } = self;
        arena.remove(place, |node, to| {
            let slot = &mut slots[node.slot as usize];
            if let Some(from) = slot.replace(to) {
                index.replace(hash(hasher, node.name), from, to);
            }
        });
    }

    pub(crate) fn clear(&mut self) {
        self.index = Index::new();
        self.slots.clear();
        self.free.clear();
        self.arena = Arena::new();
        self.text = 0;
    }

    pub(crate) fn addr_of(&self, name: Name<'_>) -> Option<Addr<'_>> {
        let name = name.as_bytes();
        let place = self.find(hash(&self.hasher, name), name)?;
        Addr::new(self.arena.node(place).addr).ok()
    }

    pub(crate) const fn len(&self) -> usize {
        self.index.len()
    }

    /// The bytes of all names and addresses.
    pub(crate) const fn text_bytes(&self) -> usize {
        self.text
    }

    /// How many slots there are, empty ones included.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The node in a slot, if there is one.
    pub(crate) fn at(&self, slot: usize) -> Option<(Name<'_>, Addr<'_>)> {
        let node = self.arena.node((*self.slots.get(slot)?)?);
        // They came in as a name and an address.
        Some((Name::new(node.name).ok()?, Addr::new(node.addr).ok()?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Name<'_>, Addr<'_>)> {
        (0..self.slots.len()).filter_map(|slot| self.at(slot))
    }

    fn find(&self, hash: Hash, name: &[u8]) -> Option<Place> {
        self.index.find(hash, |place| self.arena.node(place).name == name)
    }
}

#[inline]
fn hash(hasher: &SeedableRandomState, name: &[u8]) -> Hash {
    let mut hasher = hasher.build_hasher();
    hasher.write(name);
    // The upper half of a 64-bit hash.
    Hash::new((hasher.finish() >> 32) as u32).unwrap_or(Hash::MIN)
}

#[cfg(test)]
mod tests;
