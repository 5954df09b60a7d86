//! Which datagrams are the first: of a socket, a remote end and a way, in a table that forgets the least recent.
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use vespid_ebpf::MAX_FLOWS;

use super::Socket;
use super::ends::End;
use crate::programs::globals::offset;
use crate::programs::read::word;

#[map]
static FLOWS: LruHashMap<Flow, u8> = LruHashMap::with_max_entries(MAX_FLOWS as u32, 0);

#[repr(C)]
#[derive(Clone, Copy)]
struct Flow {
    sk: u64,
    /// Inode number: with the address, it names the socket for as long as anybody asks.
    ino: u64,
    address: [u64; 2],
    port: u32,
    /// Bit 0: received. Bit 1: failed.
    way: u32,
}

#[inline(always)]
fn inode_number(socket: &Socket) -> u64 {
    word(word(socket.file, offset!(file_inode)), offset!(inode_ino))
}

/// Whether this is the first of its kind, which it then was.
#[inline(always)]
pub(super) fn is_first(socket: &Socket, remote: &End, is_received: bool, has_failed: bool) -> bool {
    const BPF_NOEXIST: u64 = 1;
    let flow = Flow {
        sk: socket.sk,
        ino: inode_number(socket),
        address: remote.address,
        port: u32::from(remote.port),
        way: u32::from(is_received) | u32::from(has_failed) << 1,
    };
    // A look-up is what makes a flow recent, and costs less than an insertion that fails.
    FLOWS.get_ptr(flow).is_none() && FLOWS.insert(flow, 1, BPF_NOEXIST).is_ok()
}
