//! Keeps a Serf snapshot on disk inside a gossip agent: who is alive and how far the Lamport clocks are, so that after
//! a crash the agent finds its cluster again and does not act twice on old events.
//!
//! [`Options::open`] gives a [`Snapshotter`].
//! [`record`](Snapshotter::record) takes an event into memory and returns at once; one thread writes the file, syncs it
//! as [`Durability`] says, and rewrites it when it has grown.
//! No error of the disk reaches the code that records: [`Snapshotter::health`] tells, and the log heals itself when the
//! disk does.
//!
//! ```
//! use std::time::Duration;
//! use snapshot_io::{Durability, Event, LamportTime, Member, Options};
//!
//! let dir = tempfile::tempdir()?;
//! let (log, recovery) = Options::new().durability(Durability::Always).open(dir.path().join("serf.snapshot"))?;
//! assert_eq!(recovery.alive, 0);
//! log.record(Event::MemberJoin(Member::new(b"web-1", b"10.0.0.1:7946")?));
//! let position = log.record(Event::User(LamportTime(42)));
//! log.durable(position).wait(Duration::from_secs(5))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/EMBEDDING.md` of the project goes through all of it: the decisions, what to do with each error and finding,
//! rejoining, leaving, metrics and tests on a simulated disk.
//!
//! What it is not: it does no gossip, and the meaning of the file is decided in `snapshot-engine`.
//! It runs on Unix.
//! A host should ignore SIGXFSZ, so that a file size limit is an error and not the end of the process.
#![forbid(unsafe_code)]

mod clock;
mod disk;
mod durable;
mod error;
mod exclusive;
mod offline;
mod open;
mod options;
mod os;
mod rejoin;
#[cfg(feature = "sim")]
pub mod sim;
mod snapshotter;
mod storage;
mod sync;
mod tee;
mod tell;
mod time;
mod writer;

pub use clock::LamportClock;
pub use durable::Durable;
pub use error::{NotDurable, OpenError};
pub use exclusive::Exclusive;
pub use offline::{read_blocks, read_document, replay};
pub use open::Recovery;
pub use options::{OnForeignCluster, Options};
pub use os::OsStorage;
pub use rejoin::Rejoiner;
pub use snapshot_engine::{
    Cause, Clocks, Coordinate, Durability, Event, Health, Identity, InvalidEvent, InvalidMember,
    LamportTime, Member, Membership, Policy, Position, Progress, Report, State, Stats, UnixMillis,
    Verdict, Warning,
};
pub use snapshotter::{OwnedCandidate, Snapshotter};
pub use storage::{Access, Place, Storage, StorageFile};
pub use tee::tee;
