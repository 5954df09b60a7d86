//! What rustup has for the toolchain in use.

use std::time::Duration;

use super::version;
use crate::child;
use crate::progress::Progress;

/// For a slow line; without a network rustup itself gives up after seconds.
const LIMIT: Duration = Duration::from_secs(180);

/// Adds to `toolchain`. A failure is only reported: there are other ways.
pub(crate) fn add(toolchain: &str, rust_src: bool, wasm_target: bool, progress: &Progress) {
    let task = progress.task("rustup");
    let add = |kind: &str, what: &str| {
        let mut rustup = child::cross("rustup");
        rustup
            .args([kind, "add", what, "--toolchain", toolchain])
            .envs([("RUSTUP_MAX_RETRIES", "1"), ("RUST_BACKTRACE", "0")]);
        task.run(&mut rustup, LIMIT)
    };
    let mut outcome = Ok(());
    if rust_src {
        outcome = add("component", "rust-src");
    }
    if outcome.is_ok() && wasm_target {
        outcome = add("target", version::WASM_TARGET);
    }
    match outcome {
        Ok(()) => task.done(&format!("added to {toolchain}")),
        Err(error) => {
            let reason = reason(&error.to_string());
            task.gave_up(&format!(
                "could not ({reason}): falling back to the distribution's packages"
            ));
        }
    }
}

/// The line of rustup's output that says why.
fn reason(error: &str) -> String {
    let line = error.lines().find_map(|line| line.strip_prefix("error: "));
    line.or_else(|| error.lines().next())
        .unwrap_or("offline?")
        .trim_end_matches(':')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_one_line() {
        let output = "rustup failed (exit status: 1):\ninfo: downloading component rust-src\nerror: could not download file\n\nCaused by:\n    dns error";
        assert_eq!(reason(output), "could not download file");
        assert_eq!(
            reason("rustup took longer than 180 s and was stopped"),
            "rustup took longer than 180 s and was stopped"
        );
    }
}
