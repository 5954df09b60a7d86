//! Filters on ports, networks and outcomes of connections and sockets.
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;

use vespid::interface::vespid::plugin::describe::Kinds;

use super::pair::{Pair, subscription};
use crate::actor::actor;

/// Meets others on loopback: those whose ports it is told, and one that is not there.
pub(crate) fn meet(ports: &str) {
    let ports: Vec<u16> = ports.split(',').map(|port| port.parse().expect("a port")).collect();
    let [first, second, closed] = ports[..] else {
        panic!("three ports")
    };
    for address in ["127.0.0.1", "127.0.0.2"] {
        for port in [first, second] {
            drop(TcpStream::connect((address, port)).expect("a connection"));
        }
    }
    drop(TcpStream::connect(("127.0.0.1", closed)));
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    drop((near, listener.accept().expect("a connection")));
    let socket = UdpSocket::bind("127.0.0.3:0").expect("a port");
    for to in [("127.0.0.1", first), ("127.0.0.2", second), ("127.0.0.1", closed)] {
        let _refused = socket.send_to(b"x", to);
    }
    // Not an address of this machine.
    drop(UdpSocket::bind("192.0.2.1:0"));
    drop(UdpSocket::bind("[::1]:0"));
}

#[test]
fn ends_are_told_apart() {
    let Some(mut pair) = Pair::start() else { return };
    let listeners = [(); 2].map(|()| TcpListener::bind("0.0.0.0:0").expect("a port"));
    let [first, second] = listeners
        .each_ref()
        .map(|listener| listener.local_addr().expect("an address").port());
    // Freed right away, and hardly given to anybody else at once.
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = |address: std::io::Result<SocketAddr>| address.expect("an address").port();
    let closed = port(closed.local_addr());
    let both = r#""tables": ["connections", "sockets"]"#;
    let tables = Kinds::CONNECTIONS | Kinds::SOCKETS;
    let range = |port: u16| format!("[[{port}, {port}]]");
    for filters in [
        format!(r#"[{{{both}, "remote_ports": {}}}]"#, range(first)),
        format!(
            r#"[{{{both}, "remote_ports": {}, "remote_networks": ["127.0.0.2/32"]}}]"#,
            range(second)
        ),
        format!(
            r#"[{{"tables": ["connections"], "local_ports": {}}}, {{"tables": ["sockets"], "ops": [1]}}]"#,
            range(second)
        ),
        format!(r#"[{{{both}, "remote_networks": ["127.0.0.2"]}}, {{{both}, "remote_networks": ["127.0.0.3/32"]}}]"#),
        format!(r#"[{{{both}, "remote_networks": ["::1"]}}]"#),
        format!(r#"[{{{both}, "remote_networks": ["0.0.0.0/0"], "users": [0]}}]"#),
        format!(r#"[{{{both}, "outcomes": ["failed"]}}]"#),
        format!(
            r#"[{{{both}, "outcomes": ["succeeded"], "remote_ports": {}}}]"#,
            range(closed)
        ),
        format!(
            r#"[{{"tables": ["connections"], "ops": [1], "remote_ports": [[{}, {}]]}}, {{"tables": ["sockets"], "outcomes": ["failed"]}}]"#,
            first.min(second),
            first.max(second),
        ),
    ] {
        let ports = format!("{first},{second},{closed}");
        let seen = pair.run(
            &subscription(tables, &filters),
            &mut actor("meet", &ports, Path::new("/")),
        );
        assert_eq!(seen.got, seen.expected, "{filters}");
        assert!(seen.passed < seen.all, "{filters} left nothing out of {}", seen.all);
        // Nobody here accepts: so this end of connections is seen, and no other.
        if !filters.contains("local_ports") && !filters.contains("succeeded") {
            assert!(!seen.got.is_empty(), "{filters} is about nothing here");
        }
    }
    drop(listeners);
}
