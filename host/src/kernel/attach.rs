//! The probes: the way in which each is to be had on this kernel, found by trying, and having it run.
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use aya::{Btf, Ebpf};
use serde::{Deserialize, Serialize};
use vespid_ebpf::Kind;

use super::btf::Layout;
use super::hooks::{At, CALLER, HOOKS, Hook, Part, Variant, Way};
use super::links::{ByName, Called, Link, attach_all, by_name, is_passing, load, release, types, unload};
use super::load::{StartError, program_reason};

/// One probe and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// Name of the program, as `bpftool prog` shows it.
    pub name: &'static str,
    /// What it hooks into.
    pub hook: String,
    /// Whether it runs.
    #[serde(flatten)]
    pub state: State,
    /// What is not seen without it.
    pub loses: &'static str,
    /// What attaches it, by its id in the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<u32>,
    /// The way in which it is had, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Way>,
    /// Better ways that are not to be had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// Programs that it has beside that of its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
}

/// A way that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// The way.
    pub variant: Way,
    /// Why not.
    pub reason: String,
    /// What is not seen without it.
    pub loses: String,
}

/// A program that serves a probe of another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Name of the program.
    pub name: String,
    /// What it hooks into.
    pub hook: String,
    /// What attaches it, by its id in the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<u32>,
}

impl Probe {
    /// Why it cannot run, if it was asked for and cannot.
    #[must_use]
    pub fn unavailable(&self) -> Option<&str> {
        match &self.state {
            State::Unavailable(why) => Some(why),
            State::Attached | State::NotNeeded => None,
        }
    }
}

/// Whether a probe runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum State {
    /// It is attached.
    Attached,
    /// Nobody asked for what it sees.
    NotNeeded,
    /// It cannot run, because of this.
    Unavailable(String),
}

/// A probe of which the kernel has verified a variant, or refused them all.
pub(super) struct Loaded {
    hook: &'static Hook,
    /// Mask of the kinds that it serves on this kernel.
    serves: u32,
    /// What makes every variant impossible on this kernel.
    obstacle: Option<String>,
    /// The verifier has rejected one.
    is_rejected: bool,
    /// Why the variants before the chosen one were passed over; of all of them if there is none.
    passed_over: Vec<String>,
    /// What its programs run by.
    links: Vec<Link>,
    /// Closes what they were attached by before.
    closing: Option<JoinHandle<()>>,
}

impl Loaded {
    /// Has the kernel verify the programs of all probes that it can run, each in the best way that it grants, `prefer` or
    /// one that comes after it. None is attached yet.
    ///
    /// Verifying takes most of a start, and no probe has another's programs: so all processors take part.
    pub(super) fn all(programs: &mut Ebpf, layout: &Layout, prefer: Way) -> Result<Vec<Loaded>, StartError> {
        let types = types().map_err(StartError::UnreadableBtf)?;
        let mut programs = by_name(programs);
        let mut probes: Vec<(Loaded, ByName<'_>)> = (HOOKS.iter())
            .map(|hook| (Loaded::begin(hook, layout, prefer), hook.own(&mut programs)))
            .collect();
        let next = {
            let rest = Mutex::new(probes.iter_mut());
            move || rest.lock().unwrap_or_else(PoisonError::into_inner).next()
        };
        let verify = || {
            while let Some((loaded, programs)) = next() {
                if loaded.obstacle.is_none() {
                    loaded.load(programs, &types);
                }
            }
        };
        let helpers = thread::available_parallelism().map_or(0, |processors| processors.get().min(HOOKS.len()) - 1);
        thread::scope(|scope| {
            for _ in 0..helpers {
                // Without it, the others have more to do.
                let _spawned = thread::Builder::new().spawn_scoped(scope, verify);
            }
            verify();
        });
        let mut probes: Vec<Loaded> = probes.into_iter().map(|(loaded, _)| loaded).collect();
        let called = probes
            .iter()
            .filter(|probe| probe.is_called() && probe.refused().is_none());
        let called = called.fold(0, |kinds, probe| kinds | probe.serves);
        if let Some(caller) = probes.iter_mut().find(|probe| probe.is_caller()) {
            caller.serves |= called;
        }
        Ok(probes)
    }

    /// Nothing is loaded yet. Passes over what is better than the way that is preferred, if the probe is to be had in
    /// that way.
    fn begin(hook: &'static Hook, layout: &Layout, prefer: Way) -> Loaded {
        let before = hook.variants.iter().position(|variant| variant.way == prefer);
        let reason = format!("the configuration prefers {}", prefer.name());
        Loaded {
            hook,
            serves: hook.serves,
            obstacle: layout.obstacle(hook.needs).map(str::to_owned),
            is_rejected: false,
            passed_over: vec![reason; before.unwrap_or(0)],
            links: Vec::new(),
            closing: None,
        }
    }

    /// The variant that is taken.
    fn chosen(&self) -> Option<&'static Variant> {
        self.hook.variants.get(self.passed_over.len())
    }

    /// Has the kernel verify the chosen variant, or else the next.
    pub(super) fn load(&mut self, programs: &mut ByName<'_>, types: &Btf) {
        while let Some(variant) = self.chosen() {
            match variant.parts.iter().try_for_each(|part| load(programs, part, types)) {
                Ok(()) => return,
                Err(refusal) => {
                    self.is_rejected |= refusal.is_of_verifier;
                    self.pass_over(programs, refusal.reason);
                }
            }
        }
    }

