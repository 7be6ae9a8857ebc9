//! A whole file, for tools that rewrite one offline.

use alloc::boxed::Box;
use alloc::vec::Vec;

use snapshot_format::{Addr, Block, LamportTime, Line, Name, Record, Trust, UnixMillis};

use crate::hardened::BYTE_ORDER_MARK;
use crate::rewrite::{batches, clocks, header};
use crate::{Identity, Mode, Policy, Replay, Report, State, Verdict};

/// The longest comment that an offline rewrite keeps, in bytes: one has to fit a batch.
const MAX_COMMENT: usize = 60 * 1024;
/// How much of all comments is kept in memory, in bytes.
const MAX_COMMENTS: usize = 8 * 1024 * 1024;

/// Everything a file says, under both settings of `rejoin_after_leave`.
///
/// A tool does not know how the agent is set, so what it writes must read the same under either setting as what it
/// read, but for a node that was salvaged from damage behind a `leave` and was somewhere else before it: both readings
/// take the address that stood there whole. First comes what only a reader who rejoins after a leave sees, then `leave`, then what both see.
#[derive(Clone, Debug)]
pub struct Document {
    rejoining: State,
    leaving: State,
    left: bool,
    /// Whole lines.
    comments: Vec<Box<[u8]>>,
    dropped_comments: u64,
    identity: Identity,
}

/// Reads a [`Document`], block by block, as [`Replay`] reads a state.
#[derive(Clone, Debug)]
pub struct DocumentReader {
    rejoining: Replay,
    leaving: Replay,
    comments: Vec<Box<[u8]>>,
    comment_bytes: usize,
    dropped_comments: u64,
}

impl DocumentReader {
    /// A reader at the start of a file, under both settings whatever the policy's is.
    #[must_use]
    pub fn new(mode: Mode, policy: &Policy, seed: u64) -> Self {
        let with = |rejoin_after_leave| {
            Replay::new(mode, &Policy { rejoin_after_leave, ..policy.clone() }, seed)
        };
        let (rejoining, leaving) = (with(true), with(false));
        Self { rejoining, leaving, comments: Vec::new(), comment_bytes: 0, dropped_comments: 0 }
    }

    /// Takes in the lines of a block, in order.
    pub fn block(&mut self, block: Block<'_>) {
        self.rejoining.block(block.clone());
        self.leaving.block(block.clone());
        for line in block.lines {
            self.look_for_comment(line);
        }
    }

    /// Takes in the next line alone, for a tool that looks at the states between two lines; blocks are faster.
    pub fn line(&mut self, line: Line<'_>, trust: Trust) {
        self.rejoining.line(&line, trust);
        self.leaving.line(&line, trust);
        self.look_for_comment(line);
    }

    /// What a reader under this setting has recovered so far.
    #[must_use]
    pub const fn state(&self, rejoin_after_leave: bool) -> &State {
        if rejoin_after_leave { self.rejoining.state() } else { self.leaving.state() }
    }

    /// The end of the file, with the bytes behind its last newline.
    ///
    /// The report is that of a reader who does not rejoin after a leave, with the findings of the one who has more.
    #[must_use]
    pub fn finish(self, torn: Option<Line<'_>>) -> (Document, Report) {
        let (rejoining, rejoinings) = self.rejoining.finish(torn);
        let (mut leaving, mut report) = self.leaving.finish(torn);
        // Whether a line is odd may depend on whom the reader knows, and whoever left knows fewer.
        if rejoinings.findings_total > report.findings_total {
            report.findings = rejoinings.findings;
            report.findings_total = rejoinings.findings_total;
        }
        if report.verdict() == Verdict::Damaged {
            agree(&mut leaving, &rejoining);
        }
        let found = &report.identity;
        // What was read from a line holds no newline.
        let identity =
            Identity::new(found.cluster.as_deref(), found.node.as_deref()).unwrap_or_default();
        let left = report.left_at.is_some();
        let (comments, dropped_comments) = (self.comments, self.dropped_comments);
        (Document { rejoining, leaving, left, comments, dropped_comments, identity }, report)
    }

    fn look_for_comment(&mut self, line: Line<'_>) {
        // An editor's byte order mark does not make a comment nobody's.
        let mark = if line.number == 1 { BYTE_ORDER_MARK } else { b"" };
        let bytes = line.bytes.strip_prefix(mark).unwrap_or(line.bytes);
        if bytes.starts_with(b"#")
            && let Ok(Record::Comment(_)) = (Line { bytes, ..line }).record()
        {
            self.comment(bytes);
        }
    }

    fn comment(&mut self, line: &[u8]) {
        if line.len() > MAX_COMMENT || self.comment_bytes + line.len() > MAX_COMMENTS {
            self.dropped_comments += 1;
            return;
        }
        self.comment_bytes += line.len();
        self.comments.push(line.into());
    }
}

impl Document {
    /// Changes what both see, as if this line stood at the end of the file; whether that changed anything.
    ///
    /// A `leave` changes nothing: the file of a node that has left is for its agent to write.
    pub fn apply(&mut self, record: &Record<'_>) -> bool {
        if matches!(record, Record::Leave) {
            return false;
        }
        let rejoining = self.rejoining.apply(record);
        self.leaving.apply(record) || rejoining
    }

