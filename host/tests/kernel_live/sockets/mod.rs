pub(crate) mod calls;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;

use serde_json::{Value, json};
use vespid::kernel::Settings;
use vespid_ebpf::Kind;

use crate::actor::actor;
use crate::harness::{Live, live, live_with};

/// A query for `vespid.test`, type AAAA.
const QUESTION: &[u8] = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x06vespid\x04test\0\0\x1c\0\x01";

/// What sockets of a process did, as a recording would hold it.
fn rows<'a>(live: &'a Live, pid: u32, op: &str) -> Vec<&'a Value> {
    let rows = live.of(pid, "socket").into_iter().map(|event| &event["socket"]);
    rows.filter(|row| row["op"] == op).collect()
}

pub(crate) fn name_sockets() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    TcpListener::bind(taken.local_addr().expect("an address")).expect_err("it is taken");
    drop(TcpListener::bind("[::1]:0").expect("a port"));
    let _server = UnixListener::bind("here").expect("a socket");
    UnixStream::connect("here").expect("a server");
    UnixStream::connect("nowhere").expect_err("there is none");
    let name = SocketAddr::from_abstract_name("vespid-nobody").expect("a name");
    UnixStream::connect_addr(&name).expect_err("there is none");
}

/// Sends to both of two addresses twice, from an unconnected socket, and from a connected one to the first.
pub(crate) fn send_datagrams(argument: &str) {
    let (first, second) = argument.split_once(',').expect("two addresses");
    let host = if first.starts_with('[') {
        "[::1]:0"
    } else {
        "127.0.0.1:0"
    };
    let socket = UdpSocket::bind(host).expect("a socket");
    for _ in 0..2 {
        socket.send_to(b"x", first).expect("sent");
        socket.send_to(b"x", second).expect("sent");
        socket.recv_from(&mut [0; 8]).expect("an echo");
    }
    let connected = UdpSocket::bind(host).expect("a socket");
    connected.connect(first).expect("connected");
    for _ in 0..2 {
        connected.send(b"x").expect("sent");
        connected.recv(&mut [0; 8]).expect("an echo");
    }
}

/// Asks twice by one socket: by `sendto`, and, as Go does, by `write`.
pub(crate) fn ask_dns(server: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(server).expect("connected");
    socket.send(QUESTION).expect("sent");
    socket.recv(&mut [0; 512]).expect("an answer");
    let mut file = File::from(OwnedFd::from(socket));
    file.write_all(QUESTION).expect("sent");
    assert!(file.read(&mut [0; 512]).expect("an answer") > 0);
}

/// Gives back `count` datagrams, each as `answer` has it.
fn serve(socket: UdpSocket, count: usize, answer: impl Fn(&mut [u8]) + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for _ in 0..count {
            let mut datagram = [0; 512];
            let (len, from) = socket.recv_from(&mut datagram).expect("a datagram");
            answer(&mut datagram[..len]);
            socket.send_to(&datagram[..len], from).expect("sent");
        }
    })
}

#[test]
fn names_that_sockets_take_and_tell_are_seen() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pid = live.run(&mut actor("name-sockets", "", folder.path()));

    let bound = rows(&live, pid, "bound");
    let [taken, refused, v6, unix] = bound.as_slice() else {
        panic!("{bound:#?}")
    };
    assert!(taken["result"].is_null() && taken["protocol"] == 6 && taken["family"] == 2);
    assert_eq!(
        (&refused["result"], &refused["local"]),
        (&json!(-libc::EADDRINUSE), &taken["local"])
    );
    assert_eq!(v6["family"], 10);
    assert!(
        v6["local"]
            .as_str()
            .is_some_and(|local| local.starts_with("[::1]:") && local != "[::1]:0")
    );
    assert_eq!((&unix["name"], &unix["family"]), (&json!("here"), &json!(1)));

    let listening = rows(&live, pid, "listening");
    assert_eq!(listening.len(), 3, "{listening:#?}");
    assert_eq!(listening[0]["local"], taken["local"]);
    assert!(listening[0]["code"].as_i64().is_some_and(|backlog| backlog > 0));
    assert_eq!(listening[2]["name"], "here");
    let link = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
    assert_eq!(link.to_string_lossy(), format!("net:[{}]", listening[0]["netns"]));

    let connects = rows(&live, pid, "unix_connect");
    let connects: Vec<_> = connects
        .iter()
        .map(|row| (&row["name"], row["result"].as_i64()))
        .collect();
    let [missing, refused] = [libc::ENOENT, libc::ECONNREFUSED].map(|errno| Some(-i64::from(errno)));
    assert_eq!(
        connects,
        [
            (&json!("here"), None),
            (&json!("nowhere"), missing),
            (&json!("@vespid-nobody"), refused)
        ]
    );
}

