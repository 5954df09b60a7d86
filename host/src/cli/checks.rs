//! `vespid plugin check`, `vespid config check`, `vespid config default`: look before you run.
use std::path::PathBuf;

use super::Failure;
use crate::config::{Config, DEFAULT};
use crate::logging::{self, Choice};
use crate::plugin::{Engine, kind_names, load};

#[derive(Debug, clap::Args)]
pub(super) struct PluginArgs {
    /// The component.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// The configuration.
    file: PathBuf,
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(super) fn plugin(args: &PluginArgs, log: Choice) -> Result<(), Failure> {
    let config = Config::default();
    logging::start(&log, &config.log, None).map_err(Failure::usage)?;
    let refused = |error: anyhow::Error| Failure::plugin(error);
    let engine = Engine::new().map_err(anyhow::Error::from)?;
    let found = load(&engine, &args.file, &config.plugins.settings()).map_err(|error| refused(error.into()))?;
    found
        .plugin
        .start(&found.config, None)
        .map_err(|failure| refused(anyhow::anyhow!("{} does not start: it {failure}", args.file.display())))?;
    let (identity, manifest) = (&found.plugin.identity, &found.plugin.manifest);
    if args.json {
        let described = serde_json::json!({
            "plugin": &**identity,
            "description": manifest.description,
            "subscription": kind_names(manifest.subscription),
            "metrics": manifest.metrics.iter().map(|metric| &metric.name).collect::<Vec<_>>(),
            "config_schema": &*found.plugin.schema,
            "state_version": manifest.state_version,
        });
        println!("{described:#}");
        return Ok(());
    }
    println!("{} {}: {}", identity.name, identity.version, manifest.description);
    println!("  interface    vespid:plugin@{}", identity.interface);
    println!("  digest       sha256:{}", identity.digest);
    println!("  subscribes   {}", kind_names(manifest.subscription).join(", "));
    println!("  state        version {}", manifest.state_version);
    println!("  metrics");
    let prefix = identity.name.replace('-', "_");
    for metric in &manifest.metrics {
        println!(
            "    {prefix}_{}{{{}}}: {}",
            metric.name,
            metric.labels.join(","),
            metric.help
        );
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(super) fn config(args: &ConfigArgs) -> Result<(), Failure> {
    Config::read(&args.file).map_err(|error| Failure::usage(error.into()))?;
    println!("{}: valid", args.file.display());
    Ok(())
}

#[expect(
    clippy::print_stdout,
    clippy::unnecessary_wraps,
    reason = "this is the command's result"
)]
pub(super) fn default_config() -> Result<(), Failure> {
    print!("{DEFAULT}");
    Ok(())
}
