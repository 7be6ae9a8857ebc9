//! The rows of a history, as they come.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use serde::Serialize;
use snapshot_format::{Addr, Name, UnixMillis};

use crate::args::Format;
use crate::json;
use crate::out::{Out, Tone};
use crate::show::{count, shown};
use crate::table::{self, Column, Table};
use crate::time::utc;

/// One thing that happened.
pub(crate) struct Row<'a> {
    pub(crate) line: u64,
    pub(crate) offset: u64,
    pub(crate) at: Option<UnixMillis>,
    pub(crate) event: &'static str,
    /// None where the owner left.
    pub(crate) name: Option<Name<'a>>,
    pub(crate) addr: Option<Addr<'a>>,
    /// Where it was, if elsewhere.
    pub(crate) from: Option<Addr<'a>>,
    /// How often it has come back.
    pub(crate) back: Option<u64>,
    /// How many nodes a `leave` has made the file forget.
    pub(crate) forgotten: Option<u64>,
}

impl Row<'_> {
    pub(crate) const fn left(line: u64, offset: u64, at: Option<UnixMillis>, nodes: u64) -> Self {
        let (name, addr, from, back) = (None, None, None, None);
        Self { line, offset, at, event: "left", name, addr, from, back, forgotten: Some(nodes) }
    }
}

/// A row in JSON.
#[derive(Serialize)]
struct Object {
    line: u64,
    offset: u64,
    at_ms: Option<u64>,
    event: &'static str,
    #[serde(flatten)]
    node: Option<Node>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    back: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forgotten: Option<u64>,
}

#[derive(Serialize)]
struct Node {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    addr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr_hex: Option<String>,
}

#[derive(Serialize)]
struct Flaps<'a> {
    name: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    back: u64,
}

const COLUMNS: [Column; 5] = [
    Column::right("LINE"),
    Column::left("TIME"),
    Column::left("EVENT"),
    Column::elastic("NODE"),
    Column::left("ADDRESS"),
];
/// Rows are printed as they are read, so that the widths cannot follow the content: these fit most.
const WIDTHS: [usize; 5] = [6, 20, 10, 12, 21];

/// Prints rows as they come, in constant memory.
pub(crate) struct Printer {
    out: Out,
    path: OsString,
    format: Format,
    columns: [Column; 5],
    widths: [usize; 5],
    rows: u64,
}

impl Printer {
    pub(crate) fn new(path: &OsStr, format: Format) -> Self {
        let out = Out::new();
        let (columns, widths) = table::fit(COLUMNS, WIDTHS, out.width);
        Self { out, path: path.to_owned(), format, columns, widths, rows: 0 }
    }

    /// Whether the rows themselves, on a terminal, show how far the work is.
    pub(crate) const fn shows_progress(&self) -> bool {
        self.out.width.is_some()
    }

    pub(crate) fn begin(&mut self) -> io::Result<()> {
        match self.format {
            Format::Jsonl => Ok(()),
            Format::Table => {
                let titles = self.columns.map(|column| column.title().to_owned());
                let heading = table::line(&self.columns, &self.widths, &titles);
                let heading = self.out.paint(Tone::Heading, &heading);
                writeln!(self.out, "{heading}")
            }
            Format::Json => {
                let (path, hex) = json::text(self.path.as_encoded_bytes());
                write!(self.out, "{{\"schema\":{},\"path\":", json::SCHEMA)?;
                json::piece(&mut self.out, &path)?;
                if let Some(hex) = hex {
                    write!(self.out, ",\"path_hex\":\"{hex}\"")?;
                }
                write!(self.out, ",\"events\":[")
            }
        }
    }

    pub(crate) fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.rows += 1;
        match self.format {
            Format::Table => self.print(row),
            Format::Jsonl => json::line(&mut self.out, &event(row)),
            Format::Json => {
                if self.rows > 1 {
                    write!(self.out, ",")?;
                }
                json::piece(&mut self.out, &event(row))
            }
        }
    }

    fn print(&mut self, row: &Row<'_>) -> io::Result<()> {
        let addr = match (row.addr, row.from, row.forgotten) {
            (Some(addr), Some(from), _) => format!("{addr}, was {from}"),
            (Some(addr), None, _) => addr.to_string(),
            (None, _, Some(nodes)) => format!("{} forgotten", count(nodes, "node")),
            (None, ..) => String::new(),
        };
        let event = match row.back {
            Some(back) => format!("{} ({back})", row.event),
            None => row.event.to_owned(),
        };
        let cells = [
            row.line.to_string(),
            row.at.map(utc).unwrap_or_default(),
            event,
            row.name.map_or_else(|| "the owner".to_owned(), |name| name.to_string()),
            addr,
        ];
        writeln!(self.out, "{}", table::line(&self.columns, &self.widths, &cells))
    }

    pub(crate) fn end(
        &mut self,
        flapping: &[(&[u8], u64)],
        complete: bool,
        times: bool,
    ) -> io::Result<()> {
        match self.format {
            Format::Jsonl => {}
            Format::Table => self.summary(flapping, complete, times)?,
            Format::Json => {
                let rows: Vec<_> = flapping
                    .iter()
                    .map(|(name, back)| {
                        let (name, name_hex) = json::text(name);
                        Flaps { name, name_hex, back: *back }
                    })
                    .collect();
                write!(self.out, "],\"flapping\":")?;
                json::piece(&mut self.out, &rows)?;
                writeln!(self.out, ",\"flapping_complete\":{complete}}}")?;
            }
        }
        self.out.flush()
    }

    fn summary(
        &mut self,
        flapping: &[(&[u8], u64)],
        complete: bool,
        times: bool,
    ) -> io::Result<()> {
        if self.rows > 0 && !times {
            writeln!(self.out, "\nNo times: there is no seal in this file, as Serf writes it")?;
        }
        let heading = self.out.paint(Tone::Heading, "Flapping");
        if flapping.is_empty() {
            writeln!(self.out, "\n{heading}: no node came back")?;
        } else {
            writeln!(self.out, "\n{heading}: who came back most often")?;
            let mut table = Table::new([Column::elastic("NODE"), Column::right("BACK")]);
            for (name, back) in flapping {
                table.row([shown(name), back.to_string()]);
            }
            table.print(&mut self.out)?;
        }
        if !complete {
            writeln!(self.out, "  more nodes went than can be remembered: some are not counted")?;
        }
        Ok(())
    }
}

fn event(row: &Row<'_>) -> Object {
    let node = row.name.map(|name| {
        let (name, name_hex) = json::text(name.as_bytes());
        let (addr, addr_hex) = json::text(row.addr.map_or(b"", |addr| addr.as_bytes()));
        Node { name: name.into_owned(), name_hex, addr: addr.into_owned(), addr_hex }
    });
    let from = row.from.map(|from| json::text(from.as_bytes()));
    Object {
        line: row.line,
        offset: row.offset,
        at_ms: row.at.map(|at| at.0),
        event: row.event,
        node,
        from_hex: from.as_ref().and_then(|(_, hex)| hex.clone()),
        from: from.map(|(text, _)| text.into_owned()),
        back: row.back,
        forgotten: row.forgotten,
    }
}
