//! A new project.
use std::path::{Path, PathBuf};

use super::error::CreateError;
use super::language::Language;
use super::template::{self, Files};
use super::write::write;
use super::{carried, sdk};
use crate::plugin::check_name;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// Name of the plugin, and of its folder.
    pub name: &'a str,
    /// What it is written in.
    pub language: Language,
    /// The folder that its folder is made in.
    pub parent: &'a Path,
    /// The SDK to depend on, instead of the one that this program carries.
    pub sdk: Option<&'a Path>,
}

/// Writes a new project; returns the folder, and the files in it that its author is to look at.
///
/// # Errors
/// If the name cannot be a plugin's, there is something already, or the file system refuses.
pub fn create(new: &New<'_>) -> Result<(PathBuf, Vec<PathBuf>), CreateError> {
    check_name(new.name).map_err(|cause| CreateError::Name {
        name: new.name.to_owned(),
        cause,
    })?;
    let folder = new.parent.join(new.name);
    if std::fs::symlink_metadata(&folder).is_ok()
        && !std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none())
    {
        return Err(CreateError::Exists(folder));
    }
    if let (Some(_), true) = (new.sdk, new.language != Language::Rust) {
        return Err(CreateError::SdkNotForThis(new.language));
    }
    let own = template::files(new.language, new.name, &sdk::path(new.sdk)?);
    let mut brought = Files::new();
    if new.language == Language::Rust {
        // The versions that the SDK was tested with. Cargo drops what a project does not need.
        brought.extend(carried::file("Cargo.lock").map(|lock| ("Cargo.lock".into(), lock.to_vec())));
        if new.sdk.is_none() {
            brought.extend(sdk::packages()?);
        }
    }
    if new.language == Language::C {
        for (path, bytes) in carried::below("sdk/c") {
            brought.insert(Path::new("sdk").join(path), bytes.to_vec());
        }
    }
    interface(&folder.join("wit"))?;
    for (path, bytes) in own.iter().chain(&brought) {
        put(folder.join(path), bytes)?;
    }
    Ok((folder, own.into_keys().collect()))
}

/// Writes the interface into a folder, which is a whole package then; returns its files.
///
/// # Errors
/// [`CreateError::NotWritten`].
pub fn interface(folder: &Path) -> Result<Vec<PathBuf>, CreateError> {
    carried::below("wit")
        .map(|(path, bytes)| put(folder.join(path), bytes))
        .collect()
}

fn put(file: PathBuf, bytes: &[u8]) -> Result<PathBuf, CreateError> {
    match write(&file, bytes) {
        Ok(()) => Ok(file),
        Err(cause) => Err(CreateError::NotWritten { file, cause }),
    }
}
