//! The page: its fences by test, and what is replaced in an output before it is compared.

use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

const FENCE: &str = "```console ";

/// Each digit of a time becomes the letter of its unit.
const TIMES: [&str; 3] = ["YYYY-MM-DDThh:mm:ssZ", "YYYY/MM/DD hh:mm:ss", "YYYYMMDDThhmmssZ"];

/// What is between the words becomes the name, if it is a number.
const NUMBERS: [(&str, &str, &str); 2] = [("process ", "PID", " ("), ("connected in ", "N", " ms")];

/// How a history begins, which goes on to an empty line: the column of the lines' numbers.
const HISTORY: &str = "    LINE";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md")
}

fn read() -> String {
    fs::read_to_string(path()).unwrap()
}

/// What stands in the fences of a test, in their order.
pub(crate) fn blocks(test: &str) -> Vec<String> {
    let page = read();
    ranges(&page, test).into_iter().map(|range| page[range].to_owned()).collect()
}

/// Whether an output that differs is to be written into the page.
pub(crate) fn updates() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// Compares what was played with the page, or writes it there.
#[track_caller]
pub(crate) fn settle(test: &str, played: &[String]) {
    // Tests in other processes write there too.
    let lock = File::open(path()).unwrap();
    lock.lock().unwrap();
    let mut page = read();
    let ranges = ranges(&page, test);
    assert_eq!(ranges.len(), played.len(), "{test}: fences of the page and those that were played");
    // From the last to the first, so that the places of the others stay.
    for (range, played) in ranges.into_iter().zip(played).rev() {
        if updates() {
            page.replace_range(range, played);
        }
    }
    if updates() {
        fs::write(path(), page).unwrap();
    }
}

fn ranges(page: &str, test: &str) -> Vec<Range<usize>> {
    let begin = format!("{FENCE}{test}\n");
    let fences = page.match_indices(&begin).map(|(at, _)| at + begin.len());
    fences.map(|from| from..from + page[from..].find("```").expect("the fence ends")).collect()
}

/// The output as the page shows it.
pub(crate) fn shown(output: &str) -> String {
    let mut text = String::new();
    let mut history = false;
    for line in output.lines() {
        let line = line.trim_end();
        history = line.starts_with(HISTORY) || (history && !line.is_empty());
        text += &without_times(&if history { without_number(line) } else { line.to_owned() });
        text.push('\n');
    }
    for (before, name, after) in NUMBERS {
        let mut from = 0;
        while let Some(at) = text[from..].find(before).map(|at| from + at + before.len()) {
            let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
            if digits > 0 && text[at + digits..].starts_with(after) {
                text.replace_range(at..at + digits, name);
            }
            from = at;
        }
    }
    text
}

/// Between the nodes of a file stand clocks, which Serf samples twice a second: so nodes do not always have the same
/// lines.
fn without_number(line: &str) -> String {
    match line.split_at_checked(HISTORY.len()) {
        Some((number, rest)) if number.trim_start().bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{:>1$}{rest}", "N", HISTORY.len())
        }
        _ => line.to_owned(),
    }
}

fn without_times(line: &str) -> String {
    let mut line = line.to_owned();
    for shape in TIMES {
        let mut from = 0;
        while let Some(window) = line.get(from..).filter(|rest| rest.len() >= shape.len()) {
            let fits = window.bytes().zip(shape.bytes()).all(|(found, shape)| {
                if b"YMDhms".contains(&shape) { found.is_ascii_digit() } else { found == shape }
            });
            let step = window.chars().next().map_or(1, char::len_utf8);
            if fits {
                line.replace_range(from..from + shape.len(), shape);
            }
            from += step;
        }
    }
    line
}

#[test]
fn only_what_differs_from_run_to_run_is_replaced() {
    let check = |output, expect| assert_eq!(shown(output), expect);
    check("a  \nb", "a\nb\n");
    check("é 2025-11-23T03:03:20Z 12:00", "é YYYY-MM-DDThh:mm:ssZ 12:00\n");
    check(
        "2025/11/23 03:03:20 x.bak-20251123T030320Z",
        "YYYY/MM/DD hh:mm:ss x.bak-YYYYMMDDThhmmssZ\n",
    );
    check(
        "    LINE  TIME\n      12  12\n\n      12  12",
        "    LINE  TIME\n       N  12\n\n      12  12\n",
    );
    check("connected in 3 ms", "connected in N ms\n");
    check("process 17 (serf), process x, 17", "process PID (serf), process x, 17\n");
}

#[test]
fn every_command_of_the_page_belongs_to_a_test_that_runs_it() {
    const TESTS: [&str; 4] = [
        include_str!("clusters.rs"),
        include_str!("damage.rs"),
        include_str!("files.rs"),
        include_str!("strangers.rs"),
    ];
    let page = read();
    let (mut inside, mut seen) = (false, 0);
    for line in page.lines() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        inside = !inside;
        if !inside {
            continue;
        }
        let Some(test) = kind.strip_prefix("console ") else {
            assert_eq!(kind, "text", "a fence is of a test, or shows no command");
            continue;
        };
        seen += 1;
        let runs = format!("fn {test}() {{");
        let begins = format!("\"{test}\"");
        let holds = |file: &str| file.contains(&runs) && file.contains(&begins);
        assert!(TESTS.iter().any(|file| holds(file)), "no test runs the fences of {test}");
        assert!(page.contains(&format!("`{test}`")), "its entry does not name {test}");
    }
    assert!(seen > 0);
}
