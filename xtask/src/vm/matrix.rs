//! `docs/kernels.md`: what works on which kernel, from runs.
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::boot::{Check, Told, checks};
use super::output;

const HEAD: &str = "\
# Kernels

What `vespid doctor` and the live tests said on each kernel: this page is written by `cargo xtask vm --matrix`, which boots \
Debian's kernels in virtual machines (x86-64), and adds the kernel that it runs on itself. A kernel that lacks something \
loses exactly that, and the daemon says so once when it starts.

";

/// Writes the page.
pub(super) fn write(vespid: &Path, machines: &[(&str, Told)], file: &Path) -> anyhow::Result<()> {
    let here = output(Command::new(vespid).args(["doctor", "--json", "--log", "error"])).unwrap_or_default();
    let here = checks(&String::from_utf8(here)?);
    let release = here
        .iter()
        .find(|check| check.name == "kernel")
        .map(|check| check.found.clone());
    let mut columns: Vec<(String, &[Check], String)> = Vec::new();
    for (series, told) in machines {
        let release = told.release.clone().unwrap_or_else(|| (*series).to_owned());
        let failed = if told.failed.is_empty() {
            String::new()
        } else {
            format!(", {} failed", told.failed.len())
        };
        columns.push((release, &told.doctor, format!("{} passed{failed}", told.passed)));
    }
    if let Some(release) = release {
        columns.push((release, &here, "in every run of the tests".to_owned()));
    }
    fs::write(file, page(&columns)?)?;
    Ok(())
}

fn page(columns: &[(String, &[Check], String)]) -> Result<String, std::fmt::Error> {
    let mut page = HEAD.to_owned();
    let row = |page: &mut String, cells: Vec<&str>| writeln!(page, "| {} |", cells.join(" | "));
    row(
        &mut page,
        std::iter::once("")
            .chain(columns.iter().map(|(release, ..)| release.as_str()))
            .collect(),
    )?;
    row(&mut page, vec!["---"; columns.len() + 1])?;
    let mut names: Vec<&str> = Vec::new();
    for check in columns.iter().flat_map(|(_, checks, _)| *checks) {
        let is_probe = check.name.starts_with("vespid_") || check.name == "kernel types";
        if is_probe && !names.contains(&check.name.as_str()) {
            names.push(&check.name);
        }
    }
    for name in names {
        let cells = columns.iter().map(|(_, checks, _)| cell(name, checks));
        let cells: Vec<String> = std::iter::once(format!("`{name}`")).chain(cells).collect();
        row(&mut page, cells.iter().map(String::as_str).collect())?;
    }
    row(
        &mut page,
        std::iter::once("live tests")
            .chain(columns.iter().map(|(.., tests)| tests.as_str()))
            .collect(),
    )?;
    Ok(page)
}

fn cell(name: &str, checks: &[Check]) -> String {
    let Some(check) = checks.iter().find(|check| check.name == name) else {
        return "not tried".into();
    };
    // The kernel's types are described at length; what counts is what they lack.
    let found = match name {
        "kernel types" => check.found.split_once("; ").map_or("all", |(_, lacks)| lacks),
        _ => &check.found,
    };
    let lost = if check.usable {
        String::new()
    } else {
        format!("; lost: {}", check.lost)
    };
    format!("{found}{lost}").replace('|', "\\|")
}
