//! `vespid doctor`: what this kernel and these privileges can do.
use comfy_table::{ContentArrangement, Table, presets};

use super::Failure;
use crate::kernel::{Survey, survey};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print nothing; the exit code says whether the daemon can run.
    #[arg(long, short)]
    quiet: bool,
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let survey = survey();
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&survey).map_err(anyhow::Error::from)?
        );
    } else if !args.quiet {
        println!("{}", table(&survey));
    }
    if survey.usable {
        return Ok(());
    }
    let first = survey
        .checks
        .iter()
        .find(|check| !check.usable && !check.remedy.is_empty());
    let advice = first.map_or(String::new(), |check| format!(": {}; {}", check.found, check.remedy));
    Err(Failure::kernel(anyhow::anyhow!(
        "Vespid cannot observe this kernel{advice}"
    )))
}

fn table(survey: &Survey) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    for check in &survey.checks {
        let mark = if check.usable { "ok" } else { "NO" };
        let mut found = check.found.clone();
        if !check.lost.is_empty() {
            found = format!("{found}\nlost: {}", check.lost);
        }
        if !check.remedy.is_empty() {
            found = format!("{found}\ntry: {}", check.remedy);
        }
        table.add_row([mark, check.name.as_str(), found.as_str()]);
    }
    table
}
