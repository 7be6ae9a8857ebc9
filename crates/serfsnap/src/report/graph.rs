//! Who knows whom, as a picture: islands, and arrows from those who know to those they know.
//!
//! Whoever is known by all others ends up at the right or, on a phone, at the bottom.

use std::collections::BTreeSet;

use crate::fleet::Fleet;
use crate::report::html;
use crate::show::{cut, shown};

/// Of a larger fleet islands alone are drawn, not agents.
const MAX_AGENTS: usize = 24;
/// Of more islands the largest are drawn.
pub(super) const MAX_ISLANDS: usize = 30;
/// More arrows would be a grey surface.
const MAX_ARROWS: usize = 400;

const GAP: f64 = 56.0;
const BETWEEN: f64 = 18.0;
const DOT: f64 = 7.0;

/// A rectangle on the picture.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Place {
    const fn middle(self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// The picture for wide pages and the one for phones.
pub(super) fn both(fleet: &Fleet) -> String {
    let islands: Vec<usize> = fleet.by_size().into_iter().take(MAX_ISLANDS).collect();
    let picture = Picture::new(fleet, islands);
    picture.draw("wide", 560.0, true) + &picture.draw("narrow", 344.0, false)
}

struct Picture<'a> {
    fleet: &'a Fleet,
    /// Those that are drawn.
    islands: Vec<usize>,
    /// From which of them an arrow leads to which.
    arrows: BTreeSet<(usize, usize)>,
    with_agents: bool,
}

impl<'a> Picture<'a> {
    fn new(fleet: &'a Fleet, islands: Vec<usize>) -> Self {
        let mut place = vec![None; fleet.islands.len()];
        for (at, island) in islands.iter().enumerate() {
            place[*island] = Some(at);
        }
        let mut arrows = BTreeSet::new();
        for agent in 0..fleet.owners.len() {
            let Some(from) = place[fleet.islands.of[agent]] else { continue };
            for other in fleet.graph.tried_by(agent) {
                if let Some(to) = place[fleet.islands.of[other]].filter(|to| *to != from) {
                    arrows.insert((from, to));
                }
            }
        }
        let with_agents = fleet.owners.len() <= MAX_AGENTS;
        Self { fleet, islands, arrows, with_agents }
    }

    fn draw(&self, class: &str, limit: f64, across: bool) -> String {
        let (places, width, height) = self.layout(limit, across);
        let (width, height) =
            (if across { width.max(920.0) } else { 360.0_f64.max(width) }, height);
        let mut svg = format!(
            "<svg class=\"plot {class} graph\" role=\"img\" aria-label=\"who knows whom\" viewBox=\"0 0 {width:.0} \
             {height:.0}\" font-size=\"13\"><defs><marker id=\"to-{class}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
             markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 .8 7.4 4 0 7.2z\" \
             fill=\"var(--muted)\"/></marker></defs>\n"
        );
        if !self.with_agents {
            for (from, to) in self.arrows.iter().take(MAX_ARROWS) {
                // Below the boxes, so that no name is crossed out.
                arrow(&mut svg, class, border(places[*from], places[*to]), false);
            }
        }
        for (place, island) in places.iter().zip(&self.islands) {
            self.island(&mut svg, *place, *island);
        }
        if self.with_agents {
            self.agents(&mut svg, class, &places);
        }
        svg + "</svg>\n"
    }

