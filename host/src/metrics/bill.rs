//! What each plugin did and what it cost: its bill.
use std::fmt;

use prometheus_client::registry::Unit;

use super::page::{Page, Pairs, one};
use super::scrape::{Plugin, Scrape};

pub(super) fn write(scrape: &Scrape, page: &mut Page<'_>) -> fmt::Result {
    let plugins = &scrape.plugins;
    work(plugins, page)?;
    reloads(plugins, page)?;
    instances(plugins, page)?;
    shadows(plugins, page)?;
    let help = "Files in the plugin directory that are refused now. /plugins says why.";
    page.gauges(("vespid_plugin_files_refused", None, help), one(scrape.refusals.files))?;
    let help = "Times that a file of the plugin directory was refused, by kind of reason.";
    let kinds = scrape.refusals.by_kind.iter();
    page.counters(
        ("vespid_plugin_refusals", None, help),
        kinds.map(|(kind, count)| (vec![("kind", *kind)], *count)),
    )
}

/// One row a plugin.
fn each<'a, V>(plugins: &'a [Plugin], value: impl Fn(&'a Plugin) -> V) -> impl Iterator<Item = (Pairs<'a>, V)> {
    plugins.iter().map(move |plugin| (name(plugin), value(plugin)))
}

/// A row for each of a plugin's counts, told apart by `label`.
fn labelled<'a, const N: usize>(
    plugins: &'a [Plugin],
    label: &'static str,
    counts: impl Fn(&'a Plugin) -> [(&'static str, u64); N],
) -> impl Iterator<Item = (Pairs<'a>, u64)> {
    plugins.iter().flat_map(move |plugin| {
        counts(plugin).map(|(text, count)| {
            let mut labels = name(plugin);
            labels.push((label, text));
            (labels, count)
        })
    })
}

fn name(plugin: &Plugin) -> Pairs<'_> {
    vec![("plugin", plugin.name.as_str())]
}

fn work(plugins: &[Plugin], page: &mut Page<'_>) -> fmt::Result {
    let info = plugins.iter().map(|plugin| {
        let labels = vec![
            ("plugin", &*plugin.name),
            ("version", &*plugin.version),
            ("digest", &*plugin.digest),
            ("mode", plugin.mode),
        ];
        (labels, 1_u64)
    });
    page.gauges(("vespid_plugin_info", None, "Plugins that run; always 1."), info)?;
    let help = "Whether a plugin failed too often and is no longer called.";
    page.gauges(
        ("vespid_plugin_quarantined", None, help),
        each(plugins, |plugin| u32::from(plugin.quarantined)),
    )?;
    let help = "Events that wait for a plugin.";
    page.gauges(
        ("vespid_queue_events", None, help),
        each(plugins, |plugin| plugin.queue_events),
    )?;
    let help = "Time from an event in the kernel to the call that handed it to a plugin.";
    page.histograms(
        ("vespid_lag", Some(Unit::Seconds), help),
        each(plugins, |plugin| &plugin.lag),
    )?;
    let help = "Time of a call into a plugin.";
    page.histograms(
        ("vespid_plugin_call", Some(Unit::Seconds), help),
        each(plugins, |plugin| &plugin.calls),
    )?;
    let help = "CPU time of a plugin's thread.";
    page.counters(
        ("vespid_plugin_cpu", Some(Unit::Seconds), help),
        each(plugins, |plugin| plugin.cpu_seconds),
    )?;
    let help = "Linear memory of a plugin.";
    page.gauges(
        ("vespid_plugin_memory", Some(Unit::Bytes), help),
        each(plugins, |plugin| plugin.memory_bytes),
    )?;
    let help = "The most linear memory that an instance of a plugin had.";
    let high_water = each(plugins, |plugin| plugin.memory_high_water_bytes);
    page.gauges(("vespid_plugin_memory_high_water", Some(Unit::Bytes), help), high_water)?;
    let failures = plugins.iter().flat_map(|plugin| {
        let labels = |reason| vec![("plugin", plugin.name.as_str()), ("reason", reason)];
        plugin
            .failures
            .iter()
            .map(move |(reason, count)| (labels(*reason), *count))
    });
    page.counters(
        (
            "vespid_plugin_failures",
            None,
            "Calls into a plugin that failed, by reason.",
        ),
        failures,
    )?;
    let help = "Labelled series of a plugin that are shown.";
    page.gauges(
        ("vespid_plugin_series", None, help),
        each(plugins, |plugin| plugin.series),
    )?;
    let help = "Series of a plugin that were refused because it has too many.";
    page.counters(
        ("vespid_plugin_refused_series", None, help),
        each(plugins, |plugin| plugin.refused_series),
    )?;
    let help = "Samples of a plugin that no series could take.";
    page.counters(
        ("vespid_plugin_refused_samples", None, help),
        each(plugins, |plugin| plugin.refused_samples),
    )?;
    let help = "Verdicts of a plugin that were dropped because it gave too many a second.";
    page.counters(
        ("vespid_plugin_refused_verdicts", None, help),
        each(plugins, |plugin| plugin.refused_verdicts),
    )?;
    let help = "Metrics of a plugin that are not shown because another plugin has the name.";
    page.gauges(
        ("vespid_plugin_hidden_metrics", None, help),
        each(plugins, |plugin| plugin.hidden_families),
    )
}

