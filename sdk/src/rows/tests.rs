//! Columns that lie, and the order of rows.
use crate::testing::{BatchBuilder, ContainerRow, EPOCH};
use crate::{Batch, ChangeOp, PrivilegedOp, Process, Row, SocketOp};

#[test]
fn ids_that_point_nowhere_read_as_nothing() {
    let mut builder = BatchBuilder::new();
    let sh = builder.process("/bin/sh").id();
    builder.exec(sh);
    builder.open(sh, "/etc/passwd");
    builder.connect(sh, ([10, 0, 0, 2], 80));
    let mut columns = builder.columns();
    columns.strings.ends.fill(u32::MAX);
    columns.processes.parent = vec![0];
    columns.processes.container = vec![7];
    columns.processes.namespaces.clear();
    columns.execs.iter_mut().for_each(|table| table.filename = vec![9999]);
    columns.opens.iter_mut().for_each(|table| table.process = vec![1]);
    columns
        .connections
        .iter_mut()
        .for_each(|table| table.addresses.truncate(20));

    let batch = Batch::new(&columns);
    let exec = batch.execs().next().expect("a row");
    let process = exec.process().expect("a process");
    assert_eq!(
        (exec.filename(), process.exe(), process.args().count()),
        (&b""[..], &b""[..], 0)
    );
    assert_eq!(
        process.ancestors().count(),
        64,
        "a process that is its own parent ends somewhere"
    );
    assert!(process.container().is_none() && exec.previous().is_none());
    assert_eq!(process.namespaces(), [0; 8]);
    assert!(batch.opens().all(|open| open.process().is_none()));
    assert_eq!(
        batch
            .connections()
            .next()
            .map(|row| row.remote().to_string())
            .as_deref(),
        Some("[::]:80")
    );
}

#[test]
fn labels_are_read_whatever_their_bytes_are() {
    let read = |labels: &[u8]| {
        let mut builder = BatchBuilder::new();
        let container = builder.described_container(ContainerRow {
            labels: labels.to_vec(),
            ..ContainerRow::default()
        });
        let sh = builder.process("/bin/sh").container(container).id();
        builder.exec(sh);
        let columns = builder.columns();
        let batch = Batch::new(&columns);
        let process = batch.execs().next().and_then(|exec| exec.process());
        let container = process.and_then(Process::container).expect("a container");
        let shown = |(key, value): (&[u8], &[u8])| format!("{} is {}", key.escape_ascii(), value.escape_ascii());
        let all: Vec<String> = container.labels().map(shown).collect();
        (all.join(", "), container.labels_truncated())
    };
    for (labels, expected, truncated) in [
        (&b""[..], "", false),
        (b"app=web\0", "app is web", false),
        (b"a=\0note=x=y\n\0", "a is , note is x=y\\n", false),
        (b"app=web\0\0", "app is web", true),
        (b"\0", "", true),
        // As no daemon writes it.
        (b"=x\0app", " is x", false),
    ] {
        assert_eq!(
            read(labels),
            (expected.to_owned(), truncated),
            "{}",
            labels.escape_ascii()
        );
    }
}

#[test]
fn columns_become_names() {
    let mut builder = BatchBuilder::new();
    let init = builder.process("/sbin/init").id();
    let sh = builder.process("/bin/sh").parent(init).args(["sh", "-c", ""]).id();
    builder.at(5).open(sh, "/etc/x").fails(13);
    builder.connect(sh, ([10, 0, 0, 2], 80));
    let columns = builder.columns();
    let batch = Batch::new(&columns);
    let open = batch.opens().next().expect("a row");
    assert_eq!(
        (open.time(), open.path(), open.errno(), open.fd()),
        (EPOCH + 5, &b"/etc/x"[..], 13, None)
    );
    let process = open.process().expect("a process");
    assert_eq!(process.args().collect::<Vec<_>>(), [&b"sh"[..], b"-c", b""]);
    assert_eq!(process.ancestors().map(Process::comm).collect::<Vec<_>>(), [b"init"]);
    let ends = batch
        .connections()
        .next()
        .map(|row| (row.local().to_string(), row.remote().to_string()));
    assert_eq!(ends, Some(("10.0.0.1:40000".to_owned(), "10.0.0.2:80".to_owned())));
}

#[test]
fn rows_of_all_kinds_come_in_the_order_of_their_events() {
    let mut builder = BatchBuilder::new();
    let sh = builder.process("/bin/sh").id();
    builder.exec(sh);
    builder.open(sh, "/a");
    builder.connect(sh, ([10, 0, 0, 2], 80));
    builder.change(sh, ChangeOp::Unlink, "/a");
    builder.open(sh, "/b");
    builder.privileged(sh, PrivilegedOp::Memfd);
    builder.socket(sh, SocketOp::Bound);
    builder.usage(1);
    builder.exit(sh);
    let columns = builder.columns();
    let kinds = Batch::new(&columns).in_order().map(|row| match row {
        Row::Exec(_) => "exec",
        Row::Exit(_) => "exit",
        Row::Connection(_) => "connection",
        Row::Open(_) => "open",
        Row::Change(_) => "change",
        Row::Privileged(_) => "privileged",
        Row::Socket(_) => "socket",
        Row::Resource(_) => "resource",
    });
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [
            "exec",
            "open",
            "connection",
            "change",
            "open",
            "privileged",
            "socket",
            "resource",
            "exit"
        ]
    );
}
