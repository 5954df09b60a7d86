//! Exit statuses: a script can tell "it failed" (1) from "it needs something only the user can provide" (2).

use std::fmt;
use std::process::ExitCode;

/// An error whose remedy is the user's, and written in it.
#[derive(Debug)]
pub(crate) struct NeedsUser(pub(crate) String);

impl fmt::Display for NeedsUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NeedsUser {}

/// A command line that cannot be understood.
pub(crate) fn usage(message: String) -> anyhow::Error {
    NeedsUser(message).into()
}

/// The status that `error` ends the process with.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    if error.is::<NeedsUser>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}
