//! Which addresses can be dialled.

use core::net::Ipv6Addr;

/// The longest host name of the domain name system, in bytes (RFC 1035, written without its root dot).
const MAX_HOST: usize = 253;

/// This is asked of every address of a file, so it looks at each byte once.
pub(crate) fn is_dialable(addr: &[u8]) -> bool {
    // Checked first, so that nothing below walks through a megabyte.
    const LONGEST: usize = MAX_HOST + ":65535".len();
    if addr.len() > LONGEST {
        return false;
    }
    split_port(addr).is_some_and(|host| is_name(host) || is_v6(host))
}

/// The host before a port of 1 to 65535, written in at most five digits.
fn split_port(addr: &[u8]) -> Option<&[u8]> {
    let (mut port, mut unit) = (0, 1_u32);
    for (at, byte) in addr.iter().enumerate().rev().take(":65535".len()) {
        match byte {
            b'0'..=b'9' => port += unit * u32::from(byte - b'0'),
            b':' if (1..=65_535).contains(&port) => return Some(&addr[..at]),
            _ => return None,
        }
        unit *= 10;
    }
    None
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
    // Without a branch for each byte: nearly every host is one, to its end.
    (1..=MAX_HOST).contains(&host.len())
        && host.iter().fold(true, |all, &byte| all & IN_A_NAME[usize::from(byte)])
}

/// Letters, digits, `-`, `.` and `_`, as a table: this is asked for every byte of every address.
const IN_A_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

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
