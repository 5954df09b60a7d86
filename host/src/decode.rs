//! From a raw record to an [`Event`]: pure, and the only place that knows both forms.
//!
//! A record comes from the kernel, but its contents are the monitored programs' to choose, so nothing in it is taken for
//! granted: a record that does not add up is an error with a fixed reason, and is counted.
mod change;
mod dns;
mod path;
mod privileged;
mod resource;
mod socket;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rustix::time::{ClockId, Timespec, clock_gettime};
use vespid_ebpf::{
    ABI_VERSION, ConnectionOp, ConnectionRaw, ExecRaw, ExitRaw, ForkRaw, Header, Kind, NAMESPACES, OpenRaw, PathEnd,
    TOLD, TOLD_BYTES, exec_flags, open_traits,
};
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::bytes::Bytes;
use crate::event::{Body, Connection, Event, Exec, Exit, Fork, Image, Open, Subject, process_flags};

pub use path::path_kind;

/// Turns the kernel's boot clock into Unix time. Read once: a step of the wall clock must not reorder events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Unix time at boot, in nanoseconds; the time spent suspended is in the boot clock.
    pub boot_to_unix_ns: u64,
}

impl Clock {
    /// What the two clocks say now. The wall clock is read between two readings of the boot clock, and of a few tries
    /// the closest pair counts.
    #[must_use]
    pub fn now() -> Clock {
        let tries = (0..5).map(|_| {
            let before = nanoseconds(clock_gettime(ClockId::Boottime));
            let wall = nanoseconds(clock_gettime(ClockId::Realtime));
            let after = nanoseconds(clock_gettime(ClockId::Boottime));
            (after - before, wall.saturating_sub(before.midpoint(after)))
        });
        Clock {
            boot_to_unix_ns: tries.min().map_or(0, |(_, difference)| difference),
        }
    }

    /// What it is now, in the time of events.
    #[must_use]
    pub fn now_in_events(self) -> u64 {
        self.unix(nanoseconds(clock_gettime(ClockId::Boottime)))
    }

    /// A time of the boot clock as Unix nanoseconds; 0, which means not known, stays 0.
    #[must_use]
    pub fn unix(self, boot_ns: u64) -> u64 {
        if boot_ns == 0 {
            0
        } else {
            boot_ns.saturating_add(self.boot_to_unix_ns)
        }
    }

    /// The time on the boot clock; 0 stays 0.
    #[must_use]
    pub fn since_boot(self, unix_ns: u64) -> u64 {
        unix_ns.saturating_sub(self.boot_to_unix_ns)
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Where paths are joined. Kept from record to record, so that decoding allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    joined: Vec<u8>,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It ends before its fixed part does.
    #[error("a record of {len} bytes is too short")]
    Short {
        /// Its length.
        len: usize,
    },
    /// It was made by programs of another version.
    #[error("the record has layout version {0}, not {ABI_VERSION}")]
    Abi(u8),
    /// Nothing is known about such records.
    #[error("there is no record kind {0}")]
    Kind(u8),
    /// Its parts do not add up to its length.
    #[error("a record of {len} bytes has parts of {parts} bytes")]
    Length {
        /// Its length.
        len: usize,
        /// Length of the parts it claims to have.
        parts: usize,
    },
    /// A number stands for nothing.
    #[error("{field} cannot be {number}")]
    Number {
        /// What it should be.
        field: &'static str,
        /// What it is.
        number: u8,
    },
    /// A path's last name has no end.
    #[error("a path component is not terminated")]
    Path,
}

impl DecodeError {
    /// The reason in one fixed word, for counting.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            DecodeError::Short { .. } => "short",
            DecodeError::Abi(_) => "abi",
            DecodeError::Kind(_) => "kind",
            DecodeError::Length { .. } => "length",
            DecodeError::Number { .. } => "number",
            DecodeError::Path => "path",
        }
    }
}

/// The kind that a record says it is of, if it is long enough to say so: for counting one that cannot be decoded.
#[must_use]
pub fn kind_of(record: &[u8]) -> Option<Kind> {
    Header::read_from_prefix(record)
        .ok()
        .and_then(|(header, _)| Kind::from_number(header.kind & !TOLD))
}

/// The number that the programs gave to what an exec ran, and where; 0 for anything else.
#[must_use]
pub fn image_of(record: &[u8]) -> u64 {
    match ExecRaw::read_from_prefix(record) {
        Ok((exec, _)) if kind_of(record) == Some(Kind::Exec) && exec.errno == 0 => exec.image,
        _ => 0,
    }
}

