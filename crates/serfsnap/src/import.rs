//! `import`: a snapshot of the `serf` crate for Rust, which has a format of its own, becomes one of ours.

mod members;
mod page;
pub(crate) mod records;
mod target;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};

use snapshot_engine::{Document, Verdict};
use snapshot_format::{Lines, Record};

use crate::args::Format;
use crate::failure::{Failure, Outcome, printed};
use crate::import::members::{Finding, Members};
use crate::import::records::{End, Ending, Stop};
use crate::import::target::Written;
use crate::input::Input;
use crate::out::Out;
use crate::record::identity;
use crate::show::{count, shown_path};
use crate::sniff;

/// Make a snapshot of the binary one that the `serf` crate for Rust keeps.
///
/// It shows what is in FILE, and writes it to OUT where one is named: sealed, synced, and readable for Serf as well.
/// Whatever is whole is taken over. Where FILE is torn, as after a full disk or a power cut, the crate does not start
/// from it; here everything before the torn record is taken over, and the byte where it begins is told.
/// The crate does not keep who has failed, so nobody is failed in OUT. A node that stands with several addresses gets
/// the last of them, and a note names it.
/// FILE is left as it is, and OUT gets its owner and mode. An OUT that is there already is replaced only where --yes is
/// given, and kept beside the new one as OUT.bak-TIME; a file that is no snapshot is never replaced.
/// Stop the agent first: what it records after the import is not in OUT.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshot of the serf crate; `-` is standard input
    file: OsString,

    /// The snapshot to write
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// The node whose file it is: it will not try itself
    #[arg(long, value_name = "NAME")]
    node: Option<OsString>,

    /// The cluster the file belongs to
    #[arg(long, value_name = "ID")]
    cluster: Option<OsString>,

    /// Replace OUT where it is there already
    #[arg(long, requires = "output")]
    yes: bool,

    /// Do not look for a process that has FILE or OUT open: it is known that nothing writes there
    #[arg(long, requires = "output")]
    assume_stopped: bool,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap import /var/lib/agent/serf.bin
      What is in it; nothing is written.
  serfsnap import /var/lib/agent/serf.bin -o /var/lib/agent/snapshot --node web-1
      From then on the agent opens the latter, with snapshot-io.
  serfsnap import serf.bin -o serf.snapshot --format json | jq .findings
      What was not taken over, with byte offsets.

Exit codes: 0 imported, or shown where no OUT was named; 1 if OUT is there already and --yes was not given; 2 if it \
cannot be done.";

/// A file as it was read.
struct Import {
    members: Members,
    end: End,
    document: Document,
    /// Sentences for people about what they may not expect.
    notes: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let identity = identity(args.cluster.as_ref(), args.node.as_ref())?;
    if let Some(out) = &args.output {
        target::refuse(out, args)?;
    }
    let mut import = Import::read(&args.file)?;
    import.note(args);
    import.document = import.document.with_identity(identity);
    let write = |out: &PathBuf| target::write(out, args, &import.document);
    let written = args.output.as_ref().map(write).transpose()?;
    let mut out = Out::new();
    let shown = match args.format {
        Format::Table => page::print(&mut out, args, &import, written.as_ref()),
        Format::Json | Format::Jsonl => page::json(&mut out, args, &import, written.as_ref()),
    };
    let shown = shown.and_then(|()| out.flush());
    printed(shown, u8::from(matches!(written, Some(Written::Kept(_)))))
}

impl Import {
    fn read(file: &OsStr) -> Result<Self, Failure> {
        if let Some(left) = left_by_a_crash(file) {
            return Err(Failure::told(left));
        }
        let mut input = Input::of_any_kind(file)?;
        if let Some(what) = something_else(input.head()) {
            return Err(Failure::told(format!("{}: this is {what}", shown_path(file))));
        }
        let mut members = Members::new();
        let end = records::for_each(&mut input, |offset, len, record| {
            members.record(offset, len, &record);
        });
        let end = end.map_err(|error| input.failure(&error))?;
        if members.records == 0 && end.ending != Ending::Whole {
            return Err(no_record(file, end));
        }
        if let Some(finding) = ending(end) {
            members.find(finding);
        }
        let document = members.document()?;
        Ok(Self { members, end, document, notes: Vec::new() })
    }

