//! What reaches a terminal: rows that fit it, colours where they are wanted, and nothing that a member chose.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::serfsnap;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use unicode_width::UnicodeWidthStr;

/// Runs a command on a terminal of so many columns; what reached the terminal, from both its outputs.
fn on_terminal(command: &mut Command, columns: u16) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let slave = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&slave, size).unwrap();
    command.env_remove("CLICOLOR_FORCE").env("TERM", "xterm-256color");
    command.stdout(slave.try_clone().unwrap()).stderr(slave);
    let mut child = command.spawn().unwrap();
    // The command holds the other side as well, and nobody else may.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut master, mut said, mut chunk) = (File::from(master), Vec::new(), [0; 4096]);
    // When the last one closes the other side, reading fails.
    while let Ok(read @ 1..) = master.read(&mut chunk) {
        said.extend_from_slice(&chunk[..read]);
    }
    child.wait().unwrap();
    String::from_utf8(said).unwrap()
}

/// Every way to read, and every dry run, with FILE for the file.
const READING: [&str; 42] = [
    "inspect FILE",
    "inspect --as serf FILE",
    "inspect --as nomad FILE",
    "inspect --probe FILE",
    "inspect --format json FILE",
    "check FILE",
    "check --as serf FILE",
    "check --format json FILE",
    "check --format prom FILE",
    "check --members - FILE",
    "dump FILE",
    "dump --as serf FILE",
    "dump --format json FILE",
    "dump --format jsonl FILE",
    "diff FILE /dev/null",
    "diff --as serf /dev/null FILE",
    "diff --format json FILE /dev/null",
    "diff --format jsonl FILE /dev/null",
    "history FILE",
    "history --as serf FILE",
    "history --format json FILE",
    "history --format jsonl FILE",
    "export --to csv FILE",
    "export --to jsonl FILE",
    "export --to retry-join FILE",
    "follow -",
    "follow --as serf -",
    "follow --format jsonl -",
    "man FILE",
    "compact FILE",
    "repair FILE",
    "prune --drop-failed FILE",
    "prune --port 1 --allow-empty FILE",
    "readdress --map 127.0.63.9=127.0.63.11 FILE",
    "revive FILE",
    "revive --with-failed --format json FILE",
    "set-clock --clock 1 FILE",
    "fleet FILE",
    "fleet --format json FILE",
    "report -o /dev/null FILE",
    "inspect FILE FILE",
    "export --to FILE",
];

/// Names that set colours, move the cursor, set the title, ring, hide, and turn the line around.
const HOSTILE: &[u8] = b"alive: evil\x1b[31m\xc2\x9b2J\x07 127.0.63.9:1\n\
    alive: \x1b]0;title\x07\r\xe2\x80\xae\xff 127.0.63.9:1\n\
    alive: esc\x1b 127.0.63.9:\x1b[2J\n\
    \x1b[2Jno record\n\
    not-alive: evil\x1b[31m\xc2\x9b2J\x07\n\
    #@failed: evil\x1b[31m\xc2\x9b2J\x07 127.0.63.9:1 1763867000000\n\
    alive: a\x08\x08b 127.0.63.9:1\nalive: a\x08\x08b 127.0.63.10:1\n\
    #@x\x1b: y\nleave \x1b\nali\x1b";

fn command(line: &str, path: &Path) -> Command {
    let mut command = serfsnap();
    for word in line.split(' ') {
        if word == "FILE" {
            command.arg(path);
        } else {
            command.arg(word);
        }
    }
    let stdin =
        if line.starts_with("follow") { File::open(path).unwrap() } else { file(HOSTILE).1 };
    command.stdin(stdin);
    command
}

/// A file with these bytes, open at its start.
fn file(bytes: &[u8]) -> (tempfile::NamedTempFile, File) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let open = File::open(file.path()).unwrap();
    (file, open)
}

#[test]
fn no_name_drives_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("evil\x1b[2J\n.snap");
    fs::write(&path, HOSTILE).unwrap();
    let missing = directory.path().join("\x1b[2Jgone");
    for line in READING {
        for path in [&path, &missing] {
            if line.starts_with("follow") && path == &missing {
                continue;
            }
            let said = on_terminal(command(line, path).env("NO_COLOR", "1"), 80);
            let obeyed = said.replace("\r\n", "\n");
            let raw = obeyed.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(raw, None, "{line}: {said:?}");
            let coloured = on_terminal(&mut command(line, path), 80);
            assert_eq!(without_colours(&coloured), said, "{line}");
            assert!(!coloured.contains("\x1b[31m\u{9b}"), "{line}: {coloured:?}");
        }
    }
}

/// Without the colours that the tool itself uses.
fn without_colours(text: &str) -> String {
    let ours = ["0", "1", "31", "32", "33", "36"];
    ours.iter().fold(text.to_owned(), |text, code| text.replace(&format!("\x1b[{code}m"), ""))
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let path = common::corpus("42-torn-alive-line-glued-by-real-serf.snap");
    for line in ["inspect FILE", "check FILE", "dump FILE", "history FILE", "diff FILE /dev/null"] {
        assert!(on_terminal(&mut command(line, &path), 80).contains("\x1b["), "{line}");
        let plain = on_terminal(command(line, &path).env("NO_COLOR", "1"), 80);
        assert!(!plain.contains('\x1b'), "{line}: {plain:?}");
        let dumb = on_terminal(command(line, &path).env("CLICOLOR", "0"), 80);
        assert!(!dumb.contains('\x1b'), "{line}: {dumb:?}");
    }
}

/// Long names of wide letters, long host names, moves, damage.
fn long() -> String {
    let host = format!("{}.example", "h".repeat(200));
    let names = ["n".repeat(300), "\u{4e2d}".repeat(150), "short".to_owned()];
    let nodes = names.iter().enumerate().map(|(at, name)| {
        format!(
            "alive: {name} {host}:{at}1\nalive: {name} 127.0.63.9:{at}2\nnot-alive: {name}\n\
             #@failed: {name} {host}:1 1763867000000\nalive: {name}{at} {host}:{at}1\nalive: {name} x\n"
        )
    });
    let end = format!("{}\nevent-clock: {}\nclock: 3\n", "no record ".repeat(30), u64::MAX);
    nodes.collect::<String>() + &end
}

#[test]
fn rows_fit_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("long.snap");
    fs::write(&path, long()).unwrap();
    let whole = directory.path().join("whole.snap");
    let lines = long();
    let lines = lines.lines().filter(|line| {
        !line.ends_with(" x") && !line.contains("record") && !line.starts_with("event")
    });
    fs::write(&whole, lines.fold(String::new(), |file, line| file + line + "\n")).unwrap();
    let tables = READING.iter().filter(|line| {
        // They print no table, or refuse what is damaged.
        let words = ["--format", "export", "man", "compact", "fleet", "check", "FILE FILE"];
        let more = ["prune --port", "readdress", "set-clock", "report"];
        words.iter().chain(&more).all(|word| !line.contains(word))
    });
    for line in tables {
        for columns in [80, 100, 200] {
            let path =
                if line.starts_with("prune") || *line == "revive FILE" { &whole } else { &path };
            let said = on_terminal(command(line, path).env("NO_COLOR", "1"), columns);
            let rows: Vec<_> = said.lines().filter(|row| row.starts_with("  ")).collect();
            assert!(!rows.is_empty(), "{line}: {said}");
            for row in rows {
                assert!(row.width() <= columns.into(), "{line} in {columns}: {row}");
            }
        }
    }
}
