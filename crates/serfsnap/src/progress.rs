//! A bar for work that takes a while, on a terminal alone.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// From how many bytes on work is worth a bar.
const MUCH: u64 = 16 * 1024 * 1024;

/// How far the reading of one file has come.
pub(crate) struct Progress {
    wanted: bool,
    total: Option<u64>,
    done: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// `total` is the size in bytes, where it is known.
    pub(crate) fn new(total: Option<u64>) -> Self {
        // A total below is never passed but by a file that grows.
        let wanted = total.is_none_or(|total| total > MUCH) && io::stderr().is_terminal();
        Self { wanted, total, done: 0, bar: None }
    }

    /// None at all: the output itself shows how far the work is.
    pub(crate) fn silence(&mut self) {
        self.wanted = false;
    }

    pub(crate) fn advance(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if !self.wanted || (self.total.is_none() && self.done <= MUCH) {
            return;
        }
        self.bar.get_or_insert_with(|| bar(self.total)).set_position(self.done);
    }

    pub(crate) const fn done(&self) -> u64 {
        self.done
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let template = if total.is_some() {
        "{wide_bar} {bytes} of {total_bytes}, {eta} left"
    } else {
        "{spinner} {bytes} read, {binary_bytes_per_sec}"
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    // The template is ours; were it wrong, the default one would do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