fn reloads(plugins: &[Plugin], page: &mut Page<'_>) -> fmt::Result {
    let outcomes = labelled(plugins, "outcome", |plugin| {
        [("swapped", plugin.reloads.swapped), ("failed", plugin.reloads.failed)]
    });
    let help = "Attempts to exchange a running plugin for another version or configuration, by outcome. After `failed` the \
                old one goes on.";
    page.counters(("vespid_plugin_reloads", None, help), outcomes)?;
    let help = "Time of the last reload, from the start of loading to the exchange.";
    page.gauges(
        ("vespid_plugin_last_reload", Some(Unit::Seconds), help),
        each(plugins, |plugin| plugin.reloads.last_seconds),
    )?;
    let help = "Time of all reloads. The old version serves meanwhile.";
    page.counters(
        ("vespid_plugin_reload", Some(Unit::Seconds), help),
        each(plugins, |plugin| plugin.reloads.total_seconds),
    )?;
    let help = "Longest time between two batches in which a plugin was exchanged and neither version served.";
    page.gauges(
        ("vespid_plugin_longest_pause", Some(Unit::Seconds), help),
        each(plugins, |plugin| plugin.reloads.longest_pause_seconds),
    )
}

fn instances(plugins: &[Plugin], page: &mut Page<'_>) -> fmt::Result {
    let replaced = labelled(plugins, "reason", |plugin| {
        [("failure", plugin.restarts.failure), ("memory", plugin.restarts.memory)]
    });
    let help = "Instances of a plugin made in place of one that failed, or that had come near its limit of memory.";
    page.counters(("vespid_plugin_restarts", None, help), replaced)?;
    let states = || plugins.iter().filter_map(|plugin| Some((plugin, plugin.state?)));
    let help = "Size of the last good state of a plugin, from which its next instance continues.";
    page.gauges(
        ("vespid_plugin_state", Some(Unit::Bytes), help),
        states().map(|(plugin, state)| (name(plugin), state.bytes)),
    )?;
    let help = "When the last good state of a plugin was taken, in Unix time.";
    page.gauges(
        ("vespid_plugin_state_timestamp", Some(Unit::Seconds), help),
        states().map(|(plugin, state)| (name(plugin), state.taken_seconds)),
    )
}

fn shadows(plugins: &[Plugin], page: &mut Page<'_>) -> fmt::Result {
    let compared = plugins.iter().flat_map(|plugin| {
        plugin.shadow.iter().flat_map(move |(rule, compared)| {
            let outcomes = [
                ("agreed", compared.agreed),
                ("severity", compared.severity),
                ("missing", compared.missing),
                ("extra", compared.extra),
                ("undecided", compared.undecided),
            ];
            outcomes.map(|(outcome, count)| {
                let mut labels = name(plugin);
                labels.extend([("rule", rule.as_str()), ("outcome", outcome)]);
                (labels, count)
            })
        })
    });
    let help = "Verdicts of a plugin compared with those of its shadow: both gave it, both with different severities, the \
                shadow did not, only the shadow did, or it cannot be told.";
    page.counters(("vespid_shadow_verdicts", None, help), compared)
}
