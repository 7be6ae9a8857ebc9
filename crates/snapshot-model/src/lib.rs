//! The oracle of Serf's snapshot files: replay in both modes, in as few plain steps as possible.
//!
//! It is no reader for production: it holds the whole file, copies freely and computes checksums
//! bit by bit. It shares no code with the crates it judges. Coordinates and findings are left out.
//!
//! ```
//! let rules = snapshot_model::Rules::serf(false);
//! let model = snapshot_model::replay(b"alive: a 10.0.0.1:7946\nclock: 3\ntorn", &rules);
//! assert_eq!((model.alive.len(), model.clock), (1, 3));
//! ```
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, net::Ipv6Addr};

/// Which reading is modelled.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The hardened reading; otherwise exactly Serf's, which knows no limits and no failed nodes.
    pub hardened: bool,
    /// Whether a `leave` line is ignored.
    pub rejoin_after_leave: bool,
    /// The greatest clock that is believed.
    pub max_clock: u64,
    /// How many failed nodes are kept.
    pub max_failed: usize,
}

impl Rules {
    /// Serf's own reading.
    pub const fn serf(rejoin_after_leave: bool) -> Self {
        Self { hardened: false, rejoin_after_leave, max_clock: u64::MAX, max_failed: 0 }
    }

    /// The hardened reading with its default limits.
    pub const fn hardened(rejoin_after_leave: bool) -> Self {
        Self { hardened: true, rejoin_after_leave, max_clock: 1 << 48, max_failed: 10_000 }
    }
}

/// What a file says.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The address of each node that is alive, by name.
    pub alive: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The last address of each node that failed, and when that was in unix milliseconds.
    pub failed: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    /// The Lamport time of membership.
    pub clock: u64,
    /// The Lamport time of user events.
    pub event_clock: u64,
    /// The Lamport time of queries.
    pub query_clock: u64,
}

/// Reads a whole file.
pub fn replay(file: &[u8], rules: &Rules) -> Model {
    let mut model = Model::default();
    for (index, (line, seal)) in lines(file).into_iter().enumerate() {
        let bom: &[u8] = if rules.hardened && index == 0 { b"\xef\xbb\xbf" } else { b"" };
        // Serf knows no seals and believes every line.
        let seal = if rules.hardened { seal } else { Some(true) };
        model.read(line.strip_prefix(bom).unwrap_or(line), seal, rules);
    }
    model.limit(rules.max_failed);
    model
}

/// How many lines Serf's reading warns about; one over 1 MiB, which it skips, is among them.
#[must_use]
pub fn warnings(file: &[u8]) -> usize {
    lines(file).iter().filter(|(line, _)| !is_record(line)).count()
}

/// CRC-32C: reflected, polynomial 0x1EDC6F41.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 * (crc & 1)))
    })
}

impl Model {
    /// Reads one line, without its LF, as if a valid seal covered it.
    pub fn apply_line(&mut self, line: &[u8], rules: &Rules) {
        self.read(line, Some(true), rules);
        self.limit(rules.max_failed);
    }

    fn read(&mut self, mut line: &[u8], seal: Seal, rules: &Rules) {
        if seal != Some(true) {
            line = self.without_cr(line);
            if let Some((name, addr)) = salvage(line) {
                self.failed.remove(name);
                self.alive.entry(name.to_vec()).or_insert_with(|| addr.to_vec());
                return;
            }
        }
        self.apply(line, seal, rules);
    }

    /// Only a `not-alive` line can be meant to end in a CR, and a comment, where it does not matter.
    /// Where nobody has either name, neither reading of the line changes anything.
    fn without_cr<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        let knows = |name| self.alive.contains_key(name) || self.failed.contains_key(name);
        let is_meant = line.strip_prefix(b"not-alive: ").is_some_and(knows);
        line.strip_suffix(b"\r").filter(|_| !is_meant).unwrap_or(line)
    }

    /// `None` is a line that Serf warns about.
    fn apply(&mut self, line: &[u8], seal: Seal, rules: &Rules) -> Option<()> {
        let colon = line.windows(2).position(|pair| pair == b": ");
        let (verb, body) = line.split_at(colon.map_or(line.len(), |at| at + 2));
        let believed = |time| seal != Some(false) && time <= rules.max_clock;
        let clock = |old| number(body).map(|new| if believed(new) { new } else { old });
        match verb {
            b"alive: " => {
                let (name, addr) = split_last(body)?;
                if !rules.hardened || is_node(name, addr) {
                    self.failed.remove(name);
                    self.alive.insert(name.to_vec(), addr.to_vec());
                }
            }
            b"not-alive: " => _ = (self.failed.remove(body), self.alive.remove(body)),
            b"clock: " => self.clock = clock(self.clock)?,
            b"event-clock: " => self.event_clock = clock(self.event_clock)?,
            b"query-clock: " => self.query_clock = clock(self.query_clock)?,
            b"leave" if !rules.rejoin_after_leave => *self = Self::default(),
            // A rewritten file holds nodes of many moments: only its end is within the limit.
            b"#@failed: " if rules.hardened => _ = self.fail(body),
            b"leave" | b"coordinate: " => {}
            _ => return line.starts_with(b"#").then_some(()),
        }
        Some(())
    }

    /// `None` where nothing comes of it.
    fn fail(&mut self, body: &[u8]) -> Option<()> {
        let (n, at) = split_last(body).and_then(|(n, at)| Some((split_last(n)?, number(at)?)))?;
        let (name, addr) =
            Some(n).filter(|n| is_node(n.0, n.1) && !self.alive.contains_key(n.0))?;
        self.failed.insert(name.to_vec(), (addr.to_vec(), at));
        Some(())
    }

    fn limit(&mut self, max_failed: usize) {
        while self.failed.len() > max_failed {
            let oldest = self.failed.iter().map(|(name, (_, at))| (*at, name.clone())).min();
            self.failed.remove(&oldest.unwrap_or_default().1);
        }
    }
}

