//! A plan as JSON.

use std::borrow::Cow;
use std::ffi::OsStr;

use serde::Serialize;

use crate::edit::Edit;
use crate::edit::change::{ClockChange, NodeChange, Standing};
use crate::edit::plan::Plan;
use crate::inspect::Found;
use crate::json;

/// The object of every command that writes.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    schema: u32,
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    changes: bool,
    written: bool,
    old_bytes: u64,
    new_bytes: u64,
    old_lines: u64,
    new_lines: u64,
    torn_bytes: u64,
    dropped_comments: u64,
    /// How many alive nodes stay where they are.
    kept: usize,
    nodes: Vec<Node<'a>>,
    clocks: Vec<Clock>,
    notes: &'a [String],
    findings: Vec<Found>,
    findings_total: u64,
    backup: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_hex: Option<String>,
}

#[derive(Serialize)]
struct Node<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_hex: Option<String>,
    change: &'static str,
    reading: &'static str,
    was: Option<Place<'a>>,
    becomes: Option<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    state: &'static str,
    addr: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_at_ms: Option<u64>,
}

#[derive(Serialize)]
struct Clock {
    #[serde(rename = "clock")]
    which: &'static str,
    reading: &'static str,
    was: u64,
    becomes: u64,
}

impl<'a> Row<'a> {
    pub(super) fn new(
        edit: &impl Edit,
        plan: &'a Plan,
        path: &'a OsStr,
        backup: Option<&'a OsStr>,
    ) -> Self {
        let report = plan.report();
        let is_needed = edit.is_needed(plan);
        let (path, path_hex) = json::text(path.as_encoded_bytes());
        let backup = backup.map(|backup| json::text(backup.as_encoded_bytes()));
        let (backup, backup_hex) = backup.unzip();
        let changes = plan.changes();
        Self {
            schema: json::SCHEMA,
            path,
            path_hex,
            changes: is_needed,
            written: backup.is_some(),
            old_bytes: report.bytes,
            new_bytes: if is_needed { plan.new_bytes } else { report.bytes },
            old_lines: report.lines,
            new_lines: if is_needed { plan.new_lines } else { report.lines },
            torn_bytes: plan.torn_bytes(),
            dropped_comments: plan.document().dropped_comments(),
            kept: plan.kept(false),
            nodes: changes.nodes.iter().map(Node::from).collect(),
            clocks: changes.clocks.iter().map(Clock::from).collect(),
            notes: plan.notes(),
            findings: report.findings.iter().map(Found::from).collect(),
            findings_total: report.findings_total,
            backup,
            backup_hex: backup_hex.flatten(),
        }
    }
}

impl<'a> From<&NodeChange<'a>> for Node<'a> {
    fn from(change: &NodeChange<'a>) -> Self {
        let (name, name_hex) = json::text(change.name.as_bytes());
        let [was, becomes] = [change.was, change.becomes].map(|standing| standing.map(Place::from));
        let (reading, word) = (change.seen.as_str(), change.word());
        Self { name, name_hex, change: word, reading, was, becomes }
    }
}

impl<'a> From<Standing<'a>> for Place<'a> {
    fn from(standing: Standing<'a>) -> Self {
        let (state, addr, at) = match standing {
            Standing::Alive(addr) => ("alive", addr, None),
            Standing::Failed(addr, at) => ("failed", addr, Some(at.0)),
        };
        let (addr, addr_hex) = json::text(addr.as_bytes());
        Self { state, addr, addr_hex, failed_at_ms: at }
    }
}

impl From<&ClockChange> for Clock {
    fn from(change: &ClockChange) -> Self {
        let ClockChange { seen, clock, was, becomes } = *change;
        Self { which: clock, reading: seen.as_str(), was: was.0, becomes: becomes.0 }
    }
}
