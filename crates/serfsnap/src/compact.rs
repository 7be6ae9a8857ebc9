//! `compact`: the same file without what later lines have replaced.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use snapshot_engine::{Document, DocumentReader, Mode, Report, State, UnixMillis, Verdict};
use snapshot_format::Lines;
use snapshot_io::Exclusive;

use crate::args::{Format, Reader, policy};
use crate::failure::{self, Failure, Outcome};
use crate::input::{self, Input};
use crate::out::{Out, Tone};
use crate::reading::random_seed;
use crate::show::{count, shown_path};
use crate::{json, owner, time};

/// Rewrite a snapshot without what later lines have replaced, and seal it.
///
/// A dry run unless --yes is given: it says what would change and exits 1 if anything would.
/// People's comments are kept, and so are both readings of a file with a `leave` line.
/// The agent must be stopped: Serf, Consul and Nomad take no lock, and a running one would undo the change.
/// The old file is kept beside the new one as FILE.bak-TIME, a hard link that needs no space.
/// A damaged file is refused, since a rewrite would hide what happened to it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
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

const EXAMPLES: &str = "\
Examples:
  serfsnap compact /var/lib/serf/snapshot
      What would change.
  systemctl stop serf && serfsnap compact --yes /var/lib/serf/snapshot && systemctl start serf

Exit codes: 0 rewritten, or nothing to do; 1 in a dry run if something would change; 2 if it cannot be done.";

pub(crate) fn run(args: &Args) -> Outcome {
    let path = Path::new(&args.file);
    input::refuse_to_write(path)?;
    let mut input = Input::open(&args.file, Reader::Ours)?;
    let read = snapshot_io::read_document(&mut input, reader());
    let (document, report) = read.map_err(|error| input.failure(&error))?;
    let mut plan = Plan::new(&args.file, &document, &report)?;
    if args.yes && plan.changes() {
        plan = rewrite(path, args.assume_stopped)?;
    }
    let mut out = Out::new();
    let written = match args.format {
        Format::Table => plan.print(&mut out, &args.file),
        Format::Json | Format::Jsonl => json::line(&mut out, &plan.row(&args.file)),
    };
    let code = u8::from(plan.changes() && !args.yes);
    failure::printed(written.and_then(|()| out.flush()), code)
}

fn reader() -> DocumentReader {
    DocumentReader::new(Mode::Hardened, &policy(false), random_seed())
}

