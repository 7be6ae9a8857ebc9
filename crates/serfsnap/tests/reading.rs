//! The commands that read: they write nothing, hold little, and end quietly.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use common::{assert_code, contents, corpus, run, run_on, serfsnap, start, stderr, stdout};

/// Every command that reads one file to its end; FILE is its last argument.
const COMMANDS: [&str; 6] =
    ["inspect", "check", "dump", "history", "export --to csv", "diff /dev/null"];

#[test]
fn reading_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for entry in fs::read_dir(corpus("")).unwrap() {
        let path = entry.unwrap().path();
        // JSON is known for what it is, and not read.
        if path.is_file() && path.extension().is_none_or(|extension| extension != "jsonl") {
            let copy = directory.path().join(path.file_name().unwrap());
            fs::copy(&path, &copy).unwrap();
            paths.push(copy);
        }
    }
    let before = contents(directory.path());
    let modified = |path| fs::metadata(path).unwrap().modified().unwrap();
    let times: Vec<_> = paths.iter().map(modified).collect();
    for path in &paths {
        for command in COMMANDS {
            let output = serfsnap().args(command.split(' ')).arg(path).output().unwrap();
            assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
        }
    }
    assert!(contents(directory.path()) == before);
    assert_eq!(paths.iter().map(modified).collect::<Vec<_>>(), times);
}

#[test]
fn a_file_and_a_pipe_say_the_same() {
    for name in ["05-c-events-queries.snap", "41-torn-tail-after-real-serf-appended.snap"] {
        let bytes = fs::read(corpus(name)).unwrap();
        for command in ["inspect", "dump"] {
            let file = serfsnap().arg(command).arg(corpus(name)).output().unwrap();
            let pipe = run_on(serfsnap().args([command, "-"]), &bytes);
            let path = corpus(name);
            let file = stdout(&file).replace(path.to_str().unwrap(), "-");
            assert_eq!(file, stdout(&pipe), "{command} {name}");
        }
    }
}

