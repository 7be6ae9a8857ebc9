//! The state machine of Serf's snapshot files: what the lines mean together, and when which bytes go to disk.
//!
//! It is not a library of files: it opens, reads, waits for and logs nothing, has no clock and no thread, and is
//! `no_std` with `alloc`.
//! `snapshot-io` drives it with a real file system, tests drive it in virtual time.
//! Agents embed the former, as `docs/EMBEDDING.md` of the project tells.
//!
//! * [`Replay`] folds the lines of a file into a [`State`] and a [`Report`] of what was odd about them.
//! * [`Engine`] takes events in (`handle_event`), hands system calls out (`poll_effect`), and is told how they ended
//!   (`handle_outcome`).
//! * [`Document`] is a whole file for tools that rewrite one offline.
//!
//! ```
//! use snapshot_engine::{Engine, Event, Instant, LogStart, Member, Now, Policy, State, UnixMillis};
//!
//! let policy = Policy::default();
//! let mut engine = Engine::new(policy.clone(), State::new(&policy, 7), LogStart::Sealed { bytes: 0 });
//! let now = Now { instant: Instant::default(), wall: UnixMillis(1_763_867_000_000) };
//! engine.handle_event(now, Event::MemberJoin(Member::new(b"web-1", b"10.0.0.1:7946")?));
//! assert!(engine.poll_effect(now).is_none(), "a flush is due after half a second");
//! let later = Now { instant: engine.poll_timeout().expect("something was recorded"), ..now };
//! assert!(engine.poll_effect(later).is_some());
//! # Ok::<(), snapshot_engine::InvalidMember>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod arena;
mod candidates;
mod document;
mod effect;
mod engine;
mod event;
mod failed;
mod files;
mod finding;
mod hardened;
mod health;
mod index;
mod outcome;
mod pending;
mod policy;
mod rejoin;
mod replay;
mod report;
mod rewrite;
mod sampler;
mod schedule;
mod state;
mod table;
mod time;

pub use candidates::Candidate;
pub use document::{Document, DocumentReader};
pub use effect::{Effect, LogFile, Outcome};
pub use engine::{Engine, LogStart, Position, Progress, Stats};
pub use event::{Event, InvalidEvent, InvalidMember, Member};
pub use finding::{Finding, FindingKind};
pub use health::{Cause, Health, Warning};
pub use policy::{Durability, Identity, Policy};
pub use rejoin::{Attempt, Membership, Next, Rejoin};
pub use replay::{Mode, Replay};
pub use report::{FoundIdentity, MAX_FINDINGS, Report, Verdict};
pub use sampler::{Sample, Sampler};
pub use snapshot_format::{Coordinate, LamportTime, Name, UnixMillis};
pub use state::{Clocks, State};
pub use time::{Instant, Now};
