//! Rejoining on a thread of the host's.

use std::sync::Arc;
use std::time::Instant;

use snapshot_engine::{Membership, Next, Rejoin};

use crate::sync::{Condvar, Mutex};
use crate::{Snapshotter, time};

/// Contacts the nodes of a snapshot on threads of the host's until its cluster is whole: [`Rejoin`] with a clock.
///
/// Take it at the start, before the first event is recorded, so that it knows the nodes of the last run.
///
/// ```
/// use snapshot_io::{Event, Member, Membership, Snapshotter};
///
/// let log = Snapshotter::disabled();
/// log.record(Event::MemberJoin(Member::new(b"a", b"10.0.0.1:7946")?));
/// let rejoiner = log.rejoin();
/// rejoiner.run(|name, addr| {
///     assert_eq!(addr, "10.0.0.1:7946");
///     // The host's gossip engine contacts the address; its member events tell what came of it.
///     rejoiner.member(name, Membership::Alive);
///     true
/// });
/// # Ok::<(), snapshot_io::InvalidMember>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rejoiner(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rejoin: Mutex<Rejoin>,
    changed: Condvar,
    origin: Instant,
}

impl Snapshotter {
    /// A way back into the cluster, by the nodes that are known at this moment.
    #[must_use]
    pub fn rejoin(&self) -> Rejoiner {
        let seed = time::seed();
        let rejoin = self.with_candidates(seed, |candidates| {
            Rejoin::new(candidates, seed, snapshot_engine::Instant::default())
        });
        Rejoiner(Arc::new(Shared {
            rejoin: Mutex::new(rejoin),
            changed: Condvar::new(),
            origin: Instant::now(),
        }))
    }
}

impl Rejoiner {
    /// Contacts one node after another until every one is a member, has left or was given up, or it is cancelled.
    ///
    /// `join` is called with a name and an address, without any lock held, and tells whether the contact worked.
    /// Several threads may run it: each has one contact under way.
    pub fn run(&self, mut join: impl FnMut(&[u8], &str) -> bool) {
        let mut rejoin = self.0.rejoin.lock();
        loop {
            match rejoin.poll(self.now()) {
                Next::Done => return,
                Next::Try { attempt, name, addr } => {
                    let (name, addr) = (name.to_vec(), String::from_utf8_lossy(addr).into_owned());
                    drop(rejoin);
                    let success = join(&name, &addr);
                    rejoin = self.0.rejoin.lock();
                    rejoin.handle_result(self.now(), attempt, success);
                    self.0.changed.notify_all();
                }
                Next::Wait(at) => match at.and_then(|at| self.0.origin.checked_add(at.0)) {
                    Some(at) => drop(self.0.changed.wait_until(&mut rejoin, at)),
                    None => self.0.changed.wait(&mut rejoin),
                },
            }
        }
    }

    /// What the host's membership says of a node.
    pub fn member(&self, name: &[u8], membership: Membership) {
        self.0.rejoin.lock().handle_member(self.now(), name, membership);
        self.0.changed.notify_all();
    }

    /// The host is the only member left. A run that has ended is to be started again.
    pub fn alone(&self) {
        self.0.rejoin.lock().handle_alone(self.now());
        self.0.changed.notify_all();
    }

    /// Ends every run as soon as its contact is over.
    pub fn cancel(&self) {
        self.0.rejoin.lock().cancel();
        self.0.changed.notify_all();
    }

    /// How many nodes are still to be found.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.0.rejoin.lock().wanted()
    }

    fn now(&self) -> snapshot_engine::Instant {
        snapshot_engine::Instant(self.0.origin.elapsed())
    }
}
