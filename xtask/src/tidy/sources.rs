//! Rules about Rust files.

use super::scan::Code;
use super::{File, Finding, Tree};

/// A reader can hold about this much of a module in mind.
const FILE_LINES: usize = 300;
/// Cases are flat and read one at a time, so a file of tests may be longer.
const TEST_FILE_LINES: usize = 600;
/// More tests than this bury the code above them; they get their own file.
const INNER_TEST_LINES: usize = 150;
/// A function longer than a screen has a part that deserves a name.
const FUNCTION_LINES: usize = 70;
/// What judges the other crates has to be believed by reading it.
const ORACLE_LINES: usize = 160;

/// The crates that bring no clock, file, thread or channel.
const CORE: [&str; 2] = ["crates/snapshot-format/src/", "crates/snapshot-engine/src/"];

/// The roots of the libraries that others embed.
const FRONT_PAGES: [&str; 3] = [
    "crates/snapshot-format/src/lib.rs",
    "crates/snapshot-engine/src/lib.rs",
    "crates/snapshot-io/src/lib.rs",
];

/// The files that may sleep: elsewhere a sleep hides a race.
const SLEEPERS: &[&str] = &[
    // A file that is torn is read again after 50 ms: its writer gets that long to end the line.
    "crates/serfsnap/src/check.rs",
    // Between two looks at a condition of another process, of which nothing can be waited for.
    "crates/serfsnap/tests/common/mod.rs",
    // It shows what a file holds after a silence.
    "xtask/src/tour.rs",
];

/// Files, the tests within them and functions stay short; only lines with code count.
pub(super) fn lengths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_extension("rs") {
        let code = Code::new(&file.text);
        let all = code.code_lines(0..code.text().len());
        let (lines, limit) = if is_test_file(&file.path) {
            (all, TEST_FILE_LINES)
        } else {
            let tests = code.test_lines();
            if tests > INNER_TEST_LINES {
                let message = format!("{tests} lines of tests, more than {INNER_TEST_LINES}");
                findings.push(file.finding(0, message + ": give them their own file"));
            }
            (all - tests, FILE_LINES)
        };
        if lines > limit {
            findings.push(file.finding(0, format!("{lines} lines of code, more than {limit}")));
        }
        findings.extend(code.functions().filter_map(|function| {
            let lines = code.code_lines(function.span.clone());
            let line = code.line_of(function.span.start);
            let message = format!(
                "`{}` has {lines} lines of code, more than {FUNCTION_LINES}",
                function.name
            );
            (lines > FUNCTION_LINES).then(|| file.finding(line, message))
        }));
    }
    findings
}

/// A test that is not run proves nothing and looks as if it did.
pub(super) fn no_ignored_tests(tree: &Tree) -> Vec<Finding> {
    search(tree.with_extension("rs"), "#[ignore", |_, _| true, "an ignored test")
}

/// `expect` speaks up when its reason is gone, `allow` stays for ever.
///
/// Files of tests are left to clippy, which asks for a reason: a module that several of them share
/// is compiled into each, and what one leaves unused another uses, so no expectation fits all.
pub(super) fn no_allowing(tree: &Tree) -> Vec<Finding> {
    let files = tree.with_extension("rs").filter(|file| !is_test_file(&file.path));
    search(files, "[allow(", |_, _| true, "an `allow`: write `expect` and the reason")
}

/// The root of a library is its front page: prose, modules and what they show of themselves.
pub(super) fn front_pages(tree: &Tree) -> Vec<Finding> {
    let roots: Vec<&File> = tree
        .with_extension("rs")
        .filter(|file| FRONT_PAGES.contains(&file.path.as_str()))
        .collect();
    let outside_tests = |code: &Code, offset| !code.is_test(offset);
    ["fn ", "struct ", "enum ", "trait ", "impl ", "impl<"]
        .iter()
        .flat_map(|item| {
            let message = format!("`{}` on the front page: give it a module", item.trim_end());
            search(roots.iter().copied(), item, outside_tests, &message)
        })
        .collect()
}

/// A sleep is no synchronisation.
pub(super) fn no_sleeping(tree: &Tree) -> Vec<Finding> {
    let files = tree.with_extension("rs").filter(|file| !SLEEPERS.contains(&file.path.as_str()));
    search(files, "thread::sleep", |_, _| true, "a sleep: wait for what it waits for")
}

