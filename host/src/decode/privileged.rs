//! Records of privileged calls.
use vespid_ebpf::{PathEnd, PrivilegedOp, PrivilegedRaw};

use super::{Clock, DecodeError, address, fixed, path, path_end};
use crate::bytes::Bytes;
use crate::event::Privileged;

pub(super) fn decode<'a>(
    record: &'a [u8],
    clock: Clock,
    joined: &'a mut Vec<u8>,
) -> Result<Privileged<'a>, DecodeError> {
    let (raw, tail) = fixed::<PrivilegedRaw>(record)?;
    let [detail] = tail.parts([raw.detail_len])?;
    let op = PrivilegedOp::from_number(raw.op).ok_or(DecodeError::Number {
        field: "op",
        number: raw.op,
    })?;
    let end = path_end("detail_end", raw.detail_end)?;
    let detail = match (op, detail.split_first_chunk::<16>()) {
        (PrivilegedOp::StdioSocket, Some((octets, &[high, low]))) => {
            let remote = address(*octets, u16::from_be_bytes([high, low]));
            joined.extend_from_slice(remote.to_string().as_bytes());
            Bytes::from(joined.as_slice())
        }
        _ if end == PathEnd::Absent => Bytes::from(detail),
        _ => {
            path::join(detail, end, joined)?;
            Bytes::from(joined.as_slice())
        }
    };
    Ok(Privileged {
        op,
        code: raw.code,
        argument: raw.argument,
        target_pid: raw.target_pid,
        target_start: clock.unix(raw.target_start_ns),
        detail,
        result: raw.result,
    })
}
