//! The binary form of a line: its fields in a fixed order, numbers in few bytes, texts as the bytes that they are.
//!
//! A recording says in its header which fields there are, so it can be read without this program, and by later ones: a
//! field that is added comes last in its row, and where a row ends before it, it is 0 or empty, as it is in text.
mod field;

use std::collections::BTreeMap;

use vespid_ebpf::{ChangeOp, ConnectionOp, Kind, PrivilegedOp, SocketOp};

use self::field::{Field, fields, numbered};
use super::{End, Line, Loss};
use crate::event::{
    Body, Change, Connection, Event, Exec, Exit, Fork, Image, Known, KnownContainer, Open, Privileged, Restated,
    Socket, Subject,
};

/// Bytes before a row: its length without them, little-endian.
pub(super) const LENGTH: usize = 4;

/// What a row is, if it is not an event: its first byte. Of an event, that is the number of its kind.
const KNOWN: u8 = 0xf0;
const CONTAINER: u8 = 0xf1;
const LOST: u8 = 0xf2;
const END: u8 = 0xf3;

numbered! { ChangeOp ConnectionOp PrivilegedOp SocketOp }

// The order is the format's. What is new goes to the end of its row.
fields! {
    owned Subject { pid, tid, start as time, uid, gid, cgroup }
    owned Fork { child_pid, child_start as time, child_cgroup }
    owned Exit { code, signal }
    owned Connection {
        op, direction, local, remote, cookie, sent, received, duration, srtt, retransmits, errno, netns,
    }
    owned Restated { parent_pid, parent_start as time, ended as time, exact }
    owned End { events }
    borrowed Image {
        ppid, parent_start as time, euid, egid, login_uid, session, capabilities, namespaces, flags, comm, tty, exe, args,
        args_total, cwd, cgroup_path,
    }
    borrowed Exec { filename, errno, image }
    borrowed Open { path, typed, flags, mode, result, path_kind, traits }
    borrowed Change {
        op, path, typed, target, target_typed, detail, flags, mode, value, result, path_kind, target_kind,
    }
    borrowed Privileged { op, code, argument, target_pid, target_start as time, detail, result }
    borrowed Socket { op, family, protocol, local, remote, name, code, result, netns }
    borrowed Known { subject, restated, image }
    borrowed KnownContainer { cgroup, id, runtime, name, image, pod_uid, pod, namespace }
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
        Line::Event(event) => {
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
            }
        }
    }
    let len = u32::try_from(out.len() - at - LENGTH).unwrap_or(u32::MAX);
    out[at..at + LENGTH].copy_from_slice(&len.to_le_bytes());
}

fn tagged<'a>(tag: u8, row: &impl Field<'a>, out: &mut Vec<u8>) {
    out.push(tag);
    row.put(out);
}

/// The line in a row, without its length. None if it does not add up.
pub(super) fn get(row: &[u8]) -> Option<Line<'_>> {
    let (&tag, mut from) = row.split_first()?;
    let from = &mut from;
    let line = match tag {
        KNOWN => Line::Known(Field::get(from)?),
        CONTAINER => Line::Container(Field::get(from)?),
        LOST => Line::Lost(Field::get(from)?),
        END => Line::End(Field::get(from)?),
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
                },
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
        };
        let all = ["time".to_owned()].into_iter().chain(Subject::names()).chain(own);
        (format!("{} {}", kind as u8, kind.name()), all.collect())
    };
    let others = [
        (format!("{KNOWN} known"), Known::names()),
        (format!("{CONTAINER} container"), KnownContainer::names()),
        (format!("{LOST} lost"), Loss::names()),
        (format!("{END} end"), End::names()),
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
