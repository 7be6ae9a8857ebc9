//! How long a large fleet takes, and how much memory.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{self, Command as Process, Stdio};
use std::time::{Duration, Instant};

use crate::process::{cargo, root, run};
use crate::{Command, Outcome};

pub(crate) const COMMAND: Command = Command {
    name: "fleet",
    arguments: "[FILES [NODES]]",
    about: "Write so many snapshots of so many nodes, let `serfsnap fleet` read them, print time and memory.\n\
            2,000 files of 2,000 nodes where nothing is said. It fails where the answer is not the right one, or comes\n\
            after more than a minute.",
    run: from_arguments,
};

/// What 2,000 files of 2,000 nodes may take at most.
const LIMIT: Duration = Duration::from_secs(60);

fn from_arguments(arguments: &[String]) -> Outcome {
    let mut numbers = [2000, 2000];
    if arguments.len() > numbers.len() {
        return Err("fleet takes two numbers at most".into());
    }
    for (number, argument) in numbers.iter_mut().zip(arguments) {
        *number = argument.parse()?;
    }
    let [files, nodes] = numbers;
    measure(files, nodes)
}

/// Measures one fleet: two halves, in which everybody knows everybody and nodes without a file besides, and one agent
/// of the first half that knows one of the other.
pub(crate) fn measure(files: usize, nodes: usize) -> Outcome {
    if files < 4 || !files.is_multiple_of(2) || nodes < files / 2 {
        return Err(
            "at least 4 files, an even number of them, of at least half as many nodes".into()
        );
    }
    run(&mut cargo(["build", "--quiet", "--release", "--package", "serfsnap"]))?;
    let directory = Directory::new()?;
    let bytes = write_files(&directory.path, files, nodes)?;
    let started = Instant::now();
    let program = root().join("target/release/serfsnap");
    let mut fleet = Process::new(program);
    fleet.args(["fleet", "--format", "json"]).arg(&directory.path).stdout(Stdio::piped());
    let mut child = fleet.spawn()?;
    let mut output = child.stdout.take().ok_or("no output")?;
    let mut answer = vec![0];
    output.read_exact(&mut answer)?;
    let took = started.elapsed();
    // It has found everything, and waits for somebody to read more than a pipe holds.
    let peak = peak_memory(child.id());
    output.read_to_end(&mut answer)?;
    let status = child.wait()?;
    let answer = String::from_utf8(answer)?;
    let mib = bytes / (1024 * 1024);
    let peak = peak.unwrap_or_else(|| "unknown".to_owned());
    println!(
        "fleet: {files} files of {nodes} nodes, {mib} MiB: {:.2} s, {peak} at most",
        took.as_secs_f64()
    );
    let half = files / 2;
    for expect in [r#""verdict":"order""#, r#""islands_in_order":1,"#, r#""hints":[{"#] {
        if !answer.contains(expect) {
            return Err(format!("{expect} is not in the answer").into());
        }
    }
    let first = format!(r#""order":["node-{half:05}","#);
    if !answer.contains(&first) || status.code() != Some(1) {
        return Err(format!("{first} or the exit code is wrong: {status}").into());
    }
    if took > LIMIT && files * nodes <= 4_000_000 {
        return Err(format!("{took:?} is more than {LIMIT:?}").into());
    }
    Ok(())
}

fn write_files(directory: &Path, files: usize, nodes: usize) -> Outcome<u64> {
    let half = files / 2;
    let mut bytes = 0;
    let mut text = String::new();
    for file in 0..files {
        text.clear();
        let own = if file < half { 0..half } else { half..files };
        alive(&mut text, file);
        // Not all files have the same order.
        let others = own.clone().cycle().skip(file - own.start + 1).take(half - 1);
        others.chain(files..files + nodes - half).for_each(|node| alive(&mut text, node));
        writeln!(
            text,
            "clock: {}\nevent-clock: {file}\nnot-alive: node-{:05}",
            file + 1,
            files * 9
        )?;
        if file == 0 {
            alive(&mut text, half);
        }
        fs::write(directory.join(format!("node-{file:05}.snap")), &text)?;
        bytes += text.len() as u64;
    }
    Ok(bytes)
}

fn alive(text: &mut String, node: usize) {
    let (high, low) = (node / 250, node % 250);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "alive: node-{node:05} 10.7.{high}.{low}:7946");
}

/// The most memory that the process has had so far.
fn peak_memory(id: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{} MiB", kib / 1024))
}

/// Where the files are; they go when the measurement is over.
struct Directory {
    path: PathBuf,
}

impl Directory {
    fn new() -> Outcome<Self> {
        let path = env::temp_dir().join(format!("serfsnap-fleet-{}", process::id()));
        fs::create_dir(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It is a temporary one, and nothing depends on its end.
        let _ = fs::remove_dir_all(&self.path);
    }
}
