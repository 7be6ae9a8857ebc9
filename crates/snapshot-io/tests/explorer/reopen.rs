//! The next process on a disk: it recovers, recovers the same once more, goes on, and closes.

use snapshot_engine::Finding;
use snapshot_format::Trust;
use snapshot_io::sim::{SimStorage, Stepper};
use snapshot_io::{Report, read_blocks};
use snapshot_model::Model;

use crate::common::{START, model_of};
use crate::run::{ORPHAN, PATH, Run, Settings};
use crate::{plain, show};

/// What a disk says.
#[derive(Debug)]
pub(crate) struct Found {
    /// Under our setting of `rejoin_after_leave` and the other.
    pub(crate) models: [Model; 2],
    /// What the blocks whose seals hold say alone.
    pub(crate) sealed: Model,
    pub(crate) file: Vec<u8>,
}

/// Opens the snapshot on this disk in all the ways there are.
///
/// # Errors
/// A sentence: what was not as it has to be.
pub(crate) fn reopen(storage: &SimStorage, settings: Settings) -> Result<Found, String> {
    let file = storage.contents(PATH).or_else(|| storage.contents(ORPHAN)).unwrap_or_default();
    let adopts = storage.contents(PATH).is_some() || is_whole(&file);
    let file = if adopts { file } else { Vec::new() };
    let other = open(&storage.process_crash(), settings.other())?.0;
    let (first, report) = open(storage, settings)?;
    for (found, rules) in [(&first, settings.rules()), (&other, settings.other().rules())] {
        let expected = snapshot_model::replay(&file, &rules);
        if *found != expected {
            return Err(format!("recovered {}\nthe oracle reads {}", show(found), show(&expected)));
        }
    }
    let (second, _) = open(storage, settings)?;
    if second != first {
        return Err(format!("recovered {}\nthe second open {}", show(&first), show(&second)));
    }
    go_on(storage.process_crash(), settings)?;
    check_report(&file, &report)?;
    let sealed = snapshot_model::replay(&sealed_part(&file), &settings.rules());
    Ok(Found { models: [first, other], sealed, file })
}

/// Records, closes, and opens again after a power cut: all must be there.
fn go_on(storage: SimStorage, settings: Settings) -> Result<(), String> {
    let was_in_doubt = storage.is_in_doubt();
    let mut run = Run::new(settings, storage, plain(), None);
    run.open();
    run.burst(1);
    run.advance(700);
    run.burst(2);
    run.close();
    if let Some(why) = run.failure {
        return Err(format!("going on: {why}"));
    }
    if was_in_doubt {
        // What the dead process knew of a failed sync nobody knows now.
        let (found, _) = open(&run.storage.process_crash(), settings)?;
        return if found == *run.model() {
            Ok(())
        } else {
            Err(format!("opened {}", show(&found)))
        };
    }
    for image in run.storage.crash_images(1, 20).at_most(20) {
        let (found, _) = open(&image.storage, settings)?;
        if found != *run.model() {
            let (expected, found) = (show(run.model()), show(&found));
            return Err(format!("closed with {expected}\nopened {found}\n{image}"));
        }
    }
    Ok(())
}

fn open(storage: &SimStorage, settings: Settings) -> Result<(Model, Report), String> {
    let options = settings.options(storage.clone());
    match Stepper::open(&options, PATH, START) {
        Ok((mut stepper, recovery)) => Ok((model_of(stepper.engine().state()), recovery.report)),
        Err(error) => Err(format!("open failed: {error}")),
    }
}

/// The blocks whose seals hold.
pub(crate) fn sealed_part(file: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    read_blocks(file, |block| {
        if matches!(block.trust, Trust::Sealed(_)) {
            block.lines.for_each(|line| sealed.extend([line.bytes, b"\n"].concat()));
        }
    })
    .expect("a slice can be read");
    sealed
}

/// Whether the report names every block that no seal vouches for.
fn check_report(file: &[u8], report: &Report) -> Result<(), String> {
    let mut unreported = None;
    read_blocks(file, |block| {
        let is_sealed = matches!(block.trust, Trust::Sealed(_));
        let (mut start, mut end) = (None, 0);
        for line in block.lines {
            start.get_or_insert(line.offset);
            end = line.offset + line.len;
        }
        let start = start.unwrap_or(end);
        let names =
            |finding: &Finding| finding.offset <= start && end <= finding.offset + finding.len;
        if !is_sealed && start < report.sealed_until && !report.findings.iter().any(names) {
            unreported.get_or_insert((start, end));
        }
    })
    .expect("a slice can be read");
    // It holds the first findings, and counts all.
    let is_whole = report.findings.len() as u64 == report.findings_total;
    unreported.filter(|_| is_whole).map_or(Ok(()), |(start, end)| {
        Err(format!("nobody vouches for bytes {start} to {end}, and no finding names them"))
    })
}

/// Whether this is all of what Serf's compaction writes.
fn is_whole(orphan: &[u8]) -> bool {
    let lines: Vec<_> = orphan.split_inclusive(|byte| *byte == b'\n').rev().take(3).collect();
    let ends: [&[u8]; 3] = [b"query-clock: ", b"event-clock: ", b"clock: "];
    orphan.ends_with(b"\n")
        && lines.len() == 3
        && lines
            .iter()
            .zip(ends)
            .all(|(line, end)| line.starts_with(end) && line.len() > end.len() + 1)
}
