//! Standard output and standard error.
//!
//! Nothing here panics where a pipe is closed, as `println!` would.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};

/// Standard output, buffered. What is not flushed is lost.
pub(crate) struct Out {
    writer: BufWriter<StdoutLock<'static>>,
    colour: bool,
    /// The width of the terminal in columns; `None` in a pipe, where lines may be as long as they are.
    pub(crate) width: Option<usize>,
}

/// What a word means to whoever has to act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Notable,
    Bad,
    Heading,
}

impl Out {
    pub(crate) fn new() -> Self {
        let stdout = io::stdout();
        let colour = AutoStream::choice(&stdout) != ColorChoice::Never;
        let width = stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout));
        let width = width.flatten().map(|(width, _)| usize::from(width.0));
        Self { writer: BufWriter::new(stdout.lock()), colour, width }
    }

    /// The text, cut where a terminal is too narrow for it on one line.
    pub(crate) fn cut<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.width.map_or(Cow::Borrowed(text), |width| crate::show::cut(text, width))
    }

    /// The text, coloured where the output is a terminal that wants it.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Notable => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Heading => Style::new().bold(),
        };
        format!("{style}{text}{style:#}")
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Says something on standard error, escaped: it may quote what a file or a member says.
pub(crate) fn complain(what: &dyn fmt::Display) {
    let mut line = String::from("serfsnap: ");
    // Writing to a string cannot fail, and there is nobody to tell that standard error is closed.
    let _ = write!(line, "{what}");
    let line = crate::show::shown(line.as_bytes());
    let _ = writeln!(io::stderr(), "{line}");
}
