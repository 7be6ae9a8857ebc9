//! Where a name may be: its hash, and the place of a node with this hash, by open addressing.
//!
//! Unlike a general table this one can be touched without a branch, and has all it knows of a name in one line of the
//! cache: replay is bound by the memory's latency, and a branch on a value that is still on its way keeps the processor
//! from fetching the next ones.

use alloc::vec;
use alloc::vec::Vec;

use crate::arena::Place;

#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// A power of two of them, at least a quarter of them empty; those that collide stand behind each other.
    entries: Vec<Entry>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    /// Of the node; an empty entry has none.
    place: Option<Place>,
}

const EMPTY: Entry = Entry { hash: 0, place: None };

impl Index {
    pub(crate) fn new() -> Self {
        Self { entries: vec![EMPTY; 8], len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Reads where the search for this hash will begin.
    pub(crate) fn touch(&self, hash: u32) -> u32 {
        self.entries[self.home(hash)].hash
    }

    /// The first place with this hash for which `is_it` holds.
    pub(crate) fn find(&self, hash: u32, mut is_it: impl FnMut(Place) -> bool) -> Option<Place> {
        let mut at = self.home(hash);
        loop {
            let entry = self.entries[at];
            let place = entry.place?;
            if entry.hash == hash && is_it(place) {
                return Some(place);
            }
            at = self.behind(at);
        }
    }

    /// Adds a place that is not there.
    pub(crate) fn insert(&mut self, hash: u32, place: Place) {
        if self.len >= self.entries.len() / 4 * 3 {
            self.grow();
        }
        self.len += 1;
        self.put(Entry { hash, place: Some(place) });
    }

    /// Puts another place where this one is.
    pub(crate) fn replace(&mut self, hash: u32, old: Place, new: Place) {
        if let Some(at) = self.position(hash, old) {
            self.entries[at].place = Some(new);
        }
    }

    pub(crate) fn remove(&mut self, hash: u32, place: Place) {
        let Some(mut hole) = self.position(hash, place) else { return };
        self.len -= 1;
        // What stands behind moves up where a search for it would end at the hole.
        let mask = self.entries.len() - 1;
        let mut at = hole;
        loop {
            at = self.behind(at);
            let entry = self.entries[at];
            if entry.place.is_none() {
                break;
            }
            let from = |origin: usize| at.wrapping_sub(origin) & mask;
            if from(self.home(entry.hash)) >= from(hole) {
                self.entries[hole] = entry;
                hole = at;
            }
        }
        self.entries[hole] = EMPTY;
    }

    fn position(&self, hash: u32, place: Place) -> Option<usize> {
        let mut at = self.home(hash);
        while self.entries[at].place? != place {
            at = self.behind(at);
        }
        Some(at)
    }

    fn grow(&mut self) {
        let room = self.entries.len() * 2;
        for entry in core::mem::replace(&mut self.entries, vec![EMPTY; room]) {
            if entry.place.is_some() {
                self.put(entry);
            }
        }
    }

    fn put(&mut self, entry: Entry) {
        let mut at = self.home(entry.hash);
        while self.entries[at].place.is_some() {
            at = self.behind(at);
        }
        self.entries[at] = entry;
    }

    const fn home(&self, hash: u32) -> usize {
        hash as usize & (self.entries.len() - 1)
    }

    const fn behind(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }
}

#[cfg(test)]
mod tests;
