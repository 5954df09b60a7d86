//! What the programs in the kernel do with a sieve, in the daemon's words.
use std::net::IpAddr;

use vespid_ebpf::sieve::{CLASSES, End, Mask, NAME_BYTES, Place, Sieve, access, first_bit, length_bit};

use super::*;
use crate::filter::sift::begins;

/// What the programs do, in the daemon's words. `namespaces` are those of the task, `image` what it runs, if that is known.
pub(super) fn passes(
    sift: &Sift,
    event: &Event<'_>,
    namespaces: &[u32; 8],
    image: Option<(&[u8], Option<bool>)>,
) -> bool {
    let (class, failed) = match &event.body {
        Body::Fork(_) | Body::Exit(_) => return true,
        Body::Exec(exec) if exec.errno == 0 => return true,
        Body::Exec(_) => (0, true),
        Body::Connection(connection) => (connection.op as usize, connection.errno != 0),
        Body::Open(open) => (access(open.flags) as usize, open.result < 0),
        Body::Change(change) => (change.op as usize, change.result < 0),
        Body::Privileged(call) => (call.op as usize, call.result < 0),
        // An answer of DNS is looked into by the daemon.
        Body::Socket(socket) if socket.op == SocketOp::DnsAnswer => (socket.op as usize, false),
        Body::Socket(socket) => (socket.op as usize, socket.result < 0),
        // Control groups are not judged one by one.
        Body::Resource(resource) if resource.op == ResourceOp::Usage => {
            return sift.sieve.classes[Kind::Resource.index()][0][resource.op as usize] != 0;
        }
        Body::Resource(resource) => (resource.op as usize, false),
    };
    let Sieve { classes, without, .. } = &sift.sieve;
    let mut filters = classes[event.body.kind().index()][usize::from(failed)][class];
    if filters & sift.sieve.free != 0 {
        return true;
    }
    filters &= without.user | sift.users.get(&event.subject.uid).copied().unwrap_or(0);
    let by_image = image.map_or(Mask::MAX, |(exe, place)| sift.of_image(exe, place));
    filters &= without.image | by_image;
    filters &= match &event.body {
        _ if filters & sift.sieve.telling == 0 => Mask::MAX,
        Body::Resource(_) => Mask::MAX,
        Body::Connection(connection) => inside_network(&sift.sieve, connection.netns),
        _ => inside(&sift.sieve, namespaces),
    };
    let ends = match &event.body {
        Body::Connection(connection) => Some((Some(connection.local), Some(connection.remote))),
        Body::Socket(socket) => Some((socket.local, socket.remote)),
        _ => None,
    };
    if let Some((local, remote)) = ends {
        filters &= of_ends(sift, local, remote);
    }
    filters & without.path != 0 || filters != 0 && is_named(sift, filters, event)
}

fn inside(sieve: &Sieve, namespaces: &[u32; 8]) -> Mask {
    let mut met = 0_usize;
    for (at, test) in sieve.tests.iter().enumerate().filter(|(_, test)| test.inode != 0) {
        match namespaces[test.kind as usize] {
            0 => return Mask::MAX,
            inode => met |= usize::from(inode == test.inode) << at,
        }
    }
    sieve.inside[met] | sieve.without.namespace
}

/// Of a connection, no other namespace is known.
fn inside_network(sieve: &Sieve, inode: u32) -> Mask {
    let mut tests = sieve.tests.iter().filter(|test| test.inode != 0);
    if tests.any(|test| test.kind != 3) {
        return Mask::MAX;
    }
    inside(sieve, &[0, 0, 0, inode, 0, 0, 0, 0])
}

/// The longest prefix counts.
fn of_ends(sift: &Sift, local: Option<SocketAddr>, remote: Option<SocketAddr>) -> Mask {
    let port = |end: Option<SocketAddr>| u128::from(end.map_or(0, |end| end.port())) << 112;
    let address = match remote.map(|end| end.ip()) {
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped().to_bits(),
        Some(IpAddr::V6(address)) => address.to_bits(),
        None => 0,
    };
    let ends = [
        (End::LocalPort, port(local)),
        (End::RemotePort, port(remote)),
        (End::RemoteNetwork, address),
    ];
    ends.into_iter().fold(Mask::MAX, |filters, (end, bits)| {
        let fitting = sift.ends.iter().filter(|(prefix, _)| {
            let differing = (prefix.bits ^ bits).checked_shr(128 - prefix.len).unwrap_or(0);
            prefix.end == end && differing == 0
        });
        let longest = fitting.max_by_key(|(prefix, _)| prefix.len);
        filters & (sift.sieve.without.ends[end as usize] | longest.map_or(0, |(_, filters)| filters))
    })
}

fn is_named(sift: &Sift, filters: Mask, event: &Event<'_>) -> bool {
    let names = |path: &[u8]| -> Vec<Vec<u8>> {
        let names = path.split(|byte| *byte == b'/').rev().filter(|name| !name.is_empty());
        names.map(<[u8]>::to_vec).collect()
    };
    let accesses = match &event.body {
        Body::Open(open) => access(open.flags),
        _ => u32::MAX,
    };
    let is_looked_for = |name: &[u8], place: Place| {
        let likeness = &sift.sieve.likenesses[accesses as usize & (CLASSES - 1)];
        let lengths = likeness.lengths[place as usize];
        let first = first_bit(begins(name));
        let begins_so = likeness.firsts[(first / 64) as usize] >> (first % 64) & 1 != 0;
        let rule = sift.names.get(name.get(..NAME_BYTES).unwrap_or(name));
        begins_so
            && lengths & length_bit(name.len() as u64) != 0
            && rule.is_some_and(|rule| rule[place as usize] & filters != 0)
    };
    let words = match &event.body {
        Body::Open(open) if open.result >= 0 => {
            let mut path = names(open.path.as_slice()).into_iter().enumerate();
            return path.any(|(depth, name)| {
                let place = [Place::Leaf, Place::Folder]
                    .get(depth)
                    .copied()
                    .unwrap_or(Place::Anywhere);
                is_looked_for(&name, place) || is_looked_for(&name, Place::Anywhere)
            });
        }
        Body::Open(open) => [&open.path, &open.typed].map(|text| names(text.as_slice())).concat(),
        Body::Change(change) => [&change.path, &change.typed, &change.target, &change.target_typed]
            .map(|text| names(text.as_slice()))
            .concat(),
        Body::Exec(exec) => names(exec.filename.as_slice()),
        _ => return true,
    };
    words.iter().any(|name| is_looked_for(name, Place::Words))
}
