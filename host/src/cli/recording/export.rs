//! `vespid recording export`: a recording as tables, one a kind of event, each row with its process.
mod table;

use std::path::PathBuf;

use self::table::{Column, Row, Table};
use super::{Failure, damaged, refused};
use crate::bytes::Bytes;
use crate::enrich::{Attribution, Container, Nothing, Options, ProcessTable};
use crate::event::{Body, Event};
use crate::progress;
use crate::recording::{Line, Reader, Slice, Sliced};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The recording.
    input: PathBuf,
    /// Write Parquet: a file for each table of the interface (`execs.parquet`, `exits.parquet`, …).
    #[arg(long, required = true)]
    parquet: bool,
    /// Directory for the tables; made if need be.
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    slice: Slice,
}

use Column::{I32, I64, Text, Time, U32, U64};

const PROCESS: [(&str, Column); 26] = [
    ("seq", U64),
    ("time", Time),
    ("pid", U32),
    ("ppid", U32),
    ("start", Time),
    ("uid", U32),
    ("gid", U32),
    ("euid", U32),
    ("login_uid", U32),
    ("user", Text),
    ("group", Text),
    ("comm", Text),
    ("exe", Text),
    ("args", Text),
    ("cwd", Text),
    ("tty", Text),
    ("cgroup", Text),
    ("process_flags", U32),
    ("parent_comm", Text),
    ("parent_exe", Text),
    ("container", Text),
    ("container_name", Text),
    ("pod", Text),
    ("namespace", Text),
    ("labels", Text),
    ("owner", Text),
];
const EXECS: [(&str, Column); 2] = [("filename", Text), ("errno", U32)];
const EXITS: [(&str, Column); 3] = [("code", U32), ("signal", U32), ("lifetime", U64)];
const OPENS: [(&str, Column); 8] = [
    ("path", Text),
    ("typed", Text),
    ("flags", U32),
    ("mode", U32),
    ("result", I32),
    ("path_kind", U32),
    ("traits", U32),
    ("count", U32),
];
const CHANGES: [(&str, Column); 12] = [
    ("op", Text),
    ("path", Text),
    ("typed", Text),
    ("target", Text),
    ("target_typed", Text),
    ("detail", Text),
    ("flags", U32),
    ("mode", U32),
    ("value", U64),
    ("result", I32),
    ("path_kind", U32),
    ("target_kind", U32),
];
const PRIVILEGED: [(&str, Column); 6] = [
    ("op", Text),
    ("code", U32),
    ("argument", U64),
    ("target_pid", U32),
    ("detail", Text),
    ("result", I64),
];
const SOCKETS: [(&str, Column); 11] = [
    ("op", Text),
    ("family", U32),
    ("protocol", U32),
    ("local_address", Text),
    ("local_port", U32),
    ("remote_address", Text),
    ("remote_port", U32),
    ("name", Text),
    ("code", U32),
    ("result", I64),
    ("netns", U32),
];
const RESOURCES: [(&str, Column); 12] = [
    ("op", Text),
    ("interval", U64),
    ("measured", U32),
    ("cpu", U64),
    ("minor_faults", U64),
    ("major_faults", U64),
    ("voluntary_switches", U64),
    ("involuntary_switches", U64),
    ("cycles", U64),
    ("instructions", U64),
    ("cache_misses", U64),
    ("memory", U64),
];
const CONNECTIONS: [(&str, Column); 16] = [
    ("op", Text),
    ("direction", Text),
    ("local_address", Text),
    ("local_port", U32),
    ("remote_address", Text),
    ("remote_port", U32),
    ("cookie", U64),
    ("sent", U64),
    ("received", U64),
    ("duration", U64),
    ("srtt", U32),
    ("retransmits", U32),
    ("errno", U32),
    ("netns", U32),
    ("local_isn", U32),
    ("remote_isn", U32),
];

struct Tables {
    seq: u64,
    processes: ProcessTable,
    execs: Table,
    exits: Table,
    connections: Table,
    opens: Table,
    changes: Table,
    privileged: Table,
    sockets: Table,
    resources: Table,
}

