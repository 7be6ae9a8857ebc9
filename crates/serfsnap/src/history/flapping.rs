//! Who comes and goes.

use std::collections::HashMap;

/// How many are listed.
const LISTED: usize = 20;
/// How many bytes of names, and of what belongs to each, are remembered.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// What a name takes besides its bytes, about.
const OVERHEAD: usize = 64;

/// How often each node came back after it had gone.
#[derive(Debug, Default)]
pub(crate) struct Flapping {
    nodes: HashMap<Box<[u8]>, Count>,
    bytes: usize,
    dropped: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    gone: bool,
    back: u64,
}

impl Flapping {
    /// The node is not alive any more.
    pub(crate) fn went(&mut self, name: &[u8]) {
        if let Some(count) = self.nodes.get_mut(name) {
            count.gone = true;
            return;
        }
        if self.bytes + name.len() + OVERHEAD > MAX_BYTES {
            self.dropped = true;
            return;
        }
        self.bytes += name.len() + OVERHEAD;
        self.nodes.insert(name.into(), Count { gone: true, back: 0 });
    }

    /// The node is alive, and was not before.
    pub(crate) fn came(&mut self, name: &[u8]) {
        if let Some(count) = self.nodes.get_mut(name)
            && std::mem::take(&mut count.gone)
        {
            count.back += 1;
        }
    }

    /// How often it has come back.
    pub(crate) fn of(&self, name: &[u8]) -> u64 {
        self.nodes.get(name).map_or(0, |count| count.back)
    }

    /// Those that came back most often, most first.
    pub(crate) fn most(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<(&[u8], u64)> {
        let nodes = self.nodes.iter().map(|(name, count)| (&**name, count.back));
        let mut nodes: Vec<_> = nodes.filter(|(name, back)| *back > 0 && wanted(name)).collect();
        nodes.sort_unstable_by_key(|(name, back)| (std::cmp::Reverse(*back), *name));
        nodes.truncate(LISTED);
        nodes
    }

    /// Whether every node that went was counted.
    pub(crate) const fn is_complete(&self) -> bool {
        !self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coming_back_counts_and_going_does_not() {
        let mut flapping = Flapping::default();
        flapping.came(b"a");
        flapping.went(b"a");
        flapping.went(b"a");
        flapping.came(b"a");
        flapping.came(b"a");
        for _ in 0..3 {
            flapping.went(b"b");
            flapping.came(b"b");
        }
        flapping.went(b"c");
        assert_eq!(flapping.most(|_| true), [(&b"b"[..], 3), (b"a", 1)]);
        assert_eq!(flapping.most(|name| name == b"a"), [(&b"a"[..], 1)]);
        assert_eq!(flapping.of(b"c"), 0);
    }

    #[test]
    fn memory_is_bounded_and_that_is_told() {
        let mut flapping = Flapping::default();
        for number in 0..5000_u32 {
            let mut name = vec![b'x'; 16 * 1024];
            name[..4].copy_from_slice(&number.to_le_bytes());
            flapping.went(&name);
        }
        assert!(flapping.bytes <= MAX_BYTES && flapping.nodes.len() < 5000);
        assert!(!flapping.is_complete());
    }
}
