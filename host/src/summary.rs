//! The figures at the end of a run: what came in, where it went, what each plugin cost.
use comfy_table::{CellAlignment, Table, presets};

use crate::clock;
use crate::ledger::Stage;
use crate::plugin::PluginStats;

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The stages that all plugins share, by name.
    pub stages: Vec<(&'static str, Stage)>,
    /// Each plugin, by name.
    pub plugins: Vec<(String, PluginStats)>,
    /// Verdicts written, and verdicts that could not be.
    pub verdicts: (u64, u64),
}

/// The summary as a table.
#[must_use]
pub fn table(summary: &Summary) -> String {
    let mut stages = plain(["events", "in", "out", "dropped", "because"]);
    let books = summary.stages.iter().map(|(name, stage)| ((*name).to_owned(), stage));
    let plugins = summary.plugins.iter().map(|(name, stats)| (name.clone(), &stats.stage));
    for (name, stage) in books.chain(plugins) {
        let because: Vec<String> = stage
            .dropped
            .iter()
            .map(|(reason, by_kind)| format!("{reason} {}", by_kind.iter().sum::<u64>()))
            .collect();
        stages.add_row([
            name,
            stage.entered.iter().sum::<u64>().to_string(),
            stage.left.iter().sum::<u64>().to_string(),
            stage.total_dropped().to_string(),
            because.join(", "),
        ]);
    }
    let mut plugins = plain(["plugin", "batches", "ns/event", "MB at most", "failures", "verdicts"]);
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    for (name, stats) in &summary.plugins {
        let delivered = stats.stage.left.iter().sum::<u64>().max(1) as f64;
        plugins.add_row([
            name.clone(),
            stats.on_batch.calls.to_string(),
            format!("{:.0}", clock::seconds(stats.on_batch.total_ns) * 1e9 / delivered),
            format!("{:.1}", stats.memory_peak_bytes as f64 / 1e6),
            stats.failures.values().sum::<u64>().to_string(),
            stats.verdicts.to_string(),
        ]);
    }
    let (written, dropped) = summary.verdicts;
    format!("{stages}\n\n{plugins}\n\nverdicts written {written}, dropped {dropped}")
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use vespid_ebpf::Kind;

    use super::*;

    #[test]
    fn every_stage_has_a_line_that_closes() {
        let mut stage = Stage::default();
        stage.pass(Kind::Open, 5);
        stage.drop(Kind::Open, "queue_full", 2);
        let stats = PluginStats {
            stage: stage.clone(),
            ..PluginStats::default()
        };
        let summary = Summary {
            stages: vec![("kernel", Stage::default())],
            plugins: vec![("file-audit".to_owned(), stats)],
            verdicts: (3, 0),
        };
        let text = table(&summary);
        let line = text
            .lines()
            .find(|line| line.contains("file-audit"))
            .expect("a line for the plugin");
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>(),
            ["file-audit", "7", "5", "2", "queue_full", "2"]
        );
    }
}
