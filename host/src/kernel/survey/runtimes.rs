//! Container runtimes on this node, and whether they can be asked.
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::{Check, Topic};

/// Folders and sockets by which other runtimes are known, and what is known of their containers.
const OTHERS: [(&str, &str, &str); 3] = [
    ("runc", "/run/runc", "containers by the id that their maker chose"),
    (
        "podman",
        "/var/lib/containers/storage/overlay-containers",
        "root's containers by name and image",
    ),
    ("docker", "/run/docker.sock", "containers by id, without name and image"),
];

pub(super) fn all(sockets: &[PathBuf]) -> Vec<Check> {
    let asked = sockets
        .iter()
        .filter(|socket| socket.exists())
        .map(|socket| ask(socket));
    let others = OTHERS.iter().filter(|(_, place, _)| Path::new(place).exists());
    let others = others.map(|(name, place, known)| Check::good(Topic::Node, name, format!("{place}: {known}")));
    let found: Vec<Check> = asked.chain(others).collect();
    if !found.is_empty() {
        return found;
    }
    let sockets: Vec<String> = sockets.iter().map(|socket| socket.display().to_string()).collect();
    vec![Check::good(
        Topic::Node,
        "container runtimes",
        format!("none found; looked for {}, podman, docker, runc", sockets.join(", ")),
    )]
}

/// A socket of the Container Runtime Interface.
fn ask(socket: &Path) -> Check {
    let name = format!("runtime {}", socket.display());
    match UnixStream::connect(socket) {
        Ok(_) => Check::good(Topic::Node, &name, "is asked for names, images and pods"),
        Err(error) => Check::bad(
            Topic::Node,
            &name,
            format!("cannot be asked: {error}"),
            "names, images and pods of its containers",
            "start the runtime; run as root; in a container, mount the socket from the host",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::survey::Level;

    #[test]
    fn a_socket_that_nobody_serves_is_a_loss_and_one_that_is_not_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (served, dead) = (folder.path().join("served"), folder.path().join("dead"));
        let _server = std::os::unix::net::UnixListener::bind(&served).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        let checks = all(&[served, dead, folder.path().join("none")]);
        let levels: Vec<Level> = checks.iter().take(2).map(|check| check.level).collect();
        assert_eq!(levels, [Level::Fine, Level::Loss]);
        assert!(!checks.iter().any(|check| check.name.contains("none")), "{checks:#?}");
    }
}
