//! What `vespid ctl probes` shows.
use serde::{Deserialize, Serialize};

use crate::kernel::{Beside, Inventory, PassedOver, State, Way};

/// The probes, and what the daemon has in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probes {
    /// Each probe, running or not.
    pub probes: Vec<Probe>,
    /// Programs and maps.
    pub kernel: Inventory,
}

/// A probe: see [`crate::kernel::Probe`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Name of the program.
    pub name: String,
    /// What it hooks into.
    pub hook: String,
    /// Whether it runs.
    #[serde(flatten)]
    pub state: State,
    /// What is not seen without it.
    pub loses: String,
    /// What attaches it, by its id in the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<u32>,
    /// The way in which it is had, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Way>,
    /// Better ways that are not to be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// Programs that it has beside that of its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
}

impl From<&crate::kernel::Probe> for Probe {
    fn from(probe: &crate::kernel::Probe) -> Probe {
        Probe {
            name: probe.name.to_owned(),
            hook: probe.hook.clone(),
            state: probe.state.clone(),
            loses: probe.loses.to_owned(),
            link: probe.link,
            variant: probe.variant,
            passed_over: probe.passed_over.clone(),
            beside: probe.beside.clone(),
        }
    }
}
