//! `vespid-plugin.toml`: what makes a folder a plugin project.
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::language::Language;
use crate::plugin::{ManifestError, check_name};

/// Name of the file.
pub const PROJECT_FILE: &str = "vespid-plugin.toml";

/// A folder with the sources of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The folder.
    pub folder: PathBuf,
    /// Name of the plugin, and of the component file.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// Folder of the SDK, if it is not `sdk`; for languages whose own tools do not know where it is.
    pub sdk: Option<PathBuf>,
    /// Folder of the interface, if it is not `wit`; likewise.
    pub wit: Option<PathBuf>,
}

/// Why a folder is not a project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// It has no project file.
    #[error(
        "{} has no {PROJECT_FILE}, so it is not a plugin project; `vespid plugin new NAME` makes one",
        .0.display()
    )]
    None(PathBuf),
    /// The project file cannot be read.
    #[error("cannot read {}: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The project file says something else.
    #[error("{}: {}", file.display(), cause.to_string().trim_end())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// What, and where.
        cause: toml::de::Error,
    },
    /// The name cannot be a plugin's.
    #[error("{}: {cause}", file.display())]
    Name {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: ManifestError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    language: Language,
    sdk: Option<PathBuf>,
    wit: Option<PathBuf>,
}

impl Project {
    /// Reads what the project file in `folder` says.
    ///
    /// # Errors
    /// If there is none, or it is not one.
    pub fn open(folder: &Path) -> Result<Project, ProjectError> {
        let file = folder.join(PROJECT_FILE);
        let text = std::fs::read_to_string(&file).map_err(|cause| match cause.kind() {
            ErrorKind::NotFound => ProjectError::None(folder.to_owned()),
            _ => ProjectError::Unreadable {
                file: file.clone(),
                cause,
            },
        })?;
        let Text {
            name,
            language,
            sdk,
            wit,
        } = match toml::from_str(&text) {
            Ok(text) => text,
            Err(cause) => return Err(ProjectError::Syntax { file, cause }),
        };
        match check_name(&name) {
            Ok(()) => Ok(Project {
                folder: folder.to_owned(),
                name,
                language,
                sdk,
                wit,
            }),
            Err(cause) => Err(ProjectError::Name { file, cause }),
        }
    }

    /// Where the interface is, for tools that run in the folder.
    #[must_use]
    pub fn wit(&self) -> &Path {
        self.wit.as_deref().unwrap_or(Path::new("wit"))
    }

    /// Where its component is put.
    #[must_use]
    pub fn component(&self) -> PathBuf {
        self.folder.join(format!("{}.wasm", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<Project, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(PROJECT_FILE), text).expect("a file");
        Project::open(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_project_has_a_name_and_a_language() {
        let project = open("name = \"port-watch\"\nlanguage = \"js\"").expect("a project");
        assert_eq!((project.name.as_str(), project.language), ("port-watch", Language::Js));
        assert!(project.component().ends_with("port-watch.wasm"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error = open("name = \"a\"\nlangage = \"js\"").expect_err("a misspelt key");
        assert!(error.contains("line 2") && error.contains("`language`"), "{error}");
        let error = open("name = \"a\"\nlanguage = \"cobol\"").expect_err("no such language");
        assert!(error.contains("`rust`, `c`, `python`, `js`"), "{error}");
        let error = open("name = \"Big\"\nlanguage = \"c\"").expect_err("no plugin's name");
        assert!(error.contains("[a-z][a-z0-9-]*"), "{error}");
    }

    #[test]
    fn a_folder_without_the_file_is_no_project() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Project::open(folder.path()).expect_err("no project").to_string();
        assert!(error.contains("vespid plugin new"), "{error}");
    }
}
