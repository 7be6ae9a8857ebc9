//! Sets of small numbers that take little memory, be they many or few.

/// A set of numbers, sorted.
///
/// Of a fleet in which everybody knows everybody it is a bit for each, of others four bytes for each that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    Few(Box<[u32]>),
    Many(Box<[u64]>),
}

/// The bits of a word.
const WORD: usize = u64::BITS as usize;

impl Ids {
    pub(crate) fn new(mut ids: Vec<u32>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        let words = ids.last().map_or(0, |last| *last as usize / WORD + 1);
        // Two numbers take the room of a word.
        if ids.len().div_ceil(2) <= words {
            return Self::Few(ids.into());
        }
        let mut bits = vec![0; words];
        for id in ids {
            bits[id as usize / WORD] |= 1 << (id as usize % WORD);
        }
        Self::Many(bits.into())
    }

    pub(crate) fn iter(&self) -> IdsIter<'_> {
        match self {
            Self::Few(ids) => IdsIter::Few(ids.iter()),
            Self::Many(words) => IdsIter::Many { words, next: 0, bits: 0 },
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(ids) => ids.len(),
            Self::Many(words) => words.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    /// The first that both have.
    pub(crate) fn first_of(&self, bits: &Bits) -> Option<usize> {
        match self {
            Self::Few(ids) => ids.iter().map(|id| *id as usize).find(|id| bits.has(*id)),
            Self::Many(words) => {
                words.iter().zip(&bits.words).enumerate().find_map(|(at, pair)| {
                    let both = pair.0 & pair.1;
                    (both != 0).then(|| at * WORD + both.trailing_zeros() as usize)
                })
            }
        }
    }
}

/// Goes through a set in order.
#[derive(Clone, Debug)]
pub(crate) enum IdsIter<'a> {
    Few(std::slice::Iter<'a, u32>),
    /// The bits that are left of the word before `next`.
    Many {
        words: &'a [u64],
        next: usize,
        bits: u64,
    },
}

impl Iterator for IdsIter<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::Few(ids) => ids.next().map(|id| *id as usize),
            Self::Many { words, next, bits } => {
                while *bits == 0 {
                    *bits = *words.get(*next)?;
                    *next += 1;
                }
                let bit = bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                Some((*next - 1) * WORD + bit)
            }
        }
    }
}

/// A set that grows, of numbers below a limit.
#[derive(Clone, Debug)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    pub(crate) fn new(limit: usize) -> Self {
        Self { words: vec![0; limit.div_ceil(WORD)] }
    }

    /// Adds one; whether it is new.
    pub(crate) fn add(&mut self, id: usize) -> bool {
        let (word, bit) = (&mut self.words[id / WORD], 1 << (id % WORD));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub(crate) fn has(&self, id: usize) -> bool {
        self.words[id / WORD] & (1 << (id % WORD)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: &[u32], many: bool) {
        let set = Ids::new(ids.iter().rev().copied().chain(ids.first().copied()).collect());
        assert_eq!(matches!(set, Ids::Many(_)), many, "{ids:?}");
        let expect: Vec<_> = ids.iter().map(|id| *id as usize).collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), expect);
        assert_eq!(set.len(), ids.len());
        let mut bits = Bits::new(1000);
        assert_eq!(set.first_of(&bits), None);
        for id in expect.iter().rev() {
            assert!(bits.add(*id) && !bits.add(*id));
            assert_eq!(set.first_of(&bits), Some(*id));
        }
    }

    #[test]
    fn both_kinds_say_the_same() {
        check(&[], false);
        check(&[0], false);
        check(&[999], false);
        check(&[0, 1, 2], true);
        check(&[63, 64, 65, 66, 127], true);
        check(&[1, 500, 999], false);
        check(&(0..1000).collect::<Vec<_>>(), true);
    }
}
