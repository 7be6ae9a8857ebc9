//! Rules about every text file.

use super::{Finding, Tree};

/// Where files lie that others wrote: they are kept as they were found.
const DATA: &[&str] = &["corpus/", "/tests/data/"];

/// What only means something on one machine. The pieces are joined here, or this list would be
/// the first to break its rule.
const PLACE_NAMES: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("deb.", "debian.org"),
    concat!("files.", "pythonhosted.org"),
    concat!("index.", "crates.io"),
    concat!("pypi.", "org"),
    concat!("registry.", "npmjs.org"),
    concat!("static.", "crates.io"),
];

/// The project must build anywhere: no absolute path of somebody's machine, no mirror's host.
pub(super) fn no_place_names(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        if DATA.iter().any(|data| file.path.contains(data)) {
            continue;
        }
        for (number, line) in file.lines() {
            for name in PLACE_NAMES {
                if line.match_indices(name).any(|(start, _)| stands_alone(&line[..start])) {
                    findings
                        .push(file.finding(number, format!("`{name}` names one machine's place")));
                }
            }
        }
    }
    findings
}

/// Whether what follows is not the tail of a longer path or name.
fn stands_alone(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || "_-.})~*".contains(c))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::{PLACE_NAMES, no_place_names};

    #[test]
    fn place_names_are_found() {
        for name in PLACE_NAMES {
            let line = format!("\nsee \"{name}x\"\n");
            check(no_place_names, &[("a.yml", &line)], &[("a.yml:2", name)]);
            let longer = format!("~/frame{name}x");
            check(no_place_names, &[("a.md", &longer), ("fuzz/corpus/a", &line)], &[]);
        }
    }
}
