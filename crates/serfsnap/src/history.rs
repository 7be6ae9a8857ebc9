//! `history`: what happened to each node, in the order of the file.

mod cidr;
mod flapping;
mod printer;

use std::ffi::OsString;
use std::io;

use snapshot_format::{Addr, Line, Name, Trust, UnixMillis};

use crate::args::{Format, Rules};
use crate::failure::Outcome;
use crate::history::cidr::Cidr;
use crate::history::flapping::Flapping;
use crate::history::printer::{Printer, Row};
use crate::input::Input;
use crate::reading::for_each_block;
use crate::standing::{Change, Standing, Turn};
use crate::tracker::{Happened, Tracker};

/// Show what happened to each node, in the order of the file.
///
/// alive: it is a member; a number counts how often it has come back. moved: it is at another address. not-alive:
/// it left, failed or was reaped, which Serf does not tell apart. failed: it failed, as our own files know. left: the
/// owner of the file left the cluster.
/// A time is when the lines were written; files of Serf, Consul and Nomad hold none. Where a file was compacted its
/// beginning says who was there then, not when they came.
/// Rows are printed as the file is read, and memory is bounded by the nodes that are alive at once: of those that are
/// gone, 64 MiB of names are remembered to count who comes back.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshot; `-` is standard input
    file: OsString,

    /// Only this node; may be repeated
    #[arg(long, value_name = "NAME")]
    node: Vec<OsString>,

    /// Only nodes that are or were at an address in this network, such as `10.0.0.0/8` or `fd00::/8`; may be repeated
    #[arg(long, value_name = "NETWORK")]
    cidr: Vec<Cidr>,

    #[command(flatten)]
    rules: Rules,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap history --node web-1 /var/lib/serf/snapshot
      Where web-1 has been, and how often it went.
  serfsnap history --cidr 10.9.0.0/16 /var/lib/serf/snapshot
      Who came from that network; flags narrow each other, values of one flag are alternatives.
  serfsnap history --format jsonl snapshot | jq -c 'select(.event == \"moved\")'

Exit codes: 0 whatever the file is like, 2 if it cannot be read.";

pub(crate) fn run(args: &Args) -> Outcome {
    let mut input = Input::open(&args.file, args.rules.reader)?;
    let mut printer = Printer::new(&args.file, args.format);
    if printer.shows_progress() {
        input.silence();
    }
    printer.begin()?;
    let mut history =
        History { args, printer, flapping: Flapping::default(), gone: None, times: false };
    let mut tracker = Tracker::new(args.rules);
    for_each_block(&mut input, |block| {
        let trust = block.trust;
        block.lines.into_iter().try_for_each(|line| history.line(&mut tracker, &line, trust))
    })?;
    history.end()?;
    Ok(0)
}

struct History<'a> {
    args: &'a Args,
    printer: Printer,
    flapping: Flapping,
    /// A node that is gone, until the next line has told whether it failed.
    gone: Option<Gone>,
    /// Whether a seal has given a time.
    times: bool,
}

/// A row that may have to wait.
struct Gone {
    name: Vec<u8>,
    addr: Vec<u8>,
    line: u64,
    offset: u64,
    at: Option<UnixMillis>,
}

impl History<'_> {
    fn line(&mut self, tracker: &mut Tracker, line: &Line<'_>, trust: Trust) -> io::Result<()> {
        let at = match trust {
            Trust::Sealed(seal) => Some(seal.at),
            Trust::Unsealed | Trust::Damaged(_) => None,
        };
        self.times |= at.is_some();
        let happened = tracker.line(line, trust).happened;
        // Our own files tell a failure in two lines, the first of which Serf understands.
        if let Some(gone) = self.gone.take() {
            let failed = |change: &Change<'_>| {
                change.turn() == Turn::Failed && change.name.as_bytes() == gone.name
            };
            if !matches!(&happened, Some(Happened::Node(change)) if failed(change)) {
                self.print_gone(&gone)?;
            }
        }
        let (line, offset) = (line.number, line.offset);
        match happened {
            None => Ok(()),
            Some(Happened::Left { forgotten }) => {
                self.printer.row(&Row::left(line, offset, at, forgotten))
            }
            Some(Happened::Node(change)) => self.change(&change, line, offset, at),
        }
    }

    fn change(
        &mut self,
        change: &Change<'_>,
        line: u64,
        offset: u64,
        at: Option<UnixMillis>,
    ) -> io::Result<()> {
        let turn = change.turn();
        let name = change.name.as_bytes();
        let was_alive = matches!(change.before, Some(Standing::Alive(_)));
        match turn {
            Turn::NotAlive | Turn::Failed if was_alive => self.flapping.went(name),
            Turn::Alive => self.flapping.came(name),
            _ => {}
        }
        if !self.wanted(change) {
            return Ok(());
        }
        let addr = change.addr().map(|addr| addr.as_bytes().to_vec()).unwrap_or_default();
        if turn == Turn::NotAlive {
            self.gone = Some(Gone { name: name.to_vec(), addr, line, offset, at });
            return Ok(());
        }
        let at = change.after.and_then(|after| after.failed_at()).or(at);
        let row = Row {
            line,
            offset,
            at,
            event: turn.as_str(),
            name: Some(change.name),
            addr: change.addr(),
            from: change.moved_from(),
            back: (turn == Turn::Alive).then(|| self.flapping.of(name)).filter(|back| *back > 0),
            forgotten: None,
        };
        self.printer.row(&row)
    }

    fn print_gone(&mut self, gone: &Gone) -> io::Result<()> {
        let Gone { name, addr, line, offset, at } = gone;
        let (name, addr) = (Name::new(name).ok(), Addr::new(addr).ok());
        let (line, offset, at) = (*line, *offset, *at);
        let event = Turn::NotAlive.as_str();
        let row =
            Row { line, offset, at, event, name, addr, from: None, back: None, forgotten: None };
        self.printer.row(&row)
    }

    fn end(mut self) -> io::Result<()> {
        if let Some(gone) = self.gone.take() {
            self.print_gone(&gone)?;
        }
        let args = self.args;
        let flapping = self.flapping.most(|name| {
            args.node.is_empty() || args.node.iter().any(|node| node.as_encoded_bytes() == name)
        });
        self.printer.end(&flapping, self.flapping.is_complete(), self.times)
    }

    /// Whether the node is one that was asked for.
    fn wanted(&self, change: &Change<'_>) -> bool {
        let Args { node, cidr, .. } = self.args;
        let named = node.iter().any(|node| node.as_encoded_bytes() == change.name.as_bytes());
        let addrs = [change.before, change.after].into_iter().flatten().map(|it| it.addr());
        let inside = addrs.into_iter().any(|addr| cidr.iter().any(|cidr| cidr.holds(addr)));
        (node.is_empty() || named) && (cidr.is_empty() || inside)
    }
}
