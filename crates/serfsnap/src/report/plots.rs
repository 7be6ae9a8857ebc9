//! The plots, drawn by plotters as SVG.
//!
//! Plotters knows numbers for colours; the page's are variables, so that a plot is light or dark with the page.
//! So it draws with colours that nothing else has, which become variables afterwards.

use std::error::Error;
use std::fmt::Display;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::{
    AreaSeries, ChartBuilder, ChartContext, DrawingArea, IntoDrawingArea, IntoFont, LineSeries,
    PathElement, RGBColor, Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TextStyle};

use crate::report::axis::{Course, Curve, Scale, float, whole};
use crate::report::chronicle::Bytes;
use crate::report::html::number;
use crate::report::samples::Point;
use crate::show::{cut, shown};

/// Each colour of the page and what plotters draws for it.
const COLOURS: [(&str, RGBColor); 9] = [
    ("--ink", RGBColor(1, 0, 1)),
    ("--muted", RGBColor(1, 0, 2)),
    ("--rule", RGBColor(1, 0, 3)),
    ("--alive", RGBColor(1, 0, 4)),
    ("--failed", RGBColor(1, 0, 5)),
    ("--bad", RGBColor(1, 0, 6)),
    ("--dead", RGBColor(1, 0, 7)),
    ("--frame", RGBColor(1, 0, 8)),
    ("--clock", RGBColor(1, 0, 9)),
];
const MUTED: RGBColor = COLOURS[1].1;
const RULE: RGBColor = COLOURS[2].1;
const ALIVE: RGBColor = COLOURS[3].1;
const FAILED: RGBColor = COLOURS[4].1;
const BAD: RGBColor = COLOURS[5].1;
const DEAD: RGBColor = COLOURS[6].1;
const FRAME: RGBColor = COLOURS[7].1;
const CLOCK: RGBColor = COLOURS[8].1;

