//! What virtual machines are started with: qemu for x86-64, and a busybox that needs no library. Installed ones are used;
//! else Debian's packages are unpacked, with the libraries of qemu's that this system lacks.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::home::{Home, publish};
use super::{debian, test_tools};
use crate::exit::NeedsUser;
use crate::progress::Progress;

const QEMU: &str = "qemu-system-x86_64";

/// Where they are.
#[derive(Debug)]
pub(crate) struct VmTools {
    pub(crate) qemu: PathBuf,
    pub(crate) busybox: PathBuf,
}

/// Finds them, unpacking what is missing.
///
/// # Errors
/// [`NeedsUser`] where they cannot be had.
pub(crate) fn install() -> anyhow::Result<VmTools> {
    let home = Home::find()?;
    let _lock = home.lock()?;
    let progress = Progress::new(&home.logs());
    let message =
        "`vm` needs qemu for x86-64 and a static busybox, as in Debian's packages qemu-system-x86 and busybox-static";
    let needed = || NeedsUser(message.to_owned());
    let own = home.qemu().join("bin").join(QEMU);
    let qemu = match find(QEMU).or_else(|| own.exists().then(|| own.clone())) {
        Some(qemu) => qemu,
        None => {
            unpack_qemu(&home, &progress).with_context(needed)?;
            own
        }
    };
    let own = home.containerd().join("bin/busybox");
    let busybox = match find("busybox").or_else(|| own.exists().then(|| own.clone())) {
        Some(busybox) => busybox,
        None => {
            test_tools::containerd(&home, &progress).with_context(needed)?;
            own
        }
    };
    Ok(VmTools { qemu, busybox })
}

fn unpack_qemu(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("qemu");
    let temporary = home.fresh_dir("qemu")?;
    debian::download_with_libraries(&task, &["qemu-system-x86"], home, &temporary)?;
    start_script(&temporary, &home.qemu())?;
    publish(&temporary, &home.qemu())?;
    task.done("unpacked from Debian's package qemu-system-x86 and its libraries");
    Ok(())
}

/// It finds its libraries and its firmware through this.
fn start_script(unpacked: &Path, place: &Path) -> anyhow::Result<()> {
    let usr = place.join("usr");
    debian::wrap(unpacked, place, &usr.join("bin").join(QEMU), QEMU)?;
    let file = unpacked.join("bin").join(QEMU);
    let firmware = format!(
        "-L '{}' -L '{}' \"$@\"",
        usr.join("share/qemu").display(),
        usr.join("share/seabios").display()
    );
    let script = fs::read_to_string(&file)?.replace("\"$@\"", &firmware);
    fs::write(&file, script)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// A program on the PATH, or where administrators' programs are.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}
