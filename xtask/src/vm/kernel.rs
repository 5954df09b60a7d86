//! Debian's kernels for virtual machines, unpacked.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::progress::Progress;
use crate::setup::{Home, debian, publish};

/// The newest kernel of a series that the distribution has, or the one that was downloaded before.
pub(super) fn fetch(series: &str, home: &Home, progress: &Progress) -> anyhow::Result<PathBuf> {
    let place = home.kernel(series);
    if let Some(kernel) = image(&place) {
        return Ok(kernel);
    }
    let task = progress.task("kernel");
    let pattern = format!(r"^linux-image-{}[.].*-cloud-amd64$", series.replace('.', "[.]"));
    let temporary = home.fresh_dir("kernel")?;
    let name = debian::download_newest(&task, "linux-image-cloud-amd64", &pattern, home, &temporary)?;
    publish(&temporary, &place)?;
    task.done(&format!("{name} unpacked"));
    image(&place).with_context(|| format!("the package {name} has no kernel"))
}

fn image(unpacked: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(unpacked.join("boot")).ok()?.flatten();
    let mut images = files.map(|entry| entry.path()).filter(|path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"vmlinuz-"))
    });
    images.next()
}
