//! Records of processes killed for want of memory.
use vespid_ebpf::{ResourceOp, ResourceRaw};

use super::{DecodeError, fixed};
use crate::event::Resource;

pub(super) fn decode(record: &[u8]) -> Result<Resource<'static>, DecodeError> {
    let (raw, tail) = fixed::<ResourceRaw>(record)?;
    tail.parts([])?;
    Ok(Resource {
        memory: raw.memory,
        ..Resource::of(ResourceOp::OomKill)
    })
}
