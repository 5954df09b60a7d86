//! Child processes without the traces of the cargo that runs this program.
//!
//! `cargo run` sets several dozen variables (`CARGO_PKG_*`, `RUSTUP_TOOLCHAIN`, library paths, …) for the program
//! that it starts. A cargo started below would take some of them for its own settings: cross-builds would rebuild each
//! time, use the wrong compiler or the flags meant for the host.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// What stays of `CARGO_*`: where cargo lives, how it reaches its registries, how it talks, how parallel it may be.
const KEPT: [&str; 9] = [
    "CARGO_BUILD_JOBS",
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
    "CARGO_TARGET_DIR",
    "CARGO_TERM_",
];

/// What changes how rustc compiles.
const FLAGS: [&str; 8] = [
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// A command for the host: the user's environment, flags and wrappers included.
pub(crate) fn native(program: impl AsRef<OsStr>) -> Command {
    command(program, is_cargo_noise)
}

/// A command for another target: nothing that was meant for the host's compiler.
pub(crate) fn cross(program: impl AsRef<OsStr>) -> Command {
    let mut command = command(program, |key| is_cargo_noise(key) || FLAGS.contains(&key));
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET");
    command
}

fn command(program: impl AsRef<OsStr>, is_noise: impl Fn(&str) -> bool) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if key.to_str().is_some_and(&is_noise) {
            command.env_remove(key);
        }
    }
    if let Some(paths) = std::env::var_os("LD_LIBRARY_PATH") {
        let own = std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(Path::to_path_buf));
        match without_cargos(&paths, own.as_deref()) {
            Some(paths) => command.env("LD_LIBRARY_PATH", paths),
            None => command.env_remove("LD_LIBRARY_PATH"),
        };
    }
    command
}

fn is_cargo_noise(key: &str) -> bool {
    key == "CARGO" || (key.starts_with("CARGO_") && !KEPT.iter().any(|kept| key.starts_with(kept)))
}

/// `LD_LIBRARY_PATH` without the folders that cargo puts before the user's: those of this build and of the compiler.
fn without_cargos(paths: &OsStr, own: Option<&Path>) -> Option<OsString> {
    let users = std::env::split_paths(paths).filter(|path| {
        let of_this_build = own.is_some_and(|own| path.starts_with(own));
        let of_the_compiler = path
            .components()
            .any(|part| part.as_os_str() == "rustlib" || part.as_os_str() == ".rustup");
        !of_this_build && !of_the_compiler
    });
    std::env::join_paths(users).ok().filter(|paths| !paths.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_sets_for_its_children_is_dropped_and_the_users_settings_stay() {
        for noise in [
            "CARGO",
            "CARGO_PKG_NAME",
            "CARGO_MANIFEST_DIR",
            "CARGO_CFG_TARGET_OS",
            "CARGO_ENCODED_RUSTFLAGS",
        ] {
            assert!(is_cargo_noise(noise), "{noise}");
        }
        for kept in [
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_HTTP_PROXY",
            "CARGO_TERM_COLOR",
            "PATH",
            "HOME",
        ] {
            assert!(!is_cargo_noise(kept), "{kept}");
        }
    }

    #[test]
    fn cargos_library_folders_are_taken_out_of_the_users() {
        let own = Path::new("/src/target/debug");
        let paths = OsStr::new("/src/target/debug/deps:/home/u/.rustup/toolchains/stable/lib:/opt/lib");
        assert_eq!(without_cargos(paths, Some(own)), Some("/opt/lib".into()));
        assert_eq!(without_cargos(OsStr::new("/src/target/debug"), Some(own)), None);
    }
}
