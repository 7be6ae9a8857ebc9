//! The page about one file.

use std::cmp::Reverse;
use std::ffi::OsStr;

use snapshot_engine::{UnixMillis, Verdict};
use snapshot_format::Name;

use crate::args::Rules;
use crate::failure::Failure;
use crate::inspect;
use crate::inspect_table;
use crate::report::Report;
use crate::report::axis::Axis;
use crate::report::chronicle::{Chronicle, Past};
use crate::report::html::{bytes, number, size, text};
use crate::report::page::{Page, Tone};
use crate::report::plots;
use crate::report::tables::{Cell, Rows, small};
use crate::show::{count, meaning, quoted, shown_path};
use crate::time::utc;

/// Who comes and goes is told of the most restless alone.
const MAX_FLAPPING: usize = 12;

pub(super) fn report(path: &OsStr, rules: Rules) -> Result<Report, Failure> {
    let file = Chronicle::read(path, rules)?;
    let (word, tone) = match file.report.verdict() {
        Verdict::Clean => ("Clean", Tone::Good),
        Verdict::Torn => ("Torn at the end", Tone::Notable),
        Verdict::Damaged => ("Damaged", Tone::Bad),
    };
    let verdict = inspect_table::verdict(&file.report);
    let sentence = format!("If this agent starts now, it {}.", text(&file.outlook));
    let sentences = [about(&file, &verdict), sentence];
    let mut page = Page::new(&shown_path(path), tone, word, &sentences);
    figures(&mut page, &file);
    course(&mut page, &file);
    flapping(&mut page, &file);
    space(&mut page, &file);
    findings(&mut page, &file);
    nodes(&mut page, &file);
    let (alive, failed) = (file.state.len(), file.state.failed_len());
    let summary = vec![
        format!("{}: {verdict}; {alive} alive, {failed} failed", shown_path(path)),
        format!("if this agent starts now: {}", file.outlook),
    ];
    Ok(Report { page: page.finish(), summary })
}

