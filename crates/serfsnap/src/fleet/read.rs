//! The files of a fleet, read side by side.
//!
//! What stays of a file is its owner, its clocks, and a set of numbers; every node is held once for all files.

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use snapshot_engine::{Clocks, Report, State};
use snapshot_format::Name;

use crate::args::{Reader, Rules};
use crate::failure::Failure;
use crate::fleet::ids::Ids;
use crate::fleet::naming::{self, By};
use crate::fleet::nodes::{Gathering, Nodes};
use crate::fleet::paths::Source;
use crate::input::Input;
use crate::progress::Progress;
use crate::reading::Reading;

/// Files whose first bytes, so many, are the same come from one disk.
const HEAD: usize = 4096;
/// Enough to keep the disks of one machine busy.
const MAX_READERS: usize = 8;

/// What a fleet's files say.
pub(crate) struct Readings {
    /// In the order of the sources; `None` where a file that was found in a directory is no snapshot.
    pub(crate) files: Vec<Option<Result<Facts, Failure>>>,
    pub(crate) nodes: Nodes,
}

/// What stays of a file.
pub(crate) struct Facts {
    pub(crate) name: Vec<u8>,
    pub(crate) by: By,
    /// Where the owner has itself.
    pub(crate) addr: Option<Vec<u8>>,
    pub(crate) alive: Ids,
    /// Empty unless they count.
    pub(crate) failed: Ids,
    pub(crate) clocks: Clocks,
    pub(crate) report: Report,
    /// It left and does not rejoin after that.
    pub(crate) left_at: Option<u64>,
    pub(crate) head: Box<[u8]>,
    /// It can be read once more.
    pub(crate) is_regular: bool,
}

/// Reads every file once.
pub(crate) fn read(sources: &[Source], rules: Rules, with_failed: bool) -> Readings {
    let gathering = Gathering::default();
    let total = sources.iter().map(|source| source.size).sum();
    let progress = Mutex::new(Progress::new(Some(total)));
    let files = side_by_side(sources, |source| {
        let found = read_one(source, rules, |state| {
            let failed = if with_failed { gathering.failed(state) } else { Ids::new(Vec::new()) };
            (gathering.alive(state), failed)
        });
        let size = usize::try_from(source.size).unwrap_or(usize::MAX);
        progress.lock().unwrap_or_else(PoisonError::into_inner).advance(size);
        found.transpose()
    });
    Readings { files, nodes: gathering.finish() }
}

/// Does the same with each item, several at once; the results in the order of the items.
pub(crate) fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            done.push((at, work(item)));
        }
        done
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = workers.min(MAX_READERS).min(items.len());
    let mut done = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn read_one(
    source: &Source,
    rules: Rules,
    gather: impl FnOnce(&State) -> (Ids, Ids),
) -> Result<Option<Facts>, Failure> {
    // Whoever names a file may ask what Serf would make of anything.
    let reader = if source.found { Reader::Ours } else { rules.reader };
    let opened = Input::open(source.path.as_os_str(), reader);
    let mut input = match opened {
        // Beside the snapshots of a data directory lies much else.
        Err(_) if source.found && is_readable(&source.path) => return Ok(None),
        opened => opened?,
    };
    input.silence();
    let head = input.first(HEAD)?.into();
    let Reading { state, report, rejoining } = Reading::new(&mut input, rules)?;
    if source.found && !(report.is_snapshot() && may_be_meant(&source.path, &report)) {
        return Ok(None);
    }
    let before_leave = rejoining.as_ref().unwrap_or(&state);
    let (name, by) = match &source.node {
        Some(node) => (node.clone(), By::Argument),
        None => naming::name(&source.path, before_leave, report.identity.node.as_deref()),
    };
    let addr = Name::new(&name).ok().and_then(|name| {
        state
            .addr_of(name)
            .or_else(|| before_leave.addr_of(name))
            .map(|addr| addr.as_bytes().to_vec())
    });
    let (alive, failed) = gather(&state);
    let left_at = report.left_at.filter(|_| report.left && !rules.rejoins());
    let (clocks, is_regular) = (state.clocks(), input.is_regular());
    Ok(Some(Facts { name, by, addr, alive, failed, clocks, report, left_at, head, is_regular }))
}

/// Whether a file that opens can be read at all, so that its content is why it was refused.
fn is_readable(path: &Path) -> bool {
    std::fs::File::open(path).is_ok()
}

/// An empty file that was found in a directory counts by its name alone.
fn may_be_meant(path: &Path, report: &Report) -> bool {
    let named = path.file_name().is_some_and(|name| name.to_string_lossy().contains("snap"));
    report.records > 0 || report.is_sealed() || named
}
