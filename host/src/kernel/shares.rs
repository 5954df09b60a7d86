//! What was given up, by control group.
use std::collections::BTreeMap;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use vespid_ebpf::Kind;
use vespid_ebpf::share::{MAX_SHARES, Share};
use zerocopy::FromBytes;

use super::load::StartError;
use super::programs::{take_map, unusable};

/// The programs' books on control groups.
pub(super) struct Shares(HashMap<MapData, u64, [u8; size_of::<Share>()]>);

impl std::fmt::Debug for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shares").finish_non_exhaustive()
    }
}

impl Shares {
    pub(super) fn open(object: &mut Ebpf) -> Result<Shares, StartError> {
        Ok(Shares(
            HashMap::try_from(take_map(object, "SHARES")?).map_err(unusable)?,
        ))
    }

    pub(super) fn given_up(&self) -> Vec<(u64, [u64; Kind::ALL.len()])> {
        // The programs go on meanwhile, which can make the walk begin anew; a later reading of the same replaces the first.
        let all = self.0.iter().take(2 * MAX_SHARES).filter_map(Result::ok);
        let shares = all.filter_map(|(cgroup, bytes)| Some((cgroup, Share::read_from_bytes(&bytes).ok()?)));
        shares
            .filter(|(_, share)| share.given_up.iter().any(|count| *count > 0))
            .map(|(cgroup, share)| (cgroup, share.given_up))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests;
