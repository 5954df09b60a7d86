//! Whether a component is older than what it is built from.
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders that no component is built from.
const OTHERS: [&str; 5] = ["cases", "fixtures", "node_modules", "target", "wit"];
/// Most entries that are looked at.
const MOST: usize = 10_000;

/// Files that no component is built from, by how their names end: documents, recordings, results.
const NO_SOURCES: [&str; 6] = ["md", "wasm", "lock", "jsonl", "zst", "xml"];
/// A source in the plugin's folder that is newer than the component. Its configuration is none.
pub(super) fn newer(folder: &Path, component: &Path) -> Option<PathBuf> {
    let built = component.metadata().and_then(|metadata| metadata.modified()).ok()?;
    let own = component.with_extension("toml");
    let (mut folders, mut left) = (vec![folder.to_owned()], MOST);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            left = left.checked_sub(1)?;
            let path = entry.path();
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') || path.file_name() == own.file_name() {
                continue;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                if OTHERS.iter().all(|other| name != **other) {
                    folders.push(path);
                }
            } else if metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH) > built
                && !path
                    .extension()
                    .is_some_and(|extension| NO_SOURCES.iter().any(|other| extension == *other))
            {
                return Some(path);
            }
        }
    }
    None
}
