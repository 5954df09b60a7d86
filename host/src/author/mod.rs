//! Plugin projects: what a new one consists of, what one says about itself, and how it becomes a component.
//!
//! Whatever a project needs of Vespid is carried in this program, so that a plugin is built against the very interface
//! that the daemon speaks, and without a checkout or a registry.
mod build;
mod carried;
mod create;
mod language;
mod project;
mod sdk;
mod template;
mod write;

pub use build::{BuildError, Built, build};
pub use create::{CreateError, New, create};
pub use language::Language;
pub use project::{PROJECT_FILE, Project, ProjectError};
