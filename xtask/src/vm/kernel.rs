//! Debian's kernels for virtual machines, unpacked.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::output;
use crate::progress::Progress;
use crate::setup::{Home, debian, publish};

/// A kernel of the distribution's.
pub(super) struct Kernel {
    pub(super) image: PathBuf,
    /// What it was built with.
    pub(super) config: PathBuf,
    /// The module that overlays are mounted with.
    pub(super) overlay: Vec<u8>,
}

/// The newest kernel of a series that the distribution has, or the one that was downloaded before.
pub(super) fn fetch(series: &str, home: &Home, progress: &Progress) -> anyhow::Result<Kernel> {
    let place = home.kernel(series);
    if let Some(kernel) = unpacked(&place)? {
        return Ok(kernel);
    }
    let task = progress.task("kernel");
    let pattern = format!(r"^linux-image-{}[.].*-cloud-amd64$", series.replace('.', "[.]"));
    let temporary = home.fresh_dir("kernel")?;
    let name = debian::download_newest(&task, "linux-image-cloud-amd64", &pattern, home, &temporary)?;
    publish(&temporary, &place)?;
    task.done(&format!("{name} unpacked"));
    unpacked(&place)?.with_context(|| format!("the package {name} has no kernel"))
}

fn unpacked(place: &Path) -> anyhow::Result<Option<Kernel>> {
    let (Some(image), Some(config)) = (
        find(&place.join("boot"), "vmlinuz-"),
        find(&place.join("boot"), "config-"),
    ) else {
        return Ok(None);
    };
    let modules = find(&place.join("lib/modules"), "").context("the kernel has no modules")?;
    let folder = modules.join("kernel/fs/overlayfs");
    let module = find(&folder, "overlay.ko").with_context(|| format!("no overlay.ko in {}", folder.display()))?;
    let overlay = match module.extension() {
        Some(extension) if extension == "xz" => output(Command::new("xz").args(["-d", "-c"]).arg(&module))?,
        _ => fs::read(&module)?,
    };
    Ok(Some(Kernel { image, config, overlay }))
}

/// What has a name with this beginning in a folder.
fn find(folder: &Path, beginning: &str) -> Option<PathBuf> {
    let mut files = fs::read_dir(folder).ok()?.flatten();
    let found = files.find(|file| file.file_name().as_encoded_bytes().starts_with(beginning.as_bytes()));
    found.map(|file| file.path())
}
