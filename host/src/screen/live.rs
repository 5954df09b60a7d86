//! What a running daemon looks like on the screen.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use vespid_ebpf::Kind;

use super::{PluginLine, RateLine, Rates, VerdictLine, View};
use crate::bytes::Bytes;
use crate::clock;
use crate::config::Config;
use crate::daemon::node;
use crate::daemon::status::Status;
use crate::logging::Tail;
use crate::plugin::{self, PluginStats};
use crate::verdict::{severity_name, time_of_day};

/// Makes views of one daemon; rates are between one view and the next.
pub struct Live {
    status: Arc<Status>,
    title: String,
    urls: Vec<String>,
    verdict_file: String,
    tail: Tail,
    rates: Rates,
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
            rates: Rates::default(),
        }
    }

    /// The daemon now.
    pub fn view(&mut self) -> View {
        let up = Duration::from_nanos(clock::now().saturating_sub(self.status.started()));
        let progress = self.status.progress();
        let rates = Kind::ALL
            .into_iter()
            .map(|kind| {
                let total = progress.kernel.entered[kind.index()];
                let stages = [&progress.kernel, &progress.decode];
                let dropped = stages
                    .iter()
                    .flat_map(|stage| stage.dropped.values())
                    .map(|by_kind| by_kind[kind.index()]);
                RateLine {
                    kind: kind.name().to_owned(),
                    per_second: self.rates.per_second(kind.name(), up, total),
                    total,
                    dropped: dropped.sum(),
                }
            })
            .collect();
        let plugins = self
            .status
            .each()
            .map(|(identity, stats, cpu_seconds)| plugin_line(&mut self.rates, up, identity, &stats, cpu_seconds))
            .collect();
        let recent = self.status.verdicts().recent();
        let verdicts = recent.iter().rev().take(20).map(|summary| VerdictLine {
            time: time_of_day(summary.time),
            severity: severity_name(summary.severity).to_owned(),
            rule: format!("{}/{}", summary.plugin, summary.rule),
            message: Bytes::from(summary.message.as_str()).to_string(),
        });
        View {
            title: self.title.clone(),
            up,
            urls: self.urls.clone(),
            rates,
            plugins,
            verdicts: verdicts.collect(),
            processes: usize::try_from(progress.processes.entries).unwrap_or(usize::MAX),
            verdict_file: self.verdict_file.clone(),
            log: self.tail.last(4),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]
fn plugin_line(
    rates: &mut Rates,
    up: Duration,
    identity: &plugin::Identity,
    stats: &PluginStats,
    cpu_seconds: f64,
) -> PluginLine {
    let delivered: u64 = stats.stage.left.iter().sum();
    let cpu_ns = (cpu_seconds * 1e9) as u64;
    let name = &identity.name;
    PluginLine {
        name: name.clone(),
        version: identity.version.clone(),
        state: match stats.status {
            plugin::Status::Running => "running",
            plugin::Status::Backoff => "backing off",
            plugin::Status::Quarantined => "quarantined",
        }
        .to_owned(),
        per_second: rates.per_second(&format!("events of {name}"), up, delivered),
        ns_per_event: stats.on_batch.total_ns as f64 / delivered.max(1) as f64,
        cpu_percent: rates.per_second(&format!("cpu of {name}"), up, cpu_ns) / 1e7,
        memory_bytes: usize::try_from(stats.memory_bytes).unwrap_or(usize::MAX),
        verdicts: stats.verdicts,
        dropped: stats.stage.total_dropped(),
    }
}
