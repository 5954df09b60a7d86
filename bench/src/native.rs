//! The shipped plugins without WebAssembly: the same crates behind the same calls, compiled for this machine.
use exec_anomaly::ExecAnomaly;
use file_audit::FileAudit;
use tcp_stats::TcpStats;
use vespid::interface::vespid::plugin::events as host;
use vespid_plugin::Plugin;
use vespid_plugin::bindings::vespid::plugin::events as guest;
use vespid_plugin::runtime::Instance;

/// A plugin's logic.
pub trait Native {
    /// What the component's `on-batch` does once the batch is in its memory.
    ///
    /// # Errors
    /// The plugin's own.
    fn on_batch(&mut self, batch: &guest::Batch) -> Result<(), String>;
}

impl<P: Plugin> Native for Instance<P> {
    fn on_batch(&mut self, batch: &guest::Batch) -> Result<(), String> {
        std::hint::black_box(Instance::on_batch(self, batch)?);
        Ok(())
    }
}

/// The shipped plugin of this name, with a configuration.
///
/// # Errors
/// If there is none, or it does not start.
pub fn plugin(name: &str, config: &str) -> Result<Box<dyn Native>, String> {
    match name {
        "exec-anomaly" => start::<ExecAnomaly>(config),
        "file-audit" => start::<FileAudit>(config),
        "tcp-stats" => start::<TcpStats>(config),
        _ => Err(format!("no plugin `{name}` is shipped")),
    }
}

fn start<P: Plugin>(config: &str) -> Result<Box<dyn Native>, String> {
    let mut instance = Instance::<P>::default();
    instance.init(config)?;
    Ok(Box::new(instance))
}

/// A function from a record of the daemon's side to the same record of the plugins' side.
macro_rules! record {
    ($function:ident: $record:ident { $($column:ident)* }) => {
        fn $function(table: &host::$record) -> guest::$record {
            guest::$record { $($column: table.$column.clone()),* }
        }
    };
}

record!(strings: Strings { ends blob });
record!(processes: Processes {
    pid ppid parent start uid gid euid login_uid comm exe args cwd tty cgroup container flags capabilities namespaces
    user group
});
record!(containers: Containers { id runtime name image pod_uid pod namespace labels owner });
record!(execs: Execs { seq time process previous filename errno });
record!(exits: Exits { seq time process code signal lifetime });
record!(connections: Connections {
    seq time process op direction addresses local_port remote_port cookie sent received duration srtt retransmits errno
    netns local_isn remote_isn
});
record!(opens: Opens { seq time process path typed flags mode result path_kind traits count });

/// The batch as a plugin holds it. Tables that no benchmark has events of stay away.
#[must_use]
pub fn batch(batch: &host::Batch) -> guest::Batch {
    let header = &batch.header;
    guest::Batch {
        header: guest::Header {
            node: header.node.clone(),
            boot_id: header.boot_id.clone(),
            first: header.first,
            last: header.last,
            lost: guest::Lost {
                kernel: header.lost.kernel,
                decode: header.lost.decode,
                queue: header.lost.queue,
            },
        },
        strings: strings(&batch.strings),
        processes: processes(&batch.processes),
        containers: batch.containers.as_ref().map(containers),
        execs: batch.execs.as_ref().map(execs),
        exits: batch.exits.as_ref().map(exits),
        connections: batch.connections.as_ref().map(connections),
        opens: batch.opens.as_ref().map(opens),
        changes: None,
        privileged: None,
        sockets: None,
        resources: None,
    }
}
