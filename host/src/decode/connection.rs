//! Records of TCP connections.
use vespid_ebpf::{ConnectionOp, ConnectionRaw};

use super::{DecodeError, address, fixed};
use crate::event::Connection;

pub(super) fn decode(record: &[u8]) -> Result<Connection, DecodeError> {
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
