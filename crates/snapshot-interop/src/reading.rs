//! Generated files: our Serf mode must equal the judge on each, and hardened replay on those that are not damaged.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use snapshot_engine::{FindingKind, Mode};
use snapshot_format::MAX_LINE;

use crate::excuse::{Excuse, excuse};
use crate::generate::{self, Kind, Made};
use crate::judge::{Answers, Judge, Questions, Verdict};
use crate::view::{View, read};
use crate::{Outcome, hex, memory_directory};

/// How many files may be under way to the judge.
const AHEAD: usize = 256;
/// From how many bytes of mended files on they are judged: all but the last, which may be large, fit into a pipe as
/// questions and as answers, so nobody waits for room while the other does.
const AT_ONCE: usize = 8 * 1024;
/// So many differences are shown before it gives up: one fault has many.
const SHOWN: usize = 5;

/// What was compared.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    files: BTreeMap<Kind, u64>,
    bytes: u64,
    serf_readings: u64,
    too_long: u64,
    hardened_equal: u64,
    hardened_differs: u64,
    with_findings: u64,
    causes: BTreeMap<FindingKind, Cause>,
    wrong: usize,
}

/// How often a kind of finding made the two readings differ.
#[derive(Clone, Copy, Debug, Default)]
struct Cause {
    alone: u64,
    with_others: u64,
}

/// Compares the files of so many seeds.
pub(crate) fn compare(judge: &Path, files: u64, seed: u64) -> Outcome<Figures> {
    let (directory, beside) = (memory_directory()?, memory_directory()?);
    let (questions, answers, child) = Judge::start(judge, directory.path())?.split();
    // The second one reads what was mended, while the first is busy with the next files.
    let mut second = Judge::start(judge, beside.path())?;
    let (to, from) = sync_channel(AHEAD);
    thread::scope(|scope| {
        let asking =
            scope.spawn(move || ask(questions, &to, files, seed).map_err(|e| e.to_string()));
        let figures = judge_all(&from, answers, &mut second);
        // Where it gave up, the asking thread must not wait for ever.
        drop(from);
        let asked = asking.join().map_err(|_| "the thread that asks has panicked")?;
        let figures = figures?;
        Judge::end(asked?, child)?;
        Ok(figures)
    })
}

/// Makes the files and sends each to the judge, under both settings.
fn ask(
    mut questions: Questions,
    to: &SyncSender<(u64, Arc<Made>)>,
    files: u64,
    seed: u64,
) -> Outcome<Questions> {
    for number in 0..files {
        let seed = seed.wrapping_mul(1_000_000_007).wrapping_add(number);
        let made = generate::file(seed);
        let made = Arc::new(made);
        // First of all: whoever listens must be there when a large answer comes while the next question goes out.
        // Where nobody listens any more, the comparison has ended with an error of its own.
        if to.send((seed, Arc::clone(&made))).is_err() {
            break;
        }
        for rejoin in [false, true] {
            questions.replay(&made.bytes, rejoin)?;
        }
        // Else the judge could lack the question that is waited for, once enough files are ahead of it.
        if number.is_multiple_of(AHEAD as u64 / 8) {
            questions.flush()?;
        }
    }
    questions.flush()?;
    Ok(questions)
}

fn judge_all(
    from: &Receiver<(u64, Arc<Made>)>,
    mut answers: Answers,
    second: &mut Judge,
) -> Outcome<Figures> {
    let (mut figures, mut docket) = (Figures::default(), Docket::default());
    for (seed, made) in from {
        *figures.files.entry(made.kind).or_default() += 1;
        figures.bytes += made.bytes.len() as u64;
        for rejoin in [false, true] {
            let case = Case { seed, rejoin, kind: made.kind };
            let said = answers.next()?;
            if let Err(error) = figures.check_serf(&made.bytes, rejoin, &said, second) {
                figures.complain(case, &made.bytes, error.as_ref());
            }
            match figures.check_hardened(&made.bytes, case, said.view) {
                Ok(difference) => docket.add(difference),
                Err(error) => figures.complain(case, &made.bytes, error.as_ref()),
            }
            if docket.mended_bytes >= AT_ONCE {
                docket.settle(second, &mut figures)?;
            }
        }
        if figures.wrong >= SHOWN {
            return Err("so many differences are enough".into());
        }
    }
    docket.settle(second, &mut figures)?;
    if figures.wrong > 0 {
        return Err(format!("{} readings differ", figures.wrong).into());
    }
    Ok(figures)
}

/// One file under one setting.
#[derive(Clone, Copy, Debug)]
struct Case {
    seed: u64,
    rejoin: bool,
    kind: Kind,
}

/// A reading of ours that is not Serf's, and its reasons.
#[derive(Debug)]
struct Difference {
    case: Case,
    file: Vec<u8>,
    ours: View,
    said: View,
    excuse: Excuse,
}

/// Differences whose mended files the judge has yet to read: one question at a time would mostly be waiting.
#[derive(Debug, Default)]
struct Docket {
    differences: Vec<Difference>,
    mended_bytes: usize,
}

impl Docket {
    fn add(&mut self, difference: Option<Difference>) {
        self.mended_bytes += difference.as_ref().map_or(0, |found| found.excuse.mended.len());
        self.differences.extend(difference);
    }

