//! What is odd about the files of a fleet, each taken for itself or beside the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::fleet::owners::Owner;
use crate::fleet::paths::Sources;
use crate::show::{count, shown, shown_path};

/// Something odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
    pub(crate) node: Option<Vec<u8>>,
    /// A sentence; what comes from a file is escaped in it.
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Unreadable,
    InterruptedCompaction,
    Damaged,
    SameName,
    SameAddress,
    NoAddress,
    OtherCluster,
    TwoNetworks,
    Left,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::InterruptedCompaction => "interrupted-compaction",
            Self::Damaged => "damaged",
            Self::SameName => "same-name",
            Self::SameAddress => "same-address",
            Self::NoAddress => "no-address",
            Self::OtherCluster => "other-cluster",
            Self::TwoNetworks => "two-networks",
            Self::Left => "left",
        }
    }
}

impl Finding {
    pub(crate) fn new(kind: Kind, path: &Path, node: Option<Vec<u8>>, text: String) -> Self {
        Self { kind, path: path.to_owned(), node, text }
    }
}

/// What the paths themselves tell.
pub(crate) fn of_paths(sources: &Sources) -> Vec<Finding> {
    let unreadable = sources
        .unreadable
        .iter()
        .map(|(path, why)| Finding::new(Kind::Unreadable, path, None, why.clone()));
    let orphans = sources.orphans.iter().map(|path| {
        let owner = shown_path(path.with_extension("").as_os_str());
        let text = format!(
            "a compaction of Serf was interrupted, and {owner} is gone; this is complete: with the agent stopped, \
             move it to {owner}"
        );
        Finding::new(Kind::InterruptedCompaction, path, None, text)
    });
    unreadable.chain(orphans).collect()
}

/// What the agents tell beside each other.
pub(crate) fn of_owners(owners: &[Owner]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut by_addr: BTreeMap<&[u8], Vec<&Owner>> = BTreeMap::new();
    let mut by_cluster: BTreeMap<&[u8], Vec<&Owner>> = BTreeMap::new();
    for owner in owners {
        if let Some(addr) = &owner.addr {
            by_addr.entry(addr).or_default().push(owner);
        }
        if let Some(cluster) = &owner.cluster {
            by_cluster.entry(cluster).or_default().push(owner);
        }
    }
    for (addr, same) in by_addr.into_iter().filter(|(_, same)| same.len() > 1) {
        let (agents, addr) = (count(same.len() as u64, "agent"), shown(addr));
        let names = names(&same);
        let text = format!("{agents} are at {addr} by their own files: {names}; only one can be");
        findings.push(of(same[0], Kind::SameAddress, text));
    }
    if by_cluster.len() > 1 {
        for (cluster, same) in by_cluster {
            let (files, names) = (count(same.len() as u64, "file"), names(&same));
            let text = format!("{files} of cluster {}, beside others: {names}", shown(cluster));
            findings.push(of(same[0], Kind::OtherCluster, text));
        }
    }
    let lan = |owner: &&Owner| owner.path.file_name().is_some_and(|name| name == "local.snapshot");
    let wan = |owner: &&Owner| owner.path.file_name().is_some_and(|name| name == "remote.snapshot");
    if owners.iter().any(|owner| lan(&owner))
        && let Some(first) = owners.iter().find(wan)
    {
        let text = "local.snapshot is Consul's LAN and remote.snapshot its WAN, two clusters: look at each alone, \
                    as with */serf/local.snapshot";
        findings.push(of(first, Kind::TwoNetworks, text.to_owned()));
    }
    findings
}

fn of(owner: &Owner, kind: Kind, text: String) -> Finding {
    Finding::new(kind, &owner.path, Some(owner.name.clone()), text)
}

/// The first names, and how many more.
fn names(owners: &[&Owner]) -> String {
    const FIRST: usize = 5;
    let mut names: Vec<_> = owners.iter().take(FIRST).map(|owner| shown(&owner.name)).collect();
    if owners.len() > FIRST {
        names.push(format!("{} more", owners.len() - FIRST));
    }
    names.join(", ")
}
