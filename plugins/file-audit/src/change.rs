//! What a change does to the file, and to the name that it makes.
use vespid_plugin::prelude::*;
use vespid_plugin::{Change, ChangeOp};

use crate::access::Access;

/// Kinds of access to `path` and to `target`.
pub(crate) fn accesses(change: Change<'_>) -> (Access, Access) {
    let removed = Access::WRITE | Access::DESTROY;
    match change.op() {
        ChangeOp::Rename => (removed, Access::WRITE),
        ChangeOp::Link | ChangeOp::Symlink => (Access::LINK, Access::WRITE),
        ChangeOp::Unlink | ChangeOp::RemoveDirectory => (removed, Access::NONE),
        ChangeOp::Truncate if change.length() == Some(0) => (removed, Access::NONE),
        ChangeOp::Truncate | ChangeOp::MakeDirectory | ChangeOp::MakeNode => (Access::WRITE, Access::NONE),
        ChangeOp::Mode if change.sets_user_id() => (Access::ATTRIBUTES | Access::SET_USER_ID, Access::NONE),
        ChangeOp::Mode | ChangeOp::Owner | ChangeOp::SetAttribute | ChangeOp::RemoveAttribute => {
            (Access::ATTRIBUTES, Access::NONE)
        }
        _ => (Access::NONE, Access::NONE),
    }
}

/// The operations that can be one of these kinds of access.
pub(crate) fn ops(access: Access) -> impl Iterator<Item = ChangeOp> {
    let removing = Access::WRITE | Access::DESTROY;
    let all = [
        (ChangeOp::Rename, removing),
        (ChangeOp::Link, Access::LINK | Access::WRITE),
        (ChangeOp::Symlink, Access::LINK | Access::WRITE),
        (ChangeOp::Unlink, removing),
        (ChangeOp::RemoveDirectory, removing),
        (ChangeOp::Truncate, removing),
        (ChangeOp::MakeDirectory, Access::WRITE),
        (ChangeOp::MakeNode, Access::WRITE),
        (ChangeOp::Mode, Access::ATTRIBUTES | Access::SET_USER_ID),
        (ChangeOp::Owner, Access::ATTRIBUTES),
        (ChangeOp::SetAttribute, Access::ATTRIBUTES),
        (ChangeOp::RemoveAttribute, Access::ATTRIBUTES),
    ];
    all.into_iter()
        .filter(move |(_, can)| can.has(access))
        .map(|(op, _)| op)
}

/// What was done, and what was tried.
pub(crate) fn words(op: ChangeOp) -> (&'static str, &'static str) {
    match op {
        ChangeOp::Rename => ("renamed", "rename"),
        ChangeOp::Link => ("linked", "link"),
        ChangeOp::Symlink => ("made a symbolic link to", "make a symbolic link to"),
        ChangeOp::Unlink | ChangeOp::RemoveDirectory => ("removed", "remove"),
        ChangeOp::MakeDirectory | ChangeOp::MakeNode => ("made", "make"),
        ChangeOp::Truncate => ("cut", "cut"),
        ChangeOp::Mode => ("changed the mode of", "change the mode of"),
        ChangeOp::Owner => ("changed the owner of", "change the owner of"),
        _ => ("changed an attribute of", "change an attribute of"),
    }
}

/// What follows the file in a message.
pub(crate) fn tail(change: Change<'_>) -> String {
    match change.op() {
        ChangeOp::Rename => format!(" to {}", text(change.target())),
        ChangeOp::Link | ChangeOp::Symlink => format!(" as {}", text(change.target())),
        ChangeOp::Mode => format!(" to {:04o}", change.mode()),
        _ => String::new(),
    }
}
