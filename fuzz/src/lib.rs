//! Properties of the snapshot crates for Serf's files, as plain functions that panic where one does not hold.
//!
//! It has no cases of its own beside its corpus.
//! `tests/corpus.rs` runs each property over `corpus/<target>/` and over simple mutations of it; cargo-fuzz looks for
//! more, from the workspace's root:
//!
//! ```text
//! mkdir -p target/fuzz/replay
//! cargo fuzz run --sanitizer none --features libfuzzer replay target/fuzz/replay fuzz/corpus/replay -- \
//!     -max_total_time=180 -entropic_scale_per_exec_time=1
//! ```
//!
//! Without a sanitizer it works with a stable compiler, and safe code has little use for one.
//! The last option keeps the few inputs that stand for a megabyte from taking all the time.
//! New inputs go to the first directory; one that was worth a bug is committed as `corpus/<target>/found-<what>`.
//! The other files of the corpus are seeds that `tests/seeds` makes from the files of real agents.
//!
//! What the bytes of an input mean to a target is said at its function; [`stretch`] and [`expand`] are the notation
//! that lets a few bytes stand for a large file or a sealed one.
//!
//! ```
//! use serfsnap_fuzz::{expand, replay};
//!
//! let input = b"alive: a 10.0.0.1:7946\n#@seal\n";
//! assert!(expand(input).starts_with(b"alive: a 10.0.0.1:7946\n#@seal: 23 "));
//! replay(input);
//! ```
#![forbid(unsafe_code)]

mod chunks;
mod input;
mod parse;
mod read;
mod replay;
mod roundtrip;
mod sealed;

pub use chunks::decoder_chunks;
pub use input::{MAX_STRETCHED, RUN, RUN_LENGTHS, SEAL_MARK, expand, stretch};
pub use parse::parse;
pub use replay::replay;
pub use roundtrip::roundtrip;
pub use sealed::sealed;

/// A property: it returns, or it panics.
pub type Property = fn(&[u8]);

/// Every target by its name, which is that of its corpus too.
pub const TARGETS: [(&str, Property); 5] = [
    ("parse", parse),
    ("decoder_chunks", decoder_chunks),
    ("roundtrip", roundtrip),
    ("replay", replay),
    ("sealed", sealed),
];
