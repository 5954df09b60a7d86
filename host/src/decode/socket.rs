//! Records of sockets.
use std::net::SocketAddr;

use vespid_ebpf::{SocketOp, SocketRaw};

use super::{DecodeError, address, dns, fixed};
use crate::bytes::Bytes;
use crate::event::Socket;

const UNIX: u8 = 1;
const INET: u8 = 2;
const INET6: u8 = 10;
/// `-EBADMSG`: the result of an answer that is none.
const NO_MESSAGE: i64 = -74;

pub(super) fn decode<'a>(record: &'a [u8], joined: &'a mut Vec<u8>) -> Result<Socket<'a>, DecodeError> {
    let (raw, tail) = fixed::<SocketRaw>(record)?;
    let [name] = tail.parts([raw.name_len])?;
    let op = SocketOp::from_number(raw.op).ok_or(DecodeError::Number {
        field: "op",
        number: raw.op,
    })?;
    let (mut code, mut result) = (raw.code, raw.result);
    let name = match op {
        SocketOp::DnsQuestion | SocketOp::DnsAnswer => {
            let question = dns::question(name, joined);
            code = question.map_or(0, |question| u32::from(question.kind));
            if op == SocketOp::DnsAnswer {
                result = question.map_or(NO_MESSAGE, |question| i64::from(question.response));
            }
            Bytes::from(joined.as_slice())
        }
        _ if raw.family == UNIX => unix_name(name, joined),
        _ => Bytes::from(name),
    };
    let end = |octets: [u8; 16], port: u16| -> Option<SocketAddr> {
        let is_known = octets != [0; 16] || port != 0;
        (matches!(raw.family, INET | INET6) && is_known).then(|| address(octets, port))
    };
    Ok(Socket {
        op,
        family: raw.family,
        protocol: raw.protocol,
        local: end(raw.local, raw.local_port),
        remote: end(raw.remote, raw.remote_port),
        name,
        code,
        result,
        netns: raw.netns,
    })
}

/// A path ends at its NUL; a name in the abstract space begins with one, and is shown with `@` for it.
fn unix_name<'a>(path: &'a [u8], joined: &'a mut Vec<u8>) -> Bytes<'a> {
    match path {
        [0, abstract_name @ ..] => {
            joined.push(b'@');
            joined.extend_from_slice(abstract_name);
            Bytes::from(joined.as_slice())
        }
        path => Bytes::from(super::until_nul(path)),
    }
}
