//! Lines of JSON that are member lists, as Consul, Nomad and Serf print them.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::member::{Recorder, host_port, why};
use crate::roster::{self, Listed, Status};

/// The longest list that is taken, in bytes: some forty thousand members with Consul's tags.
pub(crate) const MAX_LINE: usize = 32 * 1024 * 1024;

/// Hands what a list changes to the recorder; an error is what was wrong with it, in a sentence.
pub(crate) fn record_line(line: &[u8], recorder: &mut impl Recorder) -> Result<(), String> {
    roster::record_list(&list(line)?, &HashSet::new(), recorder)
}

/// The members of a list.
pub(crate) fn list(json: &[u8]) -> Result<Vec<Listed<'static>>, String> {
    let Members(members) = parse(json)?;
    Ok(members.into_iter().map(Member::listed).collect())
}

/// An array, or the object around it that `serf members` and Nomad's interface have.
fn parse(line: &[u8]) -> Result<Members, String> {
    match line.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice(line).map_err(|error| why(&error)),
        Some(b'{') => {
            let wrapped: Wrapped = serde_json::from_slice(line).map_err(|error| why(&error))?;
            Ok(wrapped.members)
        }
        _ => Err("byte 1: neither a JSON array of members nor an object with one".to_owned()),
    }
}

#[derive(serde::Deserialize)]
struct Wrapped {
    #[serde(alias = "Members")]
    members: Members,
}

#[derive(serde::Deserialize)]
struct Members(Vec<Member>);

#[derive(serde::Deserialize)]
struct Member {
    #[serde(alias = "Name")]
    name: String,
    #[serde(alias = "Addr")]
    addr: String,
    #[serde(alias = "Port")]
    port: u64,
    #[serde(alias = "Status")]
    status: Status,
}

impl Member {
    fn listed(self) -> Listed<'static> {
        let addr = without_port(&self.addr, self.port);
        Listed {
            addr: Some(host_port(addr, self.port)),
            name: self.name.into_bytes().into(),
            status: self.status,
        }
    }
}

/// `serf members` repeats the port behind the address; an IPv6 address has brackets then.
fn without_port(addr: &str, port: u64) -> &str {
    let Some((host, end)) = addr.rsplit_once(':') else { return addr };
    let is_host = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    if is_host && end.parse() == Ok(port) { host } else { addr }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrNumber)
    }
}

/// Consul gives Serf's numbers, everyone else its words.
struct WordOrNumber;

impl Visitor<'_> for WordOrNumber {
    type Value = Status;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status: a word or a number")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Status, E> {
        const WORDS: [&str; 5] = ["none", "alive", "leaving", "left", "failed"];
        let word = usize::try_from(number).ok().and_then(|number| WORDS.get(number));
        Ok(word.map_or_else(|| Status::Other(number.to_string()), |word| Status::parse(word)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Status, E> {
        Ok(Status::Other(number.to_string()))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Status, E> {
        Ok(Status::parse(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::tests::check_line;

    fn check(line: &str, recorded: &[&str], complaint: &str) {
        check_line(record_line, line, recorded, complaint);
    }

    #[test]
    fn lists_of_consul_nomad_and_serf() {
        let consul = r#"[{"Name":"a","Addr":"10.0.0.1","Port":8301,"Tags":{"role":"consul"},"Status":1,"ProtocolCur":2},{"Name":"b","Addr":"fd00::2","Port":8301,"Status":2},{"Name":"c","Addr":"10.0.0.3","Port":8301,"Status":3},{"Name":"d","Addr":"10.0.0.4","Port":8301,"Status":4}]"#;
        let expect = [
            "join a 10.0.0.1:8301",
            "join b [fd00::2]:8301",
            "leave c 0.0.0.0:1",
            "failed d 10.0.0.4:8301",
        ];
        check(consul, &expect, "");
        let nomad = r#"{"ServerName":"x","Members":[{"Name":"a.global","Addr":"10.0.0.1","Port":4648,"Status":"alive"}]}"#;
        check(nomad, &["join a.global 10.0.0.1:4648"], "");
        let serf = r#"{"members":[{"name":"a","addr":"127.0.0.1:7946","port":7946,"tags":{},"status":"failed"},{"name":"b","addr":"[::1]:7946","port":7946,"status":"left"},{"name":"c","addr":"[::1]:7946","port":7946,"status":"alive"}]}"#;
        let expect = ["failed a 127.0.0.1:7946", "leave b 0.0.0.0:1", "join c [::1]:7946"];
        check(serf, &expect, "");
    }

    #[test]
    fn an_address_that_ends_like_a_port_keeps_its_end() {
        let list = r#"[{"Name":"a","Addr":"fd00::8301","Port":8301,"Status":1},{"Name":"b","Addr":"10.0.0.1:1","Port":2,"Status":1}]"#;
        let complaint = "member 2 (b): the member's address is not host:port (at [10.0.0.1:1]:2)";
        check(list, &["join a [fd00::8301]:8301"], complaint);
    }

    #[test]
    fn a_line_that_is_cut_or_odd_is_told_and_changes_nothing() {
        check(r#"[{"Name":"a","Addr":"10"#, &[], "byte 23: EOF while parsing a string");
        check("hello", &[], "byte 1: neither a JSON array of members nor an object with one");
        check("null", &[], "byte 1: neither a JSON array of members nor an object with one");
        check(r#"[{"Name":"a"}]"#, &[], "byte 13: missing field `addr`");
        check(r#"{"Members":null}"#, &[], "byte 15: invalid type: null, expected a sequence");
        let complaint = "byte 49: invalid type: null, expected a status: a word or a number";
        check(r#"[{"Name":"a","Addr":"::1","Port":1,"Status": null}]"#, &[], complaint);
        let trailing = r#"[{"Name":"a","Addr":"::1","Port":1,"Status":1}] []"#;
        check(trailing, &[], "byte 49: trailing characters");
    }

    #[test]
    fn numbers_that_no_status_has() {
        let list = r#"[{"Name":"a","Addr":"::1","Port":1,"Status":9},{"Name":"b","Addr":"::1","Port":1,"Status":-1},{"Name":"c","Addr":"::1","Port":1,"Status":0}]"#;
        let complaint = "member 1 (a): no such status: 9; member 2 (b): no such status: -1; \
            member 3 (c): no such status: none";
        check(list, &[], complaint);
    }
}
