//! The calls that a plugin gets for a recording, from the program that makes them for components as well: so that a
//! native run sees exactly the same batches and ticks.
use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::Command;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings::vespid::plugin::events;
use vespid_cases::Case;

/// One call.
pub(super) enum Call {
    Batch(Box<events::Batch>),
    Tick(u64),
    /// Another instance takes over.
    Replace,
}

/// What a case has a plugin called with; `subscription` are the names of the tables that it gets, `filters` says which
/// rows of them.
pub(super) fn of_case(case: &Case, subscription: &[&str], filters: &str) -> Result<Vec<Call>, String> {
    let program = std::env::var_os("VESPID").unwrap_or_else(|| OsString::from("vespid"));
    let mut command = Command::new(&program);
    command
        .args(["recording", "batches", "--subscribe", &subscription.join(",")])
        .args(["--filters", filters])
        .arg(format!("--compress={}", case.compress))
        .args(case.slice.flags())
        .args(case.swap.iter().map(|swap| format!("--swap-after={}", swap.after)))
        .arg(&case.recording);
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!(
            "{} was not found. The cases' recordings are read by Vespid's own program: put `vespid` on the PATH, or name \
             it in the environment variable VESPID",
            program.display()
        ),
        _ => format!("{} cannot be run: {error}", program.display()),
    })?;
    if !output.status.success() {
        return Err(match String::from_utf8(output.stderr) {
            Ok(said) => said.trim_end().to_owned(),
            Err(_) => format!("{} failed ({})", program.display(), output.status),
        });
    }
    let calls = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let calls: Option<Vec<Call>> = calls.map(call).collect();
    calls.ok_or_else(|| {
        format!(
            "{} speaks of batches in another way than this SDK: the two are of different versions",
            program.display()
        )
    })
}

fn call(line: &[u8]) -> Option<Call> {
    let mut call: Map<String, Value> = serde_json::from_slice(line).ok()?;
    if let Some(batch) = call.remove("batch") {
        return Some(Call::Batch(Box::new(of_batch(Table::of(batch)?)?)));
    }
    match call.remove("tick") {
        Some(now) => now.as_u64().map(Call::Tick),
        None => call.contains_key("replace").then_some(Call::Replace),
    }
}

/// A table, whose columns are taken out by name.
struct Table(Map<String, Value>);

impl Table {
    fn of(value: Value) -> Option<Table> {
        match value {
            Value::Object(columns) => Some(Table(columns)),
            _ => None,
        }
    }

    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        serde_json::from_value(self.0.remove(name)?).ok()
    }

    fn table(&mut self, name: &str) -> Option<Table> {
        Table::of(self.0.remove(name)?)
    }
}

/// A function from a [`Table`] to a record of the interface, column by column.
macro_rules! record {
    ($function:ident: $record:ident { $($column:ident)* }) => {
        fn $function(mut table: Table) -> Option<events::$record> {
            Some(events::$record { $($column: table.take(stringify!($column))?),* })
        }
    };
}

record!(of_strings: Strings { ends blob });
record!(of_processes: Processes {
    pid ppid parent start uid gid euid login_uid comm exe args cwd tty cgroup container flags capabilities
    namespaces user group
});
record!(of_containers: Containers { id runtime name image pod_uid pod namespace labels owner });
record!(of_execs: Execs { seq time process previous filename errno });
record!(of_exits: Exits { seq time process code signal lifetime });
record!(of_connections: Connections {
    seq time process op direction addresses local_port remote_port cookie sent received duration srtt retransmits errno
    netns local_isn remote_isn
});
record!(of_opens: Opens { seq time process path typed flags mode result path_kind traits count });
record!(of_changes: Changes {
    seq time process op path typed target target_typed detail flags mode value result path_kind target_kind
});
record!(of_privileged: Privileged { seq time process op code argument target detail result });
record!(of_sockets: Sockets {
    seq time process op family protocol addresses local_port remote_port name code result netns
});
record!(of_resources: Resources {
    seq time process container cgroup op interval measured cpu minor_faults major_faults voluntary_switches
    involuntary_switches cycles instructions cache_misses memory
});
record!(of_lost: Lost { kernel decode queue });

fn of_header(mut header: Table) -> Option<events::Header> {
    Some(events::Header {
        node: header.take("node")?,
        boot_id: header.take("boot_id")?,
        first: header.take("first")?,
        last: header.take("last")?,
        lost: of_lost(header.table("lost")?)?,
    })
}

fn of_batch(mut batch: Table) -> Option<events::Batch> {
    Some(events::Batch {
        header: of_header(batch.table("header")?)?,
        strings: of_strings(batch.table("strings")?)?,
        processes: of_processes(batch.table("processes")?)?,
        containers: batch.table("containers").and_then(of_containers),
        execs: batch.table("execs").and_then(of_execs),
        exits: batch.table("exits").and_then(of_exits),
        connections: batch.table("connections").and_then(of_connections),
        opens: batch.table("opens").and_then(of_opens),
        changes: batch.table("changes").and_then(of_changes),
        privileged: batch.table("privileged").and_then(of_privileged),
        sockets: batch.table("sockets").and_then(of_sockets),
        resources: batch.table("resources").and_then(of_resources),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_and_an_exchange_are_read_and_anything_else_is_not() {
        assert!(matches!(call(br#"{"tick":7}"#), Some(Call::Tick(7))));
        assert!(matches!(call(br#"{"replace":{}}"#), Some(Call::Replace)));
        for strange in [&b"{}"[..], b"[]", br#"{"tick":-1}"#, br#"{"batch":{}}"#] {
            assert!(call(strange).is_none());
        }
    }

    #[test]
    fn columns_come_under_their_names() {
        let line = br#"{"batch":{
            "header":{"node":"n","boot_id":"b","first":1,"last":1,"lost":{"kernel":1,"decode":0,"queue":0}},
            "strings":{"ends":[0,2],"blob":[47,120]},
            "processes":{"pid":[],"ppid":[],"parent":[],"start":[],"uid":[],"gid":[],"euid":[],"login_uid":[],"comm":[],
                "exe":[],"args":[],"cwd":[],"tty":[],"cgroup":[],"container":[],"flags":[],"capabilities":[],
                "namespaces":[],"user":[],"group":[]},
            "containers":null,"execs":null,"exits":null,"connections":null,
            "opens":{"seq":[1],"time":[5],"process":[4294967295],"path":[1],"typed":[1],"flags":[0],"mode":[0],"result":[-2],
                "path_kind":[1],"traits":[0],"count":[1]}}}"#;
        let Some(Call::Batch(batch)) = call(line) else {
            panic!("a batch");
        };
        let batch = crate::Batch::new(&batch);
        let open = batch.opens().next().expect("an open");
        assert_eq!((open.path(), open.errno(), batch.lost()), (&b"/x"[..], 2, 1));
    }
}
