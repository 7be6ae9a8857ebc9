//! A recording whose every call to the file system is a step at which something may happen.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use snapshot_io::{
    Access, Durability, Event, LamportTime, Member, Options, OsStorage, Place, Policy, Position,
    Snapshotter, Storage, StorageFile,
};
use snapshot_model::Model;

use crate::common::story::{Chance, Story};

/// Only a hang takes so long.
const LIMIT: Duration = Duration::from_secs(60);

/// How a recording has ended.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) path: PathBuf,
    pub(crate) story: Story,
    pub(crate) acked: usize,
    pub(crate) sent: usize,
    pub(crate) steps: usize,
}

/// What happens at a step.
pub(crate) type Cut = (usize, Box<dyn Fn() + Send + Sync>);

/// Where a story is recorded, by the one who waits and, while a file is rewritten, at each step of that.
pub(crate) struct Stage {
    /// The lines to be recorded.
    input: Vec<String>,
    steps: AtomicUsize,
    cut: Option<Cut>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    log: Option<Snapshotter>,
    /// Where the log stood behind each line that was sent.
    positions: Vec<Position>,
    acked: usize,
}

/// The snapshot at a path, on the file system or on a stage.
pub(crate) fn open(path: &Path, stage: Option<&Arc<Stage>>) -> Snapshotter {
    try_open(path, stage).unwrap()
}

fn try_open(path: &Path, stage: Option<&Arc<Stage>>) -> Option<Snapshotter> {
    let mut policy = Policy::default();
    policy.durability = Durability::Always;
    let options = Options::new().policy(policy);
    let options = match stage {
        Some(stage) => options.storage(Stepped(Arc::clone(stage))),
        None => options,
    };
    options.open(path).map(|(log, _)| log).ok()
}

impl Stage {
    /// Records a story: first alone, then while the file is rewritten, twice; a leave; and once more after an open.
    pub(crate) fn play(path: &Path, cut: Option<Cut>, seed: u64) -> Played {
        let mut chance = Chance::new(seed);
        let mut story = Story::by_chance(&Model::default(), 40, &mut chance);
        story.leave();
        story.go_on(4, &mut chance);
        let (steps, progress) = (AtomicUsize::new(0), Mutex::default());
        let stage = Arc::new(Self { input: story.input.clone(), steps, cut, progress });
        let ended = stage.act(path);
        assert!(ended.is_some() || stage.cut.is_some(), "it failed by itself");
        let mut progress = stage.progress.lock().unwrap();
        let log = progress.log.take();
        let (acked, sent) = (progress.acked, progress.positions.len());
        // The last handle writes once more, which must not find the lock taken.
        drop(progress);
        drop(log);
        let steps = stage.steps.load(Ordering::SeqCst);
        Played { path: path.to_owned(), story, acked, sent, steps }
    }

    /// `None` from the first call on that does not go through.
    fn act(self: &Arc<Self>, path: &Path) -> Option<()> {
        const ALONE: usize = 4;
        self.enter(try_open(path, Some(self))?);
        for _ in 0..2 {
            for _ in 0..ALONE {
                self.record_and_wait()?;
            }
            self.compact()?;
        }
        while self.progress.lock().unwrap().positions.len() < self.input.len() {
            self.record_and_wait()?;
        }
        self.close()?;
        self.enter(try_open(path, Some(self))?);
        self.compact()?;
        self.close()
    }

    fn enter(&self, log: Snapshotter) {
        self.progress.lock().unwrap().log = Some(log);
    }

    /// Records the next line, if there is one, and how many there were then.
    fn record(&self) -> Option<(Snapshotter, Position, usize)> {
        // Held while it is recorded, so that the lines come in order.
        let mut progress = self.progress.lock().unwrap();
        let log = progress.log.clone()?;
        let line = self.input.get(progress.positions.len())?;
        let position = record_line(&log, line);
        progress.positions.push(position);
        Some((log, position, progress.positions.len()))
    }

    fn record_and_wait(&self) -> Option<()> {
        let (log, position, sent) = self.record()?;
        log.durable(position).wait(LIMIT).ok()?;
        self.acknowledge(sent);
        Some(())
    }

    fn compact(&self) -> Option<()> {
        let (log, sent) = self.log()?;
        log.compact().wait(LIMIT).ok()?;
        self.acknowledge(sent);
        Some(())
    }

