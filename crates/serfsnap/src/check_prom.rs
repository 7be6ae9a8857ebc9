//! `check` for Prometheus: the text exposition format, as the `node_exporter`'s textfile collector reads it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write};

use crate::check::Checked;
use crate::check_output::exit_code;
use crate::failure::Failure;
use crate::show::shown_path;

/// One metric: its name, what it says, and its samples of a file, each with a label of its own where there is one.
struct Metric {
    name: &'static str,
    help: &'static str,
    samples: fn(&Checked) -> Vec<(&'static str, u64)>,
}

/// Of files that could be read.
const METRICS: [Metric; 8] = [
    Metric {
        name: "serfsnap_nodes",
        help: "Nodes that the snapshot holds, by their status.",
        samples: |of| vec![("status=\"alive\"", of.alive), ("status=\"failed\"", of.failed)],
    },
    Metric {
        name: "serfsnap_candidates",
        help: "Other nodes that the agent would try if it started now.",
        samples: |of| vec![("", of.candidates)],
    },
    Metric {
        name: "serfsnap_findings",
        help: "Places of the snapshot that are damaged or odd.",
        samples: |of| vec![("", of.findings_total)],
    },
    Metric {
        name: "serfsnap_torn",
        help: "Whether the end of the snapshot is unfinished, as in a live file or after a crash.",
        samples: |of| vec![("", u64::from(of.torn))],
    },
    Metric {
        name: "serfsnap_size_bytes",
        help: "Size of the snapshot.",
        samples: |of| vec![("", of.bytes)],
    },
    Metric {
        name: "serfsnap_lamport_time",
        help: "Lamport clocks of the snapshot.",
        samples: |of| {
            let (clock, event) = (of.clocks.clock.0, of.clocks.event_clock.0);
            let query = of.clocks.query_clock.0;
            vec![
                ("clock=\"member\"", clock),
                ("clock=\"event\"", event),
                ("clock=\"query\"", query),
            ]
        },
    },
    Metric {
        name: "serfsnap_members_known",
        help: "Members that are alive as the agent sees it.",
        samples: |of| of.held.map(|held| ("", held.known)).into_iter().collect(),
    },
    Metric {
        name: "serfsnap_members_held",
        help: "Of the members that the agent knows, those that the snapshot holds at their address.",
        samples: |of| of.held.map(|held| ("", held.held)).into_iter().collect(),
    },
];

/// The samples of one metric stand together, so that they are collected before they are printed.
pub(crate) struct Exposition {
    results: String,
    samples: [String; METRICS.len()],
}

impl Exposition {
    pub(crate) fn new() -> Self {
        Self { results: String::new(), samples: [const { String::new() }; METRICS.len()] }
    }

    pub(crate) fn file(&mut self, path: &OsStr, result: &Result<Checked, Failure>) {
        let path = label(path);
        // Writing to a string cannot fail.
        let code = exit_code(result);
        let _ = writeln!(self.results, "serfsnap_check_result{{path=\"{path}\"}} {code}");
        let Ok(checked) = result else { return };
        for (text, metric) in self.samples.iter_mut().zip(&METRICS) {
            for (of, value) in (metric.samples)(checked) {
                let comma = if of.is_empty() { "" } else { "," };
                let _ = writeln!(text, "{}{{path=\"{path}\"{comma}{of}}} {value}", metric.name);
            }
        }
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let help = "Whether somebody should act: 0 no, 1 yes, 2 the snapshot cannot be checked.";
        print(out, "serfsnap_check_result", help, &self.results)?;
        let metrics = METRICS.iter().zip(&self.samples);
        metrics.into_iter().try_for_each(|(of, samples)| print(out, of.name, of.help, samples))
    }
}

fn print(out: &mut impl Write, name: &str, help: &str, samples: &str) -> io::Result<()> {
    if samples.is_empty() {
        return Ok(());
    }
    write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{samples}")
}

/// A path as the value of a label. What a terminal would obey is spelt out, so no newline is left to be escaped.
fn label(path: &OsStr) -> String {
    shown_path(path).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_prometheus_takes() {
        for metric in &METRICS {
            assert!(metric.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(!metric.help.contains(['\\', '\n']), "{}", metric.help);
        }
    }

    #[test]
    fn a_path_cannot_end_its_label() {
        assert_eq!(label(OsStr::new("a\"b\\c\nd")), "a\\\"b\\\\c\\\\nd");
    }
}
