//! Why a command could not do its job.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;

use snapshot_io::OpenError;

use crate::show::shown_path;

/// The exit code of every command that could not do its job.
pub(crate) const CODE: u8 = 2;

/// Why a command could not do its job.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A sentence for people: what, where, and what to do next.
    Told(String),
    /// The output cannot be written.
    Output(io::Error),
}

/// The exit code of a command that did its job.
pub(crate) type Outcome = Result<u8, Failure>;

impl Failure {
    pub(crate) fn told(sentence: impl Into<String>) -> Self {
        Self::Told(sentence.into())
    }

    /// Whether the reader of the output has gone away, which is no fault of anybody.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(sentence) => f.write_str(sentence),
            Self::Output(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}

/// The exit code of a command that has printed, or has tried to: whether anybody reads on does not change it.
pub(crate) fn printed(written: io::Result<()>, code: u8) -> Outcome {
    match written.map_err(Failure::from) {
        Err(failure) if !failure.is_closed_pipe() => Err(failure),
        _ => Ok(code),
    }
}

/// Only writing the output gives bare errors; all others are told with the file and the place.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Why a snapshot cannot be opened for writing, and what to do about it.
pub(crate) fn of_open(path: &Path, error: &OpenError) -> Failure {
    if matches!(error, OpenError::NotASnapshot { .. }) {
        return no_snapshot(path.as_os_str());
    }
    let path = shown_path(path.as_os_str());
    Failure::told(match error {
        OpenError::Locked { .. } => {
            format!("{path}: another recorder holds its lock, {path}.lock; stop that first")
        }
        error => format!("{path}: {error}"),
    })
}

/// Why a file that is to be written is left alone: it may be somebody's document.
pub(crate) fn no_snapshot(path: &OsStr) -> Failure {
    let path = shown_path(path);
    Failure::told(format!(
        "{path}: this is no snapshot: none of its lines is a record; it is left alone, name another file"
    ))
}
