//! Opening: lock first, read, decide, and make durable what is created or adopted.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snapshot_engine::{
    Clocks, Engine, LogStart, Mode, Now, Outcome, Policy, Replay, Report, State,
};
use snapshot_format::{Record, Text, UnixMillis};

use crate::disk::{Disk, beside, parent};
use crate::offline::{read_blocks, replay};
use crate::options::{OnForeignCluster, Options};
use crate::storage::{Access, Storage, StorageFile};
use crate::{OpenError, time};

/// What was found when a snapshot was opened.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovery {
    /// The resolved path.
    pub path: PathBuf,
    /// What the file said besides its state: findings, verdict, sizes, seals, identity.
    pub report: Report,
    /// The Lamport times to restore: a clock must stand beyond them before the first message is sent or handled.
    pub clocks: Clocks,
    /// How many nodes were alive.
    pub alive: usize,
    /// Where a file was kept that could not be gone on with: one of another cluster, or of a newer format.
    pub kept_aside: Option<PathBuf>,
    /// Whether there was no file but one of Serf's own interrupted compactions, which was adopted.
    pub adopted_orphan: bool,
}

/// A snapshot that is ready to be driven.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) disk: Disk,
    pub(crate) recovery: Recovery,
}

/// Opens the snapshot at `path` as far as it goes without a thread; `wall` is the time that a new file gets.
pub(crate) fn open(options: &Options, path: &Path, wall: UnixMillis) -> Result<Opened, OpenError> {
    let storage = &options.storage;
    let path = storage.resolve(path).map_err(failed("find", path))?;
    let lock = lock(storage, &path, &path, options.file_mode)?;
    let mut recovery = Recovery { path: path.clone(), ..Recovery::default() };
    let policy = &options.policy;
    let Some((mut state, report)) = read_or_adopt(options, &path, &mut recovery)? else {
        let disk = Disk::new(Arc::clone(storage), path.clone(), options.file_mode, None, lock);
        let engine =
            Engine::new(policy.clone(), State::new(policy, time::seed()), LogStart::Missing);
        return create(Opened { engine, disk, recovery }, wall);
    };
    if !report.is_snapshot() {
        return Err(OpenError::NotASnapshot { path });
    }
    let mut start = LogStart::from(&report);
    let other = LogStart::Unsealed { bytes: report.bytes };
    if let Some((found, expected)) = foreign_cluster(policy, &report) {
        // Whatever is done with it, nothing of ours goes behind the name of another cluster.
        start = other;
        match options.on_foreign_cluster {
            OnForeignCluster::Adopt => {}
            OnForeignCluster::Refuse => {
                return Err(OpenError::ForeignCluster { path, found, expected });
            }
            OnForeignCluster::SetAside => {
                let aside = keep_aside(storage, &path, ".foreign", options.file_mode)?;
                recovery.kept_aside = Some(aside);
                state = State::new(policy, time::seed());
            }
        }
    } else if report.identity.format.is_some_and(|format| format > snapshot_format::FORMAT) {
        recovery.kept_aside = Some(keep_aside(storage, &path, ".newer", options.file_mode)?);
    }
    if report.failed_dropped > 0 {
        // The file says more than the state: what was dropped would come back when others have gone.
        start = other;
    }
    // The process before us may have died between its rename and its sync of the directory: what we sync into a file
    // whose name is not durable would be lost with the name.
    if storage.sync_dir(parent(&path)).is_err() {
        start = other;
    }
    let log = match start {
        LogStart::Sealed { bytes } => {
            let file = storage.open(&path, Access::Append).map_err(failed("write", &path))?;
            Some((file, bytes))
        }
        _ => None,
    };
    recovery.clocks = state.clocks();
    recovery.alive = state.len();
    let disk = Disk::new(Arc::clone(storage), path, options.file_mode, log, lock);
    let mut engine = Engine::new(policy.clone(), state, start);
    if lacks_identity(policy, &report) {
        // An identity protects nobody before it is in the file.
        engine.request_rewrite();
    }
    recovery.report = report;
    Ok(Opened { engine, disk, recovery })
}

/// Takes the lock of a snapshot; `None` where locking is impossible. A new lock file gets owner and mode of `like`.
pub(crate) fn lock(
    storage: &Arc<dyn Storage>,
    path: &Path,
    like: &Path,
    mode: u32,
) -> Result<Option<Box<dyn StorageFile>>, OpenError> {
    match storage.lock(&beside(path, ".lock"), like, mode) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(OpenError::Locked { path: path.to_owned() }),
        // The host is better served by a snapshot without a lock than by none; its health says so.
        Err(_) => Ok(None),
    }
}

