//! A script of connections, each to a port of its own, in a network namespace of its own. Both ends are of one process.
#![expect(unsafe_code, reason = "socket options and calls that no library wraps")]
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::Command;
use std::time::Duration;

/// The loopback device has to be brought up there.
const UP: libc::c_short = 0x1;

pub(crate) fn act() {
    enter_namespace();
    let packets = packets();
    let two = |listen: &str, connect: &str| {
        let listener = TcpListener::bind(listen).expect("a port");
        let near = TcpStream::connect(connect).expect("a connection");
        let (far, _) = listener.accept().expect("a connection");
        (near, far)
    };
    // 1001: IPv4. The client closes first.
    let (mut near, mut far) = two("127.0.0.1:1001", "127.0.0.1:1001");
    exchange(&mut near, &mut far);
    close(near, far);
    // 1002: IPv6. The server closes first.
    let (mut near, mut far) = two("[::1]:1002", "[::1]:1002");
    exchange(&mut near, &mut far);
    close(far, near);
    // 1003: IPv4 by a socket of IPv6.
    let listener = TcpListener::bind("127.0.0.1:1003").expect("a port");
    let mapped = (Ipv6Addr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]), 1003);
    let mut near = TcpStream::connect(mapped).expect("a connection");
    let (mut far, _) = listener.accept().expect("a connection");
    exchange(&mut near, &mut far);
    close(near, far);
    // 1004, 1005: nobody listens.
    for nowhere in ["127.0.0.1:1004", "[::1]:1005"] {
        let refused = TcpStream::connect(nowhere).expect_err("nobody");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    // 1006: cut by the server.
    let (mut near, far) = two("127.0.0.1:1006", "127.0.0.1:1006");
    near.write_all(b"x").expect("sent");
    wait_for(&far);
    drop(far);
    let cut = near.read(&mut [0]).expect_err("it was cut");
    assert_eq!(cut.kind(), ErrorKind::ConnectionReset);
    // 1007: the client has said all, and still listens.
    let (mut near, mut far) = two("127.0.0.1:1007", "127.0.0.1:1007");
    near.write_all(&[5; 1000]).expect("sent");
    near.shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(far.read_to_end(&mut Vec::new()).expect("a request"), 1000);
    far.write_all(&[7; 50]).expect("sent");
    close(far, near);
    // 1008: what is sent gets lost at first.
    let (mut near, mut far) = two("127.0.0.1:1008", "127.0.0.1:1008");
    deaf(far.as_raw_fd(), true);
    near.write_all(&[5; 1000]).expect("sent");
    far.set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout");
    far.read(&mut [0]).expect_err("it was lost");
    far.set_read_timeout(None).expect("no timeout");
    deaf(far.as_raw_fd(), false);
    far.read_exact(&mut [0; 1000]).expect("it was sent again");
    close(near, far);
    // 1009: a server that hears nothing. One gives up waiting, one goes away before.
    let listener = TcpListener::bind("127.0.0.1:1009").expect("a port");
    deaf(listener.as_raw_fd(), true);
    let address: SocketAddr = "127.0.0.1:1009".parse().expect("an address");
    assert_eq!(connect_once(address), libc::ETIMEDOUT);
    TcpStream::connect_timeout(&address, Duration::from_millis(100)).expect_err("nobody hears it");
    // 1010: data with the SYN (TCP Fast Open).
    fast_open();
    std::fs::write("numbers", numbers(&packets)).expect("a file");
}

/// A service address in front of the server, a masquerade behind the client: neither end knows an address or a port of
/// the other's.
const TRANSLATION: &str = "table ip translation {
    chain to { type nat hook output priority -100; ip daddr 10.8.0.1 tcp dport 8080 dnat to 127.0.0.1:1020; }
    chain from { type nat hook postrouting priority 100; tcp dport 1020 snat to 10.8.0.3:5000-5999; }
}";

/// A connection through address translation; nothing, if this kernel has none.
pub(crate) fn act_translated() {
    enter_namespace();
    for address in ["10.8.0.1/32", "10.8.0.3/32"] {
        let mut ip = Command::new("ip");
        let added = ip.args(["address", "add", address, "dev", "lo"]).status();
        assert!(added.expect("its end").success());
    }
    if !Command::new("nft")
        .arg(TRANSLATION)
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("\nSKIPPED: the kernel translates no addresses for nft");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:1020").expect("a port");
    let mut near = TcpStream::connect("10.8.0.1:8080").expect("a connection");
    let (mut far, _) = listener.accept().expect("a connection");
    exchange(&mut near, &mut far);
    close(near, far);
}

