//! The failed nodes: last resorts, bounded, the oldest leaving first.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::ops::Bound;

use snapshot_format::{Addr, Name, UnixMillis};

#[derive(Clone, Debug)]
pub(crate) struct Failed {
    nodes: BTreeMap<Arc<[u8]>, Last>,
    by_age: BTreeSet<(UnixMillis, Arc<[u8]>)>,
    max: usize,
    /// The bytes of all names and addresses.
    text: usize,
}

#[derive(Clone, Debug)]
struct Last {
    addr: Box<[u8]>,
    at: UnixMillis,
}

/// One failed node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedNode<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) addr: Addr<'a>,
    pub(crate) at: UnixMillis,
}

impl Failed {
    pub(crate) const fn new(max: usize) -> Self {
        Self { nodes: BTreeMap::new(), by_age: BTreeSet::new(), max, text: 0 }
    }

    /// Inserts or replaces; whether that changed anything, and the name of the node that had to make room.
    pub(crate) fn insert(&mut self, node: FailedNode<'_>) -> (bool, Option<Arc<[u8]>>) {
        let (name, addr) = (node.name.as_bytes(), node.addr.as_bytes());
        if self.nodes.get(name).is_some_and(|last| last.at == node.at && *last.addr == *addr) {
            return (false, None);
        }
        self.remove(node.name);
        let name: Arc<[u8]> = name.into();
        self.text += name.len() + addr.len();
        self.by_age.insert((node.at, Arc::clone(&name)));
        self.nodes.insert(name, Last { addr: addr.into(), at: node.at });
        (true, if self.nodes.len() > self.max { self.remove_oldest() } else { None })
    }

    /// From now on holds at most so many, and no more than that at once; how many had to go.
    pub(crate) fn limit(&mut self, max: usize) -> usize {
        let before = self.nodes.len();
        self.max = max;
        while self.nodes.len() > max && self.remove_oldest().is_some() {}
        before - self.nodes.len()
    }

    fn remove_oldest(&mut self) -> Option<Arc<[u8]>> {
        let (_, name) = self.oldest()?;
        self.remove_bytes(&name);
        Some(name)
    }

    pub(crate) fn remove(&mut self, name: Name<'_>) -> bool {
        self.remove_bytes(name.as_bytes())
    }

    /// Whether it was there.
    pub(crate) fn remove_bytes(&mut self, name: &[u8]) -> bool {
        let Some((name, last)) = self.nodes.remove_entry(name) else { return false };
        self.text -= name.len() + last.addr.len();
        self.by_age.remove(&(last.at, name));
        true
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.max);
    }

    pub(crate) fn contains(&self, name: Name<'_>) -> bool {
        self.nodes.contains_key(name.as_bytes())
    }

    pub(crate) fn of(&self, name: Name<'_>) -> Option<FailedNode<'_>> {
        self.nodes.get_key_value(name.as_bytes()).and_then(node)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) const fn text_bytes(&self) -> usize {
        self.text
    }

    /// The one that failed first, and when.
    pub(crate) fn oldest(&self) -> Option<(UnixMillis, Arc<[u8]>)> {
        self.by_age.first().cloned()
    }

    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = FailedNode<'_>> {
        self.nodes.iter().filter_map(node)
    }

    /// The last one by name.
    pub(crate) fn last(&self) -> Option<Arc<[u8]>> {
        self.nodes.last_key_value().map(|(name, _)| Arc::clone(name))
    }

    /// By name, those behind one name up to another; a scan can be resumed there whatever has changed since.
    pub(crate) fn between(
        &self,
        behind: Option<&[u8]>,
        last: &[u8],
    ) -> impl Iterator<Item = FailedNode<'_>> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        self.nodes.range::<[u8], _>((from, Bound::Included(last))).filter_map(node)
    }

    /// The newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = FailedNode<'_>> {
        self.by_age
            .iter()
            .rev()
            .filter_map(|(_, name)| self.nodes.get_key_value(name).and_then(node))
    }
}

fn node<'a>((name, last): (&'a Arc<[u8]>, &'a Last)) -> Option<FailedNode<'a>> {
    // They came in as a name and an address.
    Some(FailedNode { name: Name::new(name).ok()?, addr: Addr::new(&last.addr).ok()?, at: last.at })
}
