//! Whole files, read by both readers and by the oracle, and what we make of them.

use snapshot_engine::{Clocks, Document, Mode, Replay, Report, State, Verdict};
use snapshot_format::{Line, Lines, Record};
use snapshot_model::{Model, Rules};

use crate::expand;
use crate::input::{Batches, SEALED_AT};
use crate::read::{self, Readings, assert_same, model_of, policy, states, without_failed};

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
    let Readings { serf, hardened } = Readings::of(&file);
    for (rejoin, (serf, report)) in [false, true].into_iter().zip(&serf) {
        check_report(&file, report);
        assert_same(&model_of(serf), &snapshot_model::replay(&file, &Rules::serf(rejoin)));
        assert_eq!(report.findings_total, snapshot_model::warnings(&file) as u64);
        check_plain_records(serf);
    }
    for (rejoin, (hardened, report)) in [false, true].into_iter().zip(&hardened) {
        check_report(&file, report);
        assert_same(&model_of(hardened), &snapshot_model::replay(&file, &Rules::hardened(rejoin)));
        check_sealed_records(hardened);
    }
    let clean = hardened.iter().all(|(_, report)| report.findings_total == 0);
    for ((hardened, report), (serf, _)) in hardened.iter().zip(&serf) {
        if report.findings_total == 0 {
            assert_same(&without_failed(model_of(hardened)), &model_of(serf));
        }
    }
    check_small_limits(&file);
    check_document(&file, clean.then_some(&serf));
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
fn check_small_limits(file: &[u8]) {
    let settings = [false, true].map(|rejoin| {
        let mut policy = policy(rejoin);
        policy.max_failed = 2;
        policy.max_clock.0 = 1000;
        (policy, Rules { max_failed: 2, max_clock: 1000, ..Rules::hardened(rejoin) })
    });
    let replays = settings.each_ref().map(|(policy, _)| Replay::new(Mode::Hardened, policy, 7));
    for ((limited, _), (_, rules)) in states(file, replays).iter().zip(&settings) {
        assert_same(&model_of(limited), &snapshot_model::replay(file, rules));
    }
}

/// Serf's reading takes names and addresses that no batch and no other reader takes.
fn check_plain_records(serf: &State) {
    let mut lines = Vec::new();
    serf.records().for_each(|record| record.encode(&mut lines));
    let [(again, report)] = states(&lines, [Replay::new(Mode::Serf, &policy(false), 8)]);
    assert!(again == *serf && report.findings_total == 0, "{}", lines.escape_ascii());
}

fn check_sealed_records(hardened: &State) {
    let mut batches = Batches::default();
    hardened.records().for_each(|record| batches.add(&record));
    let file = batches.into_file();
    let replays = [Mode::Serf, Mode::Hardened].map(|mode| Replay::new(mode, &policy(false), 8));
    let [(serf, _), (again, report)] = states(&file, replays);
    assert!(again == *hardened, "{}", file.escape_ascii());
    assert!(report.is_wholly_sealed() && report.verdict() == Verdict::Clean, "{report:?}");
    assert_same(&model_of(&serf), &without_failed(model_of(hardened)));
}

/// Where the file has no findings, it comes with what Serf makes of it.
fn check_document(file: &[u8], clean: Option<&[(State, Report); 2]>) {
    let (document, _) = read::document(file);
    let rewritten = bytes_of(&document);
    check_comments(file, &rewritten, document.dropped_comments());
    check_order(&rewritten);
    let Readings { serf, hardened } = Readings::of(&rewritten);
    let mut agree = true;
    for (rejoin, ((again, report), (serf, _))) in
        [false, true].into_iter().zip(hardened.iter().zip(&serf))
    {
        assert!(report.is_wholly_sealed() && report.verdict() == Verdict::Clean, "{report:?}");
        let expected = rewritten_reading(document.state(true), document.state(false), rejoin);
        let recovered = model_of(again);
        assert_same(&recovered, &expected);
        assert_eq!(again.coordinate(), document.state(rejoin).coordinate());
        let serf = model_of(serf);
        assert_same(&serf, &without_failed(recovered));
        if let Some(before) = clean {
            assert_same(&serf, &model_of(&before[usize::from(rejoin)].0));
        }
        agree &= again == document.state(rejoin);
    }
    assert!(agree || clean.is_none(), "{}", rewritten.escape_ascii());
    // What a contradiction has left behind is gone the second time.
    let again = bytes_of(&read::document(&rewritten).0);
    assert!(again == rewritten || !agree, "{}", rewritten.escape_ascii());
    assert!(agree || again == bytes_of(&read::document(&again).0), "{}", again.escape_ascii());
}

fn check_comments(file: &[u8], rewritten: &[u8], dropped: u64) {
    let (before, after) = (comments(file), comments(rewritten));
    assert_eq!((before.len() - after.len()) as u64, dropped);
    assert!(before == after || dropped > 0, "{}", rewritten.escape_ascii());
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