/// Plotters' sizes are of a font's box; the letters are a fifth smaller.
const FONT: u32 = 16;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// A plot for wide pages and one for phones; a page shows the one that fits.
fn both(title: &str, height: u32, draw: impl Fn(&Area<'_>, bool) -> Drawn) -> String {
    one(title, "plot wide", (920, height), |area| draw(area, false))
        + &one(title, "plot narrow", (360, height), |area| draw(area, true))
}

fn one(title: &str, class: &str, size: (u32, u32), draw: impl Fn(&Area<'_>) -> Drawn) -> String {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let drawn = draw(&area).and_then(|()| Ok(area.present()?));
    drop(area);
    // Memory does not fail; were it to, the tables still tell everything.
    if drawn.is_err() {
        return String::new();
    }
    let ((width, height), title) = (size, super::html::text(title));
    let begin = format!(
        "<svg class=\"{class}\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {width} {height}\">"
    );
    themed(&(begin + svg.split_once('>').map_or("", |(_, inner)| inner)))
}

fn themed(svg: &str) -> String {
    let mut svg = svg.to_owned();
    for (variable, RGBColor(red, green, blue)) in COLOURS {
        let colour = format!("\"#{red:02X}{green:02X}{blue:02X}\"");
        svg = svg.replace(&colour, &format!("\"var({variable})\""));
    }
    svg.replace("font-family=\"sans-serif\" ", "").replace(" opacity=\"1\"", "")
}

fn font(colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", FONT).into_font().color(&colour)
}

fn top(curves: &[&Curve]) -> f64 {
    let values = curves.iter().flat_map(|curve| curve.iter().map(|point| point.1));
    values.fold(1.0, f64::max) * 1.08
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    plotters::prelude::Cartesian2d<
        plotters::coord::types::RangedCoordf64,
        plotters::coord::types::RangedCoordf64,
    >,
>;

/// How many labels there are at most and what they say: along x, then along y.
type Labels<'a> = (usize, Label<'a>, usize, Label<'a>);
type Label<'a> = &'a dyn Fn(&f64) -> String;

fn chart<'a, 'b>(
    area: &'a Area<'b>,
    x: Range<f64>,
    y: Range<f64>,
    labels: Labels<'_>,
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    let (x_labels, x_label, y_labels, y_label) = labels;
    let mut chart = ChartBuilder::on(area)
        .margin_top(8)
        .margin_right(18)
        .margin_bottom(2)
        .x_label_area_size(26)
        .y_label_area_size(52)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(RULE.mix(0.0))
        .bold_line_style(RULE)
        .axis_style(RULE)
        .set_all_tick_mark_size(3)
        .x_labels(x_labels)
        .y_labels(y_labels)
        .x_label_formatter(x_label)
        .y_label_formatter(y_label)
        .label_style(font(MUTED))
        .draw()?;
    Ok(chart)
}

/// How many nodes were alive and failed.
pub(super) fn nodes(points: &[Point]) -> String {
    both("alive and failed nodes", 260, |area, narrow| {
        let course = Course::new(points, if narrow { 4 } else { 8 });
        let alive = course.curve(points, |point| point.alive);
        let fewest = course.curve(points, |point| point.fewest);
        let failed = course.curve(points, |point| point.failed);
        let x_label = |at: &f64| course.scale.label(course.axis, *at);
        let y_label = |value: &f64| if_whole(*value, number);
        let labels = (course.scale.labels, &x_label as _, 5, &y_label as _);
        let mut chart = chart(area, course.range.clone(), 0.0..top(&[&alive, &failed]), labels)?;
        chart.draw_series(AreaSeries::new(alive.iter().copied(), 0.0, ALIVE.mix(0.12)))?;
        // Where a point stands for many lines, how low it went in them.
        chart.draw_series(LineSeries::new(fewest.iter().copied(), ALIVE.mix(0.35)))?;
        chart.draw_series(LineSeries::new(alive.iter().copied(), ALIVE.stroke_width(2)))?;
        chart.draw_series(LineSeries::new(failed.iter().copied(), FAILED.stroke_width(2)))?;
        Ok(())
    })
}

/// How one of the clocks went on.
pub(super) fn clock(points: &[Point], which: usize, title: &str) -> String {
    one(title, "plot", (360, 170), |area| {
        let course = Course::new(points, 4);
        let times = course.curve(points, |point| point.clocks[which]);
        let x_label = |at: &f64| course.scale.label(course.axis, *at);
        let y_label = |value: &f64| if_whole(*value, short);
        let labels = (course.scale.labels, &x_label as _, 3, &y_label as _);
        let mut chart = chart(area, course.range.clone(), 0.0..top(&[&times]), labels)?;
        chart.draw_series(LineSeries::new(times.iter().copied(), CLOCK.stroke_width(2)))?;
        Ok(())
    })
}

/// There is no half a node.
fn if_whole(value: f64, label: impl Fn(u64) -> String) -> String {
    if (value - value.round()).abs() < 0.001 { label(whole(value)) } else { String::new() }
}

/// `12k`, `4T`: where there is little room.
fn short(number: u64) -> String {
    let units = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")];
    match units.into_iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) if number.is_multiple_of(unit) || number / unit >= 10 => {
            format!("{}{name}", number / unit)
        }
        Some((unit, name)) => format!("{}.{}{name}", number / unit, number % unit * 10 / unit),
        None => number.to_string(),
    }
}

/// Which bytes are live, and where the damage is.
pub(super) fn bytes(bytes: &Bytes, end: u64) -> String {
    both("live and dead bytes over the file", 190, |area, narrow| {
        let powers = (0..50).map(|power| 1 << power);
        let scale = Scale::new(end.max(1), if narrow { 4 } else { 9 }, powers);
        let x = 0.0..scale.place(end.max(1));
        let x_label = |at: &f64| super::html::size(whole(*at * float(scale.unit)));
        let y_label = |share: &f64| {
            if *share < 0.0 { String::new() } else { format!("{:.0}%", share * 100.0) }
        };
        let labels = (scale.labels, &x_label as _, 3, &y_label as _);
        let mut chart = chart(area, x, -0.16..1.0, labels)?;
        let step = bytes.all.step;
        let mut boxes = Vec::new();
        for (at, all) in (0u64..).zip(&bytes.all.bars).filter(|(_, all)| **all > 0) {
            let of = |bars: &[u64]| bars.get(usize::try_from(at).unwrap_or(0)).copied();
            let share = |bars: &[u64]| float(of(bars).unwrap_or(0)) / float(*all);
            let (left, right) = (scale.place(at * step), scale.place(((at + 1) * step).min(end)));
            let (live, frame) = (share(&bytes.live.bars), share(&bytes.frame.bars));
            let mut bar = |from: f64, to: f64, colour: RGBColor| {
                if to > from {
                    boxes.push(Rectangle::new([(left, from), (right, to)], colour.filled()));
                }
            };
            bar(0.0, live, ALIVE);
            bar(live, live + frame, FRAME);
            bar((live + frame).min(1.0), 1.0, DEAD);
            if of(&bytes.damaged.bars).unwrap_or(0) > 0 {
                bar(-0.14, -0.05, BAD);
            }
        }
        chart.draw_series(boxes)?;
        Ok(())
    })
}

/// Who comes and goes most: names and how often they went.
pub(super) fn flapping(nodes: &[(&[u8], u32)]) -> String {
    const ROW: u32 = 26;
    let rows = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    both("nodes that come and go", rows * ROW + 8, |area, narrow| {
        let (width, _) = area.dim_in_pixel();
        let columns = if narrow { 15 } else { 30 };
        let longest = nodes.iter().map(|(name, _)| shown(name).chars().count()).max();
        let names = u32::try_from(longest.unwrap_or(0).clamp(4, columns) * 9 + 18)?;
        let most = nodes.iter().map(|(_, losses)| *losses).max().unwrap_or(1).max(1);
        for (row, (name, losses)) in (0..).zip(nodes) {
            let middle = i32::try_from(row * ROW + ROW / 2 + 4)?;
            let text = |x: u32, text: &dyn Display, hpos, colour| -> Drawn {
                let style = font(colour).pos(Pos::new(hpos, VPos::Center));
                let place = (i32::try_from(x)?, middle);
                Ok(area.draw(&Text::new(text.to_string(), place, style))?)
            };
            text(names - 10, &cut(&shown(name), columns), HPos::Right, MUTED)?;
            let length = (width - names - 60) * losses / most;
            let corners = [
                (i32::try_from(names)?, middle - 7),
                (i32::try_from(names + length.max(2))?, middle + 7),
            ];
            area.draw(&Rectangle::new(corners, FAILED.filled()))?;
            text(names + length.max(2) + 8, losses, HPos::Left, MUTED)?;
        }
        let base = i32::try_from(names)?;
        let line = [(base, 4), (base, i32::try_from(rows * ROW + 4)?)];
        Ok(area.draw(&PathElement::new(line.to_vec(), RULE))?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_have_the_colours_of_the_page_alone() {
        let point = |line| Point { line, alive: line % 7, clocks: [line; 3], ..Point::default() };
        let points: Vec<_> = (1..500).map(point).collect();
        let svg = nodes(&points) + &clock(&points, 1, "x") + &flapping(&[(b"<a>", 3), (b"b", 1)]);
        assert!(!svg.contains("\"#"), "{}", &svg[svg.find("\"#").unwrap_or(0)..][..60]);
        assert!(svg.contains("var(--alive)") && svg.contains("&lt;a&gt;"));
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
        assert_eq!(svg.matches("<svg").count(), 5, "for wide pages and for phones");
    }

    #[test]
    fn nothing_is_drawn_as_well() {
        assert!(nodes(&[]).contains("<svg"));
        assert!(flapping(&[]).contains("<svg"));
    }

    #[test]
    fn few_letters_for_large_numbers() {
        for (of, expect) in
            [(999, "999"), (1000, "1k"), (1234, "1.2k"), (45_678, "45k"), (4_000_000_000_000, "4T")]
        {
            assert_eq!(short(of), expect);
        }
    }
}