/// What the file at the path says, or the orphan that Serf left in its place.
fn read_or_adopt(
    options: &Options,
    path: &Path,
    recovery: &mut Recovery,
) -> Result<Option<(State, Report)>, OpenError> {
    let storage = &options.storage;
    let read = || -> io::Result<Option<(State, Report)>> {
        match storage.open(path, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(file) => {
                let reader = Replay::new(Mode::Hardened, &options.policy, time::seed());
                replay(Reader(file), reader).map(Some)
            }
        }
    };
    if let Some(found) = read().map_err(failed("read", path))? {
        return Ok(Some(found));
    }
    let orphan = beside(path, ".compact");
    if !is_complete_orphan(storage, &orphan).map_err(failed("read", &orphan))? {
        return Ok(None);
    }
    // Serf syncs it before it unlinks the old file; should another program have made it, it is synced now.
    storage
        .open(&orphan, Access::Append)
        .and_then(|mut file| file.sync())
        .map_err(failed("sync", &orphan))?;
    storage.rename(&orphan, path).map_err(failed("adopt", &orphan))?;
    if let Err(error) = storage.sync_dir(parent(path)) {
        // Else what is written to the path may be lost with its name, and what is left is no orphan of Serf's any more.
        let _ = storage.rename(path, &orphan);
        return Err(failed("sync", parent(path))(error));
    }
    recovery.adopted_orphan = true;
    read().map_err(failed("read", path))
}

/// Whether this is what a compaction of Serf writes, whole: no line of ours in it, and the three clocks at its end.
fn is_complete_orphan(storage: &Arc<dyn Storage>, orphan: &Path) -> io::Result<bool> {
    let file = match storage.open(orphan, Access::Read) {
        Ok(file) => file,
        // Missing, or something that is no file of Serf's.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let mut ours = false;
    let mut last = [0_u8; 3];
    let decoder = read_blocks(Reader(file), |block| {
        for line in block.lines {
            ours |= line.bytes.starts_with(b"#@");
            let kind = match line.record() {
                Ok(Record::Clock(_)) => 1,
                Ok(Record::EventClock(_)) => 2,
                Ok(Record::QueryClock(_)) => 3,
                _ => 0,
            };
            last = [last[1], last[2], kind];
        }
    })?;
    Ok(!ours && decoder.torn().is_none() && last == [1, 2, 3])
}

/// Creates the file: carries the engine's first rewrite out, here and now.
fn create(mut opened: Opened, wall: UnixMillis) -> Result<Opened, OpenError> {
    let now = Now { wall, ..Now::default() };
    let mut error = None;
    while opened.engine.health().stale.is_some() || error.is_some() {
        let Some(effect) = opened.engine.poll_effect(now) else { break };
        let (outcome, failure) = opened.disk.carry_out(&effect);
        opened.engine.handle_outcome(now, effect, outcome);
        if outcome != Outcome::Done {
            error = error.or(failure);
        }
    }
    match error {
        Some(error) => {
            // Its name may never become durable: no later sync of the directory could be trusted.
            opened.disk.take_back();
            Err(failed("create", &opened.recovery.path)(error))
        }
        None => Ok(opened),
    }
}

/// Whose cluster's file it is, where it is not ours, and whose we are.
fn foreign_cluster(policy: &Policy, report: &Report) -> Option<(String, String)> {
    let found = report.identity.cluster.as_deref().and_then(|id| Text::new(id).ok())?;
    let own = policy.identity.cluster()?;
    (found != own).then(|| (found.to_string(), own.to_string()))
}

/// Whether the file does not say whose it is, or says it wrongly.
fn lacks_identity(policy: &Policy, report: &Report) -> bool {
    let (own, found) = (&policy.identity, &report.identity);
    let (cluster, node) = (found.cluster.as_deref(), found.node.as_deref());
    own.cluster().is_some_and(|id| cluster != Some(id.as_bytes()))
        || own.node().is_some_and(|name| node != Some(name.as_bytes()))
}

/// Gives the file a second name, which keeps it when the path is replaced: a hard link, or a copy where links are
/// impossible.
pub(crate) fn keep_aside(
    storage: &Arc<dyn Storage>,
    path: &Path,
    suffix: &str,
    mode: u32,
) -> Result<PathBuf, OpenError> {
    const NAMES: usize = 1000;
    for number in 0..NAMES {
        let aside = beside(
            path,
            &if number == 0 { suffix.to_owned() } else { format!("{suffix}.{number}") },
        );
        let linked = match storage.link(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(_) => copy(storage, path, &aside, mode),
            linked => linked,
        };
        linked
            .and_then(|()| storage.sync_dir(parent(path)))
            .map_err(failed("keep a copy at", &aside))?;
        return Ok(aside);
    }
    let error =
        io::Error::new(io::ErrorKind::AlreadyExists, "too many files were kept aside before");
    Err(failed("keep a copy of", path)(error))
}

fn copy(storage: &Arc<dyn Storage>, from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    let mut source = Reader(storage.open(from, Access::Read)?);
    let mut target = storage.create(to, from, mode)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            return target.sync();
        }
        write_all(&mut *target, &buffer[..read])?;
    }
}

/// Writes everything, in as many calls as it takes.
pub(crate) fn write_all(file: &mut dyn StorageFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = file.write(bytes)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

/// A storage's file as a source of bytes.
pub(crate) struct Reader(pub(crate) Box<dyn StorageFile>);

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}
