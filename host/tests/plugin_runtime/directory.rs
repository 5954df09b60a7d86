//! A directory at start.
use std::path::Path;

use vespid::plugin::{DirectoryError, Limits, scan};

use crate::support::{engine, zoo_file};

fn scanned(directory: &Path) -> Vec<String> {
    let found = scan(engine(), directory, &Limits::default()).expect("it can be read");
    let lines = found.into_iter().map(|found| match found {
        Ok(found) => format!("{} {}", found.plugin.identity.name, found.config),
        Err(refusal) => refusal.to_string().replace(&directory.display().to_string(), ""),
    });
    lines.collect()
}

#[test]
fn one_bad_file_is_refused_and_the_rest_loads() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    std::fs::write(path.join("a-broken.wasm"), "no").expect("a file");
    std::os::unix::fs::symlink(zoo_file(), path.join("b-zoo.wasm")).expect("a link");
    std::fs::write(path.join("b-zoo.toml"), "batch = \"idle\"\nat = 3\n").expect("a file");
    std::os::unix::fs::symlink(zoo_file(), path.join("c-zoo-again.wasm")).expect("a link");
    std::fs::write(path.join(".hidden.wasm"), "no").expect("a file");
    std::fs::write(path.join("README.md"), "no").expect("a file");
    assert_eq!(
        scanned(path),
        [
            "/a-broken.wasm is not loaded: it is not WebAssembly",
            r#"zoo {"at":3,"batch":"idle"}"#,
            "/c-zoo-again.wasm is not loaded: /b-zoo.wasm is a plugin of the same name, `zoo`, and comes first; \
             remove one of them",
        ]
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    let directory = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(zoo_file(), directory.path().join("zoo.wasm")).expect("a link");
    std::fs::write(directory.path().join("zoo.toml"), "bach = \"idle\"\n").expect("a file");
    assert_eq!(
        scanned(directory.path()),
        ["/zoo.wasm is not loaded: /zoo.toml: unknown key `bach`; did you mean `batch`?"]
    );
}

#[test]
fn a_missing_directory_is_an_error_of_its_own() {
    let missing = scan(engine(), Path::new("/nowhere/plugins"), &Limits::default());
    assert!(matches!(missing, Err(DirectoryError::Missing(path)) if path == Path::new("/nowhere/plugins")));
    let file = scan(engine(), &zoo_file(), &Limits::default());
    assert!(matches!(file, Err(DirectoryError::Unreadable { .. })));
}
