//! Whom to contact after a restart.

use alloc::vec::Vec;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use snapshot_format::{Addr, Name, UnixMillis};

use crate::State;

/// A node to contact after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// Who.
    pub name: Name<'a>,
    /// Where it was last.
    pub addr: Addr<'a>,
    /// When it failed, where it is a last resort.
    pub failed: Option<UnixMillis>,
}

impl State {
    /// Whom to contact after a restart: first the alive nodes, in a random order so that no node is everybody's first
    /// choice, then the failed ones, the newest first. Never `own` itself.
    ///
    /// Takes 4 bytes a node.
    pub fn rejoin_candidates(
        &self,
        own: Option<Name<'_>>,
        seed: u64,
    ) -> impl Iterator<Item = Candidate<'_>> {
        let own = own.map(|own| own.as_bytes().to_vec());
        let slots = u32::try_from(self.alive.slots()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> =
            (0..slots).filter(|&slot| self.alive.at(slot as usize).is_some()).collect();
        order.shuffle(&mut SmallRng::seed_from_u64(seed));
        let alive = order.into_iter().filter_map(|slot| self.alive.at(slot as usize));
        let alive = alive.map(|(name, addr)| Candidate { name, addr, failed: None });
        let failed = self.failed.newest_first();
        let failed = failed.map(|node| Candidate {
            name: node.name,
            addr: node.addr,
            failed: Some(node.at),
        });
        alive
            .chain(failed)
            .filter(move |candidate| own.as_deref() != Some(candidate.name.as_bytes()))
    }
}
