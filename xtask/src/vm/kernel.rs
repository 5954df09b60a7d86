//! Debian's kernels for virtual machines, unpacked.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::progress::Progress;
use crate::setup::{Home, debian, publish};

/// A kernel of the distribution's.
pub(super) struct Kernel {
    pub(super) image: PathBuf,
    /// What it was built with.
    pub(super) config: PathBuf,
}

/// The newest kernel of a series that the distribution has, or the one that was downloaded before.
pub(super) fn fetch(series: &str, home: &Home, progress: &Progress) -> anyhow::Result<Kernel> {
    let place = home.kernel(series);
    if let Some(kernel) = unpacked(&place) {
        return Ok(kernel);
    }
    let task = progress.task("kernel");
    let pattern = format!(r"^linux-image-{}[.].*-cloud-amd64$", series.replace('.', "[.]"));
    let temporary = home.fresh_dir("kernel")?;
    let name = debian::download_newest(&task, "linux-image-cloud-amd64", &pattern, home, &temporary)?;
    publish(&temporary, &place)?;
    task.done(&format!("{name} unpacked"));
    unpacked(&place).with_context(|| format!("the package {name} has no kernel"))
}

fn unpacked(place: &Path) -> Option<Kernel> {
    let files: Vec<_> = fs::read_dir(place.join("boot")).ok()?.flatten().collect();
    let find = |prefix: &str| {
        let mut named = files
            .iter()
            .filter(|file| file.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()));
        named.next().map(|file| file.path())
    };
    Some(Kernel {
        image: find("vmlinuz-")?,
        config: find("config-")?,
    })
}
