//! Rules about Cargo.toml files.

use super::{File, Finding, Tree};

const FORMAT: &str = "snapshot-format";
const ENGINE: &str = "snapshot-engine";
const IO: &str = "snapshot-io";
const MODEL: &str = "snapshot-model";

/// Each of our crates with those of ours it may build on.
///
/// For tests a crate may use itself with more features and the oracle as well.
const LAYERS: &[(&str, &[&str])] = &[
    (FORMAT, &[]),
    (ENGINE, &[FORMAT]),
    (IO, &[FORMAT, ENGINE]),
    // The oracle is worth something only as long as it shares no line with what it judges.
    (MODEL, &[]),
    ("serfsnap", &[FORMAT, ENGINE, IO]),
    ("snapshot-agent", &[FORMAT, ENGINE, IO]),
    ("serfsnap-fuzz", &[FORMAT, ENGINE, IO, MODEL]),
    ("snapshot-interop", &[FORMAT, ENGINE, IO]),
    ("xtask", &[FORMAT, ENGINE, IO, MODEL, "serfsnap-fuzz"]),
];

/// One `name = …` in a table of dependencies.
struct Dependency<'a> {
    line: usize,
    name: &'a str,
    value: &'a str,
    /// Whether a comment stands above or on the line.
    has_reason: bool,
    only_for_tests: bool,
}

/// Every dependency on someone else's crate says what it is for.
pub(super) fn reasons(tree: &Tree) -> Vec<Finding> {
    each_dependency(tree, |file, dependency| {
        let speaks_for_itself = is_ours(dependency.name) || dependency.has_reason;
        (!speaks_for_itself).then(|| {
            let message = format!("`{}` lacks a comment with its reason", dependency.name);
            file.finding(dependency.line, message)
        })
    })
}

/// Versions and lints have one home, the workspace's tables.
pub(super) fn shared_tables(tree: &Tree) -> Vec<Finding> {
    let mut findings = each_dependency(tree, |file, dependency| {
        let is_itself = package_name(file) == Some(dependency.name);
        let is_shared = dependency.value.replace(' ', "").contains("workspace=true");
        (!is_itself && !is_shared).then(|| {
            let message = format!("`{}` does not come from the workspace's table", dependency.name);
            file.finding(dependency.line, message)
        })
    });
    for file in packages(tree) {
        if !file.text.contains("\n[lints]\nworkspace = true\n") {
            findings.push(file.finding(0, "the workspace's lints are not taken over"));
        }
    }
    findings
}

/// Our crates depend on each other in one direction only.
pub(super) fn direction(tree: &Tree) -> Vec<Finding> {
    let unplaced = packages(tree).filter(|file| layer(file).is_none()).map(|file| {
        file.finding(0, "the crate has no place in the layers, see xtask/src/tidy/manifests.rs")
    });
    unplaced
        .chain(each_dependency(tree, |file, dependency| {
            let name = dependency.name;
            let (owner, below) = layer(file)?;
            let may = below.contains(&name)
                || (dependency.only_for_tests && (name == MODEL || name == owner))
                || (!is_ours(name) && (owner != MODEL || dependency.only_for_tests));
            (!may).then(|| {
                file.finding(dependency.line, format!("`{owner}` must not depend on `{name}`"))
            })
        }))
        .collect()
}

fn is_ours(name: &str) -> bool {
    LAYERS.iter().any(|&(ours, _)| ours == name)
}

fn layer(file: &File) -> Option<(&'static str, &'static [&'static str])> {
    let name = package_name(file)?;
    LAYERS.iter().find(|&&(ours, _)| ours == name).copied()
}

fn package_name(file: &File) -> Option<&str> {
    let (_, package) = file.text.split_once("[package]")?;
    let name = package.lines().find_map(|line| line.strip_prefix("name = "))?;
    Some(name.trim_matches('"'))
}

/// The manifests that describe a package, but for one that is a workspace of its own: nothing of ours is built with it.
fn packages(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| {
        file.path.rsplit('/').next() == Some("Cargo.toml")
            && package_name(file).is_some()
            && !file.text.contains("\n[workspace]\n")
    })
}

fn each_dependency(
    tree: &Tree,
    judge: impl Fn(&File, &Dependency<'_>) -> Option<Finding>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in packages(tree) {
        findings.extend(dependencies(file).iter().filter_map(|found| judge(file, found)));
    }
    findings
}

