//! Owns a range of addresses: an address and how many of its leading bits count.
//!
//! ```text
//!   10.1.0.0/16      00001010 00000001 | 00000000 00000000
//!                    <--- the same --->  <--- any -------->
//! ```
//!
//! Spec: RFC 4632 3.1 (IPv4), RFC 4291 2.3 (IPv6).
//! Never: guesses: bits past the prefix are a mistake and not ignored, since nobody knows which half was meant.
//! Invariant: all bits past the prefix are zero; a range of IPv4-mapped addresses is held as IPv4.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Bits before the IPv4 address in an IPv4-mapped one (RFC 4291 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A range of addresses, written `10.0.0.0/8` or `2001:db8::/32`. An address alone is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// Why a range could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CidrError {
    /// What stands before the slash is no address.
    Address,
    /// What stands behind the slash is no number from 0 to `max`.
    Prefix {
        /// Bits of an address of this family.
        max: u8,
    },
    /// The address has bits past the prefix.
    HostBits {
        /// The range that may have been meant.
        range: Cidr,
    },
}

impl Cidr {
    /// Whether `addr` lies in this range. An IPv4-mapped address is its IPv4 address.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        addr.is_ipv4() == self.network.is_ipv4() && network(addr, self.prefix) == self.network
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Cidr, CidrError> {
        let (addr, prefix) = text.split_once('/').map_or((text, None), |(addr, prefix)| (addr, Some(prefix)));
        let addr: IpAddr = addr.parse().map_err(|_| CidrError::Address)?;
        let max = bits(addr);
        let digits = |prefix: &&str| prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => max,
            Some(prefix) => Some(prefix)
                .filter(digits)
                .and_then(|prefix| prefix.parse().ok())
                .filter(|&prefix| prefix <= max)
                .ok_or(CidrError::Prefix { max })?,
        };
        let range = canonical(network(addr, prefix), prefix);
        if network(addr, prefix) == addr { Ok(range) } else { Err(CidrError::HostBits { range }) }
    }
}

impl From<IpAddr> for Cidr {
    fn from(addr: IpAddr) -> Cidr {
        canonical(addr, bits(addr))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CidrError::Address => f.write_str("no address stands before the slash: write 10.0.0.0/8 or 2001:db8::/32"),
            CidrError::Prefix { max } => {
                write!(f, "behind the slash stands how many bits count: a number from 0 to {max}")
            }
            CidrError::HostBits { range } => {
                write!(f, "the address has bits past its first {}: write {range} for the range around it", range.prefix)
            }
        }
    }
}

impl std::error::Error for CidrError {}

fn bits(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

/// `addr` with all bits past `prefix` zero.
fn network(addr: IpAddr, prefix: u8) -> IpAddr {
    let past = u32::from(bits(addr) - prefix);
    match addr {
        IpAddr::V4(addr) => Ipv4Addr::from_bits(addr.to_bits() & u32::MAX.checked_shl(past).unwrap_or(0)).into(),
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() & u128::MAX.checked_shl(past).unwrap_or(0)).into(),
    }
}

fn canonical(network: IpAddr, prefix: u8) -> Cidr {
    match network.to_canonical() {
        mapped @ IpAddr::V4(_) if network.is_ipv6() && prefix >= MAPPED_BITS => {
            Cidr { network: mapped, prefix: prefix - MAPPED_BITS }
        }
        _ => Cidr { network, prefix },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Cidr {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_range_holds_what_shares_its_prefix() {
        for (text, inside, outside) in [
            (
                "10.0.0.0/8",
                vec!["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
                vec!["9.255.255.255", "11.0.0.0", "::a00:1"],
            ),
            ("192.0.2.128/25", vec!["192.0.2.128", "192.0.2.255"], vec!["192.0.2.127", "192.0.3.128"]),
            ("192.0.2.1", vec!["192.0.2.1"], vec!["192.0.2.0", "192.0.2.2"]),
            ("0.0.0.0/0", vec!["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], vec!["::", "::1"]),
            ("::/0", vec!["::", "2001:db8::1"], vec!["127.0.0.1", "::ffff:1.2.3.4"]),
            ("2001:db8::/33", vec!["2001:db8::", "2001:db8:7fff::"], vec!["2001:db8:8000::", "2001:db9::"]),
            ("::1", vec!["::1"], vec!["::", "::2", "127.0.0.1"]),
            ("::ffff:10.0.0.0/104", vec!["10.1.2.3", "::ffff:10.1.2.3"], vec!["11.0.0.0"]),
        ] {
            let contains = |addr: &str| range(text).contains(addr.parse().expect("an address"));
            assert!(inside.iter().all(|addr| contains(addr)), "{text} holds {inside:?}");
            assert!(!outside.iter().any(|addr| contains(addr)), "{text} does not hold {outside:?}");
        }
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::1/128"] {
            assert_eq!(range(text).to_string(), text);
        }
        assert_eq!(range("::ffff:10.0.0.0/104").to_string(), "10.0.0.0/8");
        assert_eq!(Cidr::from(IpAddr::from([10, 0, 0, 1])), range("10.0.0.1/32"));
    }

    #[test]
    fn a_mistake_is_explained() {
        let check = |text: &str, expected: CidrError| assert_eq!(text.parse::<Cidr>(), Err(expected), "{text}");
        for text in
            ["", "/8", "localhost/8", "10.0.0/8", "10.0.0.0.0/8", "010.0.0.0/8", " 10.0.0.0/8", "[::1]/128", "*"]
        {
            check(text, CidrError::Address);
        }
        for prefix in ["", "33", "-1", "+8", "8 ", "a", "256", "99999999999", "8/8", "255.0.0.0"] {
            check(&format!("10.0.0.0/{prefix}"), CidrError::Prefix { max: 32 });
        }
        check("2001:db8::/129", CidrError::Prefix { max: 128 });
        check("10.1.2.3/8", CidrError::HostBits { range: range("10.0.0.0/8") });
        check("2001:db8::1/32", CidrError::HostBits { range: range("2001:db8::/32") });
        let error = "10.1.2.3/8".parse::<Cidr>().expect_err("host bits");
        assert_eq!(
            error.to_string(),
            "the address has bits past its first 8: write 10.0.0.0/8 for the range around it"
        );
    }
}
