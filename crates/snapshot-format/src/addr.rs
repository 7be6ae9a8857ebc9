//! Which addresses can be dialled.

use core::net::Ipv6Addr;

/// The longest host name of the domain name system, in bytes (RFC 1035, written without its root dot).
const MAX_HOST: usize = 253;

pub(crate) fn is_dialable(addr: &[u8]) -> bool {
    // Checked first, so that nothing below walks through a megabyte.
    const LONGEST: usize = MAX_HOST + ":65535".len();
    let Some(colon) = memchr::memrchr(b':', addr) else { return false };
    let (host, port) = (&addr[..colon], &addr[colon + 1..]);
    addr.len() <= LONGEST && is_port(port) && (is_v6(host) || is_name(host))
}

fn is_port(digits: &[u8]) -> bool {
    // Five digits fit without overflow.
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let port = digits.iter().fold(0, |port, digit| port * 10 + u32::from(digit - b'0'));
    (1..=65_535).contains(&port)
}

fn is_v6(host: &[u8]) -> bool {
    let Some(inner) = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) else {
        return false;
    };
    let (addr, zone) = match memchr::memchr(b'%', inner) {
        Some(at) => (&inner[..at], Some(&inner[at + 1..])),
        None => (inner, None),
    };
    let is_v6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    zone.is_none_or(is_name) && core::str::from_utf8(addr).is_ok_and(is_v6)
}

/// A host name; an IPv4 address is one by its letters.
fn is_name(host: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    (1..=MAX_HOST).contains(&host.len()) && host.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_dialable;
    use alloc::format;

    #[test]
    fn dialable_addresses() {
        let longest = format!("{}:65535", "h".repeat(253));
        let mut dialable = alloc::vec![
            "127.0.0.1:7946",
            "255.255.255.255:1",
            "[::1]:7946",
            "[fe80::1%eth0]:7946",
            "[::ffff:1.2.3.4]:65535",
            "localhost:7946",
            "web-1.dc_1.consul:8301",
            "1a:1",
            "10.0.0.1:00080",
        ];
        dialable.push(&longest);
        for addr in dialable {
            assert!(is_dialable(addr.as_bytes()), "{addr}");
        }
    }

    #[test]
    fn addresses_nobody_can_dial() {
        let long = format!("{}:1", "h".repeat(254));
        let mut refused = alloc::vec![
            "",
            ":",
            ":1",
            "a",
            "a:",
            "a:0",
            "a:65536",
            "a:000001",
            "a:+1",
            "a:1\r",
            "a:1 ",
            "a:\u{661}",
            "::1:7946",
            "[::1]",
            "[::1]:",
            "[::1%]:1",
            "[::1%a/b]:1",
            "[]:1",
            "[1.2.3.4]:1",
            "[::1]x:1",
            "a b:1",
            "a\u{e4}:1",
            "not-an-address",
            "a,b:1",
        ];
        refused.push(&long);
        for addr in refused {
            assert!(!is_dialable(b"a:9999999999999999999999"));
            assert!(!is_dialable(addr.as_bytes()), "{addr}");
        }
        assert!(!is_dialable(&alloc::vec![b'1'; 1 << 20]));
    }
}
