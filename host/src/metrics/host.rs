//! The daemon's metrics about itself.
//!
//! Nothing is lost silently: an event that reached a stage left it, or was dropped there for a reason. This query finds
//! every stage for which that does not hold, and so must have no result:
//!
//! ```promql
//! sum by (stage, plugin, kind) (vespid_events_in_total)
//!   != sum by (stage, plugin, kind) ({__name__=~"vespid_events_(out|dropped)_total"})
//! ```
//!
//! What is lost, where and why: `sum by (stage, plugin, reason) (rate(vespid_events_dropped_total[5m])) > 0`; whose it was:
//! `sum by (container) (rate(vespid_container_events_dropped_total[5m]))`. What a plugin
//! costs is in the families of `bill.rs`: `rate(vespid_plugin_cpu_seconds_total[5m])`, and by event
//! `rate(vespid_plugin_call_seconds_sum[5m]) / on (plugin) sum by (plugin) (rate(vespid_events_out_total{stage="plugin"}[5m]))`.
use std::fmt;

use prometheus_client::registry::Unit;
use vespid_ebpf::Kind;

use super::bill;
use super::page::{Page, Pairs, one};
use super::scrape::{Scrape, StageName};
use crate::enrich::runtimes::Outcome;
use crate::ledger::{self, ROWS};

pub(super) fn write(scrape: &Scrape, page: &mut Page<'_>) -> fmt::Result {
    daemon(scrape, page)?;
    events(scrape, page)?;
    bill::write(scrape, page)?;
    kept(scrape, page)?;
    look_backs(scrape, page)?;
    verdicts(scrape, page)
}

fn kept(scrape: &Scrape, page: &mut Page<'_>) -> fmt::Result {
    let Some(kept) = &scrape.kept else { return Ok(()) };
    let help = "The flight recorder's files together.";
    page.gauges(("vespid_flight_recorder", Some(Unit::Bytes), help), one(kept.bytes))?;
    let help = "Most that the flight recorder's files may be together; the oldest make room.";
    page.gauges(
        ("vespid_flight_recorder_limit", Some(Unit::Bytes), help),
        one(kept.limit),
    )
}

fn look_backs(scrape: &Scrape, page: &mut Page<'_>) -> fmt::Result {
    let books = &scrape.look_backs;
    let help = "Look-backs of new plugins over what the flight recorder has kept, by how they ended.";
    let ended = books.ended.iter();
    page.counters(
        ("vespid_look_backs", None, help),
        ended.map(|(outcome, count)| (vec![("outcome", *outcome)], *count)),
    )?;
    let help = "Recorded events that were shown to plugins in look-backs that ended.";
    page.counters(("vespid_look_back_events", None, help), one(books.events))?;
    let help = "Verdicts that came of look-backs.";
    page.counters(("vespid_look_back_verdicts", None, help), one(books.verdicts))?;
    let help = "Look-backs that are under way: 0 or 1.";
    page.gauges(("vespid_look_backs_running", None, help), one(books.running))
}

fn daemon(scrape: &Scrape, page: &mut Page<'_>) -> fmt::Result {
    let build = &scrape.build;
    let labels = vec![
        ("version", build.version),
        ("revision", build.revision),
        ("interface", build.interface),
    ];
    page.gauges(
        ("vespid_build_info", None, "What is running; always 1."),
        [(labels, 1_u64)],
    )?;
    let help = "When the daemon started, in Unix time.";
    page.gauges(
        ("vespid_start_time", Some(Unit::Seconds), help),
        one(scrape.start_seconds),
    )?;
    let help = "CPU time that the daemon has used.";
    page.counters(
        ("process_cpu", Some(Unit::Seconds), help),
        one(scrape.usage.cpu_seconds),
    )?;
    let help = "Memory of the daemon that is in RAM.";
    page.gauges(
        ("process_resident_memory", Some(Unit::Bytes), help),
        one(scrape.usage.resident_bytes),
    )?;
    let help = "Processes in the process table, those that ended included.";
    page.gauges(("vespid_processes", None, help), one(scrape.processes.entries))?;
    let help = "Most processes that the process table may hold.";
    page.gauges(("vespid_processes_limit", None, help), one(scrape.processes.limit))?;
    let help = "Processes removed from the process table for want of room.";
    page.counters(("vespid_processes_evicted", None, help), one(scrape.processes.evicted))?;
    page.gauges(
        ("vespid_containers", None, "Containers that are known."),
        one(scrape.containers),
    )?;
    let help = "Times that container runtimes were asked about a container, by what came of it.";
    let lookups = Outcome::ALL.into_iter().zip(scrape.lookups);
    page.counters(
        ("vespid_container_lookups", None, help),
        lookups.map(|(outcome, count)| (vec![("outcome", outcome.as_str())], count)),
    )?;
    page.histograms(("vespid_batch_rows", None, "Events by batch."), one(&scrape.batch_rows))
}

