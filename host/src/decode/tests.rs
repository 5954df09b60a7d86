use proptest::prelude::*;
use vespid_ebpf::{
    ABI_VERSION, ChangeOp, ChangeRaw, ConnectionRaw, ExecRaw, ExitRaw, ForkRaw, Header, Kind, OpenRaw, PathEnd,
    PrivilegedOp, PrivilegedRaw, ResourceRaw, SocketOp, SocketRaw,
};
use zerocopy::{FromZeros, IntoBytes};

use super::process::exit;
use super::*;
use crate::bytes::Bytes;
use crate::event::Exit;

const CLOCK: Clock = Clock { boot_to_unix_ns: 1_000 };

/// A record with its lengths filled in.
fn record<T: IntoBytes + Immutable + FromZeros>(kind: Kind, fill: impl FnOnce(&mut T), tail: &[&[u8]]) -> Vec<u8> {
    let mut raw = T::new_zeroed();
    fill(&mut raw);
    let mut bytes = raw.as_bytes().to_vec();
    bytes.extend(tail.concat());
    let header = Header {
        len: u32::try_from(bytes.len()).expect("a short record"),
        kind: kind as u8,
        abi: ABI_VERSION,
        cpu: 0,
        time_ns: 500,
        start_ns: 100,
        cgroup: 7,
        pid: 42,
        tid: 43,
        uid: 1000,
        gid: 1001,
    };
    bytes[..size_of::<Header>()].copy_from_slice(header.as_bytes());
    bytes
}

fn len(part: &[u8]) -> u16 {
    u16::try_from(part.len()).expect("a short part")
}

fn exec_record(tail: [&[u8]; 5]) -> Vec<u8> {
    record::<ExecRaw>(
        Kind::Exec,
        |raw| {
            raw.comm[..2].copy_from_slice(b"sh");
            raw.tty[..4].copy_from_slice(b"pts0");
            raw.parent_start_ns = 50;
            raw.ppid = 41;
            [raw.filename_len, raw.args_len, raw.exe_len, raw.cwd_len, raw.cgroup_len] = tail.map(len);
            raw.exe_end = PathEnd::TaskRoot as u8;
            raw.cwd_end = PathEnd::TaskRoot as u8;
        },
        &tail,
    )
}

fn open_record(result: i32, path: &[u8], end: PathEnd, typed: &[u8]) -> Vec<u8> {
    record::<OpenRaw>(
        Kind::Open,
        |raw| {
            raw.result = result;
            raw.path_len = len(path);
            raw.typed_len = len(typed);
            raw.path_end = end as u8;
        },
        &[path, typed],
    )
}

/// Path and path kind of an open.
fn opened(result: i32, path: &[u8], end: PathEnd, typed: &[u8]) -> (String, u8) {
    let record = open_record(result, path, end, typed);
    let mut scratch = Scratch::default();
    let event = decode(&record, &CLOCK, &mut scratch).expect("a good record");
    let Body::Open(open) = event.body else {
        panic!("{:?}", event.body)
    };
    assert_eq!(open.typed.as_slice(), typed);
    (open.path.to_string(), open.path_kind)
}

fn error(record: &[u8]) -> DecodeError {
    decode(record, &CLOCK, &mut Scratch::default()).expect_err("a bad record")
}

fn change_record(op: ChangeOp, tail: [&[u8]; 5]) -> Vec<u8> {
    record::<ChangeRaw>(
        Kind::Change,
        |raw| {
            raw.op = op as u8;
            [
                raw.path_len,
                raw.typed_len,
                raw.target_len,
                raw.target_typed_len,
                raw.detail_len,
            ] = tail.map(len);
            let end = |walked: &[u8]| {
                if walked.is_empty() {
                    PathEnd::Absent
                } else {
                    PathEnd::TaskRoot
                }
            };
            (raw.path_end, raw.target_end) = (end(tail[0]) as u8, end(tail[2]) as u8);
        },
        &tail,
    )
}

fn privileged_record(op: PrivilegedOp, detail: &[u8], end: PathEnd) -> Vec<u8> {
    record::<PrivilegedRaw>(
        Kind::Privileged,
        |raw| {
            raw.op = op as u8;
            raw.detail_len = len(detail);
            raw.detail_end = end as u8;
        },
        &[detail],
    )
}

