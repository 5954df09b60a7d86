//! How control groups are laid out: containers are told by them.
use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::{Check, Topic};

/// How control groups are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupLayout {
    /// One hierarchy.
    V2,
    /// A v2 hierarchy without controllers beside v1 ones.
    Hybrid,
    /// A hierarchy for each controller.
    V1,
    /// None is mounted.
    Unmounted,
}

/// Tells the layout from the mount table.
pub(super) fn layout(mounts: &str) -> CgroupLayout {
    let has = |kind| mounts.lines().any(|line| line.split(' ').nth(2) == Some(kind));
    match (has("cgroup"), has("cgroup2")) {
        (false, true) => CgroupLayout::V2,
        (true, true) => CgroupLayout::Hybrid,
        (true, false) => CgroupLayout::V1,
        (false, false) => CgroupLayout::Unmounted,
    }
}

pub(super) fn check(mounts: &str) -> Check {
    const NAME: &str = "control groups";
    match layout(mounts) {
        CgroupLayout::V2 => Check::good(Topic::Node, NAME, "v2"),
        CgroupLayout::Hybrid => Check::good(Topic::Node, NAME, "v1 and v2 (hybrid)"),
        CgroupLayout::V1 => Check::good(Topic::Node, NAME, "v1"),
        CgroupLayout::Unmounted => Check::bad(
            Topic::Node,
            NAME,
            "none mounted here",
            "the containers of processes known from before the start",
            "mount /sys/fs/cgroup; in a container, from the host",
        ),
    }
}

/// Where the v2 hierarchy is mounted.
pub(super) fn unified(mounts: &str) -> Option<PathBuf> {
    mounted(mounts, |kind, _| kind == "cgroup2")
}

/// The folder of this process's own group that says how much memory it may have, and the top of that hierarchy.
pub(super) fn own_memory(mounts: &str) -> Option<(PathBuf, PathBuf)> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let v1 = mounted(mounts, |kind, options| {
        kind == "cgroup" && options.split(',').any(|option| option == "memory")
    });
    let (top, controller) = match v1 {
        Some(top) => (top, "memory"),
        None => (unified(mounts)?, ""),
    };
    // "4:memory:/user.slice"
    let mut lines = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let (_, path) = lines.find(|(controllers, _)| controllers.split(',').any(|has| has == controller))?;
    Some((top.join(path.trim_start_matches('/')), top))
}

fn mounted(mounts: &str, fits: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind, options) = (words.next()?, words.next()?, words.next()?);
        fits(kind, options).then(|| place.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_told_from_the_mounts() {
        let v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let v1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";
        assert_eq!(layout(v2), CgroupLayout::V2);
        assert_eq!(layout(v1), CgroupLayout::V1);
        assert_eq!(layout(&format!("{v1}{v2}")), CgroupLayout::Hybrid);
        assert_eq!(layout("proc /proc proc rw 0 0\n"), CgroupLayout::Unmounted);
        assert_eq!(unified(&format!("{v1}{v2}")), Some("/sys/fs/cgroup".into()));
    }
}
