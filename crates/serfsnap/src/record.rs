//! `record`: events into a snapshot, from standard input or from a live agent.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use snapshot_engine::{Durability, Identity, Mode, Policy, Replay};

use crate::args::Reader;
use crate::failure::{self, Failure, Outcome};
use crate::input::Input;
use crate::reading::random_seed;
use crate::rpc::{self, Agent};
use crate::session::{Lines, Session};
use crate::stdin::{self, Stdin};
use crate::{input, owner, units};

/// Record events from standard input, a live Serf agent or member lists.
///
/// Without --serf-rpc and --members, standard input has one event a line, a JSON object.
/// The file is created where it is missing.
/// One that a Serf, Consul or Nomad agent wrote is taken over with all that it says; that agent must be stopped.
/// At the end of input, at SIGINT and at SIGTERM everything recorded is synced and the file is closed.
/// A bad line is told on standard error with its number, and the rest is recorded.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The snapshot
    file: OsString,

    /// Record what the Serf agent with this RPC address tells, until SIGINT or SIGTERM
    ///
    /// The agent may be started later and stopped meanwhile: it is tried again, with growing waits of up to 10 s.
    /// FILE is kept beside the agent's own snapshot and must be another file.
    #[arg(long, value_parser = rpc::addr, value_name = "ADDR")]
    serf_rpc: Option<String>,

    /// The key that the agent asks for (default: `SERF_RPC_AUTH` of the environment, which other users do not see)
    #[arg(long, requires = "serf_rpc", value_name = "KEY")]
    auth: Option<String>,

    /// Standard input has one member list a line, as Consul, Nomad and Serf give them in JSON; record what has changed
    ///
    /// A member that a list lacks was reaped.
    /// An empty list is a bad line, and a list of one member reaps nobody: so speaks an agent that has just started.
    #[arg(long, value_parser = ["-"], hide_possible_values = true, value_name = "-", conflicts_with = "serf_rpc")]
    members: Option<String>,

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
    #[arg(long, conflicts_with = "serf_rpc")]
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

Member lists:
  An array of members, or an object with one under `members` or `Members`:
  [{"Name":"a","Addr":"10.0.0.1","Port":8301,"Status":1}]
  {"members":[{"name":"a","addr":"10.0.0.1:7946","port":7946,"status":"alive"}]}
  Status: alive (1), leaving (2), left (3), failed (4); any other changes nothing and is told.

Examples:
  my-agent --events | serfsnap record --node web-1 /var/lib/my-agent/snapshot
  echo '{"event":"member-join","members":[{"name":"a","addr":"::1","port":7946}]}' |
      serfsnap record --durability always --ack snapshot
  serfsnap record --serf-rpc 127.0.0.1:7373 --node web-1 /var/lib/serf/kept.snapshot
  while sleep 5; do curl --silent localhost:8500/v1/agent/members | jq --compact-output .; done |
      serfsnap record --members - /var/lib/consul-kept/local.snapshot

Exit codes: 0 all recorded, 1 a line or a member was bad and the rest is recorded, 2 it could not be done."#;

/// Where Serf's own tool finds the key.
const AUTH_VARIABLE: &str = "SERF_RPC_AUTH";

pub(crate) fn run(args: &Args) -> Outcome {
    let path = Path::new(&args.file);
    input::refuse_to_write(path)?;
    refuse_text(path)?;
    if !args.assume_stopped {
        owner::refuse_if_open(path)?;
    }
    let signals = stdin::signals();
    let signals = signals.map_err(|error| Failure::told(format!("signals: {error}")))?;
    let mut session = Session::open(path, args.policy()?)?;
    let taken_in = args.take_in(signals, &mut session);
    session.close(taken_in)
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
    /// Records until nothing more comes.
    fn take_in(&self, signals: UnixStream, session: &mut Session) -> Result<(), Failure> {
        if let Some(addr) = &self.serf_rpc {
            let key = self.auth.clone().or_else(|| std::env::var(AUTH_VARIABLE).ok());
            let agent = Agent::new(addr.clone(), key.filter(|key| !key.is_empty()));
            return agent.follow(&signals, session);
        }
        let lines = if self.members.is_some() { Lines::Members } else { Lines::Events };
        let mut stdin = Stdin::new(io::stdin(), signals, lines.max_len());
        session.take_in(lines, &mut stdin, self.ack)
    }

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
        policy.identity = identity(self.cluster.as_ref(), self.node.as_ref())?;
        Ok(policy)
    }
}

/// Whose file it is, as --cluster and --node say.
pub(crate) fn identity(
    cluster: Option<&OsString>,
    node: Option<&OsString>,
) -> Result<Identity, Failure> {
    let identity = Identity::new(given("--cluster", cluster)?, given("--node", node)?);
    identity.map_err(|error| Failure::told(format!("--cluster or --node: {error}")))
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
