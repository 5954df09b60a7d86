//! `vespid doctor`: what this kernel, these privileges and this node can do, what is lost, and what to do about it.
use std::io::{self, Write};
use std::path::PathBuf;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::Failure;
use crate::config::Config;
use crate::kernel::{Check, Level, Survey, Topic, survey};

const TOPICS: [(Topic, &str); 5] = [
    (Topic::Kernel, "Kernel"),
    (Topic::Permissions, "Permissions"),
    (Topic::Programs, "Types of BPF programs"),
    (Topic::Probes, "Probes"),
    (Topic::Node, "Node"),
];

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 the daemon can run; 3 it cannot; with --strict, 1 if anything is lost.")]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print nothing; the exit code says whether the daemon can run.
    #[arg(long, short)]
    quiet: bool,
    /// Fail if anything is lost, even if the daemon can run.
    #[arg(long)]
    strict: bool,
    /// The daemon's configuration, for the runtimes that it would ask. Without it, the defaults.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let config = match &args.config {
        Some(file) => Config::read(file).map_err(|error| Failure::usage(error.into()))?,
        None => Config::default(),
    };
    let survey = survey(&config.containers.sockets);
    if args.json {
        say(&serde_json::to_string_pretty(&survey).map_err(anyhow::Error::from)?)?;
    } else if !args.quiet {
        say(&page(&survey))?;
    }
    let lost: Vec<&Check> = survey
        .checks
        .iter()
        .filter(|check| check.level == Level::Loss)
        .collect();
    if !survey.usable {
        let first = lost.iter().find(|check| !check.remedy.is_empty());
        let advice = first.map_or(String::new(), |check| format!(": {}; {}", check.found, check.remedy));
        return Err(Failure::kernel(anyhow::anyhow!(
            "Vespid cannot observe this kernel{advice}"
        )));
    }
    match lost.first() {
        Some(first) if args.strict => Err(anyhow::anyhow!("{}: lost: {}", first.name, first.lost).into()),
        _ => Ok(()),
    }
}

/// Whoever reads a pipe may have read enough.
fn say(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::output(error.into())),
        _ => Ok(()),
    }
}

/// What is lost comes first; the rest is for whoever asks why.
fn page(survey: &Survey) -> String {
    let of = |level: Level| survey.checks.iter().filter(move |check| check.level == level);
    let word = match (survey.usable, of(Level::Loss).count()) {
        (false, _) => "It cannot run here.".to_owned(),
        (true, 0) => "It can run here, and nothing is lost.".to_owned(),
        (true, lost) => format!("It can run here. Lost: {lost} of {}.", survey.checks.len()),
    };
    let mut page = format!(
        "Vespid {} on Linux {}\n{word}\n",
        env!("CARGO_PKG_VERSION"),
        survey.release
    );
    if of(Level::Loss).next().is_some() {
        section(&mut page, "Lost, and what to do", of(Level::Loss), true);
    }
    let can_be_better = |check: &&Check| !check.remedy.is_empty() || !check.lost.is_empty();
    if of(Level::Note).any(|check| can_be_better(&check)) {
        let notes = of(Level::Note).filter(can_be_better);
        section(&mut page, "Not as good as could be", notes, true);
    }
    for (topic, heading) in TOPICS {
        let checks = survey.checks.iter().filter(|check| check.topic == topic);
        section(&mut page, heading, checks, false);
    }
    page.trim_end().to_owned()
}

fn section<'a>(page: &mut String, heading: &str, checks: impl Iterator<Item = &'a Check>, is_advice: bool) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    for check in checks {
        let mark = match check.level {
            Level::Fine => "ok",
            Level::Note => "--",
            Level::Loss => "NO",
        };
        table.add_row([mark, check.name.as_str(), &text(check, is_advice)]);
    }
    // The same everywhere, so that the sections line up.
    for (column, width) in [(0, 4), (1, 24)] {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
    }
    page.extend(["\n", heading, "\n"]);
    for line in table.lines() {
        page.extend([line.trim_end(), "\n"]);
    }
}

fn text(check: &Check, is_advice: bool) -> String {
    let mut text = check.found.clone();
    if !check.cost.is_empty() && check.usable {
        text = format!("{text}; cost {}", check.cost);
    }
    if is_advice && !check.lost.is_empty() {
        text = format!("{text}\nlost: {}", check.lost);
    }
    if is_advice && !check.remedy.is_empty() {
        text = format!("{text}\ntry: {}", check.remedy);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_comes_before_everything_else() {
        let survey = survey(&[]);
        let page = page(&survey);
        let mut lines = page.lines();
        assert!(lines.next().unwrap().starts_with("Vespid "));
        assert!(lines.next().unwrap().starts_with("It can"));
        let has_loss = survey.checks.iter().any(|check| check.level == Level::Loss);
        assert_eq!(page.contains("\nLost, and what to do\n"), has_loss, "{page}");
        for (_, heading) in TOPICS {
            assert!(page.contains(&format!("\n{heading}\n")), "{heading}: {page}");
        }
    }
}
