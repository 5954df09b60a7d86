//! Podman's containers, by the lists that containers/storage keeps on disk. Podman has no daemon to ask.
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use crate::event::KnownContainer;

/// Where root's containers are listed; those that are removed when they end (`--rm`) in a list of their own.
const LISTS: [&str; 2] = [
    "/var/lib/containers/storage/overlay-containers/containers.json",
    "/run/containers/storage/overlay-containers/volatile-containers.json",
];
/// Largest list that is read: a container takes about a kilobyte.
const MAX_LIST: u64 = 16 << 20;

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    /// JSON in a string.
    #[serde(default)]
    metadata: String,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default, rename = "image-name")]
    image_name: String,
}

/// What the lists say of a container.
pub(super) fn describe(id: &str) -> io::Result<Option<KnownContainer<'static>>> {
    for list in LISTS {
        if let known @ Some(_) = look_in(Path::new(list), id)? {
            return Ok(known);
        }
    }
    Ok(None)
}

fn look_in(list: &Path, id: &str) -> io::Result<Option<KnownContainer<'static>>> {
    let file = match File::open(list) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(MAX_LIST).read_to_end(&mut text)?;
    let all: Vec<Listed> = serde_json::from_slice(&text)?;
    let listed = all.into_iter().find(|listed| listed.id == id);
    Ok(listed.map(|listed| {
        let metadata: Metadata = serde_json::from_str(&listed.metadata).unwrap_or_default();
        let name = listed.names.into_iter().next().unwrap_or_default();
        KnownContainer {
            id: id.as_bytes().to_vec().into(),
            name: name.into_bytes().into(),
            image: metadata.image_name.into_bytes().into(),
            ..KnownContainer::default()
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Podman 4.3 writes it.
    const LIST: &str = r#"[{"id":"6b1f","names":["web"],"image":"ed45","layer":"c0ff","metadata":"{\"image-name\":\"docker.io/library/busybox:latest\",\"image-id\":\"ed45\",\"name\":\"web\",\"created-at\":1700000000}","created":"2026-11-23T10:00:00Z","flags":{"MountLabel":"","ProcessLabel":""}},{"id":"77aa","created":"2026-11-23T10:00:00Z"}]"#;

    #[test]
    fn a_container_of_podman_has_the_name_and_image_that_its_list_says() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("containers.json");
        assert_eq!(look_in(&list, "6b1f").unwrap(), None, "there is no list");
        std::fs::write(&list, LIST).unwrap();
        let known = look_in(&list, "6b1f").unwrap().unwrap();
        assert_eq!(known.name.as_slice(), b"web");
        assert_eq!(known.image.as_slice(), b"docker.io/library/busybox:latest");
        let bare = look_in(&list, "77aa").unwrap().unwrap();
        assert!(bare.name.is_empty() && bare.image.is_empty());
        assert_eq!(look_in(&list, "0000").unwrap(), None);
        std::fs::write(&list, "[{").unwrap();
        assert!(look_in(&list, "6b1f").is_err(), "it is being written");
    }
}
