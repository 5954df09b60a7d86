//! Operations in a recording: by their names.
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use vespid_ebpf::{ChangeOp, ConnectionOp, PrivilegedOp, ResourceOp, SocketOp};

/// What an `op` column can hold.
pub(super) trait Op: Copy + 'static {
    const ALL: &'static [Self];
    fn name(self) -> &'static str;
}

macro_rules! op {
    ($($name:ident)*) => {
        $(impl Op for $name {
            const ALL: &'static [Self] = $name::ALL;

            fn name(self) -> &'static str {
                $name::name(self)
            }
        })*
    };
}

op! { ChangeOp ConnectionOp PrivilegedOp ResourceOp SocketOp }

pub(super) fn serialize<O: Op, S: Serializer>(op: &O, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(op.name())
}

pub(super) fn deserialize<'de, O: Op, D: Deserializer<'de>>(deserializer: D) -> Result<O, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = || O::ALL.iter().map(|op| op.name()).collect::<Vec<_>>().join(", ");
    let op = O::ALL.iter().find(|op| op.name() == name).copied();
    op.ok_or_else(|| D::Error::custom(format!("`{name}` is none of {}", known())))
}
