//! `vespid ctl probes`: what the daemon has in the kernel, and what it costs there.
use std::io::Write;
use std::time::Duration;

use aya::sys::{Stats, enable_stats};
use comfy_table::{CellAlignment, Table, presets};

use super::{CallError, Client, as_json, failure, pause, print};
use crate::cli::Failure;
use crate::control::probes::Probes;
use crate::kernel::{Inventory, Program, State, Way};
use crate::screen::text::harmless;

/// Names of map types, by the kernel's number (`enum bpf_map_type` in include/uapi/linux/bpf.h).
const MAP_TYPES: [(u32, &str); 9] = [
    (1, "hash"),
    (2, "array"),
    (3, "prog_array"),
    (5, "percpu_hash"),
    (6, "percpu_array"),
    (9, "lru_hash"),
    (10, "lru_percpu_hash"),
    (11, "lpm_trie"),
    (27, "ringbuf"),
];

/// Asks twice, with the kernel's statistics on in between if this user may turn them on.
pub(super) fn main(client: &Client, json: bool, interval: Duration, out: &mut impl Write) -> Result<(), Failure> {
    let (before, after) = twice(client, interval).map_err(failure)?;
    if json {
        return as_json(&after, out);
    }
    print(&text(&before.kernel, &after, interval), out)
}

fn twice(client: &Client, interval: Duration) -> Result<(Probes, Probes), CallError> {
    // On for as long as the descriptor is open, whoever else has them on.
    let statistics = enable_stats(Stats::RunTime);
    let before = client.probes()?;
    pause(interval);
    let after = client.probes()?;
    drop(statistics);
    Ok((before, after))
}

fn text(before: &Inventory, now: &Probes, interval: Duration) -> String {
    let mut table = plain([
        "probe", "hook", "variant", "state", "runs/s", "ns/run", "missed", "program", "link", "verified", "KiB",
    ]);
    let mut notes = Vec::new();
    let mut has_run = false;
    for probe in &now.probes {
        let state = match probe.state {
            State::Attached => "attached",
            State::NotNeeded => "not needed",
            State::Unavailable(_) => "unavailable",
        };
        let heads = [
            probe.name.clone(),
            probe.hook.clone(),
            probe.variant.map_or("", Way::name).to_owned(),
            state.to_owned(),
        ];
        let beside = probe.beside.iter().map(|beside| {
            let heads = [
                format!("  {}", beside.name),
                beside.hook.clone(),
                String::new(),
                String::new(),
            ];
            (beside.name.as_str(), heads, beside.link)
        });
        for (name, heads, link) in std::iter::once((probe.name.as_str(), heads, probe.link)).chain(beside) {
            let program = |inventory: &Inventory| inventory.programs.iter().find(|one| one.name == name).cloned();
            let (was, is) = (program(before).unwrap_or_default(), program(&now.kernel));
            has_run |= is.as_ref().is_some_and(|is| is.runs > was.runs);
            table.add_row(heads.into_iter().chain(figures(&was, is.as_ref(), link, interval)));
        }
        for passed_over in &probe.passed_over {
            notes.push(format!(
                "{} has to do without {}: {}; lost without it: {}",
                probe.name,
                passed_over.variant.name(),
                harmless(&passed_over.reason),
                passed_over.loses
            ));
        }
        if let State::Unavailable(why) = &probe.state {
            notes.push(format!(
                "{} cannot run because {}; lost without it: {}",
                probe.name,
                harmless(why),
                probe.loses
            ));
        }
    }
    if has_run && now.probes.iter().any(|probe| probe.hook.starts_with("called by ")) {
        notes.push("The kernel books runs and time of a program that is called to the one that calls it.".to_owned());
    }
    let mut maps = plain(["map", "type", "entries", "KiB", "id"]);
    for map in &now.kernel.maps {
        let kind = MAP_TYPES.iter().find(|(number, _)| *number == map.kind);
        maps.add_row([
            map.name.clone(),
            kind.map_or_else(|| map.kind.to_string(), |(_, name)| (*name).to_owned()),
            map.entries.to_string(),
            kib(map.bytes),
            map.id.to_string(),
        ]);
    }
    if !has_run {
        notes.push(
            "The kernel counted no runs: run this as root, or set kernel.bpf_stats_enabled=1 for as long as it may \
             cost some 20 ns a run."
                .to_owned(),
        );
    }
    let mut parts = vec![table.to_string(), maps.to_string()];
    parts.extend((!notes.is_empty()).then(|| notes.join("\n")));
    parts.join("\n\n")
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn figures(was: &Program, is: Option<&Program>, link: Option<u32>, interval: Duration) -> [String; 7] {
    let runs = is.map_or(0, |is| is.runs.saturating_sub(was.runs));
    let run_ns = is.map_or(0, |is| is.run_ns.saturating_sub(was.run_ns));
    let figure = |figure: f64| {
        if runs == 0 {
            "-".to_owned()
        } else {
            format!("{figure:.0}")
        }
    };
    let of = |number: fn(&Program) -> u64| is.map_or_else(|| "-".to_owned(), |is| number(is).to_string());
    [
        figure(runs as f64 / interval.as_secs_f64()),
        figure(run_ns as f64 / runs.max(1) as f64),
        of(|is| is.missed),
        of(|is| is.id.into()),
        link.map_or_else(|| "-".to_owned(), |link| link.to_string()),
        of(|is| is.verified_instructions),
        is.map_or_else(|| "-".to_owned(), |is| kib(is.bytes)),
    ]
}

fn kib(bytes: u64) -> String {
    bytes.div_ceil(1024).to_string()
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    let right = [
        "runs/s", "ns/run", "missed", "program", "link", "verified", "KiB", "entries", "id",
    ];
    for (column, name) in table.column_iter_mut().zip(header) {
        if right.contains(&name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
