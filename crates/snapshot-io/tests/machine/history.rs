//! One history: the snapshot under test, and beside it every line that it must have accepted.

use std::fmt;
use std::time::Duration;

use snapshot_io::sim::{At, CrashImage, Fill, SimStorage, Stepper};
use snapshot_io::{Cause, Event, LamportTime, Member, Options, Position, UnixMillis};
use snapshot_model::{Model, Rules};

use crate::common::{START, model_of};
use crate::ops::{Op, Settings};

const PATH: &str = "/snapshot";

/// What all histories went through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    events: u64,
    lines: u64,
    calls: u64,
    rewrites: u64,
    kills: u64,
    power_cuts: u64,
    closes: u64,
    failures: u64,
    overflows: u64,
    foreign: u64,
    checks: u64,
}

pub(crate) struct History {
    settings: Settings,
    storage: SimStorage,
    stepper: Option<Stepper>,
    /// The state that the present process recovered.
    base: Model,
    /// The lines it accepted since, each with the position that stands after it.
    lines: Vec<(Vec<u8>, Position)>,
    /// What all of them make of the base.
    model: Model,
    left: bool,
    /// Whether somebody else has touched the file and we have not repaired it.
    foreign: bool,
    /// How many foreign hands had been noticed before the last one.
    noticed: u64,
    /// Whether a process before this one died with a failed sync that it had not yet put right: nobody told this one
    /// (G8 speaks of one process).
    tainted: bool,
    wall: UnixMillis,
    counts: Counts,
    log: Vec<String>,
}

type Checked = Result<(), String>;

impl History {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut history = Self {
            settings,
            storage: SimStorage::new(),
            stepper: None,
            base: Model::default(),
            lines: Vec::new(),
            model: Model::default(),
            left: false,
            foreign: false,
            noticed: 0,
            tainted: false,
            wall: START,
            counts: Counts::default(),
            log: Vec::new(),
        };
        history.open().unwrap();
        history
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Checked {
        self.log.push(format!("{op:?}"));
        match *op {
            Op::Join(node, addr) => self.join(node, addr, false),
            Op::Update(node, addr) => self.join(node, addr, true),
            Op::Fail(node) => self.fail(node),
            Op::Leave(node) => self.remove(node, false),
            Op::Reap(node) => self.remove(node, true),
            Op::User(time) => self.clock(
                b"event-clock: ",
                time,
                self.model.event_clock,
                Event::User(LamportTime(time)),
            ),
            Op::Query(time) => self.clock(
                b"query-clock: ",
                time,
                self.model.query_clock,
                Event::Query(LamportTime(time)),
            ),
            Op::Clock(time) => {
                let seen = time.saturating_sub(1);
                self.clock(b"clock: ", seen, self.model.clock, Event::Clock(LamportTime(time)))
            }
            Op::Depart => self.depart(),
            Op::Flood(seed) => {
                (0..40).try_for_each(|i| self.join(10 + (seed.wrapping_add(i) % 60), i % 3, false))
            }
            Op::Step(times) => {
                for _ in 0..times {
                    self.stepper().step();
                }
                Ok(())
            }
            Op::Advance(ms) => self.advance(Duration::from_millis(ms.into())),
            Op::Sync => {
                self.stepper().engine().request_sync();
                Ok(())
            }
            Op::Compact => {
                self.stepper().engine().request_rewrite();
                Ok(())
            }
            Op::Break(call, fault) => {
                let nth = self.storage.journal().count(call) as u64 + 1;
                self.storage.fail(At::Nth(call, nth), fault);
                Ok(())
            }
            Op::Repair => self.repair(),
            Op::Full(bytes) => {
                self.storage.limit_space(Some(bytes.into()));
                Ok(())
            }
            Op::Foreign(kind) => {
                self.foreign_hand(kind);
                Ok(())
            }
            Op::Kill => self.kill(),
            Op::PowerCut(seed) => self.power_cut(seed),
            Op::Close => self.close(),
        }
    }

