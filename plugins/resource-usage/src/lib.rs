//! `resource-usage`: what containers and the host use of the machine, as metrics, and processes that were killed for want
//! of memory, as verdicts.
//!
//! | verdict | when |
//! |---|---|
//! | `oom-kill` | the kernel killed a process for want of memory; once for a program and container within a window |
//! | `oom-kill-repeated` | how often it happened again, when that window is over |
//! | `oom-kill-again` | more kills in a container, or on the host, than a limit within a window |
//!
//! A series has the labels `container` (short id; `host` for what runs in none; `unknown` for a control group that was
//! gone before it could be asked for) and `name` (namespace and name of the pod, else the container's name).
mod config;
mod kills;
mod metrics;

use vespid_plugin::ResourceOp;
use vespid_plugin::Restored;
use vespid_plugin::prelude::*;
use vespid_plugin::state::{self, Versioned};

pub use config::Config;

use kills::{Kills, Places};
use metrics::{Metrics, Names};

/// What another instance goes on with.
#[derive(Serialize, Deserialize)]
struct Saved(Places);

impl Versioned for Saved {
    const VERSION: u32 = 1;
}

/// The plugin.
pub struct ResourceUsage {
    metrics: Metrics,
    names: Names,
    kills: Kills,
}

impl Plugin for ResourceUsage {
    const MANIFEST: Manifest = Manifest::new(
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_DESCRIPTION"),
    )
    .resources()
    .state::<Saved>();
    type Config = Config;
    type Metrics = Metrics;

    fn metrics(declare: &Registry) -> Metrics {
        Metrics::declare(declare)
    }

    fn new(config: Config, metrics: Metrics) -> Result<Self, String> {
        config.check()?;
        Ok(ResourceUsage {
            names: Names::new(config.max_containers),
            kills: Kills::new(&config),
            metrics,
        })
    }

    fn on_batch(&mut self, batch: Batch<'_>, out: &mut Report) -> Result<(), String> {
        for resource in batch.resources() {
            self.metrics.count(resource, &mut self.names);
            if resource.op() == ResourceOp::OomKill {
                self.kills.hit(resource, out);
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: u64, out: &mut Report) -> Result<(), String> {
        self.kills.tick(now, out);
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        // As `Saved`, whose part it is.
        state::save(&(self.kills.places(),))
    }

    fn restore(&mut self, version: u32, bytes: &[u8]) -> Restored {
        Saved::resume(version, bytes, |Saved(places)| self.kills.adopt(places))
    }
}

vespid_plugin::export!(ResourceUsage);

#[cfg(test)]
mod tests;
