//! The tour: what the project does, shown on real files in a few seconds.
//!
//! The README shows the same output, and the tour fails where the two differ.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{self, Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{cargo, root, run};
use crate::{Command, Outcome, readme};

pub(crate) const COMMAND: Command = Command {
    name: "tour",
    arguments: "[--bless]",
    about: "Show on real files what the project does, as the README shows it.\n\
            It fails where the output is not the README's; times are compared by their shape only.\n\
            --bless  write the output into the README instead, as UPDATE_GOLDEN=1 does",
    run: from_arguments,
};

/// The name of the README's block.
const BLOCK: &str = "tour";
/// Three times the flush interval: what comes to the file in it comes by itself, since nothing else is recorded.
const SILENCE: Duration = Duration::from_millis(1500);
/// How long the recorder may take to create its file, on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// What real Serf on node c had seen when it was killed and left corpus file 02.
const JOINS: &str = r#"{"event":"member-join","members":[{"name":"c","addr":"127.0.0.3","port":17946}]}
{"event":"member-join","members":[{"name":"a","addr":"127.0.0.1","port":17946}]}
{"event":"member-join","members":[{"name":"b","addr":"127.0.0.2","port":17946}]}
"#;

fn from_arguments(arguments: &[String]) -> Outcome {
    let blesses = match arguments {
        [] => env::var_os("UPDATE_GOLDEN").is_some(),
        [bless] if bless == "--bless" => true,
        _ => return Err("tour takes nothing but --bless".into()),
    };
    run(&mut cargo(["build", "--quiet", "--package", "serfsnap"]))?;
    let directory = Directory::new()?;
    let mut tour = Tour { directory: directory.path.clone(), told: String::new() };
    tour.a_phantom()?;
    tour.a_silence()?;
    tour.an_outage()?;
    let told = without_times(&tour.told);
    if blesses {
        return readme::replace_block(BLOCK, &told);
    }
    let shown = readme::block(BLOCK)?;
    if shown == told {
        return Ok(());
    }
    print!(
        "\nREADME.md (-) shows something else than the tour (+):\n{}",
        difference(&shown, &told)
    );
    Err("the README does not show this tour; `cargo xtask tour --bless` writes it there".into())
}

/// Goes from place to place, and keeps what it tells.
struct Tour {
    directory: PathBuf,
    told: String,
}

impl Tour {
    fn a_phantom(&mut self) -> Outcome {
        const GLUED: &str = "corpus/42-torn-alive-line-glued-by-real-serf.snap";
        self.tell("# Real Serf appended to a torn line. What an agent makes of the file at its next start:")?;
        self.serfsnap(&["inspect", "--as", "serf", GLUED])?;
        self.tell("\n# A node that never was. What we make of it:")?;
        self.serfsnap(&["inspect", GLUED])
    }

    fn a_silence(&mut self) -> Outcome {
        self.tell(
            "\n# Real Serf, killed when nothing had happened for a while. Three nodes had joined:",
        )?;
        self.serfsnap(&["inspect", "corpus/02-c-after-kill9-idle.snap"])?;
        self.tell("\n# The same joins, recorded by us; then silence for 1.5 s, and SIGKILL:")?;
        self.record_and_kill("c.snap")?;
        self.tell("")?;
        self.serfsnap(&["inspect", "c.snap"])
    }

    fn an_outage(&mut self) -> Outcome {
        const NAMES: [&str; 3] = ["q1", "q2", "q3"];
        self.tell(
            "\n# Three agents of Serf that went one after the other. Will they find each other again?",
        )?;
        let files = NAMES.map(|name| format!("corpus/60-{name}-sequential-shutdown.snap"));
        let [first, second, third] = files.each_ref().map(String::as_str);
        self.serfsnap_ends(&["fleet", first, second, third], 1)
    }

    /// Runs a command to its end and tells what it printed.
    fn serfsnap(&mut self, arguments: &[&str]) -> Outcome {
        self.serfsnap_ends(arguments, 0)
    }

