//! The line grammar of Serf's snapshot files: parse, encode, split, seal and salvage.
//!
//! A snapshot is the append-only text log in which HashiCorp Serf, Consul and Nomad agents keep who is alive and
//! how far their Lamport clocks are.
//! This crate knows what a line is and which bytes a seal vouches for.
//! It does not know what the lines mean together (that is `snapshot-engine`), and it never reads, writes or waits
//! (that is `snapshot-io`).
//! It needs `alloc`, not `std`.
//!
//! ```
//! use snapshot_format::{Lines, Record};
//!
//! let file = b"alive: web 1 10.0.0.1:7946\nclock: 7\nevent-clock: 1";
//! let mut lines = Lines::new(file);
//! let Ok(Record::Alive { name, addr }) = lines.next().unwrap().record() else { panic!() };
//! assert_eq!((name.as_bytes(), addr.as_bytes()), (&b"web 1"[..], &b"10.0.0.1:7946"[..]));
//! let clock = lines.next().unwrap();
//! assert_eq!((clock.number, clock.offset, clock.len), (2, 27, 8));
//! assert!(lines.next().is_none());
//! assert_eq!(lines.remainder(), b"event-clock: 1", "without its newline it is no record");
//! ```
//!
//! `docs/FORMAT.md` is the law of the format.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod addr;
mod coordinate;
mod decoder;
mod error;
mod grammar;
mod lines;
mod newlines;
mod record;
mod salvage;
mod seal;
mod text;
mod time;
mod usual;

pub use coordinate::{Coordinate, DIMENSIONS, InvalidCoordinate};
pub use decoder::{Block, Decoder, Trust};
pub use error::{ParseError, Problem};
pub use lines::{Line, Lines, MAX_LINE};
pub use record::{FORMAT, MAX_NAME, Record};
pub use salvage::salvage;
pub use seal::{MAX_BATCH, MAX_SEAL_LINE, Seal, SealFault, Sealer};
pub use text::{Addr, InvalidText, Name, Text, Verbatim};
pub use time::{LamportTime, UnixMillis};
pub use usual::Usual;