/// Reads once more, now that nobody else can write, and does it.
fn rewrite(path: &Path, assume_stopped: bool) -> Result<Plan, Failure> {
    if !assume_stopped {
        owner::refuse_if_open(path)?;
    }
    let exclusive = Exclusive::lock(path).map_err(|error| failure::of_open(path, &error))?;
    let mut input = Input::open(path.as_os_str(), Reader::Ours)?;
    let read = snapshot_io::read_document(&mut input, reader());
    let (document, report) = read.map_err(|error| input.failure(&error))?;
    let mut plan = Plan::new(path.as_os_str(), &document, &report)?;
    if !plan.changes() {
        return Ok(plan);
    }
    let backup = exclusive.back_up(&format!(".bak-{}", time::compact(now())));
    let backup = backup.map_err(|error| failure::of_open(path, &error))?;
    exclusive.replace(&document).map_err(|error| {
        let (path, backup) = (shown_path(path.as_os_str()), shown_path(backup.as_os_str()));
        Failure::told(format!("{path}: cannot be replaced: {error}; what it held is in {backup}"))
    })?;
    plan.backup = Some(backup.into());
    Ok(plan)
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What a rewrite changes.
struct Plan {
    old_bytes: u64,
    old_lines: u64,
    new_bytes: u64,
    new_lines: u64,
    was_sealed: bool,
    torn_bytes: u64,
    dropped_comments: u64,
    /// Nodes a reader sees, with the setting of `rejoin_after_leave` off and on.
    alive: [usize; 2],
    failed: [usize; 2],
    /// Where the old file is now; none in a dry run.
    backup: Option<OsString>,
}

impl Plan {
    fn new(path: &OsStr, document: &Document, report: &Report) -> Result<Self, Failure> {
        refuse(path, report)?;
        // The time of the seals is a number of thirteen digits whenever it is.
        let (mut new_bytes, mut new_lines) = (0, 0);
        for batch in document.batches(now()) {
            new_bytes += batch.len() as u64;
            new_lines += Lines::new(&batch).count() as u64;
        }
        let states = [false, true].map(|rejoins| document.state(rejoins));
        Ok(Self {
            old_bytes: report.bytes,
            old_lines: report.lines,
            new_bytes,
            new_lines,
            was_sealed: report.is_wholly_sealed(),
            torn_bytes: report.torn.as_ref().map_or(0, |torn| torn.end - torn.start),
            dropped_comments: document.dropped_comments(),
            alive: states.map(State::len),
            failed: states.map(State::failed_len),
            backup: None,
        })
    }

    /// Whether there is anything to gain: a file that is sealed, and has no more lines than a new one would, is compact.
    const fn changes(&self) -> bool {
        !self.was_sealed || self.new_lines < self.old_lines
    }

    fn print(&self, out: &mut Out, path: &OsStr) -> io::Result<()> {
        let path = shown_path(path);
        if !self.changes() {
            let size = count(self.old_bytes, "byte");
            return writeln!(
                out,
                "{path}: compact already, {size} in {}",
                count(self.old_lines, "line")
            );
        }
        let verb = if self.backup.is_some() { "became" } else { "would become" };
        let size = |bytes, lines| format!("{} in {}", count(bytes, "byte"), count(lines, "line"));
        let (old, new) =
            (size(self.old_bytes, self.old_lines), size(self.new_bytes, self.new_lines));
        let heading = out.paint(Tone::Heading, &format!("{path}: {old} {verb} {new}"));
        writeln!(out, "{heading}")?;
        let [alive, alive_rejoining] = self.alive;
        let [failed, failed_rejoining] = self.failed;
        writeln!(out, "  nodes    {alive} alive, {failed} failed: none is lost")?;
        if (alive, failed) != (alive_rejoining, failed_rejoining) {
            writeln!(
                out,
                "           {alive_rejoining} alive, {failed_rejoining} failed with rejoin_after_leave: none is lost"
            )?;
        }
        let gone = self.old_lines.saturating_sub(self.new_lines);
        if gone > 0 {
            writeln!(out, "  lines    {gone} fewer: what later lines have replaced")?;
        }
        if self.torn_bytes > 0 {
            writeln!(out, "  torn end {} that are no whole line", count(self.torn_bytes, "byte"))?;
        }
        if self.dropped_comments > 0 {
            writeln!(out, "  comments {} too long to be kept", self.dropped_comments)?;
        }
        if !self.was_sealed {
            writeln!(out, "  seals    every line is sealed, so that damage shows")?;
        }
        match &self.backup {
            Some(backup) => writeln!(out, "The old file is {}", shown_path(backup)),
            None => writeln!(out, "Nothing was written; --yes does it"),
        }
    }

    fn row(&self, path: &OsStr) -> Row {
        let text = |path: &OsStr| {
            let (text, hex) = json::text(path.as_encoded_bytes());
            (text.into_owned(), hex)
        };
        let (path, path_hex) = text(path);
        let (backup, backup_hex) = self.backup.as_deref().map(text).unzip();
        Row {
            schema: json::SCHEMA,
            path,
            path_hex,
            changes: self.changes(),
            written: self.backup.is_some(),
            old_bytes: self.old_bytes,
            new_bytes: if self.changes() { self.new_bytes } else { self.old_bytes },
            old_lines: self.old_lines,
            new_lines: if self.changes() { self.new_lines } else { self.old_lines },
            torn_bytes: self.torn_bytes,
            dropped_comments: self.dropped_comments,
            backup,
            backup_hex: backup_hex.flatten(),
        }
    }
}

#[derive(Serialize)]
struct Row {
    schema: u32,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    changes: bool,
    written: bool,
    old_bytes: u64,
    new_bytes: u64,
    old_lines: u64,
    new_lines: u64,
    torn_bytes: u64,
    dropped_comments: u64,
    backup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_hex: Option<String>,
}

fn refuse(path: &OsStr, report: &Report) -> Result<(), Failure> {
    if !report.is_snapshot() {
        return Err(failure::no_snapshot(path));
    }
    if report.verdict() != Verdict::Damaged {
        return Ok(());
    }
    let path = shown_path(path);
    let findings = count(report.findings_total, "finding");
    let place = report.findings.first().map_or_else(String::new, |first| {
        format!(", the first in line {} at byte {} ({})", first.line, first.offset, first.kind)
    });
    Err(Failure::told(format!(
        "{path}: this file is damaged: {findings}{place}; a rewrite would hide that; `serfsnap inspect` shows more; mend or take out the lines in question first"
    )))
}
