//! Sockets beside the connections of TCP.
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use vespid_ebpf::SocketOp;

use super::{is_zero, ops};
use crate::bytes::Bytes;

/// What a socket did. The fields are the columns of the interface's `sockets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket<'a> {
    /// What it did.
    #[serde(with = "ops")]
    pub op: SocketOp,
    /// Address family.
    pub family: u8,
    /// Protocol of IP.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub protocol: u8,
    /// Local end, if it has an address of IP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<SocketAddr>,
    /// Remote end, if it has an address of IP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<SocketAddr>,
    /// Path of a Unix socket, or the name that DNS was asked for.
    #[serde(default, borrow, skip_serializing_if = "Bytes::is_empty")]
    pub name: Bytes<'a>,
    /// Length of the queue, or type of the question.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub code: u32,
    /// What the call returned, or the negated errno; the response code of an answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub result: i64,
    /// Network namespace.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub netns: u32,
}
