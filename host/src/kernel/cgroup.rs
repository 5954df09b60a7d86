//! Where the control groups of version 2 begin.
use std::fs::File;
use std::path::{Path, PathBuf};

/// The root of the v2 hierarchy, wherever it is mounted: alone, or beside those of version 1.
///
/// # Errors
/// Why it is not to be had.
pub(super) fn root() -> Result<File, String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let place = mount_point(&mounts).ok_or("no v2 hierarchy of control groups is mounted here")?;
    // Every group has this file but the first one. A container is often shown its own group as if that were it.
    if place.join("cgroup.type").exists() {
        let place = place.display();
        return Err(format!(
            "the control groups at {place} are not those of the whole node: in a container, mount them from the host"
        ));
    }
    File::open(&place).map_err(|error| format!("{}: {error}", place.display()))
}

/// The first mount of the v2 hierarchy.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    let mut mounts = mounts.lines().map(|line| line.split(' '));
    mounts.find_map(|mut words| {
        let place = words.nth(1)?;
        (words.next()? == "cgroup2").then(|| Path::new(place).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_wherever_it_is_mounted() {
        let alone = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        let beside = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(mount_point(alone), Some("/sys/fs/cgroup".into()));
        assert_eq!(mount_point(beside), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_point("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"), None);
    }
}
