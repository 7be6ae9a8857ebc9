//! "If this agent starts now, whom will it contact?"

use std::ffi::OsStr;
use std::path::{Component, Path};

use snapshot_engine::State;
use snapshot_format::Name;

use crate::args::Rules;
use crate::reading::Reading;
use crate::show::{count, shown};

/// Whom the owner of a file would try if it started now.
pub(crate) struct Outlook {
    owner: Option<Owner>,
    /// Others it would try, the alive ones first.
    alive: u64,
    /// Failed nodes, which only our agents keep as a last resort.
    failed: u64,
    /// The line at which it left, where it has not come back and does not rejoin after that.
    left_at: Option<u64>,
    /// How many others it would try if it rejoined after a leave.
    rejoining: u64,
}

/// Whose file it is. No agent tries itself.
struct Owner {
    name: Vec<u8>,
    /// Whether the file holds no other node.
    alone: bool,
}

impl Outlook {
    pub(crate) fn new(path: &OsStr, rules: Rules, reading: &Reading) -> Self {
        let Reading { state, report, rejoining } = reading;
        let owner = owner(path, state, report.identity.node.as_deref());
        let (alive, failed) = others(state, owner.as_ref());
        let then = others(rejoining.as_ref().unwrap_or(state), owner.as_ref());
        let left_at = report.left_at.filter(|_| report.left && !rules.rejoins());
        Self { owner, alive, failed, left_at, rejoining: then.0 + then.1 }
    }

    /// Whether this is the owner, as far as that is known.
    pub(crate) fn is_owner(&self, name: Name<'_>) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.name == name.as_bytes())
    }

    /// Whether it is known who the owner is.
    pub(crate) const fn knows_owner(&self) -> bool {
        self.owner.is_some()
    }

    /// How many others it would try.
    pub(crate) const fn candidates(&self) -> u64 {
        self.alive + self.failed
    }

    /// How many others it would try at least: where the file does not name its owner, one is likely the owner.
    pub(crate) const fn certain(&self) -> u64 {
        self.candidates().saturating_sub(self.owner.is_none() as u64)
    }

    /// The answer in a sentence.
    pub(crate) fn sentence(&self) -> String {
        if let Some(line) = self.left_at {
            let then = self.rejoining;
            return format!(
                "left at line {line}: tries nobody unless rejoin_after_leave; then {then}"
            );
        }
        let Self { owner, alive, failed, .. } = self;
        let candidates = self.candidates();
        match owner {
            Some(Owner { name, alone: true }) if candidates == 0 => {
                format!("would try 0 others: the file holds only {} itself", shown(name))
            }
            _ if candidates == 0 => "would try 0 others: the file holds no node".to_owned(),
            None => {
                let last = last_resort(*alive, *failed);
                format!(
                    "would try {candidates}{last}; one of them is likely the agent itself, which the file does not name"
                )
            }
            Some(_) => {
                format!("would try {}{}", count(candidates, "other"), last_resort(*alive, *failed))
            }
        }
    }
}

fn last_resort(alive: u64, failed: u64) -> String {
    if failed == 0 {
        return String::new();
    }
    format!(": {alive} alive, then {failed} failed as a last resort")
}

fn others(state: &State, owner: Option<&Owner>) -> (u64, u64) {
    let name = owner.and_then(|owner| Name::new(&owner.name).ok());
    let itself = |name: Name<'_>| state.addr_of(name).is_some();
    let alive = state.len() - usize::from(name.is_some_and(itself));
    let failed = state.failed().filter(|(of, ..)| Some(*of) != name).count();
    (alive as u64, failed as u64)
}

