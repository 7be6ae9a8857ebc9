//! The shapes of requests and answers: maps of `MessagePack` with the names of Go's fields.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::de::{self, Deserialize, Visitor};
use serde::{Deserializer, Serialize};

use super::Fault;
use crate::member::host_port;

/// Deeper than anything that Serf says.
const MAX_DEPTH: usize = 32;

/// Before each request.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Request<'a> {
    pub(super) command: &'a str,
    pub(super) seq: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Handshake {
    pub(super) version: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Auth<'a> {
    pub(super) auth_key: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Stream<'a> {
    pub(super) r#type: &'a str,
}

/// Which members are asked for: those whose whole name this regular expression matches.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter<'a> {
    pub(super) name: &'a str,
}

/// Before each answer and each event.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub(super) error: Bytes<'a>,
    pub(super) seq: u64,
}

/// The answer to `members`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members<'a> {
    #[serde(borrow)]
    pub(super) members: Option<Vec<Member<'a>>>,
}

/// A member, in a list and in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Member<'a> {
    #[serde(borrow)]
    pub(crate) name: Bytes<'a>,
    /// 4 or 16 bytes.
    #[serde(default)]
    addr: Bytes<'a>,
    #[serde(default)]
    port: u64,
    #[serde(default)]
    pub(crate) status: Bytes<'a>,
}

impl Member<'_> {
    /// `host:port`, as Serf writes it into its file; `None` where no address was told.
    pub(crate) fn host_port(&self) -> Option<Vec<u8>> {
        let ip = match self.addr.0.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(self.addr.0).map(Ipv4Addr::from).ok()?),
            16 => {
                let address = <[u8; 16]>::try_from(self.addr.0).map(Ipv6Addr::from).ok()?;
                // Go holds either kind in 16 bytes.
                address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
            }
            _ => return None,
        };
        Some(host_port(&ip.to_string(), self.port))
    }
}

/// The answer to `stats`: what is needed of it. Serf tells numbers as text.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Stats<'a> {
    #[serde(borrow, default)]
    agent: Agent<'a>,
    #[serde(default)]
    serf: Serf<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
struct Agent<'a> {
    #[serde(borrow, default)]
    name: Bytes<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
struct Serf<'a> {
    #[serde(borrow, default, rename = "member_time")]
    member: Bytes<'a>,
    #[serde(default, rename = "event_time")]
    event: Bytes<'a>,
    #[serde(default, rename = "query_time")]
    query: Bytes<'a>,
}

/// Who the agent is and where its clocks stand: the next message of each kind would carry these times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clocks<'a> {
    pub(crate) node: &'a [u8],
    pub(crate) member: u64,
    pub(crate) event: u64,
    pub(crate) query: u64,
}

impl<'a> Stats<'a> {
    pub(super) fn clocks(&self) -> Result<Clocks<'a>, Fault> {
        let time = |what: &str, text: Bytes<'_>| {
            let number = str::from_utf8(text.0).ok().and_then(|text| text.parse().ok());
            number.ok_or_else(|| Fault::Garbled(format!("its {what} is no number")))
        };
        Ok(Clocks {
            node: self.agent.name.0,
            member: time("member_time", self.serf.member)?,
            event: time("event_time", self.serf.event)?,
            query: time("query_time", self.serf.query)?,
        })
    }
}

/// What happened, of whatever kind.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "Event")]
    pub(super) kind: Bytes<'a>,
    #[serde(default)]
    pub(super) members: Option<Vec<Member<'a>>>,
    #[serde(default, rename = "LTime")]
    pub(super) time: Option<u64>,
}

/// Text that need not be UTF-8, or bytes; nothing where Go had nil.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Bytes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or bytes")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Bytes(text.as_bytes()))
            }

            fn visit_borrowed_bytes<E: de::Error>(
                self,
                bytes: &'de [u8],
            ) -> Result<Self::Value, E> {
                Ok(Bytes(bytes))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Bytes(b""))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// Decodes one value, which these bytes are.
pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T, Fault> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes);
    decoder.set_max_depth(MAX_DEPTH);
    T::deserialize(&mut decoder).map_err(|error| Fault::Garbled(format!("no {what}: {error}")))
}

/// Writes one value behind the others.
pub(super) fn encode(output: &mut Vec<u8>, value: &impl Serialize) {
    // Only a writer that is full could fail.
    let _ = rmp_serde::encode::write_named(output, value);
}
