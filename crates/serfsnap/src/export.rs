//! `export`: the nodes for other programs.

mod place;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use snapshot_engine::State;
use snapshot_format::{Addr, Name};

use crate::args::Rules;
use crate::export::place::Place;
use crate::failure::Outcome;
use crate::input::Input;
use crate::inspect::sorted;
use crate::json;
use crate::out::complain;
use crate::reading::Reading;
use crate::show::shown;
use crate::standing::Standing;

/// Write the nodes of a snapshot in a form that other programs read.
///
/// jsonl and csv have one node a line, the alive ones first: its name, its address whole and in parts, and whether it
/// is alive or has failed. retry-join is a fragment for Consul's configuration directory: the addresses that can be
/// dialled, each once, so that an agent goes on trying them for as long as it runs.
/// In CSV what a terminal would obey is spelt out in `name`; where `name` is not the name byte for byte, `name_hex`
/// has it in hexadecimal.
/// OUT is written beside its place and renamed, so whoever reads it sees the old or the new one.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshot; `-` is standard input
    file: OsString,

    /// What it becomes
    #[arg(long, value_enum, value_name = "FORM")]
    to: Form,

    /// Where it goes; `-` is standard output
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,

    #[command(flatten)]
    rules: Rules,
}

/// What the nodes become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One JSON object a line, for jq, `DuckDB` or Spark
    Jsonl,
    /// Comma-separated values under a line of titles (RFC 4180)
    Csv,
    /// A JSON file for Consul's configuration directory
    RetryJoin,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap export --to csv -o nodes.csv /var/lib/serf/snapshot
  serfsnap export --to jsonl snapshot | duckdb -c \"select host, count(*) from read_json('/dev/stdin') group by host\"
  serfsnap export --to retry-join -o /etc/consul.d/retry.json /var/lib/consul/serf/local.snapshot
      A server that lost its cluster tries these until it is back; take the file away afterwards.

Exit codes: 0 written, 2 if FILE cannot be read or OUT not written.";

pub(crate) fn run(args: &Args) -> Outcome {
    let mut place = Place::new(&args.output, &args.file)?;
    let mut input = Input::open(&args.file, args.rules.reader)?;
    let reading = Reading::new(&mut input, args.rules)?;
    let state = &reading.state;
    place.write(|mut out| match args.to {
        Form::Jsonl => nodes(state)
            .try_for_each(|(name, standing)| json::line(&mut out, &Object::new(name, standing))),
        Form::Csv => csv(out, state),
        Form::RetryJoin => retry_join(out, state),
    })?;
    Ok(0)
}

/// The alive nodes by name, then the failed ones by name.
fn nodes(state: &State) -> impl Iterator<Item = (Name<'_>, Standing<'_>)> {
    let alive = sorted(state).into_iter().map(|(name, addr)| (name, Standing::Alive(addr)));
    alive.chain(state.failed().map(|(name, addr, at)| (name, Standing::Failed(addr, at))))
}

/// A node in JSON. The keys are the same in every line but for the hexadecimal ones.
#[derive(Serialize)]
struct Object {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    addr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr_hex: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    status: &'static str,
    failed_at_ms: Option<u64>,
}

impl Object {
    fn new(name: Name<'_>, standing: Standing<'_>) -> Self {
        let addr = standing.addr();
        let (host, port) = host_and_port(addr).unzip();
        let (name, name_hex) = json::text(name.as_bytes());
        let (addr, addr_hex) = json::text(addr.as_bytes());
        Self {
            name: name.into_owned(),
            name_hex,
            addr: addr.into_owned(),
            addr_hex,
            host: host.map(str::to_owned),
            port,
            status: standing.word(),
            failed_at_ms: standing.failed_at().map(|at| at.0),
        }
    }
}

/// The host without brackets, and the port; none of an address that cannot be dialled.
pub(crate) fn host_and_port(addr: Addr<'_>) -> Option<(&str, u16)> {
    if !addr.is_dialable() {
        return None;
    }
    let (host, port) = str::from_utf8(addr.as_bytes()).ok()?.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host, port.parse().ok()?))
}

fn csv(out: &mut dyn Write, state: &State) -> io::Result<()> {
    const TITLES: [&str; 8] =
        ["name", "name_hex", "addr", "addr_hex", "host", "port", "status", "failed_at_ms"];
    let mut csv = csv::Writer::from_writer(out);
    let mut record = |cells: [&str; 8]| csv.write_record(cells).map_err(of_csv);
    record(TITLES)?;
    for (name, standing) in nodes(state) {
        let addr = standing.addr();
        let (host, port) = host_and_port(addr).unzip();
        let (name, name_hex) = cell(name.as_bytes());
        let (addr, addr_hex) = cell(addr.as_bytes());
        let port = port.map(|port| port.to_string()).unwrap_or_default();
        let failed_at = standing.failed_at().map(|at| at.0.to_string()).unwrap_or_default();
        let (host, status) = (host.unwrap_or_default(), standing.word());
        record([&name, &name_hex, &addr, &addr_hex, host, &port, status, &failed_at])?;
    }
    csv.flush()
}

/// The error of the output as it was: a pipe that is closed is none.
fn of_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// Bytes as text that no terminal obeys; and in hexadecimal, where the text is something else.
fn cell(bytes: &[u8]) -> (String, String) {
    let text = shown(bytes);
    let hex = if text.as_bytes() == bytes { String::new() } else { json::hex(bytes) };
    (text, hex)
}

/// A file for Consul's configuration directory.
#[derive(Serialize)]
struct Fragment<'a> {
    retry_join: Vec<&'a str>,
}

fn retry_join(out: &mut dyn Write, state: &State) -> io::Result<()> {
    let mut seen = std::collections::HashSet::new();
    let addrs = nodes(state).map(|(_, standing)| standing.addr());
    let retry_join: Vec<_> = addrs
        .filter(Addr::is_dialable)
        .filter_map(|addr| str::from_utf8(addr.as_bytes()).ok())
        .filter(|addr| seen.insert(*addr))
        .collect();
    if retry_join.is_empty() {
        complain(&"the file holds no node that can be dialled, so there is nothing to join");
    }
    serde_json::to_writer_pretty(&mut *out, &Fragment { retry_join })?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_parts() {
        let check = |addr: &str, expect: Option<(&str, u16)>| {
            assert_eq!(host_and_port(Addr::new(addr.as_bytes()).unwrap()), expect, "{addr}");
        };
        check("10.0.0.1:7946", Some(("10.0.0.1", 7946)));
        check("[fd00::1%eth0]:1", Some(("fd00::1%eth0", 1)));
        check("web-1.example:8301", Some(("web-1.example", 8301)));
        check("10.0.0.1", None);
        check("[fd00::1:1", None);
    }

    #[test]
    fn cells_say_the_bytes_one_way_or_the_other() {
        let check = |bytes: &[u8], text: &str, hex: &str| {
            assert_eq!(cell(bytes), (text.to_owned(), hex.to_owned()));
        };
        check("web-\u{e4}".as_bytes(), "web-\u{e4}", "");
        check(b"a\xff", "a\\xff", "61ff");
        check(b"a\x1b", "a\\u{1b}", "611b");
        check(b"a\\u{1b}", "a\\u{1b}", "");
    }
}
