//! `cargo xtask bench` builds this, and what it measures, and calls it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a console program: its output is its interface"
)]
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use vespid_bench::live::{self, Effort};
use vespid_bench::program::Program;
use vespid_bench::stages::Instructions;
use vespid_bench::table::Table;
use vespid_bench::{counted, dispatch, instructions, machine, output, plot, probes, replay, scale, stages};

/// What is measured, in this order.
const SECTIONS: [&str; 7] = ["stages", "ceiling", "outputs", "scale", "replay", "probes", "live"];
const ROUNDS: usize = 101;
const FEW_ROUNDS: usize = 15;
/// Each of their rounds has probes come and go.
const PROBE_ROUNDS: usize = 41;

/// Where everything is.
struct Args {
    /// The built components.
    plugins: PathBuf,
    /// A component that can do nothing.
    idle: PathBuf,
    /// The daemon's program.
    vespid: PathBuf,
    /// What is written as JSON.
    json: PathBuf,
    /// Counted costs, to compare with.
    baseline: PathBuf,
    /// A file that a line is appended to.
    trend: Option<PathBuf>,
    /// What growth is drawn to.
    plot: Option<PathBuf>,
    /// Only compare counted costs.
    short: bool,
    /// Measure the kernel's audit, too.
    auditd: bool,
    sections: Vec<String>,
}

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = if args.first().is_some_and(|first| first == "count") {
        let word = |at: usize| args.get(at).and_then(|word| word.to_str()).unwrap_or_default();
        instructions::count(word(1), word(2)).map(|()| ExitCode::SUCCESS)
    } else if args.first().is_some_and(|first| first == "load") {
        args.remove(0);
        live::load_main(&args).map(|(count, seconds)| {
            println!("{count} {seconds}");
            ExitCode::SUCCESS
        })
    } else if args.first().is_some_and(|first| first == "act") {
        probes::act_main(&args[1..]).map(|()| ExitCode::SUCCESS)
    } else {
        parse(args).and_then(|args| if args.short { short(&args) } else { all(&args) })
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn parse(args: Vec<OsString>) -> anyhow::Result<Args> {
    let mut files: Map<String, Value> = Map::new();
    let (mut short, mut auditd, mut sections) = (false, false, Vec::new());
    let mut args = args.into_iter().filter_map(|arg| arg.into_string().ok());
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--") {
            Some("short") => short = true,
            Some("auditd") => auditd = true,
            Some(name) => drop(files.insert(name.to_owned(), args.next().into())),
            None if SECTIONS.contains(&arg.as_str()) => sections.push(arg),
            None => bail!("no section `{arg}`; there are {}", SECTIONS.join(", ")),
        }
    }
    let mut file = |name: &str| files.remove(name).and_then(|file| file.as_str().map(PathBuf::from));
    let mut needed =
        |name: &str| file(name).with_context(|| format!("--{name} FILE is missing: start `cargo xtask bench`"));
    let parsed = Args {
        plugins: needed("plugins")?,
        idle: needed("idle")?,
        vespid: needed("vespid")?,
        json: needed("json")?,
        baseline: needed("baseline")?,
        trend: file("trend"),
        plot: file("plot"),
        short,
        auditd,
        sections,
    };
    match files.keys().next() {
        Some(unknown) => bail!("there is no option --{unknown}"),
        None => Ok(parsed),
    }
}

/// Counted costs against their baseline.
fn short(args: &Args) -> anyhow::Result<ExitCode> {
    if !instructions::is_possible() {
        println!("SKIPPED: the collector's instructions: there is no valgrind");
    }
    let found = counted::measure(&args.plugins, &std::env::current_exe()?)?;
    println!("{}", serde_json::to_string_pretty(&found)?);
    let worse = counted::regressions(&counted::read(&args.baseline)?, &found);
    if worse.is_empty() {
        println!("no counted cost is higher than its baseline");
        return Ok(ExitCode::SUCCESS);
    }
    worse.iter().for_each(|worse| eprintln!("higher: {worse}"));
    Ok(ExitCode::FAILURE)
}

