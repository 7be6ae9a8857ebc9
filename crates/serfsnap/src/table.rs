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
        let columns = if let Some(terminal) = out.width {
            self.squeeze(&mut widths, terminal);
            self.columns
        } else {
            // Nothing is lost in a pipe, and one long name does not push all others apart.
            widths = widths.map(|width| width.min(WIDEST));
            self.columns.map(|column| Column { gives_way: false, ..column })
        };
        let heading = line(&columns, &widths, &titles);
        writeln!(out, "{}", out.paint(Tone::Heading, &heading))?;
        for row in &self.rows {
            writeln!(out, "{}", line(&columns, &widths, row))?;
        }
        Ok(())
    }

    fn squeeze(&self, widths: &mut [usize; N], terminal: usize) {
        let total: usize = widths.iter().map(|width| GAP + width).sum();
        let mut over = total.saturating_sub(terminal);
        for (width, column) in widths.iter_mut().zip(&self.columns) {
            if column.gives_way && over > 0 {
                let cut = over.min(width.saturating_sub(LEAST));
                *width -= cut;
                over -= cut;
            }
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
        table.squeeze(&mut widths, 80);
        assert_eq!(widths, [63, 13]);
        let row = line(&table.columns, &widths, &table.rows[0]);
        assert_eq!(row.width(), 80);
        assert!(row.ends_with("\u{2026}  10.0.0.1:7946"));
    }
}
