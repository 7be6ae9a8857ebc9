//! The file that is followed: by its path, and by the bytes that were read.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Stdin};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::args::Reader;
use crate::failure::Failure;
use crate::input::{Input, why_not_open};
use crate::show::shown_path;

/// So many bytes before the place that was read up to are read again each time: in a file that was written anew in
/// place, they differ.
const COMPARED: usize = 64;

/// Where bytes come from.
pub(crate) struct Source {
    path: OsString,
    from: From,
    position: u64,
    /// The last bytes that were read.
    last: Vec<u8>,
    /// They are not in the file any more.
    changed: bool,
    /// What is read again, and what comes behind it.
    buffer: Vec<u8>,
}

enum From {
    File { file: File, id: (u64, u64) },
    Pipe(File),
    Stdin(Stdin),
}

/// What is at the path now.
pub(crate) enum Look {
    /// The file that is open, perhaps with more in it.
    Same,
    /// Nothing.
    Gone,
    /// Something else, or the same file that begins anew; read from its start.
    Other(Source),
}

impl Source {
    pub(crate) fn open(path: &OsStr, reader: Reader) -> Result<Self, Failure> {
        let from = if path == "-" {
            From::Stdin(io::stdin())
        } else {
            let told = |error: &io::Error| Failure::told(why_not_open(path, error));
            // Refuses what is no snapshot. The first bytes of a pipe are not there to be looked at twice.
            if fs::metadata(path).map_or(true, |metadata| metadata.is_file() || metadata.is_dir()) {
                drop(Input::open(path, reader)?);
            }
            let file = File::open(path).map_err(|error| told(&error))?;
            let metadata = file.metadata().map_err(|error| told(&error))?;
            if metadata.is_file() {
                From::File { file, id: id(&metadata) }
            } else {
                From::Pipe(file)
            }
        };
        Ok(Self::new(path.to_owned(), from))
    }

    const fn new(path: OsString, from: From) -> Self {
        Self { path, from, position: 0, last: Vec::new(), changed: false, buffer: Vec::new() }
    }

    /// What is at the path now, beside what was read.
    pub(crate) fn look(&self) -> Result<Look, Failure> {
        let From::File { file, id: open } = &self.from else { return Ok(Look::Same) };
        let told = |error: &io::Error| Failure::told(why_not_open(&self.path, error));
        let metadata = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Gone),
            metadata => metadata.map_err(|error| told(&error))?,
        };
        if id(&metadata) == *open {
            if !self.changed && metadata.len() >= self.position {
                return Ok(Look::Same);
            }
            let file = file.try_clone().map_err(|error| told(&error))?;
            return Ok(Look::Other(self.anew(file, *open)));
        }
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Gone),
            file => file.map_err(|error| told(&error))?,
        };
        let metadata = file.metadata().map_err(|error| told(&error))?;
        if !metadata.is_file() {
            let path = shown_path(&self.path);
            return Err(Failure::told(format!("{path}: this is a file no more")));
        }
        Ok(Look::Other(self.anew(file, id(&metadata))))
    }

    fn anew(&self, file: File, id: (u64, u64)) -> Self {
        Self::new(self.path.clone(), From::File { file, id })
    }

    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        match (&self.from, &other.from) {
            (From::File { id, .. }, From::File { id: other, .. }) => id == other,
            _ => false,
        }
    }

    /// Whether this is a file, whose end is not the end.
    pub(crate) const fn is_file(&self) -> bool {
        matches!(self.from, From::File { .. })
    }

    /// How many bytes were read.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// The pipe to wait for.
    pub(crate) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        match &self.from {
            From::File { .. } => None,
            From::Pipe(file) => Some(file.as_fd()),
            From::Stdin(stdin) => Some(stdin.as_fd()),
        }
    }

    /// Reads some bytes; a failure is told with its place.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> Result<usize, Failure> {
        let read = loop {
            let read = match &mut self.from {
                From::File { .. } => self.read_on(space),
                From::Pipe(file) => file.read(space),
                // Past the buffer of `std`, which poll(2) knows nothing of.
                From::Stdin(stdin) => rustix::io::read(stdin, &mut *space).map_err(io::Error::from),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(|error| {
            let (path, at) = (shown_path(&self.path), self.position);
            Failure::told(format!("{path}: cannot be read at byte {at}: {error}"))
        })?;
        self.position += read as u64;
        Ok(read)
    }

    /// Reads what is behind the bytes that were read last, in one call with them: nothing, where they have changed.
    fn read_on(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let From::File { file, .. } = &self.from else { return Ok(0) };
        let again = self.last.len();
        self.buffer.resize(again + space.len(), 0);
        let read = file.read_at(&mut self.buffer, self.position - again as u64)?;
        let bytes = &self.buffer[..read];
        let Some(new) = bytes.strip_prefix(&*self.last) else {
            self.changed = true;
            return Ok(0);
        };
        space[..new.len()].copy_from_slice(new);
        self.last = bytes[read.saturating_sub(COMPARED)..].to_vec();
        Ok(read - again)
    }
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