    /// Where each island is, and how large the picture becomes.
    fn layout(&self, limit: f64, across: bool) -> (Vec<Place>, f64, f64) {
        let mut bands: Vec<Vec<usize>> = Vec::new();
        let levels = self.levels();
        let last = levels.iter().copied().max().unwrap_or(0);
        bands.resize(last + 1, Vec::new());
        for (at, level) in levels.into_iter().enumerate() {
            bands[last - level].push(at);
        }
        let mut places = vec![Place::default(); self.islands.len()];
        // Along the bands and across them; on a wide page x is along.
        let mut along = 4.0;
        let mut rows: Vec<(Vec<usize>, f64)> = Vec::new();
        for band in bands {
            let (mut used, mut thick, mut row) = (0.0, 0.0_f64, Vec::new());
            for at in band {
                let (width, height) = self.size(at);
                let (deep, long) = if across { (width, height) } else { (height, width) };
                if used > 0.0 && used + long > limit {
                    self.put(&mut places, &row, along, across);
                    rows.push((std::mem::take(&mut row), used - BETWEEN));
                    along += thick + BETWEEN;
                    (used, thick) = (0.0, 0.0);
                }
                row.push(at);
                used += long + BETWEEN;
                thick = thick.max(deep);
            }
            self.put(&mut places, &row, along, across);
            rows.push((row, used - BETWEEN));
            along += thick + GAP;
        }
        let most = rows.iter().map(|(_, used)| *used).fold(0.0, f64::max);
        centre(&mut places, &rows, most, across);
        let (along, most) = (along - GAP + 4.0, most + 8.0);
        if !across {
            return (places, most.max(360.0), along);
        }
        // A short chain stands in the middle.
        let shift = ((920.0 - along) / 2.0).max(0.0);
        for place in &mut places {
            place.x += shift;
        }
        (places, along, most)
    }

    /// Puts a row of islands beside each other, from the edge.
    fn put(&self, places: &mut [Place], row: &[usize], along: f64, across: bool) {
        let mut used = 4.0;
        for at in row {
            let (width, height) = self.size(*at);
            let (x, y) = if across { (along, used) } else { (used, along) };
            places[*at] = Place { x, y, width, height };
            used += BETWEEN + if across { height } else { width };
        }
    }

    /// How far each is from those who know nobody else.
    fn levels(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.islands.len()).collect();
        // What an island reaches has a lower number.
        order.sort_by_key(|at| self.islands[*at]);
        let mut levels = vec![0; self.islands.len()];
        for at in order {
            let next = self.arrows.range((at, 0)..(at + 1, 0));
            levels[at] = next.map(|(_, to)| levels[*to] + 1).max().unwrap_or(0);
        }
        levels
    }

    fn size(&self, at: usize) -> (f64, f64) {
        let agents = self.fleet.islands.members[self.islands[at]].len();
        if !self.with_agents {
            return (156.0, 52.0);
        }
        let ring = ring(agents);
        let labels = if agents > 1 { 76.0 } else { 62.0 };
        (2.0 * ring + 108.0, 2.0 * ring + labels)
    }

    fn island(&self, svg: &mut String, place: Place, island: usize) {
        let Place { x, y, width, height } = place;
        let alone = !self.fleet.islands.leads_out[island] && self.fleet.islands.len() > 1;
        let stroke = if alone { "--failed" } else { "--rule" };
        html::push(
            svg,
            format_args!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"10\" \
                 fill=\"var(--card)\" stroke=\"var({stroke})\"/>\n"
            ),
        );
        if self.with_agents {
            return;
        }
        let members = &self.fleet.islands.members[island];
        let (middle, y) = (x + width / 2.0, y + 22.0);
        let name = cut(&shown(&self.fleet.owners[members[0]].name), 18).into_owned();
        let more = match members.len() {
            1 => "1 agent".to_owned(),
            agents => format!("and {} more", html::number(agents as u64 - 1)),
        };
        label(svg, (middle, y), &name, "--ink");
        label(svg, (middle, y + 18.0), &more, "--muted");
    }

    fn agents(&self, svg: &mut String, class: &str, places: &[Place]) {
        let mut at = vec![(0.0, 0.0); self.fleet.owners.len()];
        for (place, island) in places.iter().zip(&self.islands) {
            let members = &self.fleet.islands.members[*island];
            let (x, y) = place.middle();
            for (number, agent) in members.iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "there are few")]
                let turn = number as f64 / members.len() as f64 * std::f64::consts::TAU;
                let ring = ring(members.len());
                let rise = if members.len() > 1 { 0.0 } else { 9.0 };
                at[*agent] = (x + ring * turn.sin(), y - rise - ring * turn.cos());
            }
        }
        let knows = |from: usize, to: usize| self.fleet.graph.tried_by(from).any(|one| one == to);
        for from in 0..at.len() {
            for to in self.fleet.graph.tried_by(from) {
                let back = knows(to, from);
                if !back || from < to {
                    arrow(
                        svg,
                        class,
                        (short_of(at[to], at[from]), short_of(at[from], at[to])),
                        back,
                    );
                }
            }
        }
        for (agent, (x, y)) in at.into_iter().enumerate() {
            html::push(
                svg,
                format_args!(
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{DOT}\" fill=\"var(--alive)\"/>\n"
                ),
            );
            let place = places.iter().zip(&self.islands);
            let mut place = place.filter(|(_, island)| **island == self.fleet.islands.of[agent]);
            let middle = place.next().map_or(0.0, |(place, _)| place.middle().1);
            // Arrows come from the middle of the ring.
            let below = if y < middle - 20.0 { -14.0 } else { 23.0 };
            let name = cut(&shown(&self.fleet.owners[agent].name), 14).into_owned();
            label(svg, (x, y + below), &name, "--ink");
        }
    }
}

