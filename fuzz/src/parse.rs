//! One line at a time: parsing, encoding, salvaging.

use snapshot_format::{Line, MAX_LINE, Problem, Record, salvage};

use crate::stretch;

/// The input is lines, with runs.
///
/// * Nothing panics.
/// * The lines that are no record are those that Serf's reading warns about, and invalid coordinates.
/// * A record is written as one line that reads as the same record and is written alike again.
/// * The span of an error lies within its line.
/// * Salvage gives every record that begins inside a line, the innermost first.
///
/// # Panics
/// Where one of these does not hold.
pub fn parse(data: &[u8]) {
    for line in stretch(data).split(|&byte| byte == b'\n') {
        check_line(line);
        if line.len() < MAX_LINE {
            check_salvage(line);
        }
    }
}

fn check_line(bytes: &[u8]) {
    let len = bytes.len() as u64;
    let line = Line { number: 1, offset: 0, len, bytes };
    let parsed = line.record();
    let warned = snapshot_model::warnings(&[bytes, b"\n"].concat()) > 0;
    match &parsed {
        Ok(record) => {
            assert!(!warned, "Serf reads no such line: {record:?}");
            check_encoding(record);
        }
        Err(error) => {
            assert_eq!(warned, error.problem != Problem::NotACoordinate, "{error}");
            assert!(!bytes.starts_with(b"#") || bytes.len() > MAX_LINE, "{error}");
            let span = error.span.clone();
            assert!(span.start <= span.end && span.end <= bytes.len(), "{error}");
            assert!(!error.to_string().is_empty());
        }
    }
}

fn check_encoding(record: &Record<'_>) {
    let mut line = Vec::new();
    record.encode(&mut line);
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(!line.contains(&b'\n'), "{}", line.escape_ascii());
    let again = Record::parse(&line).expect("a record was written");
    assert_eq!(again, *record, "{}", line.escape_ascii());
    let mut twice = Vec::new();
    again.encode(&mut twice);
    assert_eq!(twice.strip_suffix(b"\n"), Some(&line[..]), "{}", line.escape_ascii());
    // It is shown to people, and what a member chose must not drive their terminal.
    let shown = match record {
        Record::Alive { name, .. } | Record::NotAlive { name } | Record::Node(name) => {
            name.to_string()
        }
        Record::Cluster(text) => text.to_string(),
        Record::Comment(text) | Record::Extension(text) => text.to_string(),
        _ => return,
    };
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

fn check_salvage(line: &[u8]) {
    const ALIVE: &[u8] = b"alive: ";
    let inner = |at: &usize| line[*at..].starts_with(ALIVE) && !line[..*at].ends_with(b"not-");
    let expected = (1..line.len()).rev().filter(inner);
    let expected = expected.filter_map(|at| Some((at, Record::parse(&line[at..]).ok()?)));
    assert!(salvage(line).eq(expected), "{}", line.escape_ascii());
    assert!(salvage(line).all(|(_, record)| matches!(record, Record::Alive { .. })));
}
