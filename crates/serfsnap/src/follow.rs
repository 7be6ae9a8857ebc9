//! `follow`: what the owner of a file writes, as it does.

mod printer;
mod source;
mod tail;
mod wait;

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use clap::ValueEnum;

use crate::args::Rules;
use crate::failure::{Failure, Outcome};
use crate::follow::printer::Printer;
use crate::follow::source::{Look, Source};
use crate::follow::tail::Tail;
use crate::follow::wait::{Next, Wait};
use crate::standing::{Change, clocks_between};
use crate::{stdin, units};

/// Print changes as the owner of a snapshot writes them.
///
/// It starts with what the file says now, or at its beginning with --from-start, and goes on across compactions,
/// renames and truncations: what a new file says otherwise than the old one is printed as changes.
/// Nodes that join, move, fail or go have a row each; clocks one a look. It ends on SIGINT, on SIGTERM, and when nobody
/// reads its output any more. Memory is bounded by the nodes of the file, twice while a compaction is taken in.
/// The file is looked at, not watched: so it works on any file system, and costs one stat(2) a look.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshot; `-` is standard input, which is read from its start to its end
    file: OsString,

    /// Print what the file holds already, too
    #[arg(long)]
    from_start: bool,

    /// How long to wait between two looks
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = units::duration)]
    interval: Duration,

    #[command(flatten)]
    rules: Rules,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    format: Shape,
}

/// How an output without an end looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// For people
    Table,
    /// One object a line
    Jsonl,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap follow /var/lib/serf/snapshot
      Does the agent write down that web-3 failed? Serf does so when the next event comes.
  serfsnap follow --format jsonl snapshot | jq -c 'select(.event == \"failed\")'
  ssh web-1 tail -c +1 -F /var/lib/serf/snapshot | serfsnap follow -

Exit codes: 0 ended by a signal, by a closed pipe or at the end of a pipe; 2 if it cannot be read.";

pub(crate) fn run(args: &Args) -> Outcome {
    let signals = stdin::signals()
        .map_err(|error| Failure::told(format!("signals cannot be received: {error}")))?;
    let source = Source::open(&args.file, args.rules.reader)?;
    let mut follow = Follow {
        args,
        tail: Tail::new(args.rules),
        printer: Printer::new(args.format, args.file.clone()),
        source,
        missing: 0,
    };
    // A pipe has no present end: what it holds is what comes.
    let silent = follow.source.is_file() && !args.from_start;
    let wait = Wait::new(signals, args.interval.max(Duration::from_millis(1)));
    follow.begin(silent, &wait)?;
    loop {
        match wait.next(&follow.source, follow.tail.holds_lines())? {
            Next::Stop => break,
            Next::Look => {}
        }
        if follow.look(&wait)? {
            break;
        }
    }
    Ok(0)
}

struct Follow<'a> {
    args: &'a Args,
    source: Source,
    tail: Tail,
    printer: Printer,
    /// So many looks in a row have found no file.
    missing: u64,
}

impl Follow<'_> {
    /// What is there already.
    fn begin(&mut self, silent: bool, wait: &Wait) -> Result<(), Failure> {
        if silent {
            self.read_silently(wait)?;
        }
        self.printer.following(self.tail.state())?;
        if self.source.is_file() && !silent {
            self.read(wait)?;
        }
        Ok(self.printer.flush()?)
    }

    /// One look; whether it was the last.
    fn look(&mut self, wait: &Wait) -> Result<bool, Failure> {
        let ended = self.read(wait)?;
        match self.source.look()? {
            Look::Same => self.missing = 0,
            Look::Gone => {
                self.missing += 1;
                // Serf unlinks the old file before it renames the new one, so that once is no news.
                if self.missing == 2 {
                    self.printer.gone();
                }
            }
            Look::Other(next) => {
                self.missing = 0;
                self.change_over(next, wait)?;
            }
        }
        self.printer.flush()?;
        Ok(ended)
    }

    /// Reads what is new; whether a pipe has ended.
    fn read(&mut self, wait: &Wait) -> Result<bool, Failure> {
        let clocks = self.tail.state().clocks();
        let Self { tail, source, printer, .. } = self;
        let ended = tail.read(source, wait, |step, at| printer.step(step, at))?;
        printer.clocks(clocks, tail.state().clocks())?;
        Ok(ended)
    }

    fn read_silently(&mut self, wait: &Wait) -> Result<(), Failure> {
        self.tail.read(&mut self.source, wait, |_, _| Ok(()))?;
        // Nothing is known of the time before, so whole lines that wait for their seal count as well.
        Ok(self.tail.take_held(|_, _| Ok(()))?)
    }

    /// Another file is at the path, or the same one begins anew.
    fn change_over(&mut self, next: Source, wait: &Wait) -> Result<(), Failure> {
        // What came to the old file before.
        if !next.is_same_file(&self.source) {
            self.read(wait)?;
            self.tail.take_held(|step, at| self.printer.step(step, at))?;
        }
        let bytes = self.source.position();
        self.source = next;
        let old = std::mem::replace(&mut self.tail, Tail::new(self.args.rules));
        self.read_silently(wait)?;
        let (old, new) = (old.state(), self.tail.state());
        self.printer.rewritten(bytes, self.source.position())?;
        for change in Change::between(old, new) {
            self.printer.change(&change, None)?;
        }
        for (clock, before, after) in clocks_between(old, new) {
            self.printer.clock(clock, before, after)?;
        }
        Ok(())
    }
}

/// Where output cannot be written, that is the failure; nothing else gives bare errors here.
pub(crate) type Written = io::Result<()>;
