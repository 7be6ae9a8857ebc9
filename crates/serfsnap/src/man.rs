//! `man`: manual pages, made from what `--help` says.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::Roff;

use crate::args::Cli;
use crate::failure::{Failure, Outcome, printed};
use crate::out::Out;
use crate::show::{shown, shown_path};

/// Print a manual page, or write them all.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The command whose page is wanted; without it the main page
    #[arg(conflicts_with = "dir")]
    command: Option<String>,

    /// Write every page into this directory, as serfsnap.1, serfsnap-inspect.1 and so on
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap man inspect | man -l -
  serfsnap man --dir ~/.local/share/man/man1

Exit codes: 0 printed or written, 2 if it cannot be.";

pub(crate) fn run(args: &Args) -> Outcome {
    let main = described();
    if let Some(dir) = &args.dir {
        write_all(&main, dir)?;
        return Ok(0);
    }
    let page = match &args.command {
        None => page(&main, "serfsnap")?,
        Some(name) => {
            let command = main.find_subcommand(name).ok_or_else(|| unknown(name, &main))?;
            page(command, &format!("serfsnap-{}", command.get_name()))?
        }
    };
    let mut out = Out::new();
    printed(out.write_all(&page).and_then(|()| out.flush()), 0)
}

/// The command line as clap completes it, without the command that shows help.
fn described() -> Command {
    let mut main = Cli::command().disable_help_subcommand(true);
    main.build();
    main
}

fn write_all(main: &Command, dir: &Path) -> Result<(), Failure> {
    let told = |path: &Path, error: &io::Error| {
        Failure::told(format!("{}: cannot be written: {error}", shown_path(path.as_os_str())))
    };
    fs::create_dir_all(dir).map_err(|error| told(dir, &error))?;
    let commands =
        main.get_subcommands().map(|command| (command, format!("serfsnap-{}", command.get_name())));
    for (command, title) in std::iter::once((main, "serfsnap".to_owned())).chain(commands) {
        let path = dir.join(format!("{title}.1"));
        fs::write(&path, page(command, &title)?).map_err(|error| told(&path, &error))?;
    }
    Ok(())
}

/// One page. The help texts end with examples and exit codes, which have sections of their own in a manual.
fn page(command: &Command, title: &str) -> Result<Vec<u8>, Failure> {
    let source = format!("serfsnap {}", env!("CARGO_PKG_VERSION"));
    let man =
        Man::new(command.clone()).title(title).source(source).manual("User Commands").date("");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (rest, codes) = help.split_once("Exit codes: ").unwrap_or((&help, ""));
    let (notes, examples) = rest.split_once("Examples:\n").unwrap_or((rest, ""));
    let mut rest = Roff::new();
    if !notes.is_empty() {
        rest.control("SH", ["NOTES"]);
        verbatim(&mut rest, notes.trim_end());
    }
    if !examples.is_empty() {
        rest.control("SH", ["EXAMPLES"]);
        verbatim(&mut rest, examples.trim_end());
    }
    if !codes.is_empty() {
        rest.control("SH", ["EXIT STATUS"]);
        rest.text([clap_mangen::roff::roman(capitalised(codes))]);
    }
    if title != "serfsnap" {
        rest.control("SH", ["SEE ALSO"]);
        rest.text([clap_mangen::roff::roman("serfsnap(1)")]);
    }
    rest.to_writer(&mut page)?;
    Ok(without_repetition(&page))
}

/// Each section defines the apostrophe anew; the first definition will do.
fn without_repetition(page: &[u8]) -> Vec<u8> {
    let defines = |line: &[u8]| line.starts_with(b".ie \\n(.g") || line.starts_with(b".el .ds Aq");
    let lines = page.split_inclusive(|&byte| byte == b'\n').enumerate();
    lines
        .filter(|(at, line)| *at < 2 || !defines(line))
        .flat_map(|(_, line)| line)
        .copied()
        .collect()
}

/// Lines as they are, not filled.
fn verbatim(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([clap_mangen::roff::roman(line)]);
    }
    roff.control("fi", []);
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + characters.as_str()
    })
}

fn unknown(name: &str, main: &Command) -> Failure {
    let names: Vec<_> = main.get_subcommands().map(Command::get_name).collect();
    let name = shown(name.as_bytes());
    Failure::told(format!("there is no command {name}; there are {}", names.join(", ")))
}
