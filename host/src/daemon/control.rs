//! What an operator may ask of this daemon.
use std::sync::Arc;

use serde_json::Value;

use super::keeper::Orders;
use super::roster::{Running, mode};
use super::status::Status;
use super::view::Live;
use crate::control::ledger::Ledger;
use crate::control::probes::{Probe, Probes};
use crate::control::{Change, Control, Refused, RefusedFile, Reloaded, view::View};
use crate::http::Source;
use crate::kernel::Objects;
use crate::nest::{self, Changes, Role, Which};
use crate::plugin;
use crate::shadow::Summary;

/// Answers operators.
pub(super) struct Desk {
    pub(super) status: Arc<Status>,
    pub(super) live: Live,
    pub(super) orders: Orders,
    pub(super) objects: Objects,
}

impl Desk {
    fn find(&self, name: &str) -> Result<Arc<Running>, Refused> {
        let roster = self.status.roster();
        let found = roster
            .find(Role::Active, name)
            .or_else(|| roster.find(Role::Shadow, name));
        found.ok_or_else(|| {
            let all = roster.all();
            Refused::unknown_plugin(name, all.iter().map(|running| running.name.as_str()))
        })
    }

    fn change(&self, role: Role, name: &str) -> Change {
        let Some(running) = self.status.roster().find(role, name) else {
            return Change {
                plugin: name.to_owned(),
                mode: mode(role),
                ..Change::default()
            };
        };
        let reloads = running.reloads.counts();
        let note = (reloads.swapped > 0).then(|| match reloads.state {
            plugin::Carried::Warm => "state carried over".to_owned(),
            plugin::Carried::Cold => "starts cold: it did not understand the state of the version before".to_owned(),
            plugin::Carried::Nothing => "starts cold: there was no state".to_owned(),
        });
        Change {
            plugin: name.to_owned(),
            mode: mode(role),
            version: running.worker.plugin().identity.version.clone(),
            before: reloads.before,
            note,
        }
    }

    fn swapped(&self, which: &Which) -> Change {
        self.change(which.role, &which.name)
    }

    fn reloaded(&self, changes: &Changes) -> Reloaded {
        let mut reloaded = Reloaded::default();
        for change in &changes.list {
            match change {
                nest::Change::Started(which) => reloaded.started.push(Change {
                    before: None,
                    note: None,
                    ..self.swapped(which)
                }),
                nest::Change::Swapped(which) => reloaded.swapped.push(self.swapped(which)),
                nest::Change::Stopped { role, name } => reloaded.stopped.push(self.change(*role, name)),
                nest::Change::Refused { file, reason } => reloaded.refused.push(RefusedFile {
                    file: file.display().to_string(),
                    reason: reason.text.clone(),
                }),
                nest::Change::Moved(_) | nest::Change::Away(_) | nest::Change::Back => {}
            }
        }
        let changed = reloaded.started.len() + reloaded.swapped.len();
        reloaded.unchanged = self.status.roster().all().len().saturating_sub(changed) as u64;
        reloaded
    }
}

impl Control for Desk {
    fn probes(&self) -> Probes {
        Probes {
            probes: self.status.progress().probes.iter().map(Probe::from).collect(),
            kernel: self.objects.read(),
        }
    }

    fn ledger(&self) -> Ledger {
        self.status.ledger()
    }

    fn plugins(&self) -> Value {
        Source::plugins(&*self.status)
    }

    fn reload(&self) -> Result<Reloaded, Refused> {
        Ok(self.reloaded(&self.orders.look()?))
    }

    fn resume(&self, plugin: &str) -> Result<Change, Refused> {
        let running = self.find(plugin)?;
        if running.worker.stats().status == plugin::Status::Running {
            return Err(Refused::conflict(format!("{plugin} runs: there is nothing to resume")));
        }
        if running.worker.resume() {
            return Ok(Change {
                note: None,
                before: None,
                ..self.change(running.role, plugin)
            });
        }
        let why = running.worker.stats().last_failure.unwrap_or_default();
        Err(Refused::failed(format!("{plugin} does not start: it {why}")))
    }

    fn shadow(&self, plugin: &str) -> Result<Summary, Refused> {
        let running = self.find(plugin)?;
        let summary = running.reported.comparing().summary();
        summary.ok_or_else(|| {
            Refused::conflict(format!(
                "{plugin} has no shadow; put one beside its component as NAME.shadow.wasm"
            ))
        })
    }

    fn promote(&self, plugin: &str) -> Result<Change, Refused> {
        self.orders.promote(plugin)?;
        Ok(self.change(Role::Active, plugin))
    }

    fn view(&self) -> View {
        self.live.view()
    }
}