/// One good record of each kind.
fn good() -> Vec<Vec<u8>> {
    vec![
        record::<ForkRaw>(Kind::Fork, |raw| raw.child_pid = 44, &[]),
        exec_record([b"./sh", b"sh\0-c\0id\0", b"sh\0bin\0", b"root\0", b"b\0a\0"]),
        record::<ExitRaw>(Kind::Exit, |raw| raw.status = 3 << 8, &[]),
        record::<ConnectionRaw>(Kind::Connection, |raw| raw.op = 1, &[]),
        open_record(3, b"passwd\0etc\0", PathEnd::TaskRoot, b"/etc/passwd"),
        change_record(ChangeOp::Rename, [b"tmp\0", b"a", b"", b"/b", b""]),
        privileged_record(PrivilegedOp::Memfd, b"x", PathEnd::Absent),
        record::<SocketRaw>(Kind::Socket, |raw| raw.op = 1, &[]),
        record::<ResourceRaw>(Kind::Resource, |raw| raw.memory = 4096, &[]),
    ]
}

#[test]
fn an_exec_is_read_whole() {
    let record = exec_record([b"./sh", b"sh\0-c\0id\0", b"sh\0bin\0usr\0", b"", b"b\0a\0"]);
    let mut scratch = Scratch::default();
    let event = decode(&record, &CLOCK, &mut scratch).expect("a good record");
    assert_eq!(event.time, 1_500);
    let subject = Subject {
        pid: 42,
        tid: 43,
        start: 1_100,
        uid: 1000,
        gid: 1001,
        cgroup: 7,
    };
    assert_eq!(event.subject, subject);
    let Body::Exec(exec) = event.body else {
        panic!("{:?}", event.body)
    };
    assert_eq!(exec.filename, Bytes::from("./sh"));
    assert_eq!(exec.image.args, Bytes::from("sh\0-c\0id\0"));
    assert_eq!(
        (exec.image.exe, exec.image.cwd),
        (Bytes::from("/usr/bin/sh"), Bytes::from("/"))
    );
    assert_eq!(
        (exec.image.comm, exec.image.tty),
        (Bytes::from("sh"), Bytes::from("pts/0"))
    );
    assert_eq!(
        (exec.image.cgroup_path, exec.image.parent_start),
        (Bytes::from("/a/b"), 1_050)
    );
}

#[test]
fn a_name_of_any_bytes_survives() {
    let record = exec_record([b"a\n\xff", b"\xff\n\0", b"x\n\x1b[31m\xff\0tmp\0", b"", b""]);
    let mut scratch = Scratch::default();
    let event = decode(&record, &CLOCK, &mut scratch).expect("a good record");
    let Body::Exec(exec) = event.body else {
        panic!("{:?}", event.body)
    };
    assert_eq!(exec.image.exe.as_slice(), b"/tmp/x\n\x1b[31m\xff");
    assert_eq!(exec.image.args.as_slice(), b"\xff\n\0");
    assert_eq!(exec.filename.as_slice(), b"a\n\xff");
}

#[test]
fn an_end_is_a_code_or_a_signal() {
    let exit = |status| {
        let record = record::<ExitRaw>(Kind::Exit, |raw| raw.status = status, &[]);
        exit(&record).expect("a good record")
    };
    assert_eq!(exit(3 << 8), Exit { code: 3, signal: 0 });
    assert_eq!(exit(9), Exit { code: 0, signal: 9 });
    assert_eq!(exit(11 | 0x80), Exit { code: 0, signal: 11 });
}

#[test]
fn an_address_is_v4_if_it_is_mapped() {
    let v4 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
    assert_eq!(address(v4, 80).to_string(), "127.0.0.1:80");
    assert_eq!(address(Ipv6Addr::LOCALHOST.octets(), 443).to_string(), "[::1]:443");
}

#[test]
fn a_path_says_how_far_it_can_be_trusted() {
    let leaf_first = b"passwd\0etc\0";
    assert_eq!(
        opened(3, leaf_first, PathEnd::TaskRoot, b"p"),
        ("/etc/passwd".to_owned(), 0)
    );
    assert_eq!(
        opened(3, leaf_first, PathEnd::NamespaceRoot, b"p"),
        ("/etc/passwd".to_owned(), 2)
    );
    assert_eq!(
        opened(3, leaf_first, PathEnd::Truncated, b"p"),
        ("etc/passwd".to_owned(), 3)
    );
    assert_eq!(
        opened(3, b"memfd:x\0", PathEnd::Unnamed, b"p"),
        ("memfd:x".to_owned(), 4)
    );
    assert_eq!(opened(3, b"", PathEnd::TaskRoot, b"/"), ("/".to_owned(), 0));
    assert_eq!(
        opened(3, b"", PathEnd::Absent, b"/etc/passwd"),
        ("/etc/passwd".to_owned(), 1)
    );
}

