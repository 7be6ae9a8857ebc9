//! `diff`: the nodes and clocks in which two files differ.

use std::ffi::OsString;
use std::io::{self, Write};

use serde::Serialize;

use crate::args::{Format, Rules};
use crate::failure::{Failure, Outcome, printed};
use crate::input::Input;
use crate::json;
use crate::out::{Out, Tone};
use crate::reading::Reading;
use crate::show::{count, shown_path};
use crate::standing::{Change, Standing, StandingRow, Turn, clocks_between};
use crate::table::{Column, Table};

/// Show the nodes and clocks in which two snapshots differ.
///
/// Both are read by the same rules, and what they say is compared, not how they say it: order, repetition, seals and
/// comments do not count.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The one snapshot, such as the older; one of the two may be `-`, standard input
    a: OsString,

    /// The other
    b: OsString,

    #[command(flatten)]
    rules: Rules,

    /// How the output looks
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap diff snapshot.bak-20260105T031500Z snapshot
      What an edit, or an agent since then, has changed.
  ssh web-2 cat /var/lib/serf/snapshot | serfsnap diff /var/lib/serf/snapshot -
      What two nodes think of the cluster.
  serfsnap diff --as consul old.snapshot new.snapshot
      Whether unmodified agents would recover the same from both.

Exit codes: 0 the same, 1 different, 2 if one cannot be read.";

pub(crate) fn run(args: &Args) -> Outcome {
    if args.a == "-" && args.b == "-" {
        return Err(Failure::told("both files are `-`, but there is one standard input; name one"));
    }
    let read = |path| Reading::new(&mut Input::open(path, args.rules.reader)?, args.rules);
    let (a, b) = (read(&args.a)?.state, read(&args.b)?.state);
    let difference =
        Difference { nodes: Change::between(&a, &b), clocks: clocks_between(&a, &b), args };
    let mut out = Out::new();
    let written = match args.format {
        Format::Table => difference.print(&mut out),
        Format::Json => json::line(&mut out, &difference.object()),
        Format::Jsonl => difference.lines(&mut out),
    };
    printed(written.and_then(|()| out.flush()), u8::from(!difference.is_empty()))
}

struct Difference<'a> {
    args: &'a Args,
    nodes: Vec<Change<'a>>,
    clocks: Vec<(&'static str, u64, u64)>,
}

/// The whole in JSON.
#[derive(Serialize)]
struct Object {
    schema: u32,
    a: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    a_hex: Option<String>,
    b: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    b_hex: Option<String>,
    r#as: &'static str,
    rejoin_after_leave: bool,
    same: bool,
    nodes: Vec<NodeRow>,
    clocks: Vec<ClockRow>,
}

/// A node in JSON; null where a file does not know it.
#[derive(Serialize)]
struct NodeRow {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    change: &'static str,
    a: Option<StandingRow>,
    b: Option<StandingRow>,
}

#[derive(Serialize)]
struct ClockRow {
    clock: &'static str,
    a: u64,
    b: u64,
}

impl Difference<'_> {
    fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.clocks.is_empty()
    }

    fn print(&self, out: &mut Out) -> io::Result<()> {
        let paths = format!("{} and {}", shown_path(&self.args.a), shown_path(&self.args.b));
        if self.is_empty() {
            let same = out.paint(Tone::Good, "the same");
            return writeln!(out, "{paths}: {same}");
        }
        let (nodes, clocks) = (self.nodes.len() as u64, self.clocks.len() as u64);
        let parts =
            [(nodes, "node"), (clocks, "clock")].into_iter().filter(|(number, _)| *number > 0);
        let parts: Vec<_> = parts.map(|(number, of)| count(number, of)).collect();
        let verb = if nodes + clocks == 1 { "differs" } else { "differ" };
        let differ = format!("{} {verb}", parts.join(" and "));
        writeln!(out, "{paths}: {}", out.paint(Tone::Notable, &differ))?;
        if nodes > 0 {
            let columns = [
                Column::elastic("NODE"),
                Column::left("CHANGE"),
                Column::left("IN A"),
                Column::left("IN B"),
            ];
            let mut table = Table::new(columns);
            for change in &self.nodes {
                let shown = |it: Option<Standing<'_>>| {
                    it.map_or_else(|| "-".to_owned(), |it| it.to_string())
                };
                let name = change.name.to_string();
                table.row([
                    name,
                    word(change).to_owned(),
                    shown(change.before),
                    shown(change.after),
                ]);
            }
            writeln!(out)?;
            table.print(out)?;
        }
        if clocks > 0 {
            let columns = [Column::left("CLOCK"), Column::right("IN A"), Column::right("IN B")];
            let mut table = Table::new(columns);
            for (clock, a, b) in &self.clocks {
                table.row([(*clock).to_owned(), a.to_string(), b.to_string()]);
            }
            writeln!(out)?;
            table.print(out)?;
        }
        Ok(())
    }

    fn object(&self) -> Object {
        let path = |path: &OsString| {
            let (text, hex) = json::text(path.as_encoded_bytes());
            (text.into_owned(), hex)
        };
        let ((a, a_hex), (b, b_hex)) = (path(&self.args.a), path(&self.args.b));
        Object {
            schema: json::SCHEMA,
            a,
            a_hex,
            b,
            b_hex,
            r#as: self.args.rules.reader.as_str(),
            rejoin_after_leave: self.args.rules.rejoins(),
            same: self.is_empty(),
            nodes: self.nodes.iter().map(node_row).collect(),
            clocks: self.clocks.iter().map(clock_row).collect(),
        }
    }

    fn lines(&self, out: &mut Out) -> io::Result<()> {
        self.nodes.iter().try_for_each(|change| json::line(out, &node_row(change)))?;
        self.clocks.iter().try_for_each(|clock| json::line(out, &clock_row(clock)))
    }
}

/// What became of the node on the way from the one file to the other.
fn word(change: &Change<'_>) -> &'static str {
    match (change.before, change.after, change.turn()) {
        (None, ..) => "only in B",
        (_, None, _) => "only in A",
        (Some(Standing::Failed(..)), _, Turn::Failed) => "failed again",
        (_, _, turn) => turn.as_str(),
    }
}

fn node_row(change: &Change<'_>) -> NodeRow {
    let (name, name_hex) = json::text(change.name.as_bytes());
    NodeRow {
        name: name.into_owned(),
        name_hex,
        change: match word(change) {
            "only in A" => "only-in-a",
            "only in B" => "only-in-b",
            "failed again" => "failed-again",
            word => word,
        },
        a: change.before.map(StandingRow::from),
        b: change.after.map(StandingRow::from),
    }
}

const fn clock_row(&(clock, a, b): &(&'static str, u64, u64)) -> ClockRow {
    ClockRow { clock, a, b }
}
