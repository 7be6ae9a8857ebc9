//! The conformance suite: each kept answer of the real library, put to any program.
//!
//! `docs/COMPATIBILITY.md` has the protocol.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::corpus::{Row, rows};
use crate::view::View;
use crate::{Outcome, hex, memory_directory};

/// What a program prints about a file. Whatever else it prints is its own affair.
#[derive(Deserialize)]
struct Printed {
    alive: Vec<Node>,
    clock: Value,
    event_clock: Value,
    query_clock: Value,
    /// How many lines are odd to Serf; not every program counts them.
    warnings: Option<u64>,
    /// The same under the name that `serfsnap` has for it.
    findings_total: Option<u64>,
}

#[derive(Deserialize)]
struct Node {
    name: Option<String>,
    name_hex: Option<String>,
    addr: Option<String>,
    addr_hex: Option<String>,
}

/// Puts every row to the command, prints those on which it differs and a line of totals.
pub(crate) fn run(command: &str, arguments: &[&str]) -> Outcome {
    let directory = memory_directory()?;
    let path = directory.path().join("case.snap");
    let rows = rows()?;
    let (mut equal, mut counted) = (0, 0);
    for row in &rows {
        fs::write(&path, &row.input)?;
        match ask(command, arguments, &path, row.rejoin) {
            Err(Fault::NotStarted(error)) => {
                return Err(format!("{command} could not be started: {error}").into());
            }
            Err(Fault::Answer(why)) => report(row, &why),
            Ok((view, warnings)) => {
                counted += u64::from(warnings.is_some());
                if view != row.view {
                    report(row, &format!("it says {view}; Serf recovers {}", row.view));
                } else if warnings.is_some_and(|found| found != row.warnings) {
                    report(row, &format!("{warnings:?} odd lines; Serf warns of {}", row.warnings));
                } else {
                    equal += 1;
                }
            }
        }
    }
    let different = rows.len() - equal;
    println!(
        "{} cases: {equal} equal, {different} different; odd lines counted in {counted}",
        rows.len()
    );
    if different == 0 { Ok(()) } else { Err(format!("{different} cases differ").into()) }
}

fn report(row: &Row, why: &str) {
    println!("{} --rejoin-after-leave={}: {why}", row.id, row.rejoin);
}

enum Fault {
    NotStarted(std::io::Error),
    Answer(String),
}

fn ask(
    command: &str,
    arguments: &[&str],
    path: &Path,
    rejoin: bool,
) -> Result<(View, Option<u64>), Fault> {
    let output = Command::new(command)
        .args(arguments)
        .arg(format!("--rejoin-after-leave={rejoin}"))
        .arg(path)
        .output()
        .map_err(Fault::NotStarted)?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(Fault::Answer(format!("it ended with {}: {complaint}", output.status)));
    }
    parse(&output.stdout).map_err(|error| Fault::Answer(error.to_string()))
}

fn parse(printed: &[u8]) -> Outcome<(View, Option<u64>)> {
    let printed: Printed = serde_json::from_slice(printed)?;
    let node = |node: &Node| {
        let name = bytes(node.name_hex.as_deref(), node.name.as_deref())?;
        Ok((name, bytes(node.addr_hex.as_deref(), node.addr.as_deref())?))
    };
    let alive: Vec<(Vec<u8>, Vec<u8>)> = printed.alive.iter().map(node).collect::<Outcome<_>>()?;
    let nodes = alive.len();
    let view = View {
        alive: alive.into_iter().collect(),
        clock: number(&printed.clock)?,
        event_clock: number(&printed.event_clock)?,
        query_clock: number(&printed.query_clock)?,
    };
    if view.alive.len() != nodes {
        return Err("a name comes twice".into());
    }
    Ok((view, printed.warnings.or(printed.findings_total)))
}

/// The hexadecimal form counts where both are there: the other may have lost something.
fn bytes(digits: Option<&str>, text: Option<&str>) -> Outcome<Vec<u8>> {
    match (digits, text) {
        (Some(digits), _) => hex::decode(digits),
        (None, Some(text)) => Ok(text.as_bytes().to_vec()),
        (None, None) => Err("a node lacks its name or its address".into()),
    }
}

/// Many a JSON library loses the last digits of 2^64 - 1, so a string of digits counts as well.
fn number(value: &Value) -> Outcome<u64> {
    let digits = value.as_str().and_then(|digits| digits.parse().ok());
    value.as_u64().or(digits).ok_or_else(|| format!("{value} is no clock").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_print_is_understood() {
        let (view, warnings) = parse(
            br#"{"alive":[{"name":"a","addr":"1.1.1.1:1"},{"name":"?","name_hex":"ff","addr_hex":"78"}],
            "clock":"18446744073709551615","event_clock":2,"query_clock":0,"warnings":3,"more":[]}"#,
        )
        .unwrap();
        let alive = [(b"a".to_vec(), b"1.1.1.1:1".to_vec()), (b"\xff".to_vec(), b"x".to_vec())];
        assert_eq!(view.alive, alive.into());
        assert_eq!((view.clock, view.event_clock, warnings), (u64::MAX, 2, Some(3)));
        let clocks = r#""clock":0,"event_clock":0,"query_clock":0"#;
        for alive in [r#"{"name":"a"}"#, r#"{"name":"a","addr":"x"},{"name":"a","addr":"y"}"#] {
            let printed = format!(r#"{{"alive":[{alive}],{clocks}}}"#);
            assert!(parse(printed.as_bytes()).is_err(), "{printed}");
        }
    }
}
