//! Runs what the plugin directory has: makes plugins of files, gives each a worker, and lets one version take over from
//! another.
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::comparing::Comparing;
use super::look_back::{LookBacks, Newcomer};
use super::reload::Reloads;
use super::reporter::{Reporter, Shared, VerdictOut};
use super::roster::{Roster, Running};
use super::saved_states::SavedStates;
use crate::clock;
use crate::config::Config;
use crate::filter::Subscription;
use crate::metrics;
use crate::nest::{Candidate, Kind, LoadError, Reason, Role, Runtime};
use crate::pipeline::{Origin, Seat};
use crate::plugin::{Engine, Mode, Plugin, Refusal, Successor, Why, Worker, make};
use crate::state::States;
use crate::trial;

/// Seats plugins at the pipeline.
pub trait Seating: Send {
    /// A plugin is to get batches.
    fn sit(&self, running: &Arc<Running>);

    /// Returns when all do that were to; says from which event time.
    fn settle(&self) -> u64;

    /// A plugin gets these rows from now on.
    fn want(&self, seat: Seat, subscription: &Subscription);

    /// It gets none any more.
    fn leave(&self, seat: Seat);
}

/// Makes the way out for the verdicts of one more plugin.
pub type Outs = Box<dyn FnMut() -> Box<dyn VerdictOut> + Send>;

/// Everything that it takes to run plugins.
pub struct Plugins {
    engine: Engine,
    config: Config,
    origin: Origin,
    roster: Roster,
    seating: Box<dyn Seating>,
    outs: Outs,
    states: SavedStates,
    look_backs: Option<LookBacks>,
    /// Who is being seated. Meanwhile the next one is loaded: an exchange of what the kernel leaves out takes longer.
    arriving: Vec<Arriving>,
    next_seat: u64,
}

/// A plugin that could be started.
pub struct Loaded {
    plugin: Plugin,
    config: Value,
    role: Role,
    series: metrics::Limits,
    began: Instant,
}

/// A plugin that is on its way to its seat.
struct Arriving {
    running: Arc<Running>,
    plugin: Plugin,
    config: Value,
    series: metrics::Limits,
}

impl Plugins {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(
        engine: Engine,
        config: &Config,
        origin: &Origin,
        roster: Roster,
        seating: Box<dyn Seating>,
        outs: Outs,
        states: Option<States>,
    ) -> Plugins {
        Plugins {
            engine,
            config: config.clone(),
            origin: origin.clone(),
            roster,
            seating,
            outs,
            states: SavedStates::new(states),
            look_backs: None,
            arriving: Vec::new(),
            next_seat: 0,
        }
    }

    /// The same, for plugins that want to look back.
    #[must_use]
    pub fn with_look_backs(self, look_backs: LookBacks) -> Plugins {
        Plugins {
            look_backs: Some(look_backs),
            ..self
        }
    }

    /// Who runs.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Writes those states that have changed.
    pub fn write_states(&mut self) {
        for running in self.roster.active() {
            self.states.write(&running);
        }
    }

    /// Ends all plugins, each after what waits for it, and writes their states.
    pub fn finish(&mut self) {
        self.look_backs = None;
        for running in self.roster.all() {
            running.worker.finish();
            self.states.write(&running);
        }
    }

    /// A version has become active, which gets events from `since` on.
    fn look_back(&mut self, plugin: &Plugin, config: &Value, series: metrics::Limits, since: u64) {
        let Some(look_backs) = &mut self.look_backs else {
            return;
        };
        look_backs.forget(&plugin.identity.name);
        look_backs.ask(Newcomer {
            plugin: plugin.clone(),
            config: config.clone(),
            options: trial::Options {
                series,
                retro: true,
                ..trial::Options::of(&self.config)
            },
            since,
            out: (self.outs)(),
        });
    }