#[expect(clippy::print_stderr, reason = "this is the command's result")]
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let reader = Reader::open(&args.input).map_err(damaged)?;
    let mut sliced = Sliced::new(reader, &args.slice).map_err(refused)?;
    std::fs::create_dir_all(&args.output)
        .map_err(|error| Failure::output(anyhow::anyhow!("cannot make {}: {error}", args.output.display())))?;
    let table = |name: &str, columns: &[(&'static str, Column)]| {
        let columns = [&PROCESS[..], columns].concat();
        Table::create(&args.output, name, columns).map_err(Failure::output)
    };
    let mut tables = Tables {
        seq: 0,
        processes: ProcessTable::new(Options::default(), Box::new(Nothing)),
        execs: table("execs", &EXECS)?,
        exits: table("exits", &EXITS)?,
        connections: table("connections", &CONNECTIONS)?,
        opens: table("opens", &OPENS)?,
        changes: table("changes", &CHANGES)?,
        privileged: table("privileged", &PRIVILEGED)?,
        sockets: table("sockets", &SOCKETS)?,
        resources: table("resources", &RESOURCES)?,
    };
    let bar = progress::counting("events exported");
    let mut written = Ok(());
    loop {
        let more = sliced.pull(|line| {
            if written.is_ok() {
                written = tables.take(line);
            }
        });
        std::mem::replace(&mut written, Ok(())).map_err(Failure::output)?;
        bar.set_position(tables.seq);
        if !more.map_err(damaged)? {
            break;
        }
    }
    bar.finish_and_clear();
    let mut counts = Vec::new();
    let all = [
        tables.execs,
        tables.exits,
        tables.connections,
        tables.opens,
        tables.changes,
        tables.privileged,
        tables.sockets,
        tables.resources,
    ];
    for table in all {
        counts.push(table.finish().map_err(Failure::output)?);
    }
    eprintln!("{} in {}", counts.join(", "), args.output.display());
    Ok(())
}

impl Tables {
    fn take(&mut self, line: &Line<'_>) -> anyhow::Result<()> {
        match line {
            Line::Known(known) => self.processes.learn(known),
            Line::Container(known) => self.processes.learn_container(known),
            Line::Account(known) => self.processes.learn_account(known),
            Line::Event(event) => return self.event(event),
            Line::Lost(_) | Line::End(_) => {}
        }
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        self.seq += 1;
        let Attribution { process, container, .. } = self.processes.observe(event);
        let table = match &event.body {
            Body::Fork(_) => return Ok(()),
            Body::Exec(_) => &mut self.execs,
            Body::Exit(_) => &mut self.exits,
            Body::Connection(_) => &mut self.connections,
            Body::Open(_) => &mut self.opens,
            Body::Change(_) => &mut self.changes,
            Body::Privileged(_) => &mut self.privileged,
            Body::Socket(_) => &mut self.sockets,
            Body::Resource(_) => &mut self.resources,
        };
        let mut row = table.row();
        row.u64(self.seq).u64(event.time);
        let held = &self.processes;
        let process = process.and_then(|id| held.get(id));
        let start = process.map_or(0, |process| process.start);
        match process {
            None => {
                let subject = &event.subject;
                row.u32(subject.pid).u32(0).u64(0).u32(subject.uid).u32(subject.gid);
                row.u32(u32::MAX).u32(u32::MAX);
                for _ in 0..7 {
                    row.text("");
                }
                // Only resources are used in a control group and by no process.
                row.bytes(match &event.body {
                    Body::Resource(resource) => resource.cgroup.as_slice(),
                    _ => b"",
                });
                row.u32(0).text("").text("");
                let container = container.and_then(|id| held.containers().get(id));
                put_container(&mut row, container);
            }
            Some(process) => {
                row.u32(process.pid).u32(process.ppid).u64(process.start);
                row.u32(process.uid)
                    .u32(process.gid)
                    .u32(process.euid)
                    .u32(process.login_uid);
                row.bytes(held.user(process)).bytes(held.group_name(process));
                row.bytes(process.comm())
                    .bytes(process.exe())
                    .text(&arguments(process.args()));
                row.bytes(process.cwd()).bytes(process.tty()).bytes(process.cgroup());
                row.u32(process.flags);
                let parent = process.parent.and_then(|parent| held.get(parent));
                row.bytes(parent.map_or(b"", |parent| parent.comm()));
                row.bytes(parent.map_or(b"", |parent| parent.exe()));
                let container = process.container().and_then(|id| held.containers().get(id));
                put_container(&mut row, container);
            }
        }
        body(&mut row, event, start);
        table.end_row()
    }
}