    fn settle(&mut self, judge: &mut Judge, figures: &mut Figures) -> Outcome {
        for found in &self.differences {
            judge.questions.replay(&found.excuse.mended, found.case.rejoin)?;
        }
        judge.questions.flush()?;
        self.mended_bytes = 0;
        for found in self.differences.drain(..) {
            let mended = judge.answers.next()?.view;
            if let Err(error) = found.check(&mended) {
                figures.complain(found.case, &found.file, error.as_ref());
            } else {
                figures.count(&found.excuse);
            }
        }
        Ok(())
    }
}

impl Difference {
    /// The reasons are good ones, and the library reads the mended file as we read the damaged one.
    fn check(&self, mended: &View) -> Outcome {
        let Self { ours, said, excuse, .. } = self;
        if !excuse.causes.is_empty() && excuse.unjustified.is_empty() && mended == ours {
            return Ok(());
        }
        let (causes, unjustified) = (&excuse.causes, &excuse.unjustified);
        let why = format!("causes {causes:?}, unjustified {unjustified:?}, mended {mended}");
        Err(format!("no excuse: ours {ours}; the judge {said}; {why}").into())
    }
}

impl Figures {
    /// Serf mode is the judge's reading and the judge's warnings; only a line that is too long is no line to us.
    fn check_serf(
        &mut self,
        file: &[u8],
        rejoin: bool,
        said: &Verdict,
        second: &mut Judge,
    ) -> Outcome {
        let (state, report) = read(file, Mode::Serf, rejoin)?;
        let ours = View::from(&state);
        self.serf_readings += 1;
        let lines = || file.split_inclusive(|byte| *byte == b'\n');
        let is_long = |line: &&[u8]| line.len() > MAX_LINE + 1 && line.ends_with(b"\n");
        let long = if file.len() > MAX_LINE { lines().filter(is_long).count() } else { 0 };
        let without: Verdict;
        let said = if long == 0 {
            said
        } else {
            self.too_long += 1;
            let rest: Vec<u8> = lines().filter(|line| !is_long(line)).flatten().copied().collect();
            without = second.replay(&rest, rejoin)?;
            &without
        };
        if ours != said.view {
            return Err(format!("Serf mode gives {ours}; the judge {}", said.view).into());
        }
        let expected = said.warnings.len() + long;
        if report.findings_total != expected as u64 {
            let found = report.findings_total;
            let warnings = &said.warnings;
            return Err(format!("{found} findings, {expected} warnings: {warnings:?}").into());
        }
        Ok(())
    }

    /// Hardened replay is the judge's reading of the file, or it has reasons.
    fn check_hardened(
        &mut self,
        file: &[u8],
        case: Case,
        said: View,
    ) -> Outcome<Option<Difference>> {
        let (state, report) = read(file, Mode::Hardened, case.rejoin)?;
        let ours = View::from(&state);
        if case.kind == Kind::History && report.findings_total > 0 {
            return Err(format!("an undamaged file has findings: {:?}", report.findings).into());
        }
        self.with_findings += u64::from(report.findings_total > 0);
        if ours == said {
            self.hardened_equal += 1;
            return Ok(None);
        }
        let excuse = excuse(file, case.rejoin)?;
        if excuse.findings != report.findings_total {
            let by_line = excuse.findings;
            return Err(format!("{by_line} findings by line, {}", report.findings_total).into());
        }
        Ok(Some(Difference { case, file: file.to_vec(), ours, said, excuse }))
    }

    fn count(&mut self, excuse: &Excuse) {
        self.hardened_differs += 1;
        let alone = excuse.causes.len() == 1;
        for kind in &excuse.causes {
            let cause = self.causes.entry(*kind).or_default();
            cause.alone += u64::from(alone);
            cause.with_others += u64::from(!alone);
        }
    }

    fn complain(&mut self, case: Case, file: &[u8], error: &dyn Error) {
        let Case { seed, rejoin, kind } = case;
        let file = hex::encode(file);
        println!("seed {seed} with rejoin {rejoin}, {}: {error}\n  {file}", kind.as_str());
        self.wrong += 1;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: u64 = self.files.values().sum();
        writeln!(f, "{files:>9}  files of {} bytes", self.bytes)?;
        for kind in Kind::ALL {
            let count = self.files.get(&kind).copied().unwrap_or_default();
            writeln!(f, "{count:>9}    {}", kind.as_str())?;
        }
        writeln!(f, "{:>9}  readings in Serf mode, 0 differ", self.serf_readings)?;
        writeln!(
            f,
            "{:>9}    with a line over 1 MiB, which we skip and Serf reads",
            self.too_long
        )?;
        writeln!(f, "{:>9}  readings in hardened mode with findings", self.with_findings)?;
        writeln!(f, "{:>9}  readings in hardened mode that equal Serf's", self.hardened_equal)?;
        writeln!(f, "{:>9}    that differ, each explained:", self.hardened_differs)?;
        writeln!(f, "               alone  with others")?;
        for (kind, cause) in &self.causes {
            writeln!(f, "{:>20}{:>13}  {kind}", cause.alone, cause.with_others)?;
        }
        Ok(())
    }
}
