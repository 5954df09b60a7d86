//! The binary form of a line: its fields in a fixed order, numbers in few bytes, texts as the bytes that they are.
//!
//! A recording says in its header which fields there are, so it can be read without this program, and by later ones: a
//! field that is added comes last in its row, and where a row ends before it, it is 0 or empty, as it is in text.
mod field;

use std::collections::BTreeMap;

use vespid_ebpf::{ChangeOp, ConnectionOp, Kind, PrivilegedOp, ResourceOp, SocketOp};

use self::field::{Field, fields, numbered};
use super::{End, Line, Loss};
use crate::event::{
    Accounts, Body, Change, Connection, Event, Exec, Exit, Fork, Image, Known, KnownAccount, KnownContainer, Open,
    Privileged, Resource, Restated, Socket, Subject,
};

/// Bytes before a row: its length without them, little-endian.
pub(super) const LENGTH: usize = 4;

/// What a row is, if it is not an event: its first byte. Of an event, that is the number of its kind.
const KNOWN: u8 = 0xf0;
const CONTAINER: u8 = 0xf1;
const LOST: u8 = 0xf2;
const END: u8 = 0xf3;
const ACCOUNT: u8 = 0xf4;

numbered! { Accounts ChangeOp ConnectionOp PrivilegedOp ResourceOp SocketOp }

// The order is the format's. What is new goes to the end of its row.
fields! {
    owned Subject { pid, tid, start as time, uid, gid, cgroup }
    owned Fork { child_pid, child_start as time, child_cgroup }
    owned Exit { code, signal }
    owned Connection {
        op, direction, local, remote, cookie, sent, received, duration, srtt, retransmits, errno, netns,
        local_isn, remote_isn,
    }
    owned Restated { parent_pid, parent_start as time, ended as time, exact, at as time, gone }
    owned End { events }
    borrowed Image {
        ppid, parent_start as time, euid, egid, login_uid, session, capabilities, namespaces, flags, comm, tty, exe, args,
        args_total, cwd, cgroup_path,
    }
    borrowed Exec { filename, errno, image }
    borrowed Open { path, typed, flags, mode, result, path_kind, traits, count }
    borrowed Change {
        op, path, typed, target, target_typed, detail, flags, mode, value, result, path_kind, target_kind,
    }
    borrowed Privileged { op, code, argument, target_pid, target_start as time, detail, result }
    borrowed Socket { op, family, protocol, local, remote, name, code, result, netns }
    borrowed Resource {
        op, cgroup, interval, measured, cpu, minor_faults, major_faults, voluntary_switches, involuntary_switches, cycles,
        instructions, cache_misses, memory,
    }
    borrowed Known { subject, restated, image }
    borrowed KnownContainer { cgroup, id, runtime, name, image, pod_uid, pod, namespace, labels, owner }
    borrowed KnownAccount { container, of, id, name }
    borrowed Loss { stage, kind, count }
}

/// Appends a line.
pub(super) fn put(line: &Line<'_>, out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    match line {
        Line::Known(known) => tagged(KNOWN, known, out),
        Line::Container(container) => tagged(CONTAINER, container, out),
        Line::Lost(loss) => tagged(LOST, loss, out),
        Line::End(end) => tagged(END, end, out),
        Line::Account(account) => tagged(ACCOUNT, account, out),
        Line::Event(event) => {
            out.truncate(at);
            return put_event(event, out);
        }
    }
    set_length(at, out);
}

/// Appends an event's line.
pub(super) fn put_event(event: &Event<'_>, out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    out.push(event.body.kind() as u8);
    out.extend_from_slice(&event.time.to_le_bytes());
    event.subject.put(out);
    match &event.body {
        Body::Fork(fork) => fork.put(out),
        Body::Exec(exec) => exec.put(out),
        Body::Exit(exit) => exit.put(out),
        Body::Connection(connection) => connection.put(out),
        Body::Open(open) => open.put(out),
        Body::Change(change) => change.put(out),
        Body::Privileged(call) => call.put(out),
        Body::Socket(socket) => socket.put(out),
        Body::Resource(resource) => resource.put(out),
    }
    set_length(at, out);
}

/// Says before the row that begins there how long it is.
fn set_length(at: usize, out: &mut [u8]) {
    let len = u32::try_from(out.len() - at - LENGTH).unwrap_or(u32::MAX);
    out[at..at + LENGTH].copy_from_slice(&len.to_le_bytes());
}

fn tagged<'a>(tag: u8, row: &impl Field<'a>, out: &mut Vec<u8>) {
    out.push(tag);
    row.put(out);
}

/// The line in a row, without its length. None if it does not add up.
#[inline]
pub(super) fn get(row: &[u8]) -> Option<Line<'_>> {
    let (&tag, mut from) = row.split_first()?;
    let from = &mut from;
    let line = match tag {
        KNOWN => Line::Known(Field::get(from)?),
        CONTAINER => Line::Container(Field::get(from)?),
        LOST => Line::Lost(Field::get(from)?),
        END => Line::End(Field::get(from)?),
        ACCOUNT => Line::Account(Field::get(from)?),
        kind => {
            let kind = Kind::from_number(kind)?;
            let (time, rest) = from.split_first_chunk()?;
            *from = rest;
            Line::Event(Event {
                time: u64::from_le_bytes(*time),
                subject: Field::get(from)?,
                body: match kind {
                    Kind::Fork => Body::Fork(Field::get(from)?),
                    Kind::Exec => Body::Exec(Field::get(from)?),
                    Kind::Exit => Body::Exit(Field::get(from)?),
                    Kind::Connection => Body::Connection(Field::get(from)?),
                    Kind::Open => Body::Open(Field::get(from)?),
                    Kind::Change => Body::Change(Field::get(from)?),
                    Kind::Privileged => Body::Privileged(Field::get(from)?),
                    Kind::Socket => Body::Socket(Field::get(from)?),
                    Kind::Resource => Body::Resource(Field::get(from)?),
                },
                namespaces: [0; 8],
            })
        }
    };
    Some(line)
}

/// The fields of each row, in their order: what a header says.
pub(super) fn schema() -> BTreeMap<String, Vec<String>> {
    let event = |kind: Kind| {
        let own = match kind {
            Kind::Fork => Fork::names(),
            Kind::Exec => Exec::names(),
            Kind::Exit => Exit::names(),
            Kind::Connection => Connection::names(),
            Kind::Open => Open::names(),
            Kind::Change => Change::names(),
            Kind::Privileged => Privileged::names(),
            Kind::Socket => Socket::names(),
            Kind::Resource => Resource::names(),
        };
        let all = ["time".to_owned()].into_iter().chain(Subject::names()).chain(own);
        (format!("{} {}", kind as u8, kind.name()), all.collect())
    };
    let others = [
        (format!("{KNOWN} known"), Known::names()),
        (format!("{CONTAINER} container"), KnownContainer::names()),
        (format!("{LOST} lost"), Loss::names()),
        (format!("{END} end"), End::names()),
        (format!("{ACCOUNT} account"), KnownAccount::names()),
    ];
    Kind::ALL.into_iter().map(event).chain(others).collect()
}

/// What of a recording's rows cannot be understood here: their fields must begin, or end, with those that are known.
pub(super) fn foreign(found: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let known = schema();
    let is_foreign = |(row, fields): &(&String, &Vec<String>)| match known.get(*row) {
        Some(known) => !known.iter().zip(fields.iter()).all(|(known, found)| known == found),
        None => true,
    };
    found.iter().find(is_foreign).map(|(row, _)| row.clone())
}