/// All packets of TCP over IPv4 that arrive from here on.
fn packets() -> OwnedFd {
    // SAFETY: the descriptor is nobody else's.
    unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let socket = libc::socket(libc::AF_INET, kind, libc::IPPROTO_TCP);
        assert!(socket >= 0, "{}", std::io::Error::last_os_error());
        set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &8_000_000_i32);
        OwnedFd::from_raw_fd(socket)
    }
}

/// What the SYNs said, a line each: the port that was called, who sent it, the sequence number.
fn numbers(packets: &OwnedFd) -> String {
    let mut lines = String::new();
    let mut packet = [0_u8; 65_536];
    // SAFETY: the buffer lives through the call.
    while unsafe { libc::recv(packets.as_raw_fd(), packet.as_mut_ptr().cast(), packet.len(), 0) } > 0 {
        let tcp = &packet[usize::from(packet[0] & 15) * 4..];
        let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
        let number = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        let who = match tcp[13] & 0x12 {
            0x02 => "client",
            0x12 => "server",
            _ => continue,
        };
        writeln!(lines, "{} {who} {number}", port(0).min(port(2))).expect("a line");
    }
    lines
}

fn enter_namespace() {
    // SAFETY: the request lives through the call.
    unsafe {
        assert_eq!(
            libc::unshare(libc::CLONE_NEWNET),
            0,
            "{}",
            std::io::Error::last_os_error()
        );
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[..2].copy_from_slice(&[b'l'.cast_signed(), b'o'.cast_signed()]);
        request.ifr_ifru.ifru_flags = UP;
        assert_eq!(libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request), 0);
        libc::close(socket);
    }
    // Client and server, without cookies. It is the namespace's own.
    std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "519").expect("a setting of the namespace");
}

/// 1,000 bytes there and 50 back.
fn exchange(near: &mut TcpStream, far: &mut TcpStream) {
    near.write_all(&[5; 1000]).expect("sent");
    far.read_exact(&mut [0; 1000]).expect("a request");
    far.write_all(&[7; 50]).expect("sent");
    near.read_exact(&mut [0; 50]).expect("an answer");
}

/// One after the other, each when it has heard of the other's end.
fn close(mut first: TcpStream, mut second: TcpStream) {
    first.shutdown(Shutdown::Write).expect("half closed");
    second.read_to_end(&mut Vec::new()).expect("an end");
    drop(second);
    first.read_to_end(&mut Vec::new()).expect("an end");
}

/// Until something has arrived, which is then thrown away by a close: that cuts the connection.
fn wait_for(stream: &TcpStream) {
    assert_eq!(stream.peek(&mut [0]).expect("something"), 1);
}

/// Has a socket hear nothing: a filter that takes no byte of any packet.
fn deaf(socket: RawFd, deaf: bool) {
    let mut nothing = libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut nothing,
    };
    let option = if deaf {
        libc::SO_ATTACH_FILTER
    } else {
        libc::SO_DETACH_FILTER
    };
    set(socket, libc::SOL_SOCKET, option, &program);
}

/// With one repetition of the SYN; says the error.
fn connect_once(address: SocketAddr) -> i32 {
    let SocketAddr::V4(address) = address else {
        panic!("IPv4")
    };
    // SAFETY: the address lives through the call.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        set(socket, libc::IPPROTO_TCP, libc::TCP_SYNCNT, &1_i32);
        let address = sockaddr(address.port());
        let len = u32::try_from(size_of_val(&address)).expect("a length");
        assert_eq!(libc::connect(socket, (&raw const address).cast(), len), -1);
        let error = std::io::Error::last_os_error().raw_os_error().expect("an error");
        libc::close(socket);
        error
    }
}

fn fast_open() {
    let listener = TcpListener::bind("127.0.0.1:1010").expect("a port");
    set(listener.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_FASTOPEN, &5_i32);
    // SAFETY: address and data live through the call; the descriptor is nobody else's.
    let mut near = unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        let address = sockaddr(1010);
        let len = u32::try_from(size_of_val(&address)).expect("a length");
        let sent = libc::sendto(
            socket,
            [5; 100].as_ptr().cast(),
            100,
            libc::MSG_FASTOPEN,
            (&raw const address).cast(),
            len,
        );
        assert_eq!(sent, 100, "{}", std::io::Error::last_os_error());
        TcpStream::from_raw_fd(socket)
    };
    let (mut far, _) = listener.accept().expect("a connection");
    far.read_exact(&mut [0; 100]).expect("a request");
    far.write_all(&[7; 50]).expect("sent");
    near.read_exact(&mut [0; 50]).expect("an answer");
    close(near, far);
}

fn sockaddr(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).expect("a family"),
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    }
}

fn set<T>(socket: RawFd, level: i32, option: i32, value: &T) {
    let len = u32::try_from(size_of::<T>()).expect("a length");
    // SAFETY: the value lives through the call.
    let done = unsafe { libc::setsockopt(socket, level, option, std::ptr::from_ref(value).cast(), len) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}
