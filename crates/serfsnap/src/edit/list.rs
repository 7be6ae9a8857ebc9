//! A list that stands in another file, or on standard input.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};

use crate::failure::Failure;
use crate::input::why_not_open;
use crate::show::shown_path;

/// Far more than the names of any cluster; a wrong file, or a device without an end, is not read for ever.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// All of it; `-` is standard input.
pub(super) fn read(path: &OsStr) -> Result<Vec<u8>, Failure> {
    let mut list = Vec::new();
    let read = if path == "-" {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut list)
    } else {
        let file = File::open(path);
        let file = file.map_err(|error| Failure::told(why_not_open(path, &error)))?;
        file.take(MAX_BYTES + 1).read_to_end(&mut list)
    };
    let shown = shown_path(path);
    read.map_err(|error| Failure::told(format!("{shown}: the list cannot be read: {error}")))?;
    if list.len() as u64 > MAX_BYTES {
        return Err(Failure::told(format!("{shown}: this is no list: it goes on beyond 64 MiB")));
    }
    Ok(list)
}
