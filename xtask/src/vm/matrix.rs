//! `docs/kernels.md`: what works on which kernel, from runs.
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::boot::{Check, Doctor, Told, doctor};

const HEAD: &str = "\
# Kernels

What `vespid doctor` and the live tests said on each kernel: this page is written by `cargo xtask vm --matrix`, which boots \
Debian's kernels in virtual machines (x86-64, emulated), and adds the kernel that it runs on itself. A kernel that lacks \
something loses exactly that, and the daemon says so once when it starts.
";

/// A kernel: its release, what the doctor said there, and what came of the tests.
struct Column<'a> {
    release: String,
    doctor: &'a Doctor,
    tests: String,
}

/// Writes the page.
pub(super) fn write(vespid: &Path, machines: &[(&str, Told)], is_part: bool, file: &Path) -> anyhow::Result<()> {
    // It fails where the daemon could not run, and says why all the same.
    let here = Command::new(vespid)
        .args(["doctor", "--json", "--log", "error"])
        .output()?;
    let here = doctor(&String::from_utf8(here.stdout)?);
    let mut columns: Vec<Column<'_>> = Vec::new();
    for (series, told) in machines {
        let failed = match told.failed.len() {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        columns.push(Column {
            release: told.release.clone().unwrap_or_else(|| (*series).to_owned()),
            doctor: &told.doctor,
            tests: format!(
                "{} passed{failed}{}",
                told.passed,
                if is_part { ", of a selection" } else { "" }
            ),
        });
    }
    if let Some(kernel) = here.checks.iter().find(|check| check.name == "kernel") {
        columns.push(Column {
            release: kernel.found.clone(),
            doctor: &here,
            tests: "in every run of the tests".to_owned(),
        });
    }
    fs::write(file, page(&columns)?)?;
    Ok(())
}

fn page(columns: &[Column<'_>]) -> Result<String, std::fmt::Error> {
    let mut page = HEAD.to_owned();
    let sections = [
        (
            "Probes",
            "What each hooks into, and why it cannot where it cannot.",
            "probes",
        ),
        (
            "Types of programs",
            "An empty program of each was loaded, and attached where the kernel may refuse that.",
            "programs",
        ),
    ];
    for (heading, what, topic) in sections {
        write!(page, "\n## {heading}\n\n{what}\n\n")?;
        head(&mut page, columns)?;
        for name in names(columns, topic) {
            let cells = columns.iter().map(|column| cell(&name, &column.doctor.checks));
            row(&mut page, &format!("`{name}`"), cells)?;
        }
        if topic == "probes" {
            row(
                &mut page,
                "live tests",
                columns.iter().map(|column| column.tests.clone()),
            )?;
        }
    }
    write!(
        page,
        "\n## Configuration\n\nOptions that matter, as each kernel was built.\n\n"
    )?;
    head(&mut page, columns)?;
    let mut options: Vec<&str> = Vec::new();
    for (option, _) in columns.iter().flat_map(|column| &column.doctor.config) {
        if !options.contains(&option.as_str()) {
            options.push(option);
        }
    }
    for option in options {
        let value = |column: &Column<'_>| {
            let found = column.doctor.config.iter().find(|(name, _)| name == option);
            found.map_or_else(|| "not shown".to_owned(), |(_, value)| value.clone())
        };
        row(&mut page, &format!("`{option}`"), columns.iter().map(value))?;
    }
    Ok(page)
}

fn head(page: &mut String, columns: &[Column<'_>]) -> std::fmt::Result {
    row(page, "", columns.iter().map(|column| column.release.clone()))?;
    row(page, "---", columns.iter().map(|_| "---".to_owned()))
}

fn row(page: &mut String, first: &str, cells: impl Iterator<Item = String>) -> std::fmt::Result {
    let cells: Vec<String> = std::iter::once(first.to_owned()).chain(cells).collect();
    writeln!(page, "| {} |", cells.join(" | "))
}

/// The checks of a topic that were made on any kernel; of the kernel itself, its types.
fn names(columns: &[Column<'_>], topic: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for check in columns.iter().flat_map(|column| &column.doctor.checks) {
        let is_wanted = check.topic == topic || (topic == "probes" && check.name == "kernel types");
        if is_wanted && !names.contains(&check.name) {
            names.push(check.name.clone());
        }
    }
    names
}

fn cell(name: &str, checks: &[Check]) -> String {
    let Some(check) = checks.iter().find(|check| check.name == name) else {
        return "not tried".into();
    };
    let lost = match check.lost.as_str() {
        "" => String::new(),
        lost => format!("; lost: {lost}"),
    };
    // The kernel's types are described at length; what counts is what they lack. Of types of programs, whether they work.
    let found = match name {
        "kernel types" => check.found.split_once("; ").map_or("all", |(_, lacks)| lacks),
        _ if check.topic == "programs" && check.usable => "yes",
        _ => &check.found,
    };
    format!("{found}{lost}").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_column_for_each_kernel_and_a_row_for_each_check_of_any() {
        let older = doctor(
            r#"{"checks":[{"name":"vespid_fork","topic":"probes","usable":true,"found":"tp_btf/x attached","lost":""}],
               "config":{"CONFIG_BPF":"y"}}"#,
        );
        let newer = doctor(
            r#"{"checks":[{"name":"vespid_new","topic":"probes","usable":false,"found":"refused","lost":"news"},
                {"name":"LSM","topic":"programs","usable":true,"found":"works","lost":""}]}"#,
        );
        let column = |release: &str, doctor| Column {
            release: release.to_owned(),
            doctor,
            tests: "3 passed".to_owned(),
        };
        let page = page(&[column("6.1", &older), column("6.12", &newer)]).unwrap();
        for line in [
            "| `vespid_fork` | tp_btf/x attached | not tried |",
            "| `vespid_new` | not tried | refused; lost: news |",
            "| `LSM` | not tried | yes |",
            "| `CONFIG_BPF` | y | not shown |",
            "| live tests | 3 passed | 3 passed |",
        ] {
            assert!(page.contains(line), "{line}: {page}");
        }
    }
}
