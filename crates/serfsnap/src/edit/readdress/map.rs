//! What was where, and where it is now.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use ipnet::IpNet;
use snapshot_format::Addr;

use crate::edit::host::{self, Host};

/// One `OLD=NEW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Map {
    Address((Host, u16), (Host, u16)),
    Host(Host, Host),
    Net(IpNet, IpNet),
}

/// All of them, without contradiction.
#[derive(Debug, Default)]
pub(super) struct Moves {
    addresses: HashMap<(Host, u16), (Host, u16)>,
    hosts: HashMap<Host, Host>,
    /// The smallest ones first.
    nets: Vec<(IpNet, IpNet)>,
}

/// One side of a map.
enum Side {
    Address(Host, u16),
    Host(Host),
    Net(IpNet),
}

/// The OLD of a map, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Old(String);

impl fmt::Display for Old {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Map {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (old, new) =
            text.split_once('=').ok_or("OLD=NEW is wanted, such as 10.0.0.1=10.9.0.1")?;
        match (old.parse()?, new.parse()?) {
            (Side::Address(old, from), Side::Address(new, to)) => {
                Ok(Self::Address((old, from), (new, to)))
            }
            (Side::Host(old), Side::Host(new)) => Ok(Self::Host(old, new)),
            (Side::Net(old), Side::Net(new)) => {
                let families = [old, new].map(|net| matches!(net, IpNet::V4(_)));
                if families[0] != families[1] || old.prefix_len() != new.prefix_len() {
                    return Err(format!(
                        "{old} and {new} have no host part in common: networks must be of one family and have prefixes of one length"
                    ));
                }
                Ok(Self::Net(old, new))
            }
            (old, new) => Err(format!(
                "OLD is {} and NEW is {}; both must be host:port, host, or a network",
                old.what(),
                new.what()
            )),
        }
    }
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return host::network(text).map(Self::Net).map_err(|why| format!("{text:?}: {why}"));
        }
        let bare = text.split_once('%').map_or(text, |(ip, _)| ip);
        let is_host =
            bare.parse::<Ipv6Addr>().is_ok() || text.ends_with(']') || !text.contains(':');
        if is_host {
            return Host::new(text).map(Self::Host);
        }
        // What can be dialled is an address; of an IPv6 one without brackets nobody knows where its port begins.
        let addr = Addr::new(text.as_bytes()).ok().and_then(host::split);
        let (host, port) = addr.ok_or_else(|| format!("{text:?} is no address"))?;
        Ok(Self::Address(host, port))
    }
}

impl Side {
    const fn what(&self) -> &'static str {
        match self {
            Self::Address(..) => "host:port",
            Self::Host(_) => "a host",
            Self::Net(_) => "a network",
        }
    }
}

impl Map {
    fn old(&self) -> Old {
        Old(match self {
            Self::Address((host, port), _) => format!("{host}:{port}"),
            Self::Host(host, _) => host.to_string(),
            Self::Net(net, _) => net.to_string(),
        })
    }
}

impl Moves {
    /// Refuses to send one OLD to two places.
    pub(super) fn new(maps: Vec<Map>) -> Result<Self, String> {
        let mut moves = Self::default();
        for map in maps {
            let old = map.old();
            let conflict = match map {
                Map::Address(old, new) => {
                    let before = moves.addresses.insert(old, new.clone());
                    before
                        .filter(|before| *before != new)
                        .map(|before| [before, new].map(|(host, port)| format!("{host}:{port}")))
                }
                Map::Host(old, new) => {
                    let before = moves.hosts.insert(old, new.clone());
                    before
                        .filter(|before| *before != new)
                        .map(|before| [before, new].map(|host| host.to_string()))
                }
                Map::Net(old, new) => {
                    let before =
                        moves.nets.iter().find(|(net, _)| *net == old).map(|(_, new)| *new);
                    if before.is_none() {
                        moves.nets.push((old, new));
                    }
                    before
                        .filter(|before| *before != new)
                        .map(|before| [before, new].map(|net| net.to_string()))
                }
            };
            if let Some([one, other]) = conflict {
                return Err(format!(
                    "{old} cannot move both to {one} and to {other}; say where it is"
                ));
            }
        }
        moves.nets.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        Ok(moves)
    }

    /// Where an address is now, if it has moved.
    pub(super) fn apply(&self, addr: Addr<'_>) -> Option<String> {
        self.find(addr).map(|(_, new)| new)
    }

    /// The maps that win for none of these addresses.
    pub(super) fn unused<'a>(
        &self,
        addrs: impl Iterator<Item = Addr<'a>>,
    ) -> impl Iterator<Item = Old> {
        let used: BTreeSet<Old> = addrs.filter_map(|addr| Some(self.find(addr)?.0)).collect();
        let addresses = self.addresses.keys().map(|(host, port)| format!("{host}:{port}"));
        let hosts = self.hosts.keys().map(Host::to_string);
        let nets = self.nets.iter().map(|(net, _)| net.to_string());
        let all: BTreeSet<Old> = addresses.chain(hosts).chain(nets).map(Old).collect();
        all.into_iter().filter(move |old| !used.contains(old))
    }

    /// The most specific map that covers an address, and where that leads.
    fn find(&self, addr: Addr<'_>) -> Option<(Old, String)> {
        let (host, port) = host::split(addr)?;
        let key = (host, port);
        if let Some((new, to)) = self.addresses.get(&key) {
            return Some((Old(format!("{}:{port}", key.0)), format!("{new}:{to}")));
        }
        let (host, _) = key;
        if let Some(new) = self.hosts.get(&host) {
            return Some((Old(host.to_string()), format!("{new}:{port}")));
        }
        let Host::Ip(ip, zone) = host else { return None };
        let (old, new) = self.nets.iter().find(|(old, _)| old.contains(&ip))?;
        let moved = Host::Ip(host::carry_over(ip, old, new)?, zone);
        Some((Old(old.to_string()), format!("{moved}:{port}")))
    }
}

