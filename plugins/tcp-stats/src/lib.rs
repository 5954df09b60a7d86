//! `tcp-stats`: what the node's TCP connections do, as metrics, and two things that they should not do, as verdicts.
//!
//! | verdict | when |
//! |---|---|
//! | `port-scan` | one process tries many ports, or many hosts, within a window, and enough of the attempts fail |
//! | `refused-burst` | one process is refused more often than a limit within a window; once a burst |
//! | `refused-burst-ended` | the count, when that burst is over |
//!
//! A series has the labels `container` (short id, or `host`), `process` (short name; the first 200 names, then `other`),
//! `direction` and `port`: the class of the port that was connected to, which is the peer's of an outbound connection
//! and this end's of an inbound one, as a service name, `well-known`, `registered` or `ephemeral`. So the number of
//! series is bounded by what runs on the node, not by whom it talks to.
//!
//! `calls` is the service call graph: a series for each client (container and process), server and port, from both ends
//! where both are on the node, with `elsewhere` in place of an end that is not. A container of Kubernetes is called by what
//! made its pod (`shop/Deployment/web`), so pods come and go without new series; by its pod if that is not known.
mod active;
mod config;
mod graph;
mod labels;
mod lines;
mod metrics;
mod port;
mod refused;
mod scan;

use vespid_plugin::prelude::*;
use vespid_plugin::state::{self, Versioned};
use vespid_plugin::{Connection, ConnectionOp, Globs, Restored, errno};

pub use config::Config;

use active::{Active, OpenConnections};
use graph::{Graph, Halves, HalvesByAddress};
use labels::Namer;
use lines::{Line, Lines};
use metrics::Metrics;
use refused::Refused;
use scan::Scans;

/// What another instance goes on with.
#[derive(Serialize, Deserialize)]
struct Saved(OpenConnections, Halves);

impl Versioned for Saved {
    const VERSION: u32 = 3;

    /// Version 1 had no graph. In version 2 ends waited by their addresses; those of its last seconds are not counted.
    fn migrate(version: u32, bytes: &[u8]) -> Option<Self> {
        let open = match version {
            1 => state::load(bytes)?,
            2 => state::load::<(OpenConnections, HalvesByAddress)>(bytes)?.0,
            _ => return None,
        };
        Some(Saved(open, Graph::default().halves))
    }
}

/// The plugin.
pub struct TcpStats {
    metrics: Metrics,
    namer: Namer,
    active: Active,
    graph: Graph,
    scans: Scans,
    refused: Refused,
    except: Globs,
}

impl Plugin for TcpStats {
    const MANIFEST: Manifest = Manifest::new(
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_DESCRIPTION"),
    )
    .connections()
    .state::<Saved>();
    type Config = Config;
    type Metrics = Metrics;

    fn metrics(declare: &Registry) -> Metrics {
        Metrics::declare(declare)
    }

    fn new(config: Config, metrics: Metrics) -> Result<Self, String> {
        config.check()?;
        Ok(TcpStats {
            namer: Namer::new(config.max_process_names, config.max_containers),
            active: Active::default(),
            graph: Graph::default(),
            scans: Scans::new(config.scan),
            refused: Refused::new(&config.refused),
            except: Globs::new(&config.except),
            metrics,
        })
    }

    fn on_batch(&mut self, batch: Batch<'_>, out: &mut Report) -> Result<(), String> {
        let mut lines = Lines::of(batch);
        for connection in batch.connections() {
            if let Some(line) = lines.find(connection, &mut self.namer) {
                self.count(connection, line);
                self.judge(connection, line, out);
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: u64, out: &mut Report) -> Result<(), String> {
        self.scans.expire(now);
        self.refused.end(now, out);
        self.graph.tick(now, &self.metrics.calls);
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        // As `Saved`, whose parts they are.
        state::save(&(self.active.snapshot(), &self.graph.halves))
    }

    fn restore(&mut self, version: u32, bytes: &[u8]) -> Restored {
        Saved::resume(version, bytes, |Saved(open, halves)| {
            self.active.restore(open, &self.metrics.active);
            self.graph.restore(halves);
        })
    }
}

impl TcpStats {
    fn count(&mut self, connection: Connection<'_>, line: &mut Line<'_>) {
        let active = &self.metrics.active;
        match connection.op() {
            ConnectionOp::Opened | ConnectionOp::Accepted => {
                self.metrics.begun(connection.op(), line);
                let new = || self.active.series(line.labels.base(), active);
                let series = *line.series.active.get_or_insert_with(new);
                self.active
                    .begin(connection.time(), connection.cookie(), series, active);
                let end = line.end.get_or_insert_with(|| {
                    let (service, process) = self.namer.service(connection);
                    self.graph.end(&service, process)
                });
                self.graph.begin(connection, end, &self.metrics.calls);
            }
            ConnectionOp::Failed => self.metrics.failed(connection, line),
            ConnectionOp::Closed => {
                self.metrics.closed(connection, line);
                self.active.end(connection.cookie(), active);
            }
            ConnectionOp::Unknown => {}
        }
    }

    fn judge(&mut self, connection: Connection<'_>, line: &mut Line<'_>, out: &mut Report) {
        if !matches!(connection.op(), ConnectionOp::Opened | ConnectionOp::Failed) {
            return;
        }
        let Some(process) = connection.process() else { return };
        let excepted = || self.except.matches(process.exe());
        if *line.is_excepted.get_or_insert_with(excepted) {
            return;
        }
        self.scans.attempt(connection, process, out);
        if connection.errno() == errno::ECONNREFUSED {
            self.refused.hit(connection, process, out);
        }
    }
}

vespid_plugin::export!(TcpStats);

#[cfg(test)]
mod tests;
