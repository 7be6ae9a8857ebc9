//! The whole at work: a protocol that is right survives every crash, and each wrong one is caught.

use super::*;

/// The steps of replacing a file that a wrong protocol leaves out or does at the wrong time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    NoSync,
    SyncAfterRename,
    NoDirectorySync,
    RemoveFirst,
    InPlace,
    SyncErrorIgnored,
}

const OLD: &[u8] = b"old";
const NEW: &[u8] = b"the new one";

fn replace(storage: &SimStorage, mistake: Mistake) -> io::Result<()> {
    let (log, next) = (Path::new(LOG), Path::new(NEXT));
    if mistake == Mistake::InPlace {
        let mut file = storage.open(log, Access::Append)?;
        file.write(NEW)?;
        return file.sync();
    }
    let mut file = storage.create(next, log, 0o644)?;
    file.write(NEW)?;
    match mistake {
        Mistake::NoSync | Mistake::SyncAfterRename => {}
        Mistake::SyncErrorIgnored => drop(file.sync()),
        _ => file.sync()?,
    }
    if mistake == Mistake::RemoveFirst {
        storage.remove(log)?;
    }
    storage.rename(next, log)?;
    if mistake == Mistake::SyncAfterRename {
        file.sync()?;
    }
    if mistake == Mistake::NoDirectorySync { Ok(()) } else { storage.sync_dir(Path::new("/")) }
}

/// Crashes after every call, and after every failed one, and gives the listing of the first image
/// that is neither the old file nor the new one, or is the old one after a success.
fn first_loss(mistake: Mistake) -> Option<String> {
    let dry = SimStorage::new();
    dry.plant(LOG, OLD);
    replace(&dry, mistake).unwrap();
    for call in 1..=dry.calls() {
        for fail in [false, true] {
            let storage = SimStorage::new();
            storage.plant(LOG, OLD);
            if fail {
                storage.fail(At::Number(call), Fault::error(libc::EIO));
            } else {
                storage.kill_after(call);
            }
            let done = replace(&storage, mistake).is_ok();
            for image in storage.crash_images(call, 100) {
                let found = image.storage.contents(LOG);
                let fine = match found.as_deref() {
                    Some(NEW) => true,
                    Some(OLD) => !done,
                    _ => false,
                };
                if !fine {
                    return Some(format!("{mistake:?}:\n{}{image}{found:?}", storage.journal()));
                }
            }
        }
    }
    None
}

#[test]
fn a_right_protocol_survives_every_crash() {
    assert_eq!(first_loss(Mistake::None), None);
}

#[test]
fn each_wrong_protocol_is_caught() {
    for mistake in [
        Mistake::NoSync,
        Mistake::SyncAfterRename,
        Mistake::NoDirectorySync,
        Mistake::RemoveFirst,
        Mistake::InPlace,
        Mistake::SyncErrorIgnored,
    ] {
        assert!(first_loss(mistake).is_some(), "{mistake:?}");
    }
}