    /// Changes what only a reader who rejoins after a leave sees, as if this line stood before the last `leave`;
    /// whether that changed anything. Where the owner never left it is [`apply`](Self::apply).
    ///
    /// What both see is written behind the `leave`, and goes before: of such a node or clock this changes nothing. A
    /// node that is failed to both can become alive, as it is to a reader who did not see it leave.
    pub fn apply_before_leave(&mut self, record: &Record<'_>) -> bool {
        if !self.left {
            return self.apply(record);
        }
        let Self { leaving, .. } = self;
        let clocks = leaving.clocks();
        let is_alive = |name| leaving.addr_of(name).is_some();
        let seen_by_both = match *record {
            Record::Alive { name, .. } => is_alive(name),
            Record::NotAlive { name } | Record::Failed { name, .. } => {
                is_alive(name) || leaving.failed.contains(name)
            }
            Record::Clock(_) => clocks.clock > LamportTime(0),
            Record::EventClock(_) => clocks.event_clock > LamportTime(0),
            Record::QueryClock(_) => clocks.query_clock > LamportTime(0),
            _ => true,
        };
        !seen_by_both && self.rejoining.apply(record)
    }

    /// Forgets that a node has failed, under both settings; whether that was known. One that is alive stays alive.
    pub fn forget_failed(&mut self, name: Name<'_>) -> bool {
        let rejoining = self.rejoining.failed.remove(name);
        self.leaving.failed.remove(name) || rejoining
    }

    /// Says whose file it is, whatever was read.
    #[must_use]
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    /// Whether the file has a `leave`, so that the two settings may recover different things.
    #[must_use]
    pub const fn has_left(&self) -> bool {
        self.left
    }

    /// What a reader recovers under this setting.
    #[must_use]
    pub const fn state(&self, rejoin_after_leave: bool) -> &State {
        if rejoin_after_leave { &self.rejoining } else { &self.leaving }
    }

    /// How many comments of people were too long to be kept, one beyond 60 KiB or all beyond 8 MiB.
    #[must_use]
    pub const fn dropped_comments(&self) -> u64 {
        self.dropped_comments
    }

    /// The whole file, batch by batch, each sealed with the time given.
    pub fn batches(&self, wall: UnixMillis) -> impl Iterator<Item = Vec<u8>> {
        let comments = self.comments.iter().filter_map(|line| Record::parse(line).ok());
        core::iter::once(header(&self.identity, wall))
            .chain(batches(comments, wall))
            .chain(batches(self.clocks_before_leave(), wall))
            .chain(batches(self.nodes_before_leave(), wall))
            .chain(clocks(&self.leaving, wall))
            .chain(batches(self.nodes_after_leave(), wall))
    }

    /// The clocks that only a reader who rejoins after a leave sees; none where the owner never left.
    fn clocks_before_leave(&self) -> impl Iterator<Item = Record<'_>> {
        let seen_by_both =
            |record: &Record<'_>| self.leaving.clock_records().any(|other| other == *record);
        self.rejoining.clock_records().filter(move |record| self.left && !seen_by_both(record))
    }

    /// The nodes that only such a reader sees, and the `leave`.
    fn nodes_before_leave(&self) -> impl Iterator<Item = Record<'_>> {
        let failed = self.rejoining.failed().filter(|node| !self.leaving.failed.contains(node.0));
        let alive = sorted(&self.rejoining)
            .filter(|(name, addr)| self.leaving.addr_of(*name) != Some(*addr));
        let records = failed.map(failed_record).chain(alive.map(alive_record));
        self.left.then(|| records.chain([Record::Leave])).into_iter().flatten()
    }

    /// What both see.
    fn nodes_after_leave(&self) -> impl Iterator<Item = Record<'_>> {
        self.leaving.failed().map(failed_record).chain(sorted(&self.leaving).map(alive_record))
    }
}

/// Puts every node that both see where the rejoining reader has it.
///
/// One file cannot say two addresses behind its `leave`. They differ only where a node was salvaged from damage there:
/// a reader who knows it from before the `leave` keeps what an undamaged line has said.
fn agree(leaving: &mut State, rejoining: &State) {
    let differing: Vec<(Box<[u8]>, Addr<'_>)> = leaving
        .alive()
        .filter_map(|(name, addr)| Some((name, addr, rejoining.addr_of(name)?)))
        .filter(|(_, addr, other)| addr != other)
        .map(|(name, _, other)| (name.as_bytes().into(), other))
        .collect();
    for (name, addr) in &differing {
        if let Ok(name) = Name::new(name) {
            leaving.apply(&Record::Alive { name, addr: *addr });
        }
    }
}

/// Sorted by name, so that two rewrites of one state differ only where the state does.
fn sorted(state: &State) -> impl Iterator<Item = (Name<'_>, Addr<'_>)> {
    let mut nodes: Vec<_> = state.alive().collect();
    nodes.sort_unstable();
    nodes.into_iter()
}

fn alive_record<'a>((name, addr): (Name<'a>, Addr<'a>)) -> Record<'a> {
    Record::Alive { name, addr }
}

fn failed_record<'a>((name, addr, at): (Name<'a>, Addr<'a>, UnixMillis)) -> Record<'a> {
    Record::Failed { name, addr, at }
}
