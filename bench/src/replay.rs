//! A long recording through the daemon's own replay.
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::ensure;
use vespid::recording::{Line, Reader, Writer};

use crate::program::Program;
use crate::scale::cpu_seconds;
use crate::table::{Cell, Table};
use crate::traffic::Traffic;

/// Events of the recording. Of text, a tenth.
pub const EVENTS: u64 = 10_000_000;

/// What a core replays in a second: read alone, without a plugin, and with one.
///
/// # Errors
/// If the plugin has not been built, or the recording cannot be written.
pub fn table(program: &Program, plugins: &Path, events: u64) -> anyhow::Result<Table> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("long.vespid");
    let text = folder.path().join("long.jsonl.zst");
    let written = record(&file, events)?;
    let fewer = record(&text, events / 10)?;
    record(&folder.path().join("short.vespid"), 1)?;
    let mut table = Table::new(
        "replay",
        "The recorded mix again and again as one recording, replayed; target with one plugin: 3,000,000",
        &[
            "what",
            "form",
            "events",
            "bytes an event",
            "events a second",
            "events a CPU second",
        ],
    );
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let mut row = |what: &str, of: &Path, written: u64, (took, cpu): (f64, f64)| {
        let written = written as f64;
        let bytes = of.metadata().map_or(f64::NAN, |found| found.len() as f64);
        table.row([
            what.into(),
            if of == text { "text" } else { "binary" }.into(),
            Cell::number(written, 0),
            Cell::number(bytes / written, 1),
            Cell::number(written / took, 0),
            Cell::number(written / cpu, 0),
        ]);
    };
    for (of, written) in [(&text, fewer), (&file, written)] {
        let begin = (Instant::now(), cpu_seconds());
        read(of)?;
        let spent = (begin.0.elapsed().as_secs_f64(), cpu_seconds() - begin.1);
        row("reading alone", of, written, spent);
    }
    let (none, one) = (folder.path().join("none"), folder.path().join("one"));
    std::fs::create_dir(&none)?;
    std::fs::create_dir(&one)?;
    std::fs::copy(plugins.join("file-audit.wasm"), one.join("file-audit.wasm"))?;
    let as_live = || program.command();
    let large = || program.command_with_large_batches();
    for (what, plugins, command) in [
        ("no plugin", &*none, &as_live as &dyn Fn() -> Command),
        ("file-audit", &one, &as_live),
        ("file-audit, batches of up to a second", &one, &large),
        ("the shipped ones", plugins, &as_live),
        ("the shipped ones, batches of up to a second", plugins, &large),
    ] {
        // Code comes from the cache the second time.
        replay(command(), &folder.path().join("short.vespid"), plugins)?;
        row(what, &file, written, replay(command(), &file, plugins)?);
    }
    Ok(table)
}

/// Writes a recording of at least so many events, and says how many it has.
fn record(file: &Path, events: u64) -> anyhow::Result<u64> {
    let mut traffic = Traffic::recorded()?;
    let mut writer = Writer::create(file, traffic.header())?;
    let mut written = 0;
    while written < events {
        for line in traffic.next_round() {
            written += u64::from(matches!(line, Line::Event(_)));
            writer.write(&line)?;
        }
    }
    Ok(writer.finish()?)
}

fn read(file: &Path) -> anyhow::Result<()> {
    let mut reader = Reader::open(file)?;
    while std::hint::black_box(reader.next()?).is_some() {}
    Ok(())
}

/// Seconds, and CPU seconds of the replaying program.
fn replay(mut command: Command, file: &Path, plugins: &Path) -> anyhow::Result<(f64, f64)> {
    command.arg("replay").arg(file).arg("--plugins").arg(plugins);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (begin, cpu) = (Instant::now(), children_cpu_seconds());
    let status = command.status()?;
    ensure!(status.success(), "the replay failed ({status})");
    Ok((begin.elapsed().as_secs_f64(), children_cpu_seconds() - cpu))
}

/// CPU time of children that have ended, to a clock tick (proc(5)).
fn children_cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_ascii_whitespace().skip(13).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
