//! The rule that docs/ARCHITECTURE.md promises nothing that is not held, and no page names a test in vain.

use super::scan::Code;
use super::{File, Finding, Tree};
use crate::ci;

const PAGE: &str = "docs/ARCHITECTURE.md";
const PROMISE: &str = "Architecture invariant:";
const HOLDER: &str = "Held by ";

/// Each invariant's paragraph ends with `Held by` and the tests that exist, or steps of CI.
///
/// The other pages need promise nothing in this form, but a test they name exists, too.
pub(super) fn held(tree: &Tree) -> Vec<Finding> {
    if !tree.files.iter().any(|file| file.path == PAGE) {
        return vec![Finding { path: PAGE.to_owned(), line: 0, message: "missing".to_owned() }];
    }
    let tests = test_names(tree);
    let pages = tree.with_extension("md").filter(|file| file.path.starts_with("docs/"));
    pages.flat_map(|page| held_on(page, &tests)).collect()
}

fn held_on(page: &File, tests: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut promise = None;
    // The blank line at the end closes a last paragraph.
    for (number, line) in page.lines().chain([(0, "")]) {
        let ends_paragraph = line.trim().is_empty() || line.contains(PROMISE);
        if let Some(open) = promise.take_if(|_| ends_paragraph) {
            findings.push(page.finding(open, "an invariant that nothing holds"));
        }
        if line.contains(PROMISE) {
            promise = Some(number);
        }
        if let Some((_, holders)) = line.split_once(HOLDER) {
            promise = None;
            // Behind a semicolon the sentence goes on about something else.
            let holders = holders.split(';').next().unwrap_or(holders);
            let names: Vec<&str> = holders.split('`').skip(1).step_by(2).collect();
            if names.is_empty() {
                findings.push(page.finding(number, "`Held by` names nothing"));
            }
            for name in names.iter().filter(|name| !exists(name, tests)) {
                findings.push(page.finding(number, format!("no test is called `{name}`")));
            }
        }
    }
    findings
}

fn exists(name: &str, tests: &[String]) -> bool {
    let step = name.strip_prefix("cargo xtask ci ");
    step.is_some_and(ci::has_step) || tests.iter().any(|test| test == name)
}

/// The functions under a test attribute: `#[test]`, or another crate's that ends in `test]`.
fn test_names(tree: &Tree) -> Vec<String> {
    let mut names = Vec::new();
    for file in tree.with_extension("rs") {
        let code = Code::new(&file.text);
        let mut is_test = false;
        for line in code.text().lines().map(str::trim).filter(|line| !line.is_empty()) {
            if line.starts_with("#[") {
                is_test |= line.ends_with("test]");
                continue;
            }
            let name = line.split_once("fn ").and_then(|(_, name)| name.split(['(', '<']).next());
            names.extend(name.filter(|_| is_test).map(str::to_owned));
            is_test = false;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::{PAGE, held};

    const CODE: (&str, &str) = (
        "a.rs",
        "#[test]\n// Why.\n#[cfg(unix)]\nfn that() {}\n\nfn other() {}\n\n#[tokio::test]\nasync fn those() {}\n",
    );

    fn check_page(page: &str, expect: &[(&str, &str)]) {
        check(held, &[(PAGE, page), CODE], expect);
    }

    #[test]
    fn held_invariants_pass() {
        check_page("**Architecture invariant:** so.\nHeld by `that` and `those`.\n", &[]);
        check_page("Architecture invariant: so.\nMore.\nHeld by `cargo xtask ci deny`.", &[]);
    }

    #[test]
    fn invariants_that_nothing_holds_are_found() {
        let at = |line: usize| format!("{PAGE}:{line}");
        let alone = "Architecture invariant: so.\n";
        check_page(alone, &[(&at(1), "nothing holds")]);
        let late = format!("{alone}\nHeld by `that`.\n");
        check_page(&late, &[(&at(1), "nothing holds")]);
        let two = format!("{alone}{alone}Held by `that`.\n");
        check_page(&two, &[(&at(1), "nothing holds")]);
        let none = format!("{alone}Held by faith.\n");
        check_page(&none, &[(&at(2), "names nothing")]);
        let unknown = format!("{alone}Held by `that`, `other` and `cargo xtask ci pray`.\n");
        check_page(&unknown, &[(&at(2), "`other`"), (&at(2), "`cargo xtask ci pray`")]);
        check(held, &[], &[(PAGE, "missing")]);
    }

    #[test]
    fn tests_that_other_pages_name_exist() {
        let found = "docs/B.md:1";
        let pages = [(PAGE, ""), ("docs/B.md", "Held by `other`; see `this`."), CODE];
        check(held, &pages, &[(found, "`other`")]);
        let outside = [(PAGE, ""), ("B.md", "Held by `other`."), CODE];
        check(held, &outside, &[]);
    }
}
