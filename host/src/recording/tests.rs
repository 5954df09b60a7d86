//! What is written is read back, and what is wrong with a recording is said.
mod binary;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use proptest::prelude::*;
use vespid_ebpf::{ChangeOp, ConnectionOp, PrivilegedOp, ResourceOp, SocketOp};

use super::*;
use crate::bytes::Bytes;
use crate::event::{Body, Change, Connection, Exec, Exit, Fork, Image, Open, Privileged, Resource, Socket, Subject};

const SUBJECT: Subject = Subject {
    pid: 7,
    tid: 8,
    start: 1_790_000_000_000_000_001,
    uid: 1000,
    gid: 100,
    cgroup: 42,
};

fn header() -> Header {
    Header {
        version: VERSION,
        node: "n1".into(),
        boot_id: "fcbc56ad".into(),
        kernel: "6.18.0".into(),
        created: 1_790_000_000_000_000_000,
        namespaces: namespaces::FIXED,
        kinds: vec!["exec".into(), "open".into()],
    }
}

fn event(body: Body<'_>) -> Line<'_> {
    Line::Event(Event {
        time: u64::MAX,
        subject: SUBJECT,
        body,
        namespaces: [0; 8],
    })
}

fn image(text: &[u8]) -> Image<'_> {
    let bytes = || Bytes::from(text);
    Image {
        ppid: 1,
        parent_start: 5,
        euid: 0,
        login_uid: u32::MAX,
        namespaces: [1, 2, 3, 4, 5, 6, 7, 8],
        comm: bytes(),
        exe: bytes(),
        args: bytes(),
        cwd: bytes(),
        cgroup_path: bytes(),
        ..Image::default()
    }
}

fn lines(text: &[u8]) -> Vec<Line<'_>> {
    let bytes = || Bytes::from(text);
    let end = |text: &str| text.parse().unwrap();
    vec![
        Line::Known(Known {
            subject: Subject {
                tid: 7,
                cgroup: 0,
                ..SUBJECT
            },
            image: image(text),
            restated: None,
        }),
        Line::Container(KnownContainer {
            cgroup: bytes(),
            id: bytes(),
            image: bytes(),
            labels: bytes(),
            owner: bytes(),
            ..KnownContainer::default()
        }),
        event(Body::Fork(Fork {
            child_pid: 9,
            child_start: 10,
            child_cgroup: 0,
        })),
        event(Body::Exec(Exec {
            filename: bytes(),
            errno: 0,
            image: image(text),
        })),
        event(Body::Exec(Exec {
            filename: bytes(),
            errno: 2,
            image: Image::default(),
        })),
        event(Body::Exit(Exit { code: 0, signal: 9 })),
        event(Body::Connection(Connection {
            op: ConnectionOp::Failed,
            direction: 0,
            local: end("127.0.0.1:40000"),
            remote: end("[fe80::1]:443"),
            cookie: u64::MAX,
            sent: 1,
            received: 0,
            duration: 5,
            srtt: 6,
            retransmits: 0,
            errno: 111,
            netns: 4,
            local_isn: 7,
            remote_isn: 0,
        })),
        event(Body::Open(Open {
            path: bytes(),
            typed: bytes(),
            flags: 1,
            mode: 0o644,
            result: -13,
            path_kind: 1,
            traits: 2,
            count: 3,
        })),
        event(Body::Change(Change {
            op: ChangeOp::Rename,
            path: bytes(),
            typed: bytes(),
            target: bytes(),
            target_typed: bytes(),
            detail: bytes(),
            flags: 1,
            mode: 0o4755,
            value: u64::MAX,
            result: -1,
            path_kind: 1,
            target_kind: 3,
        })),
        event(Body::Privileged(Privileged {
            op: PrivilegedOp::Ptrace,
            code: 16,
            argument: u64::MAX,
            target_pid: 3,
            target_start: 4,
            detail: bytes(),
            result: i64::MIN,
        })),
        event(Body::Socket(Socket {
            op: SocketOp::UnixConnect,
            family: 1,
            protocol: 0,
            local: None,
            remote: Some(end("[::1]:53")),
            name: bytes(),
            code: 1,
            result: -2,
            netns: 5,
        })),
        event(Body::Resource(Resource {
            op: ResourceOp::Usage,
            cgroup: bytes(),
            interval: 1_000_000_000,
            measured: 255,
            cpu: 1,
            minor_faults: 2,
            major_faults: 3,
            voluntary_switches: 4,
            involuntary_switches: 5,
            cycles: 6,
            instructions: 7,
            cache_misses: u64::MAX,
            memory: 8,
        })),
        Line::Lost(Loss {
            stage: "kernel".into(),
            kind: Some("open".into()),
            count: 3,
        }),
        Line::Lost(Loss {
            stage: "decode".into(),
            kind: None,
            count: 1,
        }),
    ]
}

