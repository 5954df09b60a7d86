//! What the kernel side is told about what the plugins want.
use std::sync::Arc;

use crate::filter::{Sift, Subscription};
use crate::interface::vespid::plugin::describe::Kinds;
use crate::kernel::{Kernel, Probe, State};
use crate::plugin::record_kinds;

/// What the kernel does before there is an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early {
    /// It leaves out what nobody wants; if not, that is thrown away here.
    pub filters: bool,
    /// It merges what is alike, where all plugins allow it.
    pub merges: bool,
}

/// The tables that any of these subscriptions has.
pub(super) fn tables<'a>(wanted: impl Iterator<Item = &'a Subscription>) -> Kinds {
    wanted.fold(Kinds::empty(), |tables, subscription| tables | subscription.tables)
}

/// Has just those probes run that these subscriptions need, and leave out what none of them wants; says how the probes
/// are then.
pub(super) fn want<'a>(
    kernel: &mut Kernel,
    early: Early,
    wanted: impl IntoIterator<Item = &'a Subscription>,
    node: &[u32; 8],
) -> Arc<[Probe]> {
    let wanted: Vec<_> = wanted.into_iter().collect();
    let mut sift = Sift::of(wanted.iter().copied(), node);
    if !early.filters {
        sift = sift.opened();
    }
    if !early.merges {
        sift.sieve.merge_ns = 0;
    }
    if let Err(error) = kernel.sift(&sift) {
        tracing::error!("the kernel cannot be told which rows are wanted: {error}");
    }
    match kernel.want(record_kinds(tables(wanted.into_iter()))) {
        Ok(changed) => changed.iter().for_each(say),
        Err(error) => tracing::error!("the kernel cannot be told what is wanted: {error}"),
    }
    kernel.probes().into()
}

/// Said once, as what is lost stays lost while this kernel runs.
pub(super) fn say_passed_over(probe: &Probe) {
    for passed_over in &probe.passed_over {
        let (way, why, loses) = (passed_over.variant.name(), &passed_over.reason, &passed_over.loses);
        tracing::info!(
            probe = probe.name,
            "does without {way}: {why}; lost without it: {loses}"
        );
    }
}

pub(super) fn say(probe: &Probe) {
    let (name, hook) = (probe.name, probe.hook.as_str());
    match &probe.state {
        State::Attached => tracing::debug!(probe = name, hook, "attached"),
        State::NotNeeded => tracing::debug!(probe = name, hook, "detached"),
        State::Unavailable(why) => {
            let loses = probe.loses;
            tracing::warn!(
                probe = name,
                hook,
                "the probe cannot run because {why}; lost without it: {loses}"
            );
        }
    }
}
