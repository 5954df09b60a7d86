//! What a running daemon looks like on the screen.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use vespid_ebpf::Kind;

use super::node;
use super::roster::{Running, mode};
use super::status::Status;
use crate::bytes::Bytes;
use crate::clock;
use crate::config::Config;
use crate::control::view::{Losses, PluginLine, RateLine, VerdictLine, View};
use crate::ledger::Stage;
use crate::logging::Tail;
use crate::plugin;
use crate::verdict::{severity_name, time_of_day};

/// Makes views of one daemon.
pub struct Live {
    status: Arc<Status>,
    title: String,
    urls: Vec<String>,
    verdict_file: String,
    tail: Tail,
}

impl Live {
    /// Views of the daemon with this status, which serves at `address` and logs to `tail`.
    #[must_use]
    pub fn new(status: Arc<Status>, config: &Config, address: SocketAddr, tail: Tail) -> Live {
        let file = config.verdicts.file.display().to_string();
        Live {
            status,
            title: format!(
                "Vespid {} on {}, Linux {}",
                env!("CARGO_PKG_VERSION"),
                Bytes::from(config.node.as_str()),
                node::kernel_release()
            ),
            urls: vec![format!("http://{address}/metrics"), format!("http://{address}/plugins")],
            verdict_file: if file == "-" {
                "no file; --verdicts FILE keeps them".to_owned()
            } else {
                file
            },
            tail,
        }
    }

    /// The daemon now, in totals.
    #[must_use]
    pub fn view(&self) -> View {
        let progress = self.status.progress();
        let kinds = Kind::ALL.into_iter().map(|kind| {
            let lost = |stage: &Stage| stage.dropped.values().map(|by_kind| by_kind[kind.index()]).sum();
            RateLine {
                kind: kind.name().to_owned(),
                total: progress.kernel.entered[kind.index()],
                dropped: Losses {
                    kernel: lost(&progress.kernel),
                    decode: lost(&progress.decode),
                    enrich: lost(&progress.enrich),
                },
                ..RateLine::default()
            }
        });
        let roster = self.status.roster().all();
        let recent = self.status.verdicts().recent();
        let verdicts = recent.iter().rev().take(20).map(|summary| VerdictLine {
            time: time_of_day(summary.time),
            severity: severity_name(summary.severity).to_owned(),
            rule: format!("{}/{}", summary.plugin, summary.rule),
            message: Bytes::from(summary.message.as_str()).to_string(),
        });
        View {
            title: self.title.clone(),
            started: self.status.started(),
            up: Duration::from_nanos(clock::now().saturating_sub(self.status.started())),
            urls: self.urls.clone(),
            rates: kinds.collect(),
            plugins: roster.iter().map(|running| plugin_line(running)).collect(),
            verdicts: verdicts.collect(),
            processes: usize::try_from(progress.processes.entries).unwrap_or(usize::MAX),
            verdict_file: self.verdict_file.clone(),
            log: self.tail.last(4),
        }
    }
}

fn plugin_line(running: &Running) -> PluginLine {
    let (plugin, stats) = (running.worker.plugin(), running.worker.stats());
    let queue_events = running.worker.queue_events();
    let reported = running.reported.lock();
    PluginLine {
        name: running.name.clone(),
        version: plugin.identity.version.clone(),
        mode: mode(running.role),
        state: match stats.status {
            plugin::Status::Running => "running",
            plugin::Status::Backoff => "backing off",
            plugin::Status::Quarantined => "quarantined",
        }
        .to_owned(),
        events: stats.stage.left.iter().sum(),
        guest_ns: stats.on_batch.total_ns,
        cpu_seconds: reported.cpu_seconds,
        memory_bytes: stats.memory_bytes,
        memory_peak_bytes: stats.memory_peak_bytes,
        queue_events,
        // With nothing to do, a plugin is behind nothing.
        lag_seconds: if queue_events == 0 || stats.last_event == 0 {
            0.0
        } else {
            clock::seconds(clock::now().saturating_sub(stats.last_event))
        },
        dropped: stats.stage.total_dropped(),
        verdicts: stats.verdicts,
        series: reported.families.series() as u64,
        reloads: running.reloads.counts().swapped,
        restarts: stats.restarts,
        state_bytes: stats.state_bytes,
        last_failure: stats.last_failure,
        ..PluginLine::default()
    }
}
