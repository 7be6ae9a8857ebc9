//! Every rule on the real tree, and what the rules' own tests share.

use super::{File, Finding, RULES, Tree, invariants, manifests, root, sources};

/// Runs one rule on a made-up tree; `expect` holds a `path:line` and a part of the message each.
pub(super) fn check(
    rule: fn(&Tree) -> Vec<Finding>,
    files: &[(&str, &str)],
    expect: &[(&str, &str)],
) {
    let file = |&(path, text): &(&str, &str)| File { path: path.to_owned(), text: text.to_owned() };
    let tree = Tree { files: files.iter().map(file).collect() };
    let found: Vec<String> = rule(&tree).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (found, (place, message)) in found.iter().zip(expect) {
        let begins = format!("{place}: ");
        assert!(found.starts_with(&begins) && found.contains(message), "{found:?}: {message:?}");
    }
}

/// Runs rules on the real tree.
fn holds(rules: &[fn(&Tree) -> Vec<Finding>]) {
    if !root().join(".git").exists() {
        eprintln!("skipped: this is no git work tree, so what belongs to the project is unknown");
        return;
    }
    let tree = Tree::read().unwrap();
    let findings: Vec<String> =
        rules.iter().flat_map(|rule| rule(&tree)).map(|finding| finding.to_string()).collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn the_tree_is_tidy() {
    holds(RULES);
}

#[test]
fn dependencies_point_downwards() {
    holds(&[manifests::direction]);
}

#[test]
fn the_core_needs_no_std() {
    holds(&[sources::no_std_in_the_core]);
}

#[test]
fn unsafe_code_is_forbidden() {
    holds(&[sources::no_unsafe_code, manifests::shared_tables]);
}

#[test]
fn the_file_system_has_one_door() {
    holds(&[sources::one_door]);
}

#[test]
fn the_oracle_is_small() {
    holds(&[sources::small_oracle]);
}

#[test]
fn every_invariant_names_what_holds_it() {
    holds(&[invariants::held]);
}
