//! The names and addresses of many nodes, in few allocations.
//!
//! An allocation for each node would cost the allocator's time and rounding, and scatter the nodes over more pages than
//! a processor remembers. Here they stand one behind the other in chunks. One that is removed leaves a hole, which the
//! next one of its size fills. A chunk that is more than half holes hands its nodes to others and is freed: the chunks
//! together stay below 2.3 times the bytes that are alive in them, and one chunk more.

use alloc::vec;
use alloc::vec::Vec;
use core::mem::take;
use core::num::NonZeroU32;

/// The size of a chunk. Emptying one moves at most half of this, so no removal takes long.
const CHUNK: usize = 64 * 1024;

/// A node that takes more than this has a chunk of its own, so that little is wasted at the end of the others.
const LONG: usize = CHUNK / 16;

/// Nodes begin at multiples of this, so that a place is a small number, and most changes of an address fit where the
/// old one was.
const UNIT: usize = 16;

/// So many that each place has a number.
const MAX_CHUNKS: usize = u32::MAX as usize / (CHUNK / UNIT);

/// In front of each name stand four numbers of 4 bytes: the node's slot, the lengths of its name and of its address,
/// and what all of it takes. In a hole the first one is [`NOBODY`], and the next two are the holes of the same size
/// before and behind it in their list.
const HEADER: usize = 16;

/// The slot of a hole.
const NOBODY: u32 = u32::MAX;

const NOWHERE: Place = Place(NonZeroU32::MIN);

#[derive(Clone, Debug)]
pub(crate) struct Arena {
    chunks: Vec<Chunk>,
    /// The chunk that is being filled.
    open: Option<usize>,
    /// Chunks that have no memory and wait to be used again.
    unused: Vec<usize>,
    /// The last hole of each size, in units.
    holes: Vec<Option<Place>>,
    /// How many chunks were emptied.
    moves: u64,
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// How many of them are no hole.
    live: usize,
}

/// Where a node is: the units in front of it in all chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(NonZeroU32);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) slot: u32,
    pub(crate) name: &'a [u8],
    pub(crate) addr: &'a [u8],
}

impl Arena {
    pub(crate) fn new() -> Self {
        let holes = vec![None; LONG / UNIT + 1];
        // The first chunk is never used: no node is at place 0.
        Self { chunks: vec![Chunk::default()], open: None, unused: Vec::new(), holes, moves: 0 }
    }

