//! The locks and the threads of this crate, in one place so that a model checker can stand in for them.

#[cfg(loom)]
mod model;

#[cfg(loom)]
pub(crate) use model::{Condvar, Mutex, MutexGuard, thread};
#[cfg(not(loom))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::thread;
