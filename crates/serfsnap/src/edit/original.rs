//! The file as it was read.

use std::ffi::OsStr;

use snapshot_engine::{Document, DocumentReader, Mode, Report, State, Verdict};

use crate::args::{Reader, policy};
use crate::edit::Asks;
use crate::edit::departures::Departures;
use crate::failure::{self, Failure};
use crate::input::Input;
use crate::reading::{for_each_block, random_seed};
use crate::show::{count, shown_path};

/// A file as it was read, under both settings of `rejoin_after_leave`.
pub(super) struct Original {
    /// By the hardened reader: what a rewrite starts from.
    pub(super) document: Document,
    pub(super) report: Report,
    /// As Serf reads it, where that may be something else.
    serf: Option<Document>,
    /// Who was taken out by later lines, where that was asked for.
    pub(super) departures: Departures,
}

impl Original {
    pub(super) fn read(
        path: &OsStr,
        asks: Asks,
        takes_damage: impl Fn(&Report) -> bool,
    ) -> Result<Self, Failure> {
        let mut input = Input::open(path, Reader::Ours)?;
        let reader = |mode| DocumentReader::new(mode, &policy(false), random_seed());
        let mut hardened = reader(Mode::Hardened);
        let mut serf = asks.serfs_reading.then(|| reader(Mode::Serf));
        let mut departures = Departures::default();
        let decoder = for_each_block(&mut input, |block| {
            if let Some(serf) = &mut serf {
                serf.block(block.clone());
            }
            if asks.departures {
                for line in block.lines {
                    departures.line(&mut hardened, line, block.trust);
                }
            } else {
                hardened.block(block);
            }
            Ok(())
        })?;
        let (document, report) = hardened.finish(decoder.torn());
        refuse(path, &report, takes_damage)?;
        let is_damaged = report.verdict() == Verdict::Damaged;
        let serf = serf.filter(|_| is_damaged).map(|serf| serf.finish(decoder.torn()).0);
        Ok(Self { document, report, serf, departures })
    }

    /// Who is alive, and the clocks, as an unmodified agent has them. On undamaged files all readers agree.
    pub(super) fn serfs(&self, rejoins: bool) -> &State {
        self.serf.as_ref().unwrap_or(&self.document).state(rejoins)
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.serf.is_some()
    }
}

fn refuse(
    path: &OsStr,
    report: &Report,
    takes_damage: impl Fn(&Report) -> bool,
) -> Result<(), Failure> {
    if !report.is_snapshot() {
        return Err(failure::no_snapshot(path));
    }
    if report.verdict() != Verdict::Damaged || takes_damage(report) {
        return Ok(());
    }
    let path = shown_path(path);
    let findings = count(report.findings_total, "finding");
    let place = report.findings.first().map_or_else(String::new, |first| {
        format!(", the first in line {} at byte {} ({})", first.line, first.offset, first.kind)
    });
    Err(Failure::told(format!(
        "{path}: this file is damaged: {findings}{place}; a rewrite would hide that; `serfsnap repair` shows all of it \
         and salvages what can be, run it first"
    )))
}