/// The lint table forbids unsafe code as well; this line holds where a manifest forgets the table.
pub(super) fn no_unsafe_code(tree: &Tree) -> Vec<Finding> {
    const LINE: &str = "#![forbid(unsafe_code)]";
    let is_root =
        |file: &&File| ["src/lib.rs", "src/main.rs"].iter().any(|root| file.path.ends_with(root));
    tree.with_extension("rs")
        .filter(is_root)
        .filter(|file| lacks_all(file, &[LINE]))
        .map(|file| file.finding(0, format!("the crate root lacks `{LINE}`")))
        .collect()
}

/// The core is `no_std`, and its sources do not get at std by another way.
pub(super) fn no_std_in_the_core(tree: &Tree) -> Vec<Finding> {
    let core = || {
        tree.with_extension("rs").filter(|file| {
            !is_test_file(&file.path) && CORE.iter().any(|root| file.path.starts_with(root))
        })
    };
    let outside_tests = |code: &Code, offset| !code.is_test(offset);
    let mut findings = search(core(), "std::", outside_tests, "std in a `no_std` crate");
    findings.extend(search(core(), "extern crate std", outside_tests, "std in a `no_std` crate"));
    for file in core().filter(|file| file.path.ends_with("/lib.rs")) {
        // The second form lets unit tests use std without a word.
        if lacks_all(file, &["#![no_std]", "#![cfg_attr(not(test), no_std)]"]) {
            findings.push(file.finding(0, "the crate root lacks `#![no_std]`"));
        }
    }
    findings
}

/// What snapshot-io does with files goes through its trait, so that a test can stand in for the disk.
pub(super) fn one_door(tree: &Tree) -> Vec<Finding> {
    const IO: &str = "crates/snapshot-io/src/";
    const DOOR: &str = "crates/snapshot-io/src/os";
    let others = tree.with_extension("rs").filter(|file| {
        file.path.starts_with(IO) && !file.path.starts_with(DOOR) && !is_test_file(&file.path)
    });
    let outside_tests = |code: &Code, offset| !code.is_test(offset);
    search(others, "std::fs", outside_tests, "a way past `Storage` to the file system")
}

/// The oracle stays small enough to be checked by eye.
pub(super) fn small_oracle(tree: &Tree) -> Vec<Finding> {
    const ROOT: &str = "crates/snapshot-model/src/";
    let lines: usize = tree
        .with_extension("rs")
        .filter(|file| file.path.starts_with(ROOT) && !is_test_file(&file.path))
        .map(|file| {
            let code = Code::new(&file.text);
            code.code_lines(0..code.text().len()) - code.test_lines()
        })
        .sum();
    let message = format!("the oracle has {lines} lines of code, more than {ORACLE_LINES}");
    let finding = Finding { path: ROOT.to_owned(), line: 0, message };
    (lines > ORACLE_LINES).then_some(finding).into_iter().collect()
}

/// One finding for each place where the needle stands and counts.
fn search<'a>(
    files: impl Iterator<Item = &'a File>,
    needle: &str,
    counts: impl Fn(&Code, usize) -> bool,
    message: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let code = Code::new(&file.text);
        for offset in code.occurrences(needle).filter(|&offset| counts(&code, offset)) {
            findings.push(file.finding(code.line_of(offset), message));
        }
    }
    findings
}

/// Whether none of these stands in the file's code.
fn lacks_all(file: &File, needles: &[&str]) -> bool {
    let code = Code::new(&file.text);
    !needles.iter().any(|needle| code.text().contains(needle))
}