    fn close(&self) -> Option<()> {
        let (log, sent) = self.log()?;
        self.progress.lock().unwrap().log = None;
        log.close().wait(LIMIT).ok()?;
        self.acknowledge(sent);
        Some(())
    }

    fn log(&self) -> Option<(Snapshotter, usize)> {
        let progress = self.progress.lock().unwrap();
        progress.log.clone().map(|log| (log, progress.positions.len()))
    }

    fn acknowledge(&self, lines: usize) {
        let mut progress = self.progress.lock().unwrap();
        progress.acked = progress.acked.max(lines);
    }

    /// Comes before each call that changes the disk.
    fn step(&self) {
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        if let Some((_, happen)) = self.cut.as_ref().filter(|(at, _)| *at == step) {
            self.acknowledge_durable();
            happen();
        }
    }

    /// Whatever the log calls durable at this moment must be there, whether or not anybody has waited for it.
    fn acknowledge_durable(&self) {
        let mut progress = self.progress.lock().unwrap();
        let Some(log) = &progress.log else { return };
        let durable = log.progress().durable;
        let lines = progress.positions.iter().take_while(|position| **position <= durable).count();
        progress.acked = progress.acked.max(lines);
    }

    /// Comes before each call of a rewrite: an event is recorded there, as long as some are left for those who wait.
    fn rewrite_step(&self) {
        const LEFT: usize = 12;
        if self.progress.lock().unwrap().positions.len() + LEFT < self.input.len() {
            drop(self.record());
        }
        self.step();
    }
}

/// Records the events of a line as the tool would.
fn record_line(log: &Snapshotter, line: &str) -> Position {
    let line: Value = serde_json::from_str(line).unwrap();
    let time = |key: &str| LamportTime(line[key].as_u64().unwrap());
    let event = line["event"].as_str().unwrap();
    match event {
        "user" => log.record(Event::User(time("ltime"))),
        "query" => log.record(Event::Query(time("ltime"))),
        "clock" => log.record(Event::Clock(time("time"))),
        "leave" => log.record(Event::Leave),
        _ => {
            let mut position = Position::default();
            for member in line["members"].as_array().unwrap() {
                let addr = format!("{}:7946", member["addr"].as_str().unwrap());
                let name = member["name"].as_str().unwrap();
                let member = Member::new(name.as_bytes(), addr.as_bytes()).unwrap();
                position = log.record(match event {
                    "member-join" => Event::MemberJoin(member),
                    "member-update" => Event::MemberUpdate(member),
                    "member-failed" => Event::MemberFailed(member),
                    "member-leave" => Event::MemberLeave(member),
                    _ => Event::MemberReap(member),
                });
            }
            position
        }
    }
}

/// The real file system, step by step.
struct Stepped(Arc<Stage>);

#[derive(Debug)]
struct SteppedFile {
    file: Box<dyn StorageFile>,
    stage: Stepped,
    /// Whether it was made by a rewrite.
    is_next: bool,
}

impl std::fmt::Debug for Stepped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stepped")
    }
}

impl Storage for Stepped {
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        OsStorage.resolve(path)
    }

    fn lock(
        &self,
        path: &Path,
        like: &Path,
        mode: u32,
    ) -> io::Result<Option<Box<dyn StorageFile>>> {
        self.0.step();
        OsStorage.lock(path, like, mode)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let file = OsStorage.open(path, access)?;
        Ok(Box::new(SteppedFile { file, stage: Self(Arc::clone(&self.0)), is_next: false }))
    }

    fn create(&self, path: &Path, like: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>> {
        self.0.rewrite_step();
        let file = OsStorage.create(path, like, mode)?;
        Ok(Box::new(SteppedFile { file, stage: Self(Arc::clone(&self.0)), is_next: true }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rewrite_step();
        OsStorage.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.step();
        OsStorage.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.step();
        OsStorage.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.rewrite_step();
        OsStorage.sync_dir(dir)
    }
}

impl SteppedFile {
    fn step(&self) {
        if self.is_next {
            self.stage.0.rewrite_step();
        } else {
            self.stage.0.step();
        }
    }
}

impl StorageFile for SteppedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.step();
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step();
        self.file.sync()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn compare(&self, at: &Path, len: u64) -> io::Result<Place> {
        self.file.compare(at, len)
    }
}
