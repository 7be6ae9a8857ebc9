//! `completions`: what a shell offers at the tab key.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::{Outcome, printed};
use crate::out::Out;

/// Print completions for a shell.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  serfsnap completions bash > ~/.local/share/bash-completion/completions/serfsnap
  serfsnap completions zsh > ~/.zfunc/_serfsnap
      With `fpath+=~/.zfunc` before `compinit` in ~/.zshrc.
  serfsnap completions fish > ~/.config/fish/completions/serfsnap.fish

Exit codes: 0 printed, 2 if it cannot be.";

pub(crate) fn run(args: &Args) -> Outcome {
    // The generator panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "serfsnap", &mut script);
    let mut out = Out::new();
    printed(out.write_all(&script).and_then(|()| out.flush()), 0)
}
