//! The members an agent knows, beside the nodes its file holds.

use std::collections::HashMap;
use std::io::Read;
use std::net::IpAddr;

use snapshot_engine::State;
use snapshot_format::{Addr, Name};

use crate::failure::Failure;
use crate::member::{host_port, quote};
use crate::members::{self, MAX_LINE};
use crate::outlook::Outlook;
use crate::roster::{Listed, Status};
use crate::show::shown;
use crate::standing::Standing;

/// Who is alive, as an agent sees it.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<Vec<u8>, Vec<u8>>);

/// How much of that a file holds; all numbers are of nodes, the owner among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overlap {
    /// Alive, as the agent sees it.
    pub(crate) known: u64,
    /// Of these in the file, at the address where they are.
    pub(crate) held: u64,
    /// Of these in the file, at another address.
    pub(crate) elsewhere: u64,
    /// In the file, and not among these.
    pub(crate) unknown: u64,
    /// Of the others than the owner: known, and held for certain.
    others: (u64, u64),
}

impl Known {
    /// Reads standard input to its end.
    pub(crate) fn read(input: impl Read) -> Result<Self, Failure> {
        let told = |why: &str| Failure::told(format!("the member list of standard input: {why}"));
        let mut list = Vec::new();
        let read = input.take(MAX_LINE as u64 + 1).read_to_end(&mut list);
        read.map_err(|error| told(&format!("cannot be read: {error}")))?;
        if list.len() > MAX_LINE {
            return Err(told(&format!("longer than {MAX_LINE} bytes")));
        }
        Self::parse(&list).map_err(|why| told(&why))
    }

    /// A list in JSON, or the text that `consul members`, `serf members` and `nomad server members` print.
    fn parse(list: &[u8]) -> Result<Self, String> {
        let is_json = list.trim_ascii_start().first().is_some_and(|byte| b"[{".contains(byte));
        let members = if is_json { members::list(list)? } else { lines(list)? };
        let alive = members.into_iter().filter(|member| member.status == Status::Alive);
        let known = alive.filter_map(|member| Some((member.name.into_owned(), member.addr?)));
        let known: HashMap<_, _> = known.collect();
        if known.is_empty() {
            return Err(
                "it names no member that is alive, though an agent lists itself at least; \
                may whoever asks for it see the members (in Consul: node:read)?"
                    .to_owned(),
            );
        }
        Ok(Self(known))
    }

    pub(crate) fn compare(&self, state: &State, outlook: &Outlook) -> Overlap {
        let (mut held, mut elsewhere, mut owner) = (0, 0, (0, 0));
        for (name, addr) in &self.0 {
            let Ok(name) = Name::new(name) else { continue };
            let found = Standing::of(state, name).map(|standing| standing.addr());
            let here = u64::from(found.is_some_and(|found| found.as_bytes() == addr));
            held += here;
            elsewhere += u64::from(found.is_some()) - here;
            if outlook.is_owner(name) {
                owner = (1, here);
            }
        }
        if !outlook.knows_owner() {
            // One of them is likely the agent itself.
            owner = (1, u64::from(held > 0));
        }
        let known = self.0.len() as u64;
        let nodes = (state.len() + state.failed_len()) as u64;
        let others = (known - owner.0, held - owner.1);
        Overlap { known, held, elsewhere, unknown: nodes - held - elsewhere, others }
    }
}

impl Overlap {
    /// Why to act, where the file holds fewer of the others than this share, in per cent.
    pub(crate) fn reason(&self, min_share: u64) -> Option<String> {
        let Self { known, held, others: (others, certain), .. } = *self;
        if others == 0 || certain * 100 >= others * min_share && certain > 0 {
            return None;
        }
        let numbers = format!("agent knows {known}, file holds {held}: a crash now would");
        Some(if certain == 0 {
            format!("{numbers} isolate it")
        } else {
            format!("{numbers} leave it fewer than {min_share} % of them to contact")
        })
    }
}

/// One member a line: the name, which may hold spaces, then the address and the status.
fn lines(list: &[u8]) -> Result<Vec<Listed<'_>>, String> {
    let mut members = Vec::new();
    let lines = list.split(|&byte| byte == b'\n').enumerate();
    for (at, text) in lines.filter(|(_, text)| !text.trim_ascii().is_empty()) {
        match line(text) {
            Some(member) => members.push(member),
            // The titles.
            None if members.is_empty() && memchr::memmem::find(text, b"Address").is_some() => {}
            None => {
                let text = shown(text);
                return Err(format!(
                    "line {} is no member with its address and status: {}",
                    at + 1,
                    quote(&text)
                ));
            }
        }
    }
    Ok(members)
}

