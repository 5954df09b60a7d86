use serde_json::Value;

use super::*;
use crate::bytes::Bytes;
use crate::interface::vespid::plugin::events::{
    Connections, Containers, Execs, Header, Lost, Opens, Processes, Strings,
};
use crate::interface::vespid::plugin::reports::Row;

const T0: u64 = 1_764_000_000_123_456_789;
const NONE: u32 = u32::MAX;

/// A batch with one exec by a shell (process 2) below a server (1) below init (0), in a container, and a connection.
fn batch() -> Batch {
    let mut strings = Strings {
        ends: vec![0],
        blob: Vec::new(),
    };
    let mut text = |bytes: &[u8]| {
        strings.blob.extend_from_slice(bytes);
        strings.ends.push(u32::try_from(strings.blob.len()).expect("small"));
        u32::try_from(strings.ends.len() - 1).expect("small")
    };
    let processes = Processes {
        pid: vec![1, 70, 4242],
        ppid: vec![0, 1, 70],
        parent: vec![NONE, 0, 1],
        start: vec![0, T0 - 9_000_000_000, T0 - 1],
        uid: vec![0, 33, 33],
        gid: vec![0, 33, 33],
        euid: vec![0, 33, 0],
        login_uid: vec![NONE, NONE, 1000],
        comm: vec![text(b"systemd"), text(b"nginx"), text(b"sh\n\x1b[31m\xff\\")],
        exe: vec![
            text(b"/usr/lib/systemd/systemd"),
            text(b"/usr/sbin/nginx"),
            text(b"/bin/da\xffsh"),
        ],
        args: vec![text(b"/sbin/init\0"), 0, text(b"sh\0-c\0\0echo \"hi\"\xfe\n")],
        cwd: vec![text(b"/"), 0, text(b"/srv/\xe2\x80\xae")],
        tty: vec![0, 0, text(b"pts/0")],
        cgroup: vec![0, 0, 0],
        container: vec![NONE, 0, 0],
        flags: vec![16, 0, 1 | 2],
        capabilities: vec![0; 3],
        namespaces: vec![0; 24],
        user: vec![0, text(b"www-data"), text(b"www\x1b[1m")],
        group: vec![0; 3],
    };
    let containers = Containers {
        id: vec![text(b"3f4e")],
        runtime: vec![text(b"containerd")],
        name: vec![text(b"web")],
        image: vec![text(b"docker.io/library/nginx:1.29")],
        pod_uid: vec![0],
        pod: vec![text(b"web-0")],
        namespace: vec![text(b"shop")],
        labels: vec![text(b"app=web\0")],
        owner: vec![text(b"StatefulSet/web")],
    };
    let execs = Execs {
        seq: vec![41],
        time: vec![T0],
        process: vec![2],
        previous: vec![1],
        filename: vec![text(b"./sh")],
        errno: vec![0],
    };
    let mut addresses = std::net::Ipv4Addr::new(10, 0, 0, 7).to_ipv6_mapped().octets().to_vec();
    addresses.extend(
        "2001:db8::1"
            .parse::<std::net::Ipv6Addr>()
            .expect("an address")
            .octets(),
    );
    let connections = Connections {
        seq: vec![42],
        time: vec![T0 + 5],
        process: vec![NONE],
        op: vec![3],
        direction: vec![9],
        addresses,
        local_port: vec![51_000],
        remote_port: vec![443],
        cookie: vec![77],
        sent: vec![1],
        received: vec![2],
        duration: vec![3],
        srtt: vec![4],
        retransmits: vec![5],
        errno: vec![111],
        netns: vec![4_026_531_840],
        local_isn: vec![6],
        remote_isn: vec![7],
    };
    Batch {
        header: Header {
            node: "n1".into(),
            boot_id: "b".into(),
            first: 41,
            last: 42,
            lost: Lost {
                kernel: 0,
                decode: 0,
                queue: 0,
            },
        },
        strings,
        processes,
        containers: Some(containers),
        execs: Some(execs),
        exits: None,
        connections: Some(connections),
        opens: None,
        changes: None,
        privileged: None,
        sockets: None,
        resources: None,
    }
}

fn verdict(subject: Option<Row>) -> Verdict {
    Verdict {
        rule: "run-shell-untrusted".into(),
        severity: Severity::Critical,
        message: "a shell below nginx".into(),
        key: "web".into(),
        tags: vec!["T1059.004".into()],
        subject,
        fields: vec![("server".into(), "nginx".into())],
    }
}

fn line(verdict: Verdict, cause: Cause<'_>) -> String {
    let origin = Origin {
        node: "n1".into(),
        plugin: "exec-anomaly".into(),
        version: "0.1.0".into(),
        digest: "d1".into(),
        retro: false,
    };
    let record = Record::new(&origin, verdict, cause).expect("a line");
    let line = String::from_utf8(record.line).expect("UTF-8");
    let body = line.strip_suffix('\n').expect("the end of a line").to_owned();
    assert!(
        !body.chars().any(char::is_control),
        "more than one line, or an escape code: {body:?}"
    );
    body
}

