//! Series of any length in a bounded number of points.

/// Of how many points a curve is drawn at most; before they are halved there are twice as many.
const POINTS: usize = 500;
/// How many bars a file is drawn as at most, likewise.
const BARS: usize = 75;

/// What the file said up to a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) line: u64,
    /// When the line was written, where a seal says so.
    pub(super) at_ms: Option<u64>,
    pub(super) alive: u64,
    /// The fewest in the lines that the point stands for: an outage must not fall between two points.
    pub(super) fewest: u64,
    pub(super) failed: u64,
    pub(super) clocks: [u64; 3],
}

/// Points at even distances, which grow with the file.
#[derive(Debug)]
pub(super) struct Samples {
    /// Lines that a point stands for.
    step: u64,
    points: Vec<Point>,
    /// The one that is not full yet.
    open: Option<(u64, Point)>,
}

impl Samples {
    pub(super) const fn new() -> Self {
        Self { step: 1, points: Vec::new(), open: None }
    }

    /// Takes in what holds after one more line.
    pub(super) fn add(&mut self, point: Point) {
        let (lines, fewest) = match self.open {
            Some((lines, open)) => (lines + 1, open.fewest.min(point.fewest)),
            None => (1, point.fewest),
        };
        let point = Point { fewest, ..point };
        if lines < self.step {
            self.open = Some((lines, point));
            return;
        }
        self.open = None;
        self.points.push(point);
        if self.points.len() == 2 * POINTS {
            self.halve();
        }
    }

    pub(super) fn finish(mut self) -> Vec<Point> {
        self.points.extend(self.open.take().map(|(_, point)| point));
        self.points
    }

    fn halve(&mut self) {
        let join = |pair: &[Point]| {
            let fewest = pair[0].fewest.min(pair[1].fewest);
            Point { fewest, ..pair[1] }
        };
        self.points = self.points.chunks_exact(2).map(join).collect();
        self.step *= 2;
    }
}

/// Bytes of a kind, by where they are in the file.
#[derive(Debug)]
pub(super) struct Spread {
    /// Bytes of the file that a bar stands for.
    pub(super) step: u64,
    pub(super) bars: Vec<u64>,
}

impl Spread {
    pub(super) const fn new() -> Self {
        Self { step: 64, bars: Vec::new() }
    }

    /// Adds so many bytes from there on.
    pub(super) fn add(&mut self, offset: u64, len: u64) {
        let (mut at, end) = (offset, offset + len);
        self.reach(end);
        while at < end {
            let bar = at / self.step;
            let next = ((bar + 1) * self.step).min(end);
            // It reaches so far.
            if let Some(bar) = usize::try_from(bar).ok().and_then(|bar| self.bars.get_mut(bar)) {
                *bar += next - at;
            }
            at = next;
        }
    }

    /// Makes room for a file of so many bytes.
    pub(super) fn reach(&mut self, end: u64) {
        while end.div_ceil(self.step) > 2 * BARS as u64 {
            self.bars = self.bars.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.step *= 2;
        }
        let bars = usize::try_from(end.div_ceil(self.step)).unwrap_or(0);
        if self.bars.len() < bars {
            self.bars.resize(bars, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_keeps_its_end_and_its_lowest_point() {
        for lines in [0, 1, 999, 1000, 1001, 123_456] {
            let mut samples = Samples::new();
            for line in 1..=lines {
                let fewest = if line == lines / 3 { 2 } else { 50 };
                samples.add(Point { line, alive: 50, fewest, ..Point::default() });
            }
            let points = samples.finish();
            assert!(points.len() <= 2 * POINTS, "{lines}: {}", points.len());
            assert_eq!(points.last().map_or(0, |point| point.line), lines);
            assert!(points.is_sorted_by(|a, b| a.line < b.line));
            let lowest = points.iter().map(|point| point.fewest).min();
            assert!(lines < 3 || lowest == Some(2), "{lines}");
        }
    }

    #[test]
    fn no_byte_is_lost_where_bars_are_joined() {
        let mut spread = Spread::new();
        let mut total = 0;
        for offset in (0..1_000_000).step_by(700) {
            spread.add(offset, 300);
            total += 300;
        }
        assert!(spread.bars.len() <= 2 * BARS);
        assert_eq!(spread.bars.iter().sum::<u64>(), total);
        let mut single = Spread::new();
        single.add(100, 60);
        assert_eq!(single.bars, [0, 28, 32]);
    }
}
