//! Owns which addresses are everybody's: those that whoever dials for a stranger may dial.
//!
//! The one idea: what is not known to be public is not. Of IPv6 that leaves one range in which addresses are given to the
//! world, `2000::/3`, less what was taken out of it again; of IPv4, everything but what the registry lists.
//!
//! ```text
//!   169.254.169.254 ──> link-local: the metadata of a cloud      ::ffff:10.0.0.1 ─┐
//!   2002:7f00:1::   ──> 6to4, and 127.0.0.1 inside of it         64:ff9b::a00:1  ─┴> IPv4 in disguise
//! ```
//!
//! Spec: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 2.2), IPv6 address space (RFC 4291 2.4). Stricter
//! than these demand: what the registry calls globally reachable is refused where nobody has a server there (AS112, AMT,
//! anycast of PCP and TURN); every form of IPv6 that carries an address of IPv4 is refused, whichever it carries. So a host
//! that has IPv4 alone cannot be reached through NAT64. And one address that no registry lists: 168.63.129.16, at which every
//! virtual machine of Azure finds its platform, and nobody else anything.
//! Never: resolves a name; reads a text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges of IPv4 that are not public: first address, bits of the prefix, what it is.
const V4: &[([u8; 4], u32, &str)] = &[
    ([0, 0, 0, 0], 8, "this network"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "shared behind a carrier's NAT"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([168, 63, 129, 16], 32, "the platform of a cloud"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "IETF protocol assignments"),
    ([192, 0, 2, 0], 24, "documentation"),
    ([192, 31, 196, 0], 24, "AS112"),
    ([192, 52, 193, 0], 24, "AMT"),
    ([192, 88, 99, 0], 24, "6to4 relays"),
    ([192, 168, 0, 0], 16, "private"),
    ([192, 175, 48, 0], 24, "AS112"),
    ([198, 18, 0, 0], 15, "benchmarking"),
    ([198, 51, 100, 0], 24, "documentation"),
    ([203, 0, 113, 0], 24, "documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved, and broadcast"),
];

/// The same of IPv6; the last line is all that is left outside of `2000::/3`.
const V6: &[([u16; 8], u32, &str)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "IPv4-mapped"),
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "IPv4-translated"),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4-compatible"),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "IPv4 through NAT64"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "IPv4 through a local NAT64"),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard-only"),
    ([0x100, 0, 0, 1, 0, 0, 0, 0], 64, "dummy prefix"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo"),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "benchmarking"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "IETF protocol assignments"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4"),
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "AS112"),
    ([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, "the 6bone of old"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment routing"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local of old"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
];

/// The range of IPv6 in which addresses are given to the world.
const V6_GLOBAL: ([u16; 8], u32) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Whether anybody in the world may have this address, and nobody else has.
pub fn is_public(address: IpAddr) -> bool {
    private_range(address).is_none()
}

/// The range that `address` is in and that makes it not public, in words; `None` when it is public.
pub fn private_range(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

fn of_v4(address: Ipv4Addr) -> Option<&'static str> {
    let is_in = |base: [u8; 4], bits: u32| (address.to_bits() ^ u32::from_be_bytes(base)) >> (32 - bits) == 0;
    V4.iter().find(|(base, bits, _)| is_in(*base, *bits)).map(|(_, _, name)| *name)
}

fn of_v6(address: Ipv6Addr) -> Option<&'static str> {
    let is_in = |base: [u16; 8], bits: u32| (address.to_bits() ^ Ipv6Addr::from(base).to_bits()) >> (128 - bits) == 0;
    let listed = V6.iter().find(|(base, bits, _)| is_in(*base, *bits)).map(|(_, _, name)| *name);
    listed.or_else(|| (!is_in(V6_GLOBAL.0, V6_GLOBAL.1)).then_some("not assigned to anybody"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: Option<&str>) {
        let parsed: IpAddr = address.parse().unwrap_or_else(|_| panic!("{address} is no address"));
        assert_eq!(private_range(parsed), expected, "{address}");
        assert_eq!(is_public(parsed), expected.is_none());
    }

    #[test]
    fn what_is_everybodys_is_public() {
        for address in [
            "1.0.0.0",
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "3fff:1000::1",
            "3ffd::1",
        ] {
            check(address, None);
        }
    }

    #[test]
    fn the_first_and_the_last_of_every_range_of_ipv4_are_not() {
        for &(base, bits, name) in V4 {
            let first = u32::from_be_bytes(base);
            let last = first | u32::MAX.checked_shr(bits).unwrap_or_default();
            for address in [first, last, last.min(first + 1)] {
                check(&Ipv4Addr::from_bits(address).to_string(), Some(name));
            }
        }
    }

    #[test]
    fn no_range_of_ipv6_is_reached_under_any_name() {
        for &(base, bits, _) in V6 {
            let first = Ipv6Addr::from(base).to_bits();
            let last = first | u128::MAX.checked_shr(bits).unwrap_or_default();
            for address in [first, last] {
                assert!(!is_public(Ipv6Addr::from_bits(address).into()), "{}", Ipv6Addr::from_bits(address));
            }
        }
    }

    #[test]
    fn what_attacks_dial_is_refused() {
        for (address, range) in [
            ("127.0.0.1", "loopback"),
            ("127.1.2.3", "loopback"),
            ("0.0.0.0", "this network"),
            ("0.1.2.3", "this network"),
            ("169.254.169.254", "link-local"),
            ("169.254.170.2", "link-local"),
            ("168.63.129.16", "the platform of a cloud"),
            ("10.0.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("100.100.100.200", "shared behind a carrier's NAT"),
            ("192.0.0.192", "IETF protocol assignments"),
            ("192.0.0.9", "IETF protocol assignments"),
            ("198.19.255.255", "benchmarking"),
            ("255.255.255.255", "reserved, and broadcast"),
            ("239.255.255.250", "multicast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "IPv4-mapped"),
            ("::ffff:169.254.169.254", "IPv4-mapped"),
            ("::ffff:8.8.8.8", "IPv4-mapped"),
            ("::ffff:0:127.0.0.1", "IPv4-translated"),
            ("::127.0.0.1", "IPv4-compatible"),
            ("::a9fe:a9fe", "IPv4-compatible"),
            ("64:ff9b::7f00:1", "IPv4 through NAT64"),
            ("64:ff9b::808:808", "IPv4 through NAT64"),
            ("64:ff9b:1::a9fe:a9fe", "IPv4 through a local NAT64"),
            ("64:ff9b:1:ffff::1", "IPv4 through a local NAT64"),
            ("2001:0:7f00:1::1", "Teredo"),
            ("2001:2::1", "benchmarking"),
            ("2001:10::1", "IETF protocol assignments"),
            ("2001:20::1", "IETF protocol assignments"),
            ("2001:1ff:ffff::1", "IETF protocol assignments"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::", "6to4"),
            ("2002:a9fe:a9fe::1", "6to4"),
            ("3fff:fff::1", "documentation"),
            ("3ffe::1", "the 6bone of old"),
            ("5f00::1", "segment routing"),
            ("fc00::1", "unique local"),
            ("fd00:ec2::254", "unique local"),
            ("fe80::1", "link-local"),
            ("febf:ffff::1", "link-local"),
            ("fec0::1", "site-local of old"),
            ("ff02::1", "multicast"),
            ("100::1", "discard-only"),
            ("100:0:0:1::1", "dummy prefix"),
            ("1::1", "not assigned to anybody"),
            ("4000::1", "not assigned to anybody"),
            ("64:ff9b:2::1", "not assigned to anybody"),
            ("e000::1", "not assigned to anybody"),
        ] {
            check(address, Some(range));
        }
    }
}
