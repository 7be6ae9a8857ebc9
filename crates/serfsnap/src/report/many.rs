//! The page about a fleet.

use std::collections::HashMap;

use crate::fleet::{Fleet, Unity, advice, finds, revive_command, sentence};
use crate::report::Report;
use crate::report::graph;
use crate::report::html::{self, bytes, number, text};
use crate::report::page::{Page, Tone};
use crate::report::tables::{Cell, Rows, small};
use crate::show::{count, shown, shown_path};

/// How many of a kind are written out; the table has all agents.
const MAX_LISTED: usize = 20;

pub(super) fn report(fleet: &Fleet) -> Report {
    let (word, tone) = match fleet.verdict() {
        Unity::Whole => ("Whole", Tone::Good),
        Unity::Order => ("One cluster, in the right order", Tone::Notable),
        Unity::Split => ("Split", Tone::Bad),
    };
    let agents = count(fleet.owners.len() as u64, "file");
    let title = format!("{agents}, {}", count(fleet.nodes, "node"));
    let said = [vec![sentence(fleet)], advice(fleet)].concat();
    let sentences: Vec<_> = said.iter().map(|line| code(line)).collect();
    let mut page = Page::new(&title, tone, word, &sentences);
    figures(&mut page, fleet);
    if fleet.verdict() == Unity::Split {
        hints(&mut page, fleet);
        order(&mut page, fleet);
    } else {
        order(&mut page, fleet);
        hints(&mut page, fleet);
    }
    contacts(&mut page, fleet);
    islands(&mut page, fleet);
    odd(&mut page, fleet);
    all(&mut page, fleet);
    let verdict = fleet.verdict().as_str();
    Report { page: page.finish(), summary: vec![format!("{title}: {verdict}"), said[0].clone()] }
}

/// What stands between backticks as code.
fn code(line: &str) -> String {
    let parts = line.split('`').enumerate().map(|(at, part)| {
        if at % 2 == 1 { format!("<code>{}</code>", text(part)) } else { text(part) }
    });
    parts.collect()
}

fn figures(page: &mut Page, fleet: &Fleet) {
    let figure = |figure: String, what: &str| (figure, what.to_owned());
    let chance = fleet.islands_in_random_order();
    page.figures(&[
        figure(number(fleet.owners.len() as u64), "agents with a file"),
        figure(number(fleet.islands.len() as u64), "islands"),
        figure(number(fleet.islands_in_order() as u64), "clusters in the best order"),
        figure(format!("{chance:.1}"), "clusters if left to chance"),
        figure(number(fleet.stale.len() as u64), "nodes with stale addresses"),
        figure(number(fleet.findings.len() as u64), "findings"),
    ]);
}

fn order(page: &mut Page, fleet: &Fleet) {
    if fleet.outset.retrying || fleet.owners.len() < 2 {
        return;
    }
    let mut steps = "<ol class=\"steps\">".to_owned();
    let mut started = vec![false; fleet.owners.len()];
    for agent in fleet.order.iter().take(MAX_LISTED) {
        let owner = &fleet.owners[*agent];
        let finds = text(&finds(fleet, *agent, |other| started[other]));
        let addr = owner.addr.as_deref().map_or_else(|| "address unknown".to_owned(), bytes);
        html::push(
            &mut steps,
            format_args!(
                "<li><span class=\"name\">{}</span><small class=\"name\">{addr}</small><small>finds {finds}</small></li>\n",
                bytes(&owner.name)
            ),
        );
        started[*agent] = true;
    }
    steps.push_str("</ol>\n");
    let mut about = "One after the other, each when the one before it has joined.".to_owned();
    if fleet.order.len() > MAX_LISTED {
        let all = number(fleet.order.len() as u64);
        let rest = format_args!(
            " The first {MAX_LISTED} of {all}; the column Step of the last table has all."
        );
        html::push(&mut about, rest);
    }
    page.section("Start order", &about, &steps);
}

fn hints(page: &mut Page, fleet: &Fleet) {
    if fleet.hints.is_empty() {
        return;
    }
    let mut list = "<ul class=\"hints\">".to_owned();
    for hint in fleet.hints.iter().take(MAX_LISTED) {
        let (agent, of) = (&fleet.owners[hint.agent], &fleet.owners[hint.of]);
        let (agent, name) = (bytes(&agent.name), bytes(&of.name));
        let addr = bytes(of.addr.as_deref().unwrap_or_default());
        let how = match revive_command(fleet, hint) {
            Some(command) => {
                format!(
                    "Its log still knows it; with the agent stopped:<pre>{}</pre>",
                    text(&command)
                )
            }
            None => "Join it there, or add it to its <code>retry_join</code>.".to_owned(),
        };
        html::push(
            &mut list,
            format_args!(
                "<li><span class=\"name\">{agent}</span> should know <span class=\"name\">{name}</span> at \
                 <span class=\"name\">{addr}</span>. {how}</li>\n"
            ),
        );
    }
    list.push_str("</ul>\n");
    let about = match fleet.verdict() {
        Unity::Split if fleet.outset.retrying => "With these they make one cluster.",
        Unity::Split => "With these an order makes one cluster.",
        _ => "Not needed where the order is kept.",
    };
    let more = more(fleet.hints.len());
    page.section("Whom to help", &format!("{about}{more}"), &list);
}

fn more(total: usize) -> String {
    if total <= MAX_LISTED {
        return String::new();
    }
    format!(" The first {MAX_LISTED} of {}.", number(total as u64))
}