/// Whose file it is: the node that the file names; else a node in it that a component of the path names, the last
/// first, be it the whole component or its stem; else the only node in it, since an agent records itself first.
fn owner(path: &OsStr, state: &State, named: Option<&[u8]>) -> Option<Owner> {
    let nodes = state.len() + state.failed_len();
    let of_path = || {
        Path::new(path).components().rev().find_map(|component| {
            let Component::Normal(whole) = component else { return None };
            let stem = Path::new(whole).file_stem().unwrap_or(whole);
            [whole, stem].map(OsStr::as_encoded_bytes).into_iter().find(|name| holds(state, name))
        })
    };
    let only = || (nodes == 1).then(|| state.alive().next().map(|(name, _)| name.as_bytes()))?;
    let name = named.or_else(of_path).or_else(only)?;
    Some(Owner { name: name.to_vec(), alone: nodes == 1 && holds(state, name) })
}

fn holds(state: &State, name: &[u8]) -> bool {
    Name::new(name).is_ok_and(|name| state.addr_of(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Input;
    use clap::Parser;
    use std::fs;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        rules: Rules,
    }

    fn check(path: &str, file: &str, options: &str, expect: (u64, &str)) {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().join("file");
        fs::write(&real, file).unwrap();
        let rules = Line::parse_from(["check"].into_iter().chain(options.split_whitespace())).rules;
        let mut input = Input::open(real.as_os_str(), rules.reader).unwrap();
        let reading = Reading::new(&mut input, rules).unwrap();
        let outlook = Outlook::new(OsStr::new(path), rules, &reading);
        assert_eq!((outlook.candidates(), &*outlook.sentence()), expect, "{path} {file:?}");
    }

    const AB: &str = "alive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\n";
    const UNKNOWN: &str =
        "would try 2; one of them is likely the agent itself, which the file does not name";

    #[test]
    fn the_owner_is_not_among_the_others() {
        check("x", "", "", (0, "would try 0 others: the file holds no node"));
        let only = "alive: web-1 10.0.0.1:1\n";
        check("x", only, "", (0, "would try 0 others: the file holds only web-1 itself"));
        check("x", AB, "", (2, UNKNOWN));
        check("var/a/x", AB, "", (1, "would try 1 other"));
        check("b.snap", AB, "", (1, "would try 1 other"));
        check("a/b/x", AB, "", (1, "would try 1 other"));
    }

    #[test]
    fn failed_nodes_are_a_last_resort() {
        let file = "alive: a 10.0.0.1:1\n#@failed: b 10.0.0.2:1 5\n";
        check("a", file, "", (1, "would try 1 other: 0 alive, then 1 failed as a last resort"));
    }

    #[test]
    fn whoever_left_tries_nobody() {
        let left = format!("{AB}leave\nclock: 3\n");
        let sentence = "left at line 3: tries nobody unless rejoin_after_leave; then 2";
        check("x", &left, "", (0, sentence));
        check("x", &left, "--rejoin-after-leave", (2, UNKNOWN));
        let back = format!("{left}alive: a 10.0.0.1:1\n");
        check("x", &back, "", (0, "would try 0 others: the file holds only a itself"));
    }
    #[test]
    fn a_second_leave_forgets_what_came_between_for_those_who_do_not_rejoin() {
        let file = format!("{AB}leave\r\nalive: c 10.0.0.3:1\nleave\n");
        check(
            "x",
            &file,
            "",
            (0, "left at line 5: tries nobody unless rejoin_after_leave; then 3"),
        );
        let nomad =
            "would try 3; one of them is likely the agent itself, which the file does not name";
        check("x", &file.replace('\r', ""), "--as nomad", (3, nomad));
    }
    #[test]
    fn what_comes_in_later_blocks_counts_too() {
        // A block holds some ten thousand of them.
        let nodes: Vec<_> = (0..60_000).map(|n| format!("alive: node-{n} 10.0.0.1:1\n")).collect();
        let file = format!("{AB}leave\n{}leave\n", nodes.concat());
        let sentence = "left at line 60004: tries nobody unless rejoin_after_leave; then 60002";
        check("x", &file, "", (0, sentence));
    }
}