    /// At the end everything heals, closes and opens alike twice.
    pub(crate) fn finish(&mut self) -> Checked {
        self.repair()?;
        self.close()?;
        self.close()
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn listing(&self) -> String {
        let journal = self.storage.journal().to_string();
        let file = self.storage.contents(PATH).unwrap_or_default();
        format!(
            "{:?}\n{}\n{journal}\n{}",
            self.settings,
            self.log.join("\n"),
            String::from_utf8_lossy(&file)
        )
    }

    fn join(&mut self, node: u8, addr: u8, update: bool) -> Checked {
        let (name, addr) = (name(node), format!("10.0.0.{addr}:7946"));
        let known =
            self.model.alive.get(name.as_bytes()).is_some_and(|known| *known == addr.as_bytes());
        let line = format!("alive: {name} {addr}");
        let member = Member::new(name.as_bytes(), addr.as_bytes()).unwrap();
        let event = if update { Event::MemberUpdate(member) } else { Event::MemberJoin(member) };
        self.record(event, if known { vec![] } else { vec![line] })
    }

    fn fail(&mut self, node: u8) -> Checked {
        let name = name(node);
        let alive = self
            .model
            .alive
            .get(name.as_bytes())
            .map(|addr| String::from_utf8(addr.clone()).unwrap());
        let mut lines = Vec::new();
        if alive.is_some() {
            lines.push(format!("not-alive: {name}"));
        }
        if alive.is_some() || !self.model.failed.contains_key(name.as_bytes()) {
            let addr = alive.unwrap_or_else(|| "10.9.9.9:7946".into());
            let at = self.stepper().now().wall.0;
            lines.push(format!("#@failed: {name} {addr} {at}"));
            let before = self.fold(&lines);
            // The one that had to make room is told with a line of its own.
            let mut all = self.model.failed.clone();
            all.insert(name.as_bytes().to_vec(), (Vec::new(), at));
            let evicted = all.keys().find(|name| !before.failed.contains_key(*name));
            lines.extend(
                evicted.map(|name| format!("not-alive: {}", String::from_utf8_lossy(name))),
            );
        }
        let member = Member::new(name.as_bytes(), b"10.9.9.9:7946").unwrap();
        self.record(Event::MemberFailed(member), lines)
    }

    fn remove(&mut self, node: u8, reap: bool) -> Checked {
        let name = name(node);
        let known = self.model.alive.contains_key(name.as_bytes())
            || self.model.failed.contains_key(name.as_bytes());
        let lines = if known { vec![format!("not-alive: {name}")] } else { vec![] };
        let member = Member::new(name.as_bytes(), b"10.0.0.1:7946").unwrap();
        let event = if reap { Event::MemberReap(member) } else { Event::MemberLeave(member) };
        self.record(event, lines)
    }

    fn clock(&mut self, keyword: &[u8], seen: u64, last: u64, event: Event<'_>) -> Checked {
        let line = format!("{}{seen}", String::from_utf8_lossy(keyword));
        self.record(event, if seen > last { vec![line] } else { vec![] })
    }

    fn depart(&mut self) -> Checked {
        let clock = self.model.clock;
        let mut lines = vec!["leave".to_owned()];
        lines.extend((clock > 0).then(|| format!("clock: {clock}")));
        self.record(Event::Leave, lines)?;
        self.left = true;
        Ok(())
    }

    /// Records an event of which these lines must come.
    fn record(&mut self, event: Event<'_>, lines: Vec<String>) -> Checked {
        self.counts.events += 1;
        let lines = if self.left && !matches!(event, Event::Clock(_)) { vec![] } else { lines };
        let before = self.stepper().engine().progress().accepted;
        let position = self.stepper().record(event);
        if lines.is_empty() != (position == before) {
            return Err(format!(
                "{event:?} gave {position:?} after {before:?}, expected {lines:?}"
            ));
        }
        self.model = self.fold(&lines);
        self.counts.lines += lines.len() as u64;
        self.lines.extend(lines.into_iter().map(|line| (line.into_bytes(), position)));
        let found = model_of(self.stepper().engine().state());
        compare("the state in memory", &found, &self.model)?;
        let pending = self.stepper().engine().stats().pending_bytes;
        let most = self.settings.max_pending as u64;
        if pending > most {
            return Err(format!("{pending} bytes wait, {most} are the most"));
        }
        Ok(())
    }

    fn advance(&mut self, by: Duration) -> Checked {
        // What was recorded before may wait for the flush interval and no longer.
        let accepted = self.stepper().engine().progress().accepted;
        self.stepper().advance(by);
        let engine = self.stepper().engine();
        let (progress, healthy) = (engine.progress(), engine.health().stale.is_none());
        if healthy && by >= Duration::from_millis(500) && progress.written < accepted {
            return Err(format!("{progress:?} after {by:?}: {accepted:?} is not written"));
        }
        self.look_for_repair();
        Ok(())
    }

    /// Once the disk is well again the log is, within one back-off, and a sync makes everything durable.
    fn repair(&mut self) -> Checked {
        self.storage.clear_faults();
        self.storage.limit_space(None);
        self.stepper().advance(Duration::from_secs(31));
        let accepted = self.stepper().engine().request_sync();
        self.stepper().run();
        let engine = self.stepper().engine();
        let (health, progress) = (engine.health(), engine.progress());
        if health.stale.is_some() || progress.durable < accepted {
            return Err(format!("not healed: {health}, {progress:?}, {accepted:?} accepted"));
        }
        self.look_for_repair();
        Ok(())
    }

    /// What somebody else did is undone once it was noticed and the log is good again.
    fn look_for_repair(&mut self) {
        let noticed_before = self.noticed;
        let engine = self.stepper().engine();
        if engine.stats().foreign_writes > noticed_before && engine.health().stale.is_none() {
            self.foreign = false;
        }
    }

    fn foreign_hand(&mut self, kind: u8) {
        self.counts.foreign += 1;
        self.foreign = true;
        self.noticed = self.stepper().engine().stats().foreign_writes;
        match kind {
            0 if self.storage.contents(PATH).is_some() => {
                self.storage.edit(PATH, |bytes| bytes.extend(b"alive: ghost 6.6.6.6:6\n"));
            }
            1 => self.storage.plant(PATH, "alive: ghost 6.6.6.6:6\n"),
            2 if self.storage.contents(PATH).is_some() => {
                self.storage.edit(PATH, |bytes| bytes.truncate(bytes.len() / 2));
            }
            _ => self.storage.unplant(PATH),
        }
        // Within the interval of the check it is noticed and put right, if the disk lets us.
        self.stepper().advance(Duration::from_secs(6));
        self.look_for_repair();
    }

    fn kill(&mut self) -> Checked {
        self.counts.kills += 1;
        let at_least = self.stepper().engine().progress().written;
        let after = self.storage.process_crash();
        self.restart(after, at_least, None)
    }

    fn power_cut(&mut self, seed: u64) -> Checked {
        self.counts.power_cuts += 1;
        let at_least = self.stepper().engine().progress().durable;
        let image: CrashImage = self.storage.crash_image(seed);
        self.log.push(image.to_string());
        let fill = image.fill;
        self.restart(image.storage, at_least, Some(fill))
    }

    /// A clean end: everything is there afterwards, unless the disk does not let us.
    fn close(&mut self) -> Checked {
        self.counts.closes += 1;
        let accepted = self.stepper().engine().request_sync();
        self.stepper().run();
        let durable = self.stepper().engine().progress().durable;
        let after = self.storage.process_crash();
        let written = self.stepper().engine().progress().written;
        self.restart(after, if durable >= accepted { accepted } else { written }, None)
    }

    /// The process has died: what it finds again is a prefix of what it had accepted.
    fn restart(&mut self, after: SimStorage, at_least: Position, cut: Option<Fill>) -> Checked {
        let fill = cut.unwrap_or(Fill::Missing);
        let power_cut = cut.is_some();
        let stats = self.stepper().engine().stats();
        let stale = self.stepper().engine().health().stale;
        let tainted = self.tainted && stats.rewrites == 0;
        self.tainted = tainted || matches!(stale, Some(Cause::SyncFailed | Cause::DirSyncFailed));
        self.counts.rewrites += stats.rewrites;
        self.counts.failures += stats.failures;
        self.counts.overflows += stats.overflows;
        self.counts.calls += self.storage.calls();
        self.wall = self.stepper().now().wall;
        self.stepper = None;
        self.storage = after;
        self.storage.limit_space(None);
        let (base, mut lines) = (self.base.clone(), std::mem::take(&mut self.lines));
        let unknown = self.foreign || (tainted && power_cut);
        self.tainted |= self.foreign;
        self.open()?;
        if unknown {
            return Ok(());
        }
        self.counts.checks += 1;
        let found = self.model.clone();
        if !matches!(fill, Fill::Missing) {
            // Blocks in the middle may be lost: whatever is found was accepted once.
            return check_hints(&base, &lines, &found, fill);
        }
        let sure = lines.iter().filter(|(_, position)| *position <= at_least).count();
        let mut fold = base.clone();
        let rules = self.rules();
        lines[..sure].iter().for_each(|(line, _)| fold.apply_line(line, &rules));
        let mut length = sure;
        while fold != found {
            let Some((line, _)) = lines.get(length) else {
                return Err(format!(
                    "no prefix beyond {sure} lines of {}: found {}",
                    lines.len(),
                    show(&found)
                ));
            };
            fold.apply_line(line, &rules);
            length += 1;
        }
        if !power_cut {
            // What a killed process left is not durable yet: a power cut may still take it.
            let recovered = self.stepper().engine().progress().accepted;
            lines.truncate(length);
            for (_, position) in &mut lines {
                *position = recovered;
            }
            (self.base, self.lines) = (base, lines);
        }
        Ok(())
    }

    /// Opens the path, as the next process would.
    fn open(&mut self) -> Checked {
        let mut options = Options::new()
            .storage(self.storage.clone())
            .durability(self.settings.durability)
            .rejoin_after_leave(self.settings.rejoin_after_leave)
            .min_compact_size(self.settings.min_compact_size)
            .max_pending(self.settings.max_pending);
        let mut policy = snapshot_io::Policy::default();
        policy.max_failed = self.settings.max_failed;
        // A disk that makes up times must not make nodes old.
        policy.failed_retention = Duration::MAX;
        policy.durability = self.settings.durability;
        policy.rejoin_after_leave = self.settings.rejoin_after_leave;
        policy.min_compact_size = self.settings.min_compact_size;
        policy.max_pending = self.settings.max_pending;
        options = options.policy(policy);
        let (mut stepper, _) =
            Stepper::open(&options, PATH, self.wall).map_err(|error| error.to_string())?;
        let found = model_of(stepper.engine().state());
        if let Some(bytes) = self.storage.contents(PATH) {
            compare(
                "the oracle's reading",
                &snapshot_model::replay(&bytes, &self.rules()),
                &found,
            )?;
        }
        self.stepper = Some(stepper);
        self.base = found.clone();
        self.model = found;
        self.lines.clear();
        self.left = false;
        self.foreign = false;
        Ok(())
    }

    fn fold(&self, lines: &[String]) -> Model {
        let mut model = self.model.clone();
        for line in lines {
            model.apply_line(line.as_bytes(), &self.rules());
        }
        model
    }

    fn rules(&self) -> Rules {
        Rules {
            max_failed: self.settings.max_failed,
            ..Rules::hardened(self.settings.rejoin_after_leave)
        }
    }

    fn stepper(&mut self) -> &mut Stepper {
        self.stepper.as_mut().unwrap()
    }
}

/// Every node that is found was accepted with this address, and no clock is higher than any that was.
fn check_hints(base: &Model, lines: &[(Vec<u8>, Position)], found: &Model, fill: Fill) -> Checked {
    if matches!(fill, Fill::Old | Fill::Garbage) {
        return Ok(());
    }
    let accepted = |line: Vec<u8>| lines.iter().any(|(accepted, _)| *accepted == line);
    for (name, addr) in &found.alive {
        let known = base.alive.get(name) == Some(addr);
        if !known && !accepted([&b"alive: "[..], name, b" ", addr].concat()) {
            return Err(format!("invented {}", String::from_utf8_lossy(name)));
        }
    }
    let highest = |keyword: &str, base: u64| {
        let of = |line: &[u8]| std::str::from_utf8(line).ok()?.strip_prefix(keyword)?.parse().ok();
        lines.iter().filter_map(|(line, _)| of(line)).max().unwrap_or(0).max(base)
    };
    let high = found.clock <= highest("clock: ", base.clock)
        && found.event_clock <= highest("event-clock: ", base.event_clock)
        && found.query_clock <= highest("query-clock: ", base.query_clock);
    if high { Ok(()) } else { Err(format!("a clock above all accepted: {found:?}")) }
}

fn name(node: u8) -> String {
    format!("node-{node:03}")
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.lines += other.lines;
        self.calls += other.calls;
        self.rewrites += other.rewrites;
        self.kills += other.kills;
        self.power_cuts += other.power_cuts;
        self.closes += other.closes;
        self.failures += other.failures;
        self.overflows += other.overflows;
        self.foreign += other.foreign;
        self.checks += other.checks;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "events={} lines={} calls={} rewrites={} failures={} overflows={} foreign={} kills={} power_cuts={} closes={} \
             recoveries={}",
            self.events,
            self.lines,
            self.calls,
            self.rewrites,
            self.failures,
            self.overflows,
            self.foreign,
            self.kills,
            self.power_cuts,
            self.closes,
            self.checks
        )
    }
}

fn compare(what: &str, found: &Model, expect: &Model) -> Checked {
    if found == expect {
        Ok(())
    } else {
        Err(format!("{what}: found {}\nexpected {}", show(found), show(expect)))
    }
}

fn show(model: &Model) -> String {
    let alive = model
        .alive
        .iter()
        .map(|(name, addr)| format!("{}@{}", name.escape_ascii(), addr.escape_ascii()));
    let failed = model.failed.iter().map(|(name, (_, at))| format!("{}~{at}", name.escape_ascii()));
    let nodes = alive.chain(failed).collect::<Vec<_>>().join(" ");
    format!("{nodes} {}/{}/{}", model.clock, model.event_clock, model.query_clock)
}
