//! `cargo xtask deny`: licences, duplicates and sources of all dependencies, by the rules of `deny.toml`.

use std::path::PathBuf;

use crate::progress::Progress;
use crate::setup::{self, CARGO_DENY, Home};
use crate::{child, components, workspace};

/// Installs cargo-deny where it is missing, and runs it.
pub(crate) fn run() -> anyhow::Result<()> {
    let program = install()?;
    let mut check = child::native(&program);
    check.args(["--all-features", "check", "--show-stats", "licenses", "bans", "sources"]);
    components::run(check.current_dir(workspace::root()))?;
    match advisories() {
        Some(database) => {
            println!("checking against the advisories in {}", database.display());
            let mut check = child::native(&program);
            components::run(
                check
                    .args(["check", "--disable-fetch", "advisories"])
                    .current_dir(workspace::root()),
            )
        }
        None => {
            println!(
                "advisories: NOT checked, there is no local copy of the RustSec database (`cargo deny fetch` makes one)"
            );
            Ok(())
        }
    }
}

fn install() -> anyhow::Result<PathBuf> {
    let home = Home::find()?;
    let root = home.cargo_deny();
    let program = root.join("bin/cargo-deny");
    if program.exists() {
        return Ok(program);
    }
    let _lock = home.lock()?;
    let progress = Progress::new(&home.logs());
    progress.say(&format!(
        "cargo-deny {CARGO_DENY} from crates.io goes to {} (two minutes)",
        root.display()
    ));
    let task = progress.task("cargo-deny");
    let cargo = PathBuf::from(components::cargo().get_program());
    let args = ["cargo-deny", "--version", CARGO_DENY, "--no-default-features"];
    setup::cargo_install(&task, &cargo, &args, &[], &home, &root)?;
    task.done(CARGO_DENY);
    Ok(program)
}

/// The folder of databases that cargo-deny reads, when one was fetched.
fn advisories() -> Option<PathBuf> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let databases = cargo_home
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?
        .join("advisory-dbs");
    std::fs::read_dir(&databases).ok()?.next().map(|_| databases)
}