/// Whether the seal that covers a line is valid; `None` where no seal covers it.
type Seal = Option<bool>;

/// The whole lines of a file, without LF. One over 1 MiB is read as an empty one, which is no
/// record either.
fn lines(file: &[u8]) -> Vec<(&[u8], Seal)> {
    let mut lines = Vec::new();
    let (mut run, mut first, mut start) = (0, 0, 0); // The run's first byte and line, this line's.
    for (end, _) in file.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        let line = if end - start > 1 << 20 { b"" } else { &file[start..end] };
        lines.push((line, None));
        if let Some(is_valid) = check_seal(line, &file[run..end]) {
            let seal = (end + 1 - run <= 256 << 10).then_some(is_valid);
            lines[first..].iter_mut().for_each(|line| line.1 = seal);
            (run, first) = (end + 1, lines.len());
        }
        start = end + 1;
    }
    lines
}

/// `None` where `line`, the last of the run and without its LF, is no seal.
fn check_seal(line: &[u8], run: &[u8]) -> Option<bool> {
    let fields: Vec<_> = line.strip_prefix(b"#@seal: ")?.split(|byte| *byte == b' ').collect();
    let [length, at, crc] = fields[..] else { return None };
    let hex = crc.len() == 8 && crc.iter().all(|byte| b"0123456789abcdef".contains(byte));
    let (length, _) = number(length).zip(number(at)).filter(|_| hex)?;
    let expected = format!("{:08x}", crc32c(&run[..run.len() - " 01234567".len()]));
    Some(length == (run.len() - line.len()) as u64 && crc == expected.as_bytes())
}

fn is_record(line: &[u8]) -> bool {
    Model::default().apply(line, Some(true), &Rules::serf(true)).is_some()
}

/// The rightmost valid `alive` record that begins inside a line which is `alive` or no record.
///
/// One behind a run of NULs begins inside its line as well. A coordinate is looked into in any
/// case: a valid one ends in a brace or a blank and an address does not, so nothing is found.
fn salvage(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let open = line.starts_with(b"alive: ") || line.starts_with(b"coordinate: ");
    let starts = (1..line.len()).rev().filter(|at| !line[..*at].ends_with(b"not-"));
    let mut found = starts.filter_map(|at| split_last(line[at..].strip_prefix(b"alive: ")?));
    found.find(|(name, addr)| (open || !is_record(line)) && is_node(name, addr))
}

/// Whether hardened replay takes a node. By its letters an IPv4 address is a host name; a run of
/// NULs in a name is a lost block that swallowed two lines.
fn is_node(name: &[u8], addr: &[u8]) -> bool {
    let addr = String::from_utf8_lossy(addr);
    let (host, port) = addr.rsplit_once(':').unwrap_or_default();
    let port_fits = port.len() <= 5 && matches!(number(port.as_bytes()), Some(1..=65_535));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let plain = |text: &str| !text.is_empty() && text.bytes().all(allowed);
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = bracketed.map_or(host.len() <= 253 && plain(host), |ip| {
        let (ip, zone) = ip.split_once('%').unwrap_or((ip, "none"));
        plain(zone) && ip.parse::<Ipv6Addr>().is_ok()
    });
    let hole = name.windows(8).any(|window| window == [0; 8]);
    (1..=16 << 10).contains(&name.len()) && !hole && host_fits && port_fits
}

fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    text.iter().rposition(|byte| *byte == b' ').map(|at| (&text[..at], &text[at + 1..]))
}

/// Digits alone: Rust's own parser would take a plus sign as well.
fn number(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok().filter(|_| text.iter().all(u8::is_ascii_digit))?.parse().ok()
}
