//! Networks.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use snapshot_format::Addr;

/// A network, such as `10.0.0.0/8` or `fd00::/8`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    /// An IPv4 address as the IPv6 address that stands for it.
    network: u128,
    mask: u128,
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a network, such as 10.0.0.0/8 or fd00::/8".to_owned();
        let (addr, bits) = text.split_once('/').unwrap_or((text, ""));
        let addr: IpAddr = addr.parse().map_err(|_| wrong())?;
        let longest = if addr.is_ipv4() { 32 } else { 128 };
        let bits: u32 =
            if text.contains('/') { bits.parse().map_err(|_| wrong())? } else { longest };
        if bits > longest {
            return Err(format!("at most /{longest}"));
        }
        let mask = u128::MAX.checked_shl(longest - bits).unwrap_or(0);
        // The 96 bits before an IPv4 address are the same for all of them.
        let mask = if longest == 32 { mask | !u128::from(u32::MAX) } else { mask };
        let network = number(addr);
        if network & !mask != 0 {
            return Err(format!("{addr} has bits behind the first {bits}; a network has none"));
        }
        Ok(Self { network, mask })
    }
}

impl Cidr {
    /// Whether the address, `IP:port`, is in it; a host name is in none.
    pub(crate) fn holds(&self, addr: Addr<'_>) -> bool {
        let text = str::from_utf8(addr.as_bytes()).unwrap_or_default();
        // The zone of a link does not count.
        let plain = text.split_once('%').and_then(|(host, rest)| {
            rest.split_once(']').map(|(_, port)| format!("{host}]{port}"))
        });
        let addr: Result<SocketAddr, _> = plain.as_deref().unwrap_or(text).parse();
        addr.is_ok_and(|addr| number(addr.ip()) & self.mask == self.network)
    }
}

fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped(),
        IpAddr::V6(addr) => addr,
    }
    .to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_inside() {
        let check = |cidr: &str, addr: &str, expect: bool| {
            let cidr: Cidr = cidr.parse().unwrap();
            assert_eq!(cidr.holds(Addr::new(addr.as_bytes()).unwrap()), expect, "{cidr:?} {addr}");
        };
        check("10.0.0.0/8", "10.255.0.1:1", true);
        check("10.0.0.0/8", "11.0.0.1:1", false);
        check("10.0.0.1", "10.0.0.1:7946", true);
        check("10.0.0.1", "10.0.0.2:7946", false);
        check("0.0.0.0/0", "1.2.3.4:5", true);
        check("0.0.0.0/0", "[fd00::1]:5", false);
        check("::/0", "[fd00::1]:5", true);
        check("fd00::/8", "[fdff::1%eth0]:5", true);
        check("fd00::/8", "[fe80::1%eth0]:5", false);
        check("10.0.0.0/8", "[::ffff:10.0.0.1]:5", true);
        check("::/0", "web-1:5", false);
        check("::/0", "web%1]x", false);
    }

    #[test]
    fn what_is_no_network() {
        for text in ["", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.1/8", "fd00::/129", "x/8", "/8"]
        {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        assert_eq!(number("0.0.0.1".parse().unwrap()), 0xffff_0000_0001);
    }
}