#[test]
fn a_failed_open_is_told_by_its_words() {
    let failed = |directory: &[u8], end, typed: &[u8]| opened(-2, directory, end, typed);
    let here = b"src\0home\0";
    assert_eq!(failed(here, PathEnd::TaskRoot, b"../x"), ("/home/x".to_owned(), 1));
    assert_eq!(
        failed(here, PathEnd::TaskRoot, b"./a//b/"),
        ("/home/src/a/b".to_owned(), 1)
    );
    assert_eq!(failed(b"", PathEnd::TaskRoot, b"a"), ("/a".to_owned(), 1));
    assert_eq!(
        failed(b"", PathEnd::Absent, b"/etc/../../etc/./shadow"),
        ("/etc/shadow".to_owned(), 1)
    );
    assert_eq!(failed(here, PathEnd::TaskRoot, b"../../../.."), ("/".to_owned(), 1));
    assert_eq!(failed(here, PathEnd::Truncated, b"x"), ("home/src/x".to_owned(), 3));
    assert_eq!(failed(b"", PathEnd::Absent, b"x"), ("x".to_owned(), 3));
    assert_eq!(failed(here, PathEnd::TaskRoot, b""), (String::new(), 3));
}

#[test]
fn a_record_may_end_with_the_namespaces_of_its_task() {
    let namespaces = [1, 2, 3, 4, 5, 6, 7, 8];
    let mut bytes = open_record(3, b"x\0", PathEnd::TaskRoot, b"x");
    bytes.extend(namespaces.as_bytes());
    assert!(
        matches!(error(&bytes), DecodeError::Length { .. }),
        "they are announced"
    );
    let len = u32::try_from(bytes.len()).expect("a short record");
    bytes[..4].copy_from_slice(&len.to_ne_bytes());
    assert!(
        matches!(error(&bytes), DecodeError::Length { .. }),
        "they are announced"
    );
    bytes[4] |= TOLD;
    let mut scratch = Scratch::default();
    let event = decode(&bytes, &CLOCK, &mut scratch).expect("a good record");
    assert_eq!((event.namespaces, event.body.kind()), (namespaces, Kind::Open));
    assert_eq!(kind_of(&bytes), Some(Kind::Open));
    let mut short = record::<ExitRaw>(Kind::Exit, |_| {}, &[]);
    short[4] |= TOLD;
    assert!(
        matches!(error(&short), DecodeError::Short { .. }),
        "there is no room for them"
    );
}

#[test]
fn a_record_cut_anywhere_is_refused() {
    for record in good() {
        assert!(decode(&record, &CLOCK, &mut Scratch::default()).is_ok());
        for cut in 0..record.len() {
            let reason = error(&record[..cut]).reason();
            assert!(["short", "length"].contains(&reason), "{reason} at {cut}");
        }
    }
}

#[test]
fn a_record_that_is_longer_than_its_parts_is_refused() {
    for mut record in good() {
        record.push(0);
        assert_eq!(error(&record).reason(), "length");
        let len = u32::try_from(record.len()).expect("a short record");
        record[..4].copy_from_slice(&len.to_ne_bytes());
        assert_eq!(error(&record).reason(), "length");
    }
}

#[test]
fn what_claims_to_be_huge_is_refused() {
    let record = record::<OpenRaw>(
        Kind::Open,
        |raw| (raw.path_len, raw.typed_len) = (u16::MAX, u16::MAX),
        &[b"passwd\0"],
    );
    assert_eq!(error(&record).reason(), "length");
}

#[test]
fn unknown_numbers_are_refused_by_name() {
    let patched = |at: usize, value: u8| {
        let mut record = good().remove(4);
        record[at] = value;
        record
    };
    assert_eq!(error(&patched(4, 0)), DecodeError::Kind(0));
    assert_eq!(error(&patched(4, 77)), DecodeError::Kind(77));
    assert_eq!(error(&patched(5, ABI_VERSION + 1)), DecodeError::Abi(ABI_VERSION + 1));
    let end = std::mem::offset_of!(OpenRaw, path_end);
    assert_eq!(
        error(&patched(end, 9)),
        DecodeError::Number {
            field: "path_end",
            number: 9
        }
    );
    let connection =
        |op, inbound| record::<ConnectionRaw>(Kind::Connection, |raw| (raw.op, raw.inbound) = (op, inbound), &[]);
    assert_eq!(error(&connection(0, 0)), DecodeError::Number { field: "op", number: 0 });
    assert_eq!(
        error(&connection(1, 3)),
        DecodeError::Number {
            field: "inbound",
            number: 3
        }
    );
}