fn about(file: &Chronicle, verdict: &str) -> String {
    let report = &file.report;
    let lines = count(report.lines, "line");
    let of = match (report.first_seal, report.last_seal) {
        (Some(first), Some(last)) => format!(
            "{} from {} to {}",
            count(report.seals, "seal"),
            utc(first).replace('T', " "),
            utc(last).replace('T', " ")
        ),
        _ => "no seals, as Serf, Consul and Nomad write it".to_owned(),
    };
    let identity = [("node", &report.identity.node), ("cluster", &report.identity.cluster)];
    let identity = identity.into_iter().filter_map(|(what, name)| {
        Some(format!(" Of {what} <span class=\"name\">{}</span>.", bytes(name.as_deref()?)))
    });
    let verdict =
        verdict.split_once(", ").map_or(String::new(), |(_, why)| format!("{}. ", capital(why)));
    let verdict = text(&verdict);
    format!("{verdict}{}, {of}.{}", capital(&lines), identity.collect::<String>())
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn figures(page: &mut Page, file: &Chronicle) {
    let (state, report) = (&file.state, &file.report);
    let clocks = state.clocks();
    let live = inspect::live_bytes(state);
    let share = (live * 100).checked_div(report.bytes).unwrap_or(0).min(100);
    let figure = |figure: String, what: &str| (figure, what.to_owned());
    page.figures(&[
        figure(number(state.len() as u64), "nodes alive"),
        figure(number(state.failed_len() as u64), "failed, kept as a last resort"),
        figure(number(file.candidates), "would be tried at a start"),
        figure(number(report.findings_total), "findings"),
        figure(size(report.bytes), &format!("of which {share} % live")),
        figure(number(clocks.clock.0), "clock"),
        figure(number(clocks.event_clock.0), "event clock"),
        figure(number(clocks.query_clock.0), "query clock"),
    ]);
}

fn course(page: &mut Page, file: &Chronicle) {
    if file.points.is_empty() {
        return;
    }
    let over = match Axis::of(&file.points) {
        Axis::Lines => "Over the lines of the file, which tells no times",
        Axis::Time => "Over the time that the seals tell, in UTC",
    };
    let about = format!(
        "{over}: <span class=\"key\" style=\"--c:var(--alive)\">alive</span> and <span class=\"key\" \
         style=\"--c:var(--failed)\">failed</span>."
    );
    page.section("Nodes in the course of the file", &about, &plots::nodes(&file.points));
    let clock = |which: usize, title: &str| {
        format!("<div><h3>{title}</h3>{}</div>", plots::clock(&file.points, which, title))
    };
    let clocks = clock(0, "clock") + &clock(1, "event clock") + &clock(2, "query clock");
    let about = "Lamport times: of membership, of user events and of queries.";
    page.section("Clocks", about, &format!("<div class=\"three\">{clocks}</div>"));
}

fn flapping(page: &mut Page, file: &Chronicle) {
    let mut restless: Vec<(&[u8], u32)> = file
        .nodes
        .iter()
        .filter(|(_, past)| past.losses > 0 && past.joins > 1)
        .map(|(name, past)| (&**name, past.losses))
        .collect();
    restless.sort_unstable_by_key(|(name, losses)| (Reverse(*losses), *name));
    let total = restless.len();
    restless.truncate(MAX_FLAPPING);
    if total == 0 {
        return page.section("Nodes that come and go", "None came back after it had gone.", "");
    }
    let first = if total > MAX_FLAPPING { ", the most restless" } else { "" };
    let about = format!(
        "How often each went{first}; {} came back at least once.",
        count(total as u64, "node")
    );
    page.section("Nodes that come and go", &about, &plots::flapping(&restless));
}

fn space(page: &mut Page, file: &Chronicle) {
    if file.report.bytes == 0 {
        return;
    }
    let key = |colour: &str, what: &str| {
        format!("<span class=\"key\" style=\"--c:var(--{colour})\">{what}</span>")
    };
    let about = format!(
        "{} bytes carry the state, {} ones were replaced by later lines, {} are seals and comments. {} below the line: something is \
         wrong there.",
        key("alive", "Live"),
        key("dead", "dead"),
        key("frame", "others"),
        key("bad", "Marks")
    );
    let plot = plots::bytes(&file.bytes, file.report.bytes);
    page.section("Live and dead bytes", &about, &plot);
}

fn findings(page: &mut Page, file: &Chronicle) {
    let report = &file.report;
    if report.findings.is_empty() {
        return page.section("Findings", "None.", "");
    }
    let row = |finding: &snapshot_engine::Finding| {
        let quote = text(&quoted(&finding.excerpt));
        vec![
            number(finding.line),
            number(finding.offset),
            format!("<span class=\"keep\">{}</span>", text(&finding.kind.to_string())),
            format!("<span class=\"say\">{}</span>", text(meaning(finding.kind))),
            format!("<code>{quote}</code>"),
        ]
    };
    let rows: Vec<_> = report.findings.iter().map(row).collect();
    let listed = rows.len() as u64;
    let about = if report.findings_total > listed {
        format!("{}, the first {listed} of them.", number(report.findings_total))
    } else {
        String::new()
    };
    let table = small(&["Line", "Byte", "Kind", "Meaning", "Text"], &rows);
    page.section("Findings", &about, &table);
}

fn nodes(page: &mut Page, file: &Chronicle) {
    let mut rows = Rows::new(&[
        ("Name", "name"),
        ("Address", "addr"),
        ("State", "word"),
        ("Came", "number"),
        ("Went", "number"),
        ("Last line", "number"),
        ("Written", "word"),
    ]);
    let state = &file.state;
    let nobody = Past::default();
    let past = |name: &[u8]| file.nodes.get(name).unwrap_or(&nobody);
    let mut add = |name: &[u8], addr: Cell, word: &str, past: &Past| {
        rows.add(|| {
            let at = past.at_ms.map_or(String::new(), |at| utc(UnixMillis(at)).replace('T', " "));
            vec![
                Cell::bytes(name),
                addr,
                Cell::text(word),
                Cell::Number(past.joins.into()),
                Cell::Number(past.losses.into()),
                Cell::Number(past.line),
                Cell::text(at),
            ]
        });
    };
    for (name, addr) in inspect::sorted(state) {
        add(name.as_bytes(), Cell::bytes(addr.as_bytes()), "alive", past(name.as_bytes()));
    }
    for (name, addr, _) in state.failed() {
        add(name.as_bytes(), Cell::bytes(addr.as_bytes()), "failed", past(name.as_bytes()));
    }
    let is_known = |name: &[u8]| {
        let is_failed = || state.failed().any(|(failed, ..)| failed.as_bytes() == name);
        Name::new(name).is_ok_and(|name| state.addr_of(name).is_some()) || is_failed()
    };
    let mut gone: Vec<_> = file.nodes.iter().filter(|(name, _)| !is_known(name)).collect();
    gone.sort_unstable_by_key(|(name, _)| *name);
    for (name, past) in gone {
        add(name, Cell::text(""), "gone", past);
    }
    page.section(
        "All nodes",
        "Every node that the file has ever named.",
        &rows.section("names and addresses"),
    );
}
