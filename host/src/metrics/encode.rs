//! From numbers to the text of /metrics.
use std::collections::HashSet;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::page::Page;
use super::scrape::Scrape;
use super::{classic, host};

/// A text format of /metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics text 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Its name in HTTP.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Renders a scrape.
#[must_use]
pub fn render(mut scrape: Scrape, format: Format) -> String {
    hide_taken_names(&mut scrape);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut out = String::with_capacity(1 << 16);
    // Writing to a string does not fail, and no encoder above it does.
    let written = text::encode(&mut out, &registry);
    debug_assert!(written.is_ok(), "an encoder failed");
    match format {
        Format::OpenMetrics => out,
        Format::Prometheus => classic::from_openmetrics(&out),
    }
}

/// Two plugins can mean different things by one name: `a-b` with `c`, and `a` with `b_c`. A page with both would be
/// refused as a whole, so the first one has it, and the other's is counted as hidden.
fn hide_taken_names(scrape: &mut Scrape) {
    let mut taken = HashSet::new();
    for plugin in &mut scrape.plugins {
        let before = plugin.families.len();
        plugin.families.retain(|family| {
            let names = family.descriptor.sample_names();
            let free = names.iter().all(|name| !taken.contains(name));
            if free {
                taken.extend(names);
            }
            free
        });
        plugin.hidden_families = before - plugin.families.len();
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        host::write(self, &mut page)?;
        self.plugins
            .iter()
            .flat_map(|plugin| &plugin.families)
            .try_for_each(|family| page.family(family))
    }
}