fn check_first_datagrams(host: &str) {
    let Some(mut live) = live() else { return };
    let [echo, sink] = [(); 2].map(|()| UdpSocket::bind(host).expect("a socket"));
    let [first, second] = [&echo, &sink].map(|socket| socket.local_addr().expect("an address").to_string());
    let server = serve(echo, 4, |_| ());
    let pid = live.run(&mut actor(
        "send-datagrams",
        format!("{first},{second}"),
        Path::new("/"),
    ));
    server.join().expect("its end");

    let remotes = |op: &str| -> Vec<Value> { rows(&live, pid, op).iter().map(|row| row["remote"].clone()).collect() };
    assert_eq!(remotes("sent"), [json!(first), json!(second), json!(first)]);
    assert_eq!(remotes("received"), [json!(first), json!(first)]);
    let [sent, received] = ["sent", "received"].map(|op| rows(&live, pid, op)[0]);
    assert_eq!((&sent["result"], &sent["protocol"]), (&json!(1), &json!(17)));
    assert_eq!(
        (&sent["local"], &sent["netns"]),
        (&received["local"], &received["netns"])
    );
}

#[test]
fn only_the_first_datagram_of_a_flow_is_seen() {
    check_first_datagrams("127.0.0.1:0");
}

#[test]
fn only_the_first_datagram_of_a_v6_flow_is_seen() {
    check_first_datagrams("[::1]:0");
}

#[test]
fn every_question_and_answer_of_dns_is_seen() {
    let Some(mut live) = live() else { return };
    let server = UdpSocket::bind("127.0.77.53:53").expect("the port of DNS");
    let answering = serve(server, 2, |message| {
        message[2] |= 0x80;
        message[3] |= 3;
    });
    let pid = live.run(&mut actor("ask-dns", "127.0.77.53:53", Path::new("/")));
    answering.join().expect("its end");

    let [questions, answers] = ["dns_question", "dns_answer"].map(|op| rows(&live, pid, op));
    assert_eq!((questions.len(), answers.len()), (2, 2), "{questions:#?} {answers:#?}");
    for row in questions.iter().chain(&answers) {
        assert_eq!(
            (&row["name"], &row["code"], &row["remote"]),
            (&json!("vespid.test"), &json!(28), &json!("127.0.77.53:53"))
        );
    }
    assert_eq!(
        (&questions[0]["result"], &answers[0]["result"]),
        (&json!(QUESTION.len()), &json!(3))
    );
    let other: usize = ["sent", "received"].map(|op| rows(&live, pid, op).len()).iter().sum();
    assert_eq!(other, 0);
}

#[test]
fn nothing_of_sockets_is_seen_if_nobody_wants_it() {
    let settings = Settings {
        kinds: Kind::Open.bit() | Kind::Connection.bit(),
        ..Settings::default()
    };
    let Some(mut live) = live_with(settings) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pid = live.run(&mut actor("name-sockets", "", folder.path()));
    assert_eq!(live.of(pid, "socket").len(), 0);
}
