//! From a raw record to an [`Event`]: pure, and the only place that knows both forms.
//!
//! A record comes from the kernel, but its contents are the monitored programs' to choose, so nothing in it is taken for
//! granted: a record that does not add up is an error with a fixed reason, and is counted.
mod change;
mod clock;
mod connection;
mod dns;
mod open;
mod path;
mod privileged;
mod process;
mod resource;
mod socket;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use vespid_ebpf::{ABI_VERSION, ExecRaw, Header, Kind, NAMESPACES, PathEnd, TOLD, TOLD_BYTES};
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::event::{Body, Event, Subject};

pub use clock::Clock;
pub use path::path_kind;

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
        Kind::Fork => Body::Fork(process::fork(record, *clock)?),
        Kind::Exec => Body::Exec(process::exec(record, *clock, &mut scratch.joined)?),
        Kind::Exit => Body::Exit(process::exit(record)?),
        Kind::Connection => Body::Connection(connection::decode(record)?),
        Kind::Open => Body::Open(open::decode(record, &mut scratch.joined)?),
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

fn until_nul(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// IPv4 comes in its IPv6-mapped form.
fn address(octets: [u8; 16], port: u16) -> SocketAddr {
    let v6 = Ipv6Addr::from(octets);
    SocketAddr::new(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4), port)
}
