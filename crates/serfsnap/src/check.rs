//! `check`: one verdict a file, for monitoring.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use snapshot_engine::{Clocks, Policy, Verdict};

use crate::args::{Format, Rules};
use crate::failure::{CODE, Failure, Outcome};
use crate::input::Input;
use crate::json;
use crate::out::{Out, Tone};
use crate::outlook::Outlook;
use crate::reading::Reading;
use crate::show::{count, shown_path};

/// Say of each file whether somebody should act; made for monitoring.
///
/// One line a file: ok, act or unknown, and why.
/// An agent has to be helped where its file is damaged, holds a poisoned clock (one so high that the agent would be
/// deaf to all later events), or names too few others to contact after a crash.
/// A torn end is normal in a live file; it is read again after 50 ms, named, and counted under --strict alone.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshots; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<OsString>,

    /// How many others the agent should be able to contact, at least
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_peers: u64,

    /// A torn end is something to act on
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    rules: Rules,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap check --min-peers 2 /var/lib/consul/serf/local.snapshot
  serfsnap check --as consul /var/lib/consul/serf/*.snapshot
      What unmodified agents would make of their files.
  serfsnap check --format jsonl fleet/*/snapshot | jq -r 'select(.exit_code > 0).path'

Exit codes: 0 nothing to do, 1 act, 2 could not check; of several files the highest.";

/// How long the writer of a live file is given to finish its line.
const SECOND_LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &Args) -> Outcome {
    let mut printer = Printer { out: Out::new(), format: args.format, files: 0, closed: false };
    let mut worst = 0;
    printer.begin()?;
    for path in &args.files {
        let result = check(path, args);
        worst = worst.max(exit_code(&result));
        printer.file(path, &result)?;
    }
    printer.end(worst)?;
    Ok(worst)
}

/// What is to be said of a file that could be read.
struct Checked {
    verdict: Verdict,
    alive: u64,
    failed: u64,
    candidates: u64,
    outlook: String,
    torn: bool,
    findings_total: u64,
    bytes: u64,
    /// Why to act; none where all is well.
    reasons: Vec<String>,
}

fn check(path: &OsStr, args: &Args) -> Result<Checked, Failure> {
    let once = read(path, args)?;
    match once {
        (checked, true) if checked.torn => {
            thread::sleep(SECOND_LOOK);
            Ok(read(path, args)?.0)
        }
        (checked, _) => Ok(checked),
    }
}

/// The file as it is now, and whether it could be read again.
fn read(path: &OsStr, args: &Args) -> Result<(Checked, bool), Failure> {
    let mut input = Input::open(path, args.rules.reader)?;
    let (mode, rejoins) = (args.rules.reader.mode(), args.rules.rejoins());
    let [reading, other_rejoin] = Reading::new(&mut input, [(mode, rejoins), (mode, !rejoins)])?;
    let Reading { state, report } = &reading;
    let outlook = Outlook::new(path, rejoins, &reading, &other_rejoin.state);
    let verdict = report.verdict();
    let mut reasons = Vec::new();
    if let Some(first) = report.findings.first() {
        let (total, line, byte) = (report.findings_total, first.line, first.offset);
        let total = count(total, "finding");
        reasons.push(format!("{total}, the first in line {line} at byte {byte}: {}", first.kind));
    }
    reasons.extend(poisoned(state.clocks(), &args.rules.policy()));
    if outlook.certain() < args.min_peers {
        let (few, least) = (count(outlook.certain(), "other"), args.min_peers);
        reasons.push(format!("{few} to contact, fewer than {least}"));
    }
    if args.strict && verdict == Verdict::Torn {
        reasons.push("the end is torn".to_owned());
    }
    let checked = Checked {
        verdict,
        alive: state.len() as u64,
        failed: state.failed_len() as u64,
        candidates: outlook.candidates(),
        outlook: outlook.sentence(),
        torn: verdict == Verdict::Torn,
        findings_total: report.findings_total,
        bytes: report.bytes,
        reasons,
    };
    Ok((checked, input.is_regular()))
}

/// Clocks that Serf's reading believes and that make an agent deaf; ours refuses them with a finding.
fn poisoned(clocks: Clocks, policy: &Policy) -> Option<String> {
    let clocks = [
        ("clock", clocks.clock),
        ("event-clock", clocks.event_clock),
        ("query-clock", clocks.query_clock),
    ];
    let (name, time) = clocks.into_iter().find(|(_, time)| *time > policy.max_clock)?;
    Some(format!(
        "{name} {time} is poisoned: the agent would be deaf to what comes after a restart"
    ))
}

fn exit_code(result: &Result<Checked, Failure>) -> u8 {
    match result {
        Ok(checked) => u8::from(!checked.reasons.is_empty()),
        Err(_) => CODE,
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
    error: Option<String>,
}

/// Prints each file as soon as it was checked.
struct Printer {
    out: Out,
    format: Format,
    files: u64,
    /// Nobody reads on; the exit code still counts.
    closed: bool,
}

impl Printer {
    fn begin(&mut self) -> Result<(), Failure> {
        if self.format == Format::Json {
            let begun = write!(self.out, "{{\"schema\":{},\"files\":[", json::SCHEMA);
            return self.written(begun);
        }
        Ok(())
    }

    fn file(&mut self, path: &OsStr, result: &Result<Checked, Failure>) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        self.files += 1;
        let written = match self.format {
            Format::Table => self.line(path, result),
            Format::Jsonl => json::line(&mut self.out, &row(path, result)),
            Format::Json => {
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
                let verdict = checked.verdict.as_str();
                write!(self.out, "{word} {}: {verdict}; ", shown_path(path))?;
                checked.reasons.iter().try_for_each(|why| write!(self.out, "{why}; "))?;
                writeln!(self.out, "{}", checked.outlook)
            }
        }
    }

    fn end(&mut self, exit_code: u8) -> Result<(), Failure> {
        if self.format == Format::Json && !self.closed {
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
