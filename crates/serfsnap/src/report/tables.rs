//! The tables that a page searches and sorts.

use serde::Serialize;

use crate::report::html;
use crate::show::shown;

/// Of more rows only the first are on the page: a browser has to hold them all.
pub(super) const MAX_ROWS: usize = 50_000;

/// Rows of cells under titles.
#[derive(Debug, Serialize)]
pub(super) struct Rows {
    columns: Vec<Column>,
    #[serde(rename = "rows")]
    listed: Vec<Vec<Cell>>,
    /// How many there are in all.
    total: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Column {
    title: &'static str,
    /// `name` in the letters of code, `number` at the right, `word` as a label.
    kind: &'static str,
}

/// What a cell shows, and is sorted by.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Cell {
    Number(u64),
    Text(String),
}

impl Cell {
    /// What comes from a file.
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        Self::Text(shown(bytes))
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

impl Rows {
    pub(super) fn new(columns: &[(&'static str, &'static str)]) -> Self {
        let columns = columns.iter().map(|&(title, kind)| Column { title, kind }).collect();
        Self { columns, listed: Vec::new(), total: 0 }
    }

    pub(super) fn add(&mut self, row: impl FnOnce() -> Vec<Cell>) {
        self.total += 1;
        if self.listed.len() < MAX_ROWS {
            self.listed.push(row());
        }
    }

    /// The search box, the place of the table, and its rows as data.
    pub(super) fn section(&self, what: &str) -> String {
        let what = html::text(what);
        format!(
            "<div class=\"search\"><input id=\"q\" type=\"search\" placeholder=\"Search {what}\" \
             aria-label=\"Search {what}\" autocomplete=\"off\" spellcheck=\"false\"><span id=\"found\" \
             role=\"status\"></span></div>\n<div class=\"scroll\"><table id=\"rows\"></table></div>\n\
             <script type=\"application/json\" id=\"data\">{}</script>\n",
            html::data(self)
        )
    }
}

/// A table of a few rows, written out; cells are HTML.
pub(super) fn small(titles: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = "<div class=\"scroll\"><table><thead><tr>".to_owned();
    for title in titles {
        html::push(&mut table, format_args!("<th>{title}</th>"));
    }
    table.push_str("</tr></thead><tbody>");
    for row in rows {
        table.push_str("<tr>");
        for cell in row {
            html::push(&mut table, format_args!("<td>{cell}</td>"));
        }
        table.push_str("</tr>\n");
    }
    table + "</tbody></table></div>\n"
}