fn contacts(page: &mut Page, fleet: &Fleet) {
    if fleet.owners.len() < 2 {
        return;
    }
    let islands = fleet.islands.len();
    let drawn = if islands > graph::MAX_ISLANDS {
        format!(" The {} largest of {} islands.", graph::MAX_ISLANDS, number(islands as u64))
    } else {
        String::new()
    };
    let about = format!(
        "An arrow leads from who knows an address to who is there. A box holds agents that can all find each other; \
         <span class=\"key\" style=\"--c:var(--failed)\">those</span> that know nobody outside begin a cluster.{drawn}"
    );
    page.section("Who knows whom", &about, &graph::both(fleet));
}

fn islands(page: &mut Page, fleet: &Fleet) {
    if fleet.islands.len() < 2 {
        return;
    }
    let row = |at: usize| {
        let members = &fleet.islands.members[at];
        let yes = |is: bool| if is { "others" } else { "nobody else" }.to_owned();
        let mut names: Vec<_> =
            members.iter().take(6).map(|agent| bytes(&fleet.owners[*agent].name)).collect();
        if members.len() > 6 {
            names.push(format!("{} more", number(members.len() as u64 - 6)));
        }
        vec![
            number(members.len() as u64),
            yes(fleet.islands.leads_out[at]),
            yes(fleet.islands.is_found[at]),
            format!("<span class=\"name\">{}</span>", names.join(", ")),
        ]
    };
    let rows: Vec<_> = fleet.by_size().into_iter().take(MAX_LISTED).map(row).collect();
    let table = small(&["Agents", "Know", "Known by", "Who"], &rows);
    let about = format!("Agents that can all find each other.{}", more(fleet.islands.len()));
    page.section("Islands", &about, &table);
}

fn odd(page: &mut Page, fleet: &Fleet) {
    let name = |name: &[u8]| format!("<span class=\"name\">{}</span>", bytes(name));
    if !fleet.stale.is_empty() {
        let rows = fleet.stale.iter().take(MAX_LISTED).map(|stale| {
            let is_current = |addr: &&Vec<u8>| stale.current.as_ref() == Some(*addr);
            let others: Vec<_> = stale.addrs.iter().filter(|addr| !is_current(addr)).collect();
            let others: Vec<_> = others.into_iter().take(8).map(|addr| name(addr)).collect();
            let current = stale.current.as_deref().map_or_else(|| "unknown".to_owned(), name);
            vec![name(&stale.name), current, others.join(", ")]
        });
        let rows: Vec<_> = rows.collect();
        let about = format!("Nodes at more than one address.{}", more(fleet.stale.len()));
        page.section("Stale addresses", &about, &small(&["Node", "Is at", "Known at"], &rows));
    }
    if !fleet.clones.is_empty() {
        let rows = fleet.clones.iter().take(MAX_LISTED).map(|clones| {
            let names = clones.iter().take(12).map(|agent| name(&fleet.owners[*agent].name));
            vec![number(clones.len() as u64), names.collect::<Vec<_>>().join(", ")]
        });
        let rows: Vec<_> = rows.collect();
        let about = "Files that begin with the same bytes: images of one disk.";
        page.section("Clones", about, &small(&["Files", "Of"], &rows));
    }
    if !fleet.outliers.is_empty() {
        let rows = fleet.outliers.iter().take(MAX_LISTED).map(|outlier| {
            vec![
                name(&fleet.owners[outlier.agent].name),
                outlier.clock.replace('_', " "),
                number(outlier.time),
                number(outlier.median),
            ]
        });
        let rows: Vec<_> = rows.collect();
        let about = "Far ahead of the others, who are deaf to what comes with such a time.";
        page.section("Clocks", about, &small(&["Node", "Clock", "Time", "Median"], &rows));
    }
    if fleet.findings.is_empty() {
        return;
    }
    let rows = fleet.findings.iter().take(MAX_LISTED).map(|finding| {
        let path = text(&shown_path(finding.path.as_os_str()));
        vec![
            format!("<span class=\"keep\">{}</span>", finding.kind.as_str()),
            format!("<span class=\"name\">{path}</span>"),
            code(&finding.text),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let about = more(fleet.findings.len());
    page.section("Findings", about.trim_start(), &small(&["Kind", "File", "What"], &rows));
}

fn all(page: &mut Page, fleet: &Fleet) {
    let mut rows = Rows::new(&[
        ("Agent", "name"),
        ("Address", "addr"),
        ("Island", "number"),
        ("Step", "number"),
        ("Tries", "number"),
        ("In its file", "number"),
        ("Verdict", "word"),
        ("File", "name"),
    ]);
    let step: HashMap<usize, u64> =
        fleet.order.iter().zip(1..).map(|(agent, step)| (*agent, step)).collect();
    let island: HashMap<usize, u64> = fleet.by_size().into_iter().zip(1..).collect();
    for (agent, owner) in fleet.owners.iter().enumerate() {
        rows.add(|| {
            vec![
                Cell::bytes(&owner.name),
                Cell::text(owner.addr.as_deref().map_or_else(String::new, shown)),
                Cell::Number(island.get(&fleet.islands.of[agent]).copied().unwrap_or(0)),
                Cell::Number(step.get(&agent).copied().unwrap_or(0)),
                Cell::Number(fleet.graph.tried_by(agent).count() as u64),
                Cell::Number(owner.alive.len() as u64),
                Cell::text(owner.verdict.as_str()),
                Cell::bytes(owner.path.as_os_str().as_encoded_bytes()),
            ]
        });
    }
    page.section("All agents", "", &rows.section("names, addresses and files"));
}
