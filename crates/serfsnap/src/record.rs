//! `record`: events from standard input into a snapshot.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use snapshot_engine::{
    Durability, Event, Identity, InvalidEvent, Mode, Name, Policy, Position, Replay,
};
use snapshot_io::{Health, Options, Recovery, Snapshotter};

use crate::ack::Acks;
use crate::args::Reader;
use crate::events::{self, Recorder};
use crate::failure::{self, Failure, Outcome};
use crate::input::Input;
use crate::out::complain;
use crate::reading::random_seed;
use crate::show::{count, shown, shown_path};
use crate::stdin::{self, MAX_LINE, Next, Stdin};
use crate::{input, owner, units};

/// Record events from standard input, one JSON object a line.
///
/// The file is created where it is missing.
/// One that a Serf, Consul or Nomad agent wrote is taken over with all that it says; that agent must be stopped.
/// At the end of input, at SIGINT and at SIGTERM everything recorded is synced and the file is closed.
/// A bad line is told on standard error with its number, and the rest is recorded.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshot
    file: OsString,

    /// What power loss may take
    #[arg(long, value_enum, default_value_t = Level::Interval, value_name = "LEVEL")]
    durability: Level,

    /// How often the file is synced, with --durability interval
    #[arg(long, value_parser = units::duration, default_value = "5s", value_name = "TIME")]
    sync_interval: Duration,

    /// How long an event may stay in memory before it is handed to the system
    #[arg(long, value_parser = units::duration, default_value = "500ms", value_name = "TIME")]
    flush_interval: Duration,

    /// A file below this size is never rewritten for its size
    #[arg(long, value_parser = units::size, default_value = "128KiB", value_name = "SIZE")]
    min_compact_size: u64,

    /// How much may wait for the disk before the file is given up and rewritten from memory
    #[arg(long, value_parser = units::memory, default_value = "8MiB", value_name = "SIZE")]
    max_pending: usize,

    /// The agent finds its cluster again after it has left on purpose: `leave` forgets nothing
    #[arg(long)]
    rejoin_after_leave: bool,

    /// The cluster the file belongs to; the file of another cluster is kept aside and a new one begun
    #[arg(long, value_name = "ID")]
    cluster: Option<OsString>,

    /// The node whose file it is
    #[arg(long, value_name = "NAME")]
    node: Option<OsString>,

    /// Print {"acked":N} when the first N lines of input, bad ones included, are durable under the chosen level
    #[arg(long)]
    ack: bool,

    /// Do not look for a process that has FILE open: it is known that nothing writes there
    #[arg(long)]
    assume_stopped: bool,
}

/// What power loss may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Nothing that was acknowledged: every batch is synced at once
    Always,
    /// At most what came within the sync interval
    Interval,
    /// What the system has not written yet
    Os,
}

const EXAMPLES: &str = r#"Events:
  {"event":"member-join","members":[{"name":"a","addr":"10.0.0.1","port":7946}]}
  {"event":"member-update|member-failed|member-leave|member-reap","members":[…]}
  {"event":"user","ltime":42,"name":"deploy"}
  {"event":"query","ltime":50,"name":"uptime"}
  {"event":"clock","time":101}
  {"event":"coordinate","coordinate":{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":1e-05}}
  {"event":"leave"}
  Joins and updates need addr and port. `name_hex` may stand for a name that is not UTF-8.
  `clock` carries the Lamport clock's present time; after `leave` only higher clocks are recorded.

Examples:
  my-agent --events | serfsnap record --node web-1 /var/lib/my-agent/snapshot
  echo '{"event":"member-join","members":[{"name":"a","addr":"::1","port":7946}]}' |
      serfsnap record --durability always --ack snapshot

Exit codes: 0 all recorded, 1 a line was bad and the rest is recorded, 2 it could not be done."#;

/// How long the disk is given to take the last records.
const CLOSING: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &Args) -> Outcome {
    let path = Path::new(&args.file);
    input::refuse_to_write(path)?;
    refuse_text(path)?;
    if !args.assume_stopped {
        owner::refuse_if_open(path)?;
    }
    let signals = stdin::signals();
    let signals = signals.map_err(|error| Failure::told(format!("signals: {error}")))?;
    let policy = args.policy()?;
    let log = open(path, &policy)?;
    let acks = args.ack.then(|| Acks::start(log.clone()));
    let mut session = Session { log, policy, position: Position::default(), lines: 0, bad: 0 };
    let taken_in = session.take_in(&mut Stdin::new(io::stdin(), signals), acks.as_ref());
    let bad = session.bad;
    let closed = session.log.close().wait(CLOSING);
    let acked = acks.map_or(Ok(()), Acks::finish);
    closed.map_err(|error| {
        let path = shown_path(&args.file);
        Failure::told(format!(
            "{path}: the last records may be lost: {error}; mend the disk and record them again"
        ))
    })?;
    taken_in.map_err(|error| Failure::told(format!("standard input cannot be read: {error}")))?;
    failure::printed(acked, u8::from(bad > 0))
}

/// Refuses somebody's document before a lock is put beside it.
fn refuse_text(path: &Path) -> Result<(), Failure> {
    if !path.exists() {
        return Ok(());
    }
    let mut input = Input::open(path.as_os_str(), Reader::Ours)?;
    let replay = Replay::new(Mode::Hardened, &Policy::default(), random_seed());
    let read = snapshot_io::replay(&mut input, replay);
    let (_, report) = read.map_err(|error| input.failure(&error))?;
    if report.is_snapshot() { Ok(()) } else { Err(failure::no_snapshot(path.as_os_str())) }
}

impl Args {
    fn policy(&self) -> Result<Policy, Failure> {
        let mut policy = Policy::default();
        policy.durability = match self.durability {
            Level::Always => Durability::Always,
            Level::Interval => Durability::Interval(self.sync_interval),
            Level::Os => Durability::Os,
        };
        policy.flush_interval = self.flush_interval;
        policy.min_compact_size = self.min_compact_size;
        policy.max_pending = self.max_pending;
        policy.rejoin_after_leave = self.rejoin_after_leave;
        let cluster = given("--cluster", self.cluster.as_ref())?;
        let node = given("--node", self.node.as_ref())?;
        let identity = Identity::new(cluster, node);
        policy.identity =
            identity.map_err(|error| Failure::told(format!("--cluster or --node: {error}")))?;
        Ok(policy)
    }
}

/// The bytes of an identity, which would be cut where they are too long and ignored where there are none.
fn given<'a>(option: &str, value: Option<&'a OsString>) -> Result<Option<&'a [u8]>, Failure> {
    let Some(value) = value else { return Ok(None) };
    match value.len() {
        0 => Err(Failure::told(format!("{option} is empty; leave it out, or set it"))),
        len if len > Identity::MAX_LEN => Err(Failure::told(format!(
            "{option} has {len} bytes, {} are the most",
            Identity::MAX_LEN
        ))),
        _ => Ok(Some(value.as_bytes())),
    }
}

