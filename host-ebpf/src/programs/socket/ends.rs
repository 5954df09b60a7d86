//! The two ends of a socket of IP, as the kernel keeps them and as callers write them.
use super::Socket;
use crate::programs::globals::{has, offset, type_id};
use crate::programs::read::{field, kernel, user};

pub(super) const UNIX: u16 = 1;
const INET: u16 = 2;
const INET6: u16 = 10;

/// An address, IPv4 in its IPv6-mapped form, and a port.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) address: [u64; 2],
    pub(super) port: u16,
}

impl End {
    pub(super) const NONE: End = End {
        address: [0; 2],
        port: 0,
    };

    #[inline(always)]
    fn v4(address: u32, port: u16) -> End {
        // ::ffff:0:0/96, of which the last four bytes follow.
        let prefix = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
        End {
            address: [0, prefix | u64::from(address) << 32],
            port: u16::from_be(port),
        }
    }

    #[inline(always)]
    fn v6(address: [u64; 2], port: u16) -> End {
        End {
            address,
            port: u16::from_be(port),
        }
    }
}

#[inline(always)]
pub(super) fn is_ip(socket: &Socket) -> bool {
    matches!(socket.family(), INET | INET6)
}

/// The local end.
#[inline(always)]
pub(super) fn local(socket: &Socket) -> End {
    let port = field(type_id!(inet_sock), socket.sk, offset!(inet_sport));
    match socket.family() {
        INET => End::v4(socket.common.rcv_saddr, port),
        INET6 if has!(skc_v6_rcv_saddr) => {
            End::v6(kernel(socket.sk, offset!(skc_v6_rcv_saddr)).unwrap_or([0; 2]), port)
        }
        _ => End::NONE,
    }
}

/// The remote end, if the socket is connected.
#[inline(always)]
pub(super) fn peer(socket: &Socket) -> End {
    let port = socket.common.dport;
    match socket.family() {
        _ if port == 0 => End::NONE,
        INET => End::v4(socket.common.daddr, port),
        INET6 if has!(skc_v6_daddr) => End::v6(kernel(socket.sk, offset!(skc_v6_daddr)).unwrap_or([0; 2]), port),
        _ => End::NONE,
    }
}

/// What a `struct sockaddr` of the current task says, if it is one of IP.
#[inline(always)]
pub(super) fn typed(address: u64) -> End {
    // Family, port, and of IPv4 the address, of IPv6 the flow.
    let Some([family_and_port, v4]) = user::<[u32; 2]>(address) else {
        return End::NONE;
    };
    let port = (family_and_port >> 16) as u16;
    match family_and_port as u16 {
        INET => End::v4(v4, port),
        INET6 => End::v6(user(address + 8).unwrap_or([0; 2]), port),
        _ => End::NONE,
    }
}
