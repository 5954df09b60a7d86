//! Namespaces: those of a process, and those that are the node's own, which are the kernel's initial ones, in which its
//! threads are and, unless it left them, the first process.
use std::fs;
use std::path::Path;

/// Inode number of the initial pid namespace (`PROC_PID_INIT_INO` in include/linux/proc_ns.h).
pub const INITIAL_PID: u32 = 0xefff_fffc;

/// Those of the initial namespaces in the order of [`vespid_ebpf::NAMESPACES`], as far as every kernel has the same; 0 for
/// mounts and network.
pub const FIXED: [u32; 8] = [
    0xefff_fffb,
    0xefff_ffff,
    0,
    0,
    INITIAL_PID,
    0xefff_fffa,
    0xefff_fffd,
    0xefff_fffe,
];

/// The node's own, in the order of [`vespid_ebpf::NAMESPACES`]. 0 for what is not known: mounts and network, if this process
/// is in a pid namespace of its own, or may not look at others.
#[must_use]
pub fn of_the_node() -> [u32; 8] {
    let proc = Path::new("/proc");
    let mut found = FIXED;
    if namespace(&proc.join("self"), "pid") != INITIAL_PID {
        return found;
    }
    // What those of the kernel's threads are may be shown where those of the first process are not.
    for pid in ["2", "1"] {
        for (inode, name) in found.iter_mut().zip(vespid_ebpf::NAMESPACES) {
            if *inode == 0 {
                *inode = namespace(&proc.join(pid), name);
            }
        }
    }
    found
}

/// Inode number of a namespace, from a link such as `mnt:[4026531841]`; 0 if it cannot be read.
pub(super) fn namespace(folder: &Path, name: &str) -> u32 {
    let target = fs::read_link(folder.join("ns").join(name)).unwrap_or_default();
    let digits: String = target.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fixed_is_what_this_kernel_has() {
        let own = Path::new("/proc/self");
        if namespace(own, "pid") != INITIAL_PID {
            return;
        }
        let found = of_the_node();
        for (at, name) in vespid_ebpf::NAMESPACES.iter().enumerate() {
            let kernel = namespace(Path::new("/proc/2"), name);
            assert!(kernel == 0 || kernel == found[at], "{name}: {kernel} {}", found[at]);
        }
    }
}
