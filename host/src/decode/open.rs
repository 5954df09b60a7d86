//! Records of opened files.
use vespid_ebpf::{OpenRaw, PathEnd, open_traits};

use super::{DecodeError, fixed, path, path_end};
use crate::bytes::Bytes;
use crate::event::Open;

pub(super) fn decode<'a>(record: &'a [u8], joined: &'a mut Vec<u8>) -> Result<Open<'a>, DecodeError> {
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
