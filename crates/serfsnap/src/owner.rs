//! Whether a process has FILE open.
//!
//! Serf, Consul and Nomad take no lock. One that runs would write on into the old file, and its next compaction would
//! undo whatever was done to the new one.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;

use crate::failure::Failure;
use crate::show::{shown, shown_path};

const PROC: &str = "/proc";

/// Refuses to go on where a process has FILE open, or where nobody can tell.
///
/// What it does not see: agents in another pid namespace, and on other machines that share the file system.
pub(crate) fn refuse_if_open(path: &Path) -> Result<(), Failure> {
    let shown = shown_path(path.as_os_str());
    let metadata = match fs::metadata(path) {
        // What is not there is nobody's.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata
            .map_err(|error| Failure::told(crate::input::why_not_open(path.as_os_str(), &error)))?,
    };
    let user = rustix::process::geteuid().as_raw();
    match search(Path::new(PROC), &metadata, user) {
        Ok(holders) if holders.is_empty() => Ok(()),
        Ok(holders) => {
            let (have, them) = if holders.len() == 1 { ("has", "it") } else { ("have", "them") };
            let holders: Vec<_> = holders.iter().map(Holder::shown).collect();
            Err(Failure::told(format!(
                "{shown}: {} {have} it open; stop {them} first, or say --assume-stopped if nothing writes there",
                holders.join(" and ")
            )))
        }
        Err(why) => Err(Failure::told(format!(
            "{shown}: nobody can tell whether an agent has it open: {why}; run this as root or as user {}, or say \
             --assume-stopped if the agent is stopped",
            metadata.uid()
        ))),
    }
}

/// A process.
#[derive(Debug)]
struct Holder {
    pid: u32,
    program: String,
}

impl Holder {
    fn new(proc: &Path, pid: u32) -> Self {
        let program = fs::read(proc.join(pid.to_string()).join("comm")).unwrap_or_default();
        Self { pid, program: shown(program.trim_ascii_end()) }
    }

    fn shown(&self) -> String {
        format!("process {} ({})", self.pid, self.program)
    }
}

/// The processes that have the file open, this one apart; an error is why they cannot be known.
fn search(proc: &Path, file: &Metadata, user: u32) -> Result<Vec<Holder>, String> {
    if user != 0 && user != file.uid() {
        return Err("this is neither root nor the owner of the file".to_owned());
    }
    let cannot = |error: io::Error| format!("{} cannot be read: {error}", proc.display());
    let mut holders = Vec::new();
    for entry in fs::read_dir(proc).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if pid == process::id() {
            continue;
        }
        match has_open(&proc.join(&name), file) {
            Ok(true) => holders.push(Holder::new(proc, pid)),
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    && may_be_owner(proc, pid, file, user) =>
            {
                let holder = Holder::new(proc, pid).shown();
                return Err(format!("the open files of {holder} cannot be listed"));
            }
            // It has ended meanwhile, or is somebody else's.
            Ok(false) | Err(_) => {}
        }
    }
    Ok(holders)
}

fn has_open(process: &Path, file: &Metadata) -> io::Result<bool> {
    for entry in fs::read_dir(process.join("fd"))? {
        // Follows the link to the open file itself, also where its name is gone.
        let Ok(open) = fs::metadata(entry?.path()) else { continue };
        if (open.dev(), open.ino()) == (file.dev(), file.ino()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a process whose files cannot be listed runs as the owner of the file, or, where root cannot list them, as
/// root: agents run as one of these.
fn may_be_owner(proc: &Path, pid: u32, file: &Metadata, user: u32) -> bool {
    let status = fs::read_to_string(proc.join(pid.to_string()).join("status")).unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    let mut uids = uids.split_whitespace().filter_map(|uid| uid.parse::<u32>().ok());
    uids.any(|uid| uid == file.uid() || (uid == 0 && user == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn no_proc_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("snapshot")).unwrap().metadata().unwrap();
        let missing = directory.path().join("proc");
        assert!(search(&missing, &file, file.uid()).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn a_stranger_cannot_look() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("snapshot")).unwrap().metadata().unwrap();
        let why = search(Path::new(PROC), &file, file.uid() + 1).unwrap_err();
        assert!(why.contains("neither root nor the owner"), "{why}");
    }

    #[test]
    fn this_process_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let open = File::create(directory.path().join("snapshot")).unwrap();
        let file = open.metadata().unwrap();
        assert!(search(Path::new(PROC), &file, file.uid()).unwrap().is_empty());
    }

    #[test]
    fn a_process_of_the_owner_that_hides_its_files_may_be_the_agent() {
        let proc = tempfile::tempdir().unwrap();
        let process = proc.path().join("4000000000");
        fs::create_dir(&process).unwrap();
        let file = File::create(process.join("status")).unwrap().metadata().unwrap();
        let check = |uids: &str, user, expect| {
            fs::write(process.join("status"), format!("Name:\tx\nUid:\t{uids}\nGid:\t0\n"))
                .unwrap();
            let found = may_be_owner(proc.path(), 4_000_000_000, &file, user);
            assert_eq!(found, expect, "{uids} seen by {user}");
        };
        let owner = file.uid();
        check(&format!("{0}\t{0}\t{0}\t{0}", owner + 7), owner + 1, false);
        check(&format!("{}\t{owner}\t{owner}\t{owner}", owner + 7), owner, true);
        check("0\t0\t0\t0", 0, true);
    }
}
