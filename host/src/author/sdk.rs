//! The SDK as packages that stand alone.
//!
//! In the work tree its manifests inherit versions, lints and more from the workspace. A project has no such workspace,
//! so what is inherited is written out.
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use toml::{Table, Value};

use super::carried;
use super::error::CreateError;
use super::template::Files;

/// Where the SDK's packages are in a project.
const FOLDER: &str = "sdk";
/// The package that plugins depend on.
const PACKAGE: &str = "vespid-plugin";

/// What a project's manifest says for its dependency on the SDK: the folder `sdk`, or the one in the project.
pub(super) fn path(sdk: Option<&Path>) -> Result<String, CreateError> {
    let Some(sdk) = sdk else {
        return Ok(format!("{FOLDER}/{PACKAGE}"));
    };
    let no_sdk = || CreateError::NoSdk(sdk.to_owned());
    let folder = std::path::absolute(sdk).map_err(|_| no_sdk())?;
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).map_err(|_| no_sdk())?;
    let manifest: Table = toml::from_str(&manifest).map_err(|_| no_sdk())?;
    let name = manifest.get("package").and_then(|package| package.get("name"));
    match (name.and_then(Value::as_str), folder.to_str()) {
        (Some(PACKAGE), Some(folder)) => Ok(folder.to_owned()),
        _ => Err(no_sdk()),
    }
}

/// The SDK and every package of the work tree that it depends on, below [`FOLDER`].
pub(super) fn packages() -> Result<Files, CreateError> {
    let root = manifest("")?;
    let mut files = Files::new();
    let mut done = BTreeSet::new();
    let mut waiting = vec![PathBuf::from("sdk")];
    while let Some(place) = waiting.pop() {
        let place = place.display().to_string();
        if !done.insert(place.clone()) {
            continue;
        }
        let mut package = Package {
            manifest: manifest(&place)?,
            workspace: &root,
            place: Path::new(&place),
            needs: Vec::new(),
        };
        package.stand_alone()?;
        let to = Path::new(FOLDER).join(package.name()?);
        waiting.append(&mut package.needs);
        let manifest = format!("# Vespid's own, as of `vespid plugin new`.\n{}", package.manifest);
        files.insert(to.join("Cargo.toml"), manifest.into_bytes());
        for (path, bytes) in carried::below(&format!("{place}/src")) {
            files.insert(to.join("src").join(path), bytes.to_vec());
        }
    }
    Ok(files)
}

/// The manifest in a folder of the work tree.
fn manifest(place: &str) -> Result<Table, CreateError> {
    let path = if place.is_empty() {
        "Cargo.toml".to_owned()
    } else {
        format!("{place}/Cargo.toml")
    };
    let text = carried::file(&path).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| CreateError::Broken(format!("it has no {path}")))?;
    toml::from_str(text).map_err(|error| CreateError::Broken(format!("{path}: {error}")))
}

struct Package<'a> {
    manifest: Table,
    workspace: &'a Table,
    /// Its folder in the work tree.
    place: &'a Path,
    /// Folders of the packages that it depends on.
    needs: Vec<PathBuf>,
}