/// Each row in the middle of the picture.
fn centre(places: &mut [Place], rows: &[(Vec<usize>, f64)], most: f64, across: bool) {
    let most = if across { most } else { most.max(352.0) };
    for (row, used) in rows {
        for at in row {
            let shift = (most - used) / 2.0;
            if across {
                places[*at].y += shift;
            } else {
                places[*at].x += shift;
            }
        }
    }
}

/// The radius on which so many agents stand.
fn ring(agents: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    let agents = agents as f64;
    if agents < 2.0 { 0.0 } else { (agents * 84.0 / std::f64::consts::TAU).max(38.0) }
}

/// Not quite at the end: where the dot begins.
fn short_of(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let part = ((length - DOT - 4.0) / length).max(0.0);
    (from.0 + dx * part, from.1 + dy * part)
}

/// From the border of one box to that of another.
fn border(from: Place, to: Place) -> ((f64, f64), (f64, f64)) {
    (leave(from, to.middle()), leave(to, from.middle()))
}

/// Where the way from the middle of a box to somewhere crosses its border.
fn leave(place: Place, to: (f64, f64)) -> (f64, f64) {
    let (x, y) = place.middle();
    let (dx, dy) = (to.0 - x, to.1 - y);
    let part =
        (place.width / 2.0 / dx.abs().max(0.01)).min(place.height / 2.0 / dy.abs().max(0.01));
    (x + dx * part.min(1.0), y + dy * part.min(1.0))
}

/// A line a little bent, so that two of them in one direction are two.
fn arrow(svg: &mut String, class: &str, ends: ((f64, f64), (f64, f64)), back: bool) {
    let ((x1, y1), (x2, y2)) = ends;
    let (dx, dy) = (x2 - x1, y2 - y1);
    let bend = 0.13;
    let (cx, cy) = (f64::midpoint(x1, x2) + dy * bend, f64::midpoint(y1, y2) - dx * bend);
    let start = if back { format!(" marker-start=\"url(#to-{class})\"") } else { String::new() };
    html::push(
        svg,
        format_args!(
            "<path d=\"M{x1:.1} {y1:.1}Q{cx:.1} {cy:.1} {x2:.1} {y2:.1}\" fill=\"none\" stroke=\"var(--muted)\" \
             stroke-opacity=\".7\" marker-end=\"url(#to-{class})\"{start}/>\n"
        ),
    );
}

/// A text with a rim, so that an arrow behind it does not cross it out.
fn label(svg: &mut String, (x, y): (f64, f64), text: &str, colour: &str) {
    let text = html::text(text);
    html::push(
        svg,
        format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" fill=\"var({colour})\" paint-order=\"stroke\" \
             stroke=\"var(--card)\" stroke-width=\"4\" stroke-linejoin=\"round\">{text}</text>\n"
        ),
    );
}