/// One map a line.
pub(super) fn parse_file(text: &[u8]) -> Result<Vec<Map>, String> {
    let text = str::from_utf8(text).map_err(|_| "a map is text".to_owned())?;
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| line.parse().map_err(|why| format!("line {number}: {why}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves(maps: &[&str]) -> Result<Moves, String> {
        Moves::new(maps.iter().map(|map| map.parse()).collect::<Result<_, _>>()?)
    }

    fn check(maps: &[&str], cases: &[(&str, Option<&str>)]) {
        let moves = moves(maps).unwrap();
        for (addr, expect) in cases {
            let found = moves.apply(Addr::new(addr.as_bytes()).unwrap());
            assert_eq!(found.as_deref(), *expect, "{addr} by {maps:?}");
        }
    }

    #[test]
    fn the_most_specific_map_wins() {
        check(
            &[
                "10.0.0.0/8=11.0.0.0/8",
                "10.1.0.0/16=12.1.0.0/16",
                "10.1.0.1=13.0.0.1",
                "10.1.0.1:1=14.0.0.1:2",
            ],
            &[
                ("10.2.0.1:7", Some("11.2.0.1:7")),
                ("10.1.0.2:7", Some("12.1.0.2:7")),
                ("10.1.0.1:7", Some("13.0.0.1:7")),
                ("10.1.0.1:1", Some("14.0.0.1:2")),
                ("11.0.0.1:7", None),
                ("web-1:7", None),
            ],
        );
    }

    #[test]
    fn brackets_zones_names_and_ports() {
        check(
            &[
                "fd00::1=fd00::2",
                "[fd00::3]=10.0.0.3",
                "[fd00::4]:1=[fd00::5]:2",
                "web-1=WEB-2",
                "a:1=10.0.0.9:2",
            ],
            &[
                ("[fd00::1]:7", Some("[fd00::2]:7")),
                ("[FD00:0::1]:7", Some("[fd00::2]:7")),
                ("[fd00::3]:7", Some("10.0.0.3:7")),
                ("[fd00::4]:1", Some("[fd00::5]:2")),
                ("[fd00::4]:2", None),
                ("WEB-1:7", Some("web-2:7")),
                ("a:1", Some("10.0.0.9:2")),
            ],
        );
        check(
            &["fe80::/10=fe80::/10", "fe80::1%a=fe80::2%b", "10.0.0.1=10.0.0.2"],
            &[
                ("[fe80::9%eth0]:7", Some("[fe80::9%eth0]:7")),
                ("[fe80::1%a]:7", Some("[fe80::2%b]:7")),
                ("[::ffff:10.0.0.1]:7", Some("10.0.0.2:7")),
            ],
        );
    }

    #[test]
    fn nobody_moves_twice() {
        check(
            &["10.0.0.1=10.0.0.2", "10.0.0.2=10.0.0.1"],
            &[("10.0.0.1:7", Some("10.0.0.2:7")), ("10.0.0.2:7", Some("10.0.0.1:7"))],
        );
    }

    #[test]
    fn contradictions_and_mixtures_are_told() {
        let check = |maps: &[&str], why: &str| {
            let said = moves(maps).unwrap_err();
            assert!(said.contains(why), "{maps:?}: {said}");
        };
        check(
            &["10.0.0.1=10.0.0.2", "10.0.0.1=10.0.0.3"],
            "10.0.0.1 cannot move both to 10.0.0.2 and to 10.0.0.3",
        );
        check(&["10.0.0.0/8=11.0.0.0/8", "10.0.0.0/8=12.0.0.0/8"], "cannot move both");
        check(&["::ffff:10.0.0.1=10.0.0.2", "10.0.0.1=10.0.0.3"], "cannot move both");
        check(&["a:1=b:1", "A:1=c:1"], "a:1 cannot move both");
        check(&["10.0.0.1:1=10.0.0.2"], "OLD is host:port and NEW is a host");
        check(&["10.0.0.0/8=10.0.0.1"], "OLD is a network and NEW is a host");
        check(&["10.0.0.0/8=11.0.0.0/16"], "prefixes of one length");
        check(&["10.0.0.0/8=fd00::/8"], "of one family");
        check(&["10.0.0.1/8=11.0.0.0/8"], "bits beyond its prefix");
        check(&["10.0.0.1"], "OLD=NEW is wanted");
        check(&["10.0.0.1=a b"], "\"a b\" is no host");
        check(&["10.0.0.1:0=10.0.0.1:1"], "\"10.0.0.1:0\" is no address");
        assert!(moves(&["10.0.0.1=10.0.0.2", "10.0.0.1=10.0.0.2"]).is_ok(), "the same twice");
    }

    #[test]
    fn a_file_of_maps() {
        let maps = parse_file(b"# moved\n\n 10.0.0.1=10.0.0.2\r\na=b\n").unwrap();
        assert_eq!(maps.len(), 2);
        assert!(parse_file(b"a=b\nx\n").unwrap_err().starts_with("line 2: OLD=NEW"));
    }
}
