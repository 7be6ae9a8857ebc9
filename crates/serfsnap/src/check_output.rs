//! What `check` prints.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, Write};

use serde::Serialize;
use snapshot_engine::Verdict;

use crate::check::{Checked, Shape};
use crate::check_prom::Exposition;
use crate::failure::{CODE, Failure};
use crate::json;
use crate::known::Overlap;
use crate::out::{Out, Tone};
use crate::show::shown_path;

/// Prints each file as soon as it was checked.
pub(crate) struct Printer {
    out: Out,
    format: Shape,
    files: u64,
    exposition: Exposition,
    /// Nobody reads on; the exit code still counts.
    closed: bool,
}

impl Printer {
    pub(crate) fn new(format: Shape) -> Self {
        Self { out: Out::new(), format, files: 0, exposition: Exposition::new(), closed: false }
    }

    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        if self.format == Shape::Json {
            let begun = write!(self.out, "{{\"schema\":{},\"files\":[", json::SCHEMA);
            return self.written(begun);
        }
        Ok(())
    }

    pub(crate) fn file(
        &mut self,
        path: &OsStr,
        result: &Result<Checked, Failure>,
    ) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        self.files += 1;
        let written = match self.format {
            Shape::Table => self.line(path, result),
            Shape::Prom => {
                self.exposition.file(path, result);
                Ok(())
            }
            Shape::Jsonl => json::line(&mut self.out, &row(path, result)),
            Shape::Json => {
                let comma = if self.files > 1 { "," } else { "" };
                write!(self.out, "{comma}")
                    .and_then(|()| json::piece(&mut self.out, &row(path, result)))
            }
        };
        let written = written.and_then(|()| self.out.flush());
        self.written(written)
    }

    fn line(&mut self, path: &OsStr, result: &Result<Checked, Failure>) -> io::Result<()> {
        let (tone, word) = (tone(result), word(result));
        let word = self.out.paint(tone, &format!("{word:<7}"));
        match result {
            // The sentence names the file.
            Err(failure) => writeln!(self.out, "{word} {failure}"),
            Ok(checked) => {
                let verdict = match checked.verdict {
                    Verdict::Torn if !checked.torn => "clean, with lines behind its last seal",
                    verdict => verdict.as_str(),
                };
                write!(self.out, "{word} {}: {verdict}; ", shown_path(path))?;
                checked.reasons.iter().try_for_each(|why| write!(self.out, "{why}; "))?;
                writeln!(self.out, "{}", checked.outlook)
            }
        }
    }

    pub(crate) fn end(&mut self, exit_code: u8) -> Result<(), Failure> {
        if self.format == Shape::Prom {
            let printed = self.exposition.print(&mut self.out);
            let printed = printed.and_then(|()| self.out.flush());
            return self.written(printed);
        }
        if self.format == Shape::Json && !self.closed {
            let ended = writeln!(self.out, "],\"exit_code\":{exit_code}}}");
            let ended = ended.and_then(|()| self.out.flush());
            return self.written(ended);
        }
        Ok(())
    }

    fn written(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        let written = written.map_err(Failure::from);
        self.closed |= written.as_ref().is_err_and(Failure::is_closed_pipe);
        if self.closed { Ok(()) } else { written }
    }
}

/// A file in JSON. What is not known of one that could not be read is null.
#[derive(Serialize)]
struct Row<'a> {
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    result: &'static str,
    exit_code: u8,
    verdict: Option<&'static str>,
    bytes: Option<u64>,
    alive: Option<u64>,
    failed: Option<u64>,
    candidates: Option<u64>,
    findings_total: Option<u64>,
    outlook: Option<&'a str>,
    reasons: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Members>,
    error: Option<String>,
}

/// What the agent knows beside what the file holds, in nodes.
#[derive(Serialize)]
struct Members {
    known: u64,
    held: u64,
    elsewhere: u64,
    unknown: u64,
}

fn row<'a>(path: &'a OsStr, result: &'a Result<Checked, Failure>) -> Row<'a> {
    let checked = result.as_ref().ok();
    let (text, path_hex) = json::text(path.as_encoded_bytes());
    Row {
        path: text,
        path_hex,
        result: word(result),
        exit_code: exit_code(result),
        verdict: checked.map(|checked| checked.verdict.as_str()),
        bytes: checked.map(|checked| checked.bytes),
        alive: checked.map(|checked| checked.alive),
        failed: checked.map(|checked| checked.failed),
        candidates: checked.map(|checked| checked.candidates),
        findings_total: checked.map(|checked| checked.findings_total),
        outlook: checked.map(|checked| &*checked.outlook),
        reasons: checked.map_or(&[], |checked| &checked.reasons),
        members: checked.and_then(|checked| checked.held).map(|held| {
            let Overlap { known, held, elsewhere, unknown, .. } = held;
            Members { known, held, elsewhere, unknown }
        }),
        error: result.as_ref().err().map(ToString::to_string),
    }
}

fn word(result: &Result<Checked, Failure>) -> &'static str {
    match exit_code(result) {
        0 => "ok",
        1 => "act",
        _ => "unknown",
    }
}

fn tone(result: &Result<Checked, Failure>) -> Tone {
    match result {
        Ok(checked) if checked.reasons.is_empty() && !checked.torn => Tone::Good,
        Ok(checked) if checked.reasons.is_empty() => Tone::Notable,
        _ => Tone::Bad,
    }
}

pub(crate) fn exit_code(result: &Result<Checked, Failure>) -> u8 {
    match result {
        Ok(checked) => u8::from(!checked.reasons.is_empty()),
        Err(_) => CODE,
    }
}