#[test]
fn a_name_without_end_is_refused() {
    assert_eq!(
        error(&open_record(3, b"passwd", PathEnd::TaskRoot, b"")),
        DecodeError::Path
    );
}

#[test]
fn time_that_is_not_known_stays_so() {
    assert_eq!(
        (CLOCK.unix(0), CLOCK.unix(5), CLOCK.unix(u64::MAX)),
        (0, 1_005, u64::MAX)
    );
    let ten_years = 10 * 365 * 86_400 * 1_000_000_000;
    assert!(Clock::now().boot_to_unix_ns > ten_years);
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes: Vec<u8>) {
        let _survived = decode(&bytes, &CLOCK, &mut Scratch::default()).map(|event| event.time);
    }

    #[test]
    fn a_good_record_with_any_byte_changed_is_an_event_or_an_error(which in 0_usize..5, at: usize, value: u8) {
        let mut record = good().remove(which);
        let at = at % record.len();
        record[at] = value;
        let _survived = decode(&record, &CLOCK, &mut Scratch::default()).map(|event| event.time);
    }
}

#[test]
fn both_paths_of_a_change_are_made_absolute() {
    type Way = (ChangeOp, [&'static [u8]; 5], [&'static str; 2]);
    let ways: [Way; 5] = [
        (
            ChangeOp::Rename,
            [b"tmp\0", b"../etc/a", b"", b"/b/./c", b""],
            ["/etc/a", "/b/c"],
        ),
        (ChangeOp::Mode, [b"", b"/bin/sh", b"", b"", b""], ["/bin/sh", ""]),
        // What a symbolic link says is relative to the link.
        (
            ChangeOp::Symlink,
            [b"", b"../shadow", b"etc\0", b"x/y", b""],
            ["/etc/shadow", "/etc/x/y"],
        ),
        (
            ChangeOp::Symlink,
            [b"", b"/etc/shadow", b"tmp\0", b"y", b""],
            ["/etc/shadow", "/tmp/y"],
        ),
        (
            ChangeOp::Mount,
            [b"", b"tmpfs", b"", b"/mnt", b"tmpfs"],
            ["tmpfs", "/mnt"],
        ),
    ];
    for (op, tail, expected) in ways {
        let record = change_record(op, tail);
        let mut scratch = Scratch::default();
        let Body::Change(change) = decode(&record, &CLOCK, &mut scratch).expect("a good record").body else {
            panic!("no change")
        };
        assert_eq!([change.path.to_string(), change.target.to_string()], expected);
    }
}

#[test]
fn a_detail_is_a_path_an_address_or_text() {
    let address = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 1], &443_u16.to_be_bytes()].concat();
    let ways: [(PrivilegedOp, &[u8], PathEnd, &str); 4] = [
        (PrivilegedOp::LoadModule, b"x.ko\0tmp\0", PathEnd::TaskRoot, "/tmp/x.ko"),
        (PrivilegedOp::StdioSocket, &address, PathEnd::Absent, "192.0.2.1:443"),
        (PrivilegedOp::StdioSocket, b"", PathEnd::Absent, ""),
        (PrivilegedOp::Memfd, b"a\nb", PathEnd::Absent, "a\\x0ab"),
    ];
    for (op, detail, end, expected) in ways {
        let record = privileged_record(op, detail, end);
        let mut scratch = Scratch::default();
        let Body::Privileged(call) = decode(&record, &CLOCK, &mut scratch).expect("a good record").body else {
            panic!("no call")
        };
        assert_eq!(call.detail.to_string(), expected);
    }
}

#[test]
fn names_of_unix_sockets_end_where_they_end() {
    for (name, expected) in [(&b"/run/x\0\0"[..], "/run/x"), (b"\0bus", "@bus"), (b"", "")] {
        let fill = |raw: &mut SocketRaw| {
            raw.op = SocketOp::UnixConnect as u8;
            (raw.family, raw.name_len) = (1, len(name));
        };
        let record = record::<SocketRaw>(Kind::Socket, fill, &[name]);
        let mut scratch = Scratch::default();
        let Body::Socket(socket) = decode(&record, &CLOCK, &mut scratch).expect("a good record").body else {
            panic!("no socket")
        };
        assert_eq!(socket.name.to_string(), expected);
        assert_eq!((socket.local, socket.remote), (None, None));
    }
}
