//! Where things stand along a plot.

use std::ops::Range;

use snapshot_engine::UnixMillis;

use crate::report::html::number;
use crate::report::samples::Point;
use crate::time::utc;

/// What a curve is drawn over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Lines,
    /// Milliseconds of Unix time.
    Time,
}

impl Axis {
    /// Time, where the seals tell of more than a moment.
    pub(super) fn of(points: &[Point]) -> Self {
        let mut times = points.iter().filter_map(|point| point.at_ms);
        let first = times.next();
        if first.is_some_and(|first| times.any(|time| time > first)) {
            Self::Time
        } else {
            Self::Lines
        }
    }

    fn at(self, point: &Point) -> Option<u64> {
        match self {
            Self::Lines => Some(point.line),
            Self::Time => point.at_ms,
        }
    }
}

/// Where the labels of an axis stand: plotters puts them at round numbers, so one unit is the distance of two labels.
pub(super) struct Scale {
    pub(super) unit: u64,
    span: u64,
    pub(super) labels: usize,
}

impl Scale {
    /// The smallest unit of which at most so many fit.
    pub(super) fn new(span: u64, labels: usize, units: impl IntoIterator<Item = u64>) -> Self {
        let fits = |unit: &u64| span / unit < labels as u64;
        let unit = units.into_iter().find(fits).unwrap_or(span.max(1));
        Self { unit, span, labels }
    }

    fn of(axis: Axis, span: u64, labels: usize) -> Self {
        const SECONDS: [u64; 22] = [
            1,
            5,
            10,
            30,
            60,
            120,
            300,
            600,
            1800,
            3600,
            7200,
            10_800,
            21_600,
            43_200,
            86_400,
            172_800,
            604_800,
            1_209_600,
            2_592_000,
            7_776_000,
            31_536_000,
            315_360_000,
        ];
        match axis {
            Axis::Lines => Self::new(span, labels, round_numbers()),
            Axis::Time => Self::new(span, labels, SECONDS.map(|seconds| seconds * 1000)),
        }
    }

    pub(super) fn place(&self, at: u64) -> f64 {
        float(at) / float(self.unit)
    }

    pub(super) fn label(&self, axis: Axis, place: f64) -> String {
        let at = whole(place * float(self.unit));
        match axis {
            Axis::Lines => number(at),
            Axis::Time => moment(at, self.unit, self.span),
        }
    }
}

/// 1, 2, 5, 10, 20, 50 and so on.
fn round_numbers() -> impl Iterator<Item = u64> {
    (0..18).flat_map(|power| [1, 2, 5].map(|digit| digit * 10u64.pow(power)))
}

/// A moment as short as it may be where labels are so many milliseconds apart, in a span of so many.
fn moment(ms: u64, unit: u64, span: u64) -> String {
    const MINUTE: u64 = 60_000;
    const DAY: u64 = 86_400_000;
    let text = utc(UnixMillis(ms));
    let part = match (unit, span) {
        (0..MINUTE, _) => 11..19,
        (MINUTE..DAY, ..172_800_000) => 11..16,
        _ => 0..10,
    };
    text.get(part).unwrap_or(&text).to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "a pixel is no place for 53 bits")]
pub(super) const fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a label needs no fractions, and what is plotted is never negative"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.max(0.0).round() as u64
}

/// A curve: at each place its value until the next.
pub(super) type Curve = Vec<(f64, f64)>;

/// Curves over one axis.
pub(super) struct Course {
    pub(super) axis: Axis,
    pub(super) scale: Scale,
    pub(super) range: Range<f64>,
}

impl Course {
    pub(super) fn new(points: &[Point], labels: usize) -> Self {
        let axis = Axis::of(points);
        let places = || points.iter().filter_map(|point| axis.at(point));
        let first = match axis {
            Axis::Lines => 0,
            Axis::Time => places().min().unwrap_or(0),
        };
        let last = places().max().unwrap_or(0).max(first + 1);
        let scale = Scale::of(axis, last - first, labels);
        let range = scale.place(first)..scale.place(last);
        Self { axis, scale, range }
    }

    pub(super) fn curve(&self, points: &[Point], value: impl Fn(&Point) -> u64) -> Curve {
        let mut curve = Curve::new();
        // A line begins where the one before it ends.
        let mut begin = self.range.start;
        for point in points {
            let Some(at) = self.axis.at(point) else { continue };
            let (at, value) = (self.scale.place(at), float(value(point)));
            if self.axis == Axis::Lines {
                curve.extend([(begin, value), (at, value)]);
                begin = at;
                continue;
            }
            if let Some((_, before)) = curve.last().copied() {
                curve.push((at, before));
            }
            curve.push((at, value));
        }
        curve
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_at_round_places() {
        let check = |axis, span, labels, expect| {
            assert_eq!(Scale::of(axis, span, labels).unit, expect, "{span}");
        };
        check(Axis::Lines, 6, 8, 1);
        check(Axis::Lines, 4855, 8, 1000);
        check(Axis::Time, 31 * 3_600_000, 8, 6 * 3_600_000);
        check(Axis::Time, 400, 8, 1000);
        let at = 1_763_867_000_000;
        assert_eq!(moment(at, 6 * 3_600_000, 31 * 3_600_000), "03:03");
        assert_eq!(moment(at, 86_400_000, 5 * 86_400_000), "2025-11-23");
        assert_eq!(moment(at, 1000, 5000), "03:03:20");
    }
}