/// Reads one record. The event borrows from it, and from `scratch`.
///
/// # Errors
/// If the record is not one that this version's programs make.
pub fn decode<'a>(record: &'a [u8], clock: &Clock, scratch: &'a mut Scratch) -> Result<Event<'a>, DecodeError> {
    let (header, _) = fixed::<Header>(record)?;
    if header.abi != ABI_VERSION {
        return Err(DecodeError::Abi(header.abi));
    }
    if header.len as usize != record.len() {
        return Err(DecodeError::Length {
            len: record.len(),
            parts: header.len as usize,
        });
    }
    let (record, namespaces) = told(record, &header)?;
    scratch.joined.clear();
    let body = match Kind::from_number(header.kind & !TOLD).ok_or(DecodeError::Kind(header.kind))? {
        Kind::Fork => Body::Fork(fork(record, *clock)?),
        Kind::Exec => Body::Exec(exec(record, *clock, &mut scratch.joined)?),
        Kind::Exit => Body::Exit(exit(record)?),
        Kind::Connection => Body::Connection(connection(record)?),
        Kind::Open => Body::Open(open(record, &mut scratch.joined)?),
        Kind::Change => Body::Change(change::decode(record, &mut scratch.joined)?),
        Kind::Privileged => Body::Privileged(privileged::decode(record, *clock, &mut scratch.joined)?),
        Kind::Socket => Body::Socket(socket::decode(record, &mut scratch.joined)?),
        Kind::Resource => Body::Resource(resource::decode(record)?),
    };
    let subject = Subject {
        pid: header.pid,
        tid: header.tid,
        start: clock.unix(header.start_ns),
        uid: header.uid,
        gid: header.gid,
        cgroup: header.cgroup,
    };
    Ok(Event {
        time: clock.unix(header.time_ns),
        subject,
        body,
        namespaces,
    })
}

/// A record without the namespaces that it ends with, and these.
fn told<'a>(record: &'a [u8], header: &Header) -> Result<(&'a [u8], [u32; NAMESPACES.len()]), DecodeError> {
    if header.kind & TOLD == 0 {
        return Ok((record, [0; NAMESPACES.len()]));
    }
    match record.len().checked_sub(TOLD_BYTES) {
        Some(at) if at >= size_of::<Header>() => {
            let (record, told) = record.split_at(at);
            let namespaces = <[u32; NAMESPACES.len()]>::read_from_bytes(told);
            Ok((record, namespaces.unwrap_or_default()))
        }
        _ => Err(DecodeError::Short { len: record.len() }),
    }
}

/// The fixed part, and the tail.
fn fixed<T: FromBytes + KnownLayout + Immutable>(record: &[u8]) -> Result<(T, Tail<'_>), DecodeError> {
    let short = DecodeError::Short { len: record.len() };
    let (fixed, rest) = T::read_from_prefix(record).map_err(|_| short)?;
    Ok((
        fixed,
        Tail {
            rest,
            len: record.len(),
        },
    ))
}

/// What follows the fixed part.
struct Tail<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Tail<'a> {
    /// The parts, whose lengths have to add up to the whole tail.
    fn parts<const N: usize>(self, lens: [u16; N]) -> Result<[&'a [u8]; N], DecodeError> {
        let sum: usize = lens.iter().map(|len| usize::from(*len)).sum();
        if sum != self.rest.len() {
            return Err(DecodeError::Length {
                len: self.len,
                parts: self.len - self.rest.len() + sum,
            });
        }
        let mut rest = self.rest;
        Ok(lens.map(|len| {
            let (part, after) = rest.split_at(usize::from(len));
            rest = after;
            part
        }))
    }
}

fn path_end(field: &'static str, number: u8) -> Result<PathEnd, DecodeError> {
    PathEnd::from_number(number).ok_or(DecodeError::Number { field, number })
}

fn fork(record: &[u8], clock: Clock) -> Result<Fork, DecodeError> {
    let (raw, tail) = fixed::<ForkRaw>(record)?;
    tail.parts([])?;
    Ok(Fork {
        child_pid: raw.child_pid,
        child_start: clock.unix(raw.child_start_ns),
        child_cgroup: raw.child_cgroup,
    })
}