    /// The same of one that says something by its exit code.
    fn serfsnap_ends(&mut self, arguments: &[&str], code: i32) -> Outcome {
        self.tell(&format!("$ serfsnap {}", arguments.join(" ")))?;
        let output = self.command(arguments)?.output()?;
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text)?;
            if !text.is_empty() {
                self.tell(text.trim_end_matches('\n'))?;
            }
        }
        if output.status.code() == Some(code) {
            return Ok(());
        }
        Err(format!("`serfsnap {}` ended with {}", arguments.join(" "), output.status).into())
    }

    /// Records the joins and kills the recorder, which then has had no time to tidy up.
    fn record_and_kill(&mut self, file: &str) -> Outcome {
        self.tell(&format!("$ serfsnap record {file}"))?;
        self.tell(JOINS.trim_end_matches('\n'))?;
        let mut recorder = self.command(&["record", file])?.stdin(Stdio::piped()).spawn()?;
        let fed = feed(&mut recorder, &self.directory.join(file));
        // The input stays open: its end would be a reason to write.
        recorder.kill()?;
        recorder.wait()?;
        fed
    }

    /// The binary that stands beside this one, in a directory that no output names.
    fn command(&self, arguments: &[&str]) -> Outcome<Process> {
        let mut command = Process::new(env::current_exe()?.with_file_name("serfsnap"));
        command.args(arguments).current_dir(&self.directory).env("NO_COLOR", "1");
        Ok(command)
    }

    /// Prints a line at once, so that whoever watches knows what the tour is waiting for.
    fn tell(&mut self, line: &str) -> Outcome {
        println!("{line}");
        io::stdout().flush()?;
        self.told.push_str(line);
        self.told.push('\n');
        Ok(())
    }
}

/// Hands the joins to the recorder and is silent for a while.
fn feed(recorder: &mut process::Child, file: &Path) -> Outcome {
    let started = Instant::now();
    while !file.exists() {
        if let Some(status) = recorder.try_wait()? {
            return Err(format!("the recorder ended with {status}").into());
        }
        if started.elapsed() > PATIENCE {
            return Err("the recorder has not created its file".into());
        }
        thread::sleep(POLL);
    }
    let input = recorder.stdin.as_mut().ok_or("the recorder has no input")?;
    input.write_all(JOINS.as_bytes())?;
    input.flush()?;
    thread::sleep(SILENCE);
    Ok(())
}

/// Where the tour takes place; it goes when the tour is over.
struct Directory {
    path: PathBuf,
}

impl Directory {
    fn new() -> Outcome<Self> {
        let path = env::temp_dir().join(format!("serfsnap-tour-{}", process::id()));
        fs::create_dir(&path)
            .map_err(|error| format!("{} cannot be created: {error}", path.display()))?;
        let directory = Self { path };
        symlink(root().join("corpus"), directory.path.join("corpus"))?;
        Ok(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It is a temporary one, and nothing depends on its end.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Each digit of a time of day and date in UTC, such as `2025-11-23T03:03:20Z`, becomes a letter of its unit.
fn without_times(text: &str) -> String {
    const SHAPE: &str = "YYYY-MM-DDThh:mm:ssZ";
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let has_shape = rest.len() >= SHAPE.len()
            && rest.bytes().zip(SHAPE.bytes()).all(|(found, shape)| match shape {
                b'-' | b':' | b'T' | b'Z' => found == shape,
                _ => found.is_ascii_digit(),
            });
        let length = if has_shape { SHAPE.len() } else { first.len_utf8() };
        out.push_str(if has_shape { SHAPE } else { &rest[..length] });
        rest = &rest[length..];
    }
    out
}

/// The lines in which two texts differ, between those at the beginning and at the end that they share.
fn difference(shown: &str, told: &str) -> String {
    let (shown, told): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), told.lines().collect());
    let before = shown.iter().zip(&told).take_while(|(a, b)| a == b).count();
    let (shown, told) = (&shown[before..], &told[before..]);
    let after = shown.iter().rev().zip(told.iter().rev()).take_while(|(a, b)| a == b).count();
    let only_here = |lines: &[&str], mark| -> String {
        lines[..lines.len() - after].iter().flat_map(|&line| [mark, line, "\n"]).collect()
    };
    only_here(shown, "- ") + &only_here(told, "+ ")
}

#[cfg(test)]
mod tests {
    use super::{difference, without_times};

    #[test]
    fn times_lose_their_digits() {
        let check = |text, expect| assert_eq!(without_times(text), expect);
        check("", "");
        check("at 2025-11-23T03:03:20Z.", "at YYYY-MM-DDThh:mm:ssZ.");
        check("é 2025-11-23T03:03:20", "é 2025-11-23T03:03:20");
        check("x2025-11-23T03:03:2Z", "x2025-11-23T03:03:2Z");
    }

    #[test]
    fn only_what_differs_is_shown() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n"), "- b\n+ x\n+ y\n");
        assert_eq!(difference("a\n", "a\na\n"), "+ a\n");
        assert_eq!(difference("a\n", "a\n"), "");
    }
}
