//! Networks in the form `address/prefix`.
use std::net::IpAddr;
use std::str::FromStr;

/// A network. IPv4 is held in its IPv6-mapped form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Network {
    address: u128,
    prefix: u32,
}

impl Network {
    pub(super) fn contains(self, address: IpAddr) -> bool {
        (mapped(address) ^ self.address)
            .checked_shr(128 - self.prefix)
            .unwrap_or(0)
            == 0
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .to_bits()
}

impl Network {
    /// Its address, of which only the beginning counts.
    pub(super) fn bits(self) -> u128 {
        let hosts = u128::MAX.checked_shr(self.prefix).unwrap_or(0);
        self.address & !hosts
    }

    /// How many bits of that count.
    pub(super) fn prefix(self) -> u32 {
        self.prefix
    }
}

impl FromStr for Network {
    type Err = ();

    /// An address alone is a network of one.
    fn from_str(text: &str) -> Result<Network, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().map_err(|_| ())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        if prefix > bits {
            return Err(());
        }
        Ok(Network {
            address: mapped(address),
            prefix: 128 - bits + prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let holds = |network: &str, address: &str| {
            let network: Network = network.parse().expect("a network");
            network.contains(address.parse().expect("an address"))
        };
        assert!(holds("10.0.0.0/8", "10.200.3.4"));
        assert!(holds("10.1.2.3/8", "10.200.3.4"), "bits beyond the prefix do not count");
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.0.0.1", "10.0.0.1") && !holds("10.0.0.1", "10.0.0.2"));
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"), "mapped addresses are IPv4");
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe80::1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "1.2.3.4") && holds("::/0", "2001:db8::1"));
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "fd00::/129",
            "10.0.0.0/",
            "x/8",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
