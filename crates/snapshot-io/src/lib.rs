//! Keeps a Serf snapshot on disk inside a gossip agent.
#![forbid(unsafe_code)]

mod offline;

pub use offline::{read_blocks, read_document, replay};
