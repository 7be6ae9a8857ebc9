//! Where an export goes.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;

use crate::failure::Failure;
use crate::out::Out;
use crate::show::shown_path;

/// Standard output, or a file that is replaced at once.
pub(crate) enum Place {
    Stdout,
    /// A pipe or a device, which has no old contents to keep.
    Stream(PathBuf),
    File(PathBuf),
}

impl Place {
    /// Refuses to write over the input.
    pub(crate) fn new(output: &Path, input: &OsStr) -> Result<Self, Failure> {
        if output == "-" {
            return Ok(Self::Stdout);
        }
        let shown = shown_path(output.as_os_str());
        if output.as_os_str().is_empty() {
            return Err(Failure::told(
                "the path of OUT is empty; if it came from a variable of a script, that is not set",
            ));
        }
        // What a link leads to is replaced, not the link.
        let path = fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
        let Ok(metadata) = fs::metadata(&path) else { return Ok(Self::File(path)) };
        if metadata.is_dir() {
            return Err(Failure::told(format!("{shown}: this is a directory; name a file in it")));
        }
        let same =
            |other: fs::Metadata| (other.dev(), other.ino()) == (metadata.dev(), metadata.ino());
        if input != "-" && fs::metadata(input).is_ok_and(same) {
            return Err(Failure::told(format!(
                "{shown}: this is FILE itself, which an export must not replace; name another file"
            )));
        }
        Ok(if metadata.is_file() { Self::File(path) } else { Self::Stream(path) })
    }

    /// Writes everything, or leaves what was there as it was.
    pub(crate) fn write(
        &mut self,
        body: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        match self {
            Self::Stdout => {
                let mut out = Out::new();
                Ok(body(&mut out).and_then(|()| out.flush())?)
            }
            Self::Stream(path) => {
                let written = OpenOptions::new().write(true).open(&*path).and_then(|file| {
                    let mut out = BufWriter::new(file);
                    body(&mut out).and_then(|()| out.flush())
                });
                match written {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                    written => written.map_err(|error| told(path, &error)),
                }
            }
            Self::File(path) => replace(path, body).map_err(|error| told(path, &error)),
        }
    }
}

fn replace(path: &Path, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push(format!(".tmp-{}", process::id()));
    let next = PathBuf::from(next);
    let file = File::create_new(&next)?;
    let written = fs::metadata(path)
        .map_or(Ok(()), |old| file.set_permissions(old.permissions()))
        .and_then(|()| {
            let mut out = BufWriter::new(&file);
            body(&mut out)?;
            out.flush()
        })
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&next, path));
    if written.is_err() {
        // Held space makes other programs fail.
        let _ = fs::remove_file(&next);
    }
    written
}

fn told(path: &Path, error: &io::Error) -> Failure {
    let shown = shown_path(path.as_os_str());
    Failure::told(format!("{shown}: cannot be written: {error}; what was there is as it was"))
}
