//! Keeps a Serf snapshot on disk inside a gossip agent.
#![forbid(unsafe_code)]

mod offline;
mod os;
#[cfg(feature = "sim")]
pub mod sim;
mod storage;

pub use offline::{read_blocks, read_document, replay};
pub use os::OsStorage;
pub use storage::{Access, Place, Storage, StorageFile};
