//! Plugin projects: what a new one consists of, what one says about itself, how it becomes a component, and what that
//! costs to run.
//!
//! Whatever a project needs of Vespid is carried in this program, so that a plugin is built against the very interface
//! that the daemon speaks, and without a checkout or a registry.
mod bench;
mod build;
mod carried;
mod create;
mod error;
mod language;
mod project;
mod sdk;
mod template;
mod write;

pub use bench::{BenchError, Cost, Effort, Score, StartUp, Work};
pub use build::{BuildError, Built, build};
pub use create::{New, create, interface};
pub use error::CreateError;
pub use language::Language;
pub use project::{PROJECT_FILE, Project, ProjectError};
