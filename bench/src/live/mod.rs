//! Live loads, untraced and traced in turn: what watching costs those who are watched, and whoever watches.
mod audit;
mod load;
mod seen;
mod tracer;

use std::path::Path;
use std::time::Duration;

pub use load::{Load, main as load_main};
pub use seen::Seen;
pub use tracer::{PEERS, Tracer};

use crate::program::Program;
use crate::table::{Cell, Table};

/// How often, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Turns of each tracer.
    pub rounds: usize,
    /// How long a load runs.
    pub time: Duration,
    /// Whether the kernel's audit may be turned on for a while.
    pub auditd: bool,
}

/// One turn.
struct Turn {
    untraced: f64,
    traced: f64,
    done: f64,
    seen: Seen,
}

/// All loads under all tracers that are here. `say` hears what is skipped, and why.
///
/// # Errors
/// If a tracer does not start.
pub fn table(program: &Program, plugins: &Path, effort: Effort, say: impl Fn(&str)) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "live",
        "Loads untraced and traced in turn; of each, the turn with the median slowdown. An event may be delivered to several plugins",
        &[
            "load",
            "tracer",
            "untraced/s",
            "traced/s",
            "slowdown",
            "done",
            "events",
            "delivered",
            "dropped",
            "books",
            "CPU s/M events",
            "CPU s/M done",
            "lag p50 ms",
            "p99 ms",
            "RSS MB",
        ],
    );
    let mut tracers = vec![
        Tracer::Vespid { filter: true },
        Tracer::Vespid { filter: false },
        Tracer::Counter,
    ];
    for peer in PEERS {
        if peer.file().is_some() {
            tracers.push(Tracer::Peer(peer));
        } else {
            say(&format!("SKIPPED: {} is not installed", peer.name));
        }
    }
    if !effort.auditd {
        say("SKIPPED: auditd: only with --auditd, as the kernel's audit leaves a trace until the next boot");
    } else if let Some(lack) = audit::lacks() {
        say(&format!("SKIPPED: auditd: {lack}"));
    } else {
        tracers.extend(
            Load::ALL
                .into_iter()
                .filter(|load| audit::watches(*load))
                .map(Tracer::Audit),
        );
    }
    for load in Load::ALL {
        if let Some(lack) = load.lacks() {
            say(&format!("SKIPPED: load {}: {lack}", load.name()));
            continue;
        }
        let rates = [None, load.usual_rate()];
        for rate in rates.iter().take(if load.usual_rate().is_some() { 2 } else { 1 }) {
            let watching: Vec<&Tracer> = tracers.iter().filter(|tracer| tracer.watches(load)).collect();
            let mut turns: Vec<Vec<Turn>> = watching.iter().map(|_| Vec::new()).collect();
            // A rate that both sides keep has no slowdown to find.
            for _ in 0..if rate.is_some() { 1 } else { effort.rounds } {
                for (tracer, turns) in watching.iter().zip(&mut turns) {
                    say(&format!("{} {}, {}", load.name(), rate_name(*rate), tracer.name()));
                    match turn(tracer, program, plugins, load, effort.time, *rate) {
                        Ok(turn) => turns.push(turn),
                        Err(error) => say(&format!("SKIPPED: {}: {error:#}", tracer.name())),
                    }
                }
            }
            for (tracer, turns) in watching.iter().zip(turns) {
                if let Some(row) = row(load, *rate, tracer, turns) {
                    table.row(row);
                }
            }
        }
    }
    Ok(table)
}

fn turn(
    tracer: &Tracer,
    program: &Program,
    plugins: &Path,
    load: Load,
    time: Duration,
    rate: Option<u32>,
) -> anyhow::Result<Turn> {
    let (count, seconds) = load.run(time, rate)?;
    let untraced = count / seconds;
    let ((count, seconds), seen) = tracer.watch(program, plugins, || load.run(time, rate))?;
    Ok(Turn {
        untraced,
        traced: count / seconds,
        done: count,
        seen,
    })
}

fn rate_name(rate: Option<u32>) -> String {
    rate.map_or_else(|| "flat out".to_owned(), |rate| format!("{rate}/s"))
}

fn row(load: Load, rate: Option<u32>, tracer: &Tracer, mut turns: Vec<Turn>) -> Option<[Cell; 15]> {
    // The turn with the median slowdown speaks for all: its figures belong together.
    turns.sort_by(|one, other| (one.untraced / one.traced).total_cmp(&(other.untraced / other.traced)));
    let at = turns.len().checked_sub(1)? / 2;
    let turn = turns.swap_remove(at);
    let seen = &turn.seen;
    let number = |number: Option<f64>, decimals| number.map_or(Cell::Empty, |number| Cell::number(number, decimals));
    let dropped = seen
        .dropped
        .iter()
        .map(|(reason, count)| format!("{count:.0} {reason}"));
    let dropped = dropped.collect::<Vec<_>>().join(", ");
    // Whoever does not say how many there were had those that it handed on, or else one for each thing done.
    let events = seen
        .events
        .filter(|count| *count > 0.0)
        .or(seen.delivered.filter(|count| *count > 0.0))
        .unwrap_or(turn.done);
    Some([
        format!("{} {}", load.name(), rate_name(rate)).into(),
        tracer.name().into(),
        Cell::number(turn.untraced, 0),
        Cell::number(turn.traced, 0),
        if rate.is_none() {
            Cell::number(turn.untraced / turn.traced, 2)
        } else {
            Cell::Empty
        },
        Cell::number(turn.done, 0),
        number(seen.events, 0),
        number(seen.delivered, 0),
        match tracer {
            Tracer::Peer(_) => Cell::Empty,
            _ if dropped.is_empty() => "0".into(),
            _ => dropped.into(),
        },
        seen.closes
            .map_or(Cell::Empty, |closes| if closes { "close" } else { "OPEN" }.into()),
        Cell::number(seen.cpu_seconds * 1e6 / events, 2),
        Cell::number(seen.cpu_seconds * 1e6 / turn.done, 2),
        number(seen.lag.map(|lag| lag[0] * 1e3), 0),
        number(seen.lag.map(|lag| lag[1] * 1e3), 0),
        Cell::number(seen.resident_bytes / 1e6, 0),
    ])
}