fn put_container(row: &mut Row<'_>, container: Option<&Container>) {
    let nowhere = Container::default();
    let container = container.unwrap_or(&nowhere);
    row.bytes(&container.id).bytes(&container.name);
    row.bytes(&container.pod).bytes(&container.namespace);
    row.text(&arguments(&container.labels)).bytes(&container.owner);
}

fn body(row: &mut Row<'_>, event: &Event<'_>, start: u64) {
    match &event.body {
        Body::Fork(_) => {}
        Body::Exec(exec) => {
            row.bytes(exec.filename.as_slice()).u32(exec.errno);
        }
        Body::Exit(exit) => {
            let lifetime = if start == 0 {
                0
            } else {
                event.time.saturating_sub(start)
            };
            row.u32(exit.code).u32(exit.signal).u64(lifetime);
        }
        Body::Open(open) => {
            row.bytes(open.path.as_slice()).bytes(open.typed.as_slice());
            row.u32(open.flags).u32(open.mode).i32(open.result);
            row.u32(open.path_kind.into()).u32(open.traits.into()).u32(open.count);
        }
        Body::Connection(connection) => {
            let direction = ["outbound", "inbound"];
            row.text(connection.op.name());
            row.text(direction.get(usize::from(connection.direction)).copied().unwrap_or(""));
            for end in [connection.local, connection.remote] {
                row.text(&end.ip().to_string()).u32(end.port().into());
            }
            row.u64(connection.cookie).u64(connection.sent).u64(connection.received);
            row.u64(connection.duration)
                .u32(connection.srtt)
                .u32(connection.retransmits);
            row.u32(connection.errno).u32(connection.netns);
            row.u32(connection.local_isn).u32(connection.remote_isn);
        }
        Body::Change(change) => {
            row.text(change.op.name());
            row.bytes(change.path.as_slice()).bytes(change.typed.as_slice());
            row.bytes(change.target.as_slice())
                .bytes(change.target_typed.as_slice());
            row.bytes(change.detail.as_slice());
            row.u32(change.flags)
                .u32(change.mode)
                .u64(change.value)
                .i32(change.result);
            row.u32(change.path_kind.into()).u32(change.target_kind.into());
        }
        Body::Privileged(call) => {
            row.text(call.op.name()).u32(call.code).u64(call.argument);
            row.u32(call.target_pid).bytes(call.detail.as_slice()).i64(call.result);
        }
        Body::Resource(resource) => {
            row.text(resource.op.name())
                .u64(resource.interval)
                .u32(resource.measured);
            row.u64(resource.cpu)
                .u64(resource.minor_faults)
                .u64(resource.major_faults);
            row.u64(resource.voluntary_switches).u64(resource.involuntary_switches);
            row.u64(resource.cycles)
                .u64(resource.instructions)
                .u64(resource.cache_misses)
                .u64(resource.memory);
        }
        Body::Socket(socket) => {
            row.text(socket.op.name());
            row.u32(socket.family.into()).u32(socket.protocol.into());
            for end in [socket.local, socket.remote] {
                row.text(&end.map_or(String::new(), |end| end.ip().to_string()));
                row.u32(end.map_or(0, |end| end.port().into()));
            }
            row.bytes(socket.name.as_slice())
                .u32(socket.code)
                .i64(socket.result)
                .u32(socket.netns);
        }
    }
}

/// Arguments, or labels, as one text: a space between them, `\x20` for one within.
fn arguments(args: &[u8]) -> String {
    let args = args.strip_suffix(b"\0").unwrap_or(args);
    let one = |arg: &[u8]| Bytes::from(arg).to_string().replace(' ', "\\x20");
    args.split(|&byte| byte == 0).map(one).collect::<Vec<_>>().join(" ")
}
