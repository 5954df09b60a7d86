//! Records of changed files.
use vespid_ebpf::{ChangeOp, ChangeRaw, PathEnd};

use super::{DecodeError, fixed, path, path_end};
use crate::bytes::Bytes;
use crate::event::Change;

pub(super) fn decode<'a>(record: &'a [u8], joined: &'a mut Vec<u8>) -> Result<Change<'a>, DecodeError> {
    let (raw, tail) = fixed::<ChangeRaw>(record)?;
    let lens = [
        raw.path_len,
        raw.typed_len,
        raw.target_len,
        raw.target_typed_len,
        raw.detail_len,
    ];
    let [walked, typed, target_walked, target_typed, detail] = tail.parts(lens)?;
    let op = ChangeOp::from_number(raw.op).ok_or(DecodeError::Number {
        field: "op",
        number: raw.op,
    })?;
    let end = path_end("path_end", raw.path_end)?;
    let target_end = path_end("target_end", raw.target_end)?;
    let mut target = Vec::new();
    let target_kind = one(
        target_walked,
        target_end,
        raw.target_is_file != 0,
        target_typed,
        &mut target,
    )?;
    let mut path_kind = one(walked, end, raw.path_is_file != 0, typed, joined)?;
    if op == ChangeOp::Symlink && typed.first().is_some_and(|first| *first != b'/') {
        // A relative text in a symbolic link is relative to the link, not to the caller.
        joined.clear();
        joined.extend_from_slice(&target[..target.iter().rposition(|byte| *byte == b'/').unwrap_or(0)]);
        let kind = path::from_typed(typed, PathEnd::TaskRoot, joined);
        path_kind = if target_kind == path::path_kind::PARTIAL {
            target_kind
        } else {
            kind
        };
    }
    Ok(Change {
        op,
        path: Bytes::from(joined.as_slice()),
        typed: Bytes::from(typed),
        target: target.into(),
        target_typed: Bytes::from(target_typed),
        detail: Bytes::from(detail),
        flags: raw.flags,
        mode: raw.mode,
        value: raw.value,
        result: raw.result,
        path_kind,
        target_kind,
    })
}

/// One of the two paths; empty if the call has none.
fn one(walked: &[u8], end: PathEnd, is_file: bool, typed: &[u8], out: &mut Vec<u8>) -> Result<u8, DecodeError> {
    path::join(walked, end, out)?;
    if is_file {
        return Ok(path::resolved(end));
    }
    if typed.is_empty() {
        out.clear();
        return Ok(path::path_kind::RESOLVED);
    }
    Ok(path::from_typed(typed, end, out))
}
