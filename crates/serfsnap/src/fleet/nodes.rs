//! Every node that any file of a fleet tells of, once: a name at an address.
//!
//! Five thousand files of five thousand nodes are 25 million records, but hardly more than five thousand of these.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use snapshot_engine::State;
use snapshot_format::{Addr, Name};

use crate::fleet::ids::Ids;

/// Nodes with their numbers, filled by several readers at once.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    /// Keyed by name, a space and the address, which holds none.
    numbers: RwLock<HashMap<Box<[u8]>, u32>>,
}

impl Gathering {
    /// The numbers of the alive nodes; new ones are given to those that no file had before.
    pub(crate) fn alive(&self, state: &State) -> Ids {
        self.numbers_of(state.alive())
    }

    /// The same of the failed nodes.
    pub(crate) fn failed(&self, state: &State) -> Ids {
        self.numbers_of(state.failed().map(|(name, addr, _)| (name, addr)))
    }

    fn numbers_of<'a>(&self, nodes: impl Iterator<Item = (Name<'a>, Addr<'a>)>) -> Ids {
        let (mut numbers, mut new) = (Vec::new(), Vec::new());
        let mut key = Vec::new();
        let known = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        for (name, addr) in nodes {
            key.clear();
            key.extend_from_slice(name.as_bytes());
            key.push(b' ');
            key.extend_from_slice(addr.as_bytes());
            match known.get(&*key) {
                Some(number) => numbers.push(*number),
                None => new.push(key.as_slice().into()),
            }
        }
        drop(known);
        if !new.is_empty() {
            let mut known = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
            for key in new {
                let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                numbers.push(*known.entry(key).or_insert(next));
            }
        }
        Ids::new(numbers)
    }

    pub(crate) fn finish(self) -> Nodes {
        let numbers = self.numbers.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut keys = vec![Box::default(); numbers.len()];
        for (key, number) in numbers {
            keys[number as usize] = key;
        }
        Nodes { keys }
    }
}

/// All of them, by number.
#[derive(Debug)]
pub(crate) struct Nodes {
    keys: Vec<Box<[u8]>>,
}

impl Nodes {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn name(&self, number: usize) -> &[u8] {
        &self.keys[number][..self.space(number)]
    }

    pub(crate) fn addr(&self, number: usize) -> &[u8] {
        &self.keys[number][self.space(number) + 1..]
    }

    /// Those of each name together, the names in order.
    pub(crate) fn by_name(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..).take(self.len()).collect();
        numbers.sort_unstable_by_key(|number| {
            (self.name(*number as usize), self.addr(*number as usize))
        });
        numbers
    }

    fn space(&self, number: usize) -> usize {
        memchr::memrchr(b' ', &self.keys[number]).unwrap_or(0)
    }
}
