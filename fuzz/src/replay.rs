//! Whole files, read by both readers and by the oracle, and what we make of them.

use snapshot_engine::{Clocks, Document, Mode, Report, State, Verdict};
use snapshot_format::{Line, Lines, Record};
use snapshot_model::{Model, Rules};

use crate::expand;
use crate::input::{Batches, SEALED_AT};
use crate::read::{self, assert_same, model_of, policy, state, without_failed};

/// The input is a file, with runs and seal marks.
///
/// * Neither reader panics; both recover what the oracle recovers, under both settings of `rejoin_after_leave`.
/// * Every finding lies within the file; a file without findings reads alike to both.
/// * The records of a state, written down, replay to that state.
/// * A document of the file, written down, is wholly sealed and clean, reads as the file did, to Serf too, and is
///   its own document; where damage has made the two readings contradict each other, that of the second writing.
///
/// # Panics
/// Where one of these does not hold.
pub fn replay(data: &[u8]) {
    let file = expand(data);
    let mut clean = true;
    for rejoin in [false, true] {
        let (serf, report) = state(&file, Mode::Serf, &policy(rejoin));
        check_report(&file, &report);
        assert_same(&model_of(&serf), &snapshot_model::replay(&file, &Rules::serf(rejoin)));
        assert_eq!(report.findings_total, snapshot_model::warnings(&file) as u64);
        check_plain_records(&serf);

        let (hardened, report) = state(&file, Mode::Hardened, &policy(rejoin));
        check_report(&file, &report);
        let model = snapshot_model::replay(&file, &Rules::hardened(rejoin));
        assert_same(&model_of(&hardened), &model);
        check_sealed_records(&hardened);
        if report.findings_total == 0 {
            assert_same(&without_failed(model), &model_of(&serf));
        }
        clean &= report.findings_total == 0;
        check_small_limits(&file, rejoin);
    }
    check_document(&file, clean);
}

fn check_report(file: &[u8], report: &Report) {
    let size = file.len() as u64;
    assert_eq!(report.bytes, size);
    assert_eq!(report.lines, Lines::new(file).count() as u64);
    assert!(report.sealed_until <= size && report.records <= report.lines);
    let torn = report.torn.clone().unwrap_or(size..size);
    assert_eq!(torn.end, size);
    assert!(!file.is_empty() || report.verdict() == Verdict::Clean);
    let mut last = 0;
    for finding in &report.findings {
        assert!(last < finding.line && finding.line <= report.lines, "{finding:?}");
        assert!(finding.offset + finding.len < torn.start, "{finding:?}");
        last = finding.line;
    }
}

/// What the limits do is seen only where they are small.
fn check_small_limits(file: &[u8], rejoin: bool) {
    let mut policy = policy(rejoin);
    policy.max_failed = 2;
    policy.max_clock.0 = 1000;
    let rules = Rules { max_failed: 2, max_clock: 1000, ..Rules::hardened(rejoin) };
    let (limited, _) = state(file, Mode::Hardened, &policy);
    assert_same(&model_of(&limited), &snapshot_model::replay(file, &rules));
}

/// Serf's reading takes names and addresses that no batch and no other reader takes.
fn check_plain_records(serf: &State) {
    let mut lines = Vec::new();
    serf.records().for_each(|record| record.encode(&mut lines));
    let (again, report) = state(&lines, Mode::Serf, &policy(false));
    assert!(again == *serf && report.findings_total == 0, "{}", lines.escape_ascii());
}

fn check_sealed_records(hardened: &State) {
    let mut batches = Batches::default();
    hardened.records().for_each(|record| batches.add(&record));
    let file = batches.into_file();
    let (again, report) = state(&file, Mode::Hardened, &policy(false));
    assert!(again == *hardened, "{}", file.escape_ascii());
    assert!(report.is_wholly_sealed() && report.verdict() == Verdict::Clean, "{report:?}");
    let (serf, _) = state(&file, Mode::Serf, &policy(false));
    assert_same(&model_of(&serf), &without_failed(model_of(hardened)));
}

fn check_document(file: &[u8], clean: bool) {
    let (document, _) = read::document(file);
    let rewritten = bytes_of(&document);
    let mut agree = true;
    let lost = comments(file).len() - comments(&rewritten).len();
    assert_eq!(lost as u64, document.dropped_comments());
    assert!(lost > 0 || comments(&rewritten) == comments(file));
    for rejoin in [false, true] {
        let (again, report) = state(&rewritten, Mode::Hardened, &policy(rejoin));
        assert!(report.is_wholly_sealed() && report.verdict() == Verdict::Clean, "{report:?}");
        let expected = rewritten_reading(document.state(true), document.state(false), rejoin);
        let recovered = model_of(&again);
        assert_same(&recovered, &expected);
        assert_eq!(again.coordinate(), document.state(rejoin).coordinate());
        let serf = |file: &[u8]| model_of(&state(file, Mode::Serf, &policy(rejoin)).0);
        assert_same(&serf(&rewritten), &without_failed(recovered));
        agree &= again == *document.state(rejoin);
        assert!(!clean || serf(&rewritten) == serf(file), "{}", rewritten.escape_ascii());
    }
    assert!(agree || !clean, "{}", rewritten.escape_ascii());
    check_order(&rewritten);
    // What a contradiction has left behind is gone the second time.
    let again = bytes_of(&read::document(&rewritten).0);
    assert!(again == rewritten || !agree, "{}", rewritten.escape_ascii());
    assert!(again == bytes_of(&read::document(&again).0), "{}", again.escape_ascii());
}

/// The nodes of each part are sorted by name.
fn check_order(rewritten: &[u8]) {
    let mut last = None;
    for line in Lines::new(rewritten) {
        match line.record() {
            Ok(Record::Alive { name, .. }) => {
                assert!(last < Some(name), "{name} comes too late");
                last = Some(name);
            }
            Ok(Record::Leave) => last = None,
            _ => {}
        }
    }
}

fn bytes_of(document: &Document) -> Vec<u8> {
    document.batches(SEALED_AT).flatten().collect()
}

/// What people wrote, in order.
fn comments<'a>(file: &'a [u8]) -> Vec<&'a [u8]> {
    let comment = |line: Line<'a>| {
        let mark: &[u8] = if line.number == 1 { b"\xef\xbb\xbf" } else { b"" };
        let bytes = line.bytes.strip_prefix(mark).unwrap_or(line.bytes);
        matches!(Line { bytes, ..line }.record(), Ok(Record::Comment(_))).then_some(bytes)
    };
    Lines::new(file).filter_map(comment).collect()
}

/// What the two readings of a file come to in one that both can read.
///
/// Damage can make them contradict each other: a salvaged node never replaces one that is known, and the reader who
/// ignored a `leave` knows more.
/// Then what both see wins, and nobody is lost.
fn rewritten_reading(rejoining: &State, leaving: &State, rejoin: bool) -> Model {
    let mut model = model_of(leaving);
    if !rejoin {
        return model;
    }
    let more = model_of(rejoining);
    for (name, addr) in more.alive {
        model.failed.remove(&name);
        model.alive.entry(name).or_insert(addr);
    }
    for (name, last) in more.failed {
        if !model.alive.contains_key(&name) {
            model.failed.entry(name).or_insert(last);
        }
    }
    let Clocks { clock, event_clock, query_clock } = rejoining.clocks();
    let or = |now: u64, before: u64| if now == 0 { before } else { now };
    model.clock = or(model.clock, clock.0);
    model.event_clock = or(model.event_clock, event_clock.0);
    model.query_clock = or(model.query_clock, query_clock.0);
    model
}