    /// Gives up the chosen variant, with the programs that no later one needs.
    pub(super) fn pass_over(&mut self, programs: &mut ByName<'_>, reason: String) {
        let Some(variant) = self.chosen() else { return };
        self.passed_over.push(reason);
        let later = self.hook.variants.iter().skip(self.passed_over.len());
        let is_needed = |part: &Part| {
            later
                .clone()
                .flat_map(|variant| variant.parts)
                .any(|other| other.program == part.program)
        };
        for part in variant.parts.iter().filter(|part| !is_needed(part)) {
            // That it was never loaded is no matter.
            let _not_loaded = unload(programs, part);
        }
    }

    /// Why it cannot run on this kernel.
    pub(super) fn refused(&self) -> Option<&str> {
        let last = self.passed_over.last().filter(|_| self.chosen().is_none());
        self.obstacle.as_deref().or(last.map(String::as_str))
    }

    /// Whether the verifier has rejected a variant.
    pub(super) fn is_rejected(&self) -> bool {
        self.is_rejected
    }

    /// Whether it calls the others.
    pub(super) fn is_caller(&self) -> bool {
        self.hook.name == CALLER
    }

    /// Whether [`CALLER`] calls it, in whichever way it is had.
    fn is_called(&self) -> bool {
        let parts = self.hook.variants.iter().flat_map(|variant| variant.parts);
        parts.into_iter().any(|part| matches!(part.at, At::Called(_)))
    }

    /// Whether no event can be told whose it is without it: then it always runs.
    pub(super) fn carries_the_tree(&self) -> bool {
        self.hook.needs & Kind::TREE != 0
    }

    /// The probe as it is now.
    pub(super) fn probe(&self, state: State) -> Probe {
        let variants = self.hook.variants;
        let taken = self.chosen().unwrap_or(&variants[variants.len() - 1]);
        let link = |at: usize| match self.links.get(at)? {
            Link::Own(link) => Some(link.info().ok()?.id()),
            Link::Called(_) => None,
        };
        let mut parts = taken.parts.iter().enumerate();
        let main = parts.next().map_or(String::new(), |(_, part)| part.at.text());
        let passed_over = variants.iter().zip(&self.passed_over);
        Probe {
            name: taken.parts.first().map_or(self.hook.name, |part| part.program),
            hook: main,
            loses: self.hook.loses,
            link: link(0),
            variant: Some(taken.way),
            passed_over: passed_over
                .filter(|(variant, _)| self.chosen().is_some() && !variant.gains.is_empty())
                .map(|(variant, reason)| PassedOver {
                    variant: variant.way,
                    reason: reason.clone(),
                    loses: variant.gains.to_owned(),
                })
                .collect(),
            beside: parts
                .map(|(at, part)| Beside {
                    name: part.program.to_owned(),
                    hook: part.at.text(),
                    link: link(at),
                })
                .collect(),
            state,
        }
    }

    /// Detaches it. Of programs on functions that takes the kernel a tenth of a second each, until nobody can be in one of
    /// them any more; the ring would not be read meanwhile. They have nothing to do from the moment that nobody wants it.
    fn detach(&mut self, called: &mut Called) {
        let links = std::mem::take(&mut self.links);
        let parts = self.chosen().map_or(&[][..], |variant| variant.parts);
        let (mut slow, mut quick) = (Vec::new(), Vec::new());
        for (link, part) in links.into_iter().zip(parts) {
            let is_slow = matches!(part.at, At::Entry(_) | At::Return(_));
            if is_slow { &mut slow } else { &mut quick }.push(link);
        }
        drop(release(quick, called));
        let slow = release(slow, called);
        if !slow.is_empty() {
            let thread = thread::Builder::new().name("vespid-detach".to_owned());
            // If there can be no thread, they are closed here.
            self.closing = thread.spawn(move || drop(slow)).ok();
        }
    }

    /// Attaches or detaches the probe, or leaves it as it is. `asked` may hold kinds beyond `deliverable`, which this
    /// kernel has not. `caller` says why [`CALLER`] cannot run, if it cannot.
    pub(super) fn want(
        &mut self,
        programs: &mut Ebpf,
        called: &mut Called,
        asked: u32,
        deliverable: u32,
        caller: Option<&str>,
    ) -> State {
        let always = self.carries_the_tree();
        let refused = self.refused().or(caller.filter(|_| self.is_called()));
        if let Some(reason) = refused.filter(|_| always || self.serves & asked != 0) {
            return State::Unavailable(reason.to_owned());
        }
        if !always && self.serves & asked & deliverable == 0 {
            self.detach(called);
            return State::NotNeeded;
        }
        if !self.links.is_empty() {
            return State::Attached;
        }
        if let Some(closing) = self.closing.take() {
            // A program can be attached to a function once.
            let _closed = closing.join();
        }
        while let Some(variant) = self.chosen() {
            match attach_all(programs, called, variant) {
                Ok(links) => {
                    self.links = links;
                    return State::Attached;
                }
                // What was verified may still not be granted. The last variant is tried again next time, and so is any that
                // something passing was in the way of.
                Err(error) if self.passed_over.len() + 1 < self.hook.variants.len() && !is_passing(&error) => {
                    let mut programs = by_name(programs);
                    self.pass_over(&mut programs, program_reason(&error));
                    match types() {
                        Ok(types) => self.load(&mut programs, &types),
                        Err(reason) => return State::Unavailable(reason),
                    }
                }
                Err(error) => return State::Unavailable(program_reason(&error)),
            }
        }
        State::Unavailable(self.refused().unwrap_or_default().to_owned())
    }
}

impl Hook {
    /// Takes the programs of its variants out.
    fn own<'a>(&self, programs: &mut ByName<'a>) -> ByName<'a> {
        let parts = self.variants.iter().flat_map(|variant| variant.parts);
        parts.filter_map(|part| programs.remove_entry(part.program)).collect()
    }
}
