//! Where a name may be: its hash, and the place of a node with this hash.
//!
//! Unlike a general table this one can be looked at without a branch, and has all it knows of a name in one line of the
//! cache: replay is bound by the memory's latency, and a branch on a value that is still on its way keeps the processor
//! from fetching the next ones.

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use wide::u32x8;

use crate::arena::Place;

/// Of a name.
pub(crate) type Hash = NonZeroU32;

#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// A power of two of them. What finds no room where its hash says stands in the next one that has some: all between
    /// are full.
    buckets: Vec<Bucket>,
    len: usize,
}

const LANES: usize = 8;

/// A line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket {
    /// 0 where the lane is empty.
    hashes: [u32; LANES],
    places: [Option<Place>; LANES],
}

const EMPTY: Bucket = Bucket { hashes: [0; LANES], places: [None; LANES] };

impl Bucket {
    /// The lanes with this hash, or the empty ones of 0, as bits.
    #[inline]
    fn lanes(&self, hash: u32) -> u32 {
        u32x8::new(self.hashes).simd_eq(u32x8::splat(hash)).to_bitmask()
    }

    fn set(&mut self, lane: usize, hash: u32, place: Option<Place>) {
        (self.hashes[lane], self.places[lane]) = (hash, place);
    }
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![EMPTY; 1], len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Reads what [`guess`](Self::guess) will read.
    #[inline]
    pub(crate) fn touch(&self, hash: Hash) -> u32 {
        self.buckets[self.home(hash.get())].hashes[0]
    }

    /// A place where a node with this hash is; there may be others, or one where this finds none.
    #[inline]
    pub(crate) fn guess(&self, hash: Hash) -> Option<Place> {
        let bucket = &self.buckets[self.home(hash.get())];
        let lane = bucket.lanes(hash.get()).trailing_zeros() as usize;
        // Without a match the lane is beyond the last one, and any will do: the caller looks whose place it is.
        bucket.places[lane % LANES]
    }

    /// The first place with this hash for which `is_it` holds.
    #[inline]
    pub(crate) fn find(&self, hash: Hash, mut is_it: impl FnMut(Place) -> bool) -> Option<Place> {
        self.position(hash, &mut is_it).and_then(|(at, lane)| self.buckets[at].places[lane])
    }

    /// Adds a place that is not there.
    pub(crate) fn insert(&mut self, hash: Hash, place: Place) {
        if self.len >= self.buckets.len() * LANES / 4 * 3 {
            self.grow();
        }
        self.len += 1;
        self.put(hash.get(), Some(place));
    }

    /// Puts another place where this one is.
    pub(crate) fn replace(&mut self, hash: Hash, old: Place, new: Place) {
        if let Some((at, lane)) = self.position(hash, &mut |place| place == old) {
            self.buckets[at].places[lane] = Some(new);
        }
    }

    pub(crate) fn remove(&mut self, hash: Hash, place: Place) {
        let Some((mut hole, mut lane)) = self.position(hash, &mut |found| found == place) else {
            return;
        };
        self.len -= 1;
        let mut at = hole;
        loop {
            let was_full = self.buckets[at].lanes(0) == 0;
            if at == hole {
                self.buckets[hole].set(lane, 0, None);
            }
            if !was_full {
                return;
            }
            // Behind a full one there may be what found no room in it, or before it.
            at = self.behind(at);
            let Some(moved) = self.lane_from(at, hole) else { continue };
            let Bucket { hashes, places } = self.buckets[at];
            self.buckets[hole].set(lane, hashes[moved], places[moved]);
            (hole, lane) = (at, moved);
        }
    }

    /// A lane of the bucket `at` whose search goes through the bucket `through`, which is before it.
    fn lane_from(&self, at: usize, through: usize) -> Option<usize> {
        let before = |origin: usize| at.wrapping_sub(origin) & (self.buckets.len() - 1);
        let is_from = |&hash: &u32| hash != 0 && before(self.home(hash)) >= before(through);
        self.buckets[at].hashes.iter().position(is_from)
    }

    #[inline]
    fn position(
        &self,
        hash: Hash,
        is_it: &mut impl FnMut(Place) -> bool,
    ) -> Option<(usize, usize)> {
        let mut at = self.home(hash.get());
        loop {
            let bucket = &self.buckets[at];
            let mut lanes = bucket.lanes(hash.get());
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                if bucket.places[lane].is_some_and(&mut *is_it) {
                    return Some((at, lane));
                }
                lanes &= lanes - 1;
            }
            if bucket.lanes(0) != 0 {
                return None;
            }
            at = self.behind(at);
        }
    }

    fn grow(&mut self) {
        let room = self.buckets.len() * 2;
        for bucket in core::mem::replace(&mut self.buckets, vec![EMPTY; room]) {
            for (hash, place) in bucket.hashes.into_iter().zip(bucket.places) {
                if hash != 0 {
                    self.put(hash, place);
                }
            }
        }
    }

    fn put(&mut self, hash: u32, place: Option<Place>) {
        let mut at = self.home(hash);
        loop {
            let empty = self.buckets[at].lanes(0);
            if empty != 0 {
                return self.buckets[at].set(empty.trailing_zeros() as usize, hash, place);
            }
            at = self.behind(at);
        }
    }

    #[inline]
    const fn home(&self, hash: u32) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    const fn behind(&self, at: usize) -> usize {
        (at + 1) & (self.buckets.len() - 1)
    }
}

#[cfg(test)]
mod tests;
