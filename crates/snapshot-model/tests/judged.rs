//! The model against the real library: every judged row of the corpus, under both settings.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use snapshot_model::{Model, Rules, replay, warnings};

use crate::common::render;

/// What the real library made of one input under one setting.
struct Judged {
    id: String,
    input: Vec<u8>,
    rejoin: bool,
    model: Model,
    warnings: u64,
}

#[test]
fn serf_mode_equals_the_real_library_on_every_row() {
    let rows = judged();
    assert_eq!(rows.len(), 244 + 64, "rows were lost");
    for row in rows {
        let model = replay(&row.input, &Rules::serf(row.rejoin));
        assert_eq!(model, row.model, "{} with rejoin {}", row.id, row.rejoin);
        assert_eq!(warnings(&row.input) as u64, row.warnings, "{}", row.id);
    }
}

#[test]
fn hardened_mode_differs_from_the_real_library_only_where_it_is_meant_to() {
    let mut different = BTreeSet::new();
    for row in judged() {
        let model = replay(&row.input, &Rules::hardened(row.rejoin));
        let Some((_, without, with, why)) = DIFFERENT.iter().find(|entry| entry.0 == row.id) else {
            assert_eq!(model, row.model, "{} with rejoin {}", row.id, row.rejoin);
            continue;
        };
        let expected = if row.rejoin { with } else { without };
        assert_eq!(render(&model), *expected, "{} with rejoin {}: {why}", row.id, row.rejoin);
        if model != row.model {
            different.insert(row.id);
        }
    }
    assert_eq!(different.len(), DIFFERENT.len(), "an entry is not needed: {different:?}");
}

#[test]
fn damage_that_costs_nothing_more_than_it_costs_serf() {
    let rows = judged();
    for (id, without, with, why) in ALIKE {
        let settings = [(false, without), (true, with)];
        for (rejoin, expected) in settings {
            let row = rows.iter().find(|row| row.id == *id && row.rejoin == rejoin).unwrap();
            let model = replay(&row.input, &Rules::hardened(rejoin));
            assert_eq!(render(&model), *expected, "{id} with rejoin {rejoin}: {why}");
        }
    }
}

/// Each input that hardened replay reads otherwise than Serf: the reading without and with
/// `rejoin_after_leave`, and the reason.
const DIFFERENT: &[(&str, &str, &str, &str)] = &[
    same("empty-name", "nothing", "a name must not be empty"),
    same("empty-addr", "nothing", "an empty address cannot be dialled"),
    same("both-empty", "nothing", "neither name nor address"),
    same("not-an-address", "nothing", "no port"),
    same("trailing-space-addr", "nothing", "the last space makes the address empty"),
    same("vt-ff", "nothing", "a form feed is no digit of a port"),
    same("long-line", "a=1.1.1.1:1", "the other name is over 16 KiB"),
    same("bom", "foo=1.2.3.4:5, clock 3", "the BOM is dropped"),
    ("crlf", "nothing", "foo=1.2.3.4:5, clock 5", "every CR goes, so the leave counts too"),
    same("clock-value-6", "clock 5", "dropped CR"),
    same("event-clock-value-6", "event 5", "dropped CR"),
    same("query-clock-value-6", "query 5", "dropped CR"),
    same("clock-value-10", "clock 7", "2^64-1 would wrap"),
    same("event-clock-value-10", "event 7", "2^64-1 would wrap"),
    same("query-clock-value-10", "query 7", "2^64-1 would wrap"),
    same("clock-value-11", "clock 7", "over 2^48"),
    same("event-clock-value-11", "event 7", "over 2^48"),
    same("query-clock-value-11", "query 7", "over 2^48"),
    same("leading-space", "foo=1.2.3.4:5", "a record begins inside a line that is none"),
    same("nul-prefix", "a=1.1.1.1:1, b=2.2.2.2:2", "the record behind the NULs"),
    same("torn-alive-glued", "new=10.0.0.9:7946", "no phantom, but the record glued to it"),
    same("torn-clock-glued", "new=10.0.0.9:7946", "the record glued to a torn clock, no clock"),
    same("torn-keyword-glued", "new=10.0.0.9:7946", "the record glued to a torn keyword"),
    same("extension-lines", "failed a=1.1.1.1:1@1763000000000", "Serf knows no failed nodes"),
    same(
        "42-torn-alive-line-glued-by-real-serf.snap",
        "a=127.0.0.1:17946, event 1",
        "the glued record is a known node, the torn one is lost",
    ),
];

