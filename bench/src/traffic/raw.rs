//! An event as the record that the kernel side made of it: what the decoder takes apart, put together again.
use std::net::{IpAddr, SocketAddr};

use vespid::bytes::Bytes;
use vespid::decode::{Clock, path_kind};
use vespid::event::{Body, Connection, Event, Exec, Exit, Fork, Image, Open, process_flags};
use vespid_ebpf::{ABI_VERSION, ConnectionRaw, ExecRaw, ExitRaw, ForkRaw, Header, OpenRaw, PathEnd, exec_flags};
use zerocopy::{Immutable, IntoBytes};

/// The clock of these records: their times are Unix time already.
pub const CLOCK: Clock = Clock { boot_to_unix_ns: 0 };

/// Appends the record of an event. Nothing, for the kinds that no benchmark uses.
pub fn record(event: &Event<'_>, out: &mut Vec<u8>) {
    let from = out.len();
    let header = Header {
        len: 0,
        kind: event.body.kind() as u8,
        abi: ABI_VERSION,
        cpu: 0,
        time_ns: event.time,
        start_ns: event.subject.start,
        cgroup: event.subject.cgroup,
        pid: event.subject.pid,
        tid: event.subject.tid,
        uid: event.subject.uid,
        gid: event.subject.gid,
    };
    match &event.body {
        Body::Fork(fork) => self::fork(header, fork, out),
        Body::Exec(exec) => self::exec(header, exec, out),
        Body::Exit(exit) => self::exit(header, *exit, out),
        Body::Connection(connection) => self::connection(header, connection, out),
        Body::Open(open) => self::open(header, open, out),
        Body::Change(_) | Body::Privileged(_) | Body::Socket(_) | Body::Resource(_) => return,
    }
    let len = u32::try_from(out.len() - from).unwrap_or(u32::MAX);
    out[from..from + 4].copy_from_slice(&len.to_ne_bytes());
}

fn fork(header: Header, fork: &Fork, out: &mut Vec<u8>) {
    let raw = ForkRaw {
        header,
        child_start_ns: fork.child_start,
        child_cgroup: fork.child_cgroup,
        child_pid: fork.child_pid,
        reserved: 0,
    };
    out.extend_from_slice(raw.as_bytes());
}

fn exit(header: Header, exit: Exit, out: &mut Vec<u8>) {
    let raw = ExitRaw {
        header,
        status: exit.code << 8 | exit.signal,
        reserved: 0,
    };
    out.extend_from_slice(raw.as_bytes());
}

fn exec(header: Header, exec: &Exec<'_>, out: &mut Vec<u8>) {
    let image = &exec.image;
    let [exe, cwd, cgroup] = [&image.exe, &image.cwd, &image.cgroup_path].map(|path| names(path.as_slice()));
    let end = |path: &Bytes<'_>| {
        let end = match path.as_slice().first() {
            None => PathEnd::Absent,
            Some(b'/') => PathEnd::TaskRoot,
            Some(_) => PathEnd::Unnamed,
        };
        end as u8
    };
    let raw = ExecRaw {
        header,
        parent_start_ns: image.parent_start,
        ppid: image.ppid,
        euid: image.euid,
        egid: image.egid,
        login_uid: image.login_uid,
        session: image.session,
        args_total: image.args_total,
        capabilities: image.capabilities,
        image: 0,
        namespaces: image.namespaces,
        flags: flags(image),
        errno: exec.errno,
        comm: fixed(&image.comm),
        tty: fixed(&image.tty),
        filename_len: len(exec.filename.as_slice()),
        args_len: len(image.args.as_slice()),
        exe_len: len(&exe),
        cwd_len: len(&cwd),
        cgroup_len: len(&cgroup),
        exe_end: end(&image.exe),
        cwd_end: end(&image.cwd),
        reserved: 0,
    };
    let parts = [exec.filename.as_slice(), image.args.as_slice(), &exe, &cwd, &cgroup];
    append(&raw, &parts, out);
}

