//! Less usual ways to the same rows: many messages a call, and the 32-bit table of calls.
#![expect(unsafe_code, reason = "system calls that no library wraps")]
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::from_mut;

use serde_json::{Value, json};

use super::{rows, serve};
use crate::actor::actor;
use crate::harness::live;

/// Messages of one call; of the fifth on, nothing is seen.
const MESSAGES: usize = 3;

/// Sends to all addresses by one call, and takes all answers by another.
pub(crate) fn send_many(argument: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut names: Vec<libc::sockaddr_in> = argument.split(',').map(sockaddr).collect();
    let mut payload = *b"x";
    let mut room = libc::iovec {
        iov_base: payload.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: of integers and pointers, all of which may be 0.
    let mut messages: [libc::mmsghdr; MESSAGES] = unsafe { std::mem::zeroed() };
    for (message, name) in messages.iter_mut().zip(&mut names) {
        message.msg_hdr.msg_name = from_mut(name).cast();
        message.msg_hdr.msg_namelen = u32::try_from(size_of_val(name)).expect("a length");
        message.msg_hdr.msg_iov = &raw mut room;
        message.msg_hdr.msg_iovlen = 1;
    }
    let count = u32::try_from(MESSAGES).expect("a number");
    // SAFETY: all that the messages point to lives through the calls.
    let done = unsafe {
        let socket = socket.as_raw_fd();
        [
            libc::sendmmsg(socket, messages.as_mut_ptr(), count, 0),
            libc::recvmmsg(socket, messages.as_mut_ptr(), count, 0, std::ptr::null_mut()),
        ]
    };
    assert_eq!(done, [3, 3], "{}", std::io::Error::last_os_error());
}

/// Binds a socket and sends a datagram by `int 0x80`: the numbers are those of the 32-bit table.
pub(crate) fn send_by_int80(argument: &str) {
    let socket = unbound();
    // SAFETY: the page is ours, large enough, and below 4 GiB.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let page = libc::mmap(std::ptr::null_mut(), 4096, access, flags, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        let [here, there] = [
            page.cast::<libc::sockaddr_in>(),
            page.cast::<libc::sockaddr_in>().add(1),
        ];
        here.write(sockaddr("127.0.0.1:0"));
        there.write(sockaddr(argument));
        let low = |pointer: *mut libc::sockaddr_in| u32::try_from(pointer.addr()).expect("a low address");
        // bind(socket, here, 16) and sendto(socket, there, 1, 0, there, 16): any byte will do.
        assert_eq!(int80(361, [socket, low(here), 16, 0, 0, 0]), 0);
        assert_eq!(int80(369, [socket, low(there), 1, 0, low(there), 16]), 1);
    }
}

fn unbound() -> u32 {
    // SAFETY: no memory is involved.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    u32::try_from(socket).expect("a socket")
}

/// # Safety
/// What the arguments point to must be what the call takes.
unsafe fn int80(number: i32, arguments: [u32; 6]) -> i32 {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    let result;
    // SAFETY: the caller's promise. rbx and rbp belong to the compiler, and are put back.
    unsafe {
        std::arch::asm!(
            "push rbx", "push rbp", "mov ebx, r8d", "mov ebp, r9d", "int 0x80", "pop rbp", "pop rbx",
            inout("eax") number => result, in("ecx") second, in("edx") third, in("esi") fourth, in("edi") fifth,
            inout("r8") u64::from(first) => _, inout("r9") u64::from(sixth) => _, out("r10") _, out("r11") _,
        );
    }
    result
}

fn sockaddr(address: &str) -> libc::sockaddr_in {
    let Ok(SocketAddr::V4(address)) = address.parse() else {
        panic!("{address} is none of IPv4")
    };
    libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).expect("a family"),
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

#[test]
fn all_messages_of_one_call_are_looked_at() {
    let Some(mut live) = live() else { return };
    let echoes = [(); MESSAGES].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    let addresses = echoes
        .each_ref()
        .map(|echo| echo.local_addr().expect("an address").to_string());
    let servers = echoes.map(|echo| serve(echo, 1, |_| ()));
    let pid = live.run(&mut actor("send-many", addresses.join(","), Path::new("/")));
    servers.into_iter().for_each(|server| server.join().expect("its end"));
    let mut expected = addresses.map(Value::from);
    expected.sort_by_key(Value::to_string);
    for op in ["sent", "received"] {
        let found = rows(&live, pid, op);
        let mut remotes: Vec<Value> = found.iter().map(|row| row["remote"].clone()).collect();
        remotes.sort_by_key(Value::to_string);
        assert_eq!(remotes, expected, "{op}");
        assert!(found.iter().all(|row| row["result"] == 1), "{found:#?}");
    }
}

#[test]
fn calls_of_the_32_bit_table_are_told_by_their_own_numbers() {
    let Some(mut live) = live() else { return };
    let sink = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = sink.local_addr().expect("an address").to_string();
    let pid = live.run(&mut actor("send-by-int80", &address, Path::new("/")));
    let (bound, sent) = (rows(&live, pid, "bound"), rows(&live, pid, "sent"));
    let ([bound], [sent]) = (bound.as_slice(), sent.as_slice()) else {
        panic!("{bound:#?} {sent:#?}")
    };
    assert_eq!((&sent["remote"], &sent["result"]), (&json!(address), &json!(1)));
    assert_eq!((&sent["local"], &sent["protocol"]), (&bound["local"], &json!(17)));
}
