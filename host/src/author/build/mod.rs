//! From a project to a component: one recipe a language, and what they share.
mod bench;
mod c;
mod js;
mod python;
mod rust;
mod toolchain;

use std::path::PathBuf;

pub use bench::BuildError;

use bench::Bench;

use super::language::Language;
use super::project::Project;
use super::write::write;

/// What a build came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The component.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Builds a project, and puts the component where [`Project::component`] says once it is whole. The tools' output goes
/// to standard error.
///
/// # Errors
/// If a tool is missing or fails, or the component cannot be written.
pub fn build(project: &Project) -> Result<Built, BuildError> {
    let bench = Bench::new(project)?;
    let made = match project.language {
        Language::Rust => rust::build(&bench),
        Language::C => c::build(&bench),
        Language::Python => python::build(&bench),
        Language::Js => js::build(&bench),
    }?;
    let bytes = std::fs::read(&made).map_err(|cause| BuildError::NoComponent { file: made, cause })?;
    let file = project.component();
    write(&file, &bytes).map_err(|cause| BuildError::NotWritten {
        file: file.clone(),
        cause,
    })?;
    Ok(Built {
        file,
        bytes: bytes.len() as u64,
    })
}
