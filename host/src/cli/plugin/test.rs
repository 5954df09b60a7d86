//! `vespid plugin test`: a plugin's cases, run with the component that will be shipped.
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use vespid_cases::{Case, Report, Scope, Style, accept, compare, junit};

use super::{Daemon, Failure, inspect};
use crate::author::Project;
use crate::cli::with_causes;
use crate::logging::{self, Choice};
use crate::plugin::{Found, load};
use crate::trial::{Call, Fault, Options, Ran, run};
use crate::verdict::seen;

mod sources;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The plugin's folder, or its component.
    #[arg(default_value = ".", value_name = "DIR|FILE.wasm")]
    target: PathBuf,
    /// The component, if it is not where `vespid plugin build` leaves it.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// The folder with the cases [default: `cases`, beside the component or in the plugin's folder].
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Only the cases that have this text in their name.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Write what was observed into the cases, in place of what differs.
    #[arg(long)]
    accept: bool,
    /// Write the outcome as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write every event that the plugin saw, readable, to CASE.jsonl in this folder.
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    #[command(flatten)]
    daemon: Daemon,
}

/// How many of a plugin's failures are shown.
const FAULTS_SHOWN: usize = 3;

/// What is tested, and where.
struct Paths {
    component: PathBuf,
    cases: PathBuf,
    /// The project's folder, if it is known.
    folder: Option<PathBuf>,
}

/// Everything that all cases share.
struct Bench<'a> {
    args: &'a Args,
    found: Found,
    options: Options,
    load: &'a dyn Fn(&Path) -> anyhow::Result<Found>,
    style: Style,
}

/// What came of a case.
enum Verdict {
    Passed,
    Accepted,
    /// With what is wrong, plain and for the terminal.
    Failed(String, String),
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's result")]
pub(super) fn main(args: &Args, log: Choice) -> Result<(), Failure> {
    let paths = paths(args)?;
    let config = args.daemon.config()?;
    // Every case runs twice, and what it logs would come between the results.
    let quiet = Choice {
        level: log.level.or_else(|| Some("off".to_owned())),
        ..log
    };
    logging::start(&quiet, &config.log, None).map_err(Failure::usage)?;
    let files = files(&paths, args.only.as_deref())?;
    let engine = inspect::engine(&config)?;
    let settings = config.plugins.settings();
    let load = |file: &Path| load(&engine, file, &settings).map_err(anyhow::Error::from);
    let found = load(&paths.component).map_err(Failure::plugin)?;
    if let Some(newer) = paths
        .folder
        .as_deref()
        .and_then(|folder| sources::newer(folder, &paths.component))
    {
        eprintln!(
            "warning: {} is newer than {}; `vespid plugin build` makes the component anew",
            newer.display(),
            paths.component.display()
        );
    }
    if let Some(folder) = &args.dump {
        let made = std::fs::create_dir_all(folder);
        made.map_err(|error| Failure::output(anyhow!("cannot make {}: {error}", folder.display())))?;
    }
    let bench = Bench {
        options: Options {
            series: found.settings.series,
            ..Options::of(&config)
        },
        args,
        found,
        load: &load,
        style: if io::stdout().is_terminal() {
            Style::Colour
        } else {
            Style::Plain
        },
    };
    let mut reports = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap_or_default().display().to_string();
        let begin = std::time::Instant::now();
        let (verdict, note) = bench.case(file);
        let (word, said) = match &verdict {
            Verdict::Passed => (bench.style.good("ok      "), ""),
            Verdict::Accepted => (bench.style.good("accepted"), ""),
            Verdict::Failed(_, shown) => (bench.style.bad("FAILED  "), shown.as_str()),
        };
        println!("{word} {name}{}", bench.style.faint(&note));
        print!("{said}");
        reports.push(Report {
            name,
            file: file.display().to_string(),
            time: begin.elapsed(),
            failure: match verdict {
                Verdict::Failed(plain, _) => Some(plain),
                Verdict::Passed | Verdict::Accepted => None,
            },
        });
    }
    let failed = reports.iter().filter(|report| report.failure.is_some()).count();
    println!("{} passed, {failed} failed", reports.len() - failed);
    if let Some(file) = &args.junit {
        let text = junit(&bench.found.plugin.identity.name, &reports);
        std::fs::write(file, text)
            .map_err(|error| Failure::output(anyhow!("cannot write {}: {error}", file.display())))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(anyhow!("{failed} of {} cases failed", reports.len()).into()),
    }
}

