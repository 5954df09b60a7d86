//! `vespid plugin new`: a project that works before its author has written a line.
use std::path::PathBuf;

use super::Failure;
use crate::author::{CreateError, Language, New, create};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Name of the plugin, and of its folder: `[a-z][a-z0-9-]*`.
    name: String,
    /// What it is written in.
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: Language,
    /// The folder in which to make the plugin's folder.
    #[arg(long = "in", value_name = "DIR", default_value = ".")]
    parent: PathBuf,
    /// Depend on the Rust SDK in this folder instead of bringing it along.
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let new = New {
        name: &args.name,
        language: args.lang,
        parent: &args.parent,
        sdk: args.sdk.as_deref(),
    };
    let (folder, files) = create(&new).map_err(|error| match error {
        CreateError::NotWritten { .. } => Failure::output(error.into()),
        CreateError::Broken(_) => Failure::from(anyhow::Error::from(error)),
        _ => Failure::usage(error.into()),
    })?;
    // `--in` may be `.`, which says nothing.
    let shown = folder.strip_prefix(".").unwrap_or(&folder).display();
    println!("{shown}/");
    for file in files {
        println!("  {}", file.display());
    }
    println!("\nNext:\n  cd {shown}\n  vespid plugin build\n  vespid plugin test");
    Ok(())
}
