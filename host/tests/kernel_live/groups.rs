//! Control groups of the tests' own, in whatever hierarchies this machine has mounted.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A control group, removed when dropped.
pub(crate) struct Group {
    folder: PathBuf,
    /// Its path in its hierarchy.
    pub(crate) path: String,
}

/// Where a hierarchy is mounted: v2, or that of a v1 controller.
pub(crate) fn mounted(controller: Option<&str>) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (path, kind, options) = (words.next()?, words.next()?, words.next()?);
        let is_it = match controller {
            None => kind == "cgroup2",
            Some(name) => kind == "cgroup" && options.split(',').any(|option| option == name),
        };
        is_it.then(|| path.into())
    })
}

/// The hierarchy that containers are told apart in here; `None`, out loud, if there is none.
pub(crate) fn telling() -> Option<PathBuf> {
    let hierarchies = ["memory", "pids", "cpu"]
        .into_iter()
        .find_map(|name| mounted(Some(name)));
    let hierarchy = hierarchies.or_else(|| mounted(None));
    if hierarchy.is_none() {
        eprintln!("SKIPPED: no hierarchy of control groups is mounted here");
    }
    hierarchy
}

impl Group {
    /// A group in the v2 hierarchy; `None`, out loud, if there is none.
    pub(crate) fn new(name: &str) -> Option<Group> {
        let Some(hierarchy) = mounted(None) else {
            eprintln!("SKIPPED: no v2 hierarchy of control groups is mounted here");
            return None;
        };
        Some(Group::within(&hierarchy, name))
    }

    /// A group in which at most so much memory can be had; `None`, out loud, if memory cannot be limited here.
    pub(crate) fn with_memory(name: &str, bytes: u64) -> Option<Group> {
        let v1 = mounted(Some("memory"));
        let hierarchy = v1.clone().or_else(|| {
            let v2 = mounted(None)?;
            fs::write(v2.join("cgroup.subtree_control"), "+memory").ok()?;
            Some(v2)
        });
        let Some(hierarchy) = hierarchy else {
            eprintln!("SKIPPED: memory cannot be limited here");
            return None;
        };
        let group = Group::within(&hierarchy, name);
        let file = if v1.is_some() {
            "memory.limit_in_bytes"
        } else {
            "memory.max"
        };
        fs::write(group.folder.join(file), bytes.to_string()).expect("a limit");
        // Otherwise it would be swapped out, where there is swap.
        drop(fs::write(group.folder.join("memory.swap.max"), "0"));
        drop(fs::write(group.folder.join("memory.swappiness"), "0"));
        Some(group)
    }

    /// A group that is named as those of a container are.
    pub(crate) fn like_a_container(hierarchy: &Path) -> Group {
        Group::named(hierarchy, format!("docker-{:064x}.scope", std::process::id()))
    }

    pub(crate) fn within(hierarchy: &Path, name: &str) -> Group {
        Group::named(hierarchy, format!("vespid-test-{}-{name}", std::process::id()))
    }

    fn named(hierarchy: &Path, name: String) -> Group {
        let folder = hierarchy.join(&name);
        fs::create_dir(&folder).expect("a control group");
        Group {
            folder,
            path: format!("/{name}"),
        }
    }

    /// The same command, run in this group and those.
    pub(crate) fn run(groups: &[&Group], command: &Command) -> Command {
        let enter: String = groups
            .iter()
            .map(|group| format!("echo $$ > {}; ", group.folder.join("cgroup.procs").display()))
            .collect();
        let mut within = Command::new("/bin/sh");
        within.args(["-c", &format!("{enter} exec \"$@\""), "sh"]);
        within.arg(command.get_program()).args(command.get_args());
        within.stdout(std::process::Stdio::null());
        for (name, value) in command.get_envs() {
            within.env(name, value.unwrap_or_default());
        }
        within
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What was killed in it may still be ending.
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        eprintln!("{} stays behind", self.folder.display());
    }
}