    #[inline]
    pub(crate) fn node(&self, place: Place) -> Node<'_> {
        Node::read(self.at(place))
    }

    /// Reads what a look at the node will read, if there is one.
    #[inline]
    pub(crate) fn touch(&self, place: Option<Place>) -> u8 {
        // A place in the chunk without bytes instead of none, so that there is no branch on what is still on its way.
        let place = place.unwrap_or(NOWHERE);
        let bytes = &self.chunks[place.chunk()].bytes;
        // Most nodes stand in two lines of the cache.
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
        byte(place.start()) ^ byte(place.start() + 64)
    }

    /// How often nodes have been moved: as long as it is the same, every place of a node stays one, or is a hole.
    pub(crate) const fn moves(&self) -> u64 {
        self.moves
    }

    /// Whether the node with this name is at a place where there was one.
    #[inline]
    pub(crate) fn is_of(&self, place: Place, name: &[u8]) -> bool {
        let bytes = self.at(place);
        let [slot, name_len, ..] = header(bytes);
        slot != NOBODY && name_len as usize == name.len() && bytes[HEADER..].starts_with(name)
    }

    /// Adds a node; none of the others moves.
    pub(crate) fn add(&mut self, slot: u32, name: &[u8], addr: &[u8]) -> Place {
        let len = HEADER + name.len() + addr.len();
        let room = len.next_multiple_of(UNIT);
        let place = self.take_hole(room).unwrap_or_else(|| self.append(room));
        let node = &mut self.at_mut(place)[..len];
        write_header(node, [slot, word(name.len()), word(addr.len()), word(room)]);
        let (to_name, to_addr) = node[HEADER..].split_at_mut(name.len());
        to_name.copy_from_slice(name);
        to_addr.copy_from_slice(addr);
        self.chunks[place.chunk()].live += room;
        place
    }

    /// Gives a node another address, if it takes as much room as the old one.
    pub(crate) fn replace(&mut self, place: Place, addr: &[u8]) -> bool {
        let node = self.at_mut(place);
        let [slot, name_len, _, room] = header(node);
        let at = HEADER + name_len as usize;
        let fits = (at + addr.len()).next_multiple_of(UNIT) == room as usize;
        if fits {
            write_header(node, [slot, name_len, word(addr.len()), room]);
            node[at..at + addr.len()].copy_from_slice(addr);
        }
        fits
    }

    /// Removes a node; `moved` is told of every other one that has another place now.
    pub(crate) fn remove(&mut self, place: Place, moved: impl FnMut(&Node<'_>, Place)) {
        let [.., room] = header(self.at(place));
        let number = place.chunk();
        self.chunks[number].live -= room as usize;
        self.add_hole(place, room);
        let Chunk { bytes, live } = &self.chunks[number];
        if bytes.len() - live > CHUNK / 2 || *live == 0 && self.open != Some(number) {
            self.empty(number, moved);
        }
    }

    /// Makes room behind the nodes that are there.
    fn append(&mut self, room: usize) -> Place {
        let fits = |chunk: &Chunk| chunk.bytes.capacity() - chunk.bytes.len() >= room;
        let is_long = room > LONG;
        let number = match self.open {
            Some(open) if !is_long && fits(&self.chunks[open]) => open,
            _ => self.new_chunk(is_long, room),
        };
        let bytes = &mut self.chunks[number].bytes;
        let start = bytes.len();
        bytes.resize(start + room, 0);
        Place::new(number * (CHUNK / UNIT) + start / UNIT)
    }

    fn new_chunk(&mut self, is_long: bool, room: usize) -> usize {
        let number = self.unused.pop().unwrap_or(self.chunks.len());
        if number == self.chunks.len() {
            assert!(number < MAX_CHUNKS, "the alive nodes take more than 64 GiB");
            self.chunks.push(Chunk::default());
        }
        self.chunks[number].bytes.reserve_exact(if is_long { room } else { CHUNK });
        if !is_long {
            self.open = Some(number);
        }
        number
    }

    /// Moves what is alive in a chunk to others, and frees the chunk.
    fn empty(&mut self, number: usize, mut moved: impl FnMut(&Node<'_>, Place)) {
        self.moves += 1;
        // The holes first, so that no node is moved into one of them.
        let mut start = 0;
        while start < self.chunks[number].bytes.len() {
            let place = Place::new(number * (CHUNK / UNIT) + start / UNIT);
            let [slot, _, _, room] = header(self.at(place));
            if slot == NOBODY {
                self.drop_hole(place);
            }
            start += room as usize;
        }
        let Chunk { bytes, .. } = take(&mut self.chunks[number]);
        self.unused.push(number);
        self.open = self.open.filter(|&open| open != number);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let [slot, .., room] = header(rest);
            if slot != NOBODY {
                let node = Node::read(rest);
                moved(&node, self.add(node.slot, node.name, node.addr));
            }
            rest = &rest[room as usize..];
        }
    }

    /// Makes a hole, the last one in the list of its size; a chunk of its own is in no list.
    fn add_hole(&mut self, place: Place, room: u32) {
        let before = self.holes.get_mut(room as usize / UNIT).and_then(|last| last.replace(place));
        write_header(self.at_mut(place), [NOBODY, link(before), 0, room]);
        if let Some(before) = before {
            let hole = self.at_mut(before);
            let [slot, second, _, room] = header(hole);
            write_header(hole, [slot, second, link(Some(place)), room]);
        }
    }

    fn take_hole(&mut self, room: usize) -> Option<Place> {
        let place = (*self.holes.get(room / UNIT)?)?;
        self.drop_hole(place);
        Some(place)
    }

    fn drop_hole(&mut self, place: Place) {
        let [_, before, behind, room] = header(self.at(place));
        match linked(behind) {
            Some(behind) => {
                let hole = self.at_mut(behind);
                let [slot, _, next, room] = header(hole);
                write_header(hole, [slot, before, next, room]);
            }
            None => {
                if let Some(last) = self.holes.get_mut(room as usize / UNIT) {
                    *last = linked(before);
                }
            }
        }
        if let Some(before) = linked(before) {
            let hole = self.at_mut(before);
            let [slot, next, _, room] = header(hole);
            write_header(hole, [slot, next, behind, room]);
        }
    }

    /// How many bytes the chunks take.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum()
    }

    /// The bytes from here to the end of the chunk.
    fn at(&self, place: Place) -> &[u8] {
        &self.chunks[place.chunk()].bytes[place.start()..]
    }

    fn at_mut(&mut self, place: Place) -> &mut [u8] {
        &mut self.chunks[place.chunk()].bytes[place.start()..]
    }
}

impl Place {
    pub(crate) const fn new(units: usize) -> Self {
        match NonZeroU32::new(word(units)) {
            Some(units) => Self(units),
            None => NOWHERE,
        }
    }

    const fn units(self) -> usize {
        self.0.get() as usize
    }

    const fn chunk(self) -> usize {
        self.units() / (CHUNK / UNIT)
    }

    const fn start(self) -> usize {
        self.units() % (CHUNK / UNIT) * UNIT
    }
}

impl<'a> Node<'a> {
    /// The node whose header begins here.
    #[inline]
    fn read(bytes: &'a [u8]) -> Self {
        let [slot, name_len, addr_len, _] = header(bytes);
        let (name, behind) = bytes[HEADER..].split_at(name_len as usize);
        Self { slot, name, addr: &behind[..addr_len as usize] }
    }
}

/// The four numbers in front of a node or of a hole.
fn header(bytes: &[u8]) -> [u32; 4] {
    let (numbers, _) = bytes[..HEADER].as_chunks::<4>();
    [0, 1, 2, 3].map(|at| u32::from_le_bytes(numbers[at]))
}

fn write_header(bytes: &mut [u8], header: [u32; 4]) {
    for (field, number) in bytes[..HEADER].as_chunks_mut::<4>().0.iter_mut().zip(header) {
        *field = number.to_le_bytes();
    }
}

/// How a hole refers to another one: its place, or 0.
const fn link(place: Option<Place>) -> u32 {
    match place {
        Some(Place(number)) => number.get(),
        None => 0,
    }
}

fn linked(link: u32) -> Option<Place> {
    NonZeroU32::new(link).map(Place)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a line is far shorter than 4 GiB, and the number of chunks is limited"
)]
const fn word(number: usize) -> u32 {
    number as u32
}