    fn note(&mut self, args: &Args) {
        let (moved, left_out) = self.members.moved();
        if left_out > 0 {
            let moved: Vec<_> =
                moved.iter().map(|(name, addr)| format!("{name} at {addr}")).collect();
            self.notes.push(format!(
                "of nodes with several addresses the one that stands last is taken and {left_out} left out: {}",
                moved.join(", ")
            ));
        }
        let state = self.document.state(true);
        let is_there = |name: &OsString| {
            state.alive().any(|(known, _)| known.as_bytes() == name.as_encoded_bytes())
        };
        match &args.node {
            None if !state.is_empty() => self.notes.push(
                "--node NAME says which of them is the agent itself, so that it does not try itself"
                    .to_owned(),
            ),
            Some(name) if !is_there(name) => {
                self.notes.push(format!("{} is none of the nodes in FILE", shown_path(name)));
            }
            _ => {}
        }
    }

    fn verdict(&self) -> Verdict {
        let torn = matches!(self.end.ending, Ending::Torn(_));
        match self.members.findings_total - u64::from(torn) {
            0 if torn => Verdict::Torn,
            0 => Verdict::Clean,
            _ => Verdict::Damaged,
        }
    }
}

/// What stands in the place of a missing file: the crate's compaction removes the old file before it renames the new
/// one, and replaces the extension to name that.
fn left_by_a_crash(file: &OsStr) -> Option<String> {
    let path = Path::new(file);
    let orphan = path.with_extension("compact");
    let is_missing = file != "-" && !path.exists() && orphan.is_file();
    is_missing.then(|| {
        let (file, orphan) = (shown_path(file), shown_path(orphan.as_os_str()));
        format!(
            "{file}: there is no such file, but {orphan} is there: a compaction of the crate was interrupted between \
             removing the one and renaming the other; import that"
        )
    })
}

/// What a file is by its first bytes, where it is none of the serf crate's; a sentence that goes on "this is …".
fn something_else(head: &[u8]) -> Option<String> {
    if !matches!(records::first(head), Err(Stop::Fault(_))) {
        return None;
    }
    if let Some(what) = sniff::recognise(head) {
        return Some(what.to_owned());
    }
    let is_record = |record: &Record<'_>| !matches!(record, Record::Comment(_));
    let is_text = Lines::new(head).any(|line| line.record().is_ok_and(|record| is_record(&record)));
    is_text.then(|| {
        "a text snapshot, as Serf, Consul, Nomad and snapshot-io keep it, and needs no import: open it as it is; \
         `serfsnap inspect` shows what is in it"
            .to_owned()
    })
}

fn no_record(file: &OsStr, end: End) -> Failure {
    let file = shown_path(file);
    Failure::told(match end.ending {
        Ending::Damaged(fault) => {
            format!("{file}: this is no snapshot of the serf crate: at byte 0 stands {fault}")
        }
        _ => format!(
            "{file}: nothing in it is whole: its {} are the beginning of one record",
            count(end.rest, "byte")
        ),
    })
}

/// What is said of bytes that belong to no whole record.
fn ending(end: End) -> Option<Finding> {
    let End { offset, rest: len, ending } = end;
    let (kind, meaning) = match ending {
        Ending::Whole => return None,
        Ending::Torn(tag) => (
            "torn",
            format!("the beginning of a record ({}); the file ends within it", records::kind(tag)),
        ),
        Ending::Damaged(fault) => ("damaged", format!("{fault}; nothing from here on can be read")),
    };
    Some(Finding { offset, len, kind, meaning })
}