impl Package<'_> {
    fn name(&self) -> Result<String, CreateError> {
        let name = self
            .manifest
            .get("package")
            .and_then(|package| package.get("name")?.as_str());
        name.map(str::to_owned)
            .ok_or_else(|| CreateError::Broken(format!("{} has no name", self.place.display())))
    }

    fn stand_alone(&mut self) -> Result<(), CreateError> {
        // They serve its own tests, which a project does not run.
        for key in ["dev-dependencies", "test", "bench", "example"] {
            self.manifest.remove(key);
        }
        if let Some(Value::Table(package)) = self.manifest.get_mut("package") {
            for (key, value) in package.iter_mut().filter(|(_, value)| inherits(value)) {
                *value = inherited(self.workspace, "package", key)?;
            }
        }
        if self.manifest.get("lints").is_some_and(inherits) {
            let lints = inherited(self.workspace, "lints", "")?;
            self.manifest.insert("lints".into(), lints);
        }
        self.resolve_dependencies()
    }

    fn resolve_dependencies(&mut self) -> Result<(), CreateError> {
        let mut manifest = std::mem::take(&mut self.manifest);
        for key in ["dependencies", "build-dependencies"] {
            self.resolve_table(manifest.get_mut(key))?;
        }
        if let Some(Value::Table(targets)) = manifest.get_mut("target") {
            for (_, target) in targets.iter_mut() {
                if let Some(target) = target.as_table_mut() {
                    target.remove("dev-dependencies");
                }
                self.resolve_table(target.get_mut("dependencies"))?;
            }
        }
        self.manifest = manifest;
        Ok(())
    }

    fn resolve_table(&mut self, dependencies: Option<&mut Value>) -> Result<(), CreateError> {
        let Some(Value::Table(dependencies)) = dependencies else {
            return Ok(());
        };
        for (name, dependency) in dependencies.iter_mut() {
            let mut place = self.place;
            if inherits(dependency) {
                *dependency = merged(inherited(self.workspace, "dependencies", name)?, dependency);
                // The workspace's paths begin where it is.
                place = Path::new("");
            }
            let Some(path) = dependency.get("path").and_then(Value::as_str) else {
                continue;
            };
            let found = normal(&place.join(path));
            let package = manifest(&found.display().to_string())?;
            let package = package.get("package").and_then(|package| package.get("name")?.as_str());
            let beside = Value::String(format!("../{}", package.unwrap_or(name)));
            if let Some(table) = dependency.as_table_mut() {
                table.insert("path".into(), beside);
            }
            self.needs.push(found);
        }
        Ok(())
    }
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// What the workspace says; of a whole section if `key` is empty.
fn inherited(root: &Table, section: &str, key: &str) -> Result<Value, CreateError> {
    let section_of = || {
        let section = root.get("workspace")?.get(section)?;
        if key.is_empty() {
            Some(section)
        } else {
            section.get(key)
        }
    };
    section_of()
        .cloned()
        .ok_or_else(|| CreateError::Broken(format!("the workspace has no {section} `{key}`")))
}

/// A dependency of the workspace with what a package adds to it.
fn merged(from_workspace: Value, own: &Value) -> Value {
    let mut table = match from_workspace {
        Value::Table(table) => table,
        version => Table::from_iter([("version".to_owned(), version)]),
    };
    let own = own.as_table().into_iter().flatten();
    for (key, value) in own.filter(|(key, _)| *key != "workspace") {
        match (table.get_mut(key), value) {
            (Some(Value::Array(features)), Value::Array(more)) => features.extend(more.iter().cloned()),
            _ => drop(table.insert(key.clone(), value.clone())),
        }
    }
    Value::Table(table)
}

/// Without `..`, by the words alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_that_is_carried_inherits_nothing_and_lacks_no_package() {
        let files = packages().expect("an SDK");
        assert!(files.contains_key(Path::new("sdk/vespid-plugin/src/lib.rs")));
        for (path, bytes) in &files {
            if !path.ends_with("Cargo.toml") {
                continue;
            }
            let text = std::str::from_utf8(bytes).expect("text");
            assert!(!text.contains("workspace"), "{} inherits:\n{text}", path.display());
            let manifest: Table = toml::from_str(text).expect("a manifest");
            let dependencies = manifest.get("dependencies").and_then(Value::as_table);
            for (name, dependency) in dependencies.into_iter().flatten() {
                if let Some(beside) = dependency.get("path").and_then(Value::as_str) {
                    let manifest = normal(&path.with_file_name("").join(beside)).join("Cargo.toml");
                    assert!(files.contains_key(&manifest), "{name} is not carried");
                }
            }
        }
    }

    #[test]
    fn what_a_package_adds_to_an_inherited_dependency_is_kept() {
        let workspace = toml::from_str::<Table>("[workspace.dependencies]\nserde = { version = \"1\", features = [\"a\"] }\ncases = { path = \"cases\" }\nlog = \"2\"")
            .expect("a manifest");
        let mut package = Package {
            manifest: toml::from_str(
                "[dependencies]\nserde = { workspace = true, features = [\"b\"] }\n[target.unix.dependencies]\nlog.workspace = true",
            )
            .expect("a manifest"),
            workspace: &workspace,
            place: Path::new("sdk"),
            needs: Vec::new(),
        };
        package.stand_alone().expect("all is there");
        let dependencies = &package.manifest["dependencies"];
        assert_eq!(dependencies["serde"]["features"].as_array().map(Vec::len), Some(2));
        assert_eq!(
            package.manifest["target"]["unix"]["dependencies"]["log"]["version"].as_str(),
            Some("2")
        );
    }

    #[test]
    fn a_folder_that_is_not_the_sdk_is_refused() {
        assert!(matches!(path(Some(Path::new("/no/such"))), Err(CreateError::NoSdk(_))));
        assert_eq!(path(None).ok().as_deref(), Some("sdk/vespid-plugin"));
    }
}
