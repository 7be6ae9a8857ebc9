//! Member lists, recorded by difference.
//!
//! A list is the whole truth of one moment, so whoever is not in it was reaped. What it repeats changes nothing and is
//! not written; so a list that is given again and again costs no byte.

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};

use crate::member::{Change, Recorder, Refused};
use crate::show::shown;

/// One member of a list.
#[derive(Debug)]
pub(crate) struct Listed<'a> {
    pub(crate) name: Cow<'a, [u8]>,
    /// `host:port`.
    pub(crate) addr: Option<Vec<u8>>,
    pub(crate) status: Status,
}

/// How a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It is there; also while it is about to leave.
    Alive,
    Left,
    Failed,
    /// None of these, as it was said: nothing changes.
    Other(String),
}

impl Status {
    /// As Serf, Consul and Nomad spell it.
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "alive" | "leaving" => Self::Alive,
            "left" => Self::Left,
            "failed" => Self::Failed,
            word => Self::Other(word.to_owned()),
        }
    }

    fn change(&self) -> Result<Change, String> {
        match self {
            Self::Alive => Ok(Change::Join),
            Self::Left => Ok(Change::Leave),
            Self::Failed => Ok(Change::Failed),
            Self::Other(word) => Err(format!("no such status: {}", crate::member::quote(word))),
        }
    }
}

/// Records what the list changes; an error is what was wrong with it, in a sentence.
///
/// `newer` are names of which more is known than the list says: they stay as they are.
///
/// An empty list is refused: an agent lists itself at least, unless whoever asks may not see it. A list of one reaps
/// nobody: so speaks an agent that has just started or is cut off, which is the moment for which the file is kept.
pub(crate) fn record_list(
    list: &[Listed<'_>],
    newer: &HashSet<Vec<u8>>,
    recorder: &mut impl Recorder,
) -> Result<(), String> {
    if list.is_empty() {
        return Err("an empty list, though an agent lists itself at least; \
            may whoever asks for it see the members (in Consul: node:read)?"
            .to_owned());
    }
    let by_name = by_name(list);
    let mut refused = Refused::default();
    for (index, listed) in list.iter().enumerate() {
        let counts = by_name.get(&*listed.name) == Some(&index) && !newer.contains(&*listed.name);
        if counts {
            refused.note(index, &shown(&listed.name), record_listed(listed, recorder));
        }
    }
    if by_name.len() > 1 {
        let stays = |name: &[u8]| by_name.contains_key(name) || newer.contains(name);
        for name in recorder.without(&stays) {
            let reaped = Change::Reap.record(&name, None, recorder);
            refused.note(list.len(), &shown(&name), reaped);
        }
    }
    refused.outcome()
}

/// Where the entry of each name stands. Of several of one name the first that is alive counts, so that no list says two
/// things about one node.
fn by_name<'a>(list: &'a [Listed<'_>]) -> HashMap<&'a [u8], usize> {
    let mut places = HashMap::with_capacity(list.len());
    for (index, listed) in list.iter().enumerate() {
        match places.entry(&*listed.name) {
            Entry::Vacant(place) => {
                place.insert(index);
            }
            Entry::Occupied(mut place) => {
                if listed.status == Status::Alive && list[*place.get()].status != Status::Alive {
                    place.insert(index);
                }
            }
        }
    }
    places
}

fn record_listed(listed: &Listed<'_>, recorder: &mut impl Recorder) -> Result<(), String> {
    listed.status.change()?.record(&listed.name, listed.addr.as_deref(), recorder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::tests::Notes;

    fn listed(name: &'static str, status: &str) -> Listed<'static> {
        let name = name.as_bytes().into();
        Listed { name, addr: Some(b"10.0.0.1:1".to_vec()), status: Status::parse(status) }
    }

    fn check(known: &[&str], list: &[(&'static str, &str)], expect: &[&str], complaint: &str) {
        let known = known.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut notes = Notes { known, ..Notes::default() };
        let list: Vec<_> = list.iter().map(|(name, status)| listed(name, status)).collect();
        let outcome = record_list(&list, &HashSet::from([b"newer".to_vec()]), &mut notes);
        assert_eq!(notes.events, expect);
        assert_eq!(outcome.err().unwrap_or_default(), complaint);
    }

    #[test]
    fn each_status_and_who_is_missing() {
        let list = [("a", "alive"), ("b", "leaving"), ("c", "left"), ("d", "failed")];
        let expect = [
            "join a 10.0.0.1:1",
            "join b 10.0.0.1:1",
            "leave c 0.0.0.0:1",
            "failed d 10.0.0.1:1",
            "reap gone 0.0.0.0:1",
        ];
        check(&["a", "gone", "d", "newer"], &list, &expect, "");
    }

    #[test]
    fn an_unknown_status_changes_nothing() {
        let list = [("a", "none"), ("b", "alive")];
        check(&["a", "b"], &list, &["join b 10.0.0.1:1"], "member 1 (a): no such status: none");
    }

    #[test]
    fn of_one_name_the_entry_that_is_alive_counts() {
        let list = [("a", "left"), ("a", "alive"), ("a", "failed"), ("b", "left"), ("b", "failed")];
        check(&[], &list, &["join a 10.0.0.1:1", "leave b 0.0.0.0:1"], "");
    }

    #[test]
    fn what_is_newer_than_the_list_stays() {
        check(&["newer"], &[("newer", "left"), ("a", "alive")], &["join a 10.0.0.1:1"], "");
    }

    #[test]
    fn one_that_is_alone_has_reaped_nobody() {
        check(&["a", "b"], &[("a", "alive")], &["join a 10.0.0.1:1"], "");
        check(&["a", "b"], &[("a", "left"), ("a", "alive")], &["join a 10.0.0.1:1"], "");
    }

    #[test]
    fn an_empty_list_is_none() {
        let complaint = "an empty list, though an agent lists itself at least; \
            may whoever asks for it see the members (in Consul: node:read)?";
        check(&["a", "b"], &[], &[], complaint);
    }

    #[test]
    fn a_name_that_cannot_be_recorded_stops_nobody_else() {
        let complaint = "member 1 (x\\nleave): the member's name: byte 1 is a newline, which cannot stand there (at 10.0.0.1:1)";
        check(&[], &[("x\nleave", "alive"), ("b", "alive")], &["join b 10.0.0.1:1"], complaint);
    }
}
