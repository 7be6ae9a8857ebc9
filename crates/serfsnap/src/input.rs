//! FILE for reading: a path, a pipe, or `-`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::args::Reader;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::show::shown_path;
use crate::sniff;

/// An open file, of which the first bytes have been looked at.
pub(crate) struct Input {
    /// The path as it was given.
    pub(crate) path: OsString,
    source: Box<dyn Read>,
    /// First bytes that were read and not handed out.
    head: Vec<u8>,
    handed_out: usize,
    regular: bool,
    progress: Progress,
}

impl Input {
    /// Opens FILE, and refuses what cannot be a snapshot.
    ///
    /// Serf's library reads anything, so whoever asks what it would make of a file gets an answer, and a word about
    /// the file on standard error.
    pub(crate) fn open(path: &OsStr, reader: Reader) -> Result<Self, Failure> {
        let input = Self::of_any_kind(path)?;
        input.judge(reader)?;
        Ok(input)
    }

    /// Opens FILE, whatever its first bytes are.
    pub(crate) fn of_any_kind(path: &OsStr) -> Result<Self, Failure> {
        let told = |error: &io::Error| Failure::told(why_not_open(path, error));
        let (source, metadata): (Box<dyn Read>, _) = if path == "-" {
            (Box::new(io::stdin()), None)
        } else {
            refuse_empty(path)?;
            let file = File::open(path).map_err(|error| told(&error))?;
            let metadata = file.metadata().map_err(|error| told(&error))?;
            refuse_directory(path, &metadata)?;
            (Box::new(file), Some(metadata))
        };
        let regular = metadata.as_ref().is_some_and(Metadata::is_file);
        let total = metadata.filter(|_| regular).map(|metadata| metadata.len());
        let progress = Progress::new(total);
        let path = path.to_owned();
        let mut input = Self { path, source, head: Vec::new(), handed_out: 0, regular, progress };
        input.look()?;
        Ok(input)
    }

    /// The first bytes, as long as nothing else was read.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether FILE can be opened and read once more.
    pub(crate) const fn is_regular(&self) -> bool {
        self.regular
    }

    /// No progress bar.
    pub(crate) fn silence(&mut self) {
        self.progress.silence();
    }

    /// The first bytes, at most so many, which are read again as if nobody had looked.
    pub(crate) fn first(&mut self, bytes: usize) -> Result<&[u8], Failure> {
        let missing = bytes.saturating_sub(self.head.len()) as u64;
        let read = self.source.by_ref().take(missing).read_to_end(&mut self.head);
        read.map_err(|error| self.failure(&error))?;
        Ok(&self.head[..bytes.min(self.head.len())])
    }

    /// The read error of this input, told.
    pub(crate) fn failure(&self, error: &io::Error) -> Failure {
        let (path, at) = (shown_path(&self.path), self.progress.done());
        Failure::told(format!(
            "{path}: cannot be read at byte {at}: {error}; nothing is said of a file that was read in part"
        ))
    }

    fn look(&mut self) -> Result<(), Failure> {
        let mut head = Vec::with_capacity(sniff::HEAD);
        let read = self.source.by_ref().take(sniff::HEAD as u64).read_to_end(&mut head);
        read.map_err(|error| self.failure(&error))?;
        self.head = head;
        Ok(())
    }

    fn judge(&self, reader: Reader) -> Result<(), Failure> {
        let Some(what) = sniff::recognise(&self.head) else { return Ok(()) };
        let sentence = format!("{}: this is {what}", shown_path(&self.path));
        if reader != Reader::Serf {
            return Err(Failure::told(sentence));
        }
        crate::out::complain(&format_args!("{sentence}. Read as Serf would read it all the same"));
        Ok(())
    }
}

impl Read for Input {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut head = &self.head[self.handed_out..];
        let read = if head.is_empty() { self.source.read(space)? } else { head.read(space)? };
        self.handed_out = (self.handed_out + read).min(self.head.len());
        self.progress.advance(read);
        Ok(read)
    }
}

/// Refuses a FILE that cannot be written as a snapshot; one that is missing is none of them.
pub(crate) fn refuse_to_write(path: &Path) -> Result<(), Failure> {
    let path = path.as_os_str();
    refuse_empty(path)?;
    if path == "-" {
        return Err(Failure::told(
            "FILE is to be written and cannot be standard input; ./- is a file of that name",
        ));
    }
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return refuse_homeless(path),
        metadata => metadata.map_err(|error| Failure::told(why_not_open(path, &error)))?,
    };
    refuse_directory(path, &metadata)?;
    if !metadata.is_file() {
        let path = shown_path(path);
        return Err(Failure::told(format!(
            "{path}: this is a pipe or a device, and cannot be written as a snapshot"
        )));
    }
    Input::open(path, Reader::Ours).map(drop)
}

/// Refuses a file that is to be created where there is no directory.
pub(crate) fn refuse_homeless(path: &OsStr) -> Result<(), Failure> {
    let parent = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
    let Some(parent) = parent.filter(|parent| !parent.exists()) else { return Ok(()) };
    let (path, parent) = (shown_path(path), shown_path(parent.as_os_str()));
    Err(Failure::told(format!("{path}: there is no directory {parent}; create it first")))
}

fn refuse_empty(path: &OsStr) -> Result<(), Failure> {
    if !path.is_empty() {
        return Ok(());
    }
    Err(Failure::told(
        "the path of FILE is empty; if it came from a variable of a script, that is not set",
    ))
}

fn refuse_directory(path: &OsStr, metadata: &Metadata) -> Result<(), Failure> {
    /// Where Consul and Nomad keep theirs, below their data directory.
    const USUAL: [&str; 6] = [
        "serf/local.snapshot",
        "serf/remote.snapshot",
        "server/serf/snapshot",
        "local.snapshot",
        "remote.snapshot",
        "snapshot",
    ];
    if !metadata.is_dir() {
        return Ok(());
    }
    let found = USUAL.iter().map(|usual| Path::new(path).join(usual)).filter(|path| path.is_file());
    let found: Vec<_> = found.map(|path| shown_path(path.as_os_str())).collect();
    let next = if found.is_empty() {
        "name the snapshot in it".to_owned()
    } else {
        format!("perhaps you mean {}", found.join(" or "))
    };
    Err(Failure::told(format!("{}: this is a directory; {next}", shown_path(path))))
}

/// Why FILE cannot be opened, and what to do about it.
pub(crate) fn why_not_open(path: &OsStr, error: &io::Error) -> String {
    let shown = shown_path(path);
    match error.kind() {
        io::ErrorKind::NotFound => {
            let mut orphan = path.to_owned();
            orphan.push(".compact");
            if Path::new(&orphan).is_file() {
                let orphan = shown_path(&orphan);
                return format!(
                    "{shown}: there is no such file, but {orphan} is there: a compaction of Serf was interrupted \
                     between removing the one and renaming the other; look at it with `serfsnap inspect`"
                );
            }
            format!("{shown}: there is no such file")
        }
        io::ErrorKind::PermissionDenied => match fs::metadata(path) {
            Ok(metadata) => format!(
                "{shown}: permission denied: it belongs to user {} and has mode {:04o}; run this as that user or as root",
                metadata.uid(),
                metadata.mode() & 0o7777,
            ),
            Err(_) => format!(
                "{shown}: permission denied on the way to it; run this as the agent's user or as root"
            ),
        },
        _ => format!("{shown}: cannot be opened: {error}"),
    }
}