    /// The comparison of `name`'s two versions, if the other one runs already.
    fn comparing(&self, role: Role, name: &str) -> Comparing {
        let other = match role {
            Role::Active => Role::Shadow,
            Role::Shadow => Role::Active,
        };
        self.roster
            .find(other, name)
            .map_or_else(Comparing::default, |running| running.reported.comparing().clone())
    }

    fn clash(&self, loaded: &Loaded) -> Option<String> {
        let others = self.roster.active().into_iter();
        let others = others.chain(self.arriving.iter().map(|arriving| arriving.running.clone()));
        let names: Vec<(String, Vec<String>)> = others
            .filter(|running| running.role == Role::Active)
            .map(|running| {
                let manifest = running.worker.plugin().manifest;
                // It runs, so its metrics can be exported.
                let exported = metrics::exported_names(&running.name, &manifest.metrics).unwrap_or_default();
                (running.name.clone(), exported)
            })
            .collect();
        metrics::clash(&loaded.plugin.identity.name, &loaded.plugin.manifest.metrics, &names)
    }

    fn check(&self, loaded: &Loaded) -> Result<(), Reason> {
        if loaded.role == Role::Shadow {
            return Ok(());
        }
        match self.clash(loaded) {
            Some(clash) => Err(Reason::new(Kind::Component, clash)),
            None => Ok(()),
        }
    }
}

impl Runtime for Plugins {
    type Loaded = Loaded;

    fn load(&mut self, candidate: &Candidate) -> Result<Loaded, LoadError> {
        let began = Instant::now();
        let bytes = candidate.bytes()?;
        let defaults = self.config.plugins.settings();
        let text = candidate.contents.config.as_deref().unwrap_or_default();
        let found = make(&self.engine, &candidate.file, &bytes, text, &defaults).map_err(|refusal| reason(&refusal))?;
        let role = match found.settings.mode {
            Some(Mode::Shadow) => Role::Shadow,
            // A file whose name says so is a shadow, since it has the active version's configuration if it has none of its
            // own.
            Some(Mode::Active) | None => candidate.contents.role,
        };
        Ok(Loaded {
            plugin: found.plugin,
            config: found.config,
            role,
            series: found.settings.series,
            began,
        })
    }

    fn name(loaded: &Loaded) -> &str {
        &loaded.plugin.identity.name
    }

    fn role(loaded: &Loaded) -> Role {
        loaded.role
    }

    fn start(&mut self, loaded: Loaded) -> Result<(), Reason> {
        self.check(&loaded)?;
        let failed = |error: &dyn std::error::Error| Reason::new(Kind::Start, error);
        let name = loaded.plugin.identity.name.clone();
        let role = loaded.role;
        if role == Role::Shadow {
            // The active one may be arriving.
            self.settle();
        }
        let state = match role {
            Role::Active => self.states.read(&name),
            // It is compared with the active version, so it starts from what that one knows.
            Role::Shadow => self
                .roster
                .find(Role::Active, &name)
                .and_then(|active| active.worker.snapshot())
                .map(|snapshot| (*snapshot).clone()),
        };
        let shared =
            Shared::new(&loaded.plugin, loaded.series, self.comparing(role, &name)).map_err(|error| failed(&error))?;
        let (plugin, config, series) = (loaded.plugin.clone(), loaded.config.clone(), loaded.series);
        let out = (self.outs)();
        let reporter = Reporter::new(&loaded.plugin.identity, &self.origin, role, shared.clone(), out);
        let worker =
            Worker::spawn(loaded.plugin, loaded.config, state, Box::new(reporter)).map_err(|error| failed(&error))?;
        let running = Arc::new(Running {
            seat: Seat(self.next_seat),
            role,
            name,
            worker,
            reported: shared,
            reloads: Reloads::default(),
        });
        self.next_seat += 1;
        self.seating.sit(&running);
        self.arriving.push(Arriving {
            running,
            plugin,
            config,
            series,
        });
        Ok(())
    }

