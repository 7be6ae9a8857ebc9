//! One line in its parts.

use std::borrow::Cow;

use serde::Serialize;
use snapshot_engine::{LamportTime, UnixMillis};
use snapshot_format::{ParseError, Record};

use crate::json::{Node, Place, text};
use crate::show::{cut, shown};

/// How many columns of a line are shown to people; nobody reads a megabyte.
const MAX_BODY: usize = 1024;

/// What the line is in one word, and what follows it.
pub(crate) struct Parts<'a> {
    pub(crate) kind: &'static str,
    pub(crate) fields: Fields<'a>,
}

/// What a line says, under the keys of JSON.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Fields<'a> {
    Nothing {},
    Node(Node<'a>),
    Name {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name_hex: Option<String>,
    },
    Number {
        value: u64,
    },
    Coordinate {
        coordinate: Place,
    },
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text_hex: Option<String>,
    },
    Seal {
        covered_bytes: u64,
        sealed_at_ms: u64,
        crc: String,
    },
    Invalid {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text_hex: Option<String>,
        problem: String,
    },
}

impl<'a> Parts<'a> {
    pub(crate) fn new(bytes: &'a [u8], parsed: Result<Record<'a>, ParseError>) -> Self {
        let (kind, fields) = match parsed {
            Ok(Record::Alive { name, addr }) => {
                ("alive", Fields::Node(Node::new(name, addr, None)))
            }
            Ok(Record::NotAlive { name }) => ("not-alive", Fields::name(name.as_bytes())),
            Ok(Record::Clock(LamportTime(value))) => ("clock", Fields::Number { value }),
            Ok(Record::EventClock(LamportTime(value))) => ("event-clock", Fields::Number { value }),
            Ok(Record::QueryClock(LamportTime(value))) => ("query-clock", Fields::Number { value }),
            Ok(Record::Coordinate(coordinate)) => {
                ("coordinate", Fields::Coordinate { coordinate: coordinate.into() })
            }
            Ok(Record::Leave) => ("leave", Fields::Nothing {}),
            Ok(Record::Comment(text)) => ("comment", Fields::text(text.as_bytes())),
            Ok(Record::Format(value)) => ("format", Fields::Number { value }),
            Ok(Record::Cluster(id)) => ("cluster", Fields::text(id.as_bytes())),
            Ok(Record::Node(name)) => ("node", Fields::name(name.as_bytes())),
            Ok(Record::Failed { name, addr, at }) => {
                ("failed", Fields::Node(Node::new(name, addr, Some(at))))
            }
            Ok(Record::Seal(seal)) => {
                let (covered_bytes, UnixMillis(sealed_at_ms)) = (seal.len, seal.at);
                (
                    "seal",
                    Fields::Seal { covered_bytes, sealed_at_ms, crc: format!("{:08x}", seal.crc) },
                )
            }
            Ok(Record::Extension(text)) => ("extension", Fields::text(text.as_bytes())),
            // A kind that a later version of the grammar knows.
            Ok(_) => ("extension", Fields::text(bytes)),
            Err(error) => {
                let (text, text_hex) = text(bytes);
                ("invalid", Fields::Invalid { text, text_hex, problem: error.to_string() })
            }
        };
        Self { kind, fields }
    }

    /// The bytes behind the last newline.
    pub(crate) fn torn(bytes: &'a [u8]) -> Self {
        Self { kind: "torn", fields: Fields::text(bytes) }
    }
}

impl<'a> Fields<'a> {
    fn name(bytes: &'a [u8]) -> Self {
        let (name, name_hex) = text(bytes);
        Self::Name { name, name_hex }
    }

    fn text(bytes: &'a [u8]) -> Self {
        let (text, text_hex) = text(bytes);
        Self::Text { text, text_hex }
    }
}

/// What stands behind the keyword of a line, for people: the line itself where it has none.
pub(crate) fn body(kind: &str, bytes: &[u8]) -> String {
    let keyword = match kind {
        "invalid" | "torn" | "leave" => 0,
        "comment" => 1,
        "extension" => 2,
        "format" | "cluster" | "node" | "failed" | "seal" => "#@: ".len() + kind.len(),
        _ => kind.len() + ": ".len(),
    };
    cut(&shown(bytes.get(keyword..).unwrap_or_default()), MAX_BODY).into_owned()
}
