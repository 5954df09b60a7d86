//! A shadow becomes the active version: its files take the active one's place in the plugin directory, and the swap that
//! follows is one like any other. So a daemon that starts again finds what was promoted.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::roster::{Roster, Running};
use crate::control::Refused;
use crate::nest::{Change, Changes, Role};

/// Files that have changed places.
#[derive(Debug)]
pub(super) struct Renamed {
    plugin: String,
    /// Of the component that was promoted.
    digest: String,
    active: PathBuf,
    previous: PathBuf,
}

/// Puts the shadow's files in place of the active version's. The active component stays beside it as `NAME.wasm.previous`,
/// and its configuration, if another one took its place, as `NAME.toml.previous`.
pub(super) fn rename(roster: &Roster, plugin: &str) -> Result<Renamed, Refused> {
    let shadow = roster.find(Role::Shadow, plugin);
    let active = roster.find(Role::Active, plugin);
    let (shadow, digest, active) = match (shadow, active) {
        (Some(shadow), Some(active)) => {
            let digest = shadow.worker.plugin().identity.digest.clone();
            (file(&shadow), digest, file(&active))
        }
        (Some(shadow), None) => {
            let file = file(&shadow);
            return Err(Refused::conflict(format!(
                "{plugin} has no active version to take over from; rename {} to activate it",
                file.display()
            )));
        }
        (None, Some(_)) => {
            return Err(Refused::conflict(format!(
                "{plugin} has no shadow; put one beside it as NAME.shadow.wasm"
            )));
        }
        (None, None) => {
            let all = roster.all();
            return Err(Refused::unknown_plugin(
                plugin,
                all.iter().map(|running| running.name.as_str()),
            ));
        }
    };
    let previous = previous(&active);
    let failed = |error: io::Error| {
        Refused::failed(format!(
            "{} cannot take the place of {}: {error}; replace the file yourself",
            shadow.display(),
            active.display()
        ))
    };
    promoted_config(&shadow, &active)?;
    keep(&active, &previous)
        .and_then(|()| fs::rename(&shadow, &active))
        .map_err(failed)?;
    let config = shadow.with_extension("toml");
    fs::remove_file(&config)
        .or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })
        .map_err(failed)?;
    Ok(Renamed {
        plugin: plugin.to_owned(),
        digest,
        active,
        previous,
    })
}

impl Renamed {
    /// What the look afterwards led to: an error if the shadow's version did not take over.
    pub(super) fn settle(self, roster: &Roster, looked: Result<Changes, Refused>) -> Result<Changes, Refused> {
        let changes = looked?;
        for change in &changes.list {
            match change {
                Change::Swapped(which) if which.name == self.plugin && which.role == Role::Active => {
                    return Ok(changes);
                }
                Change::Refused { file, reason } if *file == self.active => {
                    return Err(Refused::failed(format!(
                        "the shadow did not take over, and the old version serves on: {reason}. Its component is now \
                         {}, the old one {}",
                        self.active.display(),
                        self.previous.display()
                    )));
                }
                _ => {}
            }
        }
        // The two may have been the same.
        let serves = |running: &Arc<Running>| running.worker.plugin().identity.digest == self.digest;
        if roster.find(Role::Active, &self.plugin).as_ref().is_some_and(serves) {
            return Ok(changes);
        }
        Err(Refused::failed(format!(
            "{} changed meanwhile; look again with `vespid ctl plugins`",
            self.active.display()
        )))
    }
}

fn file(running: &Running) -> PathBuf {
    running.worker.plugin().identity.file.clone()
}

fn previous(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".previous");
    name.into()
}

/// A second name for an old file, so that going back is one `mv`.
fn keep(active: &Path, previous: &Path) -> io::Result<()> {
    match fs::remove_file(previous) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::hard_link(active, previous).or_else(|_| fs::copy(active, previous).map(drop))
}

/// The shadow's configuration, if it has one of its own, becomes the active one, without the word that made it a shadow.
fn promoted_config(shadow: &Path, active: &Path) -> Result<(), Refused> {
    let from = shadow.with_extension("toml");
    let failed = |error: io::Error| Refused::failed(format!("cannot promote {}: {error}", from.display()));
    let text = match fs::read_to_string(&from) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let text = without_mode(&text);
    if is_shadow(&text) {
        return Err(Refused::conflict(format!(
            "{} says `mode` in a way that cannot be changed safely; set it to \"active\" there, remove the old file, and \
             `vespid ctl reload`",
            from.display()
        )));
    }
    let to = active.with_extension("toml");
    let new = to.with_extension("toml.new");
    fs::write(&new, text)
        .and_then(|()| match keep(&to, &previous(&to)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::rename(&new, &to),
        })
        .map_err(failed)
}

/// The text without the line `mode = …` of the table `[vespid]`; comments and order stay.
fn without_mode(text: &str) -> String {
    let mut is_ours = false;
    let is_kept = |line: &&str| {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            is_ours = trimmed.split(']').next() == Some("[vespid");
        }
        let key = trimmed.split('=').next().unwrap_or_default().trim();
        !(is_ours && key == "mode" || key == "vespid.mode")
    };
    text.split_inclusive('\n').filter(is_kept).collect()
}

fn is_shadow(text: &str) -> bool {
    let table: Result<toml::Table, _> = toml::from_str(text);
    table.is_ok_and(|table| {
        table
            .get("vespid")
            .and_then(|ours| ours.get("mode"))
            .is_some_and(|mode| mode.as_str() == Some("shadow"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_that_made_it_a_shadow_goes() {
        let text =
            "# ours\nmode = \"strict\"\n\n[vespid]\nmode = \"shadow\" # on trial\n\n[vespid.limits]\nfailures = 3\n";
        let promoted = without_mode(text);
        assert_eq!(
            promoted,
            "# ours\nmode = \"strict\"\n\n[vespid]\n\n[vespid.limits]\nfailures = 3\n"
        );
        assert!(is_shadow(text) && !is_shadow(&promoted));
        assert!(!is_shadow(&without_mode("vespid.mode = \"shadow\"\n")));
        assert!(is_shadow(&without_mode("vespid = { mode = \"shadow\" }\n")));
    }
}