fn exec<'a>(record: &'a [u8], clock: Clock, joined: &'a mut Vec<u8>) -> Result<Exec<'a>, DecodeError> {
    let (raw, tail) = fixed::<ExecRaw>(record)?;
    let lens = [raw.filename_len, raw.args_len, raw.exe_len, raw.cwd_len, raw.cgroup_len];
    let [filename, args, exe, cwd, cgroup] = tail.parts(lens)?;
    let (exe_end, cwd_end) = (path_end("exe_end", raw.exe_end)?, path_end("cwd_end", raw.cwd_end)?);
    let filename = Bytes::from(filename);
    if raw.errno != 0 {
        return Ok(Exec {
            filename,
            errno: raw.errno,
            image: Image::default(),
        });
    }
    path::join(exe, exe_end, joined)?;
    let exe_to = joined.len();
    path::join(cwd, cwd_end, joined)?;
    let cwd_to = joined.len();
    path::join(cgroup, PathEnd::TaskRoot, joined)?;
    // Fixed-size names are borrowed from the record, not from the copy of its fixed part.
    let names = record.get(COMM_AT..COMM_AT + 32).unwrap_or_default();
    let (comm, tty) = names.split_at(16);
    let image = Image {
        ppid: raw.ppid,
        parent_start: clock.unix(raw.parent_start_ns),
        euid: raw.euid,
        egid: raw.egid,
        login_uid: raw.login_uid,
        session: raw.session,
        capabilities: raw.capabilities,
        namespaces: raw.namespaces,
        flags: image_flags(raw.flags),
        comm: Bytes::from(until_nul(comm)),
        tty: terminal(until_nul(tty)),
        exe: Bytes::from(&joined[..exe_to]),
        args: Bytes::from(args),
        args_total: raw.args_total,
        cwd: Bytes::from(&joined[exe_to..cwd_to]),
        cgroup_path: Bytes::from(&joined[cwd_to..]),
    };
    Ok(Exec {
        filename,
        errno: 0,
        image,
    })
}

/// The kernel calls `/dev/pts/0` `pts0`; everybody else, /proc and `ps` among them, `pts/0`.
fn terminal(name: &[u8]) -> Bytes<'_> {
    match name.strip_prefix(b"pts") {
        Some(number @ [b'0'..=b'9', ..]) => Bytes::from([b"pts/", number].concat()),
        _ => Bytes::from(name),
    }
}

const COMM_AT: usize = std::mem::offset_of!(ExecRaw, comm);
const _: () = assert!(std::mem::offset_of!(ExecRaw, tty) == COMM_AT + 16);

/// Arguments that could not be read are arguments of which nothing is carried.
fn image_flags(raw: u32) -> u32 {
    let pairs = [
        (
            exec_flags::ARGS_TRUNCATED | exec_flags::ARGS_UNREADABLE,
            process_flags::ARGS_TRUNCATED,
        ),
        (exec_flags::MEMFD, process_flags::MEMFD),
        (exec_flags::DELETED, process_flags::DELETED),
        (exec_flags::UPPER, process_flags::UPPER),
    ];
    pairs
        .iter()
        .filter(|(from, _)| raw & from != 0)
        .fold(0, |flags, (_, to)| flags | to)
}

fn until_nul(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn exit(record: &[u8]) -> Result<Exit, DecodeError> {
    let (raw, tail) = fixed::<ExitRaw>(record)?;
    tail.parts([])?;
    let signal = raw.status & 0x7f;
    let code = if signal == 0 { (raw.status >> 8) & 0xff } else { 0 };
    Ok(Exit { code, signal })
}

fn connection(record: &[u8]) -> Result<Connection, DecodeError> {
    let (raw, tail) = fixed::<ConnectionRaw>(record)?;
    tail.parts([])?;
    let op = ConnectionOp::from_number(raw.op).ok_or(DecodeError::Number {
        field: "op",
        number: raw.op,
    })?;
    if raw.inbound > 2 {
        return Err(DecodeError::Number {
            field: "inbound",
            number: raw.inbound,
        });
    }
    Ok(Connection {
        op,
        direction: raw.inbound,
        local: address(raw.local, raw.local_port),
        remote: address(raw.remote, raw.remote_port),
        cookie: raw.cookie,
        sent: raw.sent,
        received: raw.received,
        duration: if raw.began_ns == 0 {
            0
        } else {
            raw.header.time_ns.saturating_sub(raw.began_ns)
        },
        srtt: raw.srtt_us,
        retransmits: raw.retransmits,
        errno: raw.errno,
        netns: raw.netns,
        local_isn: raw.local_isn,
        remote_isn: raw.remote_isn,
    })
}

/// IPv4 comes in its IPv6-mapped form.
fn address(octets: [u8; 16], port: u16) -> SocketAddr {
    let v6 = Ipv6Addr::from(octets);
    SocketAddr::new(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4), port)
}

fn open<'a>(record: &'a [u8], joined: &'a mut Vec<u8>) -> Result<Open<'a>, DecodeError> {
    let (raw, tail) = fixed::<OpenRaw>(record)?;
    let [walked, typed] = tail.parts([raw.path_len, raw.typed_len])?;
    let end = path_end("path_end", raw.path_end)?;
    path::join(walked, end, joined)?;
    let is_file = raw.result >= 0 && raw.traits & open_traits::BY_WORDS == 0;
    let path_kind = if is_file && end != PathEnd::Absent {
        path::resolved(end)
    } else {
        path::from_typed(typed, end, joined)
    };
    Ok(Open {
        path: Bytes::from(joined.as_slice()),
        typed: Bytes::from(typed),
        flags: raw.flags,
        mode: raw.mode,
        result: raw.result,
        path_kind,
        traits: raw.traits & !open_traits::BY_WORDS,
        count: raw.count.max(1),
    })
}