/// The dependencies of a manifest: one a line, so no more of TOML needs to be understood.
///
/// A table of its own for one dependency, `[dependencies.name]`, counts as a line.
fn dependencies(file: &File) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut table = "";
    let mut above = "";
    // A value of several lines ends with the bracket that closes it.
    let mut inside_value = false;
    for (line, text) in file.lines() {
        let text = text.trim();
        let has_reason = above.starts_with('#') || text.contains(" #");
        let only_for_tests = table.contains("dev-dependencies");
        if inside_value {
            inside_value = !text.starts_with([']', '}']);
        } else if text.starts_with('[') {
            table = text.trim_matches(['[', ']']);
            if let Some((_, name)) = table.split_once("dependencies.") {
                let only_for_tests = table.contains("dev-dependencies");
                found.push(Dependency { line, name, value: "", has_reason, only_for_tests });
            }
        } else if let Some((key, value)) = text.split_once('=').filter(|_| !text.starts_with('#')) {
            inside_value = value.trim_end().ends_with(['[', '{']);
            if table.ends_with("dependencies") {
                // `name.workspace = true` is short for `name = { workspace = true }`.
                let (name, key) = key.trim().split_once('.').unwrap_or((key.trim(), ""));
                let value = if key.is_empty() { value } else { &text[name.len() + 1..] };
                found.push(Dependency { line, name, value, has_reason, only_for_tests });
            }
        }
        above = text;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::{direction, reasons, shared_tables};

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n\n[lints]\nworkspace = true\n\n{rest}")
    }

    #[test]
    fn dependencies_without_a_reason_are_found() {
        let text = manifest(
            "snapshot-io",
            "[features]\na = []\nb = [\n    \"c\",\n]\n\n[dependencies]\n# Why.\n\
             nom.workspace = true\nsnapshot-format.workspace = true\n\n\
             libc.workspace = true\nrand = { workspace = true } # Why.\n\n\
             [target.'cfg(unix)'.dev-dependencies]\nproptest.workspace = true\n\n\
             [dependencies.memchr]\nworkspace = true\n",
        );
        let expect = [
            ("a/Cargo.toml:18", "`libc`"),
            ("a/Cargo.toml:22", "`proptest`"),
            ("a/Cargo.toml:24", "`memchr`"),
        ];
        check(reasons, &[("a/Cargo.toml", &text)], &expect);
        let shared = "[workspace]\n\n[workspace.dependencies]\nnom = \"8\"\n";
        check(reasons, &[("Cargo.toml", shared)], &[]);
    }

    #[test]
    fn versions_and_lints_of_ones_own_are_found() {
        let text = manifest(
            "snapshot-io",
            "[dependencies]\nnom = \"8\"\nlibc = { workspace = true }\nrand.workspace = true\n\n\
             [dev-dependencies]\nsnapshot-io = { path = \".\" }\n",
        );
        check(shared_tables, &[("a/Cargo.toml", &text)], &[("a/Cargo.toml:8", "`nom`")]);
        let apart = "[package]\nname = \"a\"\n\n[workspace]\n\n[dependencies]\nserf = \"1\"\n";
        check(shared_tables, &[("a/Cargo.toml", apart)], &[]);
        let own_lints = "[package]\nname = \"a\"\n";
        check(shared_tables, &[("a/Cargo.toml", own_lints)], &[("a/Cargo.toml", "lints")]);
    }

    fn check_one(name: &str, rest: &str, expect: &[(&str, &str)]) {
        check(direction, &[("Cargo.toml", &manifest(name, rest))], expect);
    }

    #[test]
    fn dependencies_that_point_upwards_are_found() {
        let io = "[dependencies]\nsnapshot-engine.workspace = true\nlibc.workspace = true\n\
                  [dev-dependencies]\nsnapshot-io = { path = \".\" }\nsnapshot-model.workspace = true\n";
        check_one("snapshot-io", io, &[]);
        let place = "Cargo.toml:8";
        let normal = |name| format!("[dependencies]\n{name}.workspace = true\n");
        let dev = |name| format!("[dev-dependencies]\n{name}.workspace = true\n");
        check_one("snapshot-format", &normal("snapshot-engine"), &[(place, "must not")]);
        check_one("snapshot-engine", &dev("snapshot-io"), &[(place, "must not")]);
        check_one("snapshot-engine", &normal("snapshot-model"), &[(place, "must not")]);
        check_one("snapshot-model", &normal("nom"), &[(place, "must not")]);
        check_one("snapshot-model", &dev("nom"), &[]);
        check_one("serfsnap", &normal("snapshot-agent"), &[(place, "must not")]);
        check_one("snapshot-new", "", &[("Cargo.toml", "no place")]);
    }
}