fn line(text: &[u8]) -> Option<Listed<'_>> {
    let words: Vec<_> =
        text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let known = |word: &[u8]| match Status::parse(str::from_utf8(word).ok()?) {
        Status::Other(_) => None,
        status => Some(status),
    };
    (1..words.len()).find_map(|at| {
        let (word, next) = (words[at], words.get(at + 1)?);
        let (addr, status) = match known(next) {
            Some(status) if Addr::new(word).ok()?.is_dialable() => (word.to_vec(), status),
            Some(_) => return None,
            // Nomad has a column for the port.
            None => (ip_and_port(word, next)?, known(words.get(at + 2)?)?),
        };
        // From the first byte of the first word to the last before the address: what is between is the name's.
        let begin = words[0].as_ptr().addr() - text.as_ptr().addr();
        let end = word.as_ptr().addr() - text.as_ptr().addr();
        let name = text[begin..end].trim_ascii_end();
        Some(Listed { name: name.into(), addr: Some(addr), status })
    })
}

fn ip_and_port(ip: &[u8], port: &[u8]) -> Option<Vec<u8>> {
    let ip = str::from_utf8(ip).ok()?;
    ip.parse::<IpAddr>().ok()?;
    Some(host_port(ip, str::from_utf8(port).ok()?.parse::<u16>().ok()?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, expect: &[(&str, &str)]) {
        let known = Known::parse(list.as_bytes()).unwrap().0;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let mut found: Vec<_> =
            known.into_iter().map(|(name, addr)| (text(name), text(addr))).collect();
        found.sort();
        let expect: Vec<_> =
            expect.iter().map(|(name, addr)| ((*name).to_owned(), (*addr).to_owned())).collect();
        assert_eq!(found, expect, "{list}");
    }

    #[test]
    fn lists_as_the_tools_print_them() {
        let consul = "Node   Address          Status  Type    Build   Protocol  DC   Partition  Segment\n\
            web-1  10.0.0.1:8301    alive   server  1.17.0  2         dc1  default    <all>\n\
            web-2  10.0.0.2:8301    left    client  1.17.0  2         dc1  default    <default>\n\
            web-3  [fd00::3]:8301   alive   client  1.17.0  2         dc1  default    <default>\n";
        check(consul, &[("web-1", "10.0.0.1:8301"), ("web-3", "[fd00::3]:8301")]);
        let serf = "a           127.0.0.1:7946  alive   role=db\nb c  alive  127.0.0.2:7946  leaving  \n\
            d           127.0.0.3:7946  failed  \n";
        check(serf, &[("a", "127.0.0.1:7946"), ("b c  alive", "127.0.0.2:7946")]);
        let nomad = "Name       Address    Port  Status  Leader  Raft Version\n\
            a.global   10.0.0.1   4648  alive   true    3\nb.global   fd00::2    4648  alive   false   3\n";
        check(nomad, &[("a.global", "10.0.0.1:4648"), ("b.global", "[fd00::2]:4648")]);
        let json = "{\n  \"members\": [\n    {\"name\": \"a\", \"addr\": \"10.0.0.1:7946\", \"port\": 7946, \"status\": \"alive\"}\n  ]\n}\n";
        check(json, &[("a", "10.0.0.1:7946")]);
    }

    #[test]
    fn what_is_no_list_is_told() {
        let check = |list: &str, expect: &str| {
            let why = Known::parse(list.as_bytes()).unwrap_err();
            assert!(why.contains(expect), "{list:?}: {why}");
        };
        check("", "no member that is alive");
        check("[]", "no member that is alive");
        check("a 10.0.0.1:1 left\n", "no member that is alive");
        check("Error: connection refused\n", "line 1 is no member");
        check("a 10.0.0.1:1 alive\n\nb 10.0.0.2\n", "line 3 is no member");
        check("[{\"Name\"", "byte 8");
    }

    #[test]
    fn how_little_is_too_little() {
        let check = |known, held, others, expect: &str| {
            let held = Overlap { known, held, elsewhere: 0, unknown: 0, others };
            assert_eq!(held.reason(50).unwrap_or_default(), expect);
        };
        check(1, 1, (0, 0), "");
        check(3, 3, (2, 2), "");
        check(3, 2, (2, 1), "");
        let isolated = "agent knows 312, file holds 1: a crash now would isolate it";
        check(312, 1, (311, 0), isolated);
        let few = "agent knows 10, file holds 5: a crash now would leave it fewer than 50 % of them to contact";
        check(10, 5, (9, 4), few);
        let nothing = Overlap { known: 2, held: 1, elsewhere: 0, unknown: 0, others: (1, 0) };
        assert!(nothing.reason(0).is_some(), "nobody is less than any share");
    }
}
