//! Giving up what was needed only to load the probes.
use caps::{CapSet, Capability, CapsHashSet};

/// What the daemon may still do once its probes run: read /proc of any process.
const KEPT: [Capability; 2] = [Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH];

/// Drops every other capability, for this thread and those it starts from now on.
///
/// # Errors
/// If the kernel refuses.
pub fn drop_unneeded() -> anyhow::Result<()> {
    let held = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = KEPT
        .into_iter()
        .filter(|capability| held.contains(capability))
        .collect();
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    Ok(())
}
