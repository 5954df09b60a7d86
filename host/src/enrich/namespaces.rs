//! The namespaces that are the node's own: the kernel's initial ones, in which its threads are and, unless it left them,
//! the first process.
use std::path::Path;

use super::procfs::namespace;

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