    fn settle(&mut self) {
        if self.arriving.is_empty() {
            return;
        }
        let since = self.seating.settle();
        for arrived in std::mem::take(&mut self.arriving) {
            // Whoever is listed is served.
            self.roster.add(arrived.running.clone());
            match arrived.running.role {
                Role::Shadow => arrived.running.reported.comparing().begin(since),
                Role::Active => self.look_back(&arrived.plugin, &arrived.config, arrived.series, since),
            }
        }
    }

    fn swap(&mut self, loaded: Loaded) -> Result<(), Reason> {
        self.settle();
        self.check(&loaded)?;
        let began = loaded.began;
        let name = &loaded.plugin.identity.name;
        let Some(running) = self.roster.find(loaded.role, name) else {
            return Err(Reason::new(Kind::Start, "the plugin has just been stopped"));
        };
        let failed = |error: &dyn std::fmt::Display| {
            running.reloads.failed(&error.to_string());
            Reason::new(Kind::Start, error)
        };
        let (before, version) = (
            running.worker.plugin().identity.version.clone(),
            loaded.plugin.identity.version.clone(),
        );
        let (plugin, config) = (loaded.plugin.clone(), loaded.config.clone());
        let successor = Successor::start(loaded.plugin, loaded.config)
            .map_err(|failure| failed(&format!("the new version does not start: it {failure}")))?;
        let (old, new) = (running.worker.subscription(), successor.subscription().clone());
        // Until it is settled which of the two serves, batches have what either of them wants.
        if old != new {
            self.seating.want(running.seat, &old.or(&new));
        }
        let outcome = running.worker.swap(successor);
        if old != new {
            self.seating
                .want(running.seat, if outcome.is_ok() { &new } else { &old });
        }
        let swapped = outcome.map_err(|error| failed(&error))?;
        running.reported.lock().families.limit(loaded.series);
        let took = began.elapsed();
        running.reloads.swapped(&before, &swapped, took);
        running.reported.comparing().begin_again(clock::now());
        tracing::info!(
            plugin = running.name,
            version,
            state = swapped.state.as_str(),
            state_bytes = swapped.state_bytes,
            took_ms = took.as_millis(),
            pause_us = swapped.pause.as_micros(),
            "a new version took over"
        );
        if loaded.role == Role::Active {
            self.look_back(&plugin, &config, loaded.series, clock::now());
        }
        Ok(())
    }

    fn moved(&mut self, role: Role, name: &str, file: &Path) {
        self.settle();
        if let Some(running) = self.roster.find(role, name) {
            running.worker.moved(file);
        }
    }

    fn stop(&mut self, role: Role, name: &str) {
        self.settle();
        let Some(running) = self.roster.find(role, name) else {
            return;
        };
        if let Some(look_backs) = self.look_backs.as_mut().filter(|_| role == Role::Active) {
            look_backs.forget(name);
        }
        self.seating.leave(running.seat);
        running.worker.finish();
        self.roster.remove(running.seat);
        self.states.end(&running);
        if role == Role::Shadow {
            running.reported.comparing().end();
        }
    }
}

/// By who has to do something about it.
fn reason(refusal: &Refusal) -> Reason {
    let kind = match &refusal.why {
        Why::Unreadable(_) => Kind::Unreadable,
        Why::TooLarge { .. } => Kind::TooLarge,
        Why::Config { .. } => Kind::Config,
        Why::Compile(error) if error.is_passing() => Kind::Passing,
        _ => Kind::Component,
    };
    Reason::new(kind, &refusal.why)
}

/// Plugins that sit nowhere yet: a replay seats them itself, before its first event.
pub struct Standing;

impl Seating for Standing {
    fn sit(&self, _: &Arc<Running>) {}

    fn settle(&self) -> u64 {
        0
    }

    fn want(&self, _: Seat, _: &Subscription) {}

    fn leave(&self, _: Seat) {}
}
