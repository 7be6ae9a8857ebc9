//! The disks after a power cut, one by one.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::crash::{Choice, CrashImage, Fill};
use super::disk::{Disk, Operation};
use super::random::Random;

/// Up to so many unsynced operations every subset is tried.
pub const EXHAUSTIVE: usize = 10;

/// Up to so many cuts of the last write are tried with every subset of the other operations.
const MOST_CUTS: usize = 1 << 14;

const FILLS: [Fill; 4] = [Fill::Missing, Fill::Zeros, Fill::Old, Fill::Garbage];

/// The disks that one power cut could leave behind; see
/// [`SimStorage::crash_images`](super::SimStorage::crash_images).
///
/// Each is made when it is asked for, and handed out once.
pub struct CrashImages {
    disk: Disk,
    operations: Arc<[Operation]>,
    last_write: Option<LastWrite>,
    steps: Range<usize>,
    /// `None`: the steps go through all there are.
    random: Option<Random>,
    seen: HashSet<u64>,
    garbage: u64,
}

#[derive(Clone, Copy)]
struct LastWrite {
    first_operation: u64,
    len: usize,
}

impl CrashImages {
    pub(super) fn new(disk: Disk, seed: u64, samples: usize) -> Self {
        let operations: Arc<[Operation]> = disk.unsynced().into();
        let parts = || operations.iter().filter_map(|operation| operation.part.as_ref());
        let last_write = parts().map(|part| part.write).max().map(|first_operation| LastWrite {
            first_operation,
            len: parts().filter(|part| part.write == first_operation).map(|part| part.len).sum(),
        });
        let mut images = Self {
            disk,
            operations,
            last_write,
            steps: 0..samples,
            random: Some(Random::new(seed)),
            seen: HashSet::new(),
            garbage: seed,
        };
        if images.operations.len() <= EXHAUSTIVE {
            images.steps = 0..images.subsets() + images.cuts();
            images.random = None;
        }
        images
    }

    /// No more than so many draws: where all images are more than that, so many are drawn instead.
    #[must_use]
    pub fn at_most(mut self, draws: usize) -> Self {
        if self.steps.len() > draws {
            self.steps = 0..draws;
            self.random.get_or_insert_with(|| Random::new(self.garbage));
        }
        self
    }

    /// Whether these are all there are, and not draws.
    #[must_use]
    pub const fn is_exhaustive(&self) -> bool {
        self.random.is_none()
    }

    fn subsets(&self) -> usize {
        FILLS.len() << self.operations.len()
    }

    /// Cutting before the first byte and behind the last one is among the subsets.
    fn cuts(&self) -> usize {
        let bytes = self.last_write.map_or(0, |write| write.len.saturating_sub(1));
        FILLS.len() * bytes * self.beside_cuts()
    }

    /// How many choices of the other operations each cut is tried with: every subset, or, where these are too many,
    /// what came before any moment.
    fn beside_cuts(&self) -> usize {
        let others = self.others().count();
        if self.cuts_beside_all() { 1 << others } else { others + 1 }
    }

    fn cuts_beside_all(&self) -> bool {
        let bytes = self.last_write.map_or(0, |write| write.len);
        (FILLS.len() * bytes) << self.others().count() <= MOST_CUTS
    }

    /// The operations that are no part of the last write.
    fn others(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| !self.is_last_write(operation))
    }

    fn is_last_write(&self, operation: &Operation) -> bool {
        self.last_write
            .zip(operation.part.as_ref())
            .is_some_and(|(last, part)| part.write == last.first_operation)
    }

    /// One step of the walk through all choices.
    fn choice(&self, step: usize) -> Choice {
        let fill = FILLS[step % FILLS.len()];
        let mut kept = BTreeMap::new();
        if step < self.subsets() {
            let subset = step / FILLS.len();
            keep(&mut kept, self.operations.iter(), |index| subset >> index & 1 == 1);
        } else {
            let step = (step - self.subsets()) / FILLS.len();
            let cuts = self.last_write.map_or(1, |write| write.len - 1);
            let (subset, all) = (step / cuts, self.cuts_beside_all());
            let kept_beside = |index| if all { subset >> index & 1 == 1 } else { index < subset };
            keep(&mut kept, self.others(), kept_beside);
            self.cut(&mut kept, step % cuts + 1);
        }
        Choice { kept, fill, length: None, garbage: self.garbage }
    }

    /// Half of the draws keep what came before some moment, the others each operation by chance.
    pub(super) fn draw(&self, random: &mut Random) -> Choice {
        let count = self.operations.len();
        let mut kept = BTreeMap::new();
        if random.below(2) == 0 {
            let moment = random.below(count + 1);
            keep(&mut kept, self.operations.iter(), |index| index < moment);
        } else {
            let eighths = random.below(9);
            keep(&mut kept, self.operations.iter(), |_| random.below(8) < eighths);
        }
        if let Some(last) = self.last_write.filter(|_| random.below(2) == 0) {
            self.cut(&mut kept, random.below(last.len + 1));
        }
        let fill = FILLS[random.below(FILLS.len())];
        let length = (random.below(2) == 0).then(|| random.below(usize::MAX));
        Choice { kept, fill, length, garbage: random.next() }
    }

    /// Keeps the first `len` bytes of the last write and no more of it.
    fn cut(&self, kept: &mut BTreeMap<u64, usize>, len: usize) {
        for operation in self.operations.iter().filter(|operation| self.is_last_write(operation)) {
            let Some(part) = &operation.part else { continue };
            match len.saturating_sub(part.start).min(part.len) {
                0 => kept.remove(&operation.number),
                bytes => kept.insert(operation.number, bytes),
            };
        }
    }

    pub(super) fn image(&self, choice: Choice) -> CrashImage {
        CrashImage::new(&self.disk, choice, Arc::clone(&self.operations))
    }
}

impl Iterator for CrashImages {
    type Item = CrashImage;

    fn next(&mut self) -> Option<CrashImage> {
        loop {
            let step = self.steps.next()?;
            let choice = match self.random.take() {
                None => self.choice(step),
                Some(mut random) => {
                    let mut choice = self.draw(&mut random);
                    self.random = Some(random);
                    if step < 2 {
                        choice.fill = Fill::Missing;
                        choice.kept.clear();
                        keep(&mut choice.kept, self.operations.iter(), |_| step == 0);
                    }
                    choice
                }
            };
            let image = self.image(choice);
            if self.seen.insert(image.fingerprint()) {
                return Some(image);
            }
        }
    }
}

impl fmt::Debug for CrashImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashImages")
            .field("operations", &self.operations)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// Keeps the whole of those operations whose index `wanted` names.
fn keep<'a>(
    kept: &mut BTreeMap<u64, usize>,
    operations: impl Iterator<Item = &'a Operation>,
    mut wanted: impl FnMut(usize) -> bool,
) {
    for (index, operation) in operations.enumerate() {
        if wanted(index) {
            kept.insert(operation.number, operation.part.as_ref().map_or(0, |part| part.len));
        }
    }
}
