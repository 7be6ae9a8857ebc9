//! The committed files with the answers kept of them, and the judge that is installed.

use std::fmt;
use std::fs;

use serde::Deserialize;
use snapshot_engine::Mode;

use crate::judge::Judge;
use crate::view::{View, read};
use crate::{Outcome, corpus_path, hex};

/// What the real library made of one input under one setting.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) input: Vec<u8>,
    pub(crate) rejoin: bool,
    pub(crate) view: View,
    pub(crate) warnings: u64,
}

#[derive(Deserialize)]
struct Written {
    id: String,
    rejoin_after_leave: bool,
    clock: u64,
    event_clock: u64,
    query_clock: u64,
    alive: Vec<Node>,
    warnings: u64,
    input_hex: Option<String>,
}

#[derive(Deserialize)]
struct Node {
    name_hex: String,
    addr_hex: String,
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>9}  kept answers that the judge and our Serf mode give again", self.rows)
    }
}

/// The judge and our Serf mode against each row.
pub(crate) fn compare(judge: &mut Judge) -> Outcome<Figures> {
    let rows = rows()?;
    for row in &rows {
        let said = judge.replay(&row.input, row.rejoin)?;
        let wrong = |who: &str| format!("{who} differs on {} with rejoin {}", row.id, row.rejoin);
        if said.view != row.view || said.warnings.len() as u64 != row.warnings {
            return Err(wrong("the judge").into());
        }
        let (state, report) = read(&row.input, Mode::Serf, row.rejoin)?;
        if View::from(&state) != row.view || report.findings_total != row.warnings {
            return Err(wrong("our Serf mode").into());
        }
    }
    Ok(Figures { rows: rows.len() })
}

/// Every row: the edge cases, then the files of agents.
pub(crate) fn rows() -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for name in ["edge-cases.jsonl", "replayed-by-serf.jsonl"] {
        for line in fs::read_to_string(corpus_path(name))?.lines() {
            let written: Written = serde_json::from_str(line)?;
            rows.push(row(written)?);
        }
    }
    Ok(rows)
}

fn row(written: Written) -> Outcome<Row> {
    let input = match &written.input_hex {
        Some(digits) => hex::decode(digits)?,
        None => fs::read(corpus_path(&written.id))?,
    };
    let node = |node: &Node| Ok((hex::decode(&node.name_hex)?, hex::decode(&node.addr_hex)?));
    Ok(Row {
        view: View {
            alive: written.alive.iter().map(node).collect::<Outcome<_>>()?,
            clock: written.clock,
            event_clock: written.event_clock,
            query_clock: written.query_clock,
        },
        id: written.id,
        input,
        rejoin: written.rejoin_after_leave,
        warnings: written.warnings,
    })
}