/// Whether a whole file is for tests: by its folder or by its name.
fn is_test_file(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    folders.split('/').any(|folder| folder == "tests" || folder == "benches")
        || name == "tests.rs"
        || name.ends_with("_tests.rs")
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::one_door;
    use super::{front_pages, is_test_file, no_allowing, small_oracle};
    use super::{lengths, no_ignored_tests, no_sleeping, no_std_in_the_core, no_unsafe_code};

    #[test]
    fn long_files_are_found() {
        let lines = |count| "const A: u8 = 1;\n\n// Why.\n".repeat(count);
        let inner = |count| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", lines(count));
        check(lengths, &[("a.rs", &lines(300)), ("tests/b.rs", &lines(600))], &[]);
        check(lengths, &[("a.rs", &lines(301))], &[("a.rs", "301 lines of code")]);
        check(lengths, &[("src/a/tests.rs", &lines(601))], &[("src/a/tests.rs", "601 lines")]);
        check(lengths, &[("a.rs", &(lines(300) + &inner(147)))], &[]);
        check(lengths, &[("a.rs", &inner(148))], &[("a.rs", "151 lines of tests")]);
    }

    #[test]
    fn long_functions_are_found() {
        let function = |count| format!("\nfn a() {{\n{}}}\n", "    b();\n\n".repeat(count));
        check(lengths, &[("a.rs", &function(68))], &[]);
        check(lengths, &[("a.rs", &function(69))], &[("a.rs:2", "`a` has 71 lines")]);
    }

    #[test]
    fn ignored_tests_and_sleeps_are_found() {
        let ignored = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n// #[ignore]\n";
        check(no_ignored_tests, &[("a.rs", ignored)], &[("a.rs:2", "ignored")]);
        let sleeping = "fn a() {\n    std::thread::sleep(b);\n    \"thread::sleep\";\n}\n";
        check(no_sleeping, &[("a.rs", sleeping)], &[("a.rs:2", "sleep")]);
        check(no_sleeping, &[("xtask/src/tour.rs", sleeping)], &[]);
    }

    #[test]
    fn lints_that_are_allowed_are_found() {
        let text = "#[allow(dead_code)]\n#[expect(dead_code)]\n// #[allow(x)]\n";
        check(no_allowing, &[("a.rs", text)], &[("a.rs:1", "an `allow`")]);
        let inner = "#![allow(dead_code)]\n";
        let files = [("a.rs", inner), ("tests/common/mod.rs", inner)];
        check(no_allowing, &files, &[("a.rs:1", "an `allow`")]);
    }

    #[test]
    fn items_on_a_front_page_are_found() {
        const LIB: &str = "crates/snapshot-io/src/lib.rs";
        let page =
            "//! fn a() {}\nmod a;\npub use a::B;\n#[cfg(test)]\nmod tests {\n    fn a() {}\n}\n";
        check(front_pages, &[(LIB, page), ("xtask/src/main.rs", "fn main() {}\n")], &[]);
        check(
            front_pages,
            &[(LIB, "\npub struct A;\n")],
            &[("crates/snapshot-io/src/lib.rs:2", "`struct`")],
        );
    }

    #[test]
    fn crate_roots_that_allow_unsafe_code_are_found() {
        let forbids = "//! A.\n#![forbid(unsafe_code)]\n";
        check(no_unsafe_code, &[("a/src/lib.rs", forbids), ("a/src/b.rs", "")], &[]);
        let only_says_so = "//! #![forbid(unsafe_code)]\n";
        check(no_unsafe_code, &[("a/src/main.rs", only_says_so)], &[("a/src/main.rs", "lacks")]);
    }

    #[test]
    fn std_in_the_core_is_found() {
        const LIB: &str = "crates/snapshot-format/src/lib.rs";
        const TIME: &str = "crates/snapshot-engine/src/time.rs";
        let tests = "#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        let clean = format!("//! No std::time.\n#![no_std]\nuse nostd::a;\n{tests}");
        check(
            no_std_in_the_core,
            &[(LIB, &clean), ("crates/snapshot-io/src/a.rs", "use std::fs;")],
            &[],
        );
        check(no_std_in_the_core, &[(LIB, "#![cfg_attr(test, no_std)]\n")], &[(LIB, "lacks")]);
        let place = format!("{TIME}:2");
        check(no_std_in_the_core, &[(TIME, "\nuse std::time::Instant;\n")], &[(&place, "std in")]);
        check(no_std_in_the_core, &[(TIME, "\nextern crate std;\n")], &[(&place, "std in")]);
    }

    #[test]
    fn ways_past_the_storage_are_found() {
        const WAY: &str = "use std::fs::File;\n";
        let (disk, os) = ("crates/snapshot-io/src/disk.rs", "crates/snapshot-io/src/os.rs");
        let files = [(disk, WAY), (os, WAY), ("crates/serfsnap/src/input.rs", WAY)];
        check(one_door, &files, &[("crates/snapshot-io/src/disk.rs:1", "past")]);
    }

    #[test]
    fn a_large_oracle_is_found() {
        let lines = |count| "const A: u8 = 1;\n".repeat(count);
        let (a, b) = ("crates/snapshot-model/src/lib.rs", "crates/snapshot-model/src/b.rs");
        check(small_oracle, &[(a, &lines(100)), (b, &lines(60))], &[]);
        check(
            small_oracle,
            &[(a, &lines(100)), (b, &lines(61))],
            &[("crates/snapshot-model/src/", "161")],
        );
    }

    #[test]
    fn files_of_tests_are_told_by_their_path() {
        for path in
            ["tests/a.rs", "crates/a/tests/b/c.rs", "src/a/tests.rs", "src/decoder_tests.rs"]
        {
            assert!(is_test_file(path), "{path}");
        }
        for path in ["src/a.rs", "src/contests.rs", "crates/a/src/latest/b.rs"] {
            assert!(!is_test_file(path), "{path}");
        }
    }
}
