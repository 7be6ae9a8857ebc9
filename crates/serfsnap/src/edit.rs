//! Commands that write: `compact`, `repair`, `prune`, `readdress`, `revive` and `set-clock`.
//!
//! Each of them says what it wants to be different, in a file of its own; how a file is read, changed, shown and
//! replaced is here, once.
//! A dry run and the run that writes make the same plan, the latter again once nobody else can write.

pub(crate) mod compact;
pub(crate) mod prune;
pub(crate) mod readdress;
pub(crate) mod repair;
pub(crate) mod revive;
pub(crate) mod rewrite;
pub(crate) mod set_clock;

mod change;
mod departures;
mod host;
mod list;
mod original;
mod page;
mod plan;
mod row;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use snapshot_engine::{Document, Report};

use crate::args::Format;
use crate::edit::original::Original;
use crate::edit::plan::Plan;
use crate::failure::{self, Outcome};
use crate::out::Out;
use crate::{input, json};

/// What every command that writes is told.
#[derive(clap::Args)]
pub(crate) struct Target {
    /// The snapshot
    file: OsString,

    /// Do it
    #[arg(long)]
    yes: bool,

    /// Do not look for a process that has FILE open: it is known that nothing writes there
    #[arg(long)]
    assume_stopped: bool,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// What a command wants to be different.
trait Edit {
    /// What it asks of the file besides what our reader recovers.
    const ASKS: Asks = Asks { serfs_reading: false, departures: false };

    /// Whether a damaged file can be changed along with being repaired. Where it cannot, a rewrite would hide the
    /// damage behind another change. It needs Serf's reading.
    fn takes_damage(&self, _report: &Report) -> bool {
        false
    }

    /// Makes the change, or says why it cannot be made in this file.
    fn edit(&self, original: &Original) -> Result<Edited, String>;

    /// Whether there is something to write.
    fn is_needed(&self, plan: &Plan) -> bool {
        !plan.changes().is_empty()
    }

    /// The first line behind the path, of what would be done or has been.
    fn heading(&self, plan: &Plan, done: bool) -> String {
        page::heading(&plan.changes(), done)
    }

    /// The first line behind the path, where there is nothing to write.
    fn nothing(&self, _plan: &Plan) -> String {
        "nothing to change".to_owned()
    }
}

/// What can be asked of a file besides what our reader recovers.
#[derive(Clone, Copy, Debug)]
struct Asks {
    /// What Serf makes of it, where it is damaged.
    serfs_reading: bool,
    /// Whom later lines have taken out.
    departures: bool,
}

/// A document as it is to be written.
#[derive(Default)]
struct Edited {
    /// None where it says what it said.
    document: Option<Document>,
    /// Sentences for people about what they may not expect.
    notes: Vec<String>,
}

/// Shows what an edit changes, and makes it where that is wanted.
fn run(edit: &impl Edit, target: &Target) -> Outcome {
    let path = Path::new(&target.file);
    input::refuse_to_write(path)?;
    let mut plan = Plan::new(edit, path)?;
    let mut backup = None;
    if target.yes && edit.is_needed(&plan) {
        (plan, backup) = rewrite::rewrite(edit, path, target.assume_stopped)?;
    }
    let mut out = Out::new();
    let backup = backup.as_deref();
    let written = match target.format {
        Format::Table => page::print(&mut out, edit, &plan, &target.file, backup),
        Format::Json | Format::Jsonl => {
            json::line(&mut out, &row::Row::new(edit, &plan, &target.file, backup))
        }
    };
    let code = u8::from(!target.yes && edit.is_needed(&plan));
    failure::printed(written.and_then(|()| out.flush()), code)
}