fn write(file: &Path, lines: &[Line<'_>]) -> u64 {
    let mut writer = Writer::create(file, &header()).unwrap();
    for line in lines {
        writer.write(line).unwrap();
    }
    writer.finish().unwrap()
}

fn assert_reads_back(file: &Path, lines: &[Line<'_>]) {
    let mut reader = Reader::open(file).unwrap();
    let version = Form::of(file).version();
    assert_eq!(*reader.header(), Header { version, ..header() });
    for line in lines {
        assert_eq!(reader.next().unwrap().as_ref(), Some(line));
    }
    assert_eq!(reader.next().unwrap(), Some(Line::End(End { events: 10 })));
    assert_eq!(reader.next().unwrap(), None);
}

/// Everything that `text` gives until its error.
fn read(text: &[u8]) -> (usize, Option<RecordingError>) {
    let mut count = 0;
    let mut reader = match Reader::new(Path::new("r.jsonl"), Box::new(Cursor::new(text.to_vec()))) {
        Ok(reader) => reader,
        Err(error) => return (0, Some(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, None),
            Err(error) => return (count, Some(error)),
        }
    }
}

fn check_error(text: &str, expected: &str) {
    assert_eq!(read(text.as_bytes()).1.unwrap().to_string(), expected);
}

#[test]
fn what_was_written_is_read_back_plain_compressed_and_binary() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["r.jsonl", "r.jsonl.zst", "r.vespid"] {
        let file = folder.path().join(name);
        let lines = lines(b"/bin/a b\0-c\0\0\xffx\n\x1b[31m\\\xe2\x80\xae\0");
        assert_eq!(write(&file, &lines), 10);
        assert_reads_back(&file, &lines);
        assert!(!folder.path().join(format!("{name}.part")).exists());
        assert_eq!(
            fs::read(&file).unwrap().starts_with(b"{\"vespid_recording\":1,"),
            name == "r.jsonl"
        );
    }
}

#[test]
fn a_line_is_short_and_can_be_read_by_people() {
    let line = |line: &Line<'_>| serde_json::to_string(line).unwrap();
    let open = Open {
        path: "/etc/shadow".into(),
        typed: "shadow".into(),
        flags: 0,
        mode: 0o100_640,
        result: 3,
        path_kind: 0,
        traits: 0,
        count: 1,
    };
    let subject = Subject {
        pid: 7,
        tid: 7,
        start: 5,
        uid: 0,
        gid: 0,
        cgroup: 0,
    };
    let event = |body| {
        Line::Event(Event {
            time: 6,
            subject,
            body,
            namespaces: [0; 8],
        })
    };
    insta::assert_snapshot!(
        line(&event(Body::Open(open))),
        @r#"{"event":{"time":6,"pid":7,"tid":7,"start":5,"uid":0,"gid":0,"open":{"path":"/etc/shadow","typed":"shadow","flags":0,"mode":33184,"result":3}}}"#
    );
    let image = Image {
        ppid: 1,
        args: "sh\0-c\0id\0".into(),
        comm: "sh".into(),
        ..Image::default()
    };
    insta::assert_snapshot!(
        line(&event(Body::Exec(Exec { filename: "/bin/sh".into(), errno: 0, image }))),
        @r#"{"event":{"time":6,"pid":7,"tid":7,"start":5,"uid":0,"gid":0,"exec":{"filename":"/bin/sh","image":{"ppid":1,"euid":0,"egid":0,"login_uid":0,"session":0,"comm":"sh","args":["sh","-c","id"]}}}}"#
    );
}

#[test]
fn labels_are_a_list_and_what_marks_that_some_are_missing_is_an_empty_one() {
    let known = |labels: &'static [u8], owner: &'static str| {
        Line::Container(KnownContainer {
            id: "3f2a".into(),
            labels: labels.into(),
            owner: owner.into(),
            ..KnownContainer::default()
        })
    };
    let web = known(b"app=web\0note=a\nb\0\0", "Deployment/web");
    let text = serde_json::to_string(&web).unwrap();
    insta::assert_snapshot!(
        text,
        @r#"{"container":{"id":"3f2a","labels":["app=web","note=a\\x0ab",""],"owner":"Deployment/web"}}"#
    );
    assert_eq!(serde_json::from_str::<Line<'_>>(&text).unwrap(), web);
    let all_missing = known(b"\0", "");
    let text = serde_json::to_string(&all_missing).unwrap();
    assert_eq!(serde_json::from_str::<Line<'_>>(&text).unwrap(), all_missing);
    // A recording of before there were any.
    let old = r#"{"container":{"id":"3f2a"}}"#;
    assert_eq!(serde_json::from_str::<Line<'_>>(old).unwrap(), known(b"", ""));
}

#[test]
fn text_without_escapes_is_not_copied() {
    let text = r#"{"event":{"time":6,"pid":7,"tid":7,"start":5,"uid":0,"gid":0,"open":{"path":"/etc/shadow","typed":"a\\x0a","flags":0,"mode":33184,"result":3}}}"#;
    let Line::Event(Event {
        body: Body::Open(open), ..
    }) = serde_json::from_str(text).unwrap()
    else {
        panic!()
    };
    assert!(matches!(open.path.0, Cow::Borrowed(b"/etc/shadow")));
    assert_eq!(open.typed.as_slice(), b"a\n");
}

#[test]
fn an_unfinished_recording_is_readable_up_to_what_was_flushed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["r.jsonl", "r.jsonl.zst", "r.vespid"] {
        let file = folder.path().join(name);
        let lines = lines(b"x");
        let mut writer = Writer::create(&file, &header()).unwrap();
        for line in &lines {
            writer.write(line).unwrap();
        }
        writer.flush().unwrap();
        let mut reader = Reader::open(&folder.path().join(format!("{name}.part"))).unwrap();
        for line in &lines {
            assert_eq!(reader.next().unwrap().as_ref(), Some(line));
        }
        assert!(
            matches!(
                reader.next(),
                Err(RecordingError::Truncated {
                    line: 16,
                    events: 10,
                    ..
                })
            ),
            "{name}"
        );
        assert!(!file.exists());
        writer.finish().unwrap();
        assert_reads_back(&file, &lines);
    }
}

#[test]
fn a_recording_cut_anywhere_gives_its_complete_lines_and_says_that_it_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.jsonl");
    write(&file, &lines(b"x"));
    let whole = fs::read(&file).unwrap();
    let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for cut in first..whole.len() {
        let (count, error) = read(&whole[..cut]);
        let complete = whole[..cut].iter().filter(|&&byte| byte == b'\n').count() - 1;
        assert_eq!(count, complete);
        assert!(
            matches!(error, Some(RecordingError::Truncated { .. })),
            "{cut}: {error:?}"
        );
    }
    assert!(read(&whole).1.is_none());
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_remedy() {
    let head = serde_json::to_string(&header()).unwrap();
    let newer = r#"{"vespid_recording":3,"nodes":["a","b"]}"#;
    check_error(
        &format!("{newer}\n"),
        "r.jsonl: made by a newer Vespid (format 3); this one reads up to 2: replay it with that one",
    );
    check_error(
        "hello\n",
        "r.jsonl: not a recording: the first line is not a header (expected value at line 1 column 1); \
         `vespid record -o FILE` makes one",
    );
    check_error(
        "{\"time\":1}\n",
        "r.jsonl: not a recording: the first line is not a header (`vespid_recording` is missing); \
         `vespid record -o FILE` makes one",
    );
    check_error(
        "",
        "r.jsonl: not a recording: the first line is not a header (it has no complete line); \
         `vespid record -o FILE` makes one",
    );
    check_error(
        &format!("{head}\n{{\"evnt\":{{}}}}\n"),
        "r.jsonl:2: unknown variant `evnt`, expected one of `known`, `container`, `account`, `event`, `lost`, `end` (by \
         column 7); correct the line or remove it",
    );
    check_error(
        &format!("{head}\n{{\"end\":{{\"events\":3}}}}\n"),
        "r.jsonl:2: the end line counts 3 events, but there are 0; correct the line or remove it",
    );
    check_error(
        &format!("{head}\n"),
        "r.jsonl:2: the recording ends after 0 events without an end line: it was cut off, or is still being written",
    );
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let head = serde_json::to_string(&header()).unwrap();
    let text = format!("{head}\n{}", "x".repeat(3 * MAX_LINE));
    check_error(
        &text,
        "r.jsonl:2: the line is longer than 1048576 bytes; correct the line or remove it",
    );
    let long = "x".repeat(3 * MAX_LINE);
    assert!(matches!(
        read(long.as_bytes()).1,
        Some(RecordingError::NotARecording { .. })
    ));
}

proptest! {
    #[test]
    fn hostile_bytes_survive(text: Vec<u8>) {
        for line in lines(&text) {
            let json = serde_json::to_string(&line).unwrap();
            prop_assert!(!json.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<Line<'_>>(&json).unwrap(), line);
        }
    }

    #[test]
    fn any_text_is_refused_without_a_panic(text: Vec<u8>) {
        let head = serde_json::to_string(&header()).unwrap();
        let (_, error) = read(&[head.as_bytes(), b"\n", &text].concat());
        prop_assert!(error.is_some());
    }
}
