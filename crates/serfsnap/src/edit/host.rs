//! The hosts of addresses, and networks of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use snapshot_format::Addr;

/// The part of an address before its port. An IPv4-mapped IPv6 address counts as the IPv4 address that it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    /// An address and, of a link-local one, its zone.
    Ip(IpAddr, Option<String>),
    /// A host name in lower case. It is never looked up, so it is in no network.
    Name(String),
}

impl Host {
    /// `10.0.0.1`, `fe80::1%eth0`, the same in brackets, or `web-1.example`.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let (ip, zone) = match inner.unwrap_or(text).split_once('%') {
            Some((ip, zone)) => (ip, Some(zone)),
            None => (inner.unwrap_or(text), None),
        };
        let host = match ip.parse::<IpAddr>() {
            Ok(ip) if ip.is_ipv6() || (inner.is_none() && zone.is_none()) => {
                Self::Ip(ip.to_canonical(), zone.map(str::to_owned))
            }
            _ => Self::Name(text.to_ascii_lowercase()),
        };
        if host.is_dialable() { Ok(host) } else { Err(format!("{text:?} is no host")) }
    }

    pub(super) const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip, _) => Some(*ip),
            Self::Name(_) => None,
        }
    }

    fn is_dialable(&self) -> bool {
        Addr::new(format!("{self}:1").as_bytes()).is_ok_and(|addr| addr.is_dialable())
    }
}

/// As it stands before a port.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip), _) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip), None) => write!(f, "[{ip}]"),
            Self::Ip(IpAddr::V6(ip), Some(zone)) => write!(f, "[{ip}%{zone}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The host and the port of an address that can be dialled.
pub(super) fn split(addr: Addr<'_>) -> Option<(Host, u16)> {
    let text = str::from_utf8(addr.as_bytes()).ok().filter(|_| addr.is_dialable())?;
    let (host, port) = text.rsplit_once(':')?;
    Some((Host::new(host).ok()?, port.parse().ok()?))
}

/// `10.0.0.0/8`, `fd00::/8`, or one address. Bits beyond the prefix are refused: whoever wrote `10.1.2.3/8` may have
/// meant something smaller.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => match text.parse::<IpAddr>() {
            Ok(ip) => ip.into(),
            Err(_) => return Err("a network such as 10.0.0.0/8 or fd00::/8, or an address".into()),
        },
    };
    if net.addr() != net.network() {
        let one = IpNet::from(net.addr());
        return Err(format!(
            "it has bits beyond its prefix; {} is the network, {one} the address",
            net.trunc()
        ));
    }
    Ok(canonical(net))
}

/// A network of IPv4-mapped IPv6 addresses is the network of the IPv4 addresses.
fn canonical(net: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let mapped = |ip: Ipv6Addr| ip.to_ipv4_mapped();
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED => mapped(v6.network())
            .and_then(|ip| Ipv4Net::new(ip, v6.prefix_len() - MAPPED).ok())
            .map_or(net, IpNet::V4),
        net => net,
    }
}

/// The address in `new` that has the host part that `ip` has in `old`; both prefixes are of the same length.
pub(super) fn carry_over(ip: IpAddr, old: &IpNet, new: &IpNet) -> Option<IpAddr> {
    Some(match (ip, old.hostmask(), new.network()) {
        (IpAddr::V4(ip), IpAddr::V4(mask), IpAddr::V4(net)) => {
            Ipv4Addr::from_bits(net.to_bits() | ip.to_bits() & mask.to_bits()).into()
        }
        (IpAddr::V6(ip), IpAddr::V6(mask), IpAddr::V6(net)) => {
            Ipv6Addr::from_bits(net.to_bits() | ip.to_bits() & mask.to_bits()).into()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let check = |addr: &str, expect: Option<(&str, bool)>| {
            let found = split(Addr::new(addr.as_bytes()).unwrap());
            let found = found.map(|(host, _)| (host.to_string(), host.ip().is_some()));
            assert_eq!(found.as_ref().map(|(host, ip)| (host.as_str(), *ip)), expect, "{addr}");
        };
        check("10.0.0.1:7946", Some(("10.0.0.1", true)));
        check("[FD00::1]:7946", Some(("[fd00::1]", true)));
        check("[fe80::1%eth0]:7946", Some(("[fe80::1%eth0]", true)));
        check("[::ffff:10.0.0.1]:7946", Some(("10.0.0.1", true)));
        check("Web-1.example:7946", Some(("web-1.example", false)));
        // No number of an address has a leading zero, so this is a name by its letters.
        check("010.0.0.1:7946", Some(("010.0.0.1", false)));
        check(":1", None);
        check("10.0.0.1", None);
    }

    #[test]
    fn networks() {
        let check = |text: &str, expect: Result<&str, &str>| match (network(text), expect) {
            (Ok(net), Ok(expect)) => assert_eq!(net.to_string(), expect),
            (Err(why), Err(expect)) => assert!(why.contains(expect), "{text}: {why}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("10.0.0.0/8", Ok("10.0.0.0/8"));
        check("10.0.0.1", Ok("10.0.0.1/32"));
        check("fd00::/8", Ok("fd00::/8"));
        check("::1", Ok("::1/128"));
        check("::ffff:10.0.0.0/104", Ok("10.0.0.0/8"));
        check("10.1.2.3/8", Err("10.0.0.0/8 is the network, 10.1.2.3/32 the address"));
        check("10.0.0.0/33", Err("such as"));
        check("web-1", Err("such as"));
    }

    #[test]
    fn the_host_part_is_kept() {
        let check = |ip: &str, old: &str, new: &str, expect: &str| {
            let (old, new) = (network(old).unwrap(), network(new).unwrap());
            let found = carry_over(ip.parse().unwrap(), &old, &new).unwrap();
            assert_eq!(found, expect.parse::<IpAddr>().unwrap());
        };
        check("10.1.2.3", "10.0.0.0/8", "11.0.0.0/8", "11.1.2.3");
        check("10.1.2.3", "10.1.2.3/32", "11.0.0.9/32", "11.0.0.9");
        check("10.1.2.3", "0.0.0.0/0", "0.0.0.0/0", "10.1.2.3");
        check("10.1.2.131", "10.1.2.128/25", "10.1.3.0/25", "10.1.3.3");
        check("fd00:1::7", "fd00:1::/32", "fd00:2::/32", "fd00:2::7");
    }
}
