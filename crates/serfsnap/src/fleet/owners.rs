//! Whose the files are, and where each of these agents is.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use snapshot_engine::{Clocks, Report, Verdict};

use crate::failure::Failure;
use crate::fleet::findings::{Finding, Kind};
use crate::fleet::ids::Ids;
use crate::fleet::naming::{self, By};
use crate::fleet::nodes::Nodes;
use crate::fleet::paths::Source;
use crate::fleet::read::Facts;
use crate::show::{count, shown};

/// An agent, by its file.
pub(crate) struct Owner {
    /// What it is called here; two files of one node are told apart by their paths.
    pub(crate) name: Vec<u8>,
    /// What it is called in the cluster.
    pub(crate) node: Vec<u8>,
    pub(crate) by: By,
    pub(crate) path: PathBuf,
    /// Where it is: as its own file says, else as most others do.
    pub(crate) addr: Option<Vec<u8>>,
    /// The nodes that it would try; one of them may be itself.
    pub(crate) alive: Ids,
    pub(crate) failed: Ids,
    pub(crate) clocks: Clocks,
    pub(crate) verdict: Verdict,
    pub(crate) head: Box<[u8]>,
    pub(crate) is_regular: bool,
    /// The text of its #@cluster line.
    pub(crate) cluster: Option<Box<[u8]>>,
}

/// The owners of the files that could be read, by name.
pub(crate) fn owners(
    sources: &[Source],
    files: Vec<Option<Result<Facts, Failure>>>,
    nodes: &Nodes,
    findings: &mut Vec<Finding>,
) -> Vec<Owner> {
    let known = known(sources, nodes);
    let mut owners = Vec::new();
    for (source, facts) in sources.iter().zip(files) {
        match facts {
            None => {}
            Some(Err(failure)) => {
                findings.push(Finding::new(
                    Kind::Unreadable,
                    &source.path,
                    None,
                    failure.to_string(),
                ));
            }
            Some(Ok(facts)) => owners.push(owner(source, facts, &known, findings)),
        }
    }
    owners.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    tell_apart(&mut owners, findings);
    let counts = counts(&owners, nodes);
    for owner in &mut owners {
        if owner.addr.is_none() {
            owner.addr = elsewhere(&owner.node, nodes, &counts);
        }
        if owner.addr.is_none() {
            let why = format!(
                "no file says where {} is, so nobody is seen to know it; if that is not the name of the node, say \
                 NODE={}",
                shown(&owner.node),
                crate::show::shown_path(owner.path.as_os_str())
            );
            let name = Some(owner.name.clone());
            findings.push(Finding::new(Kind::NoAddress, &owner.path, name, why));
        }
    }
    owners
}

fn owner(
    source: &Source,
    facts: Facts,
    known: &HashSet<&[u8]>,
    findings: &mut Vec<Finding>,
) -> Owner {
    let (mut name, mut by, mut addr) = (facts.name, facts.by, facts.addr);
    // Others may know a component of the path that the file itself does not.
    if by > By::Path
        && let Some(other) = naming::components(&source.path).find(|name| known.contains(name))
    {
        (name, by, addr) = (other.to_vec(), By::Path, None);
    }
    if let Some(text) = damage(&facts.report) {
        findings.push(Finding::new(Kind::Damaged, &source.path, Some(name.clone()), text));
    }
    if let Some(line) = facts.left_at {
        let text = format!("left at line {line}: tries nobody unless rejoin_after_leave");
        findings.push(Finding::new(Kind::Left, &source.path, Some(name.clone()), text));
    }
    Owner {
        node: name.clone(),
        name,
        by,
        addr,
        path: source.path.clone(),
        alive: facts.alive,
        failed: facts.failed,
        clocks: facts.clocks,
        verdict: facts.report.verdict(),
        head: facts.head,
        is_regular: facts.is_regular,
        cluster: facts.report.identity.cluster,
    }
}

fn damage(report: &Report) -> Option<String> {
    let first = report.findings.first()?;
    let (line, kind) = (first.line, first.kind);
    let total = count(report.findings_total, "finding");
    Some(format!("{total}, the first in line {line}: {kind}; `serfsnap inspect` tells the rest"))
}

/// Of the words that the paths are made of, those that name a node.
fn known<'a>(sources: &'a [Source], nodes: &Nodes) -> HashSet<&'a [u8]> {
    let mut words: HashMap<&[u8], bool> = HashMap::new();
    let all = sources.iter().flat_map(|source| naming::components(&source.path));
    words.extend(all.map(|word| (word, false)));
    for number in 0..nodes.len() {
        if let Some(is_known) = words.get_mut(nodes.name(number)) {
            *is_known = true;
        }
    }
    words.into_iter().filter_map(|(word, is_known)| is_known.then_some(word)).collect()
}

/// Two files of one name are two agents until somebody says otherwise.
fn tell_apart(owners: &mut [Owner], findings: &mut Vec<Finding>) {
    for same in owners.chunk_by_mut(|a, b| a.name == b.name) {
        if same.len() < 2 {
            continue;
        }
        let (files, name) = (count(same.len() as u64, "file"), shown(&same[0].name));
        let text = format!(
            "{files} are of a node {name}; leave out the old ones, or say NODE=PATH whose each is"
        );
        let named = Some(same[0].name.clone());
        findings.push(Finding::new(Kind::SameName, &same[0].path, named, text));
        let file_names: HashSet<_> = same.iter().map(|owner| owner.path.file_name()).collect();
        let by_file_name = file_names.len() == same.len();
        for owner in same {
            let whole = owner.path.as_os_str();
            let told = owner.path.file_name().filter(|_| by_file_name).unwrap_or(whole);
            owner.name = [&owner.node, b" (".as_slice(), told.as_encoded_bytes(), b")"].concat();
        }
    }
}

/// How many files have each node alive.
fn counts(owners: &[Owner], nodes: &Nodes) -> Vec<u32> {
    let mut counts = vec![0; nodes.len()];
    for owner in owners {
        owner.alive.iter().for_each(|number| counts[number] += 1);
    }
    counts
}

/// Where most files have a node; of two that are as common the first.
fn elsewhere(name: &[u8], nodes: &Nodes, counts: &[u32]) -> Option<Vec<u8>> {
    let same = (0..nodes.len()).filter(|number| nodes.name(*number) == name);
    let best =
        same.max_by_key(|number| (counts[*number], std::cmp::Reverse(nodes.addr(*number))))?;
    Some(nodes.addr(best).to_vec())
}

/// Files that begin with the same bytes: images of one disk.
pub(crate) fn clones(owners: &[Owner]) -> Vec<Vec<usize>> {
    let mut by_head: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (at, owner) in owners.iter().enumerate().filter(|(_, owner)| !owner.head.is_empty()) {
        by_head.entry(&owner.head).or_default().push(at);
    }
    let mut clones: Vec<_> = by_head.into_values().filter(|same| same.len() > 1).collect();
    clones.sort_unstable();
    clones
}
