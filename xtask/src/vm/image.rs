//! The initramfs: everything that there is in the machine.
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::kernel::Kernel;
use super::{Programs, output};

/// What the machine does: mounts, asks the doctor, runs tests, ends.
const INIT: &str = r#"#!/bin/busybox sh
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev; mount -t tmpfs none /tmp
mount -t cgroup2 none /sys/fs/cgroup; mount -t bpf none /sys/fs/bpf
mount -t securityfs none /sys/kernel/security; mount -t tracefs none /sys/kernel/tracing
ip link set lo up
insmod /overlay.ko
export PATH=/bin VESPID=/bin/vespid VESPID_REQUIRE_BPF=1
cd /tmp
echo "@release $(uname -r)"
vespid doctor --json --log error | tr -d '\n' | sed 's/^/@doctor /'; echo
kernel_live FILTERS --test-threads=1 2>&1
echo "@end"
poweroff -f
"#;

/// Writes the initramfs for programs and the tests that are to run.
pub(super) fn make(programs: &Programs, kernel: &Kernel, filters: &[String], folder: &Path) -> anyhow::Result<PathBuf> {
    let root = folder.join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for name in ["bin", "boot", "dev", "etc", "proc", "sys", "tmp", "root", "lib64"] {
        fs::create_dir_all(root.join(name))?;
    }
    // For the doctor.
    let config = kernel.config.file_name().context("the configuration has a name")?;
    fs::copy(&kernel.config, root.join("boot").join(config))?;
    fs::copy(&programs.busybox, root.join("bin/busybox"))?;
    let applets = output(Command::new(&programs.busybox).arg("--list"))?;
    for applet in String::from_utf8(applets)?
        .lines()
        .filter(|applet| *applet != "busybox")
    {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    accounts(&root.join("etc"))?;
    fs::write(root.join("overlay.ko"), &kernel.overlay)?;
    for (program, name) in [(&programs.vespid, "vespid"), (&programs.tests, "kernel_live")] {
        fs::copy(program, root.join("bin").join(name))?;
        for library in libraries(program)? {
            let place = root.join(library.strip_prefix("/")?);
            fs::create_dir_all(place.parent().context("a library is in a folder")?)?;
            fs::copy(&library, place)?;
        }
    }
    let quoted: Vec<String> = filters.iter().map(|filter| format!("'{filter}'")).collect();
    let init = root.join("init");
    fs::write(&init, INIT.replace("FILTERS", &quoted.join(" ")))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    pack(&programs.busybox, &root, &folder.join("initramfs"))
}

/// The files that say who is who, which tests read and name.
fn accounts(folder: &Path) -> anyhow::Result<()> {
    fs::write(folder.join("passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write(folder.join("group"), "root:x:0:\n")?;
    fs::write(folder.join("shadow"), "root:*:20000:0:99999:7:::\n")?;
    fs::set_permissions(folder.join("shadow"), fs::Permissions::from_mode(0o640))?;
    Ok(())
}

/// The shared libraries that a program is loaded with, the loader included.
fn libraries(program: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let text = String::from_utf8(output(Command::new("ldd").arg(program))?)?;
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(PathBuf::from).collect())
}

fn pack(busybox: &Path, root: &Path, file: &Path) -> anyhow::Result<PathBuf> {
    let script = "\"$0\" find . | \"$0\" cpio -o -H newc";
    let status = Command::new(busybox)
        .args(["sh", "-c", script])
        .arg(busybox)
        .current_dir(root)
        .stdout(fs::File::create(file)?)
        .stderr(Stdio::null())
        .status()
        .context("cannot start busybox")?;
    ensure!(status.success(), "the initramfs cannot be packed");
    Ok(file.to_owned())
}
