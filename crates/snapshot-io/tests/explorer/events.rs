//! What happens in the cluster, and the lines that each event has to give.

use snapshot_io::{Event, LamportTime, Member};

use crate::run::Run;

impl Run {
    pub(crate) fn join(&mut self, node: u8, addr: u8) {
        let (name, addr) = (name(node), format!("10.0.0.{addr}:7946"));
        let known =
            self.model().alive.get(name.as_bytes()).is_some_and(|old| *old == addr.as_bytes());
        let line = format!("alive: {name} {addr}");
        let member = Member::new(name.as_bytes(), addr.as_bytes()).unwrap();
        self.member(Event::MemberJoin(member), if known { vec![] } else { vec![line] });
    }

    pub(crate) fn joins(&mut self, nodes: impl IntoIterator<Item = u8>) {
        nodes.into_iter().for_each(|node| self.join(node, 1));
    }

    /// The node failed.
    pub(crate) fn lose(&mut self, node: u8) {
        let name = name(node);
        let alive = self.model().alive.get(name.as_bytes()).cloned();
        let known = self.model().failed.contains_key(name.as_bytes());
        let member = Member::new(name.as_bytes(), b"10.9.9.9:7946").unwrap();
        let mut lines = Vec::new();
        if self.is_running() && (alive.is_some() || !known) {
            lines.extend(alive.as_ref().map(|_| format!("not-alive: {name}")));
            let addr =
                alive.map_or("10.9.9.9:7946".into(), |addr| String::from_utf8(addr).unwrap());
            let at = self.stepper().now().wall.0;
            lines.push(format!("#@failed: {name} {addr} {at}"));
        }
        self.member(Event::MemberFailed(member), lines);
    }

    /// The node left.
    pub(crate) fn part(&mut self, node: u8) {
        let name = name(node);
        let known = self.model().alive.contains_key(name.as_bytes())
            || self.model().failed.contains_key(name.as_bytes());
        let member = Member::new(name.as_bytes(), b"10.9.9.9:7946").unwrap();
        let line = format!("not-alive: {name}");
        self.member(Event::MemberLeave(member), if known { vec![line] } else { vec![] });
    }

    pub(crate) fn user(&mut self, time: u64) {
        let line = (time > self.model().event_clock).then(|| format!("event-clock: {time}"));
        self.member(Event::User(LamportTime(time)), line);
    }

    pub(crate) fn query(&mut self, time: u64) {
        let line = (time > self.model().query_clock).then(|| format!("query-clock: {time}"));
        self.member(Event::Query(LamportTime(time)), line);
    }

    /// The clock of membership stands at this time.
    pub(crate) fn clock(&mut self, time: u64) {
        let seen = time - 1;
        let line = (seen > self.model().clock).then(|| format!("clock: {seen}"));
        self.record(Event::Clock(LamportTime(time)), line, false);
    }

    /// The owner leaves.
    pub(crate) fn leave(&mut self) {
        let clock = self.model().clock;
        let mut lines = vec!["leave".to_owned()];
        lines.extend((clock > 0).then(|| format!("clock: {clock}")));
        if !self.has_left() {
            self.record(Event::Leave, lines, true);
        }
    }

    /// A node comes, one goes, and a clock is ahead.
    pub(crate) fn burst(&mut self, seed: u8) {
        let highest =
            self.model().clock.max(self.model().event_clock).max(self.model().query_clock);
        let time = highest + 2;
        match seed % 3 {
            0 => self.clock(time),
            1 => self.user(time),
            _ => self.query(time),
        }
        self.join(seed % 8, 10 + seed % 100);
        match seed % 2 {
            0 => self.lose((seed + 5) % 8),
            _ => self.part((seed + 3) % 8),
        }
    }

    fn member(&mut self, event: Event<'_>, lines: impl IntoIterator<Item = String>) {
        if self.has_left() {
            self.record(event, [], false);
        } else {
            self.record(event, lines, false);
        }
    }

    fn record(&mut self, event: Event<'_>, lines: impl IntoIterator<Item = String>, left: bool) {
        if self.is_running() {
            self.stepper().record(event);
            self.accept(lines.into_iter().map(String::into_bytes).collect(), left);
        }
    }
}

/// From here on names are long.
pub(crate) const LONG: u8 = 200;

/// Names of which some look like other parts of a line.
pub(crate) fn name(node: u8) -> String {
    match node % 8 {
        _ if node >= LONG => format!("node-{node}-{}", "long".repeat(250)),
        5 => format!("node {node} 10.0.0.9:7946"),
        6 => format!("clock: {node}"),
        7 => format!("#@seal: {node} leave"),
        _ => format!("node-{node:02}"),
    }
}