impl Bench<'_> {
    /// Runs a case, twice. What came of it, and what to remark beside its name.
    fn case(&self, file: &Path) -> (Verdict, String) {
        match self.run(file) {
            Ok((verdict, note)) => (verdict, note),
            Err(error) => {
                let text = format!("  {}\n", with_causes(&error));
                (Verdict::Failed(text.clone(), text), String::new())
            }
        }
    }

    fn run(&self, file: &Path) -> anyhow::Result<(Verdict, String)> {
        let case = Case::read(file).map_err(|error| anyhow!("{error}"))?;
        let other = |file: &Path| (self.load)(file).map(|found| found.plugin);
        let mut dump = self
            .args
            .dump
            .as_ref()
            .map(|folder| Dump::create(folder, &case.name))
            .transpose()?;
        let first = run(&case, &self.found.plugin, &self.options, &other, &mut |call| {
            if let Some(dump) = &mut dump {
                dump.note(call);
            }
        })?;
        dump.map(Dump::finish).transpose()?;
        let second = run(&case, &self.found.plugin, &self.options, &other, &mut |_| {})?;
        let note = note(&first);
        let mut texts = (String::new(), String::new());
        for fault in first.faults.iter().take(FAULTS_SHOWN) {
            both(&mut texts, &failed_call(fault));
        }
        if first.bill.failures > FAULTS_SHOWN as u64 {
            both(
                &mut texts,
                &format!("  … {} calls failed in all\n", first.bill.failures),
            );
        }
        if let Some(difference) = first.differs_from(&second) {
            both(&mut texts, &format!("  two runs differ: {difference}\n"));
        }
        if first.bill.verdicts_dropped > 0 {
            let dropped = first.bill.verdicts_dropped;
            both(
                &mut texts,
                &format!("  {dropped} verdicts are over the plugin's verdicts_per_second and were dropped\n"),
            );
        }
        let is_sound = texts.0.is_empty();
        let comparison = compare(&case, &first.observed, Scope::Whole);
        if is_sound && comparison.is_passed() {
            return Ok((Verdict::Passed, note));
        }
        if is_sound && self.args.accept {
            let text = std::fs::read_to_string(file)?;
            let new = accept(&text, &comparison)?;
            let again = Case::parse(file, &new)?;
            std::fs::write(file, &new).with_context(|| format!("cannot write {}", file.display()))?;
            if compare(&again, &first.observed, Scope::Whole).is_passed() {
                return Ok((Verdict::Accepted, note));
            }
        }
        comparison.show(&mut texts.0, Style::Plain)?;
        comparison.show(&mut texts.1, self.style)?;
        Ok((Verdict::Failed(texts.0, texts.1), note))
    }
}

fn both(texts: &mut (String, String), text: &str) {
    texts.0.push_str(text);
    texts.1.push_str(text);
}

fn note(ran: &Ran) -> String {
    let bill = &ran.bill;
    format!(
        "  ({} events in {} batches, {} ticks, {:.1} ms)",
        bill.events,
        bill.batches.calls,
        bill.ticks.calls,
        Duration::from_nanos(bill.guest_ns()).as_secs_f64() * 1e3
    )
}

/// One function of the guest a line.
fn failed_call(fault: &Fault) -> String {
    let mut text = format!("  the plugin failed by event {}: it ", fault.event);
    let (what, place) = fault.text.rsplit_once(", in ").unwrap_or((&fault.text, ""));
    text.push_str(what);
    text.push('\n');
    for function in place.split(" < ").filter(|function| !function.is_empty()) {
        writeln!(text, "      in {function}").unwrap_or_default();
    }
    text
}

/// What a plugin saw of a case.
struct Dump {
    file: PathBuf,
    out: BufWriter<std::fs::File>,
    outcome: io::Result<()>,
}

impl Dump {
    fn create(folder: &Path, case: &str) -> anyhow::Result<Dump> {
        let file = folder.join(format!("{case}.jsonl"));
        let out = std::fs::File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Dump {
            file,
            out: BufWriter::new(out),
            outcome: Ok(()),
        })
    }

    fn note(&mut self, call: Call<'_>) {
        if let (Call::Batch(batch), Ok(())) = (call, &self.outcome) {
            let lines = seen(batch).map_err(io::Error::from);
            self.outcome = lines.and_then(|lines| self.out.write_all(&lines));
        }
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let written = self.outcome.and_then(|()| self.out.flush());
        written.with_context(|| format!("cannot write {}", self.file.display()))
    }
}

fn paths(args: &Args) -> Result<Paths, Failure> {
    let target = &args.target;
    let (component, folder) = if target.is_dir() {
        let component = match &args.component {
            Some(file) => file.clone(),
            None => Project::open(target)
                .map_err(|error| Failure::usage(error.into()))?
                .component(),
        };
        (component, Some(target.clone()))
    } else if let Some(file) = &args.component {
        (file.clone(), Some(target.clone()))
    } else {
        (target.clone(), None)
    };
    let modified = component.metadata().and_then(|metadata| metadata.modified());
    let _: SystemTime = modified.map_err(|error| {
        let build = format!(
            "vespid plugin build {}",
            folder.as_deref().unwrap_or(Path::new("DIR")).display()
        );
        Failure::usage(anyhow!(
            "cannot read {}: {error}; `{build}` makes it",
            component.display()
        ))
    })?;
    let beside = folder
        .clone()
        .unwrap_or_else(|| component.parent().unwrap_or(Path::new("")).to_owned());
    Ok(Paths {
        cases: args.cases.clone().unwrap_or_else(|| beside.join("cases")),
        component,
        folder,
    })
}

fn files(paths: &Paths, only: Option<&str>) -> Result<Vec<PathBuf>, Failure> {
    let folder = paths.cases.display();
    let mut files = Case::files(&paths.cases).map_err(|error| {
        Failure::usage(anyhow!(
            "cannot read the cases in {folder}: {error}; --cases says where they are"
        ))
    })?;
    if files.is_empty() {
        return Err(Failure::usage(anyhow!("{folder} has no case: write one, NAME.toml")));
    }
    if let Some(only) = only {
        files.retain(|file| {
            file.file_stem()
                .is_some_and(|name| name.display().to_string().contains(only))
        });
        if files.is_empty() {
            return Err(Failure::usage(anyhow!("no case in {folder} has `{only}` in its name")));
        }
    }
    Ok(files)
}
