//! Which calls fail, how, and for how long.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use snapshot_io::sim::{At, Call, Entry, Fault, SyncFailure};

use crate::lines::Lines;
use crate::run::{Run, Seen};
use crate::workloads::Workload;

const ERRORS: [i32; 8] = [
    libc::EIO,
    libc::ENOSPC,
    libc::EDQUOT,
    libc::EINTR,
    libc::EACCES,
    libc::EROFS,
    libc::EBUSY,
    libc::EMFILE,
];

/// After these times the disk is well again: within the first wait, and when the waits have grown to the longest.
const REPAIRS: [Duration; 2] = [Duration::from_millis(700), Duration::from_secs(65)];

/// How the two of a pair fail.
const PAIRS: [[i32; 2]; 4] = [
    [libc::EIO, libc::EIO],
    [libc::EBUSY, libc::ENOSPC],
    [libc::ENOSPC, libc::EIO],
    [libc::EIO, libc::ENOSPC],
];

/// The second call of a pair is one of so many behind the first.
const PAIR_WINDOW: u64 = 16;

/// What a test has gone through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) injected: u64,
    pub(crate) refused: u64,
    pub(crate) cuts: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, injected, refused, cuts } = self;
        write!(f, "calls={calls} injected={injected} refused_opens={refused} power_cuts={cuts}")
    }
}

/// One disk that fails, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) faults: Vec<(At, Fault)>,
    /// The first call that fails.
    pub(crate) from: u64,
    /// How many changes of health are told without a fault.
    pub(crate) told: usize,
    /// From the start of the run; `None` where nothing lasts.
    pub(crate) repair_at: Option<Duration>,
}

impl Plan {
    const NONE: Self = Self { faults: Vec::new(), from: 0, told: 0, repair_at: None };

    fn once(number: u64, fault: Fault) -> Self {
        Self { faults: vec![(At::Number(number), fault)], from: number, told: 0, repair_at: None }
    }
}

/// Every call of the workload fails in every way, one at a time; those that open the snapshot where that is its point.
pub(crate) fn each_call(workload: &Workload) -> Tally {
    let (mut tally, seen) = (Tally::default(), Rc::default());
    let (journal, opened_after, told) = run(workload, Plan::NONE, &seen, &mut tally);
    tally.calls = journal.len() as u64;
    let skip = if workload.opens { 0 } else { opened_after };
    for (index, entry) in journal.iter().enumerate().filter(|(_, entry)| entry.number > skip) {
        for plan in plans(entry, &journal[..=index]) {
            run(workload, Plan { told, ..plan }, &seen, &mut tally);
            tally.injected += 1;
        }
    }
    tally
}

/// Two calls of the workload fail, one behind the other.
pub(crate) fn pairs(workload: &Workload) -> Tally {
    let (mut tally, seen) = (Tally::default(), Rc::default());
    let (journal, opened_after, told) = run(workload, Plan::NONE, &seen, &mut tally);
    tally.calls = journal.len() as u64;
    let (errors, window): (&[_], _) =
        if all() { (&PAIRS, PAIR_WINDOW) } else { (&PAIRS[..1], PAIR_WINDOW / 2) };
    for from in opened_after + 1..=tally.calls {
        for second in from + 1..=from + window {
            for errors in errors {
                let faults = [from, second].map(At::Number).into_iter();
                let faults = faults.zip(errors.map(Fault::error)).collect();
                run(workload, Plan { faults, from, told, repair_at: None }, &seen, &mut tally);
                tally.injected += 2;
            }
        }
    }
    tally
}

/// Whether every combination is asked for.
pub(crate) fn all() -> bool {
    std::env::var("FAULTS").is_ok_and(|faults| faults == "all")
}

/// All ways in which this call can fail; `before` ends with it.
fn plans(entry: &Entry, before: &[Entry]) -> Vec<Plan> {
    let number = entry.number;
    let nth = before.iter().filter(|other| other.call == entry.call).count() as u64;
    let mut plans: Vec<_> =
        ERRORS.iter().map(|error| Plan::once(number, Fault::error(*error))).collect();
    plans.push(Plan::once(number, Fault::error(libc::EIO).although_done()));
    if let Call::Write = entry.call {
        let bytes = moved(entry);
        for count in [0, 1, bytes - 1] {
            plans.push(Plan::once(number, Fault::short(count)));
            plans.push(Plan::once(number, Fault::error(libc::EIO).leaving(count)));
        }
        plans.push(Plan::once(number, Fault::error(libc::ENOSPC).leaving(bytes)));
    }
    if let Call::Read = entry.call {
        plans.push(Plan::once(number, Fault::short(1)));
    }
    if let Call::Sync = entry.call {
        for failure in [SyncFailure::Retained, SyncFailure::Reverted, SyncFailure::Zeroed] {
            plans.push(Plan::once(number, Fault::error(libc::EIO).pages(failure)));
        }
    }
    plans.extend(lasting(entry, nth));
    plans
}

/// For a while the whole disk is gone, or it refuses calls of one kind.
fn lasting(entry: &Entry, nth: u64) -> Vec<Plan> {
    let [all_calls, all_such] = [At::Number(entry.number), At::Nth(entry.call, nth)];
    let error = |error| Fault::error(error).lasting();
    let mut faults: Vec<_> = if all() {
        ERRORS
            .iter()
            .flat_map(|code| [(all_calls, error(*code)), (all_such, error(*code))])
            .collect()
    } else {
        vec![(all_calls, error(libc::EIO)), (all_such, error(libc::ENOSPC))]
    };
    match entry.call {
        Call::Write => faults.push((all_such, Fault::short(1).lasting())),
        Call::Read => faults.push((all_such, error(libc::EINTR))),
        Call::Rename => faults.push((all_such, error(libc::EBUSY))),
        _ => {}
    }
    let each = |fault: &(At, Fault)| {
        let faults = vec![*fault];
        REPAIRS.map(|at| Plan {
            faults: faults.clone(),
            repair_at: Some(at),
            from: entry.number,
            ..Plan::NONE
        })
    };
    faults.iter().flat_map(each).collect()
}

/// How many bytes a call of the journal moved.
fn moved(entry: &Entry) -> usize {
    let words = entry.outcome.as_ref().unwrap();
    words.strip_suffix(" bytes").unwrap().parse().unwrap()
}

/// One run from the first call to the end of the second life: the calls of the workload itself, how many of them opened
/// the snapshot, and how many changes of health were told.
fn run(
    workload: &Workload,
    plan: Plan,
    seen: &Rc<RefCell<Seen>>,
    tally: &mut Tally,
) -> (Vec<Entry>, u64, usize) {
    let lines = Lines::default();
    let _counting = tracing::subscriber::set_default(lines.clone());
    let mut run = Run::new(workload, plan, Rc::clone(seen));
    tally.refused += u64::from(run.open());
    (workload.script)(&mut run);
    let calls = run.journal();
    run.converge();
    run.second_life();
    assert_eq!(lines.count(), run.told(), "one line for each change of health");
    tally.cuts += run.cuts;
    (calls, run.opened_after(), run.told())
}
