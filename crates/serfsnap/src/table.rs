//! Columns that line up.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::out::{Out, Tone};
use crate::show::cut;

/// Rows of text under titles; the widths follow the content.
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

/// How a column looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    right: bool,
    /// Where a terminal is too narrow, this one is cut.
    gives_way: bool,
}

/// Between two columns.
const GAP: usize = 2;
/// No column is cut below this width.
const LEAST: usize = 12;
/// No column of a pipe is wider; a longer cell pushes the rest of its own row to the right.
const WIDEST: usize = 64;

impl Column {
    pub(crate) const fn left(title: &'static str) -> Self {
        Self { title, right: false, gives_way: false }
    }

    pub(crate) const fn right(title: &'static str) -> Self {
        Self { title, right: true, gives_way: false }
    }

    pub(crate) const fn title(&self) -> &'static str {
        self.title
    }

    /// On the left, and cut where a terminal is too narrow.
    pub(crate) const fn elastic(title: &'static str) -> Self {
        Self { title, right: false, gives_way: true }
    }
}

impl<const N: usize> Table<N> {
    pub(crate) const fn new(columns: [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// Prints titles and rows, indented by a gap.
    pub(crate) fn print(&self, out: &mut Out) -> io::Result<()> {
        let titles = self.columns.map(|column| column.title.to_owned());
        let mut widths = [0; N];
        for row in self.rows.iter().chain([&titles]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        let mut columns = self.columns;
        if let Some(terminal) = out.width {
            squeeze(&mut columns, &mut widths, terminal);
        } else {
            // Nothing is lost in a pipe, and one long name does not push all others apart.
            widths = widths.map(|width| width.min(WIDEST));
            columns = columns.map(|column| Column { gives_way: false, ..column });
        }
        let heading = line(&columns, &widths, &titles);
        writeln!(out, "{}", out.paint(Tone::Heading, &heading))?;
        for row in &self.rows {
            writeln!(out, "{}", line(&columns, &widths, row))?;
        }
        Ok(())
    }
}

/// Columns for rows that are printed before all of them are known.
///
/// On a terminal no row is wider than that, and what is left of its width goes to the column that gives way first. In a
/// pipe nothing is cut.
pub(crate) fn fit<const N: usize>(
    mut columns: [Column; N],
    mut widths: [usize; N],
    terminal: Option<usize>,
) -> ([Column; N], [usize; N]) {
    let Some(terminal) = terminal else {
        return (columns.map(|column| Column { gives_way: false, ..column }), widths);
    };
    let elastic = columns.iter().position(|column| column.gives_way).unwrap_or(N - 1);
    squeeze(&mut columns, &mut widths, terminal);
    widths[elastic] += terminal.saturating_sub(widths.iter().map(|width| GAP + width).sum());
    (columns.map(|column| Column { gives_way: !column.right, ..column }), widths)
}

/// Makes columns narrower until they fit, the widest first: those that give way before the others, numbers never.
fn squeeze<const N: usize>(columns: &mut [Column; N], widths: &mut [usize; N], terminal: usize) {
    let mut over = widths.iter().map(|width| GAP + width).sum::<usize>().saturating_sub(terminal);
    for elastic in [true, false] {
        let gives = columns.map(|column| !column.right && column.gives_way == elastic);
        while over > 0 {
            let candidates = widths.iter_mut().zip(gives).enumerate();
            let candidates = candidates.filter(|(_, (width, gives))| *gives && **width > LEAST);
            let Some((at, (width, _))) = candidates.max_by_key(|(_, (width, _))| **width) else {
                break;
            };
            *width -= 1;
            over -= 1;
            columns[at].gives_way = true;
        }
    }
}

/// One line in columns of these widths; a cell that is too wide is cut where its column gives way, else pushes the
/// rest to the right.
pub(crate) fn line<const N: usize>(
    columns: &[Column; N],
    widths: &[usize; N],
    cells: &[String; N],
) -> String {
    let mut line = String::new();
    for ((column, &width), cell) in columns.iter().zip(widths).zip(cells) {
        line.push_str(&" ".repeat(GAP));
        let cell = if column.gives_way { cut(cell, width) } else { cell.into() };
        let pad = " ".repeat(width.saturating_sub(cell.width()));
        if column.right {
            line.push_str(&pad);
        }
        line.push_str(&cell);
        if !column.right {
            line.push_str(&pad);
        }
    }
    line.truncate(line.trim_end_matches(' ').len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_names_line_up() {
        let columns = [Column::left("NAME"), Column::right("N")];
        let cells = |name: &str, number: &str| [name.to_owned(), number.to_owned()];
        assert_eq!(line(&columns, &[4, 3], &cells("ab", "7")), "  ab      7");
        assert_eq!(line(&columns, &[4, 3], &cells("\u{4e2d}", "7")), "  \u{4e2d}      7");
        assert_eq!(line(&columns, &[4, 3], &cells("abcdef", "7")), "  abcdef    7");
    }

    #[test]
    fn a_narrow_terminal_cuts_what_gives_way() {
        let mut table = Table::new([Column::elastic("NAME"), Column::left("ADDRESS")]);
        table.row(["n".repeat(300), "10.0.0.1:7946".to_owned()]);
        let mut widths = [300, 13];
        squeeze(&mut table.columns, &mut widths, 80);
        assert_eq!(widths, [63, 13]);
        let row = line(&table.columns, &widths, &table.rows[0]);
        assert_eq!(row.width(), 80);
        assert!(row.ends_with("\u{2026}  10.0.0.1:7946"));
    }

    #[test]
    fn where_that_is_not_enough_text_gives_way_too_and_numbers_never() {
        let mut columns = [Column::right("N"), Column::left("TEXT"), Column::elastic("NAME")];
        let mut widths = [10, 50, 40];
        squeeze(&mut columns, &mut widths, 60);
        assert_eq!(widths, [10, 32, 12]);
        let row = line(&columns, &widths, &["7".into(), "t".repeat(50), "n".repeat(40)]);
        assert_eq!(row.width(), 60);
    }

    #[test]
    fn rows_that_come_one_by_one_fill_the_terminal() {
        let columns = [Column::right("N"), Column::elastic("NAME"), Column::left("TEXT")];
        let check = |widths, terminal, expect: [usize; 3]| {
            let (columns, widths) = fit(columns, widths, Some(terminal));
            assert_eq!(widths, expect);
            let cells = ["7".into(), "n".repeat(300), "t".repeat(300)];
            assert_eq!(line(&columns, &widths, &cells).width(), terminal);
        };
        check([4, 20, 10], 80, [4, 60, 10]);
        check([4, 20, 30], 50, [4, 12, 28]);
    }
}
