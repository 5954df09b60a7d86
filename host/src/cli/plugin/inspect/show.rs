//! What was found out about a component, for people and for programs. All names and texts in it are the component's own,
//! so none is shown as it is.
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::DecimalBytes;
use serde_json::{Value, json};

use super::schema::keys;
use super::{Accepted, Subject};
use crate::interface::vespid::plugin::describe::{Manifest, Metric, MetricKind};
use crate::screen::text::harmless;

/// Columns of a table on something that is not a terminal.
const WIDTH: u16 = 110;

impl Subject {
    #[expect(clippy::print_stdout, reason = "this is the command's result")]
    pub(super) fn print(&self, json: bool) {
        if json {
            println!("{:#}", self.json());
        } else {
            println!("{}", self.text());
        }
    }

    fn schema(&self) -> Value {
        match (&self.outcome, &self.manifest) {
            (Ok(accepted), _) => Value::clone(&accepted.plugin.schema),
            (Err(_), Some(manifest)) => serde_json::from_str(&manifest.config_schema).unwrap_or_default(),
            (Err(_), None) => Value::Null,
        }
    }

    fn json(&self) -> Value {
        let mut all = json!({
            "file": self.file.display().to_string(),
            "imports": self.anatomy.imports,
            "exports": self.anatomy.exports,
            "core_modules": self.anatomy.modules,
            "bytes": self.anatomy.sizes,
            "function_names": self.anatomy.has_function_names,
            "memory_bytes": {"initial": self.anatomy.memory_at_start},
        });
        if let Some(manifest) = &self.manifest {
            all["description"] = json!(manifest.description);
            all["subscription"] = json!(manifest.subscription.names());
            all["metrics"] = manifest.metrics.iter().map(metric_json).collect();
            all["config_schema"] = self.schema();
            all["state_version"] = json!(manifest.state_version);
            all["look_back"] = json!(manifest.look_back);
            all["plugin"] = json!({"name": manifest.name, "version": manifest.version});
        }
        match &self.outcome {
            Ok(Accepted {
                plugin,
                memory_at_start,
            }) => {
                all["plugin"] = json!(*plugin.identity);
                all["memory_bytes"]["started"] = json!(memory_at_start);
                all["compiled"] =
                    json!({"seconds": plugin.origin.took.as_secs_f64(), "from_cache": plugin.origin.is_cached});
            }
            Err(failure) => all["refused"] = json!(format!("{:#}", failure.error)),
        }
        all
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        match &self.manifest {
            Some(Manifest {
                name,
                version,
                description,
                ..
            }) => lines.push(format!(
                "{} {}: {}",
                harmless(name),
                harmless(version),
                harmless(description)
            )),
            None => lines.push(self.file.display().to_string()),
        }
        let mut line = |what: &str, text: String| lines.push(format!("  {what:<12} {text}"));
        if let Ok(Accepted { plugin, .. }) = &self.outcome {
            line("interface", format!("vespid:plugin@{}", plugin.identity.interface));
            line("digest", format!("sha256:{}", plugin.identity.digest));
        }
        line("imports", names(&self.anatomy.imports));
        if self.outcome.is_err() {
            line("exports", names(&self.anatomy.exports));
        }
        let sizes = self.anatomy.sizes;
        line(
            "size",
            format!(
                "{} (code {}, data {}, custom sections {}; core modules: {})",
                DecimalBytes(sizes.file),
                DecimalBytes(sizes.code),
                DecimalBytes(sizes.data),
                DecimalBytes(sizes.custom),
                self.anatomy.modules
            ),
        );
        match &self.outcome {
            Ok(Accepted {
                plugin,
                memory_at_start,
            }) => {
                line(
                    "memory",
                    format!("{} after its start", DecimalBytes(*memory_at_start as u64)),
                );
                let from = if plugin.origin.is_cached {
                    "from the cache"
                } else {
                    "compiled"
                };
                line("code", format!("{from} in {:.1?}", plugin.origin.took));
            }
            Err(_) => line(
                "memory",
                format!("{} to begin with", DecimalBytes(self.anatomy.memory_at_start)),
            ),
        }
        if let Some(manifest) = &self.manifest {
            line("subscribes", manifest.subscription.names().join(", "));
            line("state", format!("version {}", manifest.state_version));
            if manifest.look_back > 0 {
                let time = humantime::format_duration(Duration::from_secs(manifest.look_back.into()));
                line("looks back", format!("{time}, when it is new on a node"));
            }
            lines.extend(section("metrics", &metrics(manifest)));
            lines.extend(section("configuration", &configuration(&self.schema())));
        }
        lines.join("\n")
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    harmless(&names.join(", ")).into_owned()
}

fn section(name: &str, table: &Table) -> Option<String> {
    (!table.is_empty()).then(|| {
        let table = table.lines().map(|line| format!("\n    {}", line.trim_end()));
        format!("  {name}{}", table.collect::<String>())
    })
}

fn metrics(manifest: &Manifest) -> Table {
    let mut table = plain(["name", "kind", "labels", "help"]);
    let prefix = manifest.name.replace('-', "_");
    for metric in &manifest.metrics {
        let unit = match metric.unit.as_str() {
            "" => String::new(),
            unit => format!(" in {unit}"),
        };
        let buckets = match metric.buckets.as_slice() {
            [first, .., last] => format!(", {} buckets, {first} to {last}", metric.buckets.len()),
            _ => String::new(),
        };
        table.add_row(
            [
                format!("{prefix}_{}", metric.name),
                format!("{}{unit}{buckets}", kind(metric)),
                metric.labels.join(", "),
                metric.help.clone(),
            ]
            .map(|cell| harmless(&cell).into_owned()),
        );
    }
    table
}

fn configuration(schema: &Value) -> Table {
    let mut table = plain(["key", "type", "default", "meaning"]);
    for key in keys(schema) {
        let row = [key.path, key.kind, key.default, key.description];
        table.add_row(row.map(|cell| harmless(&cell).into_owned()));
    }
    table
}

fn metric_json(metric: &Metric) -> Value {
    json!({
        "name": metric.name,
        "help": metric.help,
        "kind": kind(metric),
        "unit": metric.unit,
        "labels": metric.labels,
        "buckets": metric.buckets,
    })
}

fn kind(metric: &Metric) -> &'static str {
    match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    let width = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(WIDTH, |size| size.ws_col);
    table
        .load_style(presets::NOTHING)
        .set_header(header)
        .set_content_arrangement(ContentArrangement::Dynamic)
        // The rest is the indentation.
        .set_width(width.saturating_sub(4));
    table
}