/// Damaged inputs of which neither reading makes more than the other.
const ALIKE: &[(&str, &str, &str, &str)] = &[
    same(
        "41-torn-tail-after-real-serf-appended.snap",
        "a=127.0.0.1:17946, b=127.0.0.2:17946, clock 4, event 2",
        "the glued record is salvaged, but a was alive anyway; the torn clock is not",
    ),
    same(
        "40-synthetic-torn-tail-input.snap",
        "a=127.0.0.1:17946, b=127.0.0.2:17946, clock 4",
        "the torn end is no record",
    ),
    same(
        "50-kill9-mid-flood-torn-tail-1.snap",
        "k=127.0.0.1:17946, event 1427",
        "the torn end is no record",
    ),
    same("unterminated-alive", "a=1.1.1.1:1", "the torn end is no record"),
    same("unterminated-clock", "clock 3", "the torn end is no record"),
    same("leave-unterminated", "a=1.1.1.1:1", "the torn end is no record"),
    same("nul-tail", "a=1.1.1.1:1", "NULs without LF are a torn end"),
    same("nul-hole", "a=1.1.1.1:1, b=2.2.2.2:2", "no clock is salvaged from around a hole"),
    same("nul-in-name", "a\\x00b=1.1.1.1:1", "one NUL is no hole, names may hold it"),
    same("nbsp", "nothing", "no space, so no address"),
    same("long-garbage", "a=1.1.1.1:1", "a record behind it is unharmed"),
    same("leave-trailing-space", "a=1.1.1.1:1", "no leave is guessed"),
    (
        "injected-name",
        "evil=6.6.6.6:7946",
        "evil=6.6.6.6:7946",
        "what a hostile name has injected cannot be told from records",
    ),
    (
        "leave",
        "nothing",
        "a=1.1.1.1:1, clock 3, event 4, query 5",
        "undamaged: the leave is obeyed or ignored as the setting says",
    ),
];

/// An entry whose input reads the same under both settings.
const fn same(
    id: &'static str,
    reading: &'static str,
    why: &'static str,
) -> (&'static str, &'static str, &'static str, &'static str) {
    (id, reading, reading, why)
}

fn judged() -> Vec<Judged> {
    ["edge-cases.jsonl", "replayed-by-serf.jsonl"]
        .into_iter()
        .flat_map(|file| {
            let text = fs::read_to_string(corpus(file)).unwrap();
            text.lines().map(row).collect::<Vec<_>>()
        })
        .collect()
}

/// A row of the edge cases carries its input, another row is called after the file that it judges.
fn row(line: &str) -> Judged {
    let row: Value = serde_json::from_str(line).unwrap();
    let id = row["id"].as_str().unwrap().to_owned();
    let number = |key: &str| row[key].as_u64().unwrap();
    let alive = row["alive"].as_array().unwrap().iter();
    Judged {
        input: row.get("input_hex").map_or_else(|| fs::read(corpus(&id)).unwrap(), bytes),
        rejoin: row["rejoin_after_leave"].as_bool().unwrap(),
        model: Model {
            alive: alive.map(|node| (bytes(&node["name_hex"]), bytes(&node["addr_hex"]))).collect(),
            clock: number("clock"),
            event_clock: number("event_clock"),
            query_clock: number("query_clock"),
            ..Model::default()
        },
        warnings: number("warnings"),
        id,
    }
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn corpus(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "corpus", file].iter().collect()
}