fn all(args: &Args) -> anyhow::Result<ExitCode> {
    let described = machine::described();
    let begin = machine::load();
    println!("{described}, load before {begin}\n");
    let program = Program::new(&args.vespid)?;
    let mut tables: Vec<Table> = Vec::new();
    for section in SECTIONS {
        if !args.sections.is_empty() && !args.sections.iter().any(|wanted| wanted == section) {
            continue;
        }
        for table in measure(section, args, &program)? {
            println!("{}", table.shown());
            tables.push(table);
        }
    }
    let end = machine::load();
    println!("load after {end}");
    let load = json!({"before": begin, "after": end});
    let values: Map<String, Value> = tables
        .iter()
        .map(|table| (table.name.to_owned(), table.value()))
        .collect();
    let report = json!({"machine": described, "load": load, "commit": machine::commit(), "tables": values});
    write(&args.json, &report)?;
    println!("as JSON: {}", args.json.display());
    if let Some(trend) = &args.trend {
        append(trend, &report)?;
    }
    if let (Some(plot), Some(picture)) = (&args.plot, plot::svg(&report["tables"])) {
        std::fs::write(plot, picture).with_context(|| format!("cannot write {}", plot.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Counted by valgrind; nothing, if there is none.
fn instructions() -> anyhow::Result<Instructions> {
    if instructions::is_possible() {
        return instructions::measure(&std::env::current_exe()?, &stages::Stretch::ALL);
    }
    println!("SKIPPED: instructions: there is no valgrind\n");
    Ok(Instructions::new())
}

fn measure(section: &str, args: &Args, program: &Program) -> anyhow::Result<Vec<Table>> {
    let tables = match section {
        "stages" => vec![stages::table(ROUNDS, instructions()?)?],
        "ceiling" => vec![dispatch::table(&args.plugins, &args.idle, ROUNDS)?],
        "outputs" => vec![
            output::table(FEW_ROUNDS)?,
            output::scrape(&[1_000, 10_000, 100_000, 1_000_000], FEW_ROUNDS)?,
        ],
        "scale" => vec![
            scale::plugins(&args.plugins, &[1, 4, 16, 64])?,
            scale::processes(&[100, 1_000, 32_000, 1_000_000], FEW_ROUNDS)?,
            scale::containers(&[10, 100, 1_000, 10_000], FEW_ROUNDS)?,
            output::samples(&[10, 1_000, 100_000, 1_000_000], FEW_ROUNDS)?,
            scale::subscriptions(&[1, 4, 16, 64], FEW_ROUNDS)?,
        ],
        "replay" => vec![replay::table(program, &args.plugins, replay::EVENTS)?],
        "probes" => match program.is_live() {
            Ok(()) => vec![probes::table(PROBE_ROUNDS)?],
            Err(why) => {
                println!("SKIPPED: probes: {why}\n");
                Vec::new()
            }
        },
        _ => match program.is_live() {
            Ok(()) => {
                let effort = Effort {
                    rounds: 3,
                    time: Duration::from_secs(2),
                    auditd: args.auditd,
                };
                vec![live::table(program, &args.plugins, effort, |said| {
                    eprintln!("  {said}")
                })?]
            }
            Err(why) => {
                println!("SKIPPED: live: {why}\n");
                Vec::new()
            }
        },
    };
    Ok(tables)
}

fn write(file: &Path, report: &Value) -> anyhow::Result<()> {
    let folder = file.parent().unwrap_or(file);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(file, report.to_string() + "\n"))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The ratios of a run in one line: what can be compared with runs on other machines and other days.
fn append(file: &Path, report: &Value) -> anyhow::Result<()> {
    let ratios = |table: &str, ratio: &str, names: &[&str]| -> Map<String, Value> {
        let rows = report["tables"][table].as_array().into_iter().flatten();
        rows.filter(|row| row[ratio].is_number())
            .map(|row| {
                let name = names.iter().map(|name| match &row[*name] {
                    Value::String(name) => name.clone(),
                    name => name.to_string(),
                });
                (name.collect::<Vec<_>>().join(" / "), row[ratio].clone())
            })
            .collect()
    };
    let date = vespid::verdict::timestamp(vespid::clock::now());
    let line = json!({
        "date": date,
        "commit": report["commit"],
        "build": report["machine"]["build"],
        "load": report["load"],
        "instructions an event": ratios("stages", "instructions", &["events", "stage"]),
        "allocations an event": ratios("stages", "allocations", &["events", "stage"]),
        "component by native": ratios("dispatch", "ratio", &["plugin", "rows a batch"]),
        "slowdown": ratios("live", "slowdown", &["load", "tracer"]),
    });
    let file_error = || format!("cannot append to {}", file.display());
    let mut trend = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .with_context(file_error)?;
    writeln!(trend, "{line}").with_context(file_error)
}
