//! `report`: one page about a file, or about a fleet.

mod axis;
mod chronicle;
mod graph;
mod html;
mod many;
mod one;
mod page;
mod plots;
mod samples;
mod tables;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::args::Rules;
use crate::failure::{Failure, Outcome, printed};
use crate::fleet::{Fleet, Outlook};
use crate::input::refuse_homeless;
use crate::out::Out;
use crate::show::shown_path;

/// Write one self-contained page about a snapshot, or about the snapshots of a fleet.
///
/// Of one file it shows what is wrong with it, how many nodes were alive and failed in the course of it, which nodes
/// come and go, how the clocks went on, which of its bytes are live and where it is damaged; of several files or a
/// directory what `fleet` says, with a picture of who knows whom.
/// The page needs no network, is light or dark as the browser is, and has a search box; `report.html#q=web-1` opens it
/// on one node.
/// Of long files the curves have some hundred points, and of very many nodes the first 50,000 are listed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshot, or several of them, or directories; NODE=PATH says whose a file is
    #[arg(required = true, value_name = "FILE")]
    files: Vec<OsString>,

    /// Where the page goes; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: OsString,

    #[command(flatten)]
    rules: Rules,

    #[command(flatten)]
    outlook: Outlook,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap report /var/lib/consul/serf/local.snapshot -o report.html
  serfsnap report /backup/*/serf/local.snapshot -o fleet.html
  ssh web-1 cat /var/lib/serf/snapshot | serfsnap report - -o - > web-1.html

Exit codes: 0 whatever the files are like (that is for `check` and `fleet`), 2 if there is no page.";

/// A page, and in a few lines what is on it.
struct Report {
    page: String,
    summary: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    // An hour of reading should not end with that.
    refuse_to_replace(&args.output)?;
    let report = match args.files.as_slice() {
        [file] if !Path::new(file).is_dir() => one::report(file, args.rules)?,
        files => many::report(&Fleet::read(files, args.outlook.outset(args.rules))?),
    };
    let mut out = Out::new();
    if args.output == "-" {
        return printed(out.write_all(report.page.as_bytes()).and_then(|()| out.flush()), 0);
    }
    let cannot = |error: io::Error| {
        let path = shown_path(&args.output);
        Failure::told(format!("{path}: the page cannot be written: {error}"))
    };
    fs::write(&args.output, &report.page).map_err(cannot)?;
    let (path, bytes) = (shown_path(&args.output), report.page.len());
    let written = report.summary.iter().try_for_each(|line| writeln!(out, "{line}"));
    let written = written.and_then(|()| writeln!(out, "{path}: {} KiB", bytes.div_ceil(1024)));
    printed(written.and_then(|()| out.flush()), 0)
}

/// What is there may be a snapshot, or somebody's document; only a page is replaced.
fn refuse_to_replace(path: &OsStr) -> Result<(), Failure> {
    if path == "-" {
        return Ok(());
    }
    let shown = shown_path(path);
    let mut head = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return refuse_homeless(path),
        opened => {
            let read = opened.and_then(|file| file.take(64).read_to_end(&mut head));
            read.map_err(|error| Failure::told(format!("{shown}: cannot be written: {error}")))?;
        }
    }
    let is_page = head.to_ascii_lowercase().starts_with(b"<!doctype html");
    let is_free = head.is_empty() || is_page || !Path::new(path).is_file();
    if is_free {
        return Ok(());
    }
    Err(Failure::told(format!(
        "{shown}: this is there already and is no page; it is left alone, name another OUT"
    )))
}

#[cfg(test)]
mod tests;