fn json(verdict: Verdict, cause: Cause<'_>) -> Value {
    serde_json::from_str(&line(verdict, cause)).expect("JSON")
}

#[test]
fn a_verdict_leaves_with_everything_that_a_reader_needs() {
    let line = line(verdict(Some(Row::Exec(0))), Cause::Batch(&batch()));
    insta::assert_snapshot!(line.replace(",\"", ",\n\""), @r#"
    {"time":"2025-11-24T16:00:00.123456789Z",
    "node":"n1",
    "plugin":{"name":"exec-anomaly",
    "version":"0.1.0",
    "digest":"d1"},
    "rule":"run-shell-untrusted",
    "severity":"critical",
    "message":"a shell below nginx",
    "key":"web",
    "tags":["T1059.004"],
    "fields":{"server":"nginx"},
    "event":{"kind":"exec",
    "seq":41,
    "filename":"./sh",
    "errno":0,
    "previous":{"pid":70,
    "start_time":"2025-11-24T15:59:51.123456789Z",
    "ppid":1,
    "uid":33,
    "user":"www-data",
    "euid":33,
    "login_uid":null,
    "comm":"nginx",
    "exe":"/usr/sbin/nginx",
    "cmdline":[],
    "cwd":"",
    "tty":"",
    "flags":[]}},
    "process":{"pid":4242,
    "start_time":"2025-11-24T16:00:00.123456788Z",
    "ppid":70,
    "uid":33,
    "user":"www\\x1b[1m",
    "euid":0,
    "login_uid":1000,
    "comm":"sh\\x0a\\x1b[31m\\xff\\\\",
    "exe":"/bin/da\\xffsh",
    "cmdline":["sh",
    "-c",
    "",
    "echo \"hi\"\\xfe\\x0a"],
    "cwd":"/srv/\\xe2\\x80\\xae",
    "tty":"pts/0",
    "flags":["args_truncated",
    "memfd"]},
    "ancestors":[{"pid":70,
    "start_time":"2025-11-24T15:59:51.123456789Z",
    "ppid":1,
    "uid":33,
    "user":"www-data",
    "euid":33,
    "login_uid":null,
    "comm":"nginx",
    "exe":"/usr/sbin/nginx",
    "cmdline":[],
    "cwd":"",
    "tty":"",
    "flags":[]},{"pid":1,
    "start_time":null,
    "ppid":0,
    "uid":0,
    "user":"",
    "euid":0,
    "login_uid":null,
    "comm":"systemd",
    "exe":"/usr/lib/systemd/systemd",
    "cmdline":["/sbin/init"],
    "cwd":"/",
    "tty":"",
    "flags":["from_proc"]}],
    "container":{"id":"3f4e",
    "runtime":"containerd",
    "name":"web",
    "image":"docker.io/library/nginx:1.29",
    "pod":"web-0",
    "namespace":"shop",
    "owner":"StatefulSet/web",
    "pod_uid":""},
    "sequence":{"first":41,
    "last":42}}
    "#);
}

#[test]
fn bytes_that_are_no_text_are_recoverable() {
    let value = json(verdict(Some(Row::Exec(0))), Cause::Batch(&batch()));
    let bytes = |value: &Value| {
        let text = value.as_str().expect("a string");
        Bytes::parse(text).expect("an escaped byte string").into_owned()
    };
    let process = &value["process"];
    assert_eq!(bytes(&process["comm"]).as_slice(), b"sh\n\x1b[31m\xff\\");
    assert_eq!(bytes(&process["exe"]).as_slice(), b"/bin/da\xffsh");
    assert_eq!(bytes(&process["cwd"]).as_slice(), b"/srv/\xe2\x80\xae");
    let arguments: Vec<_> = process["cmdline"]
        .as_array()
        .expect("a list")
        .iter()
        .map(bytes)
        .collect();
    let arguments: Vec<_> = arguments.iter().map(Bytes::as_slice).collect();
    assert_eq!(arguments, [&b"sh"[..], b"-c", b"", b"echo \"hi\"\xfe\n"]);
}

#[test]
fn a_plugins_words_can_neither_forge_a_line_nor_colour_a_terminal() {
    let hostile = "x\"}\n{\"rule\":\"forged\"}\r\u{1b}[2J\u{9b}31m\u{2028}\u{202e}\0\u{10ffff}";
    let mut verdict = verdict(None);
    verdict.message = hostile.into();
    verdict.key = hostile.into();
    verdict.tags = vec![hostile.into()];
    verdict.fields = vec![
        ("a".into(), "old".into()),
        (hostile.into(), hostile.into()),
        ("a".into(), "new".into()),
    ];
    let value = json(verdict, Cause::Tick(T0));
    assert_eq!(
        (value["message"].as_str(), value["key"].as_str()),
        (Some(hostile), Some(hostile))
    );
    assert_eq!(
        (value["tags"][0].as_str(), value["fields"][hostile].as_str()),
        (Some(hostile), Some(hostile))
    );
    assert_eq!(value["fields"]["a"], "new");
}

#[test]
fn a_connection_shows_its_addresses_as_people_write_them() {
    let value = json(verdict(Some(Row::Connection(0))), Cause::Batch(&batch()));
    let event = &value["event"];
    assert_eq!(
        (event["kind"].as_str(), event["op"].as_str()),
        (Some("connection"), Some("failed"))
    );
    assert_eq!(
        (event["local_address"].as_str(), event["local_port"].as_u64()),
        (Some("10.0.0.7"), Some(51_000))
    );
    assert_eq!(
        (event["remote_address"].as_str(), event["remote_port"].as_u64()),
        (Some("2001:db8::1"), Some(443))
    );
    assert_eq!(
        event["direction"], "9",
        "a number of a later interface is shown as it is"
    );
    assert_eq!((&value["process"], &value["container"]), (&Value::Null, &Value::Null));
    assert_eq!(value["ancestors"], Value::Array(Vec::new()));
}

#[test]
fn a_verdict_about_the_passing_of_time_bears_that_time_and_no_event() {
    let value = json(verdict(Some(Row::Exec(0))), Cause::Tick(T0));
    assert_eq!(value["time"], "2025-11-24T16:00:00.123456789Z");
    for absent in ["event", "process", "container", "sequence"] {
        assert_eq!(value[absent], Value::Null, "{absent}");
    }
    let many = json(verdict(None), Cause::Batch(&batch()));
    assert_eq!(
        many["time"], "2025-11-24T16:00:00.123456794Z",
        "that of the latest event"
    );
    assert_eq!(many["sequence"]["last"], 42);
}

#[test]
fn rows_and_strings_that_are_not_there_are_left_out() {
    for row in [
        Row::Exec(1),
        Row::Exec(NONE),
        Row::Exit(0),
        Row::Open(7),
        Row::Connection(1),
    ] {
        assert_eq!(json(verdict(Some(row)), Cause::Batch(&batch()))["event"], Value::Null);
    }
    let mut torn = batch();
    torn.processes.comm = vec![NONE, 9_999];
    torn.processes.container = vec![5; 3];
    torn.strings
        .ends
        .iter_mut()
        .rev()
        .step_by(2)
        .for_each(|end| *end = NONE);
    torn.connections.as_mut().expect("present").addresses.truncate(20);
    let value = json(verdict(Some(Row::Exec(0))), Cause::Batch(&torn));
    assert_eq!(
        (&value["process"]["comm"], &value["container"]),
        (&Value::from(""), &Value::Null)
    );
    let value = json(verdict(Some(Row::Connection(0))), Cause::Batch(&torn));
    assert_eq!(
        (&value["event"]["local_address"], &value["event"]["remote_address"]),
        (&Value::from("10.0.0.7"), &Value::Null)
    );
}

#[test]
fn ancestors_end_even_where_the_table_has_a_loop() {
    let mut looped = batch();
    looped.processes.parent = vec![1, 0, 1];
    let value = json(verdict(Some(Row::Exec(0))), Cause::Batch(&looped));
    let pids: Vec<_> = value["ancestors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|a| a["pid"].as_u64())
        .collect();
    assert_eq!(pids, [Some(70), Some(1)]);

    let mut long = batch();
    let table = &mut long.processes;
    table.pid = (0..1_000).collect();
    table.parent = (1..=1_000).collect();
    long.execs.as_mut().expect("present").process = vec![0];
    let value = json(verdict(Some(Row::Exec(0))), Cause::Batch(&long));
    assert_eq!(value["ancestors"].as_array().expect("a list").len(), 64);
}

#[test]
fn a_failed_open_shows_what_was_typed() {
    let mut batch = batch();
    batch.strings.blob.extend_from_slice(b"../etc/sh\xffadow");
    batch
        .strings
        .ends
        .push(u32::try_from(batch.strings.blob.len()).expect("small"));
    let typed = u32::try_from(batch.strings.ends.len() - 1).expect("small");
    batch.opens = Some(Opens {
        seq: vec![43],
        time: vec![T0],
        process: vec![1],
        path: vec![0],
        typed: vec![typed],
        flags: vec![0o100_000],
        mode: vec![0],
        result: vec![-13],
        path_kind: vec![1],
        traits: vec![0],
        count: vec![1],
    });
    let value = json(verdict(Some(Row::Open(0))), Cause::Batch(&batch));
    let event = &value["event"];
    assert_eq!(
        (event["typed"].as_str(), event["result"].as_i64()),
        (Some(r"../etc/sh\xffadow"), Some(-13))
    );
    assert_eq!(
        (event["path_kind"].as_str(), value["process"]["pid"].as_u64()),
        (Some("typed"), Some(70))
    );
}