fn flags(image: &Image<'_>) -> u32 {
    let pairs = [
        (process_flags::ARGS_TRUNCATED, exec_flags::ARGS_TRUNCATED),
        (process_flags::MEMFD, exec_flags::MEMFD),
        (process_flags::DELETED, exec_flags::DELETED),
        (process_flags::UPPER, exec_flags::UPPER),
    ];
    let set = pairs.iter().filter(|(flag, _)| image.flags & flag != 0);
    set.fold(0, |flags, (_, raw)| flags | raw)
}

fn connection(header: Header, connection: &Connection, out: &mut Vec<u8>) {
    let raw = ConnectionRaw {
        header,
        cookie: connection.cookie,
        began_ns: if connection.duration == 0 {
            0
        } else {
            header.time_ns - connection.duration
        },
        sent: connection.sent,
        received: connection.received,
        srtt_us: connection.srtt,
        retransmits: connection.retransmits,
        netns: connection.netns,
        errno: connection.errno,
        local: octets(connection.local),
        remote: octets(connection.remote),
        local_port: connection.local.port(),
        remote_port: connection.remote.port(),
        op: connection.op as u8,
        inbound: connection.direction,
        reserved: 0,
        local_isn: connection.local_isn,
        remote_isn: connection.remote_isn,
    };
    out.extend_from_slice(raw.as_bytes());
}

fn open(header: Header, open: &Open<'_>, out: &mut Vec<u8>) {
    let (path, typed) = (open.path.as_slice(), open.typed.as_slice());
    let (walked, end) = match open.path_kind {
        path_kind::RESOLVED => (names(path), PathEnd::TaskRoot),
        path_kind::OUTSIDE_ROOT => (names(path), PathEnd::NamespaceRoot),
        path_kind::UNNAMED => (names(path), PathEnd::Unnamed),
        path_kind::PARTIAL => (names(path), PathEnd::Truncated),
        // It failed: of a relative path, the directory travels.
        _ => match path.strip_suffix(typed).and_then(|path| path.strip_suffix(b"/")) {
            Some(directory) if typed.first() != Some(&b'/') => (names(directory), PathEnd::TaskRoot),
            _ => (Vec::new(), PathEnd::Absent),
        },
    };
    let raw = OpenRaw {
        header,
        result: open.result,
        flags: open.flags,
        mode: open.mode,
        mnt_ns: 0,
        path_len: len(&walked),
        typed_len: len(typed),
        path_end: end as u8,
        traits: open.traits,
        reserved: [0; 6],
        count: open.count,
    };
    append(&raw, &[&walked, typed], out);
}

fn append(raw: &(impl IntoBytes + Immutable), parts: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(raw.as_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// A path as the kernel walks it: names leaf first, each with its NUL.
fn names(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    let names = path.rsplit(|byte| *byte == b'/');
    names.flat_map(|name| name.iter().copied().chain([0])).collect()
}

fn fixed(name: &Bytes<'_>) -> [u8; 16] {
    let mut fixed = [0; 16];
    for (to, from) in fixed.iter_mut().zip(name.as_slice()) {
        *to = *from;
    }
    fixed
}

fn octets(end: SocketAddr) -> [u8; 16] {
    match end.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn len(part: &[u8]) -> u16 {
    u16::try_from(part.len()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use vespid::decode::{Scratch, decode};

    use super::super::{Traffic, events};
    use super::*;

    /// What the decoder makes of the records is what was recorded: it is measured with real input.
    #[test]
    fn the_decoder_gives_the_recorded_events_back() {
        let round: Vec<_> = events(Traffic::recorded().expect("the fixtures").next_round()).collect();
        let mut scratch = Scratch::default();
        let different = round.iter().filter(|event| {
            let mut bytes = Vec::new();
            record(event, &mut bytes);
            decode(&bytes, &CLOCK, &mut scratch).as_ref() != Ok(*event)
        });
        let different: Vec<_> = different.collect();
        assert!(
            different.is_empty(),
            "{} of {}: {:#?}",
            different.len(),
            round.len(),
            different.first()
        );
    }
}
