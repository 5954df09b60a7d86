//! A runtime whose components are lines such as `name=a version=3`, and which checks how it is used.
use std::collections::BTreeMap;
use std::path::Path;

use super::super::{Candidate, Kind, LoadError, Reason, Role, Runtime};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plugin {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) component: String,
    pub(super) config: Option<String>,
    fails: bool,
}

/// What a component and its configuration say, if they are any good.
pub(super) fn parse(component: &str, config: Option<&str>, role: Role) -> Result<Plugin, Reason> {
    let refused = |kind, text| Reason::new(kind, text);
    let name = component
        .strip_prefix("name=")
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or_else(|| refused(Kind::Component, "it is not WebAssembly"))?;
    let role = match config {
        Some(config) if config.contains("broken") => return Err(refused(Kind::Config, "unknown key `broken`")),
        Some(config) if config.contains("mode=shadow") => Role::Shadow,
        _ => role,
    };
    Ok(Plugin {
        role,
        name: name.into(),
        component: component.into(),
        config: config.map(Into::into),
        fails: component.contains("fails"),
    })
}

#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) running: BTreeMap<(Role, String), Plugin>,
    /// Since they were last taken.
    pub(super) calls: Vec<String>,
    /// Files that change between the look and the loading.
    pub(super) stale: bool,
    /// The daemon lacks something.
    pub(super) starved: bool,
}

impl Runtime for Fake {
    type Loaded = Plugin;

    fn load(&mut self, candidate: &Candidate) -> Result<Plugin, LoadError> {
        let name = candidate.file.file_name().expect("a file name").display();
        self.calls.push(format!("load {name}"));
        if self.stale {
            std::fs::write(&candidate.file, "name=a version=99").expect("written");
        }
        if self.starved {
            return Err(Reason::new(Kind::Passing, "no memory").into());
        }
        let component = candidate.bytes()?;
        let component = std::str::from_utf8(&component).map_err(|error| Reason::new(Kind::Component, error))?;
        Ok(parse(
            component,
            candidate.contents.config.as_deref(),
            candidate.contents.role,
        )?)
    }

    fn name(loaded: &Plugin) -> &str {
        &loaded.name
    }

    fn role(loaded: &Plugin) -> Role {
        loaded.role
    }

    fn start(&mut self, loaded: Plugin) -> Result<(), Reason> {
        self.calls.push(format!("start {} {}", loaded.role, loaded.component));
        let slot = (loaded.role, loaded.name.clone());
        assert!(!self.running.contains_key(&slot), "{slot:?} runs already");
        if loaded.fails {
            return Err(Reason::new(Kind::Start, "it traps"));
        }
        self.running.insert(slot, loaded);
        Ok(())
    }

    fn swap(&mut self, loaded: Plugin) -> Result<(), Reason> {
        self.calls.push(format!("swap {} {}", loaded.role, loaded.component));
        let slot = (loaded.role, loaded.name.clone());
        assert!(self.running.contains_key(&slot), "{slot:?} does not run");
        if loaded.fails {
            return Err(Reason::new(Kind::Start, "it traps"));
        }
        self.running.insert(slot, loaded);
        Ok(())
    }

    fn moved(&mut self, role: Role, name: &str, file: &Path) {
        let file = file.file_name().expect("a file name").display();
        self.calls.push(format!("moved {role} {name} {file}"));
        assert!(
            self.running.contains_key(&(role, name.to_owned())),
            "{role} {name} does not run"
        );
    }

    fn stop(&mut self, role: Role, name: &str) {
        self.calls.push(format!("stop {role} {name}"));
        let stopped = self.running.remove(&(role, name.to_owned()));
        assert!(stopped.is_some(), "{role} {name} does not run");
    }

    fn settle(&mut self) {}
}