#[test]
fn a_hundred_mebibytes_without_a_newline_are_not_held() {
    /// Far less than the input; what the program takes for itself is below 64 MiB of addresses.
    const LIMIT_KIB: u32 = 96 * 1024;
    let program = env!("CARGO_BIN_EXE_serfsnap");
    for command in ["inspect", "check", "dump", "dump --format jsonl", "inspect --as serf"] {
        let script = format!(
            "ulimit -v {LIMIT_KIB} && head -c 104857600 /dev/zero | tr '\\0' x | {program} {command} -"
        );
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let code = i32::from(command == "check");
        assert_code(&output, code);
        assert!(output.stdout.len() < 64 * 1024, "{command} prints the line");
        assert!(stdout(&output).contains("torn"), "{command}: {}", stdout(&output));
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("long.snap");
    // A node that moves for ever, and many that stay.
    let stay: Vec<_> = (0..20_000).map(|n| format!("alive: node-{n} 10.0.0.1:1\n")).collect();
    let moves = "alive: a 10.0.0.1:1\nalive: a 10.0.0.2:1\n".repeat(100_000);
    fs::write(&path, stay.concat() + &moves).unwrap();
    for command in [
        "dump",
        "dump --format json",
        "dump --format jsonl",
        "history",
        "history --format json",
        "export --to csv",
        "export --to jsonl",
        "export --to retry-join",
        "follow --from-start",
    ] {
        let mut command_line = serfsnap();
        command_line.args(command.split(' ')).arg(&path);
        let mut child = start(&mut command_line);
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_code(&output, 0);
        assert_eq!(stderr(&output), "", "{command}");
    }
}

#[test]
fn a_closed_pipe_does_not_change_the_verdict() {
    let path = corpus("42-torn-alive-line-glued-by-real-serf.snap");
    for format in ["table", "json", "jsonl"] {
        let mut command = serfsnap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.args(["check", "--format", format]).arg(&path).stdout(writer);
        let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_code(&output, 1);
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn a_full_disk_under_the_output_is_told() {
    for command in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut line = serfsnap();
        line.args(command.split(' ')).arg(corpus("02-c-after-kill9-idle.snap")).stdout(full);
        let output = line.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_code(&output, 2);
        assert!(stderr(&output).contains("the output cannot be written"), "{}", stderr(&output));
    }
}

#[test]
fn hostile_names_never_reach_the_terminal() {
    let hostile = b"alive: \x1b]0;owned\x07\xc2\x9b31m\x7f\xe2\x80\xae\r\x08 10.0.0.1:1\n\x1b[2J\nalive: x\x1b 10.0.0.1:x\x1b\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("evil\x1b[2J\n.snap");
    fs::write(&path, hostile).unwrap();
    for line in [
        "inspect",
        "inspect --as serf",
        "inspect --format json",
        "check",
        "check --as serf",
        "check --format jsonl",
        "dump",
        "dump --format json",
        "dump --format jsonl",
    ] {
        for path in [path.clone(), path.join("missing"), directory.path().join("\x1b[2Jgone")] {
            let output = serfsnap().args(line.split(' ')).arg(&path).output().unwrap();
            let printed = stdout(&output) + &stderr(&output);
            let raw = printed.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(raw, None, "{line}: {printed:?}");
        }
    }
}

#[test]
fn colour_is_for_terminals_alone() {
    let path = corpus("42-torn-alive-line-glued-by-real-serf.snap");
    let plain = serfsnap().arg("inspect").arg(&path).output().unwrap();
    assert!(!stdout(&plain).contains('\x1b'));
    let forced = serfsnap().env("CLICOLOR_FORCE", "1").arg("inspect").arg(&path).output().unwrap();
    assert!(stdout(&forced).contains("\x1b["));
    let mut never = serfsnap();
    never.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "0").arg("inspect").arg(&path);
    assert!(!stdout(&never.output().unwrap()).contains('\x1b'));
}

#[test]
fn much_work_shows_a_bar_on_a_terminal_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("much.snap");
    // More than 16 MiB.
    fs::write(&path, "alive: a-name-of-some-length 10.0.0.1:7946\n".repeat(420_000)).unwrap();
    let program = env!("CARGO_BIN_EXE_serfsnap");
    let bar = |line: &str| line.contains(" of ") && line.contains("MiB");
    let line = format!("{program} check {} > /dev/null", path.display());
    let mut script = std::process::Command::new("script");
    script.args(["-q", "-c", &line, "/dev/null"]).stdin(Stdio::null());
    match script.output() {
        Err(error) => println!("skipped: no terminal without script(1): {error}"),
        Ok(output) => assert!(bar(&stdout(&output)), "{}", stdout(&output)),
    }
    let output = run(["check", path.to_str().unwrap()]);
    assert!(!bar(&stderr(&output)), "{}", stderr(&output));
}

#[test]
fn without_permission_the_owner_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret.snap");
    fs::write(&path, "alive: a 10.0.0.1:1\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let owner = fs::metadata(&path).unwrap().uid();
    if owner != 0 {
        println!("skipped: only root can become another user");
        return;
    }
    // The binary may lie where other users cannot go: a copy is put beside the file.
    let program = directory.path().join("serfsnap");
    fs::copy(env!("CARGO_BIN_EXE_serfsnap"), &program).unwrap();
    let mut command = std::process::Command::new(&program);
    command.arg("inspect").arg(&path).current_dir("/").uid(65_534).gid(65_534);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: cannot run as another user here: {error}");
            return;
        }
    };
    assert_code(&output, 2);
    assert!(
        stderr(&output).contains("it belongs to user 0 and has mode 0600"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_read_error_is_not_an_end_of_file() {
    // Reading the memory of a process at address 0 fails with EIO.
    if File::open("/proc/self/mem").is_err() {
        println!("skipped: no /proc/self/mem");
        return;
    }
    for command in COMMANDS {
        let output = serfsnap().args(command.split(' ')).arg("/proc/self/mem").output().unwrap();
        assert_code(&output, 2);
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains("cannot be read at byte 0"), "{said}");
    }
}