fn events(scrape: &Scrape, page: &mut Page<'_>) -> fmt::Result {
    let shared = scrape
        .books
        .iter()
        .map(|books| (vec![("stage", books.stage.as_str())], &books.ledger));
    let plugins = scrape.plugins.iter().map(|plugin| {
        (
            vec![("stage", StageName::Plugin.as_str()), ("plugin", plugin.name.as_str())],
            &plugin.books,
        )
    });
    let help = "Calls that the kernel left out, as no plugin's filters describe them. They were never events.";
    page.counters(("vespid_calls_filtered", None, help), of_calls(&scrape.filtered))?;
    let help = "Calls that are no rows of their own, as another row stands for them as well. No event is lost by it.";
    page.counters(("vespid_calls_merged", None, help), of_calls(&scrape.merged))?;
    let all: Vec<(Pairs<'_>, &ledger::Stage)> = shared.chain(plugins).collect();
    let help = "Events that reached a stage and left it, one way or the other.";
    page.counters(
        ("vespid_events_in", None, help),
        all.iter().flat_map(|(labels, books)| by_kind(labels, &books.entered)),
    )?;
    let help = "Events that went on to the next stage.";
    page.counters(
        ("vespid_events_out", None, help),
        all.iter().flat_map(|(labels, books)| by_kind(labels, &books.left)),
    )?;
    let dropped = all.iter().flat_map(|(labels, books)| {
        books.dropped.iter().flat_map(|(reason, counts)| {
            let labels = with(labels, ("reason", reason));
            by_kind(&labels, counts).collect::<Vec<_>>()
        })
    });
    page.counters(
        (
            "vespid_events_dropped",
            None,
            "Events that ended at a stage, by reason.",
        ),
        dropped,
    )?;
    let help = "Events that the kernel side dropped for want of room (ring_full, shed, limited), by whose they were.";
    let by_container = scrape.lost_by_container.iter().flat_map(|(container, counts)| {
        let of_kinds = Kind::ALL.into_iter().zip(counts).filter(|(_, count)| **count > 0);
        of_kinds.map(|(kind, count)| {
            let labels = vec![("container", container.as_str()), ("kind", kind.name())];
            (labels, *count)
        })
    });
    page.counters(("vespid_container_events_dropped", None, help), by_container)
}

fn of_calls(counts: &[u64; Kind::ALL.len()]) -> impl Iterator<Item = (Pairs<'static>, u64)> {
    let kinds = Kind::ALL.into_iter();
    kinds.map(|kind| (vec![("kind", kind.name())], counts[kind.index()]))
}

fn with<'a>(labels: &Pairs<'a>, label: (&'a str, &'a str)) -> Pairs<'a> {
    let mut labels = labels.clone();
    labels.push(label);
    labels
}

/// A row for each kind, and one for records of no kind that is known, once there was one.
fn by_kind<'a>(labels: &Pairs<'a>, counts: &[u64; ROWS]) -> impl Iterator<Item = (Pairs<'a>, u64)> {
    let known = Kind::ALL.into_iter().map(|kind| (kind.name(), counts[kind.index()]));
    let unknown = [("unknown", counts[ledger::row(None)])]
        .into_iter()
        .filter(|(_, count)| *count > 0);
    known
        .chain(unknown)
        .map(|(kind, count)| (with(labels, ("kind", kind)), count))
        .collect::<Vec<_>>()
        .into_iter()
}

fn verdicts(scrape: &Scrape, page: &mut Page<'_>) -> fmt::Result {
    let by_rule = scrape.plugins.iter().flat_map(|plugin| {
        plugin.verdicts.iter().map(|(rule, severity, count)| {
            (
                vec![("plugin", plugin.name.as_str()), ("rule", rule), ("severity", severity)],
                count,
            )
        })
    });
    page.counters(("vespid_verdicts", None, "Verdicts of the plugins."), by_rule)?;
    let help = "Verdicts written to their destination.";
    page.counters(("vespid_verdicts_written", None, help), one(scrape.verdicts.written))?;
    let dropped = scrape
        .verdicts
        .dropped
        .iter()
        .map(|(reason, count)| (vec![("reason", *reason)], *count));
    page.counters(
        (
            "vespid_verdicts_dropped",
            None,
            "Verdicts that could not be written, by reason.",
        ),
        dropped,
    )
}