fn open(path: &Path, policy: &Policy) -> Result<Snapshotter, Failure> {
    let shown = shown_path(path.as_os_str());
    let trouble = AtomicBool::new(false);
    let tell = move |health: Health| {
        // That all is well is news only after it was not; a file of another make is rewritten before anything else.
        if trouble.swap(!health.is_good(), Ordering::Relaxed) || !health.is_good() {
            complain(&format_args!("{shown}: {health}"));
        }
    };
    let options = Options::new().policy(policy.clone()).on_health(tell);
    let (log, recovery) = options.open(path).map_err(|error| failure::of_open(path, &error))?;
    tell_of(path, &recovery);
    let shown = shown_path(path.as_os_str());
    log.health().warnings().for_each(|warning| complain(&format_args!("{shown}: {warning}")));
    Ok(log)
}

/// What the operator should know of the file that was found.
fn tell_of(path: &Path, recovery: &Recovery) {
    let path = shown_path(path.as_os_str());
    if recovery.adopted_orphan {
        complain(&format_args!(
            "{path}: an interrupted compaction of Serf had left {path}.compact alone; it was taken over"
        ));
    }
    if let Some(aside) = &recovery.kept_aside {
        let aside = shown_path(aside.as_os_str());
        let whose = recovery.report.identity.cluster.as_deref().map(shown).unwrap_or_default();
        complain(&format_args!(
            "{path}: the file found there, of cluster {whose:?}, is kept as {aside}"
        ));
    }
    if let Some(first) = recovery.report.findings.first() {
        let total = count(recovery.report.findings_total, "finding");
        complain(&format_args!(
            "{path}: {total} in the file found there, the first in line {} at byte {}: {}; it is rewritten with what was recovered, {} nodes alive",
            first.line, first.offset, first.kind, recovery.alive
        ));
    }
}

/// Input becomes records.
struct Session {
    log: Snapshotter,
    policy: Policy,
    /// Behind everything recorded so far.
    position: Position,
    lines: u64,
    bad: u64,
}

impl Session {
    fn take_in(&mut self, stdin: &mut Stdin<io::Stdin>, acks: Option<&Acks>) -> io::Result<()> {
        while let Some(next) = stdin.next()? {
            self.lines += 1;
            let outcome = match next {
                Next::TooLong => Err(format!("longer than {MAX_LINE} bytes")),
                Next::Line(line) if line.trim_ascii().is_empty() => Ok(()),
                Next::Line(line) => events::record_line(line, self),
            };
            if let Err(why) = outcome {
                self.bad += 1;
                complain(&format_args!("line {} of the input: {why}", self.lines));
            }
            if let Some(acks) = acks {
                acks.taken_in(self.lines, self.position);
            }
        }
        Ok(())
    }
}

impl Recorder for Session {
    fn record(&mut self, event: Event<'_>) -> Result<(), InvalidEvent> {
        self.policy.admit(&event)?;
        self.position = self.log.record(event);
        Ok(())
    }

    fn is_alive(&self, name: Name<'_>) -> bool {
        self.log.with_state(|state| state.addr_of(name).is_some())
    }
}
