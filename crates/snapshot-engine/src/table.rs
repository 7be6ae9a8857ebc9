//! The alive nodes: a slab whose slots never move, and an index into it.
//!
//! A rewrite scans the slots while nodes come and go, so a node keeps its slot for as long as it is alive.
//! The index holds a 32-bit hash beside each slot, so that growing it touches no name.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use hashbrown::HashTable;
use snapshot_format::{Addr, Name};

/// How many nodes are touched at once.
pub(crate) const WARM: usize = 64;

#[derive(Clone, Debug)]
pub(crate) struct Table {
    index: HashTable<Entry>,
    slots: Vec<Slot>,
    /// Slots that are empty.
    free: Vec<u32>,
    /// Names come from the network: the seed keeps them from being chosen to collide.
    hasher: SeedableRandomState,
    /// The bytes of all names and addresses.
    text: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    slot: u32,
}

/// A name and its address in one allocation; an empty slot has neither.
#[derive(Clone, Debug, Default)]
struct Slot {
    text: Option<Box<[u8]>>,
    name_len: u32,
}

impl Slot {
    fn new(name: &[u8], addr: &[u8]) -> Self {
        let mut text = Vec::with_capacity(name.len() + addr.len());
        text.extend_from_slice(name);
        text.extend_from_slice(addr);
        // A line is far shorter than 4 GiB.
        #[expect(clippy::cast_possible_truncation, reason = "a name is shorter than a line")]
        let name_len = name.len() as u32;
        Self { text: Some(text.into_boxed_slice()), name_len }
    }

    /// Gives the node another address, in place where it has the same length.
    fn move_to(&mut self, name: &[u8], addr: &[u8]) {
        match self.text.as_deref_mut() {
            Some(text) if text.len() == name.len() + addr.len() => {
                text[name.len()..].copy_from_slice(addr);
            }
            _ => *self = Self::new(name, addr),
        }
    }

    fn parts(&self) -> Option<(&[u8], &[u8])> {
        self.text.as_deref().map(|text| text.split_at(self.name_len as usize))
    }
}

impl Entry {
    /// The table takes 7 bits from the top and the rest from the bottom.
    const fn spread(self) -> u64 {
        spread(self.hash)
    }
}

const fn spread(hash: u32) -> u64 {
    (hash as u64) << 32 | hash as u64
}

impl Table {
    pub(crate) fn new(seed: u64) -> Self {
        let hasher = SeedableRandomState::with_seed(seed, SharedSeed::global_fixed());
        Self { index: HashTable::new(), slots: Vec::new(), free: Vec::new(), hasher, text: 0 }
    }

    /// Touches what is known of at most [`WARM`] nodes, so that the calls that follow find it in the cache.
    ///
    /// Each pass goes one step further for all of them: the misses of one pass do not wait for each other.
    pub(crate) fn warm<'a>(&self, names: impl Iterator<Item = &'a [u8]>) {
        let mut hashes = [0; WARM];
        let mut slots = [u32::MAX; WARM];
        let mut count = 0;
        for (hash, name) in hashes.iter_mut().zip(names) {
            *hash = self.hash(name);
            count += 1;
        }
        for (slot, &hash) in slots.iter_mut().zip(&hashes[..count]) {
            let entry = self.index.find(spread(hash), |entry| entry.hash == hash);
            *slot = entry.map_or(u32::MAX, |entry| entry.slot);
        }
        // Both ends of the text: it may stand in two lines of the cache.
        let text = |slot: &u32| self.slots.get(*slot as usize)?.text.as_deref();
        let ends = |text: &[u8]| Some((*text.first()?, *text.last()?));
        let ends = slots[..count].iter().filter_map(text).filter_map(ends);
        core::hint::black_box(ends.fold(0, |sum, (first, last)| sum ^ first ^ last));
    }

    /// Inserts the node or gives it the address; whether that changed anything.
    pub(crate) fn insert(&mut self, name: Name<'_>, addr: Addr<'_>) -> bool {
        let (name, addr) = (name.as_bytes(), addr.as_bytes());
        let hash = self.hash(name);
        if let Some(slot) = self.find(hash, name) {
            let slot = &mut self.slots[slot as usize];
            let old = slot.parts().map_or(&b""[..], |(_, addr)| addr);
            if old == addr {
                return false;
            }
            self.text = self.text - old.len() + addr.len();
            slot.move_to(name, addr);
            return true;
        }
        self.text += name.len() + addr.len();
        let new = Slot::new(name, addr);
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = new;
            slot
        } else {
            self.slots.push(new);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "four billion nodes fit no memory of today"
            )]
            let slot = (self.slots.len() - 1) as u32;
            slot
        };
        let entry = Entry { hash, slot };
        self.index.insert_unique(entry.spread(), entry, |entry| entry.spread());
        true
    }

    /// Takes the node out; whether it was there.
    pub(crate) fn remove(&mut self, name: Name<'_>) -> bool {
        let name = name.as_bytes();
        let hash = self.hash(name);
        let slots = &self.slots;
        let same = |entry: &Entry| {
            entry.hash == hash
                && slots[entry.slot as usize].parts().is_some_and(|(of, _)| of == name)
        };
        let Ok(found) = self.index.find_entry(spread(hash), same) else { return false };
        let (entry, _) = found.remove();
        let slot = core::mem::take(&mut self.slots[entry.slot as usize]);
        self.text -= slot.text.map_or(0, |text| text.len());
        self.free.push(entry.slot);
        true
    }

    pub(crate) fn clear(&mut self) {
        self.index.clear();
        self.slots.clear();
        self.free.clear();
        self.text = 0;
    }

    pub(crate) fn addr_of(&self, name: Name<'_>) -> Option<Addr<'_>> {
        let slot = self.find(self.hash(name.as_bytes()), name.as_bytes())?;
        self.at(slot as usize).map(|(_, addr)| addr)
    }

    pub(crate) fn len(&self) -> usize {
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
        let (name, addr) = self.slots.get(slot)?.parts()?;
        // They came in as a name and an address.
        Some((Name::new(name).ok()?, Addr::new(addr).ok()?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Name<'_>, Addr<'_>)> {
        (0..self.slots.len()).filter_map(|slot| self.at(slot))
    }

    fn hash(&self, name: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        // The upper half of a 64-bit hash.
        (hasher.finish() >> 32) as u32
    }

    fn find(&self, hash: u32, name: &[u8]) -> Option<u32> {
        let same = |entry: &Entry| {
            entry.hash == hash
                && self.slots[entry.slot as usize].parts().is_some_and(|(of, _)| of == name)
        };
        self.index.find(spread(hash), same).map(|entry| entry.slot)
    }
}
