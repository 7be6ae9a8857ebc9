//! `dump`: every line as it stands.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use serde::Serialize;
use snapshot_engine::{Finding, Replay};
use snapshot_format::{Line, Trust};

use crate::args::{Format, Rules};
use crate::failure::Outcome;
use crate::fields::{Fields, Parts, body};
use crate::input::Input;
use crate::json;
use crate::out::{Out, Tone};
use crate::reading::{for_each_block, random_seed};
use crate::table::{self, Column};

/// Print every line: number, byte offset, kind, fields, seal state, finding.
///
/// The seal state says whether a seal vouches for the line; the finding is what the chosen reader holds against it.
/// A torn end (bytes without a newline) is the last row, of kind `torn`.
/// A line beyond 1 MiB is shown by its first bytes.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshot; `-` is standard input
    file: OsString,

    #[command(flatten)]
    rules: Rules,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap dump /var/lib/serf/snapshot | less
  serfsnap dump --format jsonl snapshot | jq -c 'select(.finding)'
      The lines that are odd.
  serfsnap dump --format jsonl snapshot | jq -c 'select(.kind == \"alive\" and .name == \"web-1\")'
      Where a node has been, in order.

Exit codes: 0 whatever the file is like, 2 if it cannot be read.";

pub(crate) fn run(args: &Args) -> Outcome {
    let mut input = Input::open(&args.file, args.rules.reader)?;
    let mut printer = Printer::new(args.format);
    if printer.out.width.is_some() {
        // The rows themselves show how far the work is.
        input.silence();
    }
    printer.begin(&args.file)?;
    let mut replay = Replay::new(args.rules.reader.mode(), &args.rules.policy(), random_seed());
    let decoder = for_each_block(&mut input, |block| {
        let trust = block.trust;
        block.lines.into_iter().try_for_each(|line| {
            let finding = replay.line(&line, trust);
            let parts = Parts::new(line.bytes, line.record());
            printer.row(&line, parts, seal_state(trust), finding.as_ref())
        })
    })?;
    if let Some(line) = decoder.torn() {
        printer.row(&line, Parts::torn(line.bytes), seal_state(Trust::Unsealed), None)?;
    }
    printer.end()?;
    Ok(0)
}

/// A line in JSON, its keys in the order of the contract.
#[derive(Serialize)]
struct Row<'a> {
    line: u64,
    offset: u64,
    len: u64,
    kind: &'static str,
    #[serde(flatten)]
    fields: Fields<'a>,
    seal: &'static str,
    finding: Option<&'static str>,
}

const COLUMNS: [Column; 6] = [
    Column::right("LINE"),
    Column::right("BYTE"),
    Column::left("KIND"),
    Column::elastic("FIELDS"),
    Column::left("SEAL"),
    Column::left("FINDING"),
];
/// Rows are printed as they are read, so that the widths cannot follow the content: these fit most.
const WIDTHS: [usize; 6] = [6, 8, 11, 36, 8, "unknown-extension".len()];

/// Prints rows as they come, in constant memory.
struct Printer {
    out: Out,
    format: Format,
    columns: [Column; 6],
    widths: [usize; 6],
    rows: u64,
}

impl Printer {
    fn new(format: Format) -> Self {
        let out = Out::new();
        let (columns, widths) = table::fit(COLUMNS, WIDTHS, out.width);
        Self { out, format, columns, widths, rows: 0 }
    }

    fn begin(&mut self, path: &OsStr) -> io::Result<()> {
        match self.format {
            Format::Jsonl => Ok(()),
            Format::Table => {
                let titles = self.columns.map(|column| column.title().to_owned());
                let heading = table::line(&self.columns, &self.widths, &titles);
                let heading = self.out.paint(Tone::Heading, &heading);
                writeln!(self.out, "{heading}")
            }
            Format::Json => {
                let (path, hex) = json::text(path.as_encoded_bytes());
                write!(self.out, "{{\"schema\":{},\"path\":", json::SCHEMA)?;
                json::piece(&mut self.out, &path)?;
                if let Some(hex) = hex {
                    write!(self.out, ",\"path_hex\":\"{hex}\"")?;
                }
                write!(self.out, ",\"lines\":[")
            }
        }
    }

    fn row(
        &mut self,
        line: &Line<'_>,
        parts: Parts<'_>,
        seal: &'static str,
        finding: Option<&Finding>,
    ) -> io::Result<()> {
        let Line { number, offset, len, bytes } = *line;
        let Parts { kind, fields } = parts;
        let finding = finding.map(|finding| finding.kind.as_str());
        self.rows += 1;
        if self.format == Format::Table {
            let (number, offset) = (number.to_string(), offset.to_string());
            let finding = finding.unwrap_or_default().to_owned();
            let cells =
                [number, offset, kind.to_owned(), body(kind, bytes), seal.to_owned(), finding];
            return writeln!(self.out, "{}", table::line(&self.columns, &self.widths, &cells));
        }
        let row = Row { line: number, offset, len, kind, fields, seal, finding };
        if self.format == Format::Jsonl {
            return json::line(&mut self.out, &row);
        }
        if self.rows > 1 {
            write!(self.out, ",")?;
        }
        json::piece(&mut self.out, &row)
    }

    fn end(&mut self) -> io::Result<()> {
        if self.format == Format::Json {
            writeln!(self.out, "]}}")?;
        }
        self.out.flush()
    }
}

const fn seal_state(trust: Trust) -> &'static str {
    match trust {
        Trust::Sealed(_) => "sealed",
        Trust::Unsealed => "unsealed",
        Trust::Damaged(_) => "damaged",
    }
}
