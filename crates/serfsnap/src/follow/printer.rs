//! What `follow` prints.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, Write};

use serde::Serialize;
use snapshot_engine::{Clocks, State, UnixMillis};

use crate::follow::Shape;
use crate::json;
use crate::out::{Out, Tone, complain};
use crate::show::{count, quoted, shown_path};
use crate::standing::{Change, Turn};
use crate::table::{self, Column};
use crate::time::utc;
use crate::tracker::{Happened, Step};

const COLUMNS: [Column; 4] =
    [Column::left("TIME"), Column::left("EVENT"), Column::elastic("NODE"), Column::left("WHAT")];
/// What comes is not known, so that the widths cannot follow the content: these fit most.
const WIDTHS: [usize; 4] = [20, 11, 16, 21];

/// Prints rows as they come.
pub(crate) struct Printer {
    out: Out,
    shape: Shape,
    path: OsString,
    columns: [Column; 4],
    widths: [usize; 4],
}

/// A row in JSON.
#[derive(Serialize, Default)]
struct Object<'a> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alive: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forgotten: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A row for people.
struct Row {
    at: Option<UnixMillis>,
    node: String,
    what: String,
}

impl Printer {
    pub(crate) fn new(shape: Shape, path: OsString) -> Self {
        let out = Out::new();
        let (columns, widths) = table::fit(COLUMNS, WIDTHS, out.width);
        Self { out, shape, path, columns, widths }
    }

    /// From now on.
    pub(crate) fn following(&mut self, state: &State) -> io::Result<()> {
        let (alive, failed) = (state.len() as u64, state.failed_len() as u64);
        if self.shape == Shape::Table {
            let path = shown_path(&self.path);
            writeln!(self.out, "{path}: {alive} alive, {failed} failed; waiting for changes")?;
            let titles = self.columns.map(|column| column.title().to_owned());
            let heading = table::line(&self.columns, &self.widths, &titles);
            let heading = self.out.paint(Tone::Heading, &heading);
            return writeln!(self.out, "{heading}");
        }
        let (alive, failed) = (Some(alive), Some(failed));
        self.event(&Object { event: "following", alive, failed, ..Object::default() })
    }

    /// What a line did.
    pub(crate) fn step(&mut self, step: &Step<'_>, at: Option<UnixMillis>) -> io::Result<()> {
        if let Some(finding) = &step.finding {
            let text = quoted(&finding.excerpt);
            let (line, kind) = (finding.line, finding.kind.as_str());
            let what = format!("line {line}: {kind}: {text}");
            let row = Row { at, node: String::new(), what };
            let event = Object {
                event: "finding",
                at_ms: at.map(|at| at.0),
                line: Some(line),
                kind: Some(kind),
                text: Some(text),
                ..Object::default()
            };
            self.row(&event, &row)?;
        }
        match step.happened {
            None => Ok(()),
            Some(Happened::Node(change)) => self.change(&change, at),
            Some(Happened::Left { forgotten }) => {
                let what = format!("{} forgotten", count(forgotten, "node"));
                let row = Row { at, node: "the owner".to_owned(), what };
                let (at_ms, forgotten) = (at.map(|at| at.0), Some(forgotten));
                self.row(&Object { event: "left", at_ms, forgotten, ..Object::default() }, &row)
            }
        }
    }

    pub(crate) fn change(&mut self, change: &Change<'_>, at: Option<UnixMillis>) -> io::Result<()> {
        let at = change.after.and_then(|after| after.failed_at()).or(at);
        let (name, name_hex) = json::text(change.name.as_bytes());
        let (addr, addr_hex) = change.addr().map(|addr| json::text(addr.as_bytes())).unzip();
        let from = change.moved_from();
        let (from_text, from_hex) = from.map(|from| json::text(from.as_bytes())).unzip();
        let event = Object {
            event: change.turn().as_str(),
            at_ms: at.map(|at| at.0),
            name: Some(name.into_owned()),
            name_hex,
            addr: addr.map(Cow::into_owned),
            addr_hex: addr_hex.flatten(),
            from: from_text.map(Cow::into_owned),
            from_hex: from_hex.flatten(),
            ..Object::default()
        };
        let what = match (change.turn(), change.addr(), from) {
            (_, Some(addr), Some(from)) => format!("to {addr} from {from}"),
            (Turn::Alive, Some(addr), _) => format!("at {addr}"),
            (_, Some(addr), _) => format!("was at {addr}"),
            _ => String::new(),
        };
        self.row(&event, &Row { at, node: change.name.to_string(), what })
    }

    /// How far the clocks have come in one look.
    pub(crate) fn clocks(&mut self, before: Clocks, after: Clocks) -> io::Result<()> {
        for (clock, before, after) in [
            ("clock", before.clock, after.clock),
            ("event-clock", before.event_clock, after.event_clock),
            ("query-clock", before.query_clock, after.query_clock),
        ] {
            if before != after {
                self.clock(clock, before.0, after.0)?;
            }
        }
        Ok(())
    }

    pub(crate) fn clock(&mut self, clock: &str, before: u64, value: u64) -> io::Result<()> {
        let what = format!("{value}, was {before}");
        let row = Row { at: None, node: String::new(), what };
        if self.shape == Shape::Table {
            return self.print(clock, &row);
        }
        let (clock, value, before) = (Some(clock), Some(value), Some(before));
        self.event(&Object { event: "clock", clock, value, before, ..Object::default() })
    }

    /// The file was compacted, truncated or replaced.
    pub(crate) fn rewritten(&mut self, before: u64, bytes: u64) -> io::Result<()> {
        let what = format!("{bytes} bytes, were {before}");
        let row = Row { at: None, node: String::new(), what };
        let (bytes, before) = (Some(bytes), Some(before));
        self.row(&Object { event: "rewritten", bytes, before, ..Object::default() }, &row)
    }

    /// There is no file; that is no data.
    pub(crate) fn gone(&self) {
        let path = shown_path(&self.path);
        complain(&format_args!("{path}: there is no such file any more; waiting for a new one"));
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn row(&mut self, event: &Object<'_>, row: &Row) -> io::Result<()> {
        if self.shape == Shape::Table {
            return self.print(event.event, row);
        }
        self.event(event)
    }

    fn print(&mut self, event: &str, row: &Row) -> io::Result<()> {
        let at = row.at.map(utc).unwrap_or_default();
        let cells = [at, event.to_owned(), row.node.clone(), row.what.clone()];
        writeln!(self.out, "{}", table::line(&self.columns, &self.widths, &cells))
    }

    fn event(&mut self, event: &Object<'_>) -> io::Result<()> {
        json::line(&mut self.out, event)
    }
}
