//! OUT: a new file, or one that is replaced where that is wanted.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use snapshot_engine::{Document, Mode, Replay};
use snapshot_io::Exclusive;

use crate::args::{Reader, policy};
use crate::edit::rewrite::replace;
use crate::failure::{self, Failure};
use crate::import::Args;
use crate::input::{self, Input};
use crate::owner;
use crate::reading::{for_each_block, random_seed};
use crate::show::shown_path;

/// What became of OUT.
#[derive(Debug)]
pub(super) enum Written {
    Created,
    /// With the place where the old file is now.
    Replaced(OsString),
    /// It is there, and says so many nodes are alive.
    Kept(usize),
}

/// Refuses an OUT that cannot be written, or must not be, and a FILE that goes on growing, before anything is read.
pub(super) fn refuse(out: &Path, args: &Args) -> Result<(), Failure> {
    let file = args.file.as_os_str();
    if out == "-" {
        return Err(Failure::told(
            "OUT is made durable at its place and cannot be standard output; ./- is a file of that name",
        ));
    }
    let inode = |path: &OsStr| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    if file != "-" && inode(file).is_some_and(|file| inode(out.as_os_str()) == Some(file)) {
        let out = shown_path(out.as_os_str());
        return Err(Failure::told(format!(
            "{out}: this is FILE itself, which an import leaves as it is; name another file"
        )));
    }
    input::refuse_to_write(out)?;
    // Who starts from what was imported too early handles the events behind it twice.
    if file != "-" && !args.assume_stopped {
        owner::refuse_if_open(Path::new(file))?;
    }
    Ok(())
}

/// Writes OUT where there is none; replaces a snapshot only where that is wanted, and anything else never.
pub(super) fn write(out: &Path, args: &Args, document: &Document) -> Result<Written, Failure> {
    let held = held(out)?;
    if let (Some(alive), false) = (held, args.yes) {
        return Ok(Written::Kept(alive));
    }
    if !args.assume_stopped {
        owner::refuse_if_open(out)?;
    }
    // The agent must be able to go on with what root has imported.
    let model = if args.file == "-" { out } else { Path::new(&args.file) };
    let exclusive = Exclusive::lock_like(out, model);
    let exclusive = exclusive.map_err(|error| failure::of_open(out, &error))?;
    // Another one of ours may have made it in the meantime.
    if let Some(alive) = self::held(out)? {
        if !args.yes {
            return Ok(Written::Kept(alive));
        }
        return replace(&exclusive, out, document).map(Written::Replaced);
    }
    exclusive.replace(document).map_err(|error| {
        let out = shown_path(out.as_os_str());
        Failure::told(format!("{out}: cannot be written: {error}"))
    })?;
    Ok(Written::Created)
}

/// How many nodes are alive by the snapshot that is there; none where there is no file.
fn held(out: &Path) -> Result<Option<usize>, Failure> {
    if !fs::exists(out).unwrap_or(true) {
        return Ok(None);
    }
    let mut input = Input::open(out.as_os_str(), Reader::Ours)?;
    let mut replay = Replay::new(Mode::Hardened, &policy(false), random_seed());
    let decoder = for_each_block(&mut input, |block| {
        replay.block(block);
        Ok(())
    })?;
    let (state, report) = replay.finish(decoder.torn());
    if !report.is_snapshot() {
        return Err(failure::no_snapshot(out.as_os_str()));
    }
    Ok(Some(state.len()))
}
