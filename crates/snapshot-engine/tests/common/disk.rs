//! The two files of a snapshot in memory: what a killed process leaves of them, and what a power cut may.

use snapshot_engine::{Effect, LogFile, Outcome};

/// An effect without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Check,
    Create,
    WriteLog,
    WriteNext,
    SyncLog,
    SyncNext,
    Replace,
    SyncDir,
    Discard,
}

impl Call {
    pub const ALL: [Self; 9] = [
        Self::Check,
        Self::Create,
        Self::WriteLog,
        Self::WriteNext,
        Self::SyncLog,
        Self::SyncNext,
        Self::Replace,
        Self::SyncDir,
        Self::Discard,
    ];

    pub const fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Check => Self::Check,
            Effect::Create => Self::Create,
            Effect::Write(LogFile::Log, _) => Self::WriteLog,
            Effect::Write(LogFile::Next, _) => Self::WriteNext,
            Effect::Sync(LogFile::Log) => Self::SyncLog,
            Effect::Sync(LogFile::Next) => Self::SyncNext,
            Effect::Replace => Self::Replace,
            Effect::SyncDir => Self::SyncDir,
            Effect::Discard => Self::Discard,
        }
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub outcome: Outcome,
    /// How many bytes of a write arrive all the same; any other call is done in spite of its failure unless this is 0.
    pub done: usize,
    /// Whether all later calls of the kind fail too.
    pub lasting: bool,
}

#[derive(Clone, Debug, Default)]
pub struct File {
    pub bytes: Vec<u8>,
    /// How many bytes a power cut leaves at least.
    pub synced: usize,
    /// After a failed sync the system holds the lost bytes for clean: no later sync brings them to the disk.
    lost: bool,
}

type Inode = usize;

#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    /// What has the name of the log, and of the new file.
    path: Option<Inode>,
    beside: Option<Inode>,
    /// The open files.
    log: Option<Inode>,
    next: Option<Inode>,
    /// How long the log was left.
    left: usize,
    /// What the path may be after a power cut.
    durable: Vec<Option<Inode>>,
    faults: Vec<(Call, Fault)>,
}

impl Disk {
    /// A disk with this file at the path, durable as it stands.
    pub fn new(log: Option<&[u8]>) -> Self {
        let synced =
            |bytes: &[u8]| File { bytes: bytes.to_vec(), synced: bytes.len(), lost: false };
        let files = log.map(synced).into_iter().collect();
        let path = log.map(|_| 0);
        let left = log.map_or(0, <[u8]>::len);
        Self { files, path, log: path, left, durable: vec![path], ..Self::default() }
    }

    pub fn fail(&mut self, call: Call, fault: Fault) {
        self.faults.push((call, fault));
    }

    /// From now on nothing fails.
    pub fn heal(&mut self) {
        self.faults.clear();
    }

    /// What a new process finds at the path.
    pub fn at_path(&self) -> Option<&[u8]> {
        self.path.map(|inode| &self.files[inode].bytes[..])
    }

    /// The new file, as far as it is written.
    pub fn beside(&self) -> Option<&File> {
        self.beside.map(|inode| &self.files[inode])
    }

    /// What a power cut may leave at the path: of each file that may have its name, as little as possible.
    pub fn after_power_cut(&self) -> Vec<Option<&[u8]>> {
        let synced = |inode: Inode| &self.files[inode].bytes[..self.files[inode].synced];
        self.durable.iter().map(|file| file.map(synced)).collect()
    }

    /// Somebody else writes to the file at the path.
    pub fn edit(&mut self, edit: impl FnOnce(&mut Vec<u8>)) {
        edit(&mut self.files[self.path.unwrap()].bytes);
    }

    /// Somebody else puts another file at the path, or removes it.
    pub fn plant(&mut self, bytes: Option<&[u8]>) {
        self.path = bytes.map(|bytes| self.add(bytes));
    }

    pub fn carry_out(&mut self, effect: &Effect) -> Outcome {
        let call = Call::of(effect);
        let at = self.faults.iter().position(|(of, _)| *of == call);
        let fault = at.map(|at| {
            let lasting = self.faults[at].1.lasting;
            if lasting { self.faults[at].1 } else { self.faults.remove(at).1 }
        });
        let done = fault.is_none_or(|fault| fault.done > 0);
        match effect {
            Effect::Check => {
                return fault.map_or_else(|| self.compare(), |fault| fault.outcome);
            }
            Effect::Write(file, bytes) => {
                let len = fault.map_or(bytes.len(), |fault| fault.done.min(bytes.len()));
                let inode = self.open(*file);
                self.files[inode].bytes.extend_from_slice(&bytes[..len]);
                self.left += if *file == LogFile::Log { len } else { 0 };
            }
            Effect::Sync(file) => {
                let inode = self.open(*file);
                let file = &mut self.files[inode];
                file.lost |= !done;
                file.synced = if file.lost { file.synced } else { file.bytes.len() };
            }
            Effect::Replace if done => self.replace(fault.is_none()),
            Effect::SyncDir if done => self.durable = vec![self.path],
            Effect::Create if done => {
                let inode = self.add(b"");
                (self.beside, self.next) = (Some(inode), Some(inode));
            }
            Effect::Discard if done => (self.beside, self.next) = (None, None),
            _ => {}
        }
        fault.map_or(Outcome::Done, |fault| fault.outcome)
    }

    fn compare(&self) -> Outcome {
        let same = self.log.is_some()
            && self.path == self.log
            && self.at_path().is_some_and(|bytes| bytes.len() == self.left);
        if same { Outcome::Done } else { Outcome::Gone }
    }

    fn replace(&mut self, is_known: bool) {
        self.path = self.beside.take();
        assert!(self.path.is_some(), "a rename without a file");
        self.durable.push(self.path);
        if is_known {
            self.log = self.next.take();
            self.left = self.at_path().map_or(0, <[u8]>::len);
        }
    }

    fn open(&self, file: LogFile) -> Inode {
        match file {
            LogFile::Log => self.log,
            LogFile::Next => self.next,
        }
        .expect("the file is not open")
    }

    fn add(&mut self, bytes: &[u8]) -> Inode {
        self.files.push(File { bytes: bytes.to_vec(), ..File::default() });
        self.files.len() - 1
    }
}
