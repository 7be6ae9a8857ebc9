//! The change itself: owner search, lock, backup, replacement.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use snapshot_engine::Document;
use snapshot_io::Exclusive;

use crate::edit::Edit;
use crate::edit::plan::{Plan, now};
use crate::failure::{self, Failure};
use crate::show::shown_path;
use crate::{owner, time};

/// Plans once more, now that nobody else can write, and does it; where the old file is now, unless there was nothing
/// left to do.
pub(super) fn rewrite(
    edit: &impl Edit,
    path: &Path,
    assume_stopped: bool,
) -> Result<(Plan, Option<OsString>), Failure> {
    if !assume_stopped {
        owner::refuse_if_open(path)?;
    }
    let exclusive = Exclusive::lock(path).map_err(|error| failure::of_open(path, &error))?;
    let plan = Plan::new(edit, path)?;
    if !edit.is_needed(&plan) {
        return Ok((plan, None));
    }
    let backup = replace(&exclusive, path, plan.document())?;
    Ok((plan, Some(backup)))
}

/// Puts a document in the place of a file that is there; where the old file is now.
pub(crate) fn replace(
    exclusive: &Exclusive,
    path: &Path,
    document: &Document,
) -> Result<OsString, Failure> {
    let backup = exclusive.back_up(&format!(".bak-{}", time::compact(now())));
    let backup = backup.map_err(|error| failure::of_open(path, &error))?;
    match exclusive.replace(document) {
        Ok(_) => Ok(backup.into()),
        Err(error) => Err(not_replaced(path, &backup, &error)),
    }
}

/// What is there now, where the new file could not be put in the place of the old one.
fn not_replaced(path: &Path, backup: &Path, error: &io::Error) -> Failure {
    let shown = shown_path(path.as_os_str());
    // The backup is a second name of the file that is still there, and of no use.
    if is_same(path, backup) && fs::remove_file(backup).is_ok() {
        return Failure::told(format!(
            "{shown}: cannot be replaced: {error}; the file is as it was, nothing was changed"
        ));
    }
    let backup = shown_path(backup.as_os_str());
    Failure::told(format!("{shown}: cannot be replaced: {error}; what it held is in {backup}"))
}

fn is_same(path: &Path, other: &Path) -> bool {
    let inode = |path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((inode(path), fs::symlink_metadata(other)), (Ok(inode), Ok(other)) if inode == (other.dev(), other.ino()))
}
