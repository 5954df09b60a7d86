//! Which container a control group belongs to, told by its path.
//!
//! Runtimes put each container into a control group of its own and write the container's id into the group's name.
//! What they write depends on the runtime, on its cgroup driver (`systemd` or `cgroupfs`) and on Kubernetes; the
//! deepest name that fits counts, since containers run in containers.

/// Who made a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Docker.
    Docker,
    /// containerd, through its own interface or the CRI.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman.
    Podman,
    /// runc, with nobody above it.
    Runc,
    /// Not known.
    Unknown,
}

impl Runtime {
    /// As in the interface's `containers.runtime`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Runtime::Docker => "docker",
            Runtime::Containerd => "containerd",
            Runtime::CriO => "cri-o",
            Runtime::Podman => "podman",
            Runtime::Runc => "runc",
            Runtime::Unknown => "",
        }
    }

    /// The one with this [`Self::name`].
    pub(super) fn of_name(name: &[u8]) -> Runtime {
        let all = [
            Runtime::Docker,
            Runtime::Containerd,
            Runtime::CriO,
            Runtime::Podman,
            Runtime::Runc,
        ];
        all.into_iter()
            .find(|runtime| runtime.name().as_bytes() == name)
            .unwrap_or(Runtime::Unknown)
    }
}

/// What a path says about its container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// Who made it.
    pub runtime: Runtime,
    /// Its id.
    pub id: &'a [u8],
    /// Uid of the Kubernetes pod, with dashes.
    pub pod_uid: Option<Vec<u8>>,
}

/// The container that a control group belongs to, if its path is one that a runtime makes.
#[must_use]
pub fn recognise(path: &[u8]) -> Option<Name<'_>> {
    let components: Vec<&[u8]> = path
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
        .collect();
    for (at, name) in components.iter().enumerate().rev() {
        let above = &components[..at];
        let found = scoped(name)
            .or_else(|| bare(name, above))
            .or_else(|| chosen(name, above));
        if let Some((runtime, id)) = found {
            let pod_uid = components[..=at].iter().rev().find_map(|name| pod_uid(name));
            return Some(Name { runtime, id, pod_uid });
        }
    }
    None
}

/// `docker-<id>.scope` and its like; `kubepods-….slice:cri-containerd:<id>` where containerd and its cgroup driver
/// disagree; `libpod-<id>` and `crio-<id>` below cgroupfs.
fn scoped(name: &[u8]) -> Option<(Runtime, &[u8])> {
    let name = name.strip_suffix(b".scope").unwrap_or(name);
    let split = name.len().checked_sub(65)?;
    let (prefix, id) = (&name[..split], &name[split + 1..]);
    if !is_digest(id) || !matches!(name[split], b'-' | b':') {
        return None;
    }
    let maker = prefix.rsplit(|&byte| byte == b':').next().unwrap_or(prefix);
    match maker {
        b"docker" => Some((Runtime::Docker, id)),
        b"cri-containerd" | b"nerdctl" | b"containerd" => Some((Runtime::Containerd, id)),
        b"crio" => Some((Runtime::CriO, id)),
        b"libpod" | b"libpod-payload" => Some((Runtime::Podman, id)),
        b"runc" => Some((Runtime::Runc, id)),
        // The monitor beside a container of CRI-O or Podman.
        _ if maker.ends_with(b"conmon") => None,
        _ => Some((Runtime::Unknown, id)),
    }
}

/// `/docker/<id>`, `/kubepods/burstable/pod<uid>/<id>`: an id alone, as the cgroupfs driver has it.
fn bare<'a>(name: &'a [u8], above: &[&[u8]]) -> Option<(Runtime, &'a [u8])> {
    if !is_digest(name) {
        return None;
    }
    let parent = above.last().copied().unwrap_or_default();
    let runtime = match parent {
        b"docker" | b"moby" | b"actions_job" => Runtime::Docker,
        b"libpod_parent" => Runtime::Podman,
        b"k8s.io" | b"default" => Runtime::Containerd,
        _ if above.contains(&&b"ecs"[..]) => Runtime::Docker,
        _ if pod_uid(parent).is_some() => Runtime::Containerd,
        _ => Runtime::Unknown,
    };
    Some((runtime, name))
}

/// `/k8s.io/<id>` and `/default/<id>`: containerd's namespaces, with an id that may be any name.
fn chosen<'a>(name: &'a [u8], above: &[&[u8]]) -> Option<(Runtime, &'a [u8])> {
    match above {
        [.., b"k8s.io"] | [b"default"] => Some((Runtime::Containerd, name)),
        _ => None,
    }
}

/// `pod<uid>` below `kubepods`, or `kubepods-burstable-pod<uid>.slice`, where systemd wants `_` for `-`.
fn pod_uid(name: &[u8]) -> Option<Vec<u8>> {
    let name = name.split(|&byte| byte == b':').next().unwrap_or(name);
    let uid = match name.strip_suffix(b".slice") {
        Some(slice) if name.starts_with(b"kubepods") || contains(name, b"-kubepods") => {
            let at = slice.windows(4).rposition(|window| window == b"-pod")?;
            &slice[at + 4..]
        }
        Some(_) => return None,
        None => name.strip_prefix(b"pod")?,
    };
    let is_uid =
        (32..=36).contains(&uid.len()) && uid.iter().all(|&b| b.is_ascii_hexdigit() || matches!(b, b'-' | b'_'));
    is_uid.then(|| uid.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// SHA-256 in hexadecimal digits: the form of an id that a runtime chose by itself.
fn is_digest(name: &[u8]) -> bool {
    name.len() == 64 && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The path to go by, of all those in the text of `/proc/<pid>/cgroup`: one that names a container, else that of the
/// v2 hierarchy, else systemd's own, else memory's.
#[must_use]
pub(super) fn choose(text: &[u8]) -> &[u8] {
    let rank = |controllers: &[u8]| match controllers {
        b"" => 0,
        b"name=systemd" => 1,
        b"memory" => 2,
        b"pids" => 3,
        _ => 4,
    };
    let mut lines: Vec<(u8, &[u8])> = text
        .split(|&byte| byte == b'\n')
        .filter_map(|line| {
            let mut parts = line.splitn(3, |&byte| byte == b':').skip(1);
            Some((rank(parts.next()?), parts.next()?))
        })
        .collect();
    lines.sort_by_key(|(rank, _)| *rank);
    let named = lines.iter().find(|(_, path)| recognise(path).is_some());
    named.or_else(|| lines.first()).map_or(b"", |(_, path)| path)
}

/// Where every process is that no hierarchy tells apart.
pub(super) fn is_root(cgroup: &[u8]) -> bool {
    matches!(cgroup, b"" | b"/")
}

#[cfg(test)]
#[path = "container/tests.rs"]
mod tests;
